/*
 * Tests of re-initialisations
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "model-fixture.h"

/* A device in PRE_COPY, with the opt-in, whose initial data was read */
static VFIOSim *device_in_precopy(const char *keys)
{
    static uint8_t buf[4 * MIB];
    VFIOSim *s = device(keys);

    vfio_sim_set_v2(s, true);
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_PRE_COPY), 0);
    CHECK_EQ(read_all(s, 0, buf, sizeof(buf), MIB), MIB);
    return s;
}

static void test_v2_support(void)
{
    VFIOSim *s = device("");

    CHECK_EQ(vfio_sim_check_v2(s), 0);
    CHECK_EQ(counter(s, "v2-opted-in"), 0);
    set_key(s, 0, "precopy-v2=off");
    CHECK_EQ(vfio_sim_check_v2(s), -ENOTTY);
    set_key(s, 0, "precopy-v2=on");
    CHECK_EQ(vfio_sim_check_v2(s), 0);
    set_key(s, 0, "precopy=off");
    CHECK_EQ(vfio_sim_check_v2(s), -EINVAL);
}

static void test_v2_opt_in(void)
{
    VFIOSim *s = device("initial-bytes=1M");

    vfio_sim_set_v2(s, true);
    vfio_sim_reset(s, 0);
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_PRE_COPY), 0);
    check_precopy_info(s, 0, MIB, 0, 0);
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_RUNNING), 0);
    vfio_sim_set_v2(s, false);
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_PRE_COPY), 0);
    check_precopy_info(s, 0, MIB, 0, FLAGS_BEFORE);
    CHECK_EQ(counter(s, "reinit-flags"), 0);
    CHECK_EQ(counter(s, "reinits"), 0);
}

static void test_now(void)
{
    VFIOSim *s = device_in_precopy("initial-bytes=1M reinit-bytes=2M "
                                   "dirty-rate=1M stop-bytes=4M");
    static uint8_t buf[8 * MIB];
    size_t n;

    check_precopy_info(s, S, 0, MIB, 0);
    CHECK_EQ(set_key(s, S, "reinit-at=now"), 0);
    CHECK_EQ(counter(s, "reinits"), 1);
    check_sizes(s, S, 2 * MIB, 0, 4 * MIB);
    /* New dirty data is added to the new initial data. */
    check_precopy_info(s, 2 * S, 2 * MIB, MIB, REINIT);
    /* Another key does not repeat it; another one adds to what is left. */
    CHECK_EQ(read_data(s, 2 * S, buf, 100), 100);
    check_precopy_info(s, 2 * S, 2 * MIB - 100, MIB, REINIT);
    set_key(s, 2 * S, "reinit-count=0");
    set_key(s, 2 * S, "stop-bytes=3M");
    CHECK_EQ(counter(s, "reinits"), 1);
    set_key(s, 2 * S, "reinit-at=now");
    check_precopy_info(s, 2 * S, 4 * MIB - 100, 0, REINIT);
    /* The flag is set until the last byte is read. */
    set_key(s, 2 * S, "dirty-rate=0");
    for (n = 0; n < 4 * MIB - 101; ) {
        n += read_data(s, 2 * S, buf, min_size(MIB, 4 * MIB - 101 - n));
    }
    check_precopy_info(s, 2 * S, 1, 0, REINIT);
    CHECK_EQ(read_data(s, 2 * S, buf, 10), 1);
    check_precopy_info(s, 2 * S, 0, 0, 0);
    CHECK_EQ(counter(s, "read-bytes-initial"), 5 * MIB);
    CHECK_EQ(vfio_sim_set_state(s, 2 * S, VFIO_SIM_STOP_COPY), 0);
    CHECK_EQ(counter(s, "initial-unread-at-stop"), 0);
    CHECK_EQ(counter(s, "reinits"), 2);

    /* Set outside of PRE_COPY, it happens once, when that is entered. */
    set_key(s, 2 * S, "reinit-at=now");
    CHECK_EQ(counter(s, "reinits"), 2);
    CHECK_EQ(vfio_sim_set_state(s, 2 * S, VFIO_SIM_RUNNING), 0);
    CHECK_EQ(vfio_sim_set_state(s, 2 * S, VFIO_SIM_PRE_COPY), 0);
    check_precopy_info(s, 2 * S, 3 * MIB, 0, REINIT);
    CHECK_EQ(vfio_sim_set_state(s, 2 * S, VFIO_SIM_STOP_COPY), 0);
    CHECK_EQ(counter(s, "initial-unread-at-stop"), 3 * MIB);
    CHECK_EQ(vfio_sim_set_state(s, 2 * S, VFIO_SIM_RUNNING), 0);
    CHECK_EQ(vfio_sim_set_state(s, 2 * S, VFIO_SIM_PRE_COPY), 0);
    /* The flag ends with its session. */
    check_precopy_info(s, 2 * S, MIB, 0, 0);
    CHECK_EQ(counter(s, "reinits"), 3);
}

