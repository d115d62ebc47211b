/*
 * What a migration has left, and why it does not switch over, for query-migrate
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef MIGRATION_REMAINING_H
#define MIGRATION_REMAINING_H

#include "qemu/thread.h"
#include "switchover-history.h"

/**
 * MigReport: one consistent state of a migration
 *
 * @remaining: bytes left in the whole system
 * @ram_remaining: those of RAM; the others are left in devices
 * @fixed: bytes that do not move while the guest runs
 * @to_send: bytes that a switchover now would have to send
 * @bandwidth_measured: the estimate of the bandwidth is the speed of the link,
 *                      and not a lower bound
 * @acks_missing: switchover acks without an answer
 * @reason, @since: what stands in the way of the switchover, and since when
 * @best: lowest @remaining at the end of a pass, UINT64_MAX before the first
 * @passes_since_mark: passes without progress
 */
typedef struct MigReport {
    uint64_t remaining;
    uint64_t ram_remaining;
    uint64_t fixed;
    uint64_t to_send;
    bool bandwidth_measured;
    uint64_t acks_missing;
    MigReason reason;
    int64_t since;
    uint64_t best;
    uint64_t passes_since_mark;
} MigReport;

/**
 * MigRemaining: a report that is published
 *
 * Published by the migration thread, read by any thread at any time; a lock is
 * held while one of them copies it.  No reader calls into a device.
 */
typedef struct MigRemaining {
    QemuSpin lock;
    bool known;
    MigReport report;
} MigRemaining;

/* Discard what was published.  Not while a migration thread runs. */
void mig_remaining_reset(MigRemaining *remaining);

/* Publish a report.  Migration thread. */
void mig_remaining_publish(MigRemaining *remaining, const MigReport *report);

/**
 * mig_remaining_get: the report that was last published (any thread)
 *
 * @remaining: where it was published
 * @report: set only when true is returned
 *
 * Returns false when nothing has been published yet.
 */
bool mig_remaining_get(MigRemaining *remaining, MigReport *report);

/**
 * mig_expected_downtime: how long the guest would be stopped
 *
 * @report: what is left; NULL if it is not known
 * @bandwidth: bytes per second, 0 if not known
 * @downtime_limit: ms
 *
 * In the first pass no guest is stopped, and later passes will send RAM until
 * what is left fits into the limit: only what does not move while the guest
 * runs can take longer.
 *
 * Returns ms, rounded up, INT64_MAX at most.  While the remaining bytes or the
 * bandwidth are not known, @downtime_limit.
 */
int64_t mig_expected_downtime(const MigReport *report, uint64_t bandwidth,
                              uint64_t downtime_limit);

#endif
