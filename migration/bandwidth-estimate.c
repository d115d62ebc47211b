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
    estimate->window.parts = estimate->window.us ?
                             estimate->window.parts + 1 : 1;
    if (!estimate->total.us) {
        estimate->total = *counters;
    }
}

static void discard_window(MigBandwidthEstimate *estimate,
                           const MigBandwidthCounters *counters)
{
    estimate->window = (MigBandwidthWindow) { };
    mig_bandwidth_estimate_begin(estimate, counters);
}

void mig_bandwidth_estimate_probe_begin(MigBandwidthEstimate *estimate,
                                        const MigBandwidthCounters *counters)
{
    discard_window(estimate, counters);
    estimate->fresh = true;
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
    if (estimate->fresh) {
        estimate->n_busy = 0;
        estimate->bound = 0;
        estimate->fresh = false;
    }
    memmove(&estimate->busy[1], &estimate->busy[0],
            sizeof(estimate->busy) - sizeof(estimate->busy[0]));
    estimate->busy[0] = *window;
    estimate->n_busy = MIN(estimate->n_busy + 1, MIG_BANDWIDTH_WINDOWS);
    if (has_changed(estimate)) {
        estimate->n_busy = 2;
    }
    if (++estimate->doubts > 1) {
        estimate->bound = 0;
    }
    estimate->total_busy = true;
}

static bool is_busy(const MigBandwidthWindow *window)
{
    uint64_t blocked_us = MIN(window->blocked_us, window->link_us);

    return blocked_us >= window->us / 100 * MIG_BANDWIDTH_BLOCKED_PERCENT &&
           window->us / MIG_BANDWIDTH_PART_US >= window->parts;
}

static uint64_t less(uint64_t a, uint64_t b)
{
    return a - MIN(a, b);
}

/* What the peer has got between two moments */
static uint64_t got(const MigBandwidthCounters *from,
                    const MigBandwidthCounters *to)
{
    return less(less(to->bytes, from->bytes),
                less(to->unsent, from->unsent)) +
           less(from->unsent, to->unsent);
}

static void raise_bound(MigBandwidthEstimate *estimate, uint64_t rate)
{
    if (rate > estimate->bound) {
        estimate->bound = rate;
        estimate->doubts = 0;
    }
}

/* Count what was sent in the window, and begin another one */
static void end_window(MigBandwidthEstimate *estimate)
{
    MigBandwidthWindow *window = &estimate->window;
    uint64_t rate = mig_bandwidth_rate(window->bytes, window->us);

    if (window->bytes && is_busy(window)) {
        add_busy(estimate, window);
        estimate->busy_end = estimate->start.us;
    } else {
        raise_bound(estimate, rate);
    }
    estimate->steady += !is_lower(estimate->rate, rate);
    estimate->rate = rate;
    *window = (MigBandwidthWindow) { .parts = 1 };
}

void mig_bandwidth_estimate_probe_end(MigBandwidthEstimate *estimate,
                                      const MigBandwidthCounters *counters)
{
    const MigBandwidthWindow *window = &estimate->window;

    if (window->us >= MIG_BANDWIDTH_PROBE_US ||
        (window->us && window->bytes >= MIG_BANDWIDTH_PROBE_BYTES)) {
        end_window(estimate);
    }
    discard_window(estimate, counters);
    estimate->fresh = false;
}

void mig_bandwidth_estimate_end(MigBandwidthEstimate *estimate,
                                const MigBandwidthCounters *counters)
{
    MigBandwidthWindow *window = &estimate->window;
    uint64_t total_us = less(counters->us, estimate->total.us);

    if (!estimate->total.us) {
        mig_bandwidth_estimate_begin(estimate, counters);
        return;
    }

    window->bytes += got(&estimate->start, counters);
    window->us += less(counters->us, estimate->start.us);
    window->blocked_us += less(counters->blocked_us,
                               estimate->start.blocked_us);
    window->link_us += less(counters->link_us, estimate->start.link_us);
    estimate->start = *counters;

    if (window->us >= MIG_BANDWIDTH_WINDOW_US) {
        end_window(estimate);
    }

    if (total_us >= MIG_BANDWIDTH_TOTAL_US) {
        if (!estimate->total_busy) {
            raise_bound(estimate, mig_bandwidth_rate(
                            got(&estimate->total, counters), total_us));
        }
        estimate->total = *counters;
        estimate->total_busy = false;
    }
}

bool mig_bandwidth_estimate_is_measured(const MigBandwidthEstimate *estimate)
{
    return estimate->n_busy &&
           average(estimate, 0, MIG_BANDWIDTH_AVERAGE_US) >= estimate->bound;
}

bool mig_bandwidth_estimate_is_certain(const MigBandwidthEstimate *estimate,
                                       uint64_t us)
{
    return mig_bandwidth_estimate_is_measured(estimate) &&
           less(us, estimate->busy_end) < MIG_BANDWIDTH_AGE_US;
}

bool mig_bandwidth_estimate_complete(const MigBandwidthEstimate *estimate)
{
    return estimate->n_busy || estimate->bound;
}

uint64_t mig_bandwidth_estimate_get(const MigBandwidthEstimate *estimate)
{
    if (!mig_bandwidth_estimate_complete(estimate)) {
        uint64_t us = less(estimate->start.us, estimate->total.us);

        return us < MIG_BANDWIDTH_FIRST_US ? 0 :
               mig_bandwidth_rate(got(&estimate->total, &estimate->start), us);
    }
    return MAX(average(estimate, 0, MIG_BANDWIDTH_AVERAGE_US),
               estimate->bound);
}
