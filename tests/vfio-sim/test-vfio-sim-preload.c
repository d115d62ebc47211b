/*
 * Smoke test of the preloaded library: what QEMU does, without QEMU
 *
 * Runs itself again with the library given as the argument.  With --host, for
 * the test of the command, it only uses a device until its input ends.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test-vfio-sim-tap.h"
#include "model/model.h"
#include "preload/uapi.h"

#define IOMMU   100
#define DEV     101
#define DEV2    102
#define MIB     (1ull << 20)
#define WINDOW  (16 * MIB)
#define RAM     (32 * MIB)

static char control[108];
static uint32_t ioas, hwpt, dev_id, dev2_id;
static uint8_t *ram, *ram2;
static uint32_t ioas2;

static bool fails(long ret, int with)
{
    return ret == -1 && errno == with;
}

static void ask(char *answer, size_t len, const char *line)
{
    struct sockaddr_un sun = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    ssize_t n = -1;

    strcpy(sun.sun_path, control);
    if (!connect(fd, (struct sockaddr *)&sun, sizeof(sun)) &&
        write(fd, line, strlen(line)) == (ssize_t)strlen(line)) {
        n = read(fd, answer, len - 1);
    }
    answer[n > 0 ? n : 0] = 0;
    answer[strcspn(answer, "\n")] = 0;
    close(fd);
}

static bool says(const char *line, const char *expected)
{
    char answer[4096];

    ask(answer, sizeof(answer), line);
    if (strcmp(answer, expected)) {
        printf("# %s# '%s', not '%s'\n", line, answer, expected);
        return false;
    }
    return true;
}

static uint64_t counter(const char *name)
{
    char line[64], answer[128];
    uint64_t value = 0;

    snprintf(line, sizeof(line), "get %s\n", name);
    ask(answer, sizeof(answer), line);
    sscanf(answer, "ok %" SCNu64, &value);
    return value;
}

static int feature(int fd, uint32_t flags, void *data, size_t size)
{
    uint64_t buf[16] = { 0 };
    struct sim_feature *f = (struct sim_feature *)buf;
    int ret;

    f->argsz = sizeof(*f) + size;
    f->flags = flags;
    if (size) {
        memcpy(f + 1, data, size);
    }
    ret = ioctl(fd, SIM_DEVICE_FEATURE, f);
    if (size) {
        memcpy(data, f + 1, size);
    }
    return ret;
}

static int set_state(int fd, uint32_t state, int *data_fd)
{
    struct sim_feature_mig_state arg = { .device_state = state };
    int ret = feature(fd, SIM_FEATURE_SET | SIM_FEATURE_MIG_STATE, &arg,
                      sizeof(arg));

    if (data_fd) {
        *data_fd = arg.data_fd;
    }
    return ret;
}

static void test_not_bound(void)
{
    struct sim_device_info info = { .argsz = sizeof(info) };
    char byte;

    CHECK(fails(ioctl(DEV, SIM_DEVICE_GET_INFO, &info), EINVAL));
    CHECK(fails(read(DEV, &byte, 1), EINVAL));
    CHECK(fails(write(IOMMU, &byte, 1), EINVAL));
    CHECK(fails(ioctl(IOMMU, SIM_IO(0xee), &info), ENOTTY));
    CHECK(fails(ioctl(IOMMU, 0x5401, &info), ENOTTY));
    CHECK(fails(ioctl(DEV, SIM_DEVICE_GET_INFO, NULL), EFAULT));
}

static void test_attach(void)
{
    struct sim_bind bind = { .argsz = sizeof(bind), .iommufd = 0 };
    struct sim_ioas_alloc alloc = { .size = sizeof(alloc) };
    struct sim_hwpt_alloc h = { .size = sizeof(h) };
    struct sim_attach att = { .argsz = sizeof(att) };
    struct sim_hw_info hw = { .size = sizeof(hw) };
    struct sim_ioas_iova_ranges r = { .size = sizeof(r) };
    struct sim_iova_range ranges[2] = { { 1, 1 } };

    CHECK(fails(ioctl(DEV, SIM_DEVICE_BIND_IOMMUFD, &bind), EBADF));
    bind.iommufd = IOMMU;
    CHECK_EQ(ioctl(DEV, SIM_DEVICE_BIND_IOMMUFD, &bind), 0);
    dev_id = bind.out_devid;
    CHECK(fails(ioctl(DEV, SIM_DEVICE_BIND_IOMMUFD, &bind), EINVAL));
    CHECK_EQ(ioctl(DEV2, SIM_DEVICE_BIND_IOMMUFD, &bind), 0);
    dev2_id = bind.out_devid;
    CHECK(dev2_id != dev_id);

    CHECK_EQ(ioctl(IOMMU, SIM_IOAS_ALLOC, &alloc), 0);
    ioas = alloc.out_ioas_id;
    CHECK_EQ(ioctl(IOMMU, SIM_IOAS_ALLOC, &alloc), 0);
    ioas2 = alloc.out_ioas_id;

    hw.dev_id = dev_id;
    CHECK_EQ(ioctl(IOMMU, SIM_GET_HW_INFO, &hw), 0);
    CHECK_EQ(hw.out_capabilities, SIM_HW_CAP_DIRTY_TRACKING);
    hw.dev_id = 12345;
    CHECK(fails(ioctl(IOMMU, SIM_GET_HW_INFO, &hw), ENOENT));

    h.dev_id = dev_id;
    h.pt_id = ioas;
    h.flags = SIM_HWPT_DIRTY_TRACKING;
    CHECK_EQ(ioctl(IOMMU, SIM_HWPT_ALLOC, &h), 0);
    hwpt = h.out_hwpt_id;
    att.pt_id = 12345;
    CHECK(fails(ioctl(DEV, SIM_DEVICE_ATTACH_PT, &att), ENOENT));
    att.pt_id = hwpt;
    CHECK_EQ(ioctl(DEV, SIM_DEVICE_ATTACH_PT, &att), 0);
    /* the second device has no dirty tracking in its IOMMU */
    CHECK(fails(ioctl(DEV2, SIM_DEVICE_ATTACH_PT, &att), EINVAL));
    att.pt_id = ioas2;
    CHECK_EQ(ioctl(DEV2, SIM_DEVICE_ATTACH_PT, &att), 0);

    r.ioas_id = ioas;
    CHECK(fails(ioctl(IOMMU, SIM_IOAS_IOVA_RANGES, &r), EMSGSIZE));
    CHECK_EQ(r.num_iovas, 2);
    r.allowed_iovas = (uintptr_t)ranges;
    CHECK_EQ(ioctl(IOMMU, SIM_IOAS_IOVA_RANGES, &r), 0);
    CHECK_EQ(ranges[0].start, 0);
    CHECK_EQ(r.out_iova_alignment, 4096);
    CHECK_EQ(ioctl(IOMMU, SIM_IOAS_CHANGE_PROCESS, &r), 0);
}

