/*
 * Tests of the data stream
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <time.h>

#include "model-fixture.h"

static void test_two_sessions(void)
{
    VFIOSim *s = device("initial-bytes=4K stop-bytes=8K");
    static uint8_t one[16 * KIB], two[16 * KIB];
    uint32_t session;
    uint64_t wait;
    size_t n;

    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_PRE_COPY), 0);
    session = session_of(s);
    n = read_all(s, 0, one, sizeof(one), 1000);
    CHECK_EQ(n, 4 * KIB);
    /* A cancelled migration ends the session. */
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_RUNNING), 0);
    CHECK_EQ(session_of(s), 0);
    CHECK_EQ(vfio_sim_read(s, session, 0, two, 64, &wait), -ENODEV);

    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_PRE_COPY), 0);
    CHECK(session_of(s) != session);
    CHECK_EQ(vfio_sim_read(s, session, 0, two, 64, &wait), -ENODEV);
    n = read_all(s, 0, two, sizeof(two), 1000);
    /* The same session continues in STOP_COPY. */
    session = session_of(s);
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_STOP_COPY), 0);
    CHECK_EQ(session_of(s), session);
    n += read_all(s, 0, two + n, sizeof(two) - n, 1000);
    CHECK_EQ(n, 12 * KIB);
    CHECK(is_accepted(two, n));
    CHECK_EQ(counter(s, "sessions"), 2);

    /* Data of the first session is refused in the second. */
    memcpy(two, one, 4 * KIB);
    CHECK(!is_accepted(two, n));
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_STOP), 0);
    CHECK_EQ(vfio_sim_read(s, session, 0, two, 64, &wait), -ENODEV);
}

/* A device whose stream is short, with all kinds of frames */
static const char small[] =
    "initial-bytes=192 dirty-bytes=128 stop-bytes=704 "
    "dma-rate=1M dma-size=64K dma-base=1M";

static void test_write_sizes(void)
{
    VFIOSim *s = device(small);
    size_t len, pos, piece, n;
    uint8_t *buf;

    write_pages(s, 0, 5);
    buf = save_stream(s, &len);
    CHECK_EQ(len, 192 + 128 + 704);
    CHECK(is_accepted(buf, len));

    for (piece = 1; piece < 200; piece++) {
        VFIOSim *d = device("");

        CHECK_EQ(vfio_sim_set_state(d, 0, VFIO_SIM_RESUMING), 0);
        for (pos = 0; pos < len; pos += n) {
            n = min_size(piece, len - pos);
            CHECK_EQ(write_data(d, buf + pos, n), n);
        }
        CHECK_EQ(vfio_sim_set_state(d, 0, VFIO_SIM_STOP), 0);
        CHECK(must_verify_dma(d));
        discard(d);
    }
}

static void test_read_sizes(void)
{
    size_t piece, n;

    for (piece = 1; piece < 200; piece++) {
        VFIOSim *s = device(small);
        uint8_t out[4096];

        write_pages(s, 0, 5);
        CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_PRE_COPY), 0);
        /* PRE_COPY ends in the middle of a frame. */
        n = read_data(s, 0, out, piece);
        CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_STOP_COPY), 0);
        n += read_all(s, 0, out + n, sizeof(out) - n, piece);
        CHECK_EQ(n, 192 + 128 + 704);
        CHECK(is_accepted(out, n));
        discard(s);
    }
}