static void test_flag(void)
{
    VFIOSim *s = device_in_precopy("initial-bytes=1M reinit-bytes=1M "
                                   "reinit-flag=once");
    static uint8_t buf[MIB];

    set_key(s, 0, "reinit-at=now");
    /* A query that fails does not clear the flag. */
    set_key(s, 0, "report-dirty=error");
    CHECK_EQ(precopy_info(s, 0, &(uint64_t){ 0 }, &(uint64_t){ 0 }), -EIO);
    set_key(s, 0, "report-dirty=truth");
    check_precopy_info(s, 0, MIB, 0, REINIT);
    check_precopy_info(s, 0, MIB, 0, 0);
    /* once: the first query has the flag, even if all data was read. */
    set_key(s, 0, "reinit-at=now");
    CHECK_EQ(read_all(s, 0, buf, MIB, MIB), MIB);
    CHECK_EQ(read_all(s, 0, buf, MIB, MIB), MIB);
    check_precopy_info(s, 0, 0, 0, REINIT);
    check_precopy_info(s, 0, 0, 0, 0);
    /* until-read: it does not. */
    set_key(s, 0, "reinit-flag=until-read");
    set_key(s, 0, "reinit-at=now");
    CHECK_EQ(read_all(s, 0, buf, MIB, MIB), MIB);
    set_key(s, 0, "initial-bytes=1M");
    check_precopy_info(s, 0, MIB, 0, 0);
    set_key(s, 0, "initial-bytes=0");
    check_precopy_info(s, 0, 0, 0, 0);
    /* A re-initialisation without data */
    set_key(s, 0, "reinit-bytes=0");
    set_key(s, 0, "reinit-at=now");
    check_precopy_info(s, 0, 0, 0, 0);
    set_key(s, 0, "reinit-flag=once");
    set_key(s, 0, "reinit-at=now");
    check_precopy_info(s, 0, 0, 0, REINIT);
    CHECK_EQ(counter(s, "reinits"), 5);
    CHECK_EQ(counter(s, "reinit-flags"), 3);
}

static void test_without_opt_in(void)
{
    VFIOSim *s = device("initial-bytes=1M reinit-bytes=2M dirty-bytes=512K "
                        "stop-bytes=4M");
    static uint8_t buf[16 * MIB];
    size_t n;

    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_PRE_COPY), 0);
    n = read_data(s, 0, buf, 256 * KIB);
    CHECK_EQ(n, 256 * KIB);
    check_precopy_info(s, 0, 768 * KIB, 512 * KIB, FLAGS_BEFORE);
    set_key(s, 0, "reinit-at=now");
    check_precopy_info(s, 0, 768 * KIB, 2 * MIB, FLAGS_BEFORE);
    set_key(s, 0, "reinit-at=now");
    check_precopy_info(s, 0, 768 * KIB, 4 * MIB, FLAGS_BEFORE);
    n += read_data(s, 0, buf + n, 769 * KIB);
    n += read_data(s, 0, buf + n, 1025 * KIB - n);
    CHECK_EQ(n, 1025 * KIB);
    check_precopy_info(s, 0, 0, 4 * MIB - KIB, FLAGS_BEFORE);
    CHECK_EQ(counter(s, "reinit-flags"), 0);
    CHECK_EQ(counter(s, "reinits"), 2);
    /* In the stream, and in what is left, it is initial data. */
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_STOP_COPY), 0);
    CHECK_EQ(counter(s, "initial-unread-at-stop"), 4 * MIB - KIB);
    check_sizes(s, 0, 4 * MIB - KIB, 0, 4 * MIB);
    n += read_all(s, 0, buf + n, sizeof(buf) - n, MIB);
    CHECK_EQ(n, 9 * MIB);
    CHECK_EQ(counter(s, "read-bytes-initial"), 5 * MIB);
    CHECK(is_accepted(buf, n));

    /* Initial data that is set with its key is reported as initial. */
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_RUNNING), 0);
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_PRE_COPY), 0);
    set_key(s, 0, "reinit-at=now");
    check_precopy_info(s, 0, MIB, 2 * MIB, FLAGS_BEFORE);
    set_key(s, 0, "initial-bytes=5M");
    check_precopy_info(s, 0, 5 * MIB, 0, FLAGS_BEFORE);
}

