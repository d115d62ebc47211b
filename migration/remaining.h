/*
 * Remaining bytes of the system, published for query-migrate
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef MIGRATION_REMAINING_H
#define MIGRATION_REMAINING_H

#include "qemu/stats64.h"
#include "migration/pending.h"

/**
 * MigRemaining: remaining bytes of the system, as of the last query
 *
 * Published by the migration thread, read by any thread at any time without
 * a lock and without a call into a device.
 *
 * @bytes: sum of all pending data of the system
 * @known: @bytes was published since the last reset
 */
typedef struct MigRemaining {
    Stat64 bytes;
    bool known;
} MigRemaining;

/* Discard what was published.  Not while a migration thread runs. */
void mig_remaining_reset(MigRemaining *remaining);

/* Publish the result of a query.  Migration thread. */
void mig_remaining_publish(MigRemaining *remaining,
                           const MigPendingData *pending);

/**
 * mig_remaining_get: the bytes that were last published (any thread)
 *
 * @remaining: where they were published
 * @bytes: set only when true is returned
 *
 * Returns false when nothing has been published yet.
 */
bool mig_remaining_get(const MigRemaining *remaining, uint64_t *bytes);

/**
 * mig_expected_downtime: time to move the remaining bytes
 *
 * @known: result of mig_remaining_get()
 * @bytes: bytes that it set
 * @bandwidth: bytes per second, 0 if not known
 * @downtime_limit: ms
 *
 * Returns ms, rounded up, INT64_MAX at most.  While the remaining bytes or the
 * bandwidth are not known, @downtime_limit.
 */
int64_t mig_expected_downtime(bool known, uint64_t bytes, uint64_t bandwidth,
                              uint64_t downtime_limit);

#endif
