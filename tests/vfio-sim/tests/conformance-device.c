/*
 * Conformance: the device as such
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "conformance-fixture.h"

static void test_info(void)
{
    struct vfio_device_info info = { 0 };
    struct vfio_region_info region;
    struct vfio_irq_info irq;
    uint8_t id[4] = { 0 };
    uint32_t n;

    for (n = 0; n < offsetofend(struct vfio_device_info, num_irqs); n++) {
        info.argsz = n;
        CHECK_EQ(error(ioctl(target.dev, VFIO_DEVICE_GET_INFO, &info)),
                 EINVAL);
    }
    info.argsz = n;
    CHECK_EQ(error(ioctl(target.dev, VFIO_DEVICE_GET_INFO, &info)), 0);
    CHECK(info.flags & VFIO_DEVICE_FLAGS_PCI);
    CHECK(!target.simulated || info.flags & VFIO_DEVICE_FLAGS_RESET);
    CHECK_EQ(info.num_regions, VFIO_PCI_NUM_REGIONS);
    CHECK_EQ(info.num_irqs, VFIO_PCI_NUM_IRQS);
    CHECK_EQ(error(ioctl(target.dev, VFIO_MIG_GET_PRECOPY_INFO, &info)),
             ENOTTY);
    if (!target.simulated) {
        return;
    }

    region = (struct vfio_region_info) { .argsz = sizeof(region) - 1 };
    CHECK_EQ(error(ioctl(target.dev, VFIO_DEVICE_GET_REGION_INFO, &region)),
             EINVAL);
    for (n = 0; n < VFIO_PCI_NUM_REGIONS; n++) {
        region = (struct vfio_region_info) {
            .argsz = sizeof(region), .index = n
        };
        CHECK_EQ(error(ioctl(target.dev, VFIO_DEVICE_GET_REGION_INFO, &region)),
                 n == VFIO_PCI_VGA_REGION_INDEX ? EINVAL : 0);
        CHECK_EQ(region.size, n == VFIO_PCI_BAR0_REGION_INDEX ? 0x10000 :
                              n == VFIO_PCI_CONFIG_REGION_INDEX ? 256 : 0);
        if (n == VFIO_PCI_CONFIG_REGION_INDEX) {
            CHECK_EQ(pread(target.dev, id, 4, region.offset), 4);
            CHECK(!memcmp(id, "\x34\x12\x53\x56", 4));
            /* The identity cannot be written. */
            CHECK_EQ(pwrite(target.dev, "\0\0\0\0", 4, region.offset), 4);
            CHECK_EQ(pread(target.dev, id, 4, region.offset), 4);
            CHECK(!memcmp(id, "\x34\x12\x53\x56", 4));
        }
    }
    for (n = 0; n < VFIO_PCI_NUM_IRQS + 1; n++) {
        irq = (struct vfio_irq_info) { .argsz = sizeof(irq), .index = n };
        CHECK_EQ(error(ioctl(target.dev, VFIO_DEVICE_GET_IRQ_INFO, &irq)),
                 n == VFIO_PCI_ERR_IRQ_INDEX || n >= VFIO_PCI_NUM_IRQS ?
                 EINVAL : 0);
    }
}

/* The library maps the BAR, the kernel module does not. */
static void test_bar(void)
{
    struct vfio_region_info region = {
        .argsz = sizeof(region), .index = VFIO_PCI_BAR0_REGION_INDEX
    };
    uint32_t written = 0x12345678, value = 0;
    void *bar;

    CHECK_EQ(error(ioctl(target.dev, VFIO_DEVICE_GET_REGION_INFO, &region)),
             0);
    CHECK(region.flags & VFIO_REGION_INFO_FLAG_READ);
    CHECK(region.flags & VFIO_REGION_INFO_FLAG_WRITE);
    CHECK_EQ(!!(region.flags & VFIO_REGION_INFO_FLAG_MMAP), !target.sysfs);
    CHECK_EQ(pwrite(target.dev, &written, 4, region.offset + 8), 4);
    CHECK_EQ(pread(target.dev, &value, 4, region.offset + 8), 4);
    CHECK_EQ(value, written);
    bar = mmap(NULL, region.size, PROT_READ | PROT_WRITE, MAP_SHARED,
               target.dev, region.offset);
    CHECK_EQ(bar == MAP_FAILED, target.sysfs != NULL);
    if (bar != MAP_FAILED) {
        CHECK(!memcmp((char *)bar + 8, &written, 4));
        munmap(bar, region.size);
    }
}

static const TapCase cases[] = {
    TAP_CASE("info", test_info,
             "device, regions, configuration space and interrupts"),
    TAP_CASE("bar", test_bar,
             "the BAR is memory, which only the library maps",
             .needs = NEEDS_SIMULATOR),
};

TAP_GROUP(conformance_device, "device", cases);
