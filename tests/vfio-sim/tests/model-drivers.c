/*
 * Tests of what real drivers do in an unusual way: P2P states that stop the
 * device, precopy data that is dirty again as a whole, sizes from a cache
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "model-fixture.h"

static void test_p2p_stops(void)
{
    VFIOSim *s = device("precopy=off p2p-stops=on latency-running-p2p=300 "
                        "latency-stop=7");

    CHECK_EQ(vfio_sim_latency(s, VFIO_SIM_RUNNING_P2P), 300 * MS);
    CHECK_EQ(vfio_sim_set_state(s, 1 * S, VFIO_SIM_RUNNING_P2P), 0);
    CHECK_EQ(counter(s, "stopped-at-us"), 1000000);
    /* It was stopped before. */
    CHECK_EQ(vfio_sim_latency(s, VFIO_SIM_STOP), 7 * MS);
    CHECK_EQ(vfio_sim_set_state(s, 2 * S, VFIO_SIM_STOP_COPY), 0);
    CHECK_EQ(counter(s, "stopped-at-us"), 1000000);
    CHECK_EQ(vfio_sim_set_state(s, 3 * S, VFIO_SIM_STOP), 0);
    /* Nothing is left to do there. */
    CHECK_EQ(vfio_sim_latency(s, VFIO_SIM_RUNNING_P2P), 0);
    CHECK_EQ(vfio_sim_set_state(s, 3 * S, VFIO_SIM_RUNNING_P2P), 0);
    CHECK_EQ(counter(s, "running-at-us"), 0);
    CHECK_EQ(vfio_sim_set_state(s, 4 * S, VFIO_SIM_RUNNING), 0);
    CHECK_EQ(counter(s, "running-at-us"), 4000000);
    CHECK_EQ(counter(s, "stopped-at-us"), 1000000);
}

static void test_p2p_stops_precopy(void)
{
    VFIOSim *s = device_in_state("p2p-stops=on", VFIO_SIM_PRE_COPY);

    CHECK_EQ(vfio_sim_set_state(s, 1 * S, VFIO_SIM_PRE_COPY_P2P), 0);
    CHECK_EQ(counter(s, "stopped-at-us"), 1000000);
    /* The switchover is rolled back. */
    CHECK_EQ(vfio_sim_set_state(s, 2 * S, VFIO_SIM_PRE_COPY), 0);
    CHECK_EQ(counter(s, "running-at-us"), 2000000);
    CHECK_EQ(vfio_sim_set_state(s, 3 * S, VFIO_SIM_PRE_COPY_P2P), 0);
    CHECK_EQ(vfio_sim_set_state(s, 4 * S, VFIO_SIM_STOP_COPY), 0);
    CHECK_EQ(counter(s, "stopped-at-us"), 3000000);
}

static void test_p2p_runs(void)
{
    VFIOSim *s = device("latency-running-p2p=300");

    CHECK_EQ(vfio_sim_set_state(s, 1 * S, VFIO_SIM_RUNNING_P2P), 0);
    CHECK_EQ(counter(s, "stopped-at-us"), 0);
    CHECK_EQ(vfio_sim_set_state(s, 2 * S, VFIO_SIM_STOP), 0);
    CHECK_EQ(counter(s, "stopped-at-us"), 2000000);
    CHECK_EQ(vfio_sim_latency(s, VFIO_SIM_RUNNING_P2P), 300 * MS);
}

static void test_refill(void)
{
    VFIOSim *s = device("initial-bytes=1M dirty-bytes=64K stop-bytes=1M "
                        "dirty-refill-every=1000");
    static uint8_t buf[4 * MIB];

    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_PRE_COPY), 0);
    CHECK_EQ(read_all(s, 0, buf, sizeof(buf), MIB), MIB + 64 * KIB);
    check_sizes(s, 999 * MS, 0, 0, MIB);
    CHECK_EQ(read_data(s, 999 * MS, buf, MIB), -ENOMSG);
    /* All of it again, but as dirty data */
    check_sizes(s, 1000 * MS, 0, MIB + 64 * KIB, MIB);
    CHECK_EQ(read_data(s, 1100 * MS, buf, MIB), MIB);
    /* Not before the rest has been read, though it is due */
    check_sizes(s, 2500 * MS, 0, 64 * KIB, MIB);
    CHECK_EQ(read_data(s, 2500 * MS, buf, 64 * KIB), 64 * KIB);
    check_sizes(s, 2500 * MS, 0, MIB + 64 * KIB, MIB);
    CHECK_EQ(read_all(s, 2500 * MS, buf, sizeof(buf), MIB), MIB + 64 * KIB);
    check_sizes(s, 3499 * MS, 0, 0, MIB);
    /* Set while in use, the time begins then. */
    CHECK_EQ(set_key(s, 3499 * MS, "dirty-refill-every=100"), 0);
    check_sizes(s, 3598 * MS, 0, 0, MIB);
    check_sizes(s, 3599 * MS, 0, MIB + 64 * KIB, MIB);
    CHECK_EQ(vfio_sim_set_state(s, 3600 * MS, VFIO_SIM_STOP_COPY), 0);
    CHECK_EQ(read_all(s, 9 * S, buf, sizeof(buf), MIB), 2 * MIB + 64 * KIB);
    check_sizes(s, 9 * S, 0, 0, 0);
    CHECK_EQ(set_key(s, 9 * S, "dirty-refill-every=0"), 0);
}

