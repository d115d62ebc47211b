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

int64_t mig_expected_downtime(const MigReport *report, uint64_t bandwidth,
                              uint64_t downtime_limit)
{
    int64_t ms;

    if (!bandwidth || !report) {
        return downtime_limit;
    }

    ms = mig_bandwidth_ms(report->to_send, bandwidth);
    if (report->reason == MIG_REASON_FIRST_PASS) {
        ms = MAX(MIN((uint64_t)ms, downtime_limit),
                 mig_bandwidth_ms(report->fixed, bandwidth));
    }
    return ms;
}
