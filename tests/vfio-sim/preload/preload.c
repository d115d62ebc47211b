/*
 * Simulated VFIO devices inside a process, by LD_PRELOAD
 *
 * The library makes file descriptors that look like an IOMMUFD and like VFIO
 * device cdevs to the program that it is loaded into, and answers their calls
 * with the model.  See README.rst for its environment variables.
 *
 * Lock order: SimDevice.transition, SimDevice.lock, then iommu_lock or
 * dma_mutex.  Nothing sleeps with a lock held, but for a state change, which
 * holds "transition" as the kernel holds its state mutex.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

/*
 * The functions defined here must not be redirected by the C library's
 * headers.  All hosts with VFIO have a 64-bit off_t.
 */
#undef _FILE_OFFSET_BITS
#undef _FORTIFY_SOURCE
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "model/model.h"
#include "model/pci.h"
#include "model/profile.h"
#include "uapi.h"

#define MAX_DEVICES     256
#define MAX_CLIENTS     32
/* How many options a device can be given */
#define MAX_OPTIONS     128
/* Only descriptors below this can be ours */
#define MAX_FD          65536
#define REGION_SHIFT    32
#define CONFIG_OFFSET   ((uint64_t)SIM_REGION_CONFIG << REGION_SHIFT)

/* What a descriptor is: 0 is not ours, the rest says which device's */
enum {
    FD_NONE,
    FD_IOMMU,
    FD_DEVICE,          /* FD_DEVICE + 2 * i, FD_DATA + 2 * i */
    FD_DATA,
};

typedef struct SimDevice {
    int fd;
    char *control;
    int listener;
    pthread_mutex_t transition;
    pthread_mutex_t lock;
    /* set under the lock, read without: */
    atomic_bool bound;
    _Atomic uint32_t dirty_log;         /* sim.cfg.dirty_log */
    /* under the lock: */
    pthread_cond_t cond;
    VFIOSim sim;
    uint32_t id;
    uint32_t ioas;
    uint32_t hwpt;
    unsigned int holding;
} SimDevice;

typedef struct SimMap {
    struct SimMap *next;
    uint32_t ioas;
    bool writable;
    uint64_t iova;
    uint64_t length;
    uint8_t *va;
    void *file_map;
} SimMap;

typedef struct SimObject {
    struct SimObject *next;
    uint32_t id;
    uint32_t ioas;              /* itself for an IOAS */
    bool is_hwpt;
    bool dirty_tracking;
    bool tracking_on;
    /* pages that devices wrote which are not attached any more */
    uint64_t *kept;
    size_t nr_kept;
    size_t max_kept;
} SimObject;

typedef struct SimClient {
    int fd;
    SimDevice *dev;
    size_t used;
    char buf[1024];
} SimClient;

static _Atomic uint16_t fd_table[MAX_FD];
/* Of a data fd: its session, and whether that is one that loads */
#define SESSION_LOADS   (1u << 31)
static _Atomic uint32_t fd_session[MAX_FD];

static SimDevice *devices[MAX_DEVICES];
static unsigned int nr_devices;
static bool change_process = true;

static pthread_mutex_t iommu_lock = PTHREAD_MUTEX_INITIALIZER;
static SimMap *maps;
static SimObject *objects;
static uint32_t last_id;

static pthread_mutex_t dma_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t dma_cond = PTHREAD_COND_INITIALIZER;
static bool dma_kicked;

static pthread_mutex_t start_lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_bool started;
static bool debug;

static int (*real_ioctl)(int, unsigned long, ...);
static ssize_t (*real_read)(int, void *, size_t);
static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static int (*real_close)(int);

