/*
 * Tests of the library: calls on a device
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "preload-fixture.h"

static void test_not_bound(void)
{
    struct vfio_device_info info = { .argsz = sizeof(info) };
    char byte;

    CHECK(fails(ioctl(DEV, VFIO_DEVICE_GET_INFO, &info), EINVAL));
    CHECK(fails(read(DEV, &byte, 1), EINVAL));
    CHECK(fails(write(IOMMU, &byte, 1), EINVAL));
    CHECK(fails(ioctl(IOMMU, _IO(VFIO_TYPE, 0xee), &info), ENOTTY));
    CHECK(fails(ioctl(IOMMU, 0x5401, &info), ENOTTY));
    CHECK(fails(ioctl(DEV, VFIO_DEVICE_GET_INFO, NULL), EFAULT));
}

static void test_kvm(void)
{
    int null = open("/dev/null", O_RDWR);
    int dev = DEV;
    struct kvm_device_attr attr = {
        .group = KVM_DEV_VFIO_FILE, .attr = 1, .addr = (uintptr_t)&dev,
    };

    CHECK(null >= 0);
    CHECK_EQ(ioctl(null, KVM_SET_DEVICE_ATTR, &attr), 0);
    attr.attr = 2;
    CHECK_EQ(ioctl(null, KVM_SET_DEVICE_ATTR, &attr), 0);
    /* Other calls reach the kernel. */
    attr.group = 2;
    CHECK(fails(ioctl(null, KVM_SET_DEVICE_ATTR, &attr), ENOTTY));
    attr.group = KVM_DEV_VFIO_FILE;
    dev = null;
    CHECK(fails(ioctl(null, KVM_SET_DEVICE_ATTR, &attr), ENOTTY));
    dev = IOMMU;
    CHECK(fails(ioctl(null, KVM_SET_DEVICE_ATTR, &attr), ENOTTY));
    attr.addr = 0;
    CHECK(fails(ioctl(null, KVM_SET_DEVICE_ATTR, &attr), ENOTTY));
    close(null);
}

static void test_pci_function(void)
{
    struct vfio_device_info info = { .argsz = sizeof(info) };
    struct vfio_region_info r = { .argsz = sizeof(r) };
    struct vfio_irq_info irq = { .argsz = sizeof(irq) };
    uint8_t config[256];
    uint32_t v;
    uint8_t *bar;

    CHECK_EQ(ioctl(DEV, VFIO_DEVICE_GET_INFO, &info), 0);
    CHECK_EQ(info.num_regions, 9);
    CHECK_EQ(info.num_irqs, 5);
    r.index = VFIO_PCI_CONFIG_REGION_INDEX;
    CHECK_EQ(ioctl(DEV, VFIO_DEVICE_GET_REGION_INFO, &r), 0);
    CHECK_EQ(r.size, sizeof(config));
    CHECK_EQ(pread(DEV, config, sizeof(config), r.offset), sizeof(config));
    CHECK_EQ(config[0] | config[1] << 8, 0x1234);
    /* Only some bits can be written. */
    memset(config, 0xff, sizeof(config));
    CHECK_EQ(pwrite(DEV, config, 64, r.offset), 64);
    CHECK_EQ(pread(DEV, config, 64, r.offset), 64);
    CHECK_EQ(config[0] | config[1] << 8, 0x1234);
    memcpy(&v, config + 0x10, 4);
    CHECK_EQ(v, 0xffff0000);
    memcpy(&v, config + 0x14, 4);
    CHECK_EQ(v, 0);
    CHECK(fails(pwrite(DEV, config, 4, r.offset + 256), EINVAL));

    r.index = VFIO_PCI_BAR0_REGION_INDEX;
    CHECK_EQ(ioctl(DEV, VFIO_DEVICE_GET_REGION_INFO, &r), 0);
    bar = mmap(NULL, r.size, PROT_READ | PROT_WRITE, MAP_SHARED, DEV,
               r.offset);
    CHECK(bar != MAP_FAILED);
    v = 0x12345678;
    CHECK_EQ(pwrite(DEV, &v, 4, r.offset + 8), 4);
    CHECK(!memcmp(bar + 8, &v, 4));
    munmap(bar, r.size);
    r.index = 9;
    CHECK(fails(ioctl(DEV, VFIO_DEVICE_GET_REGION_INFO, &r), EINVAL));
    irq.index = VFIO_PCI_REQ_IRQ_INDEX;
    CHECK_EQ(ioctl(DEV, VFIO_DEVICE_GET_IRQ_INFO, &irq), 0);
    CHECK_EQ(irq.count, 1);
    CHECK_EQ(ioctl(DEV, VFIO_DEVICE_RESET), 0);
}

static void test_set_irqs(void)
{
    struct vfio_irq_set set = {
        .argsz = sizeof(set) - 1, .index = VFIO_PCI_REQ_IRQ_INDEX
    };

    CHECK(fails(ioctl(DEV, VFIO_DEVICE_SET_IRQS, &set), EINVAL));
    set.argsz++;
    CHECK_EQ(ioctl(DEV, VFIO_DEVICE_SET_IRQS, &set), 0);
    set.index = VFIO_PCI_NUM_IRQS;
    CHECK(fails(ioctl(DEV, VFIO_DEVICE_SET_IRQS, &set), EINVAL));
}

