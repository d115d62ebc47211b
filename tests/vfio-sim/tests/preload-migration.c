/*
 * Tests of the library: migration
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <sys/ioctl.h>
#include <unistd.h>

#include "preload-fixture.h"

static void test_migrate(void)
{
    struct vfio_device_feature_mig_data_size size = { 0 };
    struct vfio_precopy_info info = { .argsz = sizeof(info) };
    VFIOSimRange range = { 0, RAM };
    uint64_t bitmap[RAM / 4096 / 64] = { 0 };
    uint64_t iommu_bitmap[RAM / 4096 / 64] = { 0 };
    struct vfio_device_feature_dma_logging_control start = {
        .page_size = 4096, .num_ranges = 1, .ranges = (uintptr_t)&range,
    };
    struct vfio_device_feature_dma_logging_report report = {
        .length = RAM, .page_size = 4096, .bitmap = (uintptr_t)bitmap,
    };
    struct iommu_hwpt_set_dirty_tracking track = {
        .size = sizeof(track), .hwpt_id = hwpt,
        .flags = IOMMU_HWPT_DIRTY_TRACKING_ENABLE,
    };
    struct iommu_hwpt_get_dirty_bitmap dirty = {
        .size = sizeof(dirty), .hwpt_id = hwpt, .length = RAM,
        .page_size = 4096, .data = (uintptr_t)iommu_bitmap,
    };
    static uint8_t buf[MIB];
    int out = -1, in = -1;
    uint64_t total = 0;
    uint64_t i;
    ssize_t n;

    CHECK_EQ(feature(DEV, FEATURE_SET | FEATURE_LOG_START, &start,
                     sizeof(start)), 0);
    CHECK_EQ(ioctl(IOMMU, IOMMU_HWPT_SET_DIRTY_TRACKING, &track), 0);
    CHECK(answers("set dma-rate 200M", "ok"));
    CHECK_EQ(set_state(DEV, VFIO_SIM_PRE_COPY, &out), 0);
    CHECK(out >= 0);
    CHECK_EQ(set_state(DEV2, VFIO_SIM_RESUMING, &in), 0);
    CHECK(in >= 0);
    CHECK(fails(ioctl(in, VFIO_MIG_GET_PRECOPY_INFO, &info), EINVAL));
    CHECK_EQ(ioctl(out, VFIO_MIG_GET_PRECOPY_INFO, &info), 0);
    CHECK_EQ(info.initial_bytes, MIB);
    CHECK_EQ(info.dirty_bytes, 0);
    while ((n = read(out, buf, sizeof(buf))) > 0) {
        CHECK_EQ(write(in, buf, n), n);
        total += n;
    }
    CHECK(fails(n, ENOMSG));
    /* Enough pages to compare the logs and the memory */
    wait_for_pages(2000);

    CHECK_EQ(set_state(DEV, VFIO_SIM_STOP_COPY, NULL), 0);
    CHECK(fails(ioctl(out, VFIO_MIG_GET_PRECOPY_INFO, &info), EINVAL));
    CHECK_EQ(feature(DEV, FEATURE_GET | FEATURE_MIG_DATA_SIZE, &size,
                     sizeof(size)), 0);
    CHECK_EQ(size.stop_copy_length, 4 * MIB);

    /* Both logs are equal, and what they report makes memory equal. */
    CHECK_EQ(feature(DEV, FEATURE_GET | FEATURE_LOG_REPORT, &report,
                     sizeof(report)), 0);
    CHECK_EQ(ioctl(IOMMU, IOMMU_HWPT_GET_DIRTY_BITMAP, &dirty), 0);
    CHECK(!memcmp(bitmap, iommu_bitmap, sizeof(bitmap)));
    memset(ram2, 0, RAM);
    for (i = 0; i < RAM / 4096; i++) {
        if (bitmap[i / 64] >> (i % 64) & 1) {
            CHECK(i >= WINDOW / 4096 && i < WINDOW / 4096 + 1024);
            memcpy(ram2 + i * 4096, ram + i * 4096, 4096);
        }
    }
    CHECK(!memcmp(ram, ram2, RAM));

    while ((n = read(out, buf, sizeof(buf))) > 0) {
        CHECK_EQ(write(in, buf, n), n);
        total += n;
    }
    CHECK_EQ(n, 0);
    CHECK_EQ(total, 5 * MIB);
    CHECK_EQ(set_state(DEV2, VFIO_SIM_RUNNING, NULL), 0);
    CHECK(fails(write(in, buf, 1), ENODEV));
    CHECK_EQ(set_state(DEV, VFIO_SIM_STOP, NULL), 0);
    CHECK(fails(read(out, buf, 1), ENODEV));
    CHECK_EQ(close(out), 0);
    CHECK_EQ(close(in), 0);
    CHECK(fails(read(out, buf, 1), EBADF));
    track.flags = 0;
    CHECK_EQ(ioctl(IOMMU, IOMMU_HWPT_SET_DIRTY_TRACKING, &track), 0);
    CHECK_EQ(feature(DEV, FEATURE_SET | FEATURE_LOG_STOP, NULL, 0),
             0);
    CHECK(answers("set dma-rate 0", "ok"));
    CHECK(answers("get sessions", "ok 1"));
    CHECK(answers("get read-bytes-initial", "ok 1048576"));
    CHECK(answers("get initial-unread-at-stop", "ok 0"));

    control_device(2);
    CHECK(answers("get stream-verified", "ok 1"));
    CHECK(answers("get write-bytes-initial", "ok 1048576"));
    CHECK(answers("get dma-mismatched", "ok 0"));
    CHECK(counter("dma-verified") > 500);
}

