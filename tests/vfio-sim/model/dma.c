/*
 * DMA, and the logs of the pages that it writes
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "internal.h"

/* DMA that was not done for lack of time is forgotten after this */
#define DMA_BACKLOG_NS  100000000ull
/* Pages that the device writes before others may have the lock */
#define DMA_BATCH       64

void vfio_sim_window_free(VFIOSim *s, VFIOSimWindow *w)
{
    if (w->count) {
        s->hooks.free(s->opaque, w->count, w->pages * sizeof(*w->count));
    }
    memset(w, 0, sizeof(*w));
}

int vfio_sim_window_alloc(VFIOSim *s, VFIOSimWindow *w, uint64_t base,
                          uint64_t pages, uint64_t seed)
{
    w->count = s->hooks.alloc(s->opaque, pages * sizeof(*w->count));
    if (!w->count) {
        return -ENOMEM;
    }
    w->base = base;
    w->pages = pages;
    w->seed = seed;
    return 0;
}

static size_t log_size(const VFIOSimWindow *w)
{
    return (w->pages + 63) / 64 * 8;
}

void vfio_sim_dma_free(VFIOSim *s)
{
    unsigned int i;

    for (i = 0; i < VFIO_SIM_LOGS; i++) {
        if (s->log[i].bits) {
            s->hooks.free(s->opaque, s->log[i].bits, log_size(&s->dma));
            s->log[i].bits = NULL;
        }
    }
    vfio_sim_window_free(s, &s->dma);
    s->dma_written = false;
}

static int dma_logs_alloc(VFIOSim *s)
{
    unsigned int i;

    for (i = 0; i < VFIO_SIM_LOGS; i++) {
        s->log[i].bits = s->hooks.alloc(s->opaque, log_size(&s->dma));
        if (!s->log[i].bits) {
            vfio_sim_dma_free(s);
            return -ENOMEM;
        }
    }
    return 0;
}

int vfio_sim_dma_setup(VFIOSim *s, uint64_t now)
{
    uint64_t pages = s->cfg.dma_size / VFIO_SIM_PAGE;
    int ret;

    s->dma_since = now;
    if (s->dma.count) {
        if (s->dma.base == s->cfg.dma_base && s->dma.pages == pages) {
            return 0;
        }
        vfio_sim_dma_free(s);
    }
    if (!s->cfg.dma_rate) {
        return 0;
    }
    ret = vfio_sim_window_alloc(s, &s->dma, s->cfg.dma_base, pages,
                                vfio_sim_random(s));
    return ret ? ret : dma_logs_alloc(s);
}

/* Continue with the window of the stream, so that it can be migrated again. */
static void dma_adopt(VFIOSim *s)
{
    if (s->rx_dma.base != s->cfg.dma_base ||
        s->rx_dma.pages != s->cfg.dma_size / VFIO_SIM_PAGE ||
        is_logging(s)) {
        return;
    }
    vfio_sim_dma_free(s);
    s->dma = s->rx_dma;
    memset(&s->rx_dma, 0, sizeof(s->rx_dma));
    if (dma_logs_alloc(s) == 0) {
        s->dma_written = true;
    }
}

bool vfio_sim_dma_running(const VFIOSim *s)
{
    /* All DMA stops in the P2P states: the device has no other kind of stop */
    return s->cfg.dma_rate && s->dma.count &&
           (s->state == VFIO_SIM_RUNNING || s->state == VFIO_SIM_PRE_COPY);
}

bool vfio_sim_dma_next(VFIOSim *s, uint64_t now, uint64_t *iova)
{
    if (!vfio_sim_dma_running(s) || now < s->dma_since) {
        s->dma_since = now;
        return false;
    }
    if (now - s->dma_since > DMA_BACKLOG_NS) {
        s->dma_since = now - DMA_BACKLOG_NS;
    }
    if (vfio_sim_rate_bytes(s->cfg.dma_rate, now - s->dma_since) <
        VFIO_SIM_PAGE) {
        return false;
    }
    *iova = s->dma.base + vfio_sim_random(s) % s->dma.pages * VFIO_SIM_PAGE;
    s->dma_since += vfio_sim_rate_ns(s->cfg.dma_rate, VFIO_SIM_PAGE);
    return true;
}