static void test_refill_stream(void)
{
    VFIOSim *s = device("initial-bytes=300K stop-bytes=64K "
                        "dirty-refill-every=1");
    static uint8_t buf[4 * MIB];
    size_t used = 0;
    int i;

    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_PRE_COPY), 0);
    for (i = 0; i < 5; i++) {
        used += read_all(s, i * S, buf + used, sizeof(buf) - used, 4096);
    }
    CHECK_EQ(used, 5 * 300 * KIB);
    CHECK_EQ(vfio_sim_set_state(s, 5 * S, VFIO_SIM_STOP_COPY), 0);
    used += read_all(s, 5 * S, buf + used, sizeof(buf) - used, 4096);
    CHECK(is_accepted(buf, used));
}

static void test_max_age(void)
{
    VFIOSim *s = device("initial-bytes=1M dirty-bytes=1M stop-bytes=2M "
                        "report-max-age=1000");
    static uint8_t buf[4 * MIB];
    uint64_t length;

    CHECK_EQ(vfio_sim_data_size(s, 0, &length), 0);
    CHECK_EQ(length, 4 * MIB);
    CHECK_EQ(vfio_sim_set_state(s, 100 * MS, VFIO_SIM_PRE_COPY), 0);
    check_precopy_info(s, 100 * MS, MIB, MIB, FLAGS_BEFORE);
    CHECK_EQ(read_all(s, 200 * MS, buf, sizeof(buf), MIB), 2 * MIB);
    /* Each query has a cache of its own. */
    check_precopy_info(s, 1099 * MS, MIB, MIB, FLAGS_BEFORE);
    CHECK_EQ(counter(s, "reported-initial"), MIB);
    CHECK_EQ(counter(s, "initial"), 0);
    CHECK_EQ(vfio_sim_data_size(s, 999 * MS, &length), 0);
    CHECK_EQ(length, 4 * MIB);
    check_precopy_info(s, 1100 * MS, 0, 0, FLAGS_BEFORE);
    CHECK_EQ(vfio_sim_data_size(s, 1000 * MS, &length), 0);
    CHECK_EQ(length, 2 * MIB);
    /* A state change does not end the age of the length. */
    CHECK_EQ(vfio_sim_set_state(s, 1200 * MS, VFIO_SIM_STOP_COPY), 0);
    CHECK_EQ(read_all(s, 1200 * MS, buf, sizeof(buf), MIB), 2 * MIB);
    CHECK_EQ(vfio_sim_data_size(s, 1300 * MS, &length), 0);
    CHECK_EQ(length, 2 * MIB);
    CHECK_EQ(set_key(s, 1300 * MS, "report-max-age=0"), 0);
    CHECK_EQ(vfio_sim_data_size(s, 1300 * MS, &length), 0);
    CHECK_EQ(length, 0);
}

static void test_max_age_session(void)
{
    VFIOSim *s = device("initial-bytes=1M report-max-age=10000");
    static uint8_t buf[4 * MIB];

    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_PRE_COPY), 0);
    check_precopy_info(s, 0, MIB, 0, FLAGS_BEFORE);
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_RUNNING), 0);
    CHECK_EQ(set_key(s, 0, "initial-bytes=2M"), 0);
    /* Another session has nothing of the one before. */
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_PRE_COPY), 0);
    check_precopy_info(s, 0, 2 * MIB, 0, FLAGS_BEFORE);

    /* With the flag of a re-initialisation comes its data. */
    vfio_sim_set_v2(s, true);
    CHECK_EQ(read_all(s, 0, buf, sizeof(buf), MIB), 2 * MIB);
    check_precopy_info(s, 1 * S, 2 * MIB, 0, 0);
    CHECK_EQ(set_key(s, 1 * S, "reinit-at=now"), 0);
    check_precopy_info(s, 1 * S, MIB, 0, REINIT);
}

static const TapCase cases[] = {
    TAP_CASE("p2p-stops", test_p2p_stops,
             "RUNNING_P2P stops the device, and is left and entered fast"),
    TAP_CASE("p2p-stops-precopy", test_p2p_stops_precopy,
             "PRE_COPY_P2P stops the device until it is rolled back"),
    TAP_CASE("p2p-runs", test_p2p_runs,
             "without p2p-stops the device runs in the P2P states"),
    TAP_CASE("refill", test_refill,
             "dirty-refill-every: all precopy data is dirty again"),
    TAP_CASE("refill-stream", test_refill_stream,
             "a stream with the same data many times is accepted"),
    TAP_CASE("max-age", test_max_age,
             "report-max-age: the queries report older sizes"),
    TAP_CASE("max-age-session", test_max_age_session,
             "a new session and a re-initialisation end the age"),
};

TAP_GROUP(model_drivers, "drivers", cases);
