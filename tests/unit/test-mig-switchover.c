/*
 * Unit tests for switchover bandwidth and expected downtime
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/units.h"
#include "migration/switchover.h"

typedef struct Fixture {
    MigBandwidth bw;
} Fixture;

static void set_up(Fixture *f, const void *data)
{
    mig_bandwidth_reset(&f->bw);
}

static void test_bandwidth_busy(Fixture *f, const void *data)
{
    MigBandwidth *bw = &f->bw;

    g_assert_cmpuint(mig_bandwidth_get(bw), ==, 0);

    /* While data is sent all the time, the estimate is the last sample */
    mig_bandwidth_update(bw, 100 * MiB, 100);
    g_assert_cmpuint(mig_bandwidth_get(bw), ==, 1000 * MiB);
    mig_bandwidth_update(bw, 10 * MiB, 200);
    g_assert_cmpuint(mig_bandwidth_get(bw), ==, 50 * MiB);

    /* A sample of nothing does not make the estimate unknown */
    mig_bandwidth_update(bw, 0, 100);
    g_assert_cmpuint(mig_bandwidth_get(bw), ==, 50 * MiB);
}

static void test_bandwidth_ran_dry(Fixture *f, const void *data)
{
    MigBandwidth *bw = &f->bw;

    mig_bandwidth_update(bw, 100 * MiB, 100);

    /* An idle window does not lower the estimate */
    mig_bandwidth_ran_dry(bw);
    mig_bandwidth_update(bw, 17, 100);
    g_assert_cmpuint(mig_bandwidth_get(bw), ==, 1000 * MiB);

    /* But it can raise the estimate: the link has been that fast */
    mig_bandwidth_ran_dry(bw);
    mig_bandwidth_update(bw, 200 * MiB, 100);
    g_assert_cmpuint(mig_bandwidth_get(bw), ==, 2000 * MiB);

    /* The mark is for one window only */
    mig_bandwidth_update(bw, MiB, 100);
    g_assert_cmpuint(mig_bandwidth_get(bw), ==, 10 * MiB);

    /* The first window counts even if it ran dry */
    mig_bandwidth_reset(bw);
    mig_bandwidth_ran_dry(bw);
    mig_bandwidth_update(bw, MiB, 100);
    g_assert_cmpuint(mig_bandwidth_get(bw), ==, 10 * MiB);

    /* Reset clears the mark too */
    mig_bandwidth_ran_dry(bw);
    mig_bandwidth_reset(bw);
    mig_bandwidth_update(bw, 2 * MiB, 100);
    mig_bandwidth_update(bw, MiB, 100);
    g_assert_cmpuint(mig_bandwidth_get(bw), ==, 10 * MiB);
}

static void test_bandwidth_extremes(Fixture *f, const void *data)
{
    MigBandwidth *bw = &f->bw;

    mig_bandwidth_update(bw, UINT64_MAX, 0);
    g_assert_cmpuint(mig_bandwidth_get(bw), ==, 0);
    mig_bandwidth_update(bw, UINT64_MAX, 1);
    g_assert_cmpuint(mig_bandwidth_get(bw), ==, UINT64_MAX);
    mig_bandwidth_update(bw, 1, UINT64_MAX);
    g_assert_cmpuint(mig_bandwidth_get(bw), ==, 0);
}

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

    g_test_add("/migration/switchover/bandwidth/busy", Fixture, NULL, set_up,
               test_bandwidth_busy, NULL);
    g_test_add("/migration/switchover/bandwidth/ran-dry", Fixture, NULL,
               set_up, test_bandwidth_ran_dry, NULL);
    g_test_add("/migration/switchover/bandwidth/extremes", Fixture, NULL,
               set_up, test_bandwidth_extremes, NULL);
    g_test_add_func("/migration/switchover/remaining", test_remaining);
    g_test_add_func("/migration/switchover/expected-downtime",
                    test_expected_downtime);

    return g_test_run();
}