static void test_in_dirty_frame(void)
{
    VFIOSim *s = device("reinit-bytes=1M dirty-bytes=3M stop-bytes=1M");
    static uint8_t buf[8 * MIB];
    size_t n;

    vfio_sim_set_v2(s, true);
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_PRE_COPY), 0);
    n = read_data(s, 0, buf, 100);
    CHECK_EQ(n, 100);
    set_key(s, 0, "reinit-at=now");
    check_precopy_info(s, 0, 2 * MIB - 100, 0, REINIT);
    check_sizes(s, 0, 2 * MIB - 100, 0, MIB);
    set_key(s, 0, "dirty-bytes=64K");
    check_precopy_info(s, 0, 2 * MIB - 100, 64 * KIB, REINIT);
    n += read_all(s, 0, buf + n, sizeof(buf) - n, 12345);
    CHECK_EQ(n, 2 * MIB + 64 * KIB);
    CHECK_EQ(counter(s, "read-bytes-initial"), MIB);
    check_precopy_info(s, 0, 0, 0, 0);
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_STOP_COPY), 0);
    n += read_all(s, 0, buf + n, sizeof(buf) - n, 12345);
    CHECK_EQ(n, 3 * MIB + 64 * KIB);
    CHECK(is_accepted(buf, n));

    /* Without the opt-in the rest is reported as dirty data. */
    s = device("reinit-bytes=1M dirty-bytes=3M");
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_PRE_COPY), 0);
    CHECK_EQ(read_data(s, 0, buf, 100), 100);
    set_key(s, 0, "reinit-at=now");
    check_precopy_info(s, 0, 0, 2 * MIB - 100, FLAGS_BEFORE);
}

