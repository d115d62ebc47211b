/*
 * Tests of the sizes of what is left, and of rates
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "model-fixture.h"

static void test_over_time(void)
{
    VFIOSim *s = device("initial-bytes=1M dirty-bytes=64K dirty-rate=1M "
                        "dirty-ceiling=512K stop-bytes=2M");
    static uint8_t buf[4 * MIB];

    check_sizes(s, 0, MIB, 64 * KIB, 2 * MIB);
    /* No dirty data appears before PRE_COPY. */
    check_sizes(s, 5 * S, MIB, 64 * KIB, 2 * MIB);
    CHECK_EQ(vfio_sim_set_state(s, 5 * S, VFIO_SIM_PRE_COPY), 0);
    check_sizes(s, 5 * S, MIB, 64 * KIB, 2 * MIB);
    check_sizes(s, 5 * S + 125 * MS, MIB, 192 * KIB, 2 * MIB);
    check_sizes(s, 5 * S + 250 * MS, MIB, 320 * KIB, 2 * MIB);
    /* Small steps have the same sum. */
    for (int i = 0; i < 125; i++) {
        uint64_t a, b, c;

        vfio_sim_sizes(s, 5 * S + (250 + i) * MS, &a, &b, &c);
    }
    check_sizes(s, 5 * S + 375 * MS, MIB, 448 * KIB, 2 * MIB);
    check_sizes(s, 9 * S, MIB, 512 * KIB, 2 * MIB);

    /* Initial data is read before dirty data. */
    CHECK_EQ(read_data(s, 9 * S, buf, MIB - 1), MIB - 1);
    check_sizes(s, 9 * S, 1, 512 * KIB, 2 * MIB);
    CHECK_EQ(read_data(s, 9 * S, buf, 100 * KIB + 1), 100 * KIB + 1);
    check_sizes(s, 9 * S, 0, 412 * KIB, 2 * MIB);
    CHECK_EQ(counter(s, "read-bytes-precopy"), MIB + 100 * KIB);

    /* Dirty data appears in PRE_COPY_P2P too, and not in STOP_COPY. */
    CHECK_EQ(vfio_sim_set_state(s, 9 * S, VFIO_SIM_PRE_COPY_P2P), 0);
    check_sizes(s, 9 * S + 15625000, 0, 428 * KIB, 2 * MIB);
    CHECK_EQ(vfio_sim_set_state(s, 9 * S + 15625000, VFIO_SIM_STOP_COPY), 0);
    check_sizes(s, 20 * S, 0, 428 * KIB, 2 * MIB);
    CHECK_EQ(counter(s, "stopped-at-us"), 9015625);
    CHECK_EQ(read_all(s, 20 * S, buf, sizeof(buf), 12345),
             2 * MIB + 428 * KIB);
    check_sizes(s, 20 * S, 0, 0, 0);
    CHECK_EQ(vfio_sim_set_state(s, 20 * S, VFIO_SIM_RUNNING), 0);
    CHECK_EQ(counter(s, "running-at-us"), 20000000);
    check_sizes(s, 20 * S, MIB, 64 * KIB, 2 * MIB);
}

