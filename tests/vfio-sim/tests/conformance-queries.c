/*
 * Conformance: the queries of sizes
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <sys/ioctl.h>

#include "conformance-fixture.h"

static void check_info_arguments(int fd)
{
    struct vfio_precopy_info info = { 0 };
    uint32_t n;

    for (n = 0; n < sizeof(info); n++) {
        info.argsz = n;
        CHECK_EQ(error(ioctl(fd, VFIO_MIG_GET_PRECOPY_INFO, &info)), EINVAL);
    }
    info.argsz = sizeof(info) + 8;
    CHECK_EQ(error(ioctl(fd, VFIO_MIG_GET_PRECOPY_INFO, &info)), 0);
    CHECK_EQ(error(ioctl(fd, VFIO_DEVICE_GET_INFO, &info)), ENOTTY);
    CHECK_EQ(error(ioctl(fd, VFIO_DEVICE_FEATURE, &info)), ENOTTY);
}

static void test_every_state(void)
{
    struct vfio_precopy_info info;
    uint64_t size;
    uint32_t s;

    for (s = 0; s < VFIO_SIM_STATES; s++) {
        if (!can_go_to(s)) {
            continue;
        }
        restart();
        go_to(s);
        size = UINT64_MAX;
        CHECK_EQ(error(data_size(&size)), 0);
        CHECK(size != UINT64_MAX);
        if (target.simulated && s != VFIO_SIM_RESUMING) {
            CHECK_EQ(size, INITIAL + DIRTY + STOPPED);
        }
        if (target.data < 0) {
            continue;
        }
        if (is_precopy(s)) {
            info = (struct vfio_precopy_info) { 0 };
            CHECK_EQ(error(precopy_info(target.data, &info)), 0);
            if (target.simulated) {
                CHECK_EQ(info.initial_bytes, INITIAL);
                CHECK_EQ(info.dirty_bytes, DIRTY);
            }
            check_info_arguments(target.data);
        } else if (s == VFIO_SIM_RESUMING && !target.simulated) {
            CHECK(precopy_info(target.data, &info) == -1);
        } else {
            CHECK_EQ(error(precopy_info(target.data, &info)), EINVAL);
        }
    }
}

static void test_precopy_flags(void)
{
    struct vfio_precopy_info info = { .flags = 0xabcd };

    CHECK_EQ(error(set_state(VFIO_SIM_PRE_COPY)), 0);
    CHECK_EQ(error(precopy_info(target.data, &info)), 0);
    CHECK_EQ(info.flags, 0xabcd);
}

static void test_v2_opt_in(void)
{
    struct vfio_precopy_info info = { .flags = 0xabcd };
    uint64_t payload[2] = { 0 };

    if (!target.has_v2) {
        CHECK_EQ(error(probe(FEATURE_SET | FEATURE_V2)), ENOTTY);
        CHECK_EQ(error(opt_in()), ENOTTY);
        tap_skip("the kernel has no MIG_PRECOPY_INFOv2");
        return;
    }
    CHECK_EQ(error(probe(FEATURE_V2)), 0);
    CHECK_EQ(error(probe(FEATURE_SET | FEATURE_V2)), 0);
    CHECK_EQ(error(probe(FEATURE_GET | FEATURE_V2)), EINVAL);
    CHECK_EQ(error(feature(FEATURE_GET | FEATURE_V2, payload, 8)),
             EINVAL);
    CHECK_EQ(error(feature(FEATURE_V2, payload, 0)), EINVAL);
    CHECK_EQ(error(feature_sized(FEATURE_SET | FEATURE_V2, 7, payload, 0)),
             EINVAL);
    if (target.simulated) {
        /* It needs PRE_COPY, even to be probed. */
        set("precopy", "off");
        CHECK_EQ(error(probe(FEATURE_SET | FEATURE_V2)), EINVAL);
        CHECK_EQ(error(opt_in()), EINVAL);
        set("precopy", "on");
        CHECK_EQ(get("v2-opted-in"), 0);
    }
    CHECK_EQ(error(opt_in()), 0);
    CHECK_EQ(error(opt_in()), 0);
    CHECK_EQ(error(feature(FEATURE_SET | FEATURE_V2, payload, 8)), 0);
    /* A reset does not end it. */
    restart();
    if (target.simulated) {
        CHECK_EQ(get("v2-opted-in"), 1);
    }
    CHECK_EQ(error(set_state(VFIO_SIM_PRE_COPY)), 0);
    CHECK_EQ(error(precopy_info(target.data, &info)), 0);
    CHECK_EQ(info.flags, 0);
}

