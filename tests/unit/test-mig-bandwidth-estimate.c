/*
 * Unit tests for the estimate of the bandwidth of a switchover
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/units.h"
#include "migration/bandwidth-estimate.h"

typedef struct Fixture {
    MigBandwidthEstimate estimate;
} Fixture;

static void set_up(Fixture *f, const void *data)
{
    mig_bandwidth_estimate_reset(&f->estimate);
}

static void test_busy(Fixture *f, const void *data)
{
    MigBandwidthEstimate *estimate = &f->estimate;

    g_assert_cmpuint(mig_bandwidth_estimate_get(estimate), ==, 0);

    /* While data is sent all the time, the estimate is the last sample */
    mig_bandwidth_estimate_update(estimate, 100 * MiB, 100);
    g_assert_cmpuint(mig_bandwidth_estimate_get(estimate), ==, 1000 * MiB);
    mig_bandwidth_estimate_update(estimate, 10 * MiB, 200);
    g_assert_cmpuint(mig_bandwidth_estimate_get(estimate), ==, 50 * MiB);

    /* A sample of nothing does not make the estimate unknown */
    mig_bandwidth_estimate_update(estimate, 0, 100);
    g_assert_cmpuint(mig_bandwidth_estimate_get(estimate), ==, 50 * MiB);
}

static void test_ran_dry(Fixture *f, const void *data)
{
    MigBandwidthEstimate *estimate = &f->estimate;

    mig_bandwidth_estimate_update(estimate, 100 * MiB, 100);

    /* An idle window does not lower the estimate */
    mig_bandwidth_estimate_ran_dry(estimate);
    mig_bandwidth_estimate_update(estimate, 17, 100);
    g_assert_cmpuint(mig_bandwidth_estimate_get(estimate), ==, 1000 * MiB);

    /* But it can raise the estimate: the link has been that fast */
    mig_bandwidth_estimate_ran_dry(estimate);
    mig_bandwidth_estimate_update(estimate, 200 * MiB, 100);
    g_assert_cmpuint(mig_bandwidth_estimate_get(estimate), ==, 2000 * MiB);

    /* The mark is for one window only */
    mig_bandwidth_estimate_update(estimate, MiB, 100);
    g_assert_cmpuint(mig_bandwidth_estimate_get(estimate), ==, 10 * MiB);

    /* The first window counts even if it ran dry */
    mig_bandwidth_estimate_reset(estimate);
    mig_bandwidth_estimate_ran_dry(estimate);
    mig_bandwidth_estimate_update(estimate, MiB, 100);
    g_assert_cmpuint(mig_bandwidth_estimate_get(estimate), ==, 10 * MiB);

    /* Reset clears the mark too */
    mig_bandwidth_estimate_ran_dry(estimate);
    mig_bandwidth_estimate_reset(estimate);
    mig_bandwidth_estimate_update(estimate, 2 * MiB, 100);
    mig_bandwidth_estimate_update(estimate, MiB, 100);
    g_assert_cmpuint(mig_bandwidth_estimate_get(estimate), ==, 10 * MiB);
}

static void test_extremes(Fixture *f, const void *data)
{
    MigBandwidthEstimate *estimate = &f->estimate;

    mig_bandwidth_estimate_update(estimate, UINT64_MAX, 0);
    g_assert_cmpuint(mig_bandwidth_estimate_get(estimate), ==, 0);
    mig_bandwidth_estimate_update(estimate, UINT64_MAX, 1);
    g_assert_cmpuint(mig_bandwidth_estimate_get(estimate), ==, UINT64_MAX);
    mig_bandwidth_estimate_update(estimate, 1, UINT64_MAX);
    g_assert_cmpuint(mig_bandwidth_estimate_get(estimate), ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    g_test_add("/migration/bandwidth-estimate/busy", Fixture, NULL,
               set_up, test_busy, NULL);
    g_test_add("/migration/bandwidth-estimate/ran-dry", Fixture, NULL,
               set_up, test_ran_dry, NULL);
    g_test_add("/migration/bandwidth-estimate/extremes", Fixture, NULL,
               set_up, test_extremes, NULL);

    return g_test_run();
}
