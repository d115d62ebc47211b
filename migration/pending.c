/*
 * Pending migration data: what is left to move, and when it can move
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/host-utils.h"
#include "qemu/int128.h"
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

uint64_t mig_pending_before_postcopy(const MigPendingData *pending)
{
    return add_saturating(pending->precopy_bytes, pending->stopcopy_bytes);
}

uint64_t mig_pending_total(const MigPendingData *pending)
{
    return add_saturating(mig_pending_before_postcopy(pending),
                          pending->postcopy_bytes);
}

/* Is nothing left that iterating could move? */
static bool all_moved(const MigPendingData *pending, bool postcopy_ram)
{
    return !pending->precopy_bytes &&
           !(postcopy_ram && pending->postcopy_bytes);
}

bool mig_pending_exact_due(const MigPendingData *estimate, uint64_t threshold,
                           bool postcopy_ram, bool want_postcopy)
{
    if (mig_pending_total(estimate) <= threshold) {
        return true;
    }

    if (want_postcopy && mig_pending_before_postcopy(estimate) <= threshold) {
        return true;
    }

    return all_moved(estimate, postcopy_ram);
}

/* a * b / c, rounded down, saturating; c is not 0 */
static uint64_t muldiv_saturating(uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t lo, hi;
    Int128 res;

    mulu64(&lo, &hi, a, b);
    res = int128_divu(int128_make128(lo, hi), int128_make64(c));

    return int128_gethi(res) ? UINT64_MAX : int128_getlo(res);
}

uint64_t mig_pending_within(uint64_t bandwidth, uint64_t ms)
{
    return muldiv_saturating(bandwidth, ms, 1000);
}

uint64_t mig_pending_rate(uint64_t bytes, uint64_t ms)
{
    return muldiv_saturating(bytes, 1000, ms);
}

int64_t mig_pending_to_ms(uint64_t bytes, uint64_t bandwidth)
{
    uint64_t ms;

    if (!bytes) {
        return 0;
    }
    if (!bandwidth) {
        return INT64_MAX;
    }

    ms = MIN(muldiv_saturating(bytes, 1000, bandwidth), INT64_MAX - 1);

    return mig_pending_within(bandwidth, ms) < bytes ? ms + 1 : ms;
}