static void test_every(void)
{
    VFIOSim *s = device("initial-bytes=1M reinit-bytes=1M reinit-every=100 "
                        "reinit-count=4 dirty-rate=1M stop-bytes=4K");
    uint64_t i, d, t;

    vfio_sim_set_v2(s, true);
    /* The first period begins with PRE_COPY. */
    CHECK_EQ(vfio_sim_data_size(s, 5 * S, &i), 0);
    CHECK_EQ(vfio_sim_set_state(s, 5 * S, VFIO_SIM_PRE_COPY), 0);
    t = 5 * S;
    CHECK_EQ(precopy_info(s, t + 99 * MS, &i, &d), 0);
    CHECK_EQ(i, MIB);
    CHECK(d > 0);
    CHECK_EQ(counter(s, "reinits"), 0);
    check_precopy_info(s, t + 100 * MS, 2 * MIB, 0, REINIT);
    CHECK_EQ(counter(s, "reinits"), 1);
    /* No part of the former dirty data is left. */
    check_precopy_info(s, t + 102 * MS, 2 * MIB, 0, REINIT);
    /* Several that are late become one, and the period stays. */
    check_precopy_info(s, t + 450 * MS, 3 * MIB, 0, REINIT);
    CHECK_EQ(counter(s, "reinits"), 2);
    CHECK_EQ(precopy_info(s, t + 499 * MS, &i, &d), 0);
    CHECK_EQ(counter(s, "reinits"), 2);
    CHECK_EQ(precopy_info(s, t + 500 * MS, &i, &d), 0);
    CHECK_EQ(counter(s, "reinits"), 3);
    /* One that is due happens before PRE_COPY_P2P, and none in it. */
    CHECK_EQ(vfio_sim_set_state(s, t + 610 * MS, VFIO_SIM_PRE_COPY_P2P), 0);
    CHECK_EQ(counter(s, "reinits"), 4);
    set_key(s, t + 610 * MS, "reinit-count=2");
    CHECK_EQ(precopy_info(s, t + 900 * MS, &i, &d), 0);
    CHECK_EQ(counter(s, "reinits"), 4);
    CHECK_EQ(vfio_sim_set_state(s, t + 900 * MS, VFIO_SIM_PRE_COPY), 0);
    CHECK_EQ(precopy_info(s, t + 900 * MS, &i, &d), 0);
    CHECK_EQ(counter(s, "reinits"), 5);
    CHECK_EQ(precopy_info(s, t + 1000 * MS, &i, &d), 0);
    CHECK_EQ(counter(s, "reinits"), 6);
    CHECK_EQ(precopy_info(s, t + 9000 * MS, &i, &d), 0);
    CHECK_EQ(counter(s, "reinits"), 6);
    CHECK_EQ(i, 7 * MIB);
    /* Setting the period starts it. */
    set_key(s, t + 9950 * MS, "reinit-every=200");
    CHECK_EQ(precopy_info(s, t + 10149 * MS, &i, &d), 0);
    CHECK_EQ(counter(s, "reinits"), 6);
    CHECK_EQ(precopy_info(s, t + 10150 * MS, &i, &d), 0);
    CHECK_EQ(counter(s, "reinits"), 7);
    /* None happens on the path to RUNNING. */
    CHECK_EQ(vfio_sim_set_state(s, t + 11 * S, VFIO_SIM_RUNNING), 0);
    CHECK_EQ(counter(s, "reinits"), 7);
    CHECK_EQ(vfio_sim_data_size(s, t + 20 * S, &i), 0);
    CHECK_EQ(i, MIB + 4 * KIB);
    CHECK_EQ(counter(s, "reinits"), 7);
}

static void test_every_without_p2p(void)
{
    VFIOSim *s = device("p2p=off reinit-every=100 initial-bytes=4K");

    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_PRE_COPY), 0);
    CHECK_EQ(vfio_sim_set_state(s, S, VFIO_SIM_STOP_COPY), 0);
    CHECK_EQ(counter(s, "reinits"), 0);
    CHECK_EQ(counter(s, "initial-unread-at-stop"), 4 * KIB);
}

static void test_at_pre_copy_p2p(void)
{
    VFIOSim *s = device_in_precopy("initial-bytes=1M reinit-bytes=64K "
                                   "reinit-at=pre-copy-p2p reinit-count=2 "
                                   "dirty-bytes=0 dirty-rate=1M stop-bytes=1M");
    static uint8_t buf[4 * MIB];

    CHECK_EQ(counter(s, "reinits"), 0);
    CHECK_EQ(vfio_sim_set_state(s, S, VFIO_SIM_PRE_COPY_P2P), 0);
    check_precopy_info(s, S, 64 * KIB, 0, REINIT);
    check_precopy_info(s, S, 64 * KIB, 0, REINIT);
    CHECK_EQ(vfio_sim_set_state(s, S, VFIO_SIM_PRE_COPY), 0);
    check_precopy_info(s, S, 64 * KIB, 0, REINIT);
    CHECK_EQ(read_all(s, S, buf, sizeof(buf), MIB), 64 * KIB);
    check_precopy_info(s, S, 0, 0, 0);
    CHECK_EQ(vfio_sim_set_state(s, S, VFIO_SIM_PRE_COPY_P2P), 0);
    check_precopy_info(s, S, 64 * KIB, 0, REINIT);
    CHECK_EQ(vfio_sim_set_state(s, S, VFIO_SIM_PRE_COPY), 0);
    CHECK_EQ(read_all(s, S, buf, sizeof(buf), MIB), 64 * KIB);
    /* The count of 2 is over. */
    CHECK_EQ(vfio_sim_set_state(s, S, VFIO_SIM_PRE_COPY_P2P), 0);
    check_precopy_info(s, S, 0, 0, 0);
    CHECK_EQ(vfio_sim_set_state(s, S, VFIO_SIM_STOP_COPY), 0);
    CHECK_EQ(counter(s, "initial-unread-at-stop"), 0);
    CHECK_EQ(counter(s, "reinits"), 2);

    /* On a path through it too, but only after PRE_COPY */
    set_key(s, S, "reinit-count=0");
    CHECK_EQ(vfio_sim_set_state(s, S, VFIO_SIM_RUNNING_P2P), 0);
    CHECK_EQ(vfio_sim_set_state(s, S, VFIO_SIM_PRE_COPY_P2P), 0);
    CHECK_EQ(counter(s, "reinits"), 2);
    CHECK_EQ(vfio_sim_set_state(s, S, VFIO_SIM_PRE_COPY), 0);
    CHECK_EQ(vfio_sim_set_state(s, S, VFIO_SIM_STOP_COPY), 0);
    CHECK_EQ(counter(s, "reinits"), 3);
    CHECK_EQ(counter(s, "initial-unread-at-stop"), MIB + 64 * KIB);
}

