/*
 * Tests of the library: latencies, rates and holding
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <poll.h>
#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include "preload-fixture.h"

static uint64_t now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * 1000ull + ts.tv_nsec / 1000000;
}

static int data_size(void)
{
    struct vfio_device_feature_mig_data_size size;

    return feature(DEV, FEATURE_GET | FEATURE_MIG_DATA_SIZE, &size,
                   sizeof(size));
}

static void test_latency(void)
{
    uint64_t start;

    CHECK(answers("set latency-running-p2p 20", "ok"));
    CHECK(answers("set latency-stop 30", "ok"));
    start = now_ms();
    CHECK_EQ(set_state(DEV, VFIO_SIM_STOP, NULL), 0);
    CHECK(now_ms() - start >= 49);

    CHECK(answers("set latency-query 40", "ok"));
    start = now_ms();
    CHECK_EQ(data_size(), 0);
    CHECK(now_ms() - start >= 39);
}

static void test_read_rate(void)
{
    static uint8_t buf[MIB];
    uint64_t start, bytes = 0;
    ssize_t n;
    int fd;

    CHECK(answers("set read-rate 20M", "ok"));
    CHECK_EQ(set_state(DEV, VFIO_SIM_STOP_COPY, &fd), 0);
    start = now_ms();
    while ((n = read(fd, buf, sizeof(buf))) > 0) {
        bytes += n;
    }
    CHECK_EQ(n, 0);
    CHECK_EQ(bytes, 5 * MIB);
    /* 250 ms */
    CHECK(now_ms() - start >= 240);
}

static void test_write_rate(void)
{
    static uint8_t buf[6 * MIB];
    uint64_t start;
    size_t len = 0, done;
    ssize_t n;
    int out, in;

    CHECK_EQ(set_state(DEV, VFIO_SIM_STOP_COPY, &out), 0);
    while ((n = read(out, buf + len, sizeof(buf) - len)) > 0) {
        len += n;
    }
    CHECK_EQ(len, 5 * MIB);
    control_device(2);
    CHECK(answers("set write-rate 20M", "ok"));
    CHECK_EQ(set_state(DEV2, VFIO_SIM_RESUMING, &in), 0);
    start = now_ms();
    for (done = 0; done < len; done += n) {
        n = write(in, buf + done, len - done);
        CHECK(n > 0);
        if (n <= 0) {
            break;
        }
    }
    /* 250 ms */
    CHECK(now_ms() - start >= 240);
    CHECK_EQ(set_state(DEV2, VFIO_SIM_RUNNING, NULL), 0);
    CHECK(answers("get stream-verified", "ok 1"));
    close(out);
    close(in);
}

/* The threads of held calls, which return what the call has returned */

static void *read_byte(void *fd)
{
    uint8_t byte;

    return (void *)(intptr_t)read(*(int *)fd, &byte, 1);
}

static void *write_magic(void *fd)
{
    return (void *)(intptr_t)write(*(int *)fd, "VFIOSIM1", 8);
}

static void *query_size(void *unused)
{
    (void)unused;
    return (void *)(intptr_t)data_size();
}

static void check_hold(const char *point, void *(*call)(void *), int fd,
                       intptr_t expected)
{
    pthread_t thread;
    char line[32];
    void *result;

    snprintf(line, sizeof(line), "set hold %s", point);
    CHECK(answers(line, "ok"));
    CHECK_EQ(pthread_create(&thread, NULL, call, &fd), 0);
    while (counter("holding") != 1) {
        poll(NULL, 0, 1);
    }
    /* Meanwhile the device can be queried and set. */
    CHECK(answers("get stop-bytes", "ok 4194304"));
    CHECK(answers("set hold none", "ok"));
    pthread_join(thread, &result);
    CHECK_EQ((intptr_t)result, expected);
    CHECK(answers("get holding", "ok 0"));
}

static void test_hold_calls(void)
{
    int fd;

    check_hold("query", query_size, -1, 0);
    CHECK_EQ(set_state(DEV, VFIO_SIM_STOP_COPY, &fd), 0);
    check_hold("read", read_byte, fd, 1);
    close(fd);
    CHECK_EQ(set_state(DEV, VFIO_SIM_RESUMING, &fd), 0);
    check_hold("write", write_magic, fd, 8);
    close(fd);
}

static const TapCase cases[] = {
    TAP_CASE("latency", test_latency,
             "state changes and queries take as long as they are set to"),
    TAP_CASE("read-rate", test_read_rate, "reads take as long as they have to"),
    TAP_CASE("write-rate", test_write_rate,
             "writes take as long as they have to"),
    TAP_CASE("hold-calls", test_hold_calls,
             "reads, writes and queries wait while they are held"),
};

TAP_GROUP(preload_timing, "timing", cases);
