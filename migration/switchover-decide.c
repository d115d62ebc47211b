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

uint64_t mig_switchover_lag(const MigPendingData *pending, uint64_t bandwidth)
{
    uint64_t bytes = mig_bandwidth_bytes(bandwidth,
                                         mig_pending_device_ms(pending));

    return bytes - MIN(bytes, pending->stopcopy_bytes);
}

/* @bytes, and what slow devices add, as bytes of the link */
static uint64_t with_lag(const MigSituation *s, uint64_t bytes)
{
    mig_pending_add(&bytes, mig_switchover_lag(&s->pending, s->bandwidth));
    return bytes;
}

static uint64_t total_cost(const MigSituation *s)
{
    return with_lag(s, mig_pending_total(&s->pending));
}

static uint64_t fixed_cost(const MigSituation *s)
{
    return with_lag(s, mig_pending_fixed(&s->pending));
}

int64_t mig_switchover_limit(const MigSituation *s)
{
    return mig_bandwidth_ms(total_cost(s), s->bandwidth);
}

/* Is the bandwidth not known, so that RAM is to be sent again to measure it? */
static bool probe_helps(const MigSituation *s, MigReason reason)
{
    const MigHistory *history = &s->history;
    uint64_t rest = MIN(history->probe_ms, INT32_MAX);

    if (!s->can_probe || fixed_cost(s) <= threshold(s)) {
        return false;
    }
    if (history->probe_start) {
        return s->windows - history->probe_windows < MIG_PROBE_WINDOWS &&
               s->now - history->probe_start < MIG_PROBE_MAX_MS;
    }
    if (!s->uncertain || (reason == MIG_REASON_FIRST_PASS &&
                      (history->reason != MIG_REASON_FIRST_PASS ||
                       s->now - history->since < MIG_PROBE_FIRST_PASS_MS))) {
        return false;
    }
    rest = MAX(rest * MIG_PROBE_REST_PER_MS, MIG_PROBE_REST_MS);
    return !history->probe_end || s->now - history->probe_end >= (int64_t)rest;
}

/* What stands in the way, while the guest runs and precopy goes on? */
static MigReason reason_to_go_on(const MigSituation *s)
{
    uint64_t total = total_cost(s);

    if (!s->history.first_pass_done) {
        return MIG_REASON_FIRST_PASS;
    }
    if (!s->bandwidth && total) {
        return MIG_REASON_BANDWIDTH;
    }
    if (fixed_cost(s) > threshold(s)) {
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
        .windows = s->windows,
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
           !s->owed && s->now >= s->history.rest_until;
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

    if (probe_helps(s, reason)) {
        return act(s, MIG_ACTION_PROBE, reason);
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
        total_cost(s) <= threshold(s)) {
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