static void test_at_pre_copy(void)
{
    VFIOSim *s = device("initial-bytes=1M reinit-bytes=64K "
                        "reinit-at=pre-copy");

    vfio_sim_set_v2(s, true);
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_PRE_COPY), 0);
    check_precopy_info(s, 0, MIB + 64 * KIB, 0, REINIT);
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_PRE_COPY_P2P), 0);
    check_precopy_info(s, 0, MIB + 64 * KIB, 0, REINIT);
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_PRE_COPY), 0);
    check_precopy_info(s, 0, MIB + 128 * KIB, 0, REINIT);
}

static void test_before_query(void)
{
    VFIOSim *s = device_in_precopy("initial-bytes=1M reinit-bytes=64K "
                                   "reinit-at=before-query reinit-count=1");
    uint64_t i, d;

    check_precopy_info(s, 0, 0, 0, 0);
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_PRE_COPY_P2P), 0);
    CHECK_EQ(vfio_sim_data_size(s, 0, &i), 0);
    CHECK_EQ(counter(s, "reinits"), 0);
    check_precopy_info(s, 0, 64 * KIB, 0, REINIT);
    check_precopy_info(s, 0, 64 * KIB, 0, REINIT);
    set_key(s, 0, "reinit-count=0");
    check_precopy_info(s, 0, 128 * KIB, 0, REINIT);
    check_precopy_info(s, 0, 192 * KIB, 0, REINIT);
    CHECK_EQ(counter(s, "reinits"), 3);
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_STOP_COPY), 0);
    CHECK_EQ(precopy_info(s, 0, &i, &d), -EINVAL);
    CHECK_EQ(counter(s, "reinits"), 3);
}

static void test_after_query(void)
{
    VFIOSim *s = device_in_precopy("initial-bytes=1M reinit-bytes=64K "
                                   "reinit-at=after-query reinit-skip=1 "
                                   "reinit-count=2 reinit-flag-p2p=off "
                                   "reinit-flag=once");

    check_precopy_info(s, 0, 0, 0, 0);
    CHECK_EQ(counter(s, "reinits"), 0);
    check_precopy_info(s, 0, 0, 0, 0);
    CHECK_EQ(counter(s, "reinits"), 1);
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_PRE_COPY_P2P), 0);
    check_precopy_info(s, 0, 64 * KIB, 0, 0);
    check_precopy_info(s, 0, 64 * KIB, 0, 0);
    CHECK_EQ(counter(s, "reinits"), 1);
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_PRE_COPY), 0);
    check_precopy_info(s, 0, 64 * KIB, 0, REINIT);
    CHECK_EQ(counter(s, "reinits"), 2);
    check_precopy_info(s, 0, 128 * KIB, 0, REINIT);
    check_precopy_info(s, 0, 128 * KIB, 0, 0);
    CHECK_EQ(counter(s, "reinits"), 2);
    CHECK_EQ(counter(s, "reinit-flags"), 2);
}

