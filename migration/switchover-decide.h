/*
 * When to switch over, when to wait, and why
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef MIGRATION_SWITCHOVER_DECIDE_H
#define MIGRATION_SWITCHOVER_DECIDE_H

#include "switchover-history.h"

/**
 * MigSituation: all that a decision rests on
 *
 * @now: ms, of the clock that MigHistory uses
 * @pending: what is left to move
 * @exact: @pending is from an exact query that was made for this decision; else
 *         it is an estimate
 * @bandwidth: of a switchover, in bytes per second, 0 if it was never measured
 * @uncertain: @bandwidth is a lower bound, or was measured long ago
 * @windows: in which the bandwidth was measured, and did not rise, so far
 * @can_probe: RAM may be sent again to measure it
 * @owed: no RAM can be sent until what a probe has sent in advance is paid
 * @downtime_limit: ms
 * @max_downtime: ms, to which the limit may be raised if the migration waits; 0
 *                if it may not
 * @running: the guest runs, or sleeps in S3
 * @postcopy_ram: postcopy can move RAM
 * @postcopy_wanted: the user requested the start of postcopy
 * @postcopy: the guest runs on the destination, or is about to
 * @acks_missing: switchover acks without an answer
 * @history: what led to this situation
 */
typedef struct MigSituation {
    int64_t now;
    MigPendingData pending;
    bool exact;
    uint64_t bandwidth;
    bool uncertain;
    uint64_t windows;
    bool can_probe;
    bool owed;
    uint64_t downtime_limit;
    uint64_t max_downtime;
    bool running;
    bool postcopy_ram;
    bool postcopy_wanted;
    bool postcopy;
    uint64_t acks_missing;
    MigHistory history;
} MigSituation;

/**
 * MigAction: what the migration thread is to do next
 *
 * @MIG_ACTION_ITERATE: iterate, then decide again
 * @MIG_ACTION_PROBE: iterate, but send only RAM that has been sent before
 * @MIG_ACTION_QUERY: make an exact query, then decide again by its result
 * @MIG_ACTION_WAIT: keep the stream alive, but send no RAM; decide again when
 *                   the time has come, or after a wake-up
 * @MIG_ACTION_START_POSTCOPY: start postcopy
 * @MIG_ACTION_SWITCHOVER: stop the guest and complete; in postcopy, complete
 */
typedef enum MigAction {
    MIG_ACTION_ITERATE,
    MIG_ACTION_PROBE,
    MIG_ACTION_QUERY,
    MIG_ACTION_WAIT,
    MIG_ACTION_START_POSTCOPY,
    MIG_ACTION_SWITCHOVER,
} MigAction;

/**
 * MigDecision: what to do, and why
 *
 * @action: what to do
 * @reason: what stands between the migration and its switchover
 * @until: MIG_ACTION_WAIT: the latest time of the next decision, 1 to
 *         MIG_WAIT_MAX_MS from now
 * @send_initial: MIG_ACTION_WAIT: not before devices have sent what is to be
 *                acknowledged
 * @running: MIG_ACTION_SWITCHOVER: it rests on a guest that runs, or on one
 *           that does not
 * @final_check: MIG_ACTION_SWITCHOVER: a request for an ack may still roll it
 *               back
 * @windows: those of the situation
 * @downtime_limit: ms, that the decision rests on: that of the situation, or
 *                  higher by permission of max_downtime
 */
typedef struct MigDecision {
    MigAction action;
    MigReason reason;
    int64_t until;
    bool send_initial;
    bool running;
    bool final_check;
    uint64_t windows;
    uint64_t downtime_limit;
} MigDecision;

/*
 * While it waits, a migration makes one exact query in this many ms.  As a
 * query stops vCPUs for the time of a dirty-bitmap sync, it is rarer where that
 * takes long, but not so rare that management regards the migration as dead.
 */
#define MIG_WAIT_MIN_MS 150
#define MIG_WAIT_MAX_MS 1000
#define MIG_WAIT_PER_QUERY_MS 50

/*
 * While it waits, RAM is sent in bursts at full speed, so that what is left is
 * near the lowest that it can be; then the link is left alone for a multiple of
 * the time that a burst took.
 */
#define MIG_BURST_MAX_MS 500
#define MIG_REST_PER_BURST_MS 40

/*
 * A guest of zero pages never keeps the link busy, so that its speed is not
 * known.  When that matters, RAM is sent again for a while, a probe: in a first
 * pass that takes longer than this, or when the migration waits; until the
 * bandwidth has not risen for some windows, or all was sent that max-bandwidth
 * allows in the longest probe; and then not for a multiple of that time.
 */
#define MIG_PROBE_FIRST_PASS_MS 200
#define MIG_PROBE_WINDOWS 3
#define MIG_PROBE_MAX_MS 1000
#define MIG_PROBE_REST_MS 30000
#define MIG_PROBE_REST_PER_MS 20

/* Between two final checks the guest runs for a multiple of the pause */
#define MIG_RUN_PER_PAUSE_MS 10

/* While the bandwidth is not known, it is measured this often */
#define MIG_WAIT_BANDWIDTH_MS 5

/* A guest that waits this long for device state is not throttled any longer */
#define MIG_UNTHROTTLE_AFTER_MS 1000

/* A migration that waited this long may use @max_downtime */
#define MIG_RAISE_AFTER_MS 1000

/**
 * mig_switchover_decide: what to do next, and why
 *
 * A pure function.  Its rules:
 *
 * - No switchover rests on an estimate, on a bandwidth that was never
 *   measured, or on more than the threshold, bandwidth * downtime_limit.
 * - The first pass over RAM is finished before a guest that runs is stopped,
 *   whatever the limit.
 * - A guest that does not run has no downtime to limit: when nothing is left
 *   that iterating can move, the migration completes.
 * - In postcopy only postcopy bytes count.
 * - Where iterating cannot bring what is left below the threshold, the
 *   migration waits.
 * - After a switchover was rolled back the guest first runs for a multiple of
 *   the time that it was paused.  When all pauses add up to the downtime limit,
 *   there is no other final check: what a device has yet to load is loaded
 *   during the downtime.
 */
MigDecision mig_switchover_decide(const MigSituation *situation);

/*
 * By how much devices that are slower than the link delay a switchover, as
 * bytes that the link could carry meanwhile; 0 if they are not, or @bandwidth
 * is 0
 */
uint64_t mig_switchover_lag(const MigPendingData *pending, uint64_t bandwidth);

/**
 * mig_switchover_limit: the downtime limit that would let it finish now
 *
 * Returns ms, rounded up, INT64_MAX while the bandwidth is not known.
 */
int64_t mig_switchover_limit(const MigSituation *situation);

/* Is it RAM that the migration is busy with, so that throttling can help? */
bool mig_reason_is_ram(MigReason reason);

#endif
