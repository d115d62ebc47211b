/*
 * A simulated device, and the calls on its descriptors
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "device.h"

#include <sys/eventfd.h>
#include <sys/mman.h>
#include <time.h>

#include "dma.h"
#include "iommufd.h"
#include "uapi.h"
#include "model/pci.h"

#define CONFIG_OFFSET \
    ((uint64_t)VFIO_PCI_CONFIG_REGION_INDEX << REGION_SHIFT)

/* The model has no header of the kernel. */
#define SAME(a, b) \
    _Static_assert((int)(a) == (int)(b), #a " is that of linux/vfio.h")
SAME(VFIO_SIM_ERROR, VFIO_DEVICE_STATE_ERROR);
SAME(VFIO_SIM_STOP, VFIO_DEVICE_STATE_STOP);
SAME(VFIO_SIM_RUNNING, VFIO_DEVICE_STATE_RUNNING);
SAME(VFIO_SIM_STOP_COPY, VFIO_DEVICE_STATE_STOP_COPY);
SAME(VFIO_SIM_RESUMING, VFIO_DEVICE_STATE_RESUMING);
SAME(VFIO_SIM_RUNNING_P2P, VFIO_DEVICE_STATE_RUNNING_P2P);
SAME(VFIO_SIM_PRE_COPY, VFIO_DEVICE_STATE_PRE_COPY);
SAME(VFIO_SIM_PRE_COPY_P2P, VFIO_DEVICE_STATE_PRE_COPY_P2P);
SAME(VFIO_SIM_MIG_STOP_COPY, VFIO_MIGRATION_STOP_COPY);
SAME(VFIO_SIM_MIG_P2P, VFIO_MIGRATION_P2P);
SAME(VFIO_SIM_MIG_PRE_COPY, VFIO_MIGRATION_PRE_COPY);
SAME(VFIO_SIM_INFO_REINIT, VFIO_PRECOPY_INFO_REINIT);
SAME(VFIO_SIM_REGION_BAR0, VFIO_PCI_BAR0_REGION_INDEX);
SAME(VFIO_SIM_REGION_CONFIG, VFIO_PCI_CONFIG_REGION_INDEX);
SAME(VFIO_SIM_REGION_VGA, VFIO_PCI_VGA_REGION_INDEX);
SAME(VFIO_SIM_IRQ_ERR, VFIO_PCI_ERR_IRQ_INDEX);
SAME(VFIO_SIM_IRQ_REQ, VFIO_PCI_REQ_IRQ_INDEX);
SAME(VFIO_SIM_IRQS, VFIO_PCI_NUM_IRQS);
SAME(sizeof(VFIOSimRange),
     sizeof(struct vfio_device_feature_dma_logging_range));

_Atomic uint16_t fd_table[MAX_FD];
_Atomic uint32_t fd_session[MAX_FD];
SimDevice *devices[MAX_DEVICES];
unsigned int nr_devices;

/* ------------------------------------------------- what the model needs -- */

static void *hook_alloc(void *opaque, size_t size)
{
    return calloc(1, size);
}

static void hook_free(void *opaque, void *p, size_t size)
{
    free(p);
}

static uint64_t hook_now(void *opaque)
{
    return now_ns();
}

static int hook_wait(void *opaque, bool state_change)
{
    SimDevice *d = opaque;

    pthread_cond_wait(&d->cond, &d->lock);
    return 0;
}

static int hook_sleep(void *opaque, uint64_t ns, bool state_change)
{
    SimDevice *d = opaque;
    uint64_t until = now_ns() + ns;
    struct timespec ts = { until / 1000000000, until % 1000000000 };

    while (pthread_cond_timedwait(&d->cond, &d->lock, &ts) == 0) {
        /* woken for another reason */
    }
    return 0;
}

static int hook_session_create(void *opaque, bool loads)
{
    SimDevice *d = opaque;
    int fd = eventfd(1, EFD_CLOEXEC);

    if (fd < 0) {
        return -errno;
    }
    if (fd >= MAX_FD) {
        real_close(fd);
        return -EMFILE;
    }
    d->new_fd = fd;
    d->new_fd_loads = loads;
    return 0;
}

static void hook_session_begin(void *opaque, uint32_t session)
{
    SimDevice *d = opaque;

    if (!session) {
        real_close(d->new_fd);
        d->new_fd = -1;
        return;
    }
    atomic_store(&fd_session[d->new_fd],
                 session | (d->new_fd_loads ? SESSION_LOADS : 0));
    set_fd(d->new_fd, FD_DATA + 2 * d->index);
}

static void hook_step(void *opaque, uint32_t from, uint32_t to, int ret)
{
    SimDevice *d = opaque;

    DEBUG("device %d: %s -> %s: %d", d->fd, vfio_sim_state_names[from],
          vfio_sim_state_names[to], ret);
    pthread_cond_broadcast(&d->cond);
    dma_kick();
}

static void *hook_dma_map(void *opaque, uint64_t iova, bool write)
{
    return iommu_map_page(opaque, iova, write);
}

static bool hook_dma_unmap(void *opaque, uint64_t iova, void *page, bool write)
{
    iommu_unmap_page();
    return true;
}

static void hook_note(void *opaque, const char *text)
{
    SimDevice *d = opaque;

    MESSAGE("device %d: %s", d->fd, text);
}

static const VFIOSimHooks hooks = {
    .alloc = hook_alloc,
    .free = hook_free,
    .now = hook_now,
    .wait = hook_wait,
    .sleep = hook_sleep,
    .session_create = hook_session_create,
    .session_begin = hook_session_begin,
    .step = hook_step,
    .dma_map = hook_dma_map,
    .dma_unmap = hook_dma_unmap,
    .note = hook_note,
};

SimDevice *device_new(int fd, const VFIOSimConfig *cfg)
{
    SimDevice *d = calloc(1, sizeof(*d));
    pthread_condattr_t condattr;
    struct timespec ts;
    uint64_t seed;

    if (!d) {
        return NULL;
    }
    d->index = nr_devices;
    d->fd = fd;
    d->listener = -1;
    d->new_fd = -1;
    pthread_mutex_init(&d->transition, NULL);
    pthread_mutex_init(&d->lock, NULL);
    pthread_condattr_init(&condattr);
    pthread_condattr_setclock(&condattr, CLOCK_MONOTONIC);
    pthread_cond_init(&d->cond, &condattr);
    pthread_condattr_destroy(&condattr);

    clock_gettime(CLOCK_REALTIME, &ts);
    seed = ts.tv_sec * 1000000000ull + ts.tv_nsec;
    seed = seed * 1000003 + getpid() * 257 + nr_devices;
    d->sim = vfio_sim_new(cfg, &hooks, d, seed);
    if (!d->sim) {
        return NULL;
    }
    d->dirty_log = vfio_sim_dirty_log(d->sim);

    if (ftruncate(fd, CONFIG_OFFSET + (1ull << REGION_SHIFT)) ||
        real_pwrite(fd, vfio_sim_pci_config, sizeof(vfio_sim_pci_config),
                    CONFIG_OFFSET) != sizeof(vfio_sim_pci_config)) {
        return NULL;
    }
    return d;
}

/* ------------------------------------------------ calls on the device fd -- */

static int reset(SimDevice *d)
{
    pthread_mutex_lock(&d->transition);
    pthread_mutex_lock(&d->lock);
    vfio_sim_reset(d->sim, now_ns());
    pthread_mutex_unlock(&d->lock);
    pthread_mutex_unlock(&d->transition);
    dma_kick();
    DEBUG("device %d: reset", d->fd);
    return 0;
}

static int get_info(struct vfio_device_info *arg)
{
    if (arg->argsz < offsetofend(struct vfio_device_info, num_irqs)) {
        return -EINVAL;
    }
    arg->flags = VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET;
    arg->num_regions = VFIO_PCI_NUM_REGIONS;
    arg->num_irqs = VFIO_PCI_NUM_IRQS;
    return 0;
}

static int region_info(struct vfio_region_info *arg)
{
    uint64_t size;

    if (arg->argsz < sizeof(*arg) || vfio_sim_region_info(arg->index, &size)) {
        return -EINVAL;
    }
    arg->argsz = sizeof(*arg);
    arg->flags = 0;
    arg->cap_offset = 0;
    arg->size = size;
    arg->offset = (uint64_t)arg->index << REGION_SHIFT;
    if (size) {
        arg->flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
    }
    if (arg->index == VFIO_PCI_BAR0_REGION_INDEX) {
        arg->flags |= VFIO_REGION_INFO_FLAG_MMAP;
    }
    return 0;
}

static int irq_info(struct vfio_irq_info *arg)
{
    if (arg->argsz < sizeof(*arg) ||
        vfio_sim_irq_info(arg->index, true, &arg->count)) {
        return -EINVAL;
    }
    arg->flags = VFIO_IRQ_INFO_EVENTFD;
    return 0;
}

static int set_irqs(const struct vfio_irq_set *arg)
{
    return arg->argsz < sizeof(*arg) || arg->index >= VFIO_PCI_NUM_IRQS ?
           -EINVAL : 0;
}

static int bind_iommufd(SimDevice *d, struct vfio_device_bind_iommufd *arg)
{
    uint32_t id;
    int ret;

    if (arg->argsz < offsetofend(struct vfio_device_bind_iommufd, out_devid) ||
        arg->flags) {
        return -EINVAL;
    }
    if (fd_kind(arg->iommufd) != FD_IOMMU) {
        return -EBADF;
    }
    pthread_mutex_lock(&d->lock);
    ret = iommu_bind(d, &id);
    pthread_mutex_unlock(&d->lock);
    if (!ret) {
        arg->out_devid = id;
    }
    return ret;
}

static int attach(SimDevice *d,
                  const struct vfio_device_attach_iommufd_pt *arg)
{
    int ret;

    if (arg->argsz < offsetofend(struct vfio_device_attach_iommufd_pt,
                                 pt_id) || arg->flags) {
        return -EINVAL;
    }
    pthread_mutex_lock(&d->lock);
    ret = iommu_attach(d, arg->pt_id);
    pthread_mutex_unlock(&d->lock);
    dma_kick();
    return ret;
}

static int detach(SimDevice *d,
                  const struct vfio_device_detach_iommufd_pt *arg)
{
    if (arg->argsz < offsetofend(struct vfio_device_detach_iommufd_pt,
                                 flags)) {
        return -EINVAL;
    }
    pthread_mutex_lock(&d->lock);
    iommu_detach(d);
    pthread_mutex_unlock(&d->lock);
    return 0;
}

int device_ioctl(SimDevice *d, uint32_t request, void *arg)
{
    if (request == VFIO_DEVICE_BIND_IOMMUFD) {
        return bind_iommufd(d, arg);
    }
    if (!d->bound) {
        return -EINVAL;
    }
    switch (request) {
    case VFIO_DEVICE_ATTACH_IOMMUFD_PT:
        return attach(d, arg);
    case VFIO_DEVICE_DETACH_IOMMUFD_PT:
        return detach(d, arg);
    case VFIO_DEVICE_GET_INFO:
        return get_info(arg);
    case VFIO_DEVICE_GET_REGION_INFO:
        return region_info(arg);
    case VFIO_DEVICE_GET_IRQ_INFO:
        return irq_info(arg);
    case VFIO_DEVICE_SET_IRQS:
        return set_irqs(arg);
    case VFIO_DEVICE_RESET:
        return reset(d);
    case VFIO_DEVICE_FEATURE:
        return device_feature(d, arg);
    default:
        return -ENOTTY;
    }
}

bool device_is_config(off_t offset)
{
    return (uint64_t)offset >> REGION_SHIFT == VFIO_PCI_CONFIG_REGION_INDEX;
}

int64_t device_config_write(int fd, const uint8_t *buf, size_t len,
                            off_t offset)
{
    uint8_t config[VFIO_SIM_CONFIG_SIZE];
    size_t pos = offset - CONFIG_OFFSET;

    if (pos >= VFIO_SIM_CONFIG_SIZE) {
        return -EINVAL;
    }
    if (len > VFIO_SIM_CONFIG_SIZE - pos) {
        len = VFIO_SIM_CONFIG_SIZE - pos;
    }
    if (pread(fd, config, len, offset) != (ssize_t)len) {
        return -EIO;
    }
    vfio_sim_config_write(config, pos, buf, len);
    return real_pwrite(fd, config, len, offset);
}

void device_close(SimDevice *d)
{
    pthread_mutex_lock(&d->transition);
    pthread_mutex_lock(&d->lock);
    iommu_unbind(d);
    vfio_sim_close(d->sim, now_ns());
    pthread_mutex_unlock(&d->lock);
    pthread_mutex_unlock(&d->transition);
}

/* -------------------------------------------------- calls on a data fd -- */

int data_ioctl(SimDevice *d, int fd, uint32_t request, void *arg)
{
    uint32_t session = atomic_load(&fd_session[fd]) & ~SESSION_LOADS;
    struct vfio_precopy_info *info = arg;
    uint64_t initial, dirty;
    uint32_t flags;
    int ret;

    if (request != VFIO_MIG_GET_PRECOPY_INFO) {
        return -ENOTTY;
    }
    if (info->argsz < sizeof(*info)) {
        return -EINVAL;
    }
    pthread_mutex_lock(&d->lock);
    flags = info->flags;
    ret = vfio_sim_query_precopy(d->sim, session, &initial, &dirty, &flags);
    pthread_mutex_unlock(&d->lock);
    if (!ret) {
        info->flags = flags;
        info->initial_bytes = initial;
        info->dirty_bytes = dirty;
    }
    return ret;
}

int64_t data_read(SimDevice *d, int fd, void *buf, size_t len)
{
    uint32_t session = atomic_load(&fd_session[fd]);
    uint64_t wait;
    int64_t ret;

    if (session & SESSION_LOADS) {
        return -EBADF;
    }
    pthread_mutex_lock(&d->lock);
    ret = vfio_sim_read_data(d->sim, session, buf, len, &wait);
    if (wait) {
        hook_sleep(d, wait, false);
    }
    pthread_mutex_unlock(&d->lock);
    return ret;
}

int64_t data_write(SimDevice *d, int fd, const void *buf, size_t len)
{
    uint32_t session = atomic_load(&fd_session[fd]);
    uint64_t wait;
    int64_t ret;

    if (!(session & SESSION_LOADS)) {
        return -EBADF;
    }
    pthread_mutex_lock(&d->lock);
    ret = vfio_sim_write_data(d->sim, session & ~SESSION_LOADS, buf, len,
                              &wait);
    if (wait) {
        hook_sleep(d, wait, false);
    }
    pthread_mutex_unlock(&d->lock);
    return ret;
}
