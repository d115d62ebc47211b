/*
 * Tests of the library: calls on the IOMMUFD, and DMA
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "preload-fixture.h"

static void test_attach(void)
{
    struct vfio_device_bind_iommufd bind = {
        .argsz = sizeof(bind), .iommufd = 0
    };
    struct iommu_ioas_alloc alloc = { .size = sizeof(alloc) };
    struct iommu_hwpt_alloc h = { .size = sizeof(h) };
    struct vfio_device_attach_iommufd_pt att = { .argsz = sizeof(att) };
    struct iommu_hw_info hw = { .size = sizeof(hw) };
    struct iommu_ioas_iova_ranges r = { .size = sizeof(r) };
    struct iommu_iova_range ranges[2] = { { 1, 1 } };
    uint32_t dev_id;

    CHECK(fails(ioctl(DEV, VFIO_DEVICE_BIND_IOMMUFD, &bind), EBADF));
    bind.iommufd = IOMMU;
    CHECK_EQ(ioctl(DEV, VFIO_DEVICE_BIND_IOMMUFD, &bind), 0);
    dev_id = bind.out_devid;
    CHECK(fails(ioctl(DEV, VFIO_DEVICE_BIND_IOMMUFD, &bind), EINVAL));
    CHECK_EQ(ioctl(DEV2, VFIO_DEVICE_BIND_IOMMUFD, &bind), 0);
    CHECK(bind.out_devid != dev_id);

    CHECK_EQ(ioctl(IOMMU, IOMMU_IOAS_ALLOC, &alloc), 0);
    ioas = alloc.out_ioas_id;
    CHECK_EQ(ioctl(IOMMU, IOMMU_IOAS_ALLOC, &alloc), 0);
    ioas2 = alloc.out_ioas_id;

    hw.dev_id = dev_id;
    CHECK_EQ(ioctl(IOMMU, IOMMU_GET_HW_INFO, &hw), 0);
    CHECK_EQ(hw.out_capabilities, IOMMU_HW_CAP_DIRTY_TRACKING);
    memset(&ranges, 0xff, sizeof(ranges));
    hw.data_len = sizeof(ranges[0]);
    hw.data_uptr = (uintptr_t)ranges;
    CHECK_EQ(ioctl(IOMMU, IOMMU_GET_HW_INFO, &hw), 0);
    CHECK(!ranges[0].start && !ranges[0].last && ranges[1].start);
    hw.dev_id = 12345;
    CHECK(fails(ioctl(IOMMU, IOMMU_GET_HW_INFO, &hw), ENOENT));

    h.dev_id = dev_id;
    h.pt_id = ioas;
    h.flags = IOMMU_HWPT_ALLOC_DIRTY_TRACKING;
    CHECK_EQ(ioctl(IOMMU, IOMMU_HWPT_ALLOC, &h), 0);
    hwpt = h.out_hwpt_id;
    att.pt_id = 12345;
    CHECK(fails(ioctl(DEV, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &att), ENOENT));
    att.pt_id = hwpt;
    CHECK_EQ(ioctl(DEV, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &att), 0);
    /* The second device has no dirty tracking in its IOMMU. */
    CHECK(fails(ioctl(DEV2, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &att), EINVAL));
    att.pt_id = ioas2;
    CHECK_EQ(ioctl(DEV2, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &att), 0);

    r.ioas_id = ioas;
    CHECK(fails(ioctl(IOMMU, IOMMU_IOAS_IOVA_RANGES, &r), EMSGSIZE));
    CHECK_EQ(r.num_iovas, 2);
    r.allowed_iovas = (uintptr_t)ranges;
    CHECK_EQ(ioctl(IOMMU, IOMMU_IOAS_IOVA_RANGES, &r), 0);
    CHECK_EQ(ranges[0].start, 0);
    CHECK_EQ(r.out_iova_alignment, 4096);
    CHECK_EQ(ioctl(IOMMU, IOMMU_IOAS_CHANGE_PROCESS, &r), 0);
}