#define SAY(fmt, ...) \
    dprintf(STDERR_FILENO, "vfio-sim: " fmt "\n", ##__VA_ARGS__)
#define DEBUG(fmt, ...) \
    do { \
        if (debug) { \
            SAY(fmt, ##__VA_ARGS__); \
        } \
    } while (0)

__attribute__((noreturn, format(printf, 1, 2)))
static void fatal(const char *fmt, ...)
{
    va_list ap;

    dprintf(STDERR_FILENO, "vfio-sim: ");
    va_start(ap, fmt);
    vdprintf(STDERR_FILENO, fmt, ap);
    va_end(ap);
    dprintf(STDERR_FILENO, "\n");
    _exit(2);
}

/* ------------------------------------------------------ the real calls -- */

/*
 * The next library's functions rather than system calls, so that a sanitizer
 * or another preloaded library behind us sees them.
 */
#define REAL(fn, type, name, fallback, ...) \
    ({ \
        if (!fn) { \
            fn = (type)dlsym(RTLD_NEXT, name); \
        } \
        fn ? fn(__VA_ARGS__) : fallback; \
    })

static int pass_ioctl(int fd, unsigned long request, void *arg)
{
    return REAL(real_ioctl, int (*)(int, unsigned long, ...), "ioctl",
                syscall(SYS_ioctl, fd, request, arg), fd, request, arg);
}

static ssize_t pass_read(int fd, void *buf, size_t len)
{
    return REAL(real_read, ssize_t (*)(int, void *, size_t), "read",
                syscall(SYS_read, fd, buf, len), fd, buf, len);
}

static ssize_t pass_write(int fd, const void *buf, size_t len)
{
    return REAL(real_write, ssize_t (*)(int, const void *, size_t), "write",
                syscall(SYS_write, fd, buf, len), fd, buf, len);
}

static ssize_t pass_pwrite(int fd, const void *buf, size_t len, off_t offset)
{
    return REAL(real_pwrite,
                ssize_t (*)(int, const void *, size_t, off_t), "pwrite64",
                syscall(SYS_pwrite64, fd, buf, len, offset),
                fd, buf, len, offset);
}

static int pass_close(int fd)
{
    return REAL(real_close, int (*)(int), "close", syscall(SYS_close, fd), fd);
}

static uint16_t fd_kind(int fd)
{
    return (unsigned int)fd < MAX_FD ?
           atomic_load_explicit(&fd_table[fd], memory_order_acquire) : FD_NONE;
}

static SimDevice *fd_device(uint16_t kind)
{
    return devices[(kind - FD_DEVICE) / 2];
}

static bool is_device(uint16_t kind)
{
    return kind >= FD_DEVICE && (kind - FD_DEVICE) % 2 == 0;
}

static uint64_t now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

static void set_fd(int fd, uint16_t kind)
{
    atomic_store_explicit(&fd_table[fd], kind, memory_order_release);
}

/* ------------------------------------------------------------- IOMMUFD -- */

static SimObject *object_find(uint32_t id)
{
    SimObject *o;

    for (o = objects; o && o->id != id; o = o->next) {
        /* search */
    }
    return o;
}

static SimObject *ioas_find(uint32_t id)
{
    SimObject *o = object_find(id);

    return o && !o->is_hwpt ? o : NULL;
}

static SimObject *object_new(void)
{
    SimObject *o = calloc(1, sizeof(*o));

    if (o) {
        o->id = ++last_id;
        o->next = objects;
        objects = o;
    }
    return o;
}

static void map_free(SimMap *m)
{
    if (m->file_map) {
        munmap(m->file_map, m->length);
    }
    free(m);
}

/* Remove what lies wholly in a range; returns the bytes, or a negative errno */
static int64_t unmap_range(uint32_t ioas, uint64_t first, uint64_t last)
{
    SimMap **p, *m;
    uint64_t bytes = 0;

    for (m = maps; m; m = m->next) {
        uint64_t end = m->iova + m->length - 1;

        if (m->ioas == ioas && m->iova <= last && end >= first &&
            (m->iova < first || end > last)) {
            return -ENOENT;             /* would have to be split */
        }
    }
    for (p = &maps; *p; ) {
        m = *p;
        if (m->ioas == ioas && m->iova >= first && m->iova <= last) {
            bytes += m->length;
            *p = m->next;
            map_free(m);
        } else {
            p = &m->next;
        }
    }
    return bytes;
}

static int map_add(uint32_t ioas, uint32_t flags, uint64_t iova,
                   uint64_t length, uint8_t *va, void *file_map)
{
    SimMap *m;

    if (!(flags & SIM_IOAS_MAP_FIXED_IOVA)) {
        return -EOPNOTSUPP;
    }
    if (!length || (iova | length) % VFIO_SIM_PAGE ||
        iova + length - 1 < iova) {
        return -EINVAL;
    }
    if (!ioas_find(ioas)) {
        return -ENOENT;
    }
    for (m = maps; m; m = m->next) {
        if (m->ioas == ioas && m->iova < iova + length &&
            iova < m->iova + m->length) {
            return -EEXIST;
        }
    }
    m = calloc(1, sizeof(*m));
    if (!m) {
        return -ENOMEM;
    }
    m->ioas = ioas;
    m->writable = flags & SIM_IOAS_MAP_WRITEABLE;
    m->iova = iova;
    m->length = length;
    m->va = va;
    m->file_map = file_map;
    m->next = maps;
    maps = m;
    return 0;
}

static int map_file(const struct sim_ioas_map_file *arg)
{
    void *p;
    int ret;

    /* a private mapping would not be seen by the owner of the file */
    p = mmap(NULL, arg->length, PROT_READ | PROT_WRITE, MAP_SHARED, arg->fd,
             arg->start);
    if (p == MAP_FAILED) {
        return -errno;
    }
    ret = map_add(arg->ioas_id, arg->flags, arg->iova, arg->length, p, p);
    if (ret) {
        munmap(p, arg->length);
    }
    return ret;
}

static int iova_ranges(struct sim_ioas_iova_ranges *arg)
{
    /* as on x86: all but the interrupt window, 48 bits */
    static const struct sim_iova_range ranges[] = {
        { 0, 0xfedfffff }, { 0xfef00000, (1ull << 48) - 1 },
    };
    uint32_t room = arg->num_iovas;

    if (!ioas_find(arg->ioas_id)) {
        return -ENOENT;
    }
    arg->num_iovas = 2;
    arg->out_iova_alignment = VFIO_SIM_PAGE;
    if (room < 2) {
        return -EMSGSIZE;
    }
    memcpy((void *)(uintptr_t)arg->allowed_iovas, ranges, sizeof(ranges));
    return 0;
}

static SimDevice *device_by_id(uint32_t id)
{
    unsigned int i;

    for (i = 0; i < nr_devices; i++) {
        if (devices[i]->bound && devices[i]->id == id) {
            return devices[i];
        }
    }
    return NULL;
}

static bool iommu_log(SimDevice *d)
{
    return d->dirty_log & VFIO_SIM_LOG_IOMMU;
}

static int hwpt_alloc(struct sim_hwpt_alloc *arg)
{
    SimDevice *d = device_by_id(arg->dev_id);
    SimObject *ioas = ioas_find(arg->pt_id);
    SimObject *o;

    if (!d || !ioas) {
        return -ENOENT;
    }
    if (arg->data_type ||
        arg->flags & ~(SIM_HWPT_DIRTY_TRACKING | SIM_HWPT_NEST_PARENT)) {
        return -EOPNOTSUPP;
    }
    if (arg->flags & SIM_HWPT_DIRTY_TRACKING && !iommu_log(d)) {
        return -EOPNOTSUPP;
    }
    o = object_new();
    if (!o) {
        return -ENOMEM;
    }
    o->is_hwpt = true;
    o->ioas = ioas->id;
    o->dirty_tracking = arg->flags & SIM_HWPT_DIRTY_TRACKING;
    arg->out_hwpt_id = o->id;
    return 0;
}

static int object_destroy(uint32_t id)
{
    SimObject **p, *o;
    unsigned int i;

    for (p = &objects; *p && (*p)->id != id; p = &(*p)->next) {
        /* search */
    }
    if (!*p) {
        return -ENOENT;
    }
    for (i = 0; i < nr_devices; i++) {
        if (devices[i]->hwpt == id || devices[i]->ioas == id) {
            return -EBUSY;
        }
    }
    o = *p;
    for (SimObject *h = objects; h; h = h->next) {
        if (!o->is_hwpt && h->is_hwpt && h->ioas == id) {
            return -EBUSY;
        }
    }
    *p = o->next;
    if (!o->is_hwpt) {
        unmap_range(id, 0, UINT64_MAX);
    }
    free(o->kept);
    free(o);
    return 0;
}

static int hw_info(struct sim_hw_info *arg)
{
    SimDevice *d = device_by_id(arg->dev_id);

    if (!d) {
        return -ENOENT;
    }
    if (arg->data_uptr && arg->data_len) {
        memset((void *)(uintptr_t)arg->data_uptr, 0, arg->data_len);
    }
    arg->data_len = 0;
    arg->out_data_type = 0;
    arg->out_max_pasid_log2 = 0;
    arg->out_capabilities = iommu_log(d) ? SIM_HW_CAP_DIRTY_TRACKING : 0;
    return 0;
}

/* Start or stop the log of a device as the page table that it uses wants. */
static void device_follow_hwpt(SimDevice *d, bool on)
{
    static const VFIOSimRange all = { 0, UINT64_MAX };

    if (on) {
        vfio_sim_log_start(&d->sim, 1, &all, 1);
    } else {
        vfio_sim_log_stop(&d->sim, 1);
    }
}

/*
 * It is the page table that keeps what was not reported yet, also when the
 * device goes.  Called with both locks held.
 */
static void hwpt_keep(SimObject *o, const SimDevice *d)
{
    const VFIOSimLog *log = &d->sim.log[1];
    uint64_t i;

    if (!log->on || !log->bits) {
        return;
    }
    for (i = 0; i < d->sim.dma.pages; i++) {
        if (!(log->bits[i / 64] >> (i % 64) & 1)) {
            continue;
        }
        if (o->nr_kept == o->max_kept) {
            size_t max = o->max_kept ? 2 * o->max_kept : 1024;
            uint64_t *kept = realloc(o->kept, max * sizeof(*kept));

            if (!kept) {
                fatal("out of memory");
            }
            o->kept = kept;
            o->max_kept = max;
        }
        o->kept[o->nr_kept++] = d->sim.dma.base + i * VFIO_SIM_PAGE;
    }
}

static int hwpt_set_dirty(const struct sim_hwpt_set_dirty *arg)
{
    bool on = arg->flags & SIM_HWPT_DIRTY_ENABLE;
    unsigned int i;
    SimObject *o;
    int ret = 0;

    if (arg->size < sizeof(*arg)) {
        return -EINVAL;
    }
    pthread_mutex_lock(&iommu_lock);
    o = object_find(arg->hwpt_id);
    if (!o || !o->is_hwpt) {
        ret = -ENOENT;
    } else if (!o->dirty_tracking) {
        ret = -EOPNOTSUPP;
    } else {
        if (on != o->tracking_on) {
            o->nr_kept = 0;
        }
        o->tracking_on = on;
    }
    pthread_mutex_unlock(&iommu_lock);

    for (i = 0; !ret && i < nr_devices; i++) {
        SimDevice *d = devices[i];

        pthread_mutex_lock(&d->lock);
        if (d->hwpt == arg->hwpt_id) {
            device_follow_hwpt(d, on);
        }
        pthread_mutex_unlock(&d->lock);
    }
    return ret;
}

typedef struct SimBitmap {
    uint64_t iova;
    uint64_t page_size;
    uint64_t *bits;
} SimBitmap;

/* A page is within one bit's range, and begins in what was asked for. */
static void bitmap_set(void *opaque, uint64_t iova)
{
    SimBitmap *b = opaque;
    uint64_t bit = (iova - b->iova) / b->page_size;

    b->bits[bit / 64] |= 1ull << (bit % 64);
}

static bool bitmap_bad(uint64_t iova, uint64_t length, uint64_t page_size)
{
    return page_size < VFIO_SIM_PAGE || page_size & (page_size - 1) ||
           iova % page_size || !length || iova + length - 1 < iova;
}

static int log_report(SimDevice *d, unsigned int log, uint64_t iova,
                      uint64_t length, uint64_t page_size, uint64_t bitmap,
                      bool clear)
{
    SimBitmap b = { iova, page_size, (uint64_t *)(uintptr_t)bitmap };

    if (bitmap_bad(iova, length, page_size)) {
        return -EINVAL;
    }
    return vfio_sim_log_report(&d->sim, log, iova, length, clear, bitmap_set,
                               &b);
}

static void kept_report(SimObject *o, const struct sim_hwpt_get_dirty *arg)
{
    SimBitmap b = {
        arg->iova, arg->page_size, (uint64_t *)(uintptr_t)arg->data
    };
    bool clear = !(arg->flags & SIM_HWPT_DIRTY_NO_CLEAR);
    size_t i, n;

    for (i = 0, n = 0; i < o->nr_kept; i++) {
        bool asked = o->kept[i] - arg->iova < arg->length;

        if (asked) {
            bitmap_set(&b, o->kept[i]);
        }
        if (!asked || !clear) {
            o->kept[n++] = o->kept[i];
        }
    }
    o->nr_kept = n;
}

static int hwpt_get_dirty(const struct sim_hwpt_get_dirty *arg)
{
    unsigned int i;
    SimObject *o;
    int ret = 0;

    if (arg->size < sizeof(*arg) ||
        bitmap_bad(arg->iova, arg->length, arg->page_size)) {
        return -EINVAL;
    }
    pthread_mutex_lock(&iommu_lock);
    o = object_find(arg->hwpt_id);
    if (!o || !o->is_hwpt) {
        ret = -ENOENT;
    } else if (!o->tracking_on) {
        ret = -EINVAL;
    } else {
        kept_report(o, arg);
    }
    pthread_mutex_unlock(&iommu_lock);

    for (i = 0; !ret && i < nr_devices; i++) {
        SimDevice *d = devices[i];

        pthread_mutex_lock(&d->lock);
        if (d->hwpt == arg->hwpt_id) {
            ret = log_report(d, 1, arg->iova, arg->length, arg->page_size,
                             arg->data,
                             !(arg->flags & SIM_HWPT_DIRTY_NO_CLEAR));
        }
        pthread_mutex_unlock(&d->lock);
    }
    return ret;
}

static int iommu_locked(uint32_t request, void *arg)
{
    uint32_t size = *(const uint32_t *)arg;

#define NEED(type) \
    do { \
        if (size < sizeof(type)) { \
            return -EINVAL; \
        } \
    } while (0)

    switch (request) {
    case SIM_IOAS_ALLOC: {
        struct sim_ioas_alloc *a = arg;
        SimObject *o;

        NEED(*a);
        o = object_new();
        if (!o) {
            return -ENOMEM;
        }
        o->ioas = o->id;
        a->out_ioas_id = o->id;
        return 0;
    }
    case SIM_IOMMU_DESTROY: {
        struct sim_iommu_destroy *a = arg;

        NEED(*a);
        return object_destroy(a->id);
    }
    case SIM_IOAS_IOVA_RANGES:
        NEED(struct sim_ioas_iova_ranges);
        return iova_ranges(arg);
    case SIM_IOAS_MAP: {
        struct sim_ioas_map *a = arg;

        NEED(*a);
        return map_add(a->ioas_id, a->flags, a->iova, a->length,
                       (uint8_t *)(uintptr_t)a->user_va, NULL);
    }
    case SIM_IOAS_MAP_FILE:
        NEED(struct sim_ioas_map_file);
        return map_file(arg);
    case SIM_IOAS_UNMAP: {
        struct sim_ioas_unmap *a = arg;
        bool all;
        int64_t bytes;

        NEED(*a);
        all = !a->iova && a->length == UINT64_MAX;
        if (!a->length || (!all && a->iova + a->length - 1 < a->iova)) {
            return -EINVAL;
        }
        if (!ioas_find(a->ioas_id)) {
            return -ENOENT;
        }
        bytes = unmap_range(a->ioas_id, a->iova,
                            all ? UINT64_MAX : a->iova + a->length - 1);
        if (bytes < 0) {
            return bytes;
        }
        a->length = bytes;
        return bytes || all ? 0 : -ENOENT;
    }
    case SIM_HWPT_ALLOC:
        NEED(struct sim_hwpt_alloc);
        return hwpt_alloc(arg);
    case SIM_GET_HW_INFO:
        NEED(struct sim_hw_info);
        return hw_info(arg);
    case SIM_IOAS_CHANGE_PROCESS:
        return change_process ? 0 : -ENOTTY;
    default:
        return -ENOTTY;
    }
}

static int iommu_ioctl(uint32_t request, void *arg)
{
    int ret;

    if (request == SIM_HWPT_SET_DIRTY) {
        return hwpt_set_dirty(arg);
    }
    if (request == SIM_HWPT_GET_DIRTY) {
        return hwpt_get_dirty(arg);
    }
    pthread_mutex_lock(&iommu_lock);
    ret = iommu_locked(request, arg);
    pthread_mutex_unlock(&iommu_lock);
    return ret;
}

/* ----------------------------------------------------------------- DMA -- */

/* Called with iommu_lock held */
static uint8_t *translate(uint32_t ioas, uint64_t iova, bool write)
{
    SimMap *m;

    for (m = maps; m; m = m->next) {
        if (m->ioas == ioas && iova - m->iova < m->length &&
            m->length - (iova - m->iova) >= VFIO_SIM_PAGE) {
            return write && !m->writable ? NULL : m->va + (iova - m->iova);
        }
    }
    return NULL;
}

static void dma_kick(void)
{
    pthread_mutex_lock(&dma_mutex);
    dma_kicked = true;
    pthread_cond_signal(&dma_cond);
    pthread_mutex_unlock(&dma_mutex);
}

static void *dma_thread(void *opaque)
{
    const struct timespec pause = { 0, 1000000 };
    unsigned int i, n;

    (void)opaque;
    for (;;) {
        bool running = false;
        bool more = false;

        for (i = 0; i < nr_devices; i++) {
            SimDevice *d = devices[i];
            uint64_t iova;

            pthread_mutex_lock(&d->lock);
            /* not too long at once, others want the lock too */
            for (n = 0; n < 64 && d->ioas &&
                        vfio_sim_dma_next(&d->sim, now_ns(), &iova); n++) {
                uint8_t *page;

                pthread_mutex_lock(&iommu_lock);
                page = translate(d->ioas, iova, true);
                if (page) {
                    vfio_sim_dma_fill(&d->sim, iova, page);
                }
                pthread_mutex_unlock(&iommu_lock);
                vfio_sim_dma_done(&d->sim, iova, page != NULL);
            }
            more |= n == 64;
            running |= d->ioas && vfio_sim_dma_running(&d->sim);
            pthread_mutex_unlock(&d->lock);
        }
        if (running) {
            if (!more) {
                nanosleep(&pause, NULL);
            }
            continue;
        }
        pthread_mutex_lock(&dma_mutex);
        while (!dma_kicked) {
            pthread_cond_wait(&dma_cond, &dma_mutex);
        }
        dma_kicked = false;
        pthread_mutex_unlock(&dma_mutex);
    }
    return NULL;
}

/* Compare guest memory with what the source's DMA wrote.  Device locked. */
static void dma_verify(SimDevice *d)
{
    const VFIOSimWindow *w = &d->sim.rx_dma;
    uint64_t bad = 0;
    uint64_t i, iova;

    pthread_mutex_lock(&iommu_lock);
    for (i = 0; i < w->pages; i++) {
        const uint8_t *page;

        if (!vfio_sim_dma_expected(w, i, &iova)) {
            continue;
        }
        page = d->ioas ? translate(d->ioas, iova, false) : NULL;
        if (page && vfio_sim_dma_check(w, i, page)) {
            d->sim.stats.dma_verified++;
            continue;
        }
        if (!bad++) {
            SAY("device %d: guest memory at 0x%llx is not what DMA wrote",
                d->fd, (unsigned long long)iova);
        }
        d->sim.stats.dma_mismatched++;
    }
    pthread_mutex_unlock(&iommu_lock);
    vfio_sim_dma_verified(&d->sim);
}

/* -------------------------------------------------------------- device -- */

static void device_sleep(SimDevice *d, uint64_t ns)
{
    struct timespec ts;
    uint64_t until;

    if (!ns) {
        return;
    }
    until = now_ns() + ns;
    ts.tv_sec = until / 1000000000;
    ts.tv_nsec = until % 1000000000;
    while (pthread_cond_timedwait(&d->cond, &d->lock, &ts) == 0) {
        /* woken for another reason */
    }
}

/* Wait here as long as the user wants. */
static void device_hold(SimDevice *d, uint32_t point)
{
    while (d->sim.cfg.hold == point) {
        d->holding++;
        pthread_cond_wait(&d->cond, &d->lock);
        d->holding--;
    }
}

static int device_step(SimDevice *d, uint32_t next, int *data_fd)
{
    bool running = next == VFIO_SIM_RUNNING || next == VFIO_SIM_RUNNING_P2P;
    const char *error = d->sim.rx_error;
    uint32_t from = d->sim.state;
    bool opens;
    int fd = -1;
    int ret;

    device_hold(d, next);
    device_sleep(d, vfio_sim_latency(&d->sim, next));

    opens = vfio_sim_opens_session(&d->sim, next);
    if (opens) {
        fd = eventfd(1, EFD_CLOEXEC);
        if (fd < 0) {
            return -errno;
        }
        if (fd >= MAX_FD) {
            pass_close(fd);
            return -EMFILE;
        }
    }
    if (d->sim.rx_verify && running) {
        dma_verify(d);
    }
    ret = vfio_sim_enter(&d->sim, now_ns(), next);
    if (d->sim.rx_error && d->sim.rx_error != error) {
        SAY("device %d: stream refused: %s", d->fd, d->sim.rx_error);
    }
    DEBUG("device %d: %s -> %s: %d", d->fd, vfio_sim_state_names[from],
          vfio_sim_state_names[next], ret);
    if (ret) {
        if (fd >= 0) {
            pass_close(fd);
        }
        return ret;
    }
    if (opens) {
        unsigned int i;

        for (i = 0; devices[i] != d; i++) {
            /* search */
        }
        atomic_store(&fd_session[fd], d->sim.session |
                     (next == VFIO_SIM_RESUMING ? SESSION_LOADS : 0));
        set_fd(fd, FD_DATA + 2 * i);
        *data_fd = fd;
    }
    dma_kick();
    return 0;
}

static int device_set_state(SimDevice *d, struct sim_feature_mig_state *arg)
{
    uint32_t target = arg->device_state;
    uint32_t next;
    int fd = -1;
    int ret = 0;

    pthread_mutex_lock(&d->transition);
    pthread_mutex_lock(&d->lock);
    d->sim.stats.set_state_calls++;
    do {
        if (d->sim.state == target) {
            break;
        }
        ret = vfio_sim_next_state(&d->sim, target, &next);
        if (!ret) {
            ret = device_step(d, next, &fd);
        }
    } while (!ret);
    pthread_mutex_unlock(&d->lock);
    pthread_mutex_unlock(&d->transition);
    if (ret && fd >= 0) {
        set_fd(fd, FD_NONE);
        pass_close(fd);
        fd = -1;
    }
    arg->data_fd = fd;
    return ret;
}

static int device_reset(SimDevice *d)
{
    pthread_mutex_lock(&d->transition);
    pthread_mutex_lock(&d->lock);
    vfio_sim_reset(&d->sim, now_ns());
    pthread_mutex_unlock(&d->lock);
    pthread_mutex_unlock(&d->transition);
    dma_kick();
    DEBUG("device %d: reset", d->fd);
    return 0;
}

static bool device_log(SimDevice *d)
{
    return d->dirty_log & VFIO_SIM_LOG_DEVICE;
}

static int feature_data(SimDevice *d, uint32_t feature, bool get, void *data)
{
    uint64_t length;
    int ret;

    switch (feature) {
    case SIM_FEATURE_MIGRATION:
        pthread_mutex_lock(&d->lock);
        ((struct sim_feature_migration *)data)->flags =
            vfio_sim_mig_flags(&d->sim);
        pthread_mutex_unlock(&d->lock);
        return 0;
    case SIM_FEATURE_MIG_STATE:
        if (!get) {
            return device_set_state(d, data);
        }
        pthread_mutex_lock(&d->lock);
        ((struct sim_feature_mig_state *)data)->device_state = d->sim.state;
        ((struct sim_feature_mig_state *)data)->data_fd = -1;
        pthread_mutex_unlock(&d->lock);
        return 0;
    case SIM_FEATURE_MIG_DATA_SIZE:
        pthread_mutex_lock(&d->lock);
        device_hold(d, VFIO_SIM_HOLD_QUERY);
        device_sleep(d, d->sim.cfg.latency_query * 1000000);
        ret = vfio_sim_data_size(&d->sim, now_ns(), &length);
        pthread_mutex_unlock(&d->lock);
        if (!ret) {
            ((struct sim_feature_data_size *)data)->stop_copy_length = length;
        }
        return ret;
    case SIM_FEATURE_LOG_START: {
        struct sim_log_control *c = data;

        pthread_mutex_lock(&d->lock);
        ret = vfio_sim_log_start(&d->sim, 0,
                                 (VFIOSimRange *)(uintptr_t)c->ranges,
                                 c->num_ranges);
        c->page_size = VFIO_SIM_PAGE;
        pthread_mutex_unlock(&d->lock);
        return ret;
    }
    case SIM_FEATURE_LOG_STOP:
        pthread_mutex_lock(&d->lock);
        ret = vfio_sim_log_stop(&d->sim, 0);
        pthread_mutex_unlock(&d->lock);
        return ret;
    case SIM_FEATURE_LOG_REPORT: {
        struct sim_log_report *r = data;

        pthread_mutex_lock(&d->lock);
        ret = log_report(d, 0, r->iova, r->length, r->page_size, r->bitmap,
                         true);
        pthread_mutex_unlock(&d->lock);
        return ret;
    }
    case SIM_FEATURE_PRECOPY_INFO_V2:
        pthread_mutex_lock(&d->lock);
        vfio_sim_set_v2(&d->sim, true);
        pthread_mutex_unlock(&d->lock);
        return 0;
    default:
        return -ENOTTY;
    }
}

/* As the kernel: who has no PRE_COPY may not even ask. */
static int check_v2(SimDevice *d)
{
    int ret = 0;

    pthread_mutex_lock(&d->lock);
    if (!d->sim.cfg.precopy_v2) {
        ret = -ENOTTY;
    } else if (!d->sim.cfg.precopy) {
        ret = -EINVAL;
    }
    pthread_mutex_unlock(&d->lock);
    return ret;
}

static int device_feature(SimDevice *d, struct sim_feature *arg)
{
    uint32_t feature = arg->flags & SIM_FEATURE_MASK;
    uint32_t ops = arg->flags & (SIM_FEATURE_GET | SIM_FEATURE_SET);
    uint32_t known;
    size_t size;

    if (arg->argsz < sizeof(*arg) ||
        arg->flags & ~(SIM_FEATURE_MASK | SIM_FEATURE_GET | SIM_FEATURE_SET |
                       SIM_FEATURE_PROBE)) {
        return -EINVAL;
    }
    if (!(arg->flags & SIM_FEATURE_PROBE) &&
        (!ops || ops == (SIM_FEATURE_GET | SIM_FEATURE_SET))) {
        return -EINVAL;
    }
    switch (feature) {
    case SIM_FEATURE_MIGRATION:
        known = SIM_FEATURE_GET;
        size = sizeof(struct sim_feature_migration);
        break;
    case SIM_FEATURE_MIG_STATE:
        known = SIM_FEATURE_GET | SIM_FEATURE_SET;
        size = sizeof(struct sim_feature_mig_state);
        break;
    case SIM_FEATURE_MIG_DATA_SIZE:
        known = SIM_FEATURE_GET;
        size = sizeof(struct sim_feature_data_size);
        break;
    case SIM_FEATURE_LOG_START:
        known = SIM_FEATURE_SET;
        size = sizeof(struct sim_log_control);
        break;
    case SIM_FEATURE_LOG_STOP:
        known = SIM_FEATURE_SET;
        size = 0;
        break;
    case SIM_FEATURE_LOG_REPORT:
        known = SIM_FEATURE_GET;
        size = sizeof(struct sim_log_report);
        break;
    case SIM_FEATURE_PRECOPY_INFO_V2:
        known = SIM_FEATURE_SET;
        size = 0;
        break;
    default:
        return -ENOTTY;
    }
    if (feature == SIM_FEATURE_PRECOPY_INFO_V2) {
        int ret = check_v2(d);

        if (ret) {
            return ret;
        }
    }
    if (feature >= SIM_FEATURE_LOG_START &&
        feature <= SIM_FEATURE_LOG_REPORT && !device_log(d)) {
        return -ENOTTY;
    }
    if (ops & ~known) {
        return -EINVAL;
    }
    if (arg->flags & SIM_FEATURE_PROBE) {
        return 0;
    }
    if (arg->argsz < sizeof(*arg) + size) {
        return -EINVAL;
    }
    return feature_data(d, feature, ops == SIM_FEATURE_GET, arg + 1);
}

static int region_info(struct sim_region_info *arg)
{
    if (arg->argsz < sizeof(*arg) || arg->index >= SIM_REGION_VGA) {
        return -EINVAL;
    }
    arg->argsz = sizeof(*arg);
    arg->flags = 0;
    arg->cap_offset = 0;
    arg->size = 0;
    arg->offset = (uint64_t)arg->index << REGION_SHIFT;
    if (arg->index == SIM_REGION_BAR0) {
        arg->flags = SIM_REGION_READ | SIM_REGION_WRITE | SIM_REGION_MMAP;
        arg->size = VFIO_SIM_BAR_SIZE;
    } else if (arg->index == SIM_REGION_CONFIG) {
        arg->flags = SIM_REGION_READ | SIM_REGION_WRITE;
        arg->size = VFIO_SIM_CONFIG_SIZE;
    }
    return 0;
}

static int irq_info(struct sim_irq_info *arg)
{
    if (arg->argsz < sizeof(*arg) || arg->index >= SIM_IRQ_NR ||
        arg->index == SIM_IRQ_ERR) {
        /* only PCI Express devices have an error interrupt */
        return -EINVAL;
    }
    arg->flags = SIM_IRQ_EVENTFD;
    arg->count = arg->index == SIM_IRQ_REQ;
    return 0;
}

static void start_threads(void);

static int device_bind(SimDevice *d, struct sim_bind *arg)
{
    int ret = 0;

    if (arg->argsz < sizeof(*arg) || arg->flags) {
        return -EINVAL;
    }
    if (fd_kind(arg->iommufd) != FD_IOMMU) {
        return -EBADF;
    }
    pthread_mutex_lock(&d->lock);
    pthread_mutex_lock(&iommu_lock);
    if (d->bound) {
        ret = -EINVAL;
    } else {
        d->bound = true;
        d->id = ++last_id;
        arg->out_devid = d->id;
    }
    pthread_mutex_unlock(&iommu_lock);
    pthread_mutex_unlock(&d->lock);
    start_threads();
    return ret;
}

/* Called with both locks held */
static void device_detach(SimDevice *d)
{
    if (d->hwpt) {
        hwpt_keep(object_find(d->hwpt), d);
    }
    d->ioas = 0;
    d->hwpt = 0;
    device_follow_hwpt(d, false);
}

static int device_attach(SimDevice *d, const struct sim_attach *arg)
{
    bool tracking = false;
    SimObject *o;
    int ret = 0;

    if (arg->argsz < sizeof(*arg) || arg->flags) {
        return -EINVAL;
    }
    pthread_mutex_lock(&d->lock);
    pthread_mutex_lock(&iommu_lock);
    o = object_find(arg->pt_id);
    if (!o) {
        ret = -ENOENT;
    } else if (o->dirty_tracking && !iommu_log(d)) {
        /* the page table enforces what this device's IOMMU cannot do */
        ret = -EINVAL;
    } else {
        device_detach(d);
        d->ioas = o->ioas;
        d->hwpt = o->is_hwpt ? o->id : 0;
        tracking = o->tracking_on;
    }
    pthread_mutex_unlock(&iommu_lock);
    if (!ret) {
        device_follow_hwpt(d, tracking);
    }
    pthread_mutex_unlock(&d->lock);
    dma_kick();
    return ret;
}

static int device_ioctl(SimDevice *d, uint32_t request, void *arg)
{
    if (request == SIM_DEVICE_BIND_IOMMUFD) {
        return device_bind(d, arg);
    }
    if (!d->bound) {
        return -EINVAL;
    }
    switch (request) {
    case SIM_DEVICE_ATTACH_PT:
        return device_attach(d, arg);
    case SIM_DEVICE_DETACH_PT:
        if (((struct sim_detach *)arg)->argsz < sizeof(struct sim_detach)) {
            return -EINVAL;
        }
        pthread_mutex_lock(&d->lock);
        pthread_mutex_lock(&iommu_lock);
        device_detach(d);
        pthread_mutex_unlock(&iommu_lock);
        pthread_mutex_unlock(&d->lock);
        return 0;
    case SIM_DEVICE_GET_INFO: {
        struct sim_device_info *info = arg;

        if (info->argsz < sizeof(*info)) {
            return -EINVAL;
        }
        info->flags = SIM_DEVICE_FLAGS_PCI | SIM_DEVICE_FLAGS_RESET;
        info->num_regions = SIM_REGION_NR;
        info->num_irqs = SIM_IRQ_NR;
        return 0;
    }
    case SIM_DEVICE_GET_REGION_INFO:
        return region_info(arg);
    case SIM_DEVICE_GET_IRQ_INFO:
        return irq_info(arg);
    case SIM_DEVICE_SET_IRQS:
        if (((struct sim_irq_set *)arg)->argsz < sizeof(struct sim_irq_set) ||
            ((struct sim_irq_set *)arg)->index >= SIM_IRQ_NR) {
            return -EINVAL;
        }
        return 0;
    case SIM_DEVICE_RESET:
        return device_reset(d);
    case SIM_DEVICE_FEATURE:
        return device_feature(d, arg);
    default:
        return -ENOTTY;
    }
}

static int data_ioctl(SimDevice *d, int fd, uint32_t request, void *arg)
{
    uint32_t session = atomic_load(&fd_session[fd]) & ~SESSION_LOADS;
    struct sim_precopy_info *info = arg;
    uint64_t initial, dirty;
    uint32_t flags;
    int ret;

    if (request != SIM_MIG_GET_PRECOPY_INFO) {
        return -ENOTTY;
    }
    if (info->argsz < sizeof(*info)) {
        return -EINVAL;
    }
    pthread_mutex_lock(&d->lock);
    device_hold(d, VFIO_SIM_HOLD_QUERY);
    device_sleep(d, d->sim.cfg.latency_query * 1000000);
    flags = info->flags;
    ret = vfio_sim_precopy_info(&d->sim, session, now_ns(), &initial, &dirty,
                                &flags);
    pthread_mutex_unlock(&d->lock);
    if (!ret) {
        info->flags = flags;
        info->initial_bytes = initial;
        info->dirty_bytes = dirty;
    }
    return ret;
}

static int64_t data_read(SimDevice *d, int fd, void *buf, size_t len)
{
    uint32_t session = atomic_load(&fd_session[fd]);
    uint64_t wait;
    int64_t ret;

    if (session & SESSION_LOADS) {
        return -EBADF;
    }
    pthread_mutex_lock(&d->lock);
    device_hold(d, VFIO_SIM_HOLD_READ);
    ret = vfio_sim_read(&d->sim, session, now_ns(), buf, len, &wait);
    /* short waits add up to ones that can be kept */
    device_sleep(d, wait > 50000 ? wait : 0);
    pthread_mutex_unlock(&d->lock);
    return ret;
}

static int64_t data_write(SimDevice *d, int fd, const void *buf, size_t len)
{
    uint32_t session = atomic_load(&fd_session[fd]);
    const char *error;
    uint64_t wait;
    int64_t ret;

    if (!(session & SESSION_LOADS)) {
        return -EBADF;
    }
    session &= ~SESSION_LOADS;
    pthread_mutex_lock(&d->lock);
    device_hold(d, VFIO_SIM_HOLD_WRITE);
    error = d->sim.rx_error;
    ret = vfio_sim_write(&d->sim, session, now_ns(), buf, len, &wait);
    if (d->sim.rx_error && !error) {
        SAY("device %d: stream refused: %s", d->fd, d->sim.rx_error);
    }
    device_sleep(d, wait > 50000 ? wait : 0);
    pthread_mutex_unlock(&d->lock);
    return ret;
}

static int64_t config_write(int fd, const uint8_t *buf, size_t len, off_t pos)
{
    uint8_t config[VFIO_SIM_CONFIG_SIZE];
    size_t i;

    if (pos < 0 || (size_t)pos >= VFIO_SIM_CONFIG_SIZE) {
        return -EINVAL;
    }
    if (len > VFIO_SIM_CONFIG_SIZE - (size_t)pos) {
        len = VFIO_SIM_CONFIG_SIZE - pos;
    }
    if (pread(fd, config, len, CONFIG_OFFSET + pos) != (ssize_t)len) {
        return -EIO;
    }
    for (i = 0; i < len; i++) {
        uint8_t mask = vfio_sim_pci_mask[pos + i];

        config[i] = (config[i] & ~mask) | (buf[i] & mask);
    }
    return pass_pwrite(fd, config, len, CONFIG_OFFSET + pos);
}

static void device_close(SimDevice *d)
{
    pthread_mutex_lock(&d->transition);
    pthread_mutex_lock(&d->lock);
    pthread_mutex_lock(&iommu_lock);
    device_detach(d);
    d->bound = false;
    pthread_mutex_unlock(&iommu_lock);
    vfio_sim_log_stop(&d->sim, 0);
    vfio_sim_reset(&d->sim, now_ns());
    vfio_sim_set_v2(&d->sim, false);
    pthread_mutex_unlock(&d->lock);
    pthread_mutex_unlock(&d->transition);
}

/* ------------------------------------------------------------- control -- */

static void control_stats(SimDevice *d, char *out, size_t len)
{
    size_t used;
    unsigned int i;

    used = snprintf(out, len, "ok state=%s holding=%u session=%u",
                    vfio_sim_state_names[d->sim.state], d->holding,
                    d->sim.session);
    for (i = 0; i < vfio_sim_counters() && used < len; i++) {
        uint64_t value;
        const char *name = vfio_sim_counter(&d->sim, now_ns(), i, &value);

        used += snprintf(out + used, len - used, " %s=%llu", name,
                         (unsigned long long)value);
    }
}

static void control_unknown(const char *name, char *out, size_t len)
{
    char why[1100];

    vfio_sim_key_unknown(name, why, sizeof(why));
    snprintf(out, len, "error: %s", why);
}

static void control_get(SimDevice *d, const char *name, char *out, size_t len)
{
    const VFIOSimKey *key = vfio_sim_key_find(name);
    char value[64];
    unsigned int i;

    if (key) {
        vfio_sim_key_get(&d->sim.cfg, key, value, sizeof(value));
        snprintf(out, len, "ok %s", value);
        return;
    }
    if (!strcmp(name, "state")) {
        snprintf(out, len, "ok %s", vfio_sim_state_names[d->sim.state]);
        return;
    }
    if (!strcmp(name, "holding")) {
        snprintf(out, len, "ok %u", d->holding);
        return;
    }
    if (!strcmp(name, "session")) {
        snprintf(out, len, "ok %u", d->sim.session);
        return;
    }
    if (!strcmp(name, "stream-error")) {
        snprintf(out, len, "ok %s", d->sim.rx_error ?: "none");
        return;
    }
    for (i = 0; i < vfio_sim_counters(); i++) {
        uint64_t v;

        if (!strcmp(vfio_sim_counter(&d->sim, now_ns(), i, &v), name)) {
            snprintf(out, len, "ok %llu", (unsigned long long)v);
            return;
        }
    }
    control_unknown(name, out, len);
}

static void control_set(SimDevice *d, const char *name, const char *value,
                        char *out, size_t len)
{
    const VFIOSimKey *key = vfio_sim_key_find(name);
    VFIOSimConfig cfg = d->sim.cfg;
    const char *why;
    int ret;

    if (!key) {
        control_unknown(name, out, len);
        return;
    }
    why = vfio_sim_key_set(&cfg, key, value);
    if (!why) {
        why = vfio_sim_config_check(&cfg);
    }
    if (why) {
        snprintf(out, len, "error: %s = %s: %s", name, value, why);
        return;
    }
    ret = vfio_sim_configure(&d->sim, now_ns(), &cfg, key->effects);
    d->dirty_log = d->sim.cfg.dirty_log;
    if (ret) {
        snprintf(out, len, "error: %s = %s: %s", name, value,
                 ret == -EBUSY ? "the device is using it now" :
                                 strerror(-ret));
        return;
    }
    snprintf(out, len, "ok");
    pthread_cond_broadcast(&d->cond);
}

static void control_line(SimDevice *d, char *line, char *out, size_t len)
{
    char *save = NULL;
    char *cmd = strtok_r(line, " \t\r", &save);
    char *a = strtok_r(NULL, " \t\r", &save);
    char *b = strtok_r(NULL, " \t\r", &save);
    bool more = b && strtok_r(NULL, " \t\r", &save);

    pthread_mutex_lock(&d->lock);
    if (cmd && !strcmp(cmd, "stats") && !a) {
        control_stats(d, out, len);
    } else if (cmd && !strcmp(cmd, "get") && a && !b) {
        control_get(d, a, out, len);
    } else if (cmd && !strcmp(cmd, "set") && b && !more) {
        control_set(d, a, b, out, len);
    } else {
        snprintf(out, len, "error: expected get KEY, set KEY VALUE or stats");
    }
    pthread_mutex_unlock(&d->lock);
    dma_kick();
}

/* Returns false when the client is to be dropped. */
static bool control_input(SimClient *c)
{
    char out[4096];
    ssize_t n;
    char *nl;

    n = recv(c->fd, c->buf + c->used, sizeof(c->buf) - 1 - c->used,
             MSG_DONTWAIT);
    if (n <= 0) {
        return n < 0 && (errno == EAGAIN || errno == EINTR);
    }
    c->used += n;
    c->buf[c->used] = 0;
    while ((nl = memchr(c->buf, '\n', c->used))) {
        size_t eaten = nl + 1 - c->buf;
        size_t len;

        *nl = 0;
        control_line(c->dev, c->buf, out, sizeof(out) - 1);
        len = strlen(out);
        out[len++] = '\n';
        if (send(c->fd, out, len, MSG_DONTWAIT | MSG_NOSIGNAL) !=
            (ssize_t)len) {
            return false;
        }
        memmove(c->buf, c->buf + eaten, c->used - eaten);
        c->used -= eaten;
    }
    return c->used < sizeof(c->buf) - 1;
}

static void *control_thread(void *opaque)
{
    static SimClient clients[MAX_CLIENTS];
    static struct pollfd fds[MAX_DEVICES + MAX_CLIENTS];
    unsigned int i, n, c;

    (void)opaque;
    for (i = 0; i < MAX_CLIENTS; i++) {
        clients[i].fd = -1;
    }
    for (;;) {
        n = 0;
        for (i = 0; i < nr_devices; i++) {
            fds[n].fd = devices[i]->listener;
            fds[n++].events = POLLIN;
        }
        for (i = 0; i < MAX_CLIENTS; i++) {
            fds[n].fd = clients[i].fd;
            fds[n++].events = POLLIN;
        }
        if (poll(fds, n, -1) < 0) {
            continue;
        }
        for (i = 0; i < MAX_CLIENTS; i++) {
            if (clients[i].fd >= 0 && fds[nr_devices + i].revents &&
                !control_input(&clients[i])) {
                pass_close(clients[i].fd);
                clients[i].fd = -1;
            }
        }
        for (i = 0; i < nr_devices; i++) {
            int fd;

            if (devices[i]->listener < 0 || !fds[i].revents) {
                continue;
            }
            fd = accept4(devices[i]->listener, NULL, NULL, SOCK_CLOEXEC);
            if (fd < 0) {
                continue;
            }
            for (c = 0; c < MAX_CLIENTS && clients[c].fd >= 0; c++) {
                /* search */
            }
            if (c == MAX_CLIENTS) {
                pass_close(fd);
                continue;
            }
            clients[c].fd = fd;
            clients[c].dev = devices[i];
            clients[c].used = 0;
        }
    }
    return NULL;
}

static void control_listen(SimDevice *d)
{
    struct sockaddr_un sun = { .sun_family = AF_UNIX };
    struct stat st;
    int fd;

    if (!d->control) {
        return;
    }
    if (!lstat(d->control, &st)) {
        if (!S_ISSOCK(st.st_mode)) {
            fatal("control=%s exists, and is not a socket", d->control);
        }
        unlink(d->control);             /* of a program that was killed */
    }
    memcpy(sun.sun_path, d->control, strlen(d->control) + 1);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&sun, sizeof(sun)) ||
        listen(fd, 8)) {
        SAY("cannot listen on %s: %s", d->control, strerror(errno));
        if (fd >= 0) {
            pass_close(fd);
        }
        return;
    }
    d->listener = fd;
}