uint64_t vfio_sim_dma_stream_size(const VFIOSim *s)
{
    uint64_t full = s->dma.pages / VFIO_SIM_DMA_PER_FRAME;
    uint64_t rest = s->dma.pages % VFIO_SIM_DMA_PER_FRAME;

    if (!s->dma_written) {
        return 0;
    }
    return full * dma_frame_size(VFIO_SIM_DMA_PER_FRAME) +
           (rest ? dma_frame_size(rest) : 0);
}

static uint64_t page_seed(const VFIOSimWindow *w, uint64_t iova, uint32_t n)
{
    return vfio_sim_mix(vfio_sim_mix(w->seed, iova), n);
}

void vfio_sim_dma_fill(VFIOSim *s, uint64_t iova, void *page)
{
    uint32_t n = s->dma.count[(iova - s->dma.base) / VFIO_SIM_PAGE] + 1;

    vfio_sim_pattern_fill(page, page_seed(&s->dma, iova, n), VFIO_SIM_PAGE / 8);
}

static bool log_covers(const VFIOSimLog *log, uint64_t iova)
{
    uint32_t i;

    if (!log->on) {
        return false;
    }
    for (i = 0; i < log->nr_ranges; i++) {
        if (iova - log->ranges[i].iova < log->ranges[i].length) {
            return true;
        }
    }
    return false;
}

void vfio_sim_dma_done(VFIOSim *s, uint64_t iova, bool written)
{
    uint64_t i = (iova - s->dma.base) / VFIO_SIM_PAGE;
    unsigned int l;

    if (!written) {
        s->stats.dma_unmapped++;
        return;
    }
    s->dma.count[i]++;
    s->dma_written = true;
    s->stats.dma_pages_written++;
    s->dma_writes++;
    if (s->cfg.drop_log_every && s->dma_writes % s->cfg.drop_log_every == 0) {
        s->stats.faults++;
        return;
    }
    for (l = 0; l < VFIO_SIM_LOGS; l++) {
        if (log_covers(&s->log[l], iova)) {
            s->log[l].bits[i / 64] |= 1ull << (i % 64);
        }
    }
}

bool vfio_sim_dma_expected(const VFIOSimWindow *w, uint64_t i, uint64_t *iova)
{
    *iova = w->base + i * VFIO_SIM_PAGE;
    return w->count[i] != 0;
}

bool vfio_sim_dma_check(const VFIOSimWindow *w, uint64_t i, const void *page)
{
    uint64_t iova = w->base + i * VFIO_SIM_PAGE;

    return vfio_sim_pattern_check(page, page_seed(w, iova, w->count[i]),
                         VFIO_SIM_PAGE / 8);
}

bool vfio_sim_dma_run(VFIOSim *s, bool *more)
{
    unsigned int n;
    uint64_t iova;

    for (n = 0; n < DMA_BATCH &&
                vfio_sim_dma_next(s, s->hooks.now(s->opaque), &iova); n++) {
        void *page = s->hooks.dma_map(s->opaque, iova, true);

        if (page) {
            vfio_sim_dma_fill(s, iova, page);
        }
        vfio_sim_dma_done(s, iova, page && s->hooks.dma_unmap(s->opaque, iova,
                                                              page, true));
    }
    *more = n == DMA_BATCH;
    return vfio_sim_dma_running(s);
}

