/*
 * Pending migration data: what is left to move, and when it can move
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef MIGRATION_PENDING_H
#define MIGRATION_PENDING_H

/**
 * MigPendingData: bytes that are left to move, split by when they can move
 *
 * The three parts never overlap, and their sum is everything that is left.
 * Each part, and the sum, saturates at UINT64_MAX: a device may report
 * anything, and a wrapped sum would look like a migration that is done.
 *
 * @precopy_bytes: can move while the guest runs on the source
 * @stopcopy_bytes: can move only while the guest is stopped
 * @postcopy_bytes: can move after the guest has started on the destination;
 *                  RAM counts here when postcopy-ram is on, although it
 *                  moves during precopy as well
 * @acks_missing: devices that wait for a switchover ack of the destination
 */
typedef struct MigPendingData {
    uint64_t precopy_bytes;
    uint64_t stopcopy_bytes;
    uint64_t postcopy_bytes;
    unsigned int acks_missing;
} MigPendingData;

/* Add @bytes to one part, saturating.  Any value is allowed. */
void mig_pending_add_precopy(MigPendingData *pending, uint64_t bytes);
void mig_pending_add_stopcopy(MigPendingData *pending, uint64_t bytes);
void mig_pending_add_postcopy(MigPendingData *pending, uint64_t bytes);

/* Everything that is left, in bytes. */
uint64_t mig_pending_total(const MigPendingData *pending);

/*
 * What must have moved before the guest may start on the destination when
 * the migration goes to postcopy, in bytes.
 */
uint64_t mig_pending_before_postcopy(const MigPendingData *pending);

/**
 * mig_pending_exact_due: does the estimate call for an exact query?
 *
 * It does where the estimate says that a switchover might be possible, as
 * no switchover may rest on an estimate.  It also does where nothing is left
 * that iterating could move: then only a new look at guest and devices can
 * bring the migration closer to its end, as pages may have been dirtied, or a
 * device may have less to move while stopped.
 *
 * @estimate: the result of an estimate query
 * @threshold: what a switchover may cost, in bytes
 * @postcopy_ram: RAM is counted as postcopy bytes
 * @want_postcopy: postcopy was asked for, and may start
 */
bool mig_pending_exact_due(const MigPendingData *estimate, uint64_t threshold,
                           bool postcopy_ram, bool want_postcopy);

/**
 * mig_pending_to_ms: time that moving @bytes takes, in ms, rounded up
 *
 * Rounded up so that a downtime limit of the returned time admits @bytes:
 * mig_pending_within(bandwidth, mig_pending_to_ms(bytes, bandwidth)) >= bytes.
 *
 * @bytes: any number of bytes
 * @bandwidth: bytes per second
 *
 * Returns INT64_MAX when it would take longer than that, or for ever, as at
 * a bandwidth of 0 (but moving nothing takes no time).
 */
int64_t mig_pending_to_ms(uint64_t bytes, uint64_t bandwidth);

/**
 * mig_pending_within: bytes that move at @bandwidth within @ms
 *
 * @bandwidth: bytes per second
 * @ms: milliseconds
 *
 * Rounded down, saturates at UINT64_MAX.
 */
uint64_t mig_pending_within(uint64_t bandwidth, uint64_t ms);

/**
 * mig_pending_rate: bandwidth at which @bytes move within @ms
 *
 * @bytes: any number of bytes
 * @ms: milliseconds, not 0
 *
 * Returns bytes per second, rounded down, saturates at UINT64_MAX.
 */
uint64_t mig_pending_rate(uint64_t bytes, uint64_t ms);

#endif