/* ------------------------------------------------- start, fork and end -- */

static void start_thread(void *(*fn)(void *), const char *name)
{
    pthread_attr_t attr;
    pthread_t thread;

    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    if (pthread_create(&thread, &attr, fn, NULL)) {
        SAY("cannot start a thread");
        _exit(2);
    }
    pthread_setname_np(thread, name);
    pthread_attr_destroy(&attr);
}

/*
 * Threads start with the first use of a device, so that a program that turns
 * itself into a daemon first still has them.
 */
static void start_threads(void)
{
    sigset_t all, old;
    unsigned int i;

    pthread_mutex_lock(&start_lock);
    if (!atomic_load(&started)) {
        for (i = 0; i < nr_devices; i++) {
            control_listen(devices[i]);
        }
        /* signals are the program's own business */
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &old);
        start_thread(control_thread, "vfio-sim-ctl");
        start_thread(dma_thread, "vfio-sim-dma");
        pthread_sigmask(SIG_SETMASK, &old, NULL);
        atomic_store(&started, true);
    }
    pthread_mutex_unlock(&start_lock);
}

static void forked_child(void)
{
    unsigned int i;

    if (!atomic_load(&started)) {
        return;
    }
    /*
     * The devices stay with the parent: locks may be held by threads that do
     * not exist here.
     */
    for (i = 0; i < MAX_FD; i++) {
        atomic_store_explicit(&fd_table[i], FD_NONE, memory_order_relaxed);
    }
    for (i = 0; i < nr_devices; i++) {
        devices[i]->listener = -1;
    }
    atomic_store(&started, false);
}