void vfio_sim_dma_verify(VFIOSim *s)
{
    const VFIOSimWindow *w = &s->rx_dma;
    bool noted = false;
    uint64_t i, iova;

    for (i = 0; i < w->pages; i++) {
        void *page;
        bool good;

        if (!vfio_sim_dma_expected(w, i, &iova)) {
            continue;
        }
        page = s->hooks.dma_map(s->opaque, iova, false);
        good = page && vfio_sim_dma_check(w, i, page);
        if (page) {
            s->hooks.dma_unmap(s->opaque, iova, page, false);
        }
        if (good) {
            s->stats.dma_verified++;
            continue;
        }
        s->stats.dma_mismatched++;
        if (!noted) {
            char text[128];

            snprintf(text, sizeof(text),
                     "guest memory at 0x%llx is not what DMA wrote",
                     (unsigned long long)iova);
            s->hooks.note(s->opaque, text);
            noted = true;
        }
    }
    vfio_sim_dma_verified(s);
}

void vfio_sim_dma_verified(VFIOSim *s)
{
    s->rx_verify = false;
    dma_adopt(s);
    vfio_sim_window_free(s, &s->rx_dma);
}

int vfio_sim_log_start(VFIOSim *s, unsigned int log,
                       const VFIOSimRange *ranges, uint32_t nr_ranges)
{
    VFIOSimLog *l = &s->log[log];
    int ret;

    if (nr_ranges > VFIO_SIM_RANGES) {
        return -E2BIG;
    }
    if (l->on || !nr_ranges) {
        return -EINVAL;
    }
    ret = vfio_sim_fail_call(s, VFIO_SIM_CALL_LOG_START);
    if (ret) {
        return ret;
    }
    memcpy(l->ranges, ranges, nr_ranges * sizeof(*ranges));
    l->nr_ranges = nr_ranges;
    l->on = true;
    if (l->bits) {
        memset(l->bits, 0, log_size(&s->dma));
    }
    return 0;
}

int vfio_sim_log_stop(VFIOSim *s, unsigned int log)
{
    int ret;

    if (!s->log[log].on) {
        return -EINVAL;
    }
    ret = vfio_sim_fail_call(s, VFIO_SIM_CALL_LOG_STOP);
    if (ret) {
        return ret;
    }
    s->log[log].on = false;
    return 0;
}

/* Call @fn for each page in a range, and remove it from the bits @clear. */
static uint64_t log_walk(const VFIOSim *s, const VFIOSimLog *l, uint64_t iova,
                         uint64_t length, uint64_t *clear,
                         void (*fn)(void *opaque, uint64_t iova), void *opaque)
{
    uint64_t found = 0;
    uint64_t i, bits;

    for (i = 0; l->bits && i < s->dma.pages; i++) {
        uint64_t page = s->dma.base + i * VFIO_SIM_PAGE;

        bits = l->bits[i / 64];
        if (!bits) {
            i |= 63;
            continue;
        }
        if (!(bits >> (i % 64) & 1) || page - iova >= length) {
            continue;
        }
        fn(opaque, page);
        found++;
        if (clear) {
            clear[i / 64] &= ~(1ull << (i % 64));
        }
    }
    return found;
}

int vfio_sim_log_report(VFIOSim *s, unsigned int log, uint64_t iova,
                        uint64_t length, bool clear,
                        void (*fn)(void *opaque, uint64_t iova), void *opaque)
{
    VFIOSimLog *l = &s->log[log];
    int ret;

    if (!l->on) {
        return -EINVAL;
    }
    ret = vfio_sim_fail_call(s, VFIO_SIM_CALL_LOG_REPORT);
    if (ret) {
        return ret;
    }
    s->stats.log_reports++;
    s->stats.log_pages += log_walk(s, l, iova, length, clear ? l->bits : NULL,
                                   fn, opaque);
    return 0;
}

void vfio_sim_log_each(const VFIOSim *s, unsigned int log,
                       void (*fn)(void *opaque, uint64_t iova), void *opaque)
{
    if (s->log[log].on) {
        log_walk(s, &s->log[log], 0, UINT64_MAX, NULL, fn, opaque);
    }
}
