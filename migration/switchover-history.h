/*
 * What happened in a migration so far, as far as its decisions rest on it
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef MIGRATION_SWITCHOVER_HISTORY_H
#define MIGRATION_SWITCHOVER_HISTORY_H

#include "migration/pending.h"

/**
 * MigReason: what stands between a migration and its switchover
 *
 * @MIG_REASON_FIRST_PASS: the first pass over all data
 * @MIG_REASON_PROGRESS: what is left shrinks
 * @MIG_REASON_DIRTY_RATE: the guest dirties RAM as fast as it is sent
 * @MIG_REASON_BANDWIDTH: the bandwidth is not known
 * @MIG_REASON_DEVICE_STATE: what cannot move while the guest runs exceeds the
 *                           threshold
 * @MIG_REASON_ACK: a switchover ack is missing
 * @MIG_REASON_ROLLED_BACK: the guest runs for a while between two final checks
 * @MIG_REASON_NONE: nothing
 */
typedef enum MigReason {
    MIG_REASON_FIRST_PASS,
    MIG_REASON_PROGRESS,
    MIG_REASON_DIRTY_RATE,
    MIG_REASON_BANDWIDTH,
    MIG_REASON_DEVICE_STATE,
    MIG_REASON_ACK,
    MIG_REASON_ROLLED_BACK,
    MIG_REASON_NONE,
    MIG_REASON__MAX,
} MigReason;

/*
 * A pass is progress if less is left than this part of what was left at the
 * latest that was; a migration without progress for this long has stalled.
 */
#define MIG_STALL_PERCENT 4
#define MIG_STALL_MS 40000

/**
 * MigHistory: what happened so far
 *
 * Written by the migration thread through the functions below.  All times are
 * in ms, of one monotonic clock.
 *
 * @queries: exact queries, each of which ends a pass
 * @queries_stopped: the latest of them, made in a row while the guest did not
 *                   run
 * @query_end, @query_ms: when the latest ended, how long it took
 * @drained: since then all has moved that iterating can move, and devices have
 *           had no more data
 * @moved: since then all has moved that iterating can move, by an estimate
 * @first_pass_done: this was so at least once
 * @movable: what iterating could move, in bytes, as of the latest query that
 *           ended a pass after all had moved
 * @dirtied: those of them that are RAM
 * @settled: this is no longer less from one such pass to the next
 * @burst_start: while it waits, when RAM began to move; 0: it does not move
 * @rest_until: when RAM may move again
 * @reason, @since: of the latest decision, and when it became this one
 * @best: lowest bytes left at the end of a pass
 * @mark, @mark_time: the latest of them that was progress, and when
 * @passes_since_mark: exact queries since then
 * @probe_start: when RAM began to be sent again to measure the bandwidth; 0: it
 *               is not
 * @probe_windows: windows of the measurement by then
 * @probe_end, @probe_ms: when the latest of these probes ended, 0 if there was
 *                        none, and how long it took
 * @rolled_back: switchovers that were rolled back
 * @pause_end, @pause_ms: when the guest ran again after the latest of them, and
 *                        how long it was paused
 * @paused_ms: how long it was paused by all of them
 */
typedef struct MigHistory {
    uint64_t queries;
    uint64_t queries_stopped;
    int64_t query_end;
    uint64_t query_ms;
    bool drained;
    bool moved;
    bool first_pass_done;
    uint64_t movable;
    uint64_t dirtied;
    bool settled;
    int64_t burst_start;
    int64_t rest_until;
    MigReason reason;
    int64_t since;
    uint64_t best;
    uint64_t mark;
    int64_t mark_time;
    uint64_t passes_since_mark;
    int64_t probe_start;
    uint64_t probe_windows;
    int64_t probe_end;
    uint64_t probe_ms;
    uint64_t rolled_back;
    int64_t pause_end;
    uint64_t pause_ms;
    uint64_t paused_ms;
} MigHistory;

/* A migration begins */
void mig_history_begin(MigHistory *history, int64_t now);

/*
 * An exact query took from @start to @end, while the guest ran or not; @ram
 * bytes of its result are RAM
 */
void mig_history_queried(MigHistory *history, const MigPendingData *pending,
                         uint64_t ram, int64_t start, int64_t end,
                         bool running);

/* Nothing that iterating can move is left, and devices have no more data */
void mig_history_drained(MigHistory *history);

/*
 * Nothing that iterating can move is left by an estimate: the first pass may
 * not be done, as a device may have data that it has not reported
 */
void mig_history_moved(MigHistory *history);

struct MigDecision;

/* A decision is about to be carried out */
void mig_history_decided(MigHistory *history,
                         const struct MigDecision *decision, int64_t now);

/* A switchover was rolled back: the guest was paused from @start to @end */
void mig_history_rolled_back(MigHistory *history, int64_t start, int64_t end);

/*
 * What a switchover would have to move, in bytes: what is left, of which @ram
 * bytes are RAM, and while the migration waits, RAM that the guest dirties
 * again
 */
uint64_t mig_history_switchover_bytes(const MigHistory *history,
                                      const MigPendingData *pending,
                                      uint64_t ram);

/* Has there been no progress for so long that RAM does not converge? */
bool mig_history_stalled(const MigHistory *history, int64_t now);

#endif
