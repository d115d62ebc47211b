/*
 * What a switchover would cost: bandwidth, and what query-migrate is told
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "switchover.h"

void mig_bandwidth_reset(MigBandwidth *bw)
{
    stat64_set(&bw->bytes_per_second, 0);
    bw->ran_dry = false;
}

void mig_bandwidth_ran_dry(MigBandwidth *bw)
{
    bw->ran_dry = true;
}

void mig_bandwidth_update(MigBandwidth *bw, uint64_t bytes, uint64_t ms)
{
    uint64_t seen, before = mig_bandwidth_get(bw);

    if (!bytes || !ms) {
        return;
    }

    seen = mig_pending_rate(bytes, ms);
    stat64_set(&bw->bytes_per_second, bw->ran_dry ? MAX(seen, before) : seen);
    bw->ran_dry = false;
}

uint64_t mig_bandwidth_get(const MigBandwidth *bw)
{
    return stat64_get(&bw->bytes_per_second);
}

void mig_remaining_reset(MigRemaining *remaining)
{
    qatomic_set(&remaining->known, false);
    stat64_set(&remaining->bytes, 0);
}

void mig_remaining_publish(MigRemaining *remaining,
                           const MigPendingData *pending)
{
    stat64_set(&remaining->bytes, mig_pending_total(pending));
    /* Pairs with mig_remaining_get(): whoever sees it known sees the bytes */
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

    return mig_pending_to_ms(bytes, bandwidth);
}