/* KVM is told of a device; it would not know ours, and is not asked. */
static void test_kvm(void)
{
    int null = open("/dev/null", O_RDWR);
    int dev = DEV;
    struct sim_kvm_device_attr attr = {
        .group = SIM_KVM_DEV_VFIO_FILE, .attr = 1, .addr = (uintptr_t)&dev,
    };

    CHECK(null >= 0);
    CHECK_EQ(ioctl(null, SIM_KVM_SET_DEVICE_ATTR, &attr), 0);
    attr.attr = 2;
    CHECK_EQ(ioctl(null, SIM_KVM_SET_DEVICE_ATTR, &attr), 0);
    /* all else goes to KVM */
    attr.group = 2;
    CHECK(fails(ioctl(null, SIM_KVM_SET_DEVICE_ATTR, &attr), ENOTTY));
    attr.group = SIM_KVM_DEV_VFIO_FILE;
    dev = null;
    CHECK(fails(ioctl(null, SIM_KVM_SET_DEVICE_ATTR, &attr), ENOTTY));
    dev = IOMMU;
    CHECK(fails(ioctl(null, SIM_KVM_SET_DEVICE_ATTR, &attr), ENOTTY));
    attr.addr = 0;
    CHECK(fails(ioctl(null, SIM_KVM_SET_DEVICE_ATTR, &attr), ENOTTY));
    close(null);
}

static void test_map(void)
{
    struct sim_ioas_map m = { .size = sizeof(m) };
    struct sim_ioas_unmap u = { .size = sizeof(u) };

    m.flags = SIM_IOAS_MAP_FIXED_IOVA | SIM_IOAS_MAP_WRITEABLE;
    m.ioas_id = ioas;
    m.user_va = (uintptr_t)ram;
    m.length = RAM;
    CHECK_EQ(ioctl(IOMMU, SIM_IOAS_MAP, &m), 0);
    CHECK(fails(ioctl(IOMMU, SIM_IOAS_MAP, &m), EEXIST));
    m.iova = RAM + 1;
    CHECK(fails(ioctl(IOMMU, SIM_IOAS_MAP, &m), EINVAL));
    m.iova = RAM;
    m.length = 4096;
    CHECK_EQ(ioctl(IOMMU, SIM_IOAS_MAP, &m), 0);
    u.ioas_id = ioas;
    u.iova = RAM - 4096;
    u.length = 8192;
    CHECK(fails(ioctl(IOMMU, SIM_IOAS_UNMAP, &u), ENOENT));
    u.iova = RAM;
    CHECK_EQ(ioctl(IOMMU, SIM_IOAS_UNMAP, &u), 0);
    CHECK_EQ(u.length, 4096);
    /* a page table is no address space */
    m.ioas_id = hwpt;
    CHECK(fails(ioctl(IOMMU, SIM_IOAS_MAP, &m), ENOENT));
    u.ioas_id = hwpt;
    CHECK(fails(ioctl(IOMMU, SIM_IOAS_UNMAP, &u), ENOENT));
    u.ioas_id = ioas;
    CHECK(fails(ioctl(IOMMU, SIM_IOAS_UNMAP, &u), ENOENT));

    m.ioas_id = ioas2;
    m.iova = 0;
    m.user_va = (uintptr_t)ram2;
    m.length = RAM;
    CHECK_EQ(ioctl(IOMMU, SIM_IOAS_MAP, &m), 0);
}

