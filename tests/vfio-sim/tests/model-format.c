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

/* The first frame of a kind; @chain_before: the CHAIN of the one before it */
static uint64_t *find_frame(uint64_t *stream, uint64_t kind,
                            uint64_t *chain_before)
{
    uint64_t *frame = stream;

    *chain_before = 0;
    while (frame[SEQ_KIND] >> 56 != kind) {
        *chain_before = frame[CHAIN];
        frame += frame_words(frame);
    }
    return frame;
}

/* Each of these values is refused with the header's hash right. */
static void check_header_word(unsigned int kind, unsigned int word,
                              const uint64_t *values, size_t n)
{
    size_t words, i;
    uint64_t *stream = stream_of(all_kinds, &words);
    uint64_t chain_before, good;
    uint64_t *frame = find_frame(stream, kind, &chain_before);

    good = frame[word];
    for (i = 0; i < n; i++) {
        frame[word] = values[i];
        frame[CHAIN] = hash(chain_before, frame, CHAIN);
        if (is_accepted((uint8_t *)stream, words * 8)) {
            tap_fail("kind %u: word %u may be 0x%llx", kind, word,
                     (unsigned long long)values[i]);
        }
    }
    frame[word] = good;
    frame[CHAIN] = hash(chain_before, frame, CHAIN);
    CHECK(is_accepted((uint8_t *)stream, words * 8));
}

static void test_wrong_headers(void)
{
    static const uint64_t kinds[] = {
        (uint64_t)KINDS << 56, 255ull << 56, (uint64_t)KIND_END << 56,
        (uint64_t)KIND_DMA << 56,
    };
    static const uint64_t lengths[] = {
        0, 63, 65, 192, MIB, 2 * MIB, UINT64_MAX, UINT64_MAX - 63, 1ull << 63,
    };
    static const uint64_t numbers[] = { 0, 1, UINT64_MAX };

    check_header_word(KIND_INITIAL, SEQ_KIND, kinds, TAP_SIZE(kinds));
    check_header_word(KIND_INITIAL, LENGTH, lengths, TAP_SIZE(lengths));
    check_header_word(KIND_DMA, LENGTH, lengths, TAP_SIZE(lengths));
    check_header_word(KIND_END, LENGTH, lengths, TAP_SIZE(lengths));
    check_header_word(KIND_STOPPED, OFFSET, numbers, TAP_SIZE(numbers));
    check_header_word(KIND_INITIAL, SEED, numbers, TAP_SIZE(numbers));
    check_header_word(KIND_INITIAL, SUM, numbers, TAP_SIZE(numbers));
    check_header_word(KIND_DMA, SUM, numbers, TAP_SIZE(numbers));
    check_header_word(KIND_END, SUM, numbers, TAP_SIZE(numbers));
}

/* Words of a DMA frame's payload: base, seed, pages, first, number */
static void test_wrong_window(void)
{
    static const struct {
        unsigned int word;
        uint64_t value;
    } wrong[] = {
        { 0, MIB + 1 }, { 2, 0 }, { 2, 1ull << 21 }, { 2, UINT64_MAX },
        { 3, 1 }, { 3, 17 }, { 4, 15 }, { 4, 17 }, { 4, UINT64_MAX },
    };
    size_t words, i;
    uint64_t *stream = stream_of(all_kinds, &words);
    uint64_t chain_before;
    uint64_t *payload = find_frame(stream, KIND_DMA, &chain_before) + WORDS;

    for (i = 0; i < TAP_SIZE(wrong); i++) {
        uint64_t good = payload[wrong[i].word];

        payload[wrong[i].word] = wrong[i].value;
        if (is_accepted((uint8_t *)stream, words * 8)) {
            tap_fail("word %u may be 0x%llx", wrong[i].word,
                     (unsigned long long)wrong[i].value);
        }
        payload[wrong[i].word] = good;
    }
    CHECK(is_accepted((uint8_t *)stream, words * 8));
}

static void test_wrong_totals(void)
{
    size_t words, i;
    uint64_t *stream = stream_of(all_kinds, &words);
    uint64_t chain_before;
    uint64_t *end = find_frame(stream, KIND_END, &chain_before);

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
    TAP_CASE("wrong-headers", test_wrong_headers,
             "wrong headers are refused, even with valid hashes"),
    TAP_CASE("wrong-window", test_wrong_window,
             "impossible DMA windows are refused"),
    TAP_CASE("wrong-totals", test_wrong_totals,
             "wrong totals at the end are refused, even with valid hashes"),
};

TAP_GROUP(model_format, "format", cases);