static void test_set_in_use(void)
{
    VFIOSim *s = device("initial-bytes=1M stop-bytes=2G");
    static uint8_t buf[4 * MIB];
    uint64_t v;

    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_PRE_COPY), 0);
    CHECK_EQ(read_all(s, 0, buf, sizeof(buf), MIB), MIB);
    /* A smaller size for stop-only data */
    CHECK_EQ(set_key(s, 0, "stop-bytes=900M"), 0);
    CHECK_EQ(vfio_sim_data_size(s, 0, &v), 0);
    CHECK_EQ(v, 900 * MIB);
    /* New initial data, also in the middle of a frame */
    CHECK_EQ(set_key(s, 0, "initial-bytes=1M"), 0);
    check_sizes(s, 0, MIB, 0, 900 * MIB);
    CHECK_EQ(read_data(s, 0, buf, 100), 100);
    CHECK_EQ(set_key(s, 0, "initial-bytes=2M"), 0);
    check_sizes(s, 0, 2 * MIB, 0, 900 * MIB);
    CHECK_EQ(set_key(s, 0, "dirty-bytes=128"), 0);
    check_sizes(s, 0, 2 * MIB, 128, 900 * MIB);
    CHECK_EQ(set_key(s, 0, "dirty-bytes=0"), 0);
    CHECK_EQ(set_key(s, 0, "initial-bytes=0"), 0);
    /* The PRE_COPY states cannot be turned off in one of them. */
    CHECK_EQ(set_key(s, 0, "precopy=off"), -EBUSY);
    CHECK(vfio_sim_mig_flags(s) & VFIO_SIM_MIG_PRE_COPY);
    /* A frame of which a part was read is read to its end. */
    check_sizes(s, 0, MIB - 100, 0, 900 * MIB);
    CHECK_EQ(set_key(s, 0, "dirty-rate=1M"), 0);
    check_sizes(s, S, MIB - 100, MIB, 900 * MIB);
    /* A new rate is for the time after it was set. */
    CHECK_EQ(set_key(s, S, "dirty-rate=2M"), 0);
    check_sizes(s, 2 * S, MIB - 100, 3 * MIB, 900 * MIB);
    CHECK_EQ(set_key(s, 2 * S, "dirty-rate=0"), 0);
    CHECK_EQ(vfio_sim_set_state(s, 2 * S, VFIO_SIM_STOP_COPY), 0);
    CHECK_EQ(set_key(s, 2 * S, "stop-bytes=1M"), 0);
    check_sizes(s, 2 * S, MIB - 100, 3 * MIB, MIB);
    read_all(s, 2 * S, buf, sizeof(buf), MIB);
    read_all(s, 2 * S, buf, sizeof(buf), MIB);
    check_sizes(s, 2 * S, 0, 0, 0);
    /* After the end there is no more data. */
    CHECK_EQ(set_key(s, 2 * S, "stop-bytes=1M"), 0);
    CHECK_EQ(set_key(s, 2 * S, "initial-bytes=1M"), 0);
    check_sizes(s, 2 * S, 0, 0, 0);
    CHECK_EQ(read_data(s, 2 * S, buf, 100), 0);
}

static void test_without_precopy(void)
{
    VFIOSim *s = device("precopy=off initial-bytes=1M dirty-bytes=1M "
                        "stop-bytes=100");
    static uint8_t buf[4 * MIB];

    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_STOP_COPY), 0);
    check_sizes(s, 0, MIB, MIB, 128);
    CHECK_EQ(read_all(s, 0, buf, sizeof(buf), MIB), 2 * MIB + 128);
    CHECK_EQ(counter(s, "read-bytes-stop"), 2 * MIB + 128);
    CHECK(is_accepted(buf, 2 * MIB + 128));
}

static void test_empty_and_end(void)
{
    VFIOSim *s = device("initial-bytes=64 dirty-rate=4096 stop-bytes=256");
    uint8_t buf[8192];

    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_PRE_COPY), 0);
    CHECK_EQ(read_data(s, 0, buf, 0), 0);
    CHECK_EQ(read_data(s, 0, buf, sizeof(buf)), 64);
    CHECK_EQ(read_data(s, 0, buf, sizeof(buf)), -ENOMSG);
    CHECK_EQ(read_data(s, 0, buf, 1), -ENOMSG);
    CHECK_EQ(counter(s, "empty-reads"), 2);
    /* A read succeeds again when there is more data. */
    CHECK_EQ(read_data(s, S, buf + 64, sizeof(buf)), 4096);
    CHECK_EQ(read_data(s, S, buf, sizeof(buf)), -ENOMSG);
    CHECK_EQ(vfio_sim_set_state(s, S, VFIO_SIM_PRE_COPY_P2P), 0);
    CHECK_EQ(read_data(s, S, buf, sizeof(buf)), -ENOMSG);
    CHECK_EQ(vfio_sim_set_state(s, S, VFIO_SIM_STOP_COPY), 0);
    CHECK_EQ(read_data(s, S, buf + 64 + 4096, sizeof(buf) - 4160), 256);
    CHECK_EQ(read_data(s, S, buf, sizeof(buf)), 0);
    CHECK_EQ(read_data(s, S, buf, sizeof(buf)), 0);
    CHECK_EQ(counter(s, "empty-reads"), 4);
}

