/*
 * Estimate of the bandwidth of a switchover
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "bandwidth.h"
#include "bandwidth-estimate.h"

void mig_bandwidth_estimate_reset(MigBandwidthEstimate *estimate)
{
    stat64_set(&estimate->bytes_per_second, 0);
    estimate->ran_dry = false;
}

void mig_bandwidth_estimate_ran_dry(MigBandwidthEstimate *estimate)
{
    estimate->ran_dry = true;
}

void mig_bandwidth_estimate_update(MigBandwidthEstimate *estimate,
                                   uint64_t bytes, uint64_t ms)
{
    uint64_t seen, before = mig_bandwidth_estimate_get(estimate);

    if (!bytes || !ms) {
        return;
    }

    seen = mig_bandwidth_rate(bytes, ms);
    stat64_set(&estimate->bytes_per_second,
               estimate->ran_dry ? MAX(seen, before) : seen);
    estimate->ran_dry = false;
}

uint64_t mig_bandwidth_estimate_get(const MigBandwidthEstimate *estimate)
{
    return stat64_get(&estimate->bytes_per_second);
}