static void test_info(void)
{
    struct sim_device_info info = { .argsz = sizeof(info) };
    struct sim_region_info r = { .argsz = sizeof(r) };
    struct sim_irq_info irq = { .argsz = sizeof(irq) };
    uint8_t config[256];
    uint32_t v;
    uint8_t *bar;

    CHECK_EQ(ioctl(DEV, SIM_DEVICE_GET_INFO, &info), 0);
    CHECK_EQ(info.num_regions, 9);
    CHECK_EQ(info.num_irqs, 5);
    r.index = SIM_REGION_CONFIG;
    CHECK_EQ(ioctl(DEV, SIM_DEVICE_GET_REGION_INFO, &r), 0);
    CHECK_EQ(r.size, sizeof(config));
    CHECK_EQ(pread(DEV, config, sizeof(config), r.offset), sizeof(config));
    CHECK_EQ(config[0] | config[1] << 8, 0x1234);
    /* only what can be written is */
    memset(config, 0xff, sizeof(config));
    CHECK_EQ(pwrite(DEV, config, 64, r.offset), 64);
    CHECK_EQ(pread(DEV, config, 64, r.offset), 64);
    CHECK_EQ(config[0] | config[1] << 8, 0x1234);
    memcpy(&v, config + 0x10, 4);
    CHECK_EQ(v, 0xffff0000);
    memcpy(&v, config + 0x14, 4);
    CHECK_EQ(v, 0);
    CHECK(fails(pwrite(DEV, config, 4, r.offset + 256), EINVAL));

    r.index = SIM_REGION_BAR0;
    CHECK_EQ(ioctl(DEV, SIM_DEVICE_GET_REGION_INFO, &r), 0);
    bar = mmap(NULL, r.size, PROT_READ | PROT_WRITE, MAP_SHARED, DEV,
               r.offset);
    CHECK(bar != MAP_FAILED);
    v = 0x12345678;
    CHECK_EQ(pwrite(DEV, &v, 4, r.offset + 8), 4);
    CHECK(!memcmp(bar + 8, &v, 4));
    munmap(bar, r.size);
    r.index = 9;
    CHECK(fails(ioctl(DEV, SIM_DEVICE_GET_REGION_INFO, &r), EINVAL));
    irq.index = SIM_IRQ_REQ;
    CHECK_EQ(ioctl(DEV, SIM_DEVICE_GET_IRQ_INFO, &irq), 0);
    CHECK_EQ(irq.count, 1);
    CHECK_EQ(ioctl(DEV, SIM_DEVICE_RESET), 0);
}

static void test_features(void)
{
    struct sim_feature_migration mig = { 0 };
    struct sim_feature_mig_state state = { 0 };
    struct sim_feature_data_size size = { 0 };

    CHECK_EQ(feature(DEV, SIM_FEATURE_GET | SIM_FEATURE_MIGRATION, &mig,
                     sizeof(mig)), 0);
    CHECK_EQ(mig.flags, 7);
    CHECK(fails(feature(DEV, SIM_FEATURE_SET | SIM_FEATURE_MIGRATION, &mig,
                        sizeof(mig)), EINVAL));
    CHECK(fails(feature(DEV, SIM_FEATURE_GET | SIM_FEATURE_MIGRATION, NULL,
                        0), EINVAL));
    CHECK(fails(feature(DEV, SIM_FEATURE_MIGRATION, &mig, sizeof(mig)),
                EINVAL));
    CHECK_EQ(feature(DEV, SIM_FEATURE_PROBE | SIM_FEATURE_LOG_START, NULL,
                     0), 0);
    CHECK(fails(feature(DEV2, SIM_FEATURE_PROBE | SIM_FEATURE_LOG_START,
                        NULL, 0), ENOTTY));
    CHECK(fails(feature(DEV, SIM_FEATURE_GET | 11, NULL, 0), ENOTTY));
    CHECK_EQ(feature(DEV, SIM_FEATURE_GET | SIM_FEATURE_MIG_STATE, &state,
                     sizeof(state)), 0);
    CHECK_EQ(state.device_state, VFIO_SIM_RUNNING);
    CHECK_EQ(state.data_fd, -1);
    CHECK_EQ(feature(DEV, SIM_FEATURE_GET | SIM_FEATURE_MIG_DATA_SIZE, &size,
                     sizeof(size)), 0);
    CHECK_EQ(size.stop_copy_length, 5 * MIB);
}

