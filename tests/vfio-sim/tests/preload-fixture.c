/*
 * What the tests of the library share
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <inttypes.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "client/control.h"
#include "preload-fixture.h"

uint32_t ioas, hwpt, ioas2;
uint8_t *ram, *ram2;

static char control[108];

static void must(int ret, const char *what)
{
    if (ret) {
        tap_bail_out("%s: %s", what, strerror(errno));
    }
}

static uint32_t allocate_ioas(void)
{
    struct iommu_ioas_alloc alloc = { .size = sizeof(alloc) };

    must(ioctl(IOMMU, IOMMU_IOAS_ALLOC, &alloc), "IOMMU_IOAS_ALLOC");
    return alloc.out_ioas_id;
}

static void attach(int dev, uint32_t pt_id)
{
    struct vfio_device_attach_iommufd_pt att = {
        .argsz = sizeof(att), .pt_id = pt_id
    };

    must(ioctl(dev, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &att), "VFIO_DEVICE_ATTACH");
}

static void map(uint32_t id, void *memory)
{
    struct iommu_ioas_map m = {
        .size = sizeof(m), .ioas_id = id,
        .flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_WRITEABLE,
        .user_va = (uintptr_t)memory, .length = RAM,
    };

    must(ioctl(IOMMU, IOMMU_IOAS_MAP, &m), "IOMMU_IOAS_MAP");
}

void preload_set_up(const TapCase *c)
{
    struct vfio_device_bind_iommufd bind = {
        .argsz = sizeof(bind), .iommufd = IOMMU
    };
    struct iommu_hwpt_alloc h = {
        .size = sizeof(h), .flags = IOMMU_HWPT_ALLOC_DIRTY_TRACKING,
    };

    control_device(1);
    ram = mmap(NULL, RAM, PROT_READ | PROT_WRITE,
               MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ram2 = mmap(NULL, RAM, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (c->needs & NEEDS_UNBOUND) {
        return;
    }
    must(ioctl(DEV, VFIO_DEVICE_BIND_IOMMUFD, &bind), "bind");
    h.dev_id = bind.out_devid;
    must(ioctl(DEV2, VFIO_DEVICE_BIND_IOMMUFD, &bind), "bind");
    ioas = allocate_ioas();
    ioas2 = allocate_ioas();
    h.pt_id = ioas;
    must(ioctl(IOMMU, IOMMU_HWPT_ALLOC, &h), "IOMMU_HWPT_ALLOC");
    hwpt = h.out_hwpt_id;
    attach(DEV, hwpt);
    attach(DEV2, ioas2);
    if (!(c->needs & NEEDS_UNMAPPED)) {
        map(ioas, ram);
        map(ioas2, ram2);
    }
}

bool fails(long ret, int with)
{
    return ret == -1 && errno == with;
}

void control_device(int n)
{
    snprintf(control, sizeof(control), "%s/%d", getenv("VFIO_SIM_TEST_DIR"),
             n);
}

const char *control_path(void)
{
    return control;
}

int request(const char *line, char *answer, size_t len)
{
    VFIOSimControl *c = vfio_sim_control_open(control, 0, answer, len);
    int ret = c ? vfio_sim_control_request(c, line, answer, len) : -1;

    vfio_sim_control_close(c);
    return ret;
}

bool answers(const char *line, const char *expected)
{
    char answer[4096], text[4110];
    int ret = request(line, answer, sizeof(answer));

    snprintf(text, sizeof(text), "%s%s%s", ret ? "error:" : "ok",
             *answer ? " " : "", answer);
    if (strcmp(text, expected)) {
        tap_note("%s: '%s', not '%s'", line, text, expected);
        return false;
    }
    return true;
}

uint64_t counter(const char *name)
{
    char line[64], answer[128];
    uint64_t value = 0;

    snprintf(line, sizeof(line), "get %s", name);
    if (request(line, answer, sizeof(answer)) ||
        sscanf(answer, "%" SCNu64, &value) != 1) {
        tap_fail("%s: '%s'", line, answer);
    }
    return value;
}

void wait_for_pages(uint64_t pages)
{
    while (counter("dma-pages-written") < pages) {
        poll(NULL, 0, 1);
    }
}

int feature(int fd, uint32_t flags, void *data, size_t size)
{
    uint64_t buf[16] = { 0 };
    struct vfio_device_feature *f = (struct vfio_device_feature *)buf;
    int ret;

    f->argsz = sizeof(*f) + size;
    f->flags = flags;
    if (size) {
        memcpy(f + 1, data, size);
    }
    ret = ioctl(fd, VFIO_DEVICE_FEATURE, f);
    if (size) {
        memcpy(data, f + 1, size);
    }
    return ret;
}

int set_state(int fd, uint32_t state, int *data_fd)
{
    struct vfio_device_feature_mig_state arg = { .device_state = state };
    int ret = feature(fd, FEATURE_SET | FEATURE_MIG_STATE, &arg,
                      sizeof(arg));

    if (data_fd) {
        *data_fd = arg.data_fd;
    }
    return ret;
}
