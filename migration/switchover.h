/*
 * What a switchover would cost: bandwidth, and what query-migrate is told
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef MIGRATION_SWITCHOVER_H
#define MIGRATION_SWITCHOVER_H

#include "qemu/stats64.h"
#include "migration/pending.h"

/**
 * MigBandwidth: an estimate of the bandwidth of a switchover
 *
 * Made from windows of time in which the source sent data.  A window in
 * which the source had data to send all the time shows what the link can do.
 * One in which it ran out of data only shows what the link can do at least,
 * so it never lowers the estimate: else the estimate would collapse as soon
 * as the guest is idle, although the link is as fast as before.
 *
 * Updated by the migration thread alone, read by any thread without a lock.
 *
 * @bytes_per_second: the estimate, 0 while there is none
 * @ran_dry: in this window the source ran out of data (migration thread)
 */
typedef struct MigBandwidth {
    Stat64 bytes_per_second;
    bool ran_dry;
} MigBandwidth;

/* Forget all windows.  Not while a migration thread runs. */
void mig_bandwidth_reset(MigBandwidth *bw);

/* The source has run out of data to send.  Migration thread. */
void mig_bandwidth_ran_dry(MigBandwidth *bw);

/**
 * mig_bandwidth_update: a window ends, the next one begins (migration thread)
 *
 * @bw: the estimate
 * @bytes: what was sent in the window, on all channels
 * @ms: length of the window, in ms
 *
 * If either is 0 nothing is learned: a link that stands still for a moment
 * has not become one of which nothing is known.
 */
void mig_bandwidth_update(MigBandwidth *bw, uint64_t bytes, uint64_t ms);

/*
 * The estimate in bytes per second, 0 while there is none.  Any thread.
 */
uint64_t mig_bandwidth_get(const MigBandwidth *bw);

/**
 * MigRemaining: what the migration thread last saw of the remaining bytes
 *
 * Published by the migration thread, read by any thread at any time without
 * a lock and without asking a device.
 *
 * @bytes: sum of all pending data of the system
 * @known: @bytes was published since the last reset
 */
typedef struct MigRemaining {
    Stat64 bytes;
    bool known;
} MigRemaining;

/* Forget what was published.  Not while a migration thread runs. */
void mig_remaining_reset(MigRemaining *remaining);

/* Publish the result of a query.  Migration thread. */
void mig_remaining_publish(MigRemaining *remaining,
                           const MigPendingData *pending);

/**
 * mig_remaining_get: what was last published (any thread)
 *
 * @remaining: where it was published
 * @bytes: set only when true is returned
 *
 * Returns false when nothing has been published yet.
 */
bool mig_remaining_get(const MigRemaining *remaining, uint64_t *bytes);

/**
 * mig_expected_downtime: how long moving the remaining bytes takes
 *
 * @known: whether anything was published, as mig_remaining_get() says
 * @bytes: what was published
 * @bandwidth: bytes per second, 0 for not known
 * @downtime_limit: ms
 *
 * Returns ms, rounded up; INT64_MAX at most.  As long as either the
 * remaining bytes or the bandwidth are not known, @downtime_limit.
 */
int64_t mig_expected_downtime(bool known, uint64_t bytes, uint64_t bandwidth,
                              uint64_t downtime_limit);

#endif
