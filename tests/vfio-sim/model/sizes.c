/*
 * The sizes that are left, and what the queries report of them
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "internal.h"

/* Dirty data appears in pieces of this size */
#define DIRTY_UNIT      4096u
/* The most initial data that re-initialisations can add up to */
#define INITIAL_MAX     (1ull << 62)
/* A size that is reported to be growing grows by this at least */
#define GROW_MIN        65536ull

/*
 * Re-initialise: new initial data, and dirty data starts again at 0.
 * The rest of a dirty frame that is being read has to be read first, so that
 * it becomes a part of the initial data.
 */
void vfio_sim_reinit(VFIOSim *s, uint64_t now)
{
    if (s->reinits_to_skip) {
        s->reinits_to_skip--;
        return;
    }
    if (s->cfg.reinit_count) {
        if (!s->reinits_left) {
            return;
        }
        s->reinits_left--;
    }
    s->left[VFIO_SIM_INITIAL] = min64(s->left[VFIO_SIM_INITIAL] +
                                      round_unit(s->cfg.reinit_bytes),
                                      INITIAL_MAX);
    s->left[VFIO_SIM_DIRTY] = 0;
    s->frame.subsumed |= s->frame.kind == VFIO_SIM_DIRTY;
    s->dirty_since = now;
    s->reinit_shown = true;
    /* no flag without the data that it is about */
    s->precopy_cache.valid = false;
    s->stats.reinits++;
}

void vfio_sim_dirty_tick(VFIOSim *s, uint64_t now)
{
    uint64_t bytes, room;

    if (!is_precopy(s->state) || now < s->dirty_since) {
        s->dirty_since = now;
        return;
    }
    bytes = vfio_sim_rate_bytes(s->cfg.dirty_rate, now - s->dirty_since);
    bytes -= bytes % DIRTY_UNIT;
    if (!bytes) {
        return;
    }
    room = sub_sat(s->cfg.dirty_ceiling, s->left[VFIO_SIM_DIRTY] +
                                         in_flight(s, VFIO_SIM_DIRTY));
    room -= room % VFIO_SIM_UNIT;
    if (bytes >= room) {
        s->left[VFIO_SIM_DIRTY] += room;
        s->dirty_since = now;
        return;
    }
    s->left[VFIO_SIM_DIRTY] += bytes;
    s->dirty_since += vfio_sim_rate_ns(s->cfg.dirty_rate, bytes);
}

/* The device has to be read again, from its beginning to its end. */
static void refill_tick(VFIOSim *s, uint64_t now)
{
    uint64_t period = s->cfg.dirty_refill_every * NS_PER_MS;

    if (!period || !is_precopy(s->state) || now < s->refill_due ||
        initial_left(s) || s->left[VFIO_SIM_DIRTY] ||
        in_flight(s, VFIO_SIM_DIRTY)) {
        return;
    }
    s->left[VFIO_SIM_DIRTY] = round_unit(s->cfg.initial_bytes) +
                              round_unit(s->cfg.dirty_bytes);
    s->refill_due = now + period;
}

/* Let time pass: dirty data appears, and a re-initialisation may be due. */
void vfio_sim_tick(VFIOSim *s, uint64_t now)
{
    uint64_t period = s->cfg.reinit_every * NS_PER_MS;

    vfio_sim_dirty_tick(s, now);
    refill_tick(s, now);
    if (s->state == VFIO_SIM_PRE_COPY && period && now >= s->reinit_due) {
        s->reinit_due += ((now - s->reinit_due) / period + 1) * period;
        vfio_sim_reinit(s, now);
    }
}

void vfio_sim_sizes(VFIOSim *s, uint64_t now, uint64_t *initial,
                    uint64_t *dirty, uint64_t *stop)
{
    uint64_t least = VFIO_SIM_END_SIZE + vfio_sim_dma_stream_size(s);
    int i;

    vfio_sim_tick(s, now);
    *initial = round_unit(s->cfg.initial_bytes);
    *dirty = round_unit(s->cfg.dirty_bytes);
    *stop = round_unit(s->cfg.stop_bytes);
    if (*stop < least) {
        *stop = least;
    }
    if (is_saving(s->state)) {
        *initial = initial_left(s);
        *dirty = s->left[VFIO_SIM_DIRTY] + in_flight(s, VFIO_SIM_DIRTY);
    }
    if (s->state == VFIO_SIM_STOP_COPY) {
        *stop = 0;
        for (i = VFIO_SIM_STOPPED; i < VFIO_SIM_KINDS; i++) {
            *stop += s->left[i] + in_flight(s, i);
        }
    }
}

