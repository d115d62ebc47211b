/*
 * Tests of reported sizes and of faults
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "model-fixture.h"

static void test_report(void)
{
    static const struct {
        const char *value;
        int ret;
        uint64_t size;
    } reports[] = {
        { "zero", 0, 0 },
        { "max", 0, UINT64_MAX },
        { "12345", 0, 12345 },
        { "3G", 0, 3072 * MIB },
        { "error", -EIO, 0 },
    };
    VFIOSim *s = device("initial-bytes=1M dirty-bytes=2M stop-bytes=4M");
    uint64_t i, d, st;
    char key[64];
    size_t n;

    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_PRE_COPY), 0);
    for (n = 0; n < TAP_SIZE(reports); n++) {
        snprintf(key, sizeof(key), "report-initial=%s", reports[n].value);
        set_key(s, 0, key);
        CHECK_EQ(precopy_info(s, 0, &i, &d), reports[n].ret);
        CHECK_EQ(reports[n].ret ? 0 : i, reports[n].size);
        CHECK_EQ(reports[n].ret ? 2 * MIB : d, 2 * MIB);
        set_key(s, 0, "report-initial=truth");

        snprintf(key, sizeof(key), "report-dirty=%s", reports[n].value);
        set_key(s, 0, key);
        CHECK_EQ(precopy_info(s, 0, &i, &d), reports[n].ret);
        CHECK_EQ(reports[n].ret ? 0 : d, reports[n].size);
        set_key(s, 0, "report-dirty=truth");

        snprintf(key, sizeof(key), "report-stop=%s", reports[n].value);
        set_key(s, 0, key);
        CHECK_EQ(vfio_sim_data_size(s, 0, &st), reports[n].ret);
        CHECK_EQ(reports[n].ret ? 0 : st, reports[n].size);
        set_key(s, 0, "report-stop=truth");

        /* The reports do not change the sizes. */
        vfio_sim_sizes(s, 0, &i, &d, &st);
        CHECK_EQ(i, MIB);
        CHECK_EQ(d, 2 * MIB);
        CHECK_EQ(st, 4 * MIB);
    }
    set_key(s, 0, "report-stop=random");
    CHECK_EQ(vfio_sim_data_size(s, 0, &i), 0);
    CHECK_EQ(vfio_sim_data_size(s, 0, &d), 0);
    CHECK(i != d);
    CHECK_EQ(counter(s, "reported-stop"), d);
}

static void test_report_series(void)
{
    VFIOSim *s = device("initial-bytes=1M dirty-bytes=80M stop-bytes=4M "
                        "report-initial=growing report-dirty=shrinking");
    uint64_t i, d, st, last_i, last_d, last;
    int n;

    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_PRE_COPY), 0);
    CHECK_EQ(precopy_info(s, 0, &last_i, &last_d), 0);
    CHECK_EQ(last_i, MIB);
    CHECK_EQ(last_d, 80 * MIB);
    for (n = 0; n < 100; n++) {
        CHECK_EQ(precopy_info(s, 0, &i, &d), 0);
        CHECK_EQ(i - last_i, MIB / 8);
        CHECK_EQ(d, last_d / 2);
        CHECK_EQ(counter(s, "reported-initial"), i);
        CHECK_EQ(counter(s, "reported-dirty"), d);
        last_i = i;
        last_d = d;
    }
    CHECK_EQ(d, 0);

    /* It begins with the truth when it is set; other keys do not matter. */
    set_key(s, 0, "report-stop=growing");
    CHECK_EQ(vfio_sim_data_size(s, 0, &last), 0);
    CHECK_EQ(last, 85 * MIB);
    set_key(s, 0, "stop-bytes=1M");
    set_key(s, 0, "dirty-bytes=0");
    set_key(s, 0, "initial-bytes=0");
    for (n = 0; n < 100; n++) {
        CHECK_EQ(vfio_sim_data_size(s, 0, &st), 0);
        CHECK_EQ(st - last, MIB / 8);
        last = st;
    }
    set_key(s, 0, "stop-bytes=0");
    CHECK_EQ(vfio_sim_data_size(s, 0, &st), 0);
    CHECK_EQ(st - last, 64 * KIB);
    set_key(s, 0, "stop-bytes=1M");
    set_key(s, 0, "report-stop=growing");
    CHECK_EQ(vfio_sim_data_size(s, 0, &st), 0);
    CHECK_EQ(st, MIB);
    set_key(s, 0, "report-stop=shrinking");
    CHECK_EQ(vfio_sim_data_size(s, 0, &st), 0);
    CHECK_EQ(st, MIB);
    CHECK_EQ(vfio_sim_data_size(s, 0, &st), 0);
    CHECK_EQ(st, MIB / 2);
    set_key(s, 0, "report-stop=truth");
    CHECK_EQ(vfio_sim_data_size(s, 0, &st), 0);
    CHECK_EQ(st, MIB);
}

