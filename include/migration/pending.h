/*
 * Pending migration data: bytes left to move, by when they can move
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef MIGRATION_PENDING_H
#define MIGRATION_PENDING_H

#include "qemu/host-utils.h"

/**
 * MigPendingData: bytes that are left to move, split by when they can move
 *
 * The three parts never overlap, and their sum is everything that is left.
 * Each part, and the sum, saturates at UINT64_MAX: a device may report any
 * value, and a wrapped sum would look like a migration that is complete.
 *
 * @precopy_bytes: can move while the guest runs on the source
 * @stopcopy_bytes: can move only while the guest is stopped
 * @postcopy_bytes: can move after the guest has started on the destination;
 *                  RAM counts here when postcopy-ram is on, although it
 *                  moves during precopy as well
 * @postcopy_only_bytes: those of @postcopy_bytes that do not move before
 * @device_ms, @parallel_ms: how long devices take at least to deliver
 *                           @stopcopy_bytes, as far as it is known how fast
 *                           they are: those that are read one after the
 *                           other, and those that are read at the same time
 */
typedef struct MigPendingData {
    uint64_t precopy_bytes;
    uint64_t stopcopy_bytes;
    uint64_t postcopy_bytes;
    uint64_t postcopy_only_bytes;
    uint64_t device_ms;
    uint64_t parallel_ms;
} MigPendingData;

/* Add @bytes to one part, saturating.  Any value is allowed. */

static inline void mig_pending_add(uint64_t *part, uint64_t bytes)
{
    if (uadd64_overflow(*part, bytes, part)) {
        *part = UINT64_MAX;
    }
}

static inline void mig_pending_add_precopy(MigPendingData *pending,
                                           uint64_t bytes)
{
    mig_pending_add(&pending->precopy_bytes, bytes);
}

static inline void mig_pending_add_stopcopy(MigPendingData *pending,
                                            uint64_t bytes)
{
    mig_pending_add(&pending->stopcopy_bytes, bytes);
}

static inline void mig_pending_add_postcopy(MigPendingData *pending,
                                            uint64_t bytes)
{
    mig_pending_add(&pending->postcopy_bytes, bytes);
}

static inline void mig_pending_add_postcopy_only(MigPendingData *pending,
                                                 uint64_t bytes)
{
    mig_pending_add(&pending->postcopy_bytes, bytes);
    mig_pending_add(&pending->postcopy_only_bytes, bytes);
}

/* A device takes @ms to deliver its stopcopy bytes. */
static inline void mig_pending_add_device_ms(MigPendingData *pending,
                                             uint64_t ms, bool parallel)
{
    if (!parallel) {
        mig_pending_add(&pending->device_ms, ms);
    } else if (pending->parallel_ms < ms) {
        pending->parallel_ms = ms;
    }
}

/* How long devices take at least to deliver the stopcopy bytes */
static inline uint64_t mig_pending_device_ms(const MigPendingData *pending)
{
    return pending->device_ms > pending->parallel_ms ? pending->device_ms :
                                                       pending->parallel_ms;
}

/* What does not move while the guest runs on the source, in bytes. */
static inline uint64_t mig_pending_fixed(const MigPendingData *pending)
{
    uint64_t bytes = pending->stopcopy_bytes;

    mig_pending_add(&bytes, pending->postcopy_only_bytes);
    return bytes;
}

/*
 * What must have moved before the guest may start on the destination when
 * the migration goes to postcopy, in bytes.
 */
static inline uint64_t
mig_pending_before_postcopy(const MigPendingData *pending)
{
    uint64_t bytes = pending->precopy_bytes;

    mig_pending_add(&bytes, pending->stopcopy_bytes);
    return bytes;
}

/* Everything that is left, in bytes. */
static inline uint64_t mig_pending_total(const MigPendingData *pending)
{
    uint64_t bytes = mig_pending_before_postcopy(pending);

    mig_pending_add(&bytes, pending->postcopy_bytes);
    return bytes;
}

#endif