/* Asking for the opt-in, without making it */
static void test_v2(void)
{
    const uint32_t v2 = SIM_FEATURE_PRECOPY_INFO_V2;
    struct sim_feature f = {
        .argsz = sizeof(f) - 1, .flags = SIM_FEATURE_SET | v2,
    };

    CHECK_EQ(feature(DEV, SIM_FEATURE_PROBE | v2, NULL, 0), 0);
    CHECK_EQ(feature(DEV, SIM_FEATURE_PROBE | SIM_FEATURE_SET | v2, NULL, 0),
             0);
    CHECK(fails(feature(DEV, SIM_FEATURE_PROBE | SIM_FEATURE_GET | v2, NULL,
                        0), EINVAL));
    CHECK(fails(feature(DEV, SIM_FEATURE_GET | v2, NULL, 0), EINVAL));
    CHECK(fails(feature(DEV, SIM_FEATURE_GET | SIM_FEATURE_SET | v2, NULL,
                        0), EINVAL));
    CHECK(fails(feature(DEV, v2, NULL, 0), EINVAL));
    CHECK(fails(feature(DEV, 1u << 19 | SIM_FEATURE_SET | v2, NULL, 0),
                EINVAL));
    CHECK(fails(ioctl(DEV, SIM_DEVICE_FEATURE, &f), EINVAL));
    CHECK(says("get v2-opted-in\n", "ok 0"));

    /* an older kernel, and a device without PRE_COPY */
    CHECK(fails(feature(DEV2, SIM_FEATURE_SET | v2, NULL, 0), ENOTTY));
    CHECK(fails(feature(DEV2, SIM_FEATURE_PROBE | v2, NULL, 0), ENOTTY));
    CHECK(says("set precopy off\n", "ok"));
    CHECK(fails(feature(DEV, SIM_FEATURE_SET | v2, NULL, 0), EINVAL));
    CHECK(says("set precopy on\n", "ok"));
    CHECK(says("get v2-opted-in\n", "ok 0"));
}

static bool info_is(int fd, uint32_t before, uint32_t flags, uint64_t initial,
                    uint64_t dirty)
{
    struct sim_precopy_info info = {
        .argsz = sizeof(info), .flags = before
    };

    CHECK_EQ(ioctl(fd, SIM_MIG_GET_PRECOPY_INFO, &info), 0);
    CHECK_EQ(info.flags, flags);
    CHECK_EQ(info.initial_bytes, initial);
    CHECK_EQ(info.dirty_bytes, dirty);
    return info.flags == flags && info.initial_bytes == initial &&
           info.dirty_bytes == dirty;
}

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
    const uint32_t v2 = SIM_FEATURE_PRECOPY_INFO_V2;
    struct sim_precopy_info info = { .argsz = sizeof(info) - 1 };
    uint64_t before = counter("reinits");
    int fd;

    CHECK(says("set reinit-bytes 2M\n", "ok"));
    CHECK_EQ(set_state(DEV, VFIO_SIM_PRE_COPY, &fd), 0);
    CHECK(fails(ioctl(fd, SIM_MIG_GET_PRECOPY_INFO, &info), EINVAL));
    /* without the opt-in the flags are not touched, and it is dirty data */
    CHECK(info_is(fd, 0xdead, 0xdead, MIB, 0));
    CHECK(says("set reinit-at now\n", "ok"));
    CHECK(info_is(fd, 0xdead, 0xdead, MIB, 2 * MIB));
    CHECK(says("get reinit-flags\n", "ok 0"));
    CHECK_EQ(set_state(DEV, VFIO_SIM_RUNNING, NULL), 0);
    close(fd);

    CHECK_EQ(feature(DEV, SIM_FEATURE_SET | v2, NULL, 0), 0);
    CHECK_EQ(feature(DEV, SIM_FEATURE_SET | v2, NULL, 0), 0);
    CHECK(says("get v2-opted-in\n", "ok 1"));
    /* it lasts as long as the device is open */
    CHECK_EQ(ioctl(DEV, SIM_DEVICE_RESET), 0);
    CHECK(says("set precopy-v2 off\n", "ok"));
    CHECK(says("get v2-opted-in\n", "ok 1"));
    CHECK(says("set precopy-v2 on\n", "ok"));

    CHECK_EQ(set_state(DEV, VFIO_SIM_PRE_COPY, &fd), 0);
    CHECK(info_is(fd, 0xdead, 0, MIB, 0));
    drain(fd, MIB);
    CHECK(info_is(fd, 0xdead, 0, 0, 0));
    CHECK(says("set reinit-at now\n", "ok"));
    CHECK(info_is(fd, 0xdead, VFIO_SIM_INFO_REINIT, 2 * MIB, 0));
    drain(fd, 2 * MIB);
    CHECK(info_is(fd, 0xdead, 0, 0, 0));

    /* just before the stop; the switchover is undone, and tried again */
    CHECK(says("set reinit-at pre-copy-p2p\n", "ok"));
    CHECK(says("set reinit-count 1\n", "ok"));
    CHECK(info_is(fd, 0xdead, 0, 0, 0));
    CHECK_EQ(set_state(DEV, VFIO_SIM_PRE_COPY_P2P, NULL), 0);
    CHECK(info_is(fd, 0xdead, VFIO_SIM_INFO_REINIT, 2 * MIB, 0));
    CHECK_EQ(set_state(DEV, VFIO_SIM_PRE_COPY, NULL), 0);
    drain(fd, 2 * MIB);
    CHECK_EQ(set_state(DEV, VFIO_SIM_PRE_COPY_P2P, NULL), 0);
    CHECK(info_is(fd, 0xdead, 0, 0, 0));
    CHECK(says("set reinit-at before-query\n", "ok"));
    CHECK(info_is(fd, 0xdead, VFIO_SIM_INFO_REINIT, 2 * MIB, 0));
    CHECK_EQ(set_state(DEV, VFIO_SIM_STOP_COPY, NULL), 0);
    CHECK(says("get initial-unread-at-stop\n", "ok 2097152"));
    CHECK_EQ(set_state(DEV, VFIO_SIM_RUNNING, NULL), 0);
    close(fd);
    CHECK_EQ(counter("reinits"), before + 4);
    CHECK(says("get reinit-flags\n", "ok 3"));
    CHECK(says("set reinit-at none\n", "ok"));
}