static void test_when_empty(void)
{
    VFIOSim *s = device("initial-bytes=1M reinit-bytes=64K dirty-bytes=1M "
                        "reinit-at=when-empty reinit-count=2 stop-bytes=1M");
    static uint8_t buf[4 * MIB];

    vfio_sim_set_v2(s, true);
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_PRE_COPY), 0);
    CHECK_EQ(read_data(s, 0, buf, MIB - 1), MIB - 1);
    check_precopy_info(s, 0, 1, MIB, 0);
    CHECK_EQ(read_data(s, 0, buf, 1), 1);
    /* No query reports that nothing was left. */
    check_precopy_info(s, 0, 64 * KIB, 0, REINIT);
    CHECK_EQ(read_data(s, 0, buf, 64 * KIB), 64 * KIB);
    check_precopy_info(s, 0, 64 * KIB, 0, REINIT);
    CHECK_EQ(read_data(s, 0, buf, MIB), 64 * KIB);
    check_precopy_info(s, 0, 0, 0, 0);
    CHECK_EQ(counter(s, "reinits"), 2);
    /* Set when nothing is left already */
    set_key(s, 0, "reinit-count=1");
    CHECK_EQ(counter(s, "reinits"), 3);
    check_precopy_info(s, 0, 64 * KIB, 0, REINIT);
    /* None happens in STOP_COPY. */
    set_key(s, 0, "reinit-count=0");
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_STOP_COPY), 0);
    CHECK_EQ(counter(s, "initial-unread-at-stop"), 64 * KIB);
    CHECK_EQ(read_all(s, 0, buf, sizeof(buf), MIB), MIB + 64 * KIB);
    CHECK_EQ(counter(s, "reinits"), 3);
    set_key(s, 0, "reinit-at=now");
    CHECK_EQ(read_data(s, 0, buf, MIB), 0);
    CHECK_EQ(counter(s, "reinits"), 3);
}

static void test_huge(void)
{
    VFIOSim *s = device("initial-bytes=64 reinit-bytes=1048576T "
                        "reinit-at=pre-copy reinit-flag=once");

    vfio_sim_set_v2(s, true);
    for (int n = 0; n < 20; n++) {
        uint64_t all;

        CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_PRE_COPY), 0);
        CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_PRE_COPY_P2P), 0);
        CHECK_EQ(vfio_sim_data_size(s, 0, &all), 0);
        CHECK(all >= 1ull << 60 && all < 1ull << 63);
    }
    CHECK_EQ(counter(s, "reinits"), 20);
}

static const TapCase cases[] = {
    TAP_CASE("v2-support", test_v2_support,
             "precopy and precopy-v2 offer MIG_PRECOPY_INFOv2"),
    TAP_CASE("v2-opt-in", test_v2_opt_in,
             "the opt-in stays through resets and sessions"),
    TAP_CASE("now", test_now,
             "reinit-at=now happens once, in or before PRE_COPY"),
    TAP_CASE("flag", test_flag,
             "when reinit-flag=once and =until-read set the flag"),
    TAP_CASE("without-opt-in", test_without_opt_in,
             "without the opt-in new data is reported as dirty"),
    TAP_CASE("in-dirty-frame", test_in_dirty_frame,
             "the rest of a dirty frame becomes initial data"),
    TAP_CASE("every", test_every,
             "reinit-every is a period in PRE_COPY"),
    TAP_CASE("every-without-p2p", test_every_without_p2p,
             "reinit-every does nothing when PRE_COPY ends"),
    TAP_CASE("at-pre-copy-p2p", test_at_pre_copy_p2p,
             "each time PRE_COPY_P2P is entered from PRE_COPY"),
    TAP_CASE("at-pre-copy", test_at_pre_copy,
             "each time PRE_COPY is entered"),
    TAP_CASE("before-query", test_before_query,
             "before each precopy query in PRE_COPY_P2P"),
    TAP_CASE("after-query", test_after_query,
             "after each precopy query in PRE_COPY"),
    TAP_CASE("when-empty", test_when_empty,
             "each time all initial data was read"),
    TAP_CASE("huge", test_huge,
             "the largest sizes, without end, do not wrap"),
};

TAP_GROUP(model_reinit, "reinit", cases);