/* Replace the sizes by older ones, if these are not too old. */
static void use_cache(VFIOSim *s, VFIOSimCache *cache, uint64_t now,
                      uint64_t *a, uint64_t *b)
{
    if (!cache->valid ||
        now - cache->since >= s->cfg.report_max_age * NS_PER_MS) {
        cache->valid = true;
        cache->since = now;
        cache->size[0] = *a;
        cache->size[1] = *b;
    }
    *a = cache->size[0];
    *b = cache->size[1];
}

static int report(VFIOSim *s, VFIOSimReport *how, uint64_t *value)
{
    uint64_t step = *value / 8 > GROW_MIN ? *value / 8 : GROW_MIN;

    switch (how->how) {
    case VFIO_SIM_REPORT_ZERO:
        *value = 0;
        return 0;
    case VFIO_SIM_REPORT_MAX:
        *value = UINT64_MAX;
        return 0;
    case VFIO_SIM_REPORT_RANDOM:
        *value = vfio_sim_random(s);
        return 0;
    case VFIO_SIM_REPORT_NUMBER:
        *value = how->number;
        return 0;
    case VFIO_SIM_REPORT_ERROR:
        s->stats.faults++;
        return -EIO;
    case VFIO_SIM_REPORT_GROWING:
    case VFIO_SIM_REPORT_SHRINKING:
        if (how->reported) {
            *value = how->how == VFIO_SIM_REPORT_GROWING ?
                     add_sat(how->number, step) : how->number / 2;
        }
        how->reported = true;
        how->number = *value;
        return 0;
    default:
        return 0;
    }
}

int vfio_sim_precopy_info(VFIOSim *s, uint32_t session, uint64_t now,
                          uint64_t *initial, uint64_t *dirty,
                          uint32_t *flags)
{
    bool v2 = vfio_sim_opted_in(s);
    uint64_t left, stop;

    s->stats.precopy_info_calls++;
    if (!session || session != s->session) {
        return -ENODEV;
    }
    if (!is_precopy(s->state)) {
        return -EINVAL;
    }
    if (s->cfg.reinit_at == VFIO_SIM_REINIT_BEFORE_QUERY &&
        s->state == VFIO_SIM_PRE_COPY_P2P) {
        vfio_sim_reinit(s, now);
    }
    vfio_sim_sizes(s, now, &left, dirty, &stop);
    *initial = left;
    if (!v2) {
        /* without the opt-in, new initial data counts as dirty */
        *initial = min64(left, s->first_left);
        *dirty = add_sat(*dirty, left - *initial);
    }
    use_cache(s, &s->precopy_cache, now, initial, dirty);
    if (report(s, &s->cfg.report_initial, initial) ||
        report(s, &s->cfg.report_dirty, dirty)) {
        return -EIO;
    }
    if (v2) {
        bool once = s->cfg.reinit_flag == VFIO_SIM_FLAG_ONCE;
        bool hidden = s->state == VFIO_SIM_PRE_COPY_P2P &&
                      !s->cfg.reinit_flag_p2p;
        bool shown = s->reinit_shown && (once || left) && !hidden;

        *flags = shown ? VFIO_SIM_INFO_REINIT : 0;
        s->stats.reinit_flags += shown;
        if (!hidden) {
            s->reinit_shown = shown && !once;
        }
    }
    s->stats.reported_initial = *initial;
    s->stats.reported_dirty = *dirty;
    if (s->cfg.reinit_at == VFIO_SIM_REINIT_AFTER_QUERY &&
        s->state == VFIO_SIM_PRE_COPY) {
        vfio_sim_reinit(s, now);
    }
    return 0;
}

int vfio_sim_data_size(VFIOSim *s, uint64_t now, uint64_t *length)
{
    uint64_t initial, dirty, stop;

    s->stats.data_size_calls++;
    vfio_sim_sizes(s, now, &initial, &dirty, &stop);
    /* All that would have to be read if the device were stopped now */
    *length = add_sat(add_sat(initial, dirty), stop);
    use_cache(s, &s->length_cache, now, length, &stop);
    if (report(s, &s->cfg.report_stop, length)) {
        return -EIO;
    }
    s->stats.reported_stop = *length;
    return 0;
}

void vfio_sim_reinit_armed(VFIOSim *s, uint64_t now)
{
    if (!is_precopy(s->state)) {
        return;
    }
    if (s->reinit_now ||
        (s->cfg.reinit_at == VFIO_SIM_REINIT_WHEN_EMPTY && !initial_left(s))) {
        s->reinit_now = false;
        vfio_sim_reinit(s, now);
    }
}
