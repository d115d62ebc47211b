/*
 * Remaining bytes of the system, published for query-migrate
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "bandwidth.h"
#include "remaining.h"

void mig_remaining_reset(MigRemaining *remaining)
{
    qatomic_set(&remaining->known, false);
    stat64_set(&remaining->bytes, 0);
}

void mig_remaining_publish(MigRemaining *remaining,
                           const MigPendingData *pending)
{
    stat64_set(&remaining->bytes, mig_pending_total(pending));
    /* Pairs with mig_remaining_get(): a reader that sees it sees the bytes */
    qatomic_store_release(&remaining->known, true);
}

bool mig_remaining_get(const MigRemaining *remaining, uint64_t *bytes)
{
    if (!qatomic_load_acquire(&remaining->known)) {
        return false;
    }

    *bytes = stat64_get(&remaining->bytes);
    return true;
}

int64_t mig_expected_downtime(bool known, uint64_t bytes, uint64_t bandwidth,
                              uint64_t downtime_limit)
{
    if (!bandwidth || !known) {
        return downtime_limit;
    }

    return mig_bandwidth_ms(bytes, bandwidth);
}