__attribute__((destructor))
static void finish(void)
{
    unsigned int i;

    for (i = 0; i < nr_devices; i++) {
        if (devices[i]->listener >= 0) {
            unlink(devices[i]->control);
        }
    }
}

static void *hook_alloc(void *opaque, size_t size)
{
    (void)opaque;
    return calloc(1, size);
}

static void hook_free(void *opaque, void *p, size_t size)
{
    (void)opaque;
    (void)size;
    free(p);
}

static int parse_fd(const char *what, const char *s)
{
    int v, len = 0;

    if (sscanf(s, "%6d%n", &v, &len) != 1 || s[len] || v < 3 || v >= MAX_FD) {
        fatal("%s: fd=%s is not a usable file descriptor", what, s);
    }
    return v;
}

/* Put a new file at a fixed number, where nothing else may be. */
static void place_fd(int fd, int at)
{
    char path[64], target[256];
    ssize_t n;

    snprintf(path, sizeof(path), "/proc/self/fd/%d", at);
    n = readlink(path, target, sizeof(target) - 1);
    if (n > 0) {
        target[n] = 0;
        /* left by a program that ran this one, with the same environment */
        if (!strstr(target, "memfd:vfio-sim")) {
            fatal("file descriptor %d is in use: %s", at, target);
        }
    }
    if (fd < 0 || (fd != at && dup2(fd, at) != at)) {
        fatal("cannot create file descriptor %d: %s", at, strerror(errno));
    }
    if (fd != at) {
        pass_close(fd);
    }
}

