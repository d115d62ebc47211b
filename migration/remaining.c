/*
 * What a migration has left, and why it does not switch over, for query-migrate
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "bandwidth.h"
#include "remaining.h"

void mig_remaining_reset(MigRemaining *remaining)
{
    qemu_spin_lock(&remaining->lock);
    remaining->known = false;
    qemu_spin_unlock(&remaining->lock);
}

void mig_remaining_publish(MigRemaining *remaining, const MigReport *report)
{
    qemu_spin_lock(&remaining->lock);
    remaining->report = *report;
    remaining->known = true;
    qemu_spin_unlock(&remaining->lock);
}

bool mig_remaining_get(MigRemaining *remaining, MigReport *report)
{
    bool known;

    qemu_spin_lock(&remaining->lock);
    known = remaining->known;
    if (known) {
        *report = remaining->report;
    }
    qemu_spin_unlock(&remaining->lock);
    return known;
}

int64_t mig_expected_downtime(bool known, uint64_t bytes, uint64_t bandwidth,
                              uint64_t downtime_limit)
{
    if (!bandwidth || !known) {
        return downtime_limit;
    }

    return mig_bandwidth_ms(bytes, bandwidth);
}