static void test_control(void)
{
    char answer[4096];

    CHECK(says("get stop-bytes\n", "ok 4194304"));
    CHECK(says("set stop-bytes 3M\n", "ok"));
    CHECK(says("get stop-bytes\n", "ok 3145728"));
    CHECK(says("set stop-bytes 4M\n", "ok"));
    CHECK(says("get state\n", "ok running"));
    CHECK(says("get nonsense\n", "error: unknown key 'nonsense'"));
    CHECK(says("get say-stop\n",
               "error: unknown key 'say-stop': renamed to report-stop"));
    CHECK(says("get lulls\n",
               "error: unknown key 'lulls': renamed to empty-reads"));
    CHECK(says("get said-dirty\n",
               "error: unknown key 'said-dirty': "
               "renamed to reported-dirty"));
    CHECK(says("set dirty-lose 2\n",
               "error: unknown key 'dirty-lose': "
               "renamed to drop-log-every"));
    CHECK(says("set reinit-at query\n",
               "error: reinit-at = query: renamed to before-query"));
    CHECK(says("set p2p x\n", "error: p2p = x: must be on or off"));
    CHECK(says("set stop-bytes\n",
               "error: expected get KEY, set KEY VALUE or stats"));
    CHECK(says("\n", "error: expected get KEY, set KEY VALUE or stats"));
    ask(answer, sizeof(answer), "stats\n");
    CHECK(!strncmp(answer, "ok state=running ", 17));
    CHECK(strstr(answer, " dma-mismatched=0") != NULL);
}