static void config_init(int fd)
{
    if (ftruncate(fd, CONFIG_OFFSET + (1ull << REGION_SHIFT)) ||
        pass_pwrite(fd, vfio_sim_pci_config, sizeof(vfio_sim_pci_config),
                    CONFIG_OFFSET) != sizeof(vfio_sim_pci_config)) {
        fatal("cannot create a device: %s", strerror(errno));
    }
}

static void init_iommufd(char *spec)
{
    char *opt;
    char end;
    int fd = -1;

    while ((opt = vfio_sim_next_option(&spec, &end))) {
        if (!strncmp(opt, "fd=", 3)) {
            fd = parse_fd("VFIO_SIM_IOMMUFD", opt + 3);
        } else if (!strcmp(opt, "change-process=on")) {
            change_process = true;
        } else if (!strcmp(opt, "change-process=off")) {
            change_process = false;
        } else if (*opt) {
            fatal("VFIO_SIM_IOMMUFD: unknown option '%s'", opt);
        }
    }
    if (fd < 0) {
        fatal("VFIO_SIM_IOMMUFD: fd=N is missing");
    }
    place_fd(memfd_create("vfio-sim-iommufd", 0), fd);
    set_fd(fd, FD_IOMMU);
}

/* Create the next device of a list; @opts: what is told about it */
static void init_device(char **opts, unsigned int n)
{
    pthread_condattr_t condattr;
    const VFIOSimHooks hooks = { hook_alloc, hook_free };
    unsigned int i;
    VFIOSimConfig cfg;
    SimDevice *d;
    char err[512];
    const char *why;
    struct timespec ts;
    uint64_t seed;

    if (nr_devices == MAX_DEVICES) {
        fatal("VFIO_SIM_DEVICES: too many devices");
    }
    d = calloc(1, sizeof(*d));
    if (!d) {
        fatal("out of memory");
    }
    d->fd = -1;
    d->listener = -1;
    vfio_sim_config_default(&cfg);

    /* the profile comes first, wherever it stands */
    for (i = 0; i < n; i++) {
        if (!strncmp(opts[i], "profile=", 8) &&
            vfio_sim_profile_load(&cfg, opts[i] + 8, err, sizeof(err))) {
            fatal("%s", err);
        }
    }
    for (i = 0; i < n; i++) {
        if (!strncmp(opts[i], "fd=", 3)) {
            d->fd = parse_fd("VFIO_SIM_DEVICES", opts[i] + 3);
        } else if (!strncmp(opts[i], "control=", 8)) {
            /* a daemon changes its directory */
            char *dir = opts[i][8] == '/' ? NULL : getcwd(NULL, 0);

            if (asprintf(&d->control, "%s%s%s", dir ?: "", dir ? "/" : "",
                         opts[i] + 8) < 0) {
                fatal("out of memory");
            }
            free(dir);
            if (strlen(d->control) >=
                sizeof(((struct sockaddr_un *)0)->sun_path)) {
                fatal("path of a socket is too long: %s", d->control);
            }
        } else if (strncmp(opts[i], "profile=", 8) &&
                   vfio_sim_profile_override(&cfg, opts[i], err,
                                             sizeof(err))) {
            fatal("VFIO_SIM_DEVICES: %s", err);
        }
    }
    why = vfio_sim_config_check(&cfg);
    if (why) {
        fatal("VFIO_SIM_DEVICES: %s", why);
    }
    if (d->fd < 0) {
        fatal("VFIO_SIM_DEVICES: fd=N is missing");
    }

    pthread_mutex_init(&d->transition, NULL);
    pthread_mutex_init(&d->lock, NULL);
    pthread_condattr_init(&condattr);
    pthread_condattr_setclock(&condattr, CLOCK_MONOTONIC);
    pthread_cond_init(&d->cond, &condattr);
    pthread_condattr_destroy(&condattr);

    clock_gettime(CLOCK_REALTIME, &ts);
    seed = ts.tv_sec * 1000000000ull + ts.tv_nsec;
    seed = seed * 1000003 + getpid() * 257 + nr_devices;
    if (vfio_sim_init(&d->sim, &cfg, &hooks, d, seed, now_ns())) {
        fatal("out of memory");
    }
    d->dirty_log = cfg.dirty_log;
    devices[nr_devices] = d;
    if (fd_kind(d->fd)) {
        fatal("VFIO_SIM_DEVICES: file descriptor %d is used twice", d->fd);
    }
    place_fd(memfd_create("vfio-sim-device", 0), d->fd);
    config_init(d->fd);
    set_fd(d->fd, FD_DEVICE + 2 * nr_devices);
    nr_devices++;
}