static void test_damage(void)
{
    VFIOSim *s = device(small);
    size_t len, i, bit;
    uint8_t *buf, *bad;

    write_pages(s, 0, 5);
    buf = save_stream(s, &len);
    bad = buffer(2 * len);

    CHECK(is_accepted(buf, len));
    CHECK(!is_accepted(buf, 0));
    for (i = 1; i < len; i++) {
        /* The end is missing. */
        CHECK(!is_accepted(buf, i));
        /* The beginning is missing. */
        CHECK(!is_accepted(buf + i, len - i));
    }
    for (i = 0; i < len; i++) {
        /* A bit differs. */
        for (bit = 0; bit < 8; bit++) {
            memcpy(bad, buf, len);
            bad[i] ^= 1 << bit;
            if (is_accepted(bad, len)) {
                tap_fail("bit %zu of byte %zu may differ", bit, i);
            }
        }
        /* A byte is missing. */
        memcpy(bad, buf, i);
        memcpy(bad + i, buf + i + 1, len - i - 1);
        CHECK(!is_accepted(bad, len - 1));
        /* A byte is repeated. */
        memcpy(bad, buf, i + 1);
        memcpy(bad + i + 1, buf + i, len - i);
        CHECK(!is_accepted(bad, len + 1));
    }
    for (i = 0; i + 64 <= len; i += 64) {
        /* 64 bytes are missing, repeated, exchanged with the next. */
        memcpy(bad, buf, i);
        memcpy(bad + i, buf + i + 64, len - i - 64);
        CHECK(!is_accepted(bad, len - 64));
        memcpy(bad, buf, i + 64);
        memcpy(bad + i + 64, buf + i, len - i);
        CHECK(!is_accepted(bad, len + 64));
        if (i + 128 <= len) {
            memcpy(bad, buf, len);
            memcpy(bad + i, buf + i + 64, 64);
            memcpy(bad + i + 64, buf + i, 64);
            CHECK(!is_accepted(bad, len));
        }
    }
    /* The whole stream is repeated. */
    memcpy(bad, buf, len);
    memcpy(bad + len, buf, len);
    CHECK(!is_accepted(bad, 2 * len));
}

static void test_frame_order(void)
{
    VFIOSim *s = device("stop-bytes=4M");
    size_t len;
    uint8_t *buf = save_stream(s, &len);
    uint8_t *bad = buffer(len);

    memcpy(bad, buf, len);
    memcpy(bad + MIB, buf + 2 * MIB, MIB);
    memcpy(bad + 2 * MIB, buf + MIB, MIB);
    CHECK(!is_accepted(bad, len));
    memcpy(bad, buf, MIB);
    memcpy(bad + MIB, buf + 2 * MIB, len - 2 * MIB);
    CHECK(!is_accepted(bad, len - MIB));
    memcpy(bad, buf, len);
    memcpy(bad + MIB, buf, MIB);
    CHECK(!is_accepted(bad, len));
    CHECK(is_accepted(buf, len));
}

static void test_reset_after_refusal(void)
{
    VFIOSim *s = device("stop-bytes=4K");
    VFIOSim *d = device("");
    size_t len;
    uint8_t *buf = save_stream(s, &len);

    CHECK_EQ(vfio_sim_set_state(d, 0, VFIO_SIM_RESUMING), 0);
    CHECK_EQ(write_data(d, buf + 1, len - 1), -EINVAL);
    CHECK_EQ(write_data(d, buf, len), -EINVAL);
    CHECK_EQ(vfio_sim_set_state(d, 0, VFIO_SIM_STOP), -EINVAL);
    CHECK_EQ(counter(d, "stream-errors"), 1);
    vfio_sim_reset(d, 0);
    CHECK_EQ(vfio_sim_set_state(d, 0, VFIO_SIM_RESUMING), 0);
    CHECK_EQ(write_data(d, buf, len), len);
    CHECK_EQ(write_data(d, buf, 0), 0);
    CHECK_EQ(vfio_sim_set_state(d, 0, VFIO_SIM_RUNNING), 0);
    CHECK_EQ(counter(d, "stream-verified"), 1);
}

/* Load a stream; returns the ns that it takes. */
static uint64_t load_time(const char *keys, const uint8_t *buf, size_t len,
                          uint64_t *initial)
{
    VFIOSim *d = device(keys);
    uint64_t now = 0, start;
    uint64_t wait;
    size_t pos = 0;
    int64_t n;

    CHECK_EQ(vfio_sim_set_state(d, 0, VFIO_SIM_RESUMING), 0);
    start = now;
    while (pos < len) {
        /* The ends of pieces are not those of headers and frames. */
        n = vfio_sim_write(d, session_of(d), now, buf + pos,
                           min_size(len - pos, pos ? 777777 : 30), &wait);
        CHECK(n > 0);
        if (n <= 0) {
            break;
        }
        CHECK(wait <= 25 * MS);
        pos += n;
        now += wait;
    }
    CHECK_EQ(counter(d, "write-bytes"), len);
    *initial = counter(d, "write-bytes-initial");
    CHECK_EQ(vfio_sim_set_state(d, now, VFIO_SIM_RUNNING), 0);
    CHECK_EQ(counter(d, "stream-verified"), 1);
    return now - start;
}

