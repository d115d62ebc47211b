/*
 * When to switch over, when to wait, and why
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "bandwidth.h"
#include "switchover-decide.h"

/* Is nothing left that iterating could move? */
static bool all_moved(const MigSituation *s)
{
    return s->history.drained ||
           mig_pending_total(&s->pending) == mig_pending_fixed(&s->pending);
}

static uint64_t threshold(const MigSituation *s)
{
    return mig_bandwidth_bytes(s->bandwidth, s->downtime_limit);
}

/* When the next exact query of a migration that waits is due */
static int64_t next_query(const MigHistory *history)
{
    uint64_t ms = MIN(history->query_ms, MIG_WAIT_MAX_MS);

    ms *= MIG_WAIT_PER_QUERY_MS;
    return history->query_end + MIN(MAX(ms, MIG_WAIT_MIN_MS), MIG_WAIT_MAX_MS);
}

/* When the guest has run for long enough since the latest roll-back */
static int64_t next_final_check(const MigHistory *history)
{
    uint64_t ms = MIN(history->pause_ms, INT32_MAX);

    return history->rolled_back ?
           history->pause_end + (int64_t)ms * MIG_RUN_PER_PAUSE_MS : 0;
}

bool mig_reason_is_ram(MigReason reason)
{
    return reason == MIG_REASON_FIRST_PASS || reason == MIG_REASON_PROGRESS ||
           reason == MIG_REASON_DIRTY_RATE;
}

int64_t mig_switchover_limit(const MigSituation *s)
{
    return mig_bandwidth_ms(mig_pending_total(&s->pending), s->bandwidth);
}

/* What stands in the way, while the guest runs and precopy goes on? */
static MigReason reason_to_go_on(const MigSituation *s)
{
    uint64_t total = mig_pending_total(&s->pending);

    if (!s->history.first_pass_done) {
        return MIG_REASON_FIRST_PASS;
    }
    if (!s->bandwidth && total) {
        return MIG_REASON_BANDWIDTH;
    }
    if (mig_pending_fixed(&s->pending) > threshold(s)) {
        return MIG_REASON_DEVICE_STATE;
    }
    if (total > threshold(s)) {
        return mig_history_stalled(&s->history, s->now) ?
               MIG_REASON_DIRTY_RATE : MIG_REASON_PROGRESS;
    }
    if (s->acks_missing) {
        return MIG_REASON_ACK;
    }
    if (s->now < next_final_check(&s->history)) {
        return MIG_REASON_ROLLED_BACK;
    }
    return MIG_REASON_NONE;
}

static MigDecision act(const MigSituation *s, MigAction action,
                       MigReason reason)
{
    return (MigDecision) {
        .action = action,
        .reason = reason,
        .downtime_limit = s->downtime_limit,
    };
}

/* Only an event can help, or time */
static MigDecision wait_for(const MigSituation *s, MigReason reason)
{
    MigDecision d = act(s, MIG_ACTION_WAIT, reason);

    d.send_initial = s->acks_missing;
    d.until = next_query(&s->history);
    if (!all_moved(s) && s->history.rest_until > s->now) {
        d.until = MIN(d.until, s->history.rest_until);
    }
    if (reason == MIG_REASON_ROLLED_BACK) {
        d.until = MIN(d.until, next_final_check(&s->history));
    } else if (reason == MIG_REASON_BANDWIDTH) {
        d.until = MIN(d.until, s->now + MIG_WAIT_BANDWIDTH_MS);
    }
    d.until = MIN(MAX(d.until, s->now + 1), s->now + MIG_WAIT_MAX_MS);
    return d;
}

/* May RAM move, although something else stands in the way? */
static bool ram_may_move(const MigSituation *s, MigReason reason)
{
    if (all_moved(s)) {
        return false;
    }
    if (mig_reason_is_ram(reason) || reason == MIG_REASON_BANDWIDTH ||
        !s->history.settled) {
        return true;
    }
    return s->history.burst_start ?
           s->now - s->history.burst_start < MIG_BURST_MAX_MS :
           s->now >= s->history.rest_until;
}

