/*
 * Tests of the format of the data stream, as the manual documents it
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "model-fixture.h"

/* Words of a frame's header */
enum {
    MAGIC,
    NONCE,
    SEQ_KIND,
    OFFSET,
    LENGTH,
    SEED,
    SUM,
    CHAIN,
    WORDS,
};

/* Kinds of frames */
enum {
    KIND_INITIAL,
    KIND_DIRTY,
    KIND_STOPPED,
    KIND_DMA,
    KIND_END,
    KINDS,
};

#define MULTIPLIER      0x9e3779b97f4a7c15ull

static const char all_kinds[] =
    "initial-bytes=3M dirty-bytes=64K stop-bytes=2M "
    "dma-rate=1M dma-size=64K dma-base=1M";

static uint64_t mix(uint64_t h, uint64_t w)
{
    h = (h ^ w) * MULTIPLIER;
    return h ^ h >> 32;
}

static uint64_t hash(uint64_t h, const uint64_t *words, size_t n)
{
    size_t i;

    for (i = 0; i < n; i++) {
        h = mix(h, words[i]);
    }
    return h;
}

static uint64_t *stream_of(const char *keys, size_t *words)
{
    VFIOSim *s = device(keys);
    size_t len;
    uint8_t *buf;

    write_pages(s, 0, 5);
    buf = save_stream(s, &len);
    CHECK_EQ(len % 8, 0);
    *words = len / 8;
    return (uint64_t *)buf;
}

static size_t frame_words(const uint64_t *frame)
{
    return WORDS + frame[LENGTH] / 8;
}

static void test_frames(void)
{
    uint64_t bytes[KINDS] = { 0 };
    uint64_t chain = 0, seq = 0;
    size_t words, pos, i;
    uint64_t *stream = stream_of(all_kinds, &words);
    uint64_t last_kind = 0;

    for (pos = 0; pos < words; pos += frame_words(stream + pos), seq++) {
        const uint64_t *frame = stream + pos;
        const uint64_t *payload = frame + WORDS;
        uint64_t kind = frame[SEQ_KIND] >> 56;

        CHECK(!memcmp(frame, "VFIOSIM1", 8));
        CHECK_EQ(frame[NONCE], stream[NONCE]);
        CHECK_EQ(frame[SEQ_KIND] & ((1ull << 56) - 1), seq);
        CHECK(kind >= last_kind && kind < KINDS);
        CHECK_EQ(frame[OFFSET], pos * 8);
        CHECK_EQ(frame[LENGTH] % 64, 0);
        CHECK(frame[LENGTH] + 64 <= MIB);
        if (kind < KIND_DMA) {
            for (i = 0; i < frame[LENGTH] / 8; i++) {
                if (payload[i] != frame[SEED] + i * MULTIPLIER) {
                    tap_fail("word %zu of frame %d", i, (int)seq);
                    break;
                }
            }
        }
        if (kind == KIND_DMA) {
            CHECK_EQ(payload[0], MIB);
            CHECK_EQ(payload[2], 16);
        }
        if (kind == KIND_END) {
            CHECK_EQ(frame[LENGTH], 64);
            CHECK_EQ(payload[0], words * 8);
            CHECK_EQ(payload[1], seq + 1);
            for (i = 0; i < KIND_END; i++) {
                CHECK_EQ(payload[2 + i], bytes[i]);
            }
            CHECK_EQ(pos + frame_words(frame), words);
        }
        chain = hash(chain, frame, CHAIN);
        CHECK(frame[CHAIN] == chain);
        bytes[kind] += frame[LENGTH] + 64;
        last_kind = kind;
        if (tap_failed()) {
            return;
        }
    }
    CHECK_EQ(last_kind, KIND_END);
    for (i = 0; i < KINDS; i++) {
        CHECK(bytes[i] > 0);
    }
}

/* Make the hashes of the last frame, an END, agree with its contents. */
static void seal_end(uint64_t *end, uint64_t chain_before)
{
    end[SUM] = hash(KIND_END, end + WORDS, WORDS);
    end[CHAIN] = hash(chain_before, end, CHAIN);
}

static void test_wrong_totals(void)
{
    size_t words, pos = 0, i;
    uint64_t *stream = stream_of(all_kinds, &words);
    uint64_t chain_before = 0;
    uint64_t *end;

    while (stream[pos + SEQ_KIND] >> 56 != KIND_END) {
        chain_before = stream[pos + CHAIN];
        pos += frame_words(stream + pos);
    }
    end = stream + pos;
    seal_end(end, chain_before);
    CHECK(is_accepted((uint8_t *)stream, words * 8));
    for (i = 0; i < WORDS; i++) {
        end[WORDS + i]++;
        seal_end(end, chain_before);
        if (is_accepted((uint8_t *)stream, words * 8)) {
            tap_fail("word %zu of the totals may be wrong", i);
        }
        end[WORDS + i]--;
    }
}

static const TapCase cases[] = {
    TAP_CASE("frames", test_frames,
             "headers, payloads and totals of all kinds of frames"),
    TAP_CASE("wrong-totals", test_wrong_totals,
             "wrong totals at the end are refused, even with valid hashes"),
};

TAP_GROUP(model_format, "format", cases);
