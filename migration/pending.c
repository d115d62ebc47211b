/*
 * Pending migration data: bytes left to move, by when they can move
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/host-utils.h"
#include "migration/pending.h"

static uint64_t add_saturating(uint64_t a, uint64_t b)
{
    uint64_t sum;

    return uadd64_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

void mig_pending_add_precopy(MigPendingData *pending, uint64_t bytes)
{
    pending->precopy_bytes = add_saturating(pending->precopy_bytes, bytes);
}

void mig_pending_add_stopcopy(MigPendingData *pending, uint64_t bytes)
{
    pending->stopcopy_bytes = add_saturating(pending->stopcopy_bytes, bytes);
}

void mig_pending_add_postcopy(MigPendingData *pending, uint64_t bytes)
{
    pending->postcopy_bytes = add_saturating(pending->postcopy_bytes, bytes);
}

void mig_pending_add_postcopy_only(MigPendingData *pending, uint64_t bytes)
{
    mig_pending_add_postcopy(pending, bytes);
    pending->postcopy_only_bytes =
        add_saturating(pending->postcopy_only_bytes, bytes);
}

uint64_t mig_pending_fixed(const MigPendingData *pending)
{
    return add_saturating(pending->stopcopy_bytes,
                          pending->postcopy_only_bytes);
}

uint64_t mig_pending_before_postcopy(const MigPendingData *pending)
{
    return add_saturating(pending->precopy_bytes, pending->stopcopy_bytes);
}

uint64_t mig_pending_total(const MigPendingData *pending)
{
    return add_saturating(mig_pending_before_postcopy(pending),
                          pending->postcopy_bytes);
}