static void test_map(void)
{
    struct iommu_ioas_map m = { .size = sizeof(m) };
    struct iommu_ioas_unmap u = { .size = sizeof(u) };

    m.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_WRITEABLE;
    m.ioas_id = ioas;
    m.user_va = (uintptr_t)ram;
    m.length = RAM;
    CHECK_EQ(ioctl(IOMMU, IOMMU_IOAS_MAP, &m), 0);
    CHECK(fails(ioctl(IOMMU, IOMMU_IOAS_MAP, &m), EEXIST));
    m.iova = RAM + 1;
    CHECK(fails(ioctl(IOMMU, IOMMU_IOAS_MAP, &m), EINVAL));
    m.iova = RAM;
    m.length = 4096;
    CHECK_EQ(ioctl(IOMMU, IOMMU_IOAS_MAP, &m), 0);
    u.ioas_id = ioas;
    u.iova = RAM - 4096;
    u.length = 8192;
    CHECK(fails(ioctl(IOMMU, IOMMU_IOAS_UNMAP, &u), ENOENT));
    u.iova = RAM;
    CHECK_EQ(ioctl(IOMMU, IOMMU_IOAS_UNMAP, &u), 0);
    CHECK_EQ(u.length, 4096);
    /* A page table is not an address space. */
    m.ioas_id = hwpt;
    CHECK(fails(ioctl(IOMMU, IOMMU_IOAS_MAP, &m), ENOENT));
    u.ioas_id = hwpt;
    CHECK(fails(ioctl(IOMMU, IOMMU_IOAS_UNMAP, &u), ENOENT));
    u.ioas_id = ioas;
    CHECK(fails(ioctl(IOMMU, IOMMU_IOAS_UNMAP, &u), ENOENT));

    m.ioas_id = ioas2;
    m.iova = 0;
    m.user_va = (uintptr_t)ram2;
    m.length = RAM;
    CHECK_EQ(ioctl(IOMMU, IOMMU_IOAS_MAP, &m), 0);
}

static void test_map_file(void)
{
    static uint8_t written[WINDOW / 4];
    struct iommu_ioas_map_file m = {
        .size = sizeof(m), .ioas_id = ioas,
        .flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_WRITEABLE,
        .fd = -1, .start = 4096, .length = sizeof(written), .iova = WINDOW,
    };
    struct iommu_ioas_unmap u = {
        .size = sizeof(u), .ioas_id = ioas, .iova = WINDOW,
        .length = sizeof(written),
    };
    static const uint8_t zeros[4096];
    int fd = memfd_create("memory", MFD_CLOEXEC);
    size_t i, pages = 0;

    CHECK_EQ(ftruncate(fd, 4096 + sizeof(written)), 0);
    CHECK(fails(ioctl(IOMMU, IOMMU_IOAS_MAP_FILE, &m), EBADF));
    m.fd = fd;
    CHECK_EQ(ioctl(IOMMU, IOMMU_IOAS_MAP_FILE, &m), 0);
    CHECK(fails(ioctl(IOMMU, IOMMU_IOAS_MAP_FILE, &m), EEXIST));

    CHECK(answers("set dma-rate 200M", "ok"));
    wait_for_pages(500);
    CHECK(answers("set dma-rate 0", "ok"));
    CHECK_EQ(ioctl(IOMMU, IOMMU_IOAS_UNMAP, &u), 0);
    /* Written to the file, from its offset */
    CHECK_EQ(pread(fd, written, 4096, 0), 4096);
    CHECK(!memcmp(written, zeros, 4096));
    CHECK_EQ(pread(fd, written, sizeof(written), 4096), sizeof(written));
    for (i = 0; i < sizeof(written); i += 4096) {
        pages += memcmp(written + i, zeros, 4096) != 0;
    }
    CHECK(pages > 100 && pages <= counter("dma-pages-written"));
    close(fd);
}

static void test_old_iommufd(void)
{
    struct iommu_ioas_iova_ranges r = { .size = sizeof(r) };

    CHECK(fails(ioctl(IOMMU, IOMMU_IOAS_CHANGE_PROCESS, &r), ENOTTY));
}