static void test_write_rate_initial(void)
{
    VFIOSim *s = device("initial-bytes=2M reinit-bytes=2M reinit-at=now "
                        "dirty-bytes=1M stop-bytes=4M");
    size_t len = 0;
    static uint8_t buf[16 * MIB];
    uint64_t initial, t;

    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_PRE_COPY), 0);
    set_key(s, 0, "dirty-bytes=3M");
    len = read_all(s, 0, buf, sizeof(buf), MIB);
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_STOP_COPY), 0);
    len += read_all(s, 0, buf + len, sizeof(buf) - len, MIB);
    CHECK_EQ(len, 11 * MIB);
    CHECK_EQ(counter(s, "read-bytes-initial"), 4 * MIB);

    t = load_time("", buf, len, &initial);
    CHECK_EQ(t, 0);
    CHECK_EQ(initial, 4 * MIB);
    t = load_time("write-rate-initial=16M", buf, len, &initial);
    CHECK(t >= 249 * MS && t <= 251 * MS);
    CHECK_EQ(initial, 4 * MIB);
    t = load_time("write-rate=11M", buf, len, &initial);
    CHECK(t >= 999 * MS && t <= 1001 * MS);
    t = load_time("write-rate=11M write-rate-initial=16M", buf, len,
                  &initial);
    CHECK(t >= 1249 * MS && t <= 1251 * MS);
    CHECK_EQ(initial, 4 * MIB);
}

static uint64_t clock_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * S + ts.tv_nsec;
}

static void test_speed(void)
{
    VFIOSim *s = device("stop-bytes=1G");
    VFIOSim *d = device("");
    static uint8_t buf[MIB];
    uint64_t t0, t1, t2, out = 0, in = 0;
    int64_t n;

    vfio_sim_set_state(s, 0, VFIO_SIM_STOP_COPY);
    vfio_sim_set_state(d, 0, VFIO_SIM_RESUMING);
    for (;;) {
        t0 = clock_ns();
        n = read_data(s, 0, buf, sizeof(buf));
        t1 = clock_ns();
        if (n <= 0) {
            break;
        }
        write_data(d, buf, n);
        t2 = clock_ns();
        out += t1 - t0;
        in += t2 - t1;
    }
    CHECK_EQ(vfio_sim_set_state(d, 0, VFIO_SIM_RUNNING), 0);
    tap_note("generating data: %llu MiB/s, verifying it: %llu MiB/s",
             (unsigned long long)(1024 * S / out),
             (unsigned long long)(1024 * S / in));
}

static const TapCase cases[] = {
    TAP_CASE("sessions", test_two_sessions,
             "each session has its own stream, and continues in STOP_COPY"),
    TAP_CASE("write-sizes", test_write_sizes,
             "a stream is accepted in writes of any size"),
    TAP_CASE("read-sizes", test_read_sizes,
             "reads of any size give a valid stream"),
    TAP_CASE("damage", test_damage,
             "each damaged bit, byte or piece of a stream is found"),
    TAP_CASE("frame-order", test_frame_order,
             "missing, repeated and exchanged frames are found"),
    TAP_CASE("reset-after-refusal", test_reset_after_refusal,
             "after a reset a device accepts a new stream"),
    TAP_CASE("write-rate-initial", test_write_rate_initial,
             "write-rate-initial adds its time to that of write-rate"),
    TAP_CASE("speed", test_speed,
             "how fast data is generated and verified (for the log)"),
};

TAP_GROUP(model_stream, "stream", cases);