static void init_devices(char *list)
{
    char *opts[MAX_OPTIONS];
    unsigned int n = 0;
    char *opt;
    char end = 0;

    while ((opt = vfio_sim_next_option(&list, &end))) {
        if (n == MAX_OPTIONS) {
            fatal("VFIO_SIM_DEVICES: too many options");
        }
        if (*opt) {
            opts[n++] = opt;
        }
        if (n && end != ',') {
            init_device(opts, n);
            n = 0;
        }
    }
    if (n) {
        init_device(opts, n);
    }
}

__attribute__((constructor))
static void init(void)
{
    const char *iommufd = getenv("VFIO_SIM_IOMMUFD");
    const char *list = getenv("VFIO_SIM_DEVICES");
    char *copy;

    debug = getenv("VFIO_SIM_DEBUG") != NULL;
    if (iommufd) {
        copy = strdup(iommufd);
        if (!copy) {
            fatal("out of memory");
        }
        init_iommufd(copy);
        free(copy);
    }
    if (list) {
        copy = strdup(list);
        if (!copy) {
            fatal("out of memory");
        }
        init_devices(copy);
        free(copy);
    }
    pthread_atfork(NULL, NULL, forked_child);
}

/* --------------------------------------------- what the program calls -- */

static int64_t result(int64_t ret)
{
    if (ret < 0) {
        errno = -ret;
        return -1;
    }
    return ret;
}

