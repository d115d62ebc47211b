/*
 * When to make an exact query, and so to decide about the switchover
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef MIGRATION_SWITCHOVER_DECIDE_H
#define MIGRATION_SWITCHOVER_DECIDE_H

#include "migration/pending.h"

/**
 * mig_exact_query_due: does an estimate require an exact query?
 *
 * It does where a switchover might be possible by the estimate, as no
 * switchover may rest on an estimate.  It also does where nothing is left
 * that iterating could move: then only an exact query can find a change, as
 * pages may have been dirtied, or the stopcopy bytes of a device may have
 * become less.
 *
 * @estimate: the result of an estimate
 * @threshold: what may be left at a switchover, in bytes
 * @postcopy_ram: RAM is counted as postcopy bytes
 * @want_postcopy: postcopy was requested, and may start
 */
bool mig_exact_query_due(const MigPendingData *estimate, uint64_t threshold,
                         bool postcopy_ram, bool want_postcopy);

#endif