static void test_reinit(void)
{
    struct vfio_precopy_info info = { .flags = 0xabcd };
    size_t n;

    CHECK_EQ(error(opt_in()), 0);
    CHECK_EQ(error(set_state(VFIO_SIM_PRE_COPY)), 0);
    CHECK_EQ(read_all(&n), ENOMSG);
    CHECK_EQ(n, INITIAL + DIRTY);
    CHECK_EQ(error(precopy_info(target.data, &info)), 0);
    CHECK_EQ(info.flags, 0);
    CHECK_EQ(info.initial_bytes, 0);

    /* There is new initial data, and the flag is set. */
    set("reinit-at", "now");
    CHECK_EQ(error(precopy_info(target.data, &info)), 0);
    CHECK_EQ(info.flags, VFIO_SIM_INFO_REINIT);
    CHECK_EQ(info.initial_bytes, 64 * KIB);
    CHECK_EQ(info.dirty_bytes, 0);
    CHECK_EQ(read_all(&n), ENOMSG);
    CHECK_EQ(n, 64 * KIB);
    CHECK_EQ(error(precopy_info(target.data, &info)), 0);
    CHECK_EQ(info.flags, 0);
    CHECK_EQ(info.initial_bytes, 0);

    /* In the last state from which a switchover can be rolled back */
    set("reinit-at", "pre-copy-p2p");
    CHECK_EQ(error(set_state(VFIO_SIM_PRE_COPY_P2P)), 0);
    set("reinit-at", "none");
    CHECK_EQ(error(precopy_info(target.data, &info)), 0);
    CHECK_EQ(info.flags, VFIO_SIM_INFO_REINIT);
    CHECK_EQ(error(set_state(VFIO_SIM_PRE_COPY)), 0);
    CHECK_EQ(read_all(&n), ENOMSG);
    CHECK_EQ(n, 64 * KIB);
    CHECK_EQ(error(set_state(VFIO_SIM_STOP_COPY)), 0);
    CHECK_EQ(read_all(&n), 0);
    CHECK_EQ(n, STOPPED);
}

static void test_reports(void)
{
    struct vfio_precopy_info info = { 0 };
    uint64_t size;

    set("report-stop", "max");
    CHECK_EQ(error(data_size(&size)), 0);
    CHECK(size == UINT64_MAX);
    set("report-stop", "error");
    CHECK_EQ(error(data_size(&size)), EIO);
    CHECK_EQ(error(set_state(VFIO_SIM_PRE_COPY)), 0);
    set("report-initial", "max");
    CHECK_EQ(error(precopy_info(target.data, &info)), 0);
    CHECK(info.initial_bytes == UINT64_MAX);
    set("report-initial", "error");
    info.initial_bytes = 1234;
    CHECK_EQ(error(precopy_info(target.data, &info)), EIO);
    CHECK_EQ(info.initial_bytes, 1234);
}

/* An opt-in stays: cases without it come first. */
static const TapCase cases[] = {
    TAP_CASE("every-state", test_every_state,
             "both size queries in every state"),
    TAP_CASE("precopy-flags", test_precopy_flags,
             "without the opt-in the flags are left alone",
             .needs = NEEDS_PRECOPY),
    TAP_CASE("v2-opt-in", test_v2_opt_in,
             "the opt-in to MIG_PRECOPY_INFOv2"),
    TAP_CASE("reinit", test_reinit,
             "re-initialisations in PRE_COPY and in PRE_COPY_P2P",
             .needs = NEEDS_SIMULATOR | NEEDS_V2),
    TAP_CASE("reports", test_reports,
             "report-* set what the queries report, or fail them",
             .needs = NEEDS_SIMULATOR),
};

TAP_GROUP(conformance_queries, "queries", cases);