static void test_features(void)
{
    struct vfio_device_feature_migration mig = { 0 };
    struct vfio_device_feature_mig_state state = { 0 };
    struct vfio_device_feature_mig_data_size size = { 0 };

    CHECK_EQ(feature(DEV, FEATURE_GET | FEATURE_MIGRATION, &mig,
                     sizeof(mig)), 0);
    CHECK_EQ(mig.flags, 7);
    CHECK(fails(feature(DEV, FEATURE_SET | FEATURE_MIGRATION, &mig,
                        sizeof(mig)), EINVAL));
    CHECK(fails(feature(DEV, FEATURE_GET | FEATURE_MIGRATION, NULL,
                        0), EINVAL));
    CHECK(fails(feature(DEV, FEATURE_MIGRATION, &mig, sizeof(mig)),
                EINVAL));
    CHECK_EQ(feature(DEV, FEATURE_PROBE | FEATURE_LOG_START, NULL,
                     0), 0);
    CHECK(fails(feature(DEV2, FEATURE_PROBE | FEATURE_LOG_START,
                        NULL, 0), ENOTTY));
    CHECK(fails(feature(DEV, FEATURE_GET | 11, NULL, 0), ENOTTY));
    CHECK_EQ(feature(DEV, FEATURE_GET | FEATURE_MIG_STATE, &state,
                     sizeof(state)), 0);
    CHECK_EQ(state.device_state, VFIO_SIM_RUNNING);
    CHECK_EQ(state.data_fd, -1);
    CHECK_EQ(feature(DEV, FEATURE_GET | FEATURE_MIG_DATA_SIZE, &size,
                     sizeof(size)), 0);
    CHECK_EQ(size.stop_copy_length, 5 * MIB);
}

static void test_v2_opt_in(void)
{
    const uint32_t v2 = VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFOv2;
    struct vfio_device_feature f = {
        .argsz = sizeof(f) - 1, .flags = FEATURE_SET | v2,
    };

    CHECK_EQ(feature(DEV, FEATURE_PROBE | v2, NULL, 0), 0);
    CHECK_EQ(feature(DEV, FEATURE_PROBE | FEATURE_SET | v2, NULL, 0),
             0);
    CHECK(fails(feature(DEV, FEATURE_PROBE | FEATURE_GET | v2, NULL,
                        0), EINVAL));
    CHECK(fails(feature(DEV, FEATURE_GET | v2, NULL, 0), EINVAL));
    CHECK(fails(feature(DEV, FEATURE_GET | FEATURE_SET | v2, NULL,
                        0), EINVAL));
    CHECK(fails(feature(DEV, v2, NULL, 0), EINVAL));
    CHECK(fails(feature(DEV, 1u << 19 | FEATURE_SET | v2, NULL, 0),
                EINVAL));
    CHECK(fails(ioctl(DEV, VFIO_DEVICE_FEATURE, &f), EINVAL));
    CHECK(answers("get v2-opted-in", "ok 0"));

    /* With precopy-v2=off, and without PRE_COPY */
    CHECK(fails(feature(DEV2, FEATURE_SET | v2, NULL, 0), ENOTTY));
    CHECK(fails(feature(DEV2, FEATURE_PROBE | v2, NULL, 0), ENOTTY));
    CHECK(answers("set precopy off", "ok"));
    CHECK(fails(feature(DEV, FEATURE_SET | v2, NULL, 0), EINVAL));
    CHECK(answers("set precopy on", "ok"));
    CHECK(answers("get v2-opted-in", "ok 0"));
}

static void test_fork(void)
{
    pid_t pid = fork();
    int status = -1;

    if (!pid) {
        /* Only the parent has devices. */
        _exit(close(DEV) || !fails(ioctl(IOMMU, IOMMU_IOAS_ALLOC, NULL),
                                   ENOTTY));
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
    CHECK(answers("get state", "ok running"));
}

static const TapCase cases[] = {
    TAP_CASE("not-bound", test_not_bound,
             "calls that fail before a device is bound",
             .needs = NEEDS_UNBOUND),
    TAP_CASE("kvm", test_kvm,
             "a device that is added to KVM does not reach the kernel"),
    TAP_CASE("pci-function", test_pci_function,
             "regions, configuration space, BAR and interrupts"),
    TAP_CASE("set-irqs", test_set_irqs, "arguments of VFIO_DEVICE_SET_IRQS"),
    TAP_CASE("features", test_features, "VFIO_DEVICE_FEATURE"),
    TAP_CASE("v2-opt-in", test_v2_opt_in,
             "MIG_PRECOPY_INFOv2: arguments, and where it is not offered"),
    TAP_CASE("fork", test_fork, "a child process has no devices"),
};

TAP_GROUP(preload_device, "device", cases);
