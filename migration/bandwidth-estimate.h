/*
 * Estimate of the bandwidth of a switchover
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef MIGRATION_BANDWIDTH_ESTIMATE_H
#define MIGRATION_BANDWIDTH_ESTIMATE_H

/**
 * MigBandwidthBasis: what a bandwidth rests on
 *
 * @MIG_BANDWIDTH_UNKNOWN: nothing was sent yet
 * @MIG_BANDWIDTH_BOUND: a lower bound: the source never had to wait for the
 *                       link, which may be faster
 * @MIG_BANDWIDTH_MEASURED: the source had to wait for the link
 * @MIG_BANDWIDTH_SET: avail-switchover-bandwidth
 */
typedef enum MigBandwidthBasis {
    MIG_BANDWIDTH_UNKNOWN,
    MIG_BANDWIDTH_BOUND,
    MIG_BANDWIDTH_MEASURED,
    MIG_BANDWIDTH_SET,
} MigBandwidthBasis;

/**
 * MigBandwidthCounters: what was sent up to a moment
 *
 * @us: the moment, in microseconds of a monotonic clock
 * @bytes: written to all channels so far
 * @unsent: of these, what has not left the host, in bytes; 0 if not known
 * @blocked_us: for how long the source has waited for a channel so far
 */
typedef struct MigBandwidthCounters {
    uint64_t us;
    uint64_t bytes;
    uint64_t unsent;
    uint64_t blocked_us;
} MigBandwidthCounters;

/*
 * A window has at least this length, the time in which nothing is sent by
 * intention not counted.  If the source was blocked for this part of it, it is
 * the speed of the link.  The estimate is the average of such windows over
 * this time, or since two windows have differed by this part from those before.
 */
#define MIG_BANDWIDTH_WINDOW_US 50000
#define MIG_BANDWIDTH_BLOCKED_PERCENT 50
#define MIG_BANDWIDTH_AVERAGE_US 1000000
#define MIG_BANDWIDTH_CHANGE_PERCENT 25

/* As many windows as fit into MIG_BANDWIDTH_AVERAGE_US */
#define MIG_BANDWIDTH_WINDOWS 20

typedef struct MigBandwidthWindow {
    uint64_t us;
    uint64_t bytes;
    uint64_t blocked_us;
} MigBandwidthWindow;

/**
 * MigBandwidthEstimate: estimate of the bandwidth of a switchover
 *
 * What the source sends in some time is the speed of the link only if the
 * source had to wait for the link.  Else - pages are zero, the guest is idle,
 * memory is synced - it is a lower bound, which may raise the estimate, and
 * never lowers it.  What is in the buffers of the host has not been sent.
 *
 * Used by one thread.
 *
 * @start: when the current part of the window began
 * @window: the current window, without that part
 * @busy: windows in which the link was busy, the latest one first
 * @n_busy: how many there are
 * @bound: highest lower bound since the latest of them, in bytes per second
 */
typedef struct MigBandwidthEstimate {
    MigBandwidthCounters start;
    MigBandwidthWindow window;
    MigBandwidthWindow busy[MIG_BANDWIDTH_WINDOWS];
    unsigned int n_busy;
    uint64_t bound;
} MigBandwidthEstimate;

/* Discard everything; then mig_bandwidth_estimate_begin() is needed. */
void mig_bandwidth_estimate_reset(MigBandwidthEstimate *estimate);

/* From now on the source sends what it can. */
void mig_bandwidth_estimate_begin(MigBandwidthEstimate *estimate,
                                  const MigBandwidthCounters *counters);

/*
 * Until now the source has sent what it could, since the latest call of this
 * or of mig_bandwidth_estimate_begin().
 */
void mig_bandwidth_estimate_end(MigBandwidthEstimate *estimate,
                                const MigBandwidthCounters *counters);

/**
 * mig_bandwidth_estimate_get: the estimate
 *
 * @basis: what it rests on, or NULL
 *
 * Returns bytes per second; 0 while there is no estimate.
 */
uint64_t mig_bandwidth_estimate_get(const MigBandwidthEstimate *estimate,
                                    MigBandwidthBasis *basis);

#endif