static void copy_stream(int out, int in)
{
    static uint8_t buf[MIB];
    ssize_t n;

    while ((n = read(out, buf, sizeof(buf))) > 0) {
        CHECK_EQ(write(in, buf, n), n);
    }
    CHECK_EQ(n, 0);
}

static void test_mismatch(void)
{
    uint64_t written, i, pages = 0;
    int out, in;

    CHECK(answers("set dma-rate 200M", "ok"));
    wait_for_pages(100);
    CHECK_EQ(set_state(DEV, VFIO_SIM_STOP_COPY, &out), 0);
    written = counter("dma-pages-written");
    CHECK_EQ(set_state(DEV2, VFIO_SIM_RESUMING, &in), 0);
    copy_stream(out, in);

    /* Half of the memory is copied. */
    for (i = WINDOW; i < WINDOW + 4 * MIB; i += 4096) {
        static const uint8_t zeros[4096];

        pages += memcmp(ram + i, zeros, 4096) != 0;
    }
    CHECK(pages > 10 && pages <= written);
    memcpy(ram2 + WINDOW, ram + WINDOW, 2 * MIB);
    CHECK_EQ(set_state(DEV2, VFIO_SIM_RUNNING, NULL), 0);
    control_device(2);
    CHECK(counter("dma-mismatched") > 0);
    CHECK(counter("dma-verified") > 0);
    CHECK_EQ(counter("dma-mismatched") + counter("dma-verified"), pages);
    close(out);
    close(in);
}

static bool precopy_info_is(int fd, uint32_t before, uint32_t flags,
                            uint64_t initial, uint64_t dirty)
{
    struct vfio_precopy_info info = {
        .argsz = sizeof(info), .flags = before
    };

    CHECK_EQ(ioctl(fd, VFIO_MIG_GET_PRECOPY_INFO, &info), 0);
    CHECK_EQ(info.flags, flags);
    CHECK_EQ(info.initial_bytes, initial);
    CHECK_EQ(info.dirty_bytes, dirty);
    return info.flags == flags && info.initial_bytes == initial &&
           info.dirty_bytes == dirty;
}

/* Read all precopy data; it has to be so many bytes. */
static void drain(int from, uint64_t bytes)
{
    static uint8_t buf[MIB];
    ssize_t n;

    while ((n = read(from, buf, sizeof(buf))) > 0) {
        bytes -= n;
    }
    CHECK(fails(n, ENOMSG));
    CHECK_EQ(bytes, 0);
}

