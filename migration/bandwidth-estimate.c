/*
 * Estimate of the bandwidth of a switchover
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/host-utils.h"
#include "bandwidth.h"
#include "bandwidth-estimate.h"

void mig_bandwidth_estimate_reset(MigBandwidthEstimate *estimate)
{
    *estimate = (MigBandwidthEstimate) { };
}

void mig_bandwidth_estimate_begin(MigBandwidthEstimate *estimate,
                                  const MigBandwidthCounters *counters)
{
    estimate->start = *counters;
}

/* Average of the busy windows from @first on, for at most @us */
static uint64_t average(const MigBandwidthEstimate *estimate,
                        unsigned int first, uint64_t us)
{
    uint64_t sum_bytes = 0, sum_us = 0;
    unsigned int i;

    for (i = first; i < estimate->n_busy && sum_us < us; i++) {
        sum_bytes += estimate->busy[i].bytes;
        sum_us += estimate->busy[i].us;
    }
    return sum_us ? mig_bandwidth_rate(sum_bytes, sum_us) : 0;
}

static bool is_lower(uint64_t rate, uint64_t than)
{
    return rate < than - than / 100 * MIG_BANDWIDTH_CHANGE_PERCENT;
}

/* Do the two latest windows differ from those before, in the same way? */
static bool has_changed(const MigBandwidthEstimate *estimate)
{
    uint64_t before = average(estimate, 2, MIG_BANDWIDTH_AVERAGE_US);
    uint64_t a = average(estimate, 0, 1);
    uint64_t b = average(estimate, 1, 1);

    return estimate->n_busy > 2 &&
           ((is_lower(a, before) && is_lower(b, before)) ||
            (is_lower(before, a) && is_lower(before, b)));
}

static void add_busy(MigBandwidthEstimate *estimate,
                     const MigBandwidthWindow *window)
{
    memmove(&estimate->busy[1], &estimate->busy[0],
            sizeof(estimate->busy) - sizeof(estimate->busy[0]));
    estimate->busy[0] = *window;
    estimate->n_busy = MIN(estimate->n_busy + 1, MIG_BANDWIDTH_WINDOWS);
    if (has_changed(estimate)) {
        estimate->n_busy = 2;
    }
    estimate->bound = 0;
}

static bool is_busy(const MigBandwidthWindow *window)
{
    return window->blocked_us >=
           window->us / 100 * MIG_BANDWIDTH_BLOCKED_PERCENT;
}

static uint64_t less(uint64_t a, uint64_t b)
{
    return a - MIN(a, b);
}

void mig_bandwidth_estimate_end(MigBandwidthEstimate *estimate,
                                const MigBandwidthCounters *counters)
{
    MigBandwidthWindow *window = &estimate->window;
    uint64_t bytes = less(counters->bytes, estimate->start.bytes);
    uint64_t us = less(counters->us, estimate->start.us);

    /* Emptying a buffer that was filled before is sending, too */
    bytes = less(bytes, less(counters->unsent, estimate->start.unsent)) +
            less(estimate->start.unsent, counters->unsent);
    window->bytes += bytes;
    window->us += us;
    window->blocked_us += less(counters->blocked_us,
                               estimate->start.blocked_us);
    estimate->start = *counters;

    if (window->us < MIG_BANDWIDTH_WINDOW_US) {
        return;
    }
    if (window->bytes && is_busy(window)) {
        add_busy(estimate, window);
    } else {
        estimate->bound = MAX(estimate->bound,
                              mig_bandwidth_rate(window->bytes, window->us));
    }
    *window = (MigBandwidthWindow) { };
}

uint64_t mig_bandwidth_estimate_get(const MigBandwidthEstimate *estimate,
                                    MigBandwidthBasis *basis)
{
    const MigBandwidthWindow *window = &estimate->window;
    uint64_t busy = average(estimate, 0, MIG_BANDWIDTH_AVERAGE_US);
    uint64_t bound = estimate->bound;

    if (!busy && !bound && window->us) {
        /* A short window is better than none */
        bound = mig_bandwidth_rate(window->bytes, window->us);
    }
    if (basis) {
        *basis = busy ? MIG_BANDWIDTH_MEASURED :
                 bound ? MIG_BANDWIDTH_BOUND : MIG_BANDWIDTH_UNKNOWN;
    }
    return MAX(busy, bound);
}
