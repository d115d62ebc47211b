/*
 * Unit tests for the decision about the switchover
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/units.h"
#include "migration/switchover-decide.h"

static void test_exact_query_due(void)
{
    MigPendingData p = { .precopy_bytes = 10, .stopcopy_bytes = 20 };

    /* At the threshold, not only below it */
    g_assert_false(mig_exact_query_due(&p, 29, false, false));
    g_assert_true(mig_exact_query_due(&p, 30, false, false));
    g_assert_true(mig_exact_query_due(&p, UINT64_MAX, false, false));

    /* Far above the threshold, but iterating cannot move any of it */
    p.precopy_bytes = 0;
    p.stopcopy_bytes = UINT64_MAX;
    g_assert_true(mig_exact_query_due(&p, 0, false, false));
    g_assert_true(mig_exact_query_due(&p, 0, true, false));

    /* Dirty bitmaps do not move before the switchover, RAM does */
    p.stopcopy_bytes = 0;
    p.postcopy_bytes = 100;
    g_assert_true(mig_exact_query_due(&p, 0, false, false));
    g_assert_false(mig_exact_query_due(&p, 99, true, false));
    g_assert_true(mig_exact_query_due(&p, 100, true, false));

    /* Before postcopy starts, only the other bytes count */
    p.precopy_bytes = 30;
    p.stopcopy_bytes = 20;
    g_assert_false(mig_exact_query_due(&p, 50, true, false));
    g_assert_true(mig_exact_query_due(&p, 50, true, true));
    g_assert_false(mig_exact_query_due(&p, 49, true, true));

    /* A sum that would wrap to a small number */
    p.precopy_bytes = UINT64_MAX;
    p.stopcopy_bytes = 2;
    p.postcopy_bytes = 0;
    g_assert_false(mig_exact_query_due(&p, GiB, false, false));
    g_assert_false(mig_exact_query_due(&p, GiB, true, true));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    g_test_add_func("/migration/switchover-decide/exact-query-due",
                    test_exact_query_due);

    return g_test_run();
}
