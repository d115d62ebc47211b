/*
 * The IOMMUFD: address spaces, page tables and their dirty tracking
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "iommufd.h"

#include <sys/mman.h>

#include "dirty.h"
#include "uapi.h"

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

bool change_process = true;

/* Taken inside of the locks of devices */
static pthread_mutex_t iommu_lock = PTHREAD_MUTEX_INITIALIZER;
static SimMap *maps;
static SimObject *objects;
static uint32_t last_id;

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

    if (!(flags & IOMMU_IOAS_MAP_FIXED_IOVA)) {
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
    m->writable = flags & IOMMU_IOAS_MAP_WRITEABLE;
    m->iova = iova;
    m->length = length;
    m->va = va;
    m->file_map = file_map;
    m->next = maps;
    maps = m;
    return 0;
}

static int map_file(const struct iommu_ioas_map_file *arg)
{
    void *p;
    int ret;

    /* the owner of the file does not see a private mapping */
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

static int iova_ranges(struct iommu_ioas_iova_ranges *arg)
{
    /* as on x86: all but the interrupt window, 48 bits */
    static const struct iommu_iova_range ranges[] = {
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

static int hwpt_alloc(struct iommu_hwpt_alloc *arg)
{
    SimDevice *d = device_by_id(arg->dev_id);
    SimObject *ioas = ioas_find(arg->pt_id);
    SimObject *o;

    if (!d || !ioas) {
        return -ENOENT;
    }
    if (arg->data_type ||
        arg->flags & ~(IOMMU_HWPT_ALLOC_DIRTY_TRACKING |
                       IOMMU_HWPT_ALLOC_NEST_PARENT)) {
        return -EOPNOTSUPP;
    }
    if (arg->flags & IOMMU_HWPT_ALLOC_DIRTY_TRACKING && !iommu_log(d)) {
        return -EOPNOTSUPP;
    }
    o = object_new();
    if (!o) {
        return -ENOMEM;
    }
    o->is_hwpt = true;
    o->ioas = ioas->id;
    o->dirty_tracking = arg->flags & IOMMU_HWPT_ALLOC_DIRTY_TRACKING;
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

static int hw_info(struct iommu_hw_info *arg)
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
    /* what lies between the two has a name in newer headers only */
    memset((char *)arg + offsetofend(struct iommu_hw_info, out_data_type), 0,
           offsetof(struct iommu_hw_info, out_capabilities) -
           offsetofend(struct iommu_hw_info, out_data_type));
    arg->out_capabilities = iommu_log(d) ? IOMMU_HW_CAP_DIRTY_TRACKING : 0;
    return 0;
}

/* Start or stop the log of a device as its page table demands. */
static void device_follow_hwpt(SimDevice *d, bool on)
{
    static const VFIOSimRange all = { 0, UINT64_MAX };

    if (on) {
        vfio_sim_log_start(d->sim, VFIO_SIM_IOMMU_LOG, &all, 1);
    } else {
        vfio_sim_log_stop(d->sim, VFIO_SIM_IOMMU_LOG);
    }
}

static void kept_add(void *opaque, uint64_t iova)
{
    SimObject *o = opaque;

    if (o->nr_kept == o->max_kept) {
        size_t max = o->max_kept ? 2 * o->max_kept : 1024;
        uint64_t *kept = realloc(o->kept, max * sizeof(*kept));

        if (!kept) {
            fatal("out of memory");
        }
        o->kept = kept;
        o->max_kept = max;
    }
    o->kept[o->nr_kept++] = iova;
}

static int hwpt_set_dirty(const struct iommu_hwpt_set_dirty_tracking *arg)
{
    bool on = arg->flags & IOMMU_HWPT_DIRTY_TRACKING_ENABLE;
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

static void kept_report(SimObject *o, SimBitmap *b, bool clear)
{
    size_t i, n;

    for (i = 0, n = 0; i < o->nr_kept; i++) {
        bool inside = o->kept[i] - b->iova < b->length;

        if (inside) {
            bitmap_set(b, o->kept[i]);
        }
        if (!inside || !clear) {
            o->kept[n++] = o->kept[i];
        }
    }
    o->nr_kept = n;
}

static int hwpt_get_dirty(const struct iommu_hwpt_get_dirty_bitmap *arg)
{
    bool clear = !(arg->flags & IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR);
    SimBitmap b = {
        arg->iova, arg->length, arg->page_size,
        (uint64_t *)(uintptr_t)arg->data
    };
    unsigned int i;
    SimObject *o;
    int ret = 0;

    if (arg->size < sizeof(*arg) || bitmap_check(&b)) {
        return -EINVAL;
    }
    pthread_mutex_lock(&iommu_lock);
    o = object_find(arg->hwpt_id);
    if (!o || !o->is_hwpt) {
        ret = -ENOENT;
    } else if (!o->tracking_on) {
        ret = -EINVAL;
    } else {
        kept_report(o, &b, clear);
    }
    pthread_mutex_unlock(&iommu_lock);

    for (i = 0; !ret && i < nr_devices; i++) {
        SimDevice *d = devices[i];

        pthread_mutex_lock(&d->lock);
        if (d->hwpt == arg->hwpt_id) {
            ret = log_report(d, VFIO_SIM_IOMMU_LOG, &b, clear);
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
    case IOMMU_IOAS_ALLOC: {
        struct iommu_ioas_alloc *a = arg;
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
    case IOMMU_DESTROY: {
        struct iommu_destroy *a = arg;

        NEED(*a);
        return object_destroy(a->id);
    }
    case IOMMU_IOAS_IOVA_RANGES:
        NEED(struct iommu_ioas_iova_ranges);
        return iova_ranges(arg);
    case IOMMU_IOAS_MAP: {
        struct iommu_ioas_map *a = arg;

        NEED(*a);
        return map_add(a->ioas_id, a->flags, a->iova, a->length,
                       (uint8_t *)(uintptr_t)a->user_va, NULL);
    }
    case IOMMU_IOAS_MAP_FILE:
        NEED(struct iommu_ioas_map_file);
        return map_file(arg);
    case IOMMU_IOAS_UNMAP: {
        struct iommu_ioas_unmap *a = arg;
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
    case IOMMU_HWPT_ALLOC:
        if (size < offsetofend(struct iommu_hwpt_alloc, data_uptr)) {
            return -EINVAL;
        }
        return hwpt_alloc(arg);
    case IOMMU_GET_HW_INFO:
        NEED(struct iommu_hw_info);
        return hw_info(arg);
    case IOMMU_IOAS_CHANGE_PROCESS:
        return change_process ? 0 : -ENOTTY;
    default:
        return -ENOTTY;
    }
}

int iommu_ioctl(uint32_t request, void *arg)
{
    int ret;

    if (request == IOMMU_HWPT_SET_DIRTY_TRACKING) {
        return hwpt_set_dirty(arg);
    }
    if (request == IOMMU_HWPT_GET_DIRTY_BITMAP) {
        return hwpt_get_dirty(arg);
    }
    pthread_mutex_lock(&iommu_lock);
    ret = iommu_locked(request, arg);
    pthread_mutex_unlock(&iommu_lock);
    return ret;
}

int iommu_bind(SimDevice *d, uint32_t *id)
{
    int ret = 0;

    pthread_mutex_lock(&iommu_lock);
    if (d->bound) {
        ret = -EINVAL;
    } else {
        d->bound = true;
        d->id = ++last_id;
        *id = d->id;
    }
    pthread_mutex_unlock(&iommu_lock);
    return ret;
}

/* Called with both locks held */
static void detach(SimDevice *d)
{
    if (d->hwpt) {
        /*
         * It is the page table that keeps what was not reported yet, also
         * when the device goes.
         */
        vfio_sim_log_each(d->sim, VFIO_SIM_IOMMU_LOG, kept_add,
                          object_find(d->hwpt));
    }
    d->ioas = 0;
    d->hwpt = 0;
    device_follow_hwpt(d, false);
}

int iommu_attach(SimDevice *d, uint32_t pt_id)
{
    bool tracking = false;
    SimObject *o;
    int ret = 0;

    pthread_mutex_lock(&iommu_lock);
    o = object_find(pt_id);
    if (!o) {
        ret = -ENOENT;
    } else if (o->dirty_tracking && !iommu_log(d)) {
        /* the page table enforces what this device's IOMMU cannot do */
        ret = -EINVAL;
    } else {
        detach(d);
        d->ioas = o->ioas;
        d->hwpt = o->is_hwpt ? o->id : 0;
        tracking = o->tracking_on;
    }
    pthread_mutex_unlock(&iommu_lock);
    if (!ret) {
        device_follow_hwpt(d, tracking);
    }
    return ret;
}

void iommu_detach(SimDevice *d)
{
    pthread_mutex_lock(&iommu_lock);
    detach(d);
    pthread_mutex_unlock(&iommu_lock);
}

void iommu_unbind(SimDevice *d)
{
    pthread_mutex_lock(&iommu_lock);
    detach(d);
    d->bound = false;
    pthread_mutex_unlock(&iommu_lock);
}

uint8_t *iommu_map_page(SimDevice *d, uint64_t iova, bool write)
{
    SimMap *m;

    if (!d->ioas) {
        return NULL;
    }
    pthread_mutex_lock(&iommu_lock);
    for (m = maps; m; m = m->next) {
        if (m->ioas == d->ioas && iova - m->iova < m->length &&
            m->length - (iova - m->iova) >= VFIO_SIM_PAGE &&
            (m->writable || !write)) {
            return m->va + (iova - m->iova);
        }
    }
    pthread_mutex_unlock(&iommu_lock);
    return NULL;
}

void iommu_unmap_page(void)
{
    pthread_mutex_unlock(&iommu_lock);
}