/* May the limit be raised, and is this a good moment for it? */
static bool may_raise_limit(const MigSituation *s, MigReason reason)
{
    uint64_t best = s->history.best;
    int64_t limit = mig_switchover_limit(s);

    return !s->postcopy_wanted &&
           (reason == MIG_REASON_DEVICE_STATE ||
            reason == MIG_REASON_DIRTY_RATE) &&
           reason == s->history.reason &&
           s->now - s->history.since >= MIG_RAISE_AFTER_MS &&
           s->exact && !s->acks_missing &&
           (uint64_t)limit <= s->max_downtime &&
           mig_pending_total(&s->pending) <= best + best / 20 &&
           s->now >= next_final_check(&s->history);
}

static MigDecision switch_over(const MigSituation *s, uint64_t downtime_limit)
{
    MigDecision d = act(s, MIG_ACTION_SWITCHOVER, MIG_REASON_NONE);

    d.downtime_limit = downtime_limit;
    d.running = s->running;
    d.final_check = s->running && (!s->history.rolled_back ||
                                   s->history.paused_ms < downtime_limit);
    return d;
}

static MigDecision decide_running(const MigSituation *s)
{
    MigReason reason = reason_to_go_on(s);
    uint64_t before_postcopy = mig_pending_before_postcopy(&s->pending);
    bool moves = ram_may_move(s, reason);
    bool query_due = !s->exact && s->now >= next_query(&s->history);

    /* A pass is not cut short, but bursts are no passes */
    if (moves) {
        query_due &= s->history.burst_start &&
                     s->now - s->history.query_end >= MIG_WAIT_MAX_MS;
    }

    /* RAM that postcopy can move needs no first pass */
    if (s->postcopy_wanted && !s->acks_missing &&
        (s->postcopy_ram || reason != MIG_REASON_FIRST_PASS) &&
        before_postcopy <= threshold(s)) {
        return act(s, s->exact ? MIG_ACTION_START_POSTCOPY : MIG_ACTION_QUERY,
                   MIG_REASON_NONE);
    }

    switch (reason) {
    case MIG_REASON_NONE:
        return s->exact ? switch_over(s, s->downtime_limit) :
                          act(s, MIG_ACTION_QUERY, reason);

    case MIG_REASON_FIRST_PASS:
        return act(s, MIG_ACTION_ITERATE, reason);

    default:
        if (may_raise_limit(s, reason)) {
            return switch_over(s, mig_switchover_limit(s));
        }
        if (query_due) {
            return act(s, MIG_ACTION_QUERY, reason);
        }
        return moves ? act(s, MIG_ACTION_ITERATE, reason) :
                       wait_for(s, reason);
    }
}

/*
 * Nothing that is left costs downtime.  Memory that changes in spite of it (a
 * device that is not stopped) must not keep the migration from its end.
 */
static MigDecision decide_stopped(const MigSituation *s)
{
    if (!s->exact) {
        return act(s, s->postcopy_wanted || all_moved(s) ?
                      MIG_ACTION_QUERY : MIG_ACTION_ITERATE,
                   MIG_REASON_PROGRESS);
    }
    if (s->postcopy_wanted) {
        return act(s, MIG_ACTION_START_POSTCOPY, MIG_REASON_NONE);
    }
    if (all_moved(s) || s->history.queries_stopped > 1 ||
        mig_pending_total(&s->pending) <= threshold(s)) {
        return switch_over(s, s->downtime_limit);
    }
    return act(s, MIG_ACTION_ITERATE, MIG_REASON_PROGRESS);
}

MigDecision mig_switchover_decide(const MigSituation *s)
{
    if (s->postcopy) {
        return s->pending.postcopy_bytes ?
               act(s, MIG_ACTION_ITERATE, MIG_REASON_PROGRESS) :
               act(s, MIG_ACTION_SWITCHOVER, MIG_REASON_NONE);
    }

    return s->running ? decide_running(s) : decide_stopped(s);
}