/* A migration from the first device to the second, with DMA on the way */
static void test_migrate(void)
{
    struct sim_feature_data_size size = { 0 };
    struct sim_precopy_info info = { .argsz = sizeof(info) };
    VFIOSimRange range = { 0, RAM };
    uint64_t bitmap[RAM / 4096 / 64] = { 0 };
    uint64_t iommu_bitmap[RAM / 4096 / 64] = { 0 };
    struct sim_log_control start = {
        .page_size = 4096, .num_ranges = 1, .ranges = (uintptr_t)&range,
    };
    struct sim_log_report report = {
        .length = RAM, .page_size = 4096, .bitmap = (uintptr_t)bitmap,
    };
    struct sim_hwpt_set_dirty track = {
        .size = sizeof(track), .hwpt_id = hwpt,
        .flags = SIM_HWPT_DIRTY_ENABLE,
    };
    struct sim_hwpt_get_dirty dirty = {
        .size = sizeof(dirty), .hwpt_id = hwpt, .length = RAM,
        .page_size = 4096, .data = (uintptr_t)iommu_bitmap,
    };
    static uint8_t buf[MIB];
    int out = -1, in = -1;
    uint64_t total = 0;
    uint64_t i;
    ssize_t n;

    CHECK_EQ(feature(DEV, SIM_FEATURE_SET | SIM_FEATURE_LOG_START, &start,
                     sizeof(start)), 0);
    CHECK_EQ(ioctl(IOMMU, SIM_HWPT_SET_DIRTY, &track), 0);
    CHECK(says("set dma-rate 200M\n", "ok"));
    CHECK_EQ(set_state(DEV, VFIO_SIM_PRE_COPY, &out), 0);
    CHECK(out >= 0);
    CHECK_EQ(set_state(DEV2, VFIO_SIM_RESUMING, &in), 0);
    CHECK(in >= 0);
    CHECK(fails(ioctl(in, SIM_MIG_GET_PRECOPY_INFO, &info), EINVAL));
    CHECK_EQ(ioctl(out, SIM_MIG_GET_PRECOPY_INFO, &info), 0);
    CHECK_EQ(info.initial_bytes, MIB);
    CHECK_EQ(info.dirty_bytes, 0);
    while ((n = read(out, buf, sizeof(buf))) > 0) {
        CHECK_EQ(write(in, buf, n), n);
        total += n;
    }
    CHECK(fails(n, ENOMSG));
    /* enough for the logs and the memory to be worth comparing */
    while (counter("dma-pages-written") < 2000) {
        poll(NULL, 0, 1);
    }

    CHECK_EQ(set_state(DEV, VFIO_SIM_STOP_COPY, NULL), 0);
    CHECK(fails(ioctl(out, SIM_MIG_GET_PRECOPY_INFO, &info), EINVAL));
    CHECK_EQ(feature(DEV, SIM_FEATURE_GET | SIM_FEATURE_MIG_DATA_SIZE, &size,
                     sizeof(size)), 0);
    CHECK_EQ(size.stop_copy_length, 4 * MIB);

    /* both logs say the same, and with them memory can be made equal */
    CHECK_EQ(feature(DEV, SIM_FEATURE_GET | SIM_FEATURE_LOG_REPORT, &report,
                     sizeof(report)), 0);
    CHECK_EQ(ioctl(IOMMU, SIM_HWPT_GET_DIRTY, &dirty), 0);
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
    CHECK_EQ(ioctl(IOMMU, SIM_HWPT_SET_DIRTY, &track), 0);
    CHECK_EQ(feature(DEV, SIM_FEATURE_SET | SIM_FEATURE_LOG_STOP, NULL, 0),
             0);
    CHECK(says("set dma-rate 0\n", "ok"));
    CHECK(says("get sessions\n", "ok 1"));
    CHECK(says("get read-bytes-initial\n", "ok 1048576"));
    CHECK(says("get initial-unread-at-stop\n", "ok 0"));

    /* the second device has its control socket beside the first one's */
    control[strlen(control) - 1] = '2';
    CHECK(says("get stream-verified\n", "ok 1"));
    CHECK(says("get write-bytes-initial\n", "ok 1048576"));
    CHECK(says("get dma-mismatched\n", "ok 0"));
    CHECK(counter("dma-verified") > 500);
    control[strlen(control) - 1] = '1';
}

static void *resume(void *opaque)
{
    CHECK_EQ(set_state(DEV, VFIO_SIM_RUNNING, opaque), 0);
    return NULL;
}

static void test_hold(void)
{
    pthread_t thread;
    int fd;

    CHECK(says("set hold running\n", "ok"));
    CHECK_EQ(pthread_create(&thread, NULL, resume, &fd), 0);
    while (counter("holding") != 1) {
        poll(NULL, 0, 1);
    }
    CHECK(says("get state\n", "ok running-p2p"));
    CHECK(says("set p2p off\n",
               "error: p2p = off: the device is using it now"));
    CHECK(says("set hold none\n", "ok"));
    pthread_join(thread, NULL);
    CHECK(says("get state\n", "ok running"));
    CHECK_EQ(fd, -1);
}

static int get_dirty(uint64_t *bitmap, uint32_t flags)
{
    struct sim_hwpt_get_dirty dirty = {
        .size = sizeof(dirty), .hwpt_id = hwpt, .flags = flags,
        .length = RAM, .page_size = 4096, .data = (uintptr_t)bitmap,
    };

    memset(bitmap, 0, RAM / 4096 / 8);
    return ioctl(IOMMU, SIM_HWPT_GET_DIRTY, &dirty);
}

