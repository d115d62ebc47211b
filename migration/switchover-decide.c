/*
 * When to make an exact query, and so to decide about the switchover
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "switchover-decide.h"

/* Is nothing left that iterating could move? */
static bool all_moved(const MigPendingData *pending, bool postcopy_ram)
{
    return !pending->precopy_bytes &&
           !(postcopy_ram && pending->postcopy_bytes);
}

bool mig_exact_query_due(const MigPendingData *estimate, uint64_t threshold,
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