static void test_rate_arithmetic(void)
{
    CHECK_EQ(vfio_sim_rate_bytes(0, 5 * S), 0);
    CHECK_EQ(vfio_sim_rate_bytes(1000, 0), 0);
    CHECK_EQ(vfio_sim_rate_bytes(1000, 1500 * MS), 1500);
    CHECK_EQ(vfio_sim_rate_bytes(3, S - 1), 2);
    CHECK_EQ(vfio_sim_rate_bytes(40000 * MIB, 10 * S), 400000 * MIB);
    CHECK(vfio_sim_rate_bytes(UINT64_MAX, 2 * S) == UINT64_MAX);
    CHECK(vfio_sim_rate_bytes(UINT64_MAX, UINT64_MAX) == UINT64_MAX);
    CHECK(vfio_sim_rate_ns(0, 1) == UINT64_MAX);
    CHECK_EQ(vfio_sim_rate_ns(1000, 1), MS);
    CHECK_EQ(vfio_sim_rate_ns(1000, 2500), 2500 * MS);
    CHECK_EQ(vfio_sim_rate_ns(UINT64_MAX, 1000), 0);
    CHECK(vfio_sim_rate_ns(1, UINT64_MAX) == UINT64_MAX);
}

static void test_read_rate(void)
{
    VFIOSim *s = device("stop-bytes=64M read-rate=100M");
    static uint8_t buf[MIB];
    uint64_t now = 0;
    uint64_t bytes = 0;
    uint64_t wait;
    int64_t n;

    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_STOP_COPY), 0);
    do {
        n = vfio_sim_read(s, session_of(s), now, buf, sizeof(buf), &wait);
        CHECK(n >= 0);
        CHECK(wait <= 11 * MS);
        bytes += n;
        /* What is not waited for now is added to the next wait. */
        if (wait > 5 * MS) {
            now += wait;
        }
    } while (n > 0);
    CHECK_EQ(bytes, 64 * MIB);
    CHECK(now > 620 * MS && now < 660 * MS);
}

static void test_read_rate_idle(void)
{
    VFIOSim *s = device("stop-bytes=64M read-rate=100M");
    static uint8_t buf[MIB];
    uint64_t wait;
    int i;

    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_STOP_COPY), 0);
    /* What was not read in a pause is not read faster after it. */
    for (i = 0; i < 3; i++) {
        CHECK_EQ(vfio_sim_read(s, session_of(s), i * 10 * S, buf, 100 * KIB,
                               &wait), 100 * KIB);
        CHECK_EQ(wait, vfio_sim_rate_ns(100 * MIB, 100 * KIB));
    }
}

static void test_counters(void)
{
    VFIOSim *s = device("");
    char value[64];
    unsigned int i;

    for (i = 0; i < vfio_sim_nr_attributes; i++) {
        const VFIOSimAttribute *attr = &vfio_sim_attributes[i];

        CHECK(attr->name && *attr->name && attr->doc && *attr->doc);
        /* Another attribute of the same name would hide it. */
        CHECK(vfio_sim_attribute_find(attr->name) == attr);
        CHECK((vfio_sim_key_find(attr->name) != NULL) ==
              vfio_sim_is_key(attr));
        CHECK_EQ(vfio_sim_get(s, 0, attr->name, value, sizeof(value)), 0);
        CHECK(*value);
    }
}

static const TapCase cases[] = {
    TAP_CASE("over-time", test_over_time,
             "initial, dirty and stop-only bytes, until the stream ends"),
    TAP_CASE("set-in-use", test_set_in_use,
             "setting the sizes and the dirty rate during a session"),
    TAP_CASE("without-precopy", test_without_precopy,
             "a device without PRE_COPY has all its data in STOP_COPY"),
    TAP_CASE("empty-and-end", test_empty_and_end,
             "ENOMSG when there is no precopy data, 0 at the end"),
    TAP_CASE("rate-arithmetic", test_rate_arithmetic,
             "bytes for a time, and time for bytes, saturate"),
    TAP_CASE("read-rate", test_read_rate,
             "read-rate limits how fast data can be read"),
    TAP_CASE("read-rate-idle", test_read_rate_idle,
             "a pause between reads does not make the next ones faster"),
    TAP_CASE("counters", test_counters,
             "each key and counter has a name of its own and a value"),
};

TAP_GROUP(model_sizes, "sizes", cases);
