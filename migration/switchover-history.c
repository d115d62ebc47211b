/*
 * What happened in a migration so far, as far as its decisions rest on it
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "switchover-decide.h"

void mig_history_begin(MigHistory *history, int64_t now)
{
    *history = (MigHistory) {
        .reason = MIG_REASON_NONE,
        .since = now,
        .movable = UINT64_MAX,
        .best = UINT64_MAX,
        .mark = UINT64_MAX,
        .mark_time = now,
    };
}

void mig_history_queried(MigHistory *history, const MigPendingData *pending,
                         uint64_t ram, int64_t start, int64_t end,
                         bool running)
{
    uint64_t total = mig_pending_total(pending);
    uint64_t movable = total - mig_pending_fixed(pending);

    history->queries++;
    history->queries_stopped = running ? 0 : history->queries_stopped + 1;
    history->query_end = end;
    history->query_ms = MAX(end - start, 0);
    if (history->drained || history->moved) {
        history->settled = movable > history->movable -
                           history->movable / 100 * MIG_STALL_PERCENT;
        history->movable = movable;
        history->dirtied = ram;
        history->drained = false;
        history->moved = false;
    }

    history->best = MIN(history->best, total);
    if (total <= history->mark - history->mark / 100 * MIG_STALL_PERCENT) {
        history->mark = total;
        history->mark_time = end;
        history->passes_since_mark = 0;
    } else {
        history->passes_since_mark++;
    }
}

void mig_history_drained(MigHistory *history)
{
    history->drained = true;
    history->first_pass_done = true;
}

void mig_history_moved(MigHistory *history)
{
    history->moved = true;
}

void mig_history_decided(MigHistory *history, const MigDecision *decision,
                         int64_t now)
{
    bool probe = decision->action == MIG_ACTION_PROBE;

    /* RAM moves although this does not help, and is no progress either */
    bool burst = decision->action == MIG_ACTION_ITERATE &&
                 !mig_reason_is_ram(decision->reason) &&
                 decision->reason != MIG_REASON_BANDWIDTH &&
                 history->settled;

    if (history->reason != decision->reason) {
        if (mig_reason_is_ram(decision->reason) &&
            !mig_reason_is_ram(history->reason)) {
            /* What was waited for says nothing about RAM */
            history->mark_time = now;
        }
        history->reason = decision->reason;
        history->since = now;
    }

    if (probe && !history->probe_start) {
        history->probe_start = now;
        history->probe_windows = decision->windows;
    } else if (!probe && history->probe_start) {
        history->probe_end = now;
        history->probe_ms = MAX(now - history->probe_start, 1);
        history->probe_start = 0;
    }

    if (burst && !history->burst_start) {
        history->burst_start = now;
    } else if (!burst && history->burst_start) {
        history->rest_until = now + MIG_REST_PER_BURST_MS *
                                    (now - history->burst_start + 1);
        history->burst_start = 0;
    }
}

void mig_history_rolled_back(MigHistory *history, int64_t start, int64_t end)
{
    history->rolled_back++;
    history->pause_end = end;
    history->pause_ms = MAX(end - start, 1);
    history->paused_ms += history->pause_ms;
}

bool mig_history_stalled(const MigHistory *history, int64_t now)
{
    return now - history->mark_time >= MIG_STALL_MS;
}

uint64_t mig_history_switchover_bytes(const MigHistory *history,
                                      const MigPendingData *pending,
                                      uint64_t ram)
{
    uint64_t bytes = mig_pending_total(pending);

    if (history->settled && !mig_reason_is_ram(history->reason) &&
        ram < history->dirtied) {
        mig_pending_add(&bytes, history->dirtied - ram);
    }
    return bytes;
}