static int get_dirty(uint64_t *bitmap, uint32_t flags)
{
    struct iommu_hwpt_get_dirty_bitmap dirty = {
        .size = sizeof(dirty), .hwpt_id = hwpt, .flags = flags,
        .length = RAM, .page_size = 4096, .data = (uintptr_t)bitmap,
    };

    memset(bitmap, 0, RAM / 4096 / 8);
    return ioctl(IOMMU, IOMMU_HWPT_GET_DIRTY_BITMAP, &dirty);
}

static void test_detach_keeps_dirty(void)
{
    struct iommu_hwpt_set_dirty_tracking track = {
        .size = sizeof(track), .hwpt_id = hwpt,
        .flags = IOMMU_HWPT_DIRTY_TRACKING_ENABLE,
    };
    struct vfio_device_attach_iommufd_pt att = {
        .argsz = sizeof(att), .pt_id = hwpt
    };
    struct vfio_device_detach_iommufd_pt detach = { .argsz = sizeof(detach) };
    uint64_t first[RAM / 4096 / 64], again[RAM / 4096 / 64];
    uint64_t before = counter("dma-pages-written");
    size_t bytes = sizeof(first);

    CHECK_EQ(ioctl(IOMMU, IOMMU_HWPT_SET_DIRTY_TRACKING, &track), 0);
    CHECK(answers("set dma-rate 200M", "ok"));
    wait_for_pages(before + 100);
    CHECK(answers("set dma-rate 0", "ok"));
    CHECK_EQ(get_dirty(first, IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR), 0);
    memset(again, 0, bytes);
    CHECK(memcmp(first, again, bytes));

    CHECK_EQ(ioctl(DEV, VFIO_DEVICE_DETACH_IOMMUFD_PT, &detach), 0);
    CHECK_EQ(get_dirty(again, IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR), 0);
    CHECK(!memcmp(first, again, bytes));
    CHECK_EQ(ioctl(DEV, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &att), 0);
    CHECK_EQ(get_dirty(again, IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR), 0);
    CHECK(!memcmp(first, again, bytes));
    /* Also when it is replaced by itself or by an address space */
    CHECK_EQ(ioctl(DEV, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &att), 0);
    att.pt_id = ioas;
    CHECK_EQ(ioctl(DEV, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &att), 0);
    att.pt_id = hwpt;
    CHECK_EQ(ioctl(DEV, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &att), 0);
    CHECK_EQ(get_dirty(again, 0), 0);
    CHECK(!memcmp(first, again, bytes));
    memset(first, 0, bytes);
    CHECK_EQ(get_dirty(again, 0), 0);
    CHECK(!memcmp(first, again, bytes));

    track.flags = 0;
    CHECK_EQ(ioctl(IOMMU, IOMMU_HWPT_SET_DIRTY_TRACKING, &track), 0);
    CHECK(fails(get_dirty(again, 0), EINVAL));
}

static void test_dirty_arguments(void)
{
    static VFIOSimRange ranges[VFIO_SIM_RANGES + 1];
    struct vfio_device_feature_dma_logging_control start = {
        .page_size = 4096, .ranges = (uintptr_t)ranges,
    };
    struct iommu_hwpt_set_dirty_tracking track = {
        .size = sizeof(track), .hwpt_id = hwpt,
        .flags = IOMMU_HWPT_DIRTY_TRACKING_ENABLE,
    };
    uint64_t bitmap[3] = { 0, 0, 0x123 };
    struct iommu_hwpt_get_dirty_bitmap dirty = {
        .size = sizeof(dirty), .hwpt_id = hwpt, .iova = WINDOW,
        .length = 127 * 4096 + 1, .page_size = 4096,
        .data = (uintptr_t)bitmap,
    };

    CHECK(fails(feature(DEV, FEATURE_SET | FEATURE_LOG_START, &start,
                        sizeof(start)), EINVAL));
    start.num_ranges = VFIO_SIM_RANGES + 1;
    CHECK(fails(feature(DEV, FEATURE_SET | FEATURE_LOG_START, &start,
                        sizeof(start)), E2BIG));

    track.size--;
    CHECK(fails(ioctl(IOMMU, IOMMU_HWPT_SET_DIRTY_TRACKING, &track), EINVAL));
    track.size++;
    CHECK_EQ(ioctl(IOMMU, IOMMU_HWPT_SET_DIRTY_TRACKING, &track), 0);
    CHECK(answers("set dma-rate 1G", "ok"));
    while (~bitmap[0] || ~bitmap[1]) {
        CHECK_EQ(ioctl(IOMMU, IOMMU_HWPT_GET_DIRTY_BITMAP, &dirty), 0);
        poll(NULL, 0, 1);
    }
    CHECK(answers("set dma-rate 0", "ok"));
    /* Nothing is written after the end of the bitmap. */
    CHECK_EQ(bitmap[2], 0x123);
    dirty.page_size = 1024;
    CHECK(fails(ioctl(IOMMU, IOMMU_HWPT_GET_DIRTY_BITMAP, &dirty), EINVAL));
    dirty.page_size = 4096;
    dirty.size--;
    CHECK(fails(ioctl(IOMMU, IOMMU_HWPT_GET_DIRTY_BITMAP, &dirty), EINVAL));
    track.flags = 0;
    CHECK_EQ(ioctl(IOMMU, IOMMU_HWPT_SET_DIRTY_TRACKING, &track), 0);
}

