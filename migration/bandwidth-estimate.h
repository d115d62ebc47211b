/*
 * Estimate of the bandwidth of a switchover
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef MIGRATION_BANDWIDTH_ESTIMATE_H
#define MIGRATION_BANDWIDTH_ESTIMATE_H

/**
 * MigBandwidthCounters: what was sent up to a moment
 *
 * @us: the moment, in microseconds of a monotonic clock
 * @bytes: written to all channels so far
 * @unsent: of these, what the peer's host has not acknowledged, in bytes; 0 if
 *          this is not known
 * @blocked_us: for how long the source has waited for a channel so far
 * @link_us: for how long the link, and not the peer, held data back so far;
 *           @blocked_us if this is not known
 */
typedef struct MigBandwidthCounters {
    uint64_t us;
    uint64_t bytes;
    uint64_t unsent;
    uint64_t blocked_us;
    uint64_t link_us;
} MigBandwidthCounters;

/*
 * A window has at least this length, the time in which nothing is sent by
 * intention not counted.  If the source was blocked for this part of it, and by
 * the link, it is the speed of the link, unless such pauses cut it into parts
 * that are shorter than this on average: to fill a link and to drain it takes
 * time as well, and the kernel counts @link_us in ticks of up to 10 ms.  The
 * estimate is the average of such windows over this time, or since two windows
 * have differed by this part from those before.
 */
#define MIG_BANDWIDTH_WINDOW_US 50000
#define MIG_BANDWIDTH_BLOCKED_PERCENT 50
#define MIG_BANDWIDTH_PART_US 20000
#define MIG_BANDWIDTH_AVERAGE_US 1000000
#define MIG_BANDWIDTH_CHANGE_PERCENT 25

/* After this time without such a window what was measured is not certain */
#define MIG_BANDWIDTH_AGE_US 30000000

/* A period of all of the time has at least this length */
#define MIG_BANDWIDTH_TOTAL_US 100000

/* Before there is a complete one, a part of this length is used */
#define MIG_BANDWIDTH_FIRST_US 5000

/*
 * The last window of a probe may be shorter: this time, or so many bytes that
 * what a buffer has swallowed does not matter
 */
#define MIG_BANDWIDTH_PROBE_US MIG_BANDWIDTH_PART_US
#define MIG_BANDWIDTH_PROBE_BYTES (64ull << 20)

/* As many windows as fit into MIG_BANDWIDTH_AVERAGE_US */
#define MIG_BANDWIDTH_WINDOWS 20

typedef struct MigBandwidthWindow {
    uint64_t us;
    uint64_t bytes;
    uint64_t blocked_us;
    uint64_t link_us;
    uint64_t parts;
} MigBandwidthWindow;

/**
 * MigBandwidthEstimate: estimate of the bandwidth of a switchover
 *
 * What the source sends in some time is the speed of the link only if the
 * source had to wait for the link.  Else - pages are zero, the guest is idle,
 * memory is synced, a processor of either host is the limit - it is a lower
 * bound, which may raise the estimate, and never lowers it.  What the peer's
 * host has not acknowledged was not sent yet.
 *
 * What is sent in all of the time, with the time in which nothing is sent by
 * intention, is a lower bound, too.  On a link with a long round-trip time, a
 * burst may be acknowledged only in the pause after it.
 *
 * Used by one thread.
 *
 * @total: when the current period of all of the time began
 * @total_busy: a window in which the link was busy ended in it
 * @start: when the current part of the window began
 * @window: the current window, without that part
 * @busy: windows in which the link was busy, the latest one first
 * @n_busy: how many there are
 * @busy_end: when the latest of them ended, in microseconds
 * @rate: of the latest window of any kind, in bytes per second
 * @steady: windows so far that were not faster than the one before by
 *          MIG_BANDWIDTH_CHANGE_PERCENT
 * @fresh: the next window in which the link is busy replaces those before
 * @bound: highest lower bound, in bytes per second, until the link was busy in
 *         two windows after it
 * @doubts: in how many it was
 */
typedef struct MigBandwidthEstimate {
    MigBandwidthCounters total;
    bool total_busy;
    MigBandwidthCounters start;
    MigBandwidthWindow window;
    MigBandwidthWindow busy[MIG_BANDWIDTH_WINDOWS];
    unsigned int n_busy;
    uint64_t busy_end;
    uint64_t rate;
    uint64_t steady;
    bool fresh;
    uint64_t bound;
    unsigned int doubts;
} MigBandwidthEstimate;

/* Discard everything; what comes next is taken as the beginning. */
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

/*
 * From now on the source sends more than the link can take, as far as it is
 * able to: if the next window is the speed of the link, it is better evidence
 * than all before.  A window that was not complete is discarded.
 */
void mig_bandwidth_estimate_probe_begin(MigBandwidthEstimate *estimate,
                                        const MigBandwidthCounters *counters);

/* No longer.  A window that is too short for the last one is discarded. */
void mig_bandwidth_estimate_probe_end(MigBandwidthEstimate *estimate,
                                      const MigBandwidthCounters *counters);

/* Is the estimate the speed of the link?  Else it is a lower bound. */
bool mig_bandwidth_estimate_is_measured(const MigBandwidthEstimate *estimate);

/* And was it measured not long before @us? */
bool mig_bandwidth_estimate_is_certain(const MigBandwidthEstimate *estimate,
                                       uint64_t us);

/*
 * Is there an estimate of a complete window?  Until then, the more often
 * mig_bandwidth_estimate_end() is called, the sooner there is a first one.
 */
bool mig_bandwidth_estimate_complete(const MigBandwidthEstimate *estimate);

/* The estimate in bytes per second, 0 while there is none */
uint64_t mig_bandwidth_estimate_get(const MigBandwidthEstimate *estimate);

#endif