/* Is it KVM that is told of one of our devices? */
static bool is_our_kvm_attr(const struct sim_kvm_device_attr *attr)
{
    return attr->group == SIM_KVM_DEV_VFIO_FILE && attr->addr &&
           is_device(fd_kind(*(const int *)(uintptr_t)attr->addr));
}

#define EXPORT __attribute__((visibility("default")))

EXPORT int ioctl(int fd, unsigned long request, ...)
{
    uint16_t kind = fd_kind(fd);
    uint32_t nr = request;
    va_list ap;
    void *arg;
    int ret;

    va_start(ap, request);
    arg = va_arg(ap, void *);
    va_end(ap);

    if (kind == FD_NONE) {
        if (nr == SIM_KVM_SET_DEVICE_ATTR && nr_devices &&
            is_our_kvm_attr(arg)) {
            return 0;
        }
        return pass_ioctl(fd, request, arg);
    }
    if ((nr & 0xff00) != ';' << 8) {
        return result(-ENOTTY);
    }
    if (!arg && nr != SIM_DEVICE_RESET) {
        return result(-EFAULT);
    }
    if (kind == FD_IOMMU) {
        ret = iommu_ioctl(nr, arg);
    } else if (is_device(kind)) {
        ret = device_ioctl(fd_device(kind), nr, arg);
    } else {
        ret = data_ioctl(fd_device(kind), fd, nr, arg);
    }
    DEBUG("ioctl(%d, %s%u): %d", fd, nr >= SIM_IO(0x80) ? "iommu " : "",
          nr & 0xff, ret);
    return result(ret);
}