static void test_unmap_under_dma(void)
{
    struct iommu_ioas_unmap u = {
        .size = sizeof(u), .ioas_id = ioas, .length = UINT64_MAX
    };
    uint64_t before;

    CHECK(answers("set dma-rate 1G", "ok"));
    before = counter("dma-pages-written");
    while (counter("dma-pages-written") == before) {
        poll(NULL, 0, 1);
    }
    CHECK_EQ(ioctl(IOMMU, IOMMU_IOAS_UNMAP, &u), 0);
    munmap(ram, RAM);
    before = counter("dma-unmapped");
    while (counter("dma-unmapped") == before) {
        poll(NULL, 0, 1);
    }
    CHECK(answers("set dma-rate 0", "ok"));
}

static void test_destroy(void)
{
    struct vfio_device_detach_iommufd_pt detach = { .argsz = sizeof(detach) };
    struct iommu_destroy destroy = {
        .size = sizeof(destroy), .id = hwpt,
    };

    CHECK(fails(ioctl(IOMMU, IOMMU_DESTROY, &destroy), EBUSY));
    CHECK_EQ(ioctl(DEV, VFIO_DEVICE_DETACH_IOMMUFD_PT, &detach), 0);
    CHECK_EQ(ioctl(IOMMU, IOMMU_DESTROY, &destroy), 0);
    CHECK(fails(ioctl(IOMMU, IOMMU_DESTROY, &destroy), ENOENT));
    destroy.id = ioas;
    CHECK_EQ(ioctl(IOMMU, IOMMU_DESTROY, &destroy), 0);
    CHECK_EQ(close(DEV), 0);
    CHECK(fails(ioctl(DEV, VFIO_DEVICE_RESET), EBADF));
    CHECK_EQ(close(DEV2), 0);
}

static const TapCase cases[] = {
    TAP_CASE("attach", test_attach,
             "binding, address spaces, page tables, and attaching to them",
             .needs = NEEDS_UNBOUND),
    TAP_CASE("map", test_map, "mapping and unmapping memory",
             .needs = NEEDS_UNMAPPED),
    TAP_CASE("map-file", test_map_file,
             "a file is mapped as memory, and the device writes it",
             .needs = NEEDS_UNMAPPED),
    TAP_CASE("old-iommufd", test_old_iommufd,
             "change-process=off: IOMMU_IOAS_CHANGE_PROCESS fails",
             .needs = NEEDS_OLD_IOMMUFD),
    TAP_CASE("detach-keeps-dirty", test_detach_keeps_dirty,
             "a page table keeps its dirty bits when a device is detached"),
    TAP_CASE("dirty-arguments", test_dirty_arguments,
             "arguments of dirty tracking, and the end of its bitmap"),
    TAP_CASE("unmap-under-dma", test_unmap_under_dma,
             "memory can be unmapped while a device writes it"),
    TAP_CASE("destroy", test_destroy,
             "what is in use cannot be destroyed; closing the devices"),
};

TAP_GROUP(preload_iommufd, "iommufd", cases);