/* The page table keeps the dirty bits, whatever the device does. */
static void test_hwpt_keeps(void)
{
    struct sim_hwpt_set_dirty track = {
        .size = sizeof(track), .hwpt_id = hwpt,
        .flags = SIM_HWPT_DIRTY_ENABLE,
    };
    struct sim_attach att = { .argsz = sizeof(att), .pt_id = hwpt };
    struct sim_detach detach = { .argsz = sizeof(detach) };
    uint64_t first[RAM / 4096 / 64], again[RAM / 4096 / 64];
    uint64_t before = counter("dma-pages-written");
    size_t bytes = sizeof(first);

    CHECK_EQ(ioctl(IOMMU, SIM_HWPT_SET_DIRTY, &track), 0);
    CHECK(says("set dma-rate 200M\n", "ok"));
    while (counter("dma-pages-written") < before + 100) {
        poll(NULL, 0, 1);
    }
    CHECK(says("set dma-rate 0\n", "ok"));
    CHECK_EQ(get_dirty(first, SIM_HWPT_DIRTY_NO_CLEAR), 0);
    memset(again, 0, bytes);
    CHECK(memcmp(first, again, bytes));

    CHECK_EQ(ioctl(DEV, SIM_DEVICE_DETACH_PT, &detach), 0);
    CHECK_EQ(get_dirty(again, SIM_HWPT_DIRTY_NO_CLEAR), 0);
    CHECK(!memcmp(first, again, bytes));
    CHECK_EQ(ioctl(DEV, SIM_DEVICE_ATTACH_PT, &att), 0);
    CHECK_EQ(get_dirty(again, SIM_HWPT_DIRTY_NO_CLEAR), 0);
    CHECK(!memcmp(first, again, bytes));
    /* also when it is replaced by itself or by another one */
    CHECK_EQ(ioctl(DEV, SIM_DEVICE_ATTACH_PT, &att), 0);
    att.pt_id = ioas;
    CHECK_EQ(ioctl(DEV, SIM_DEVICE_ATTACH_PT, &att), 0);
    att.pt_id = hwpt;
    CHECK_EQ(ioctl(DEV, SIM_DEVICE_ATTACH_PT, &att), 0);
    CHECK_EQ(get_dirty(again, 0), 0);
    CHECK(!memcmp(first, again, bytes));
    memset(first, 0, bytes);
    CHECK_EQ(get_dirty(again, 0), 0);
    CHECK(!memcmp(first, again, bytes));

    track.flags = 0;
    CHECK_EQ(ioctl(IOMMU, SIM_HWPT_SET_DIRTY, &track), 0);
    CHECK(fails(get_dirty(again, 0), EINVAL));
}

static void test_log_arguments(void)
{
    static VFIOSimRange ranges[VFIO_SIM_RANGES + 1];
    struct sim_log_control start = {
        .page_size = 4096, .ranges = (uintptr_t)ranges,
    };
    struct sim_hwpt_set_dirty track = {
        .size = sizeof(track), .hwpt_id = hwpt,
        .flags = SIM_HWPT_DIRTY_ENABLE,
    };
    uint64_t bitmap[3] = { 0, 0, 0x123 };
    struct sim_hwpt_get_dirty dirty = {
        .size = sizeof(dirty), .hwpt_id = hwpt, .iova = WINDOW,
        .length = 127 * 4096 + 1, .page_size = 4096,
        .data = (uintptr_t)bitmap,
    };

    CHECK(fails(feature(DEV, SIM_FEATURE_SET | SIM_FEATURE_LOG_START, &start,
                        sizeof(start)), EINVAL));
    start.num_ranges = VFIO_SIM_RANGES + 1;
    CHECK(fails(feature(DEV, SIM_FEATURE_SET | SIM_FEATURE_LOG_START, &start,
                        sizeof(start)), E2BIG));

    track.size--;
    CHECK(fails(ioctl(IOMMU, SIM_HWPT_SET_DIRTY, &track), EINVAL));
    track.size++;
    CHECK_EQ(ioctl(IOMMU, SIM_HWPT_SET_DIRTY, &track), 0);
    CHECK(says("set dma-rate 1G\n", "ok"));
    while (~bitmap[0] || ~bitmap[1]) {
        CHECK_EQ(ioctl(IOMMU, SIM_HWPT_GET_DIRTY, &dirty), 0);
        poll(NULL, 0, 1);
    }
    CHECK(says("set dma-rate 0\n", "ok"));
    /* nothing is written behind the bitmap */
    CHECK_EQ(bitmap[2], 0x123);
    dirty.page_size = 1024;
    CHECK(fails(ioctl(IOMMU, SIM_HWPT_GET_DIRTY, &dirty), EINVAL));
    dirty.page_size = 4096;
    dirty.size--;
    CHECK(fails(ioctl(IOMMU, SIM_HWPT_GET_DIRTY, &dirty), EINVAL));
    track.flags = 0;
    CHECK_EQ(ioctl(IOMMU, SIM_HWPT_SET_DIRTY, &track), 0);
}

static void test_close_in_the_middle(void)
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
    CHECK_EQ(ioctl(DEV, SIM_DEVICE_RESET), 0);
    CHECK(fails(read(fd, buf, 1000), ENODEV));
    close(fd);
}

