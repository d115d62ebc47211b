/*
 * Estimate of the bandwidth of a switchover
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef MIGRATION_BANDWIDTH_ESTIMATE_H
#define MIGRATION_BANDWIDTH_ESTIMATE_H

#include "qemu/stats64.h"

/**
 * MigBandwidthEstimate: estimate of the bandwidth of a switchover
 *
 * Computed from windows of time in which the source sent data.  A window in
 * which the source had data to send all the time is taken as the speed of the
 * link.  One in which it ran out of data gives only a lower bound, and never
 * lowers the estimate: else the estimate would collapse as soon as the guest is
 * idle, although the link is as fast as before.
 *
 * Updated by the migration thread alone, read by any thread without a lock.
 *
 * @bytes_per_second: the estimate, 0 while there is none
 * @ran_dry: in this window the source ran out of data (migration thread)
 */
typedef struct MigBandwidthEstimate {
    Stat64 bytes_per_second;
    bool ran_dry;
} MigBandwidthEstimate;

/* Discard all windows.  Not while a migration thread runs. */
void mig_bandwidth_estimate_reset(MigBandwidthEstimate *estimate);

/* The source has run out of data to send.  Migration thread. */
void mig_bandwidth_estimate_ran_dry(MigBandwidthEstimate *estimate);

/**
 * mig_bandwidth_estimate_update: a window ends, the next one begins
 *
 * Migration thread.
 *
 * @estimate: the estimate
 * @bytes: bytes sent in the window, on all channels
 * @ms: length of the window, in ms
 *
 * If either is 0 the estimate does not change: a link that stalls for a
 * moment does not make its bandwidth unknown.
 */
void mig_bandwidth_estimate_update(MigBandwidthEstimate *estimate,
                                   uint64_t bytes, uint64_t ms);

/* The estimate in bytes per second, 0 while there is none.  Any thread. */
uint64_t mig_bandwidth_estimate_get(const MigBandwidthEstimate *estimate);

#endif