EXPORT ssize_t read(int fd, void *buf, size_t len)
{
    uint16_t kind = fd_kind(fd);

    if (kind == FD_NONE) {
        return pass_read(fd, buf, len);
    }
    if (kind == FD_IOMMU || is_device(kind)) {
        return result(-EINVAL);
    }
    return result(data_read(fd_device(kind), fd, buf, len));
}

/* What a program built with _FORTIFY_SOURCE may call; no header declares it */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
EXPORT ssize_t __read_chk(int fd, void *buf, size_t len, size_t room)
{
    if (len > room) {
        abort();
    }
    return read(fd, buf, len);
}
#pragma GCC diagnostic pop

EXPORT ssize_t write(int fd, const void *buf, size_t len)
{
    uint16_t kind = fd_kind(fd);

    if (kind == FD_NONE) {
        return pass_write(fd, buf, len);
    }
    if (kind == FD_IOMMU || is_device(kind)) {
        return result(-EINVAL);
    }
    return result(data_write(fd_device(kind), fd, buf, len));
}

EXPORT ssize_t pwrite(int fd, const void *buf, size_t len, off_t offset)
{
    uint16_t kind = fd_kind(fd);

    if (is_device(kind) &&
        (uint64_t)offset >> REGION_SHIFT == SIM_REGION_CONFIG) {
        return result(config_write(fd, buf, len, offset - CONFIG_OFFSET));
    }
    return pass_pwrite(fd, buf, len, offset);
}

EXPORT ssize_t pwrite64(int fd, const void *buf, size_t len, off64_t offset)
{
    return pwrite(fd, buf, len, offset);
}

EXPORT int close(int fd)
{
    uint16_t kind = fd_kind(fd);

    if (kind != FD_NONE) {
        set_fd(fd, FD_NONE);
        if (is_device(kind)) {
            device_close(fd_device(kind));
        }
    }
    return pass_close(fd);
}