static void test_unmap_under_dma(void)
{
    struct sim_ioas_unmap u = {
        .size = sizeof(u), .ioas_id = ioas, .length = UINT64_MAX
    };
    uint64_t before;

    CHECK(says("set dma-rate 1G\n", "ok"));
    before = counter("dma-pages-written");
    while (counter("dma-pages-written") == before) {
        poll(NULL, 0, 1);
    }
    CHECK_EQ(ioctl(IOMMU, SIM_IOAS_UNMAP, &u), 0);
    munmap(ram, RAM);
    before = counter("dma-unmapped");
    while (counter("dma-unmapped") == before) {
        poll(NULL, 0, 1);
    }
    CHECK(says("set dma-rate 0\n", "ok"));
}

static void test_fork(void)
{
    pid_t pid = fork();
    int status = -1;

    if (!pid) {
        /* the devices are the parent's */
        _exit(close(DEV) || !fails(ioctl(IOMMU, SIM_IOAS_ALLOC, NULL),
                                   ENOTTY));
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
    CHECK(says("get state\n", "ok running"));
}

static void test_close(void)
{
    struct sim_detach detach = { .argsz = sizeof(detach) };
    struct sim_iommu_destroy destroy = {
        .size = sizeof(destroy), .id = hwpt,
    };

    CHECK(fails(ioctl(IOMMU, SIM_IOMMU_DESTROY, &destroy), EBUSY));
    CHECK_EQ(ioctl(DEV, SIM_DEVICE_DETACH_PT, &detach), 0);
    CHECK_EQ(ioctl(IOMMU, SIM_IOMMU_DESTROY, &destroy), 0);
    CHECK(fails(ioctl(IOMMU, SIM_IOMMU_DESTROY, &destroy), ENOENT));
    destroy.id = ioas;
    CHECK_EQ(ioctl(IOMMU, SIM_IOMMU_DESTROY, &destroy), 0);
    CHECK_EQ(close(DEV), 0);
    CHECK(fails(ioctl(DEV, SIM_DEVICE_RESET), EBADF));
    CHECK_EQ(close(DEV2), 0);
}

/* Be what "vfio-sim run" starts in place of QEMU. */
static int host(void)
{
    struct sim_bind bind = { .argsz = sizeof(bind), .iommufd = IOMMU };
    char byte;

    if (ioctl(DEV, SIM_DEVICE_BIND_IOMMUFD, &bind)) {
        perror("bind");
        return 1;
    }
    while (read(STDIN_FILENO, &byte, 1) > 0) {
        /* wait */
    }
    return 0;
}

int main(int argc, char **argv)
{
    const char *dir = getenv("VFIO_SIM_TEST_DIR");

    if (argc > 1 && !strcmp(argv[1], "--host")) {
        return host();
    }
    if (!dir) {
        char tmp[] = "/tmp/vfio-sim-test-XXXXXX";
        char *env;
        int status;
        pid_t pid;

        if (argc != 2 || !mkdtemp(tmp)) {
            printf("Bail out! usage: %s LIBRARY\n", argv[0]);
            return 1;
        }
        if (asprintf(&env, "fd=%d,control=%s/1,dma-base=%llu,dma-size=4M,"
                     "initial-bytes=1M,stop-bytes=4M,dirty-log=both;"
                     "fd=%d,control=%s/2,dma-base=%llu,dma-size=4M,"
                     "dirty-log=off,precopy-v2=off",
                     DEV, tmp, WINDOW, DEV2, tmp, WINDOW) < 0) {
            return 1;
        }
        pid = fork();
        if (!pid) {
            setenv("LD_PRELOAD", argv[1], 1);
            setenv("VFIO_SIM_IOMMUFD", "fd=100", 1);
            setenv("VFIO_SIM_DEVICES", env, 1);
            setenv("VFIO_SIM_TEST_DIR", tmp, 1);
            execv("/proc/self/exe", argv);
            _exit(127);
        }
        free(env);
        waitpid(pid, &status, 0);
        /* the sockets were removed at the end */
        if (rmdir(tmp)) {
            printf("# %s: %s\n", tmp, strerror(errno));
            return 1;
        }
        return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
    }

    snprintf(control, sizeof(control), "%s/1", dir);
    ram = mmap(NULL, RAM, PROT_READ | PROT_WRITE,
               MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ram2 = mmap(NULL, RAM, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    RUN(test_not_bound);
    RUN(test_attach);
    RUN(test_kvm);
    RUN(test_map);
    RUN(test_info);
    RUN(test_features);
    RUN(test_v2);
    RUN(test_control);
    RUN(test_migrate);
    RUN(test_hold);
    RUN(test_reinit);
    RUN(test_hwpt_keeps);
    RUN(test_log_arguments);
    RUN(test_close_in_the_middle);
    RUN(test_unmap_under_dma);
    RUN(test_fork);
    RUN(test_close);
    return tap_done();
}
