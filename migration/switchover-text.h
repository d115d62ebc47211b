/*
 * Situations and decisions as text, for traces
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef MIGRATION_SWITCHOVER_TEXT_H
#define MIGRATION_SWITCHOVER_TEXT_H

#include "switchover-decide.h"

/*
 * "name=number" for each member of a situation, separated by spaces.  To be
 * freed with g_free().
 */
char *mig_situation_to_text(const MigSituation *situation);

/**
 * mig_situation_from_text: the reverse
 *
 * @text: from a trace; what is not a member, or has no "=", is skipped
 * @situation: members that @text does not have become 0
 * @errp: set when false is returned
 *
 * Returns false if a member has no number.
 */
bool mig_situation_from_text(const char *text, MigSituation *situation,
                             Error **errp);

/*
 * "wait because of device-state until=150", in ms from @situation->now;
 * "switchover because of none final-check=1 downtime-limit=300"; other actions
 * without numbers.  To be freed with g_free().
 */
char *mig_decision_to_text(const MigSituation *situation,
                           const MigDecision *decision);

/* "first-pass", ... */
const char *mig_reason_name(MigReason reason);

#endif