static void test_report_saturates(void)
{
    VFIOSim *s = device("dirty-rate=8388608T report-dirty=growing");
    uint64_t i, d, st;
    int n;

    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_PRE_COPY), 0);
    for (n = 0; n < 3; n++) {
        CHECK_EQ(precopy_info(s, 10 * S, &i, &d), 0);
    }
    CHECK(d == UINT64_MAX);
    /* A sum of sizes does not wrap. */
    CHECK_EQ(vfio_sim_data_size(s, 10 * S, &st), 0);
    CHECK(st == UINT64_MAX);
}

static void test_fail_state(void)
{
    VFIOSim *s = device("fail-state=stop fail-count=2");
    uint32_t session;

    /* The path ends before the state that fails. */
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_STOP_COPY), -EIO);
    CHECK_EQ(state_of(s), VFIO_SIM_RUNNING_P2P);
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_STOP), -EIO);
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_STOP), 0);
    CHECK_EQ(counter(s, "faults"), 2);
    /* Setting the count starts it again. */
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_RUNNING), 0);
    set_key(s, 0, "fail-count=1");
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_STOP), -EIO);
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_STOP), 0);
    /* A count of 0 has no end. */
    set_key(s, 0, "fail-count=0");
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_PRE_COPY), 0);
    set_key(s, 0, "fail-state=stop-copy");
    session = session_of(s);
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_STOP_COPY), -EIO);
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_STOP_COPY), -EIO);
    CHECK_EQ(state_of(s), VFIO_SIM_PRE_COPY_P2P);
    /* The session continues. */
    CHECK_EQ(session_of(s), session);
    set_key(s, 0, "fail-into=error");
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_STOP_COPY), -EIO);
    CHECK_EQ(state_of(s), VFIO_SIM_ERROR);
    CHECK_EQ(session_of(s), 0);
    set_key(s, 0, "fail-state=none");
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_STOP), -EINVAL);
    vfio_sim_reset(s, 0);
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_STOP), 0);
}

static void test_fail_read_after(void)
{
    VFIOSim *s = device("stop-bytes=1M fail-read-after=100000");
    static uint8_t buf[MIB];
    size_t n = 0;
    int64_t r;

    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_STOP_COPY), 0);
    while ((r = read_data(s, 0, buf + n, 4096)) > 0) {
        n += r;
    }
    CHECK_EQ(r, -EIO);
    CHECK_EQ(n, 100000);
    CHECK_EQ(read_data(s, 0, buf, 1), -EIO);
    set_key(s, 0, "fail-read-after=none");
    CHECK_EQ(read_data(s, 0, buf + n, MIB), MIB - n);
    CHECK(is_accepted(buf, MIB));
}

static void test_fail_write_after(void)
{
    VFIOSim *s = device("stop-bytes=1M");
    VFIOSim *d = device("fail-write-after=5000");
    size_t len;
    uint8_t *buf = save_stream(s, &len);

    CHECK_EQ(len, MIB);
    CHECK_EQ(vfio_sim_set_state(d, 0, VFIO_SIM_RESUMING), 0);
    CHECK_EQ(write_data(d, buf, MIB), 5000);
    CHECK_EQ(write_data(d, buf + 5000, 1), -EIO);
    set_key(d, 0, "fail-write-after=none");
    CHECK_EQ(write_data(d, buf + 5000, MIB - 5000), MIB - 5000);
    CHECK_EQ(vfio_sim_set_state(d, 0, VFIO_SIM_RUNNING), 0);
}

static void test_fail_log(void)
{
    VFIOSim *s = device("dma-rate=1M fail-call=log-start fail-call-count=1");
    const VFIOSimRange all = { 0, 1 << 30 };

    CHECK_EQ(vfio_sim_log_start(s, VFIO_SIM_DEVICE_LOG, &all, 1), -EIO);
    CHECK_EQ(vfio_sim_log_stop(s, VFIO_SIM_DEVICE_LOG), -EINVAL);
    CHECK_EQ(vfio_sim_log_start(s, VFIO_SIM_DEVICE_LOG, &all, 1), 0);
    set_key(s, 0, "fail-call=log-report");
    CHECK_EQ(vfio_sim_log_report(s, VFIO_SIM_DEVICE_LOG, 0, 4096, true, NULL,
                                 NULL), -EIO);
    set_key(s, 0, "fail-call=log-stop");
    CHECK_EQ(vfio_sim_log_stop(s, VFIO_SIM_DEVICE_LOG), -EIO);
    CHECK_EQ(vfio_sim_log_stop(s, VFIO_SIM_DEVICE_LOG), 0);
}

static const TapCase cases[] = {
    TAP_CASE("report-values", test_report,
             "report-* set what the queries report, or fail them"),
    TAP_CASE("report-series", test_report_series,
             "growing and shrinking start with the truth"),
    TAP_CASE("report-saturates", test_report_saturates,
             "growing and sums end at UINT64_MAX"),
    TAP_CASE("fail-state", test_fail_state,
             "fail-state, fail-count and fail-into"),
    TAP_CASE("fail-read-after", test_fail_read_after,
             "a read fails after a number of bytes"),
    TAP_CASE("fail-write-after", test_fail_write_after,
             "a write fails after a number of bytes"),
    TAP_CASE("fail-log", test_fail_log,
             "calls of the dirty page log fail"),
};

TAP_GROUP(model_faults, "faults", cases);