static void test_reinit(void)
{
    const uint32_t v2 = VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFOv2;
    struct vfio_precopy_info info = { .argsz = sizeof(info) - 1 };
    uint64_t before = counter("reinits");
    int fd;

    CHECK(answers("set reinit-bytes 2M", "ok"));
    CHECK_EQ(set_state(DEV, VFIO_SIM_PRE_COPY, &fd), 0);
    CHECK(fails(ioctl(fd, VFIO_MIG_GET_PRECOPY_INFO, &info), EINVAL));
    /* Without the opt-in: flags are left alone, the data is dirty data. */
    CHECK(precopy_info_is(fd, 0xdead, 0xdead, MIB, 0));
    CHECK(answers("set reinit-at now", "ok"));
    CHECK(precopy_info_is(fd, 0xdead, 0xdead, MIB, 2 * MIB));
    CHECK(answers("get reinit-flags", "ok 0"));
    CHECK_EQ(set_state(DEV, VFIO_SIM_RUNNING, NULL), 0);
    close(fd);

    CHECK_EQ(feature(DEV, FEATURE_SET | v2, NULL, 0), 0);
    CHECK_EQ(feature(DEV, FEATURE_SET | v2, NULL, 0), 0);
    CHECK(answers("get v2-opted-in", "ok 1"));
    /* The opt-in stays until the device is closed. */
    CHECK_EQ(ioctl(DEV, VFIO_DEVICE_RESET), 0);
    CHECK(answers("set precopy-v2 off", "ok"));
    CHECK(answers("get v2-opted-in", "ok 1"));
    CHECK(answers("set precopy-v2 on", "ok"));

    CHECK_EQ(set_state(DEV, VFIO_SIM_PRE_COPY, &fd), 0);
    CHECK(precopy_info_is(fd, 0xdead, 0, MIB, 0));
    drain(fd, MIB);
    CHECK(precopy_info_is(fd, 0xdead, 0, 0, 0));
    CHECK(answers("set reinit-at now", "ok"));
    CHECK(precopy_info_is(fd, 0xdead, VFIO_SIM_INFO_REINIT, 2 * MIB, 0));
    drain(fd, 2 * MIB);
    CHECK(precopy_info_is(fd, 0xdead, 0, 0, 0));

    /* Right before the stop; the switchover is rolled back and repeated. */
    CHECK(answers("set reinit-at pre-copy-p2p", "ok"));
    CHECK(answers("set reinit-count 1", "ok"));
    CHECK(precopy_info_is(fd, 0xdead, 0, 0, 0));
    CHECK_EQ(set_state(DEV, VFIO_SIM_PRE_COPY_P2P, NULL), 0);
    CHECK(precopy_info_is(fd, 0xdead, VFIO_SIM_INFO_REINIT, 2 * MIB, 0));
    CHECK_EQ(set_state(DEV, VFIO_SIM_PRE_COPY, NULL), 0);
    drain(fd, 2 * MIB);
    CHECK_EQ(set_state(DEV, VFIO_SIM_PRE_COPY_P2P, NULL), 0);
    CHECK(precopy_info_is(fd, 0xdead, 0, 0, 0));
    CHECK(answers("set reinit-at before-query", "ok"));
    CHECK(precopy_info_is(fd, 0xdead, VFIO_SIM_INFO_REINIT, 2 * MIB, 0));
    CHECK_EQ(set_state(DEV, VFIO_SIM_STOP_COPY, NULL), 0);
    CHECK(answers("get initial-unread-at-stop", "ok 2097152"));
    CHECK_EQ(set_state(DEV, VFIO_SIM_RUNNING, NULL), 0);
    close(fd);
    CHECK_EQ(counter("reinits"), before + 4);
    CHECK(answers("get reinit-flags", "ok 3"));
    CHECK(answers("set reinit-at none", "ok"));
}

static void test_data_fd_ends(void)
{
    static uint8_t buf[MIB];
    int fd;

    CHECK_EQ(set_state(DEV, VFIO_SIM_PRE_COPY, &fd), 0);
    CHECK_EQ(read(fd, buf, 1000), 1000);
    CHECK_EQ(close(fd), 0);
    CHECK_EQ(set_state(DEV, VFIO_SIM_STOP_COPY, &fd), 0);
    CHECK_EQ(fd, -1);
    CHECK_EQ(set_state(DEV, VFIO_SIM_RUNNING, &fd), 0);
    CHECK_EQ(set_state(DEV, VFIO_SIM_STOP_COPY, &fd), 0);
    CHECK(fd >= 0);
    CHECK_EQ(read(fd, buf, 1000), 1000);
    CHECK_EQ(ioctl(DEV, VFIO_DEVICE_RESET), 0);
    CHECK(fails(read(fd, buf, 1000), ENODEV));
    close(fd);
}

static const TapCase cases[] = {
    TAP_CASE("with-dma", test_migrate,
             "a migration to a second device, while the first writes memory"),
    TAP_CASE("mismatch", test_mismatch,
             "memory that is not what the source wrote is counted"),
    TAP_CASE("reinit", test_reinit,
             "re-initialisations without and with the opt-in"),
    TAP_CASE("data-fd-ends", test_data_fd_ends,
             "closing the data fd, and a reset, in the middle of a session"),
};

TAP_GROUP(preload_migration, "migration", cases);
