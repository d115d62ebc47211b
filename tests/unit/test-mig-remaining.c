/*
 * Unit tests for the published remaining bytes and expected downtime
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/units.h"
#include "migration/remaining.h"

static void test_remaining(void)
{
    MigRemaining remaining = { };
    MigPendingData pending = {
        .precopy_bytes = 1, .stopcopy_bytes = 2, .postcopy_bytes = 4,
    };
    uint64_t bytes = 42;

    mig_remaining_reset(&remaining);
    g_assert_false(mig_remaining_get(&remaining, &bytes));
    g_assert_cmpuint(bytes, ==, 42);

    mig_remaining_publish(&remaining, &pending);
    g_assert_true(mig_remaining_get(&remaining, &bytes));
    g_assert_cmpuint(bytes, ==, 7);

    pending.stopcopy_bytes = UINT64_MAX;
    mig_remaining_publish(&remaining, &pending);
    g_assert_true(mig_remaining_get(&remaining, &bytes));
    g_assert_cmpuint(bytes, ==, UINT64_MAX);

    /* At the start of the next migration nothing is known */
    mig_remaining_reset(&remaining);
    g_assert_false(mig_remaining_get(&remaining, &bytes));
}

static void test_expected_downtime(void)
{
    /* While nothing is known, the limit stands in */
    g_assert_cmpint(mig_expected_downtime(false, 0, 0, 300), ==, 300);
    g_assert_cmpint(mig_expected_downtime(false, 0, GiB, 300), ==, 300);

    g_assert_cmpint(mig_expected_downtime(true, 2 * GiB, 0, 300), ==, 300);
    g_assert_cmpint(mig_expected_downtime(true, 2 * GiB, GiB, 300), ==, 2000);
    g_assert_cmpint(mig_expected_downtime(true, 2 * GiB, 1000000000, 300),
                    ==, 2148);
    g_assert_cmpint(mig_expected_downtime(true, 0, GiB, 300), ==, 0);
    g_assert_cmpint(mig_expected_downtime(true, UINT64_MAX, 1, 300), ==,
                    INT64_MAX);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    g_test_add_func("/migration/remaining/publish", test_remaining);
    g_test_add_func("/migration/remaining/expected-downtime",
                    test_expected_downtime);

    return g_test_run();
}
