/*
 * Unit tests for the arithmetic of pending migration data
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/units.h"
#include "migration/pending.h"

/* Values with which an unchecked sum or product would overflow */
static const uint64_t extremes[] = {
    0, 1, 999, 1000, 1001, 4 * KiB, GiB, INT64_MAX, UINT64_MAX - 1, UINT64_MAX
};

static void test_sums(void)
{
    MigPendingData p = { };

    g_assert_cmpuint(mig_pending_total(&p), ==, 0);

    mig_pending_add_precopy(&p, 1);
    mig_pending_add_precopy(&p, 2);
    mig_pending_add_stopcopy(&p, 40);
    mig_pending_add_postcopy(&p, 500);

    g_assert_cmpuint(p.precopy_bytes, ==, 3);
    g_assert_cmpuint(p.stopcopy_bytes, ==, 40);
    g_assert_cmpuint(p.postcopy_bytes, ==, 500);
    g_assert_cmpuint(mig_pending_before_postcopy(&p), ==, 43);
    g_assert_cmpuint(mig_pending_total(&p), ==, 543);
}

static void test_saturate(void)
{
    for (int i = 0; i < ARRAY_SIZE(extremes); i++) {
        for (int j = 0; j < ARRAY_SIZE(extremes); j++) {
            uint64_t a = extremes[i], b = extremes[j];
            uint64_t sum = a > UINT64_MAX - b ? UINT64_MAX : a + b;
            MigPendingData p = { };

            mig_pending_add_precopy(&p, a);
            mig_pending_add_precopy(&p, b);
            g_assert_cmpuint(p.precopy_bytes, ==, sum);

            p = (MigPendingData) { };
            mig_pending_add_stopcopy(&p, a);
            mig_pending_add_postcopy(&p, b);
            g_assert_cmpuint(mig_pending_before_postcopy(&p), ==, a);
            g_assert_cmpuint(mig_pending_total(&p), ==, sum);

            mig_pending_add_precopy(&p, UINT64_MAX);
            g_assert_cmpuint(mig_pending_total(&p), ==, UINT64_MAX);
        }
    }
}

static void test_to_ms(void)
{
    g_assert_cmpint(mig_pending_to_ms(0, 0), ==, 0);
    g_assert_cmpint(mig_pending_to_ms(0, 1), ==, 0);
    g_assert_cmpint(mig_pending_to_ms(1, 0), ==, INT64_MAX);
    g_assert_cmpint(mig_pending_to_ms(1, 1), ==, 1000);
    g_assert_cmpint(mig_pending_to_ms(1, 1000), ==, 1);
    g_assert_cmpint(mig_pending_to_ms(1, UINT64_MAX), ==, 1);
    g_assert_cmpint(mig_pending_to_ms(1000, 1000), ==, 1000);
    g_assert_cmpint(mig_pending_to_ms(1001, 1000000), ==, 2);
    g_assert_cmpint(mig_pending_to_ms(2 * GiB, GiB), ==, 2000);
    g_assert_cmpint(mig_pending_to_ms(UINT64_MAX, 1), ==, INT64_MAX);
    g_assert_cmpint(mig_pending_to_ms(UINT64_MAX, UINT64_MAX), ==, 1000);
    /* 100 GiB at 1 MB/s take about 30 hours, without an overflow */
    g_assert_cmpint(mig_pending_to_ms(100 * GiB, 1000 * 1000), ==, 107374183);
}

static void test_within(void)
{
    g_assert_cmpuint(mig_pending_within(0, UINT64_MAX), ==, 0);
    g_assert_cmpuint(mig_pending_within(UINT64_MAX, 0), ==, 0);
    g_assert_cmpuint(mig_pending_within(1, 999), ==, 0);
    g_assert_cmpuint(mig_pending_within(1, 1000), ==, 1);
    g_assert_cmpuint(mig_pending_within(1000000000, 300), ==, 300000000);
    g_assert_cmpuint(mig_pending_within(UINT64_MAX, 1000), ==, UINT64_MAX);
    g_assert_cmpuint(mig_pending_within(UINT64_MAX, 1001), ==, UINT64_MAX);
    g_assert_cmpuint(mig_pending_within(UINT64_MAX, UINT64_MAX),
                     ==, UINT64_MAX);
}

static void test_rate(void)
{
    g_assert_cmpuint(mig_pending_rate(0, 1), ==, 0);
    g_assert_cmpuint(mig_pending_rate(1, 1), ==, 1000);
    g_assert_cmpuint(mig_pending_rate(100 * MiB, 100), ==, 1000 * MiB);
    g_assert_cmpuint(mig_pending_rate(999, 1000000), ==, 0);
    g_assert_cmpuint(mig_pending_rate(UINT64_MAX, 1), ==, UINT64_MAX);
    g_assert_cmpuint(mig_pending_rate(UINT64_MAX, UINT64_MAX), ==, 1000);
}

/* A limit of the predicted time admits the data, a shorter one does not */
static void test_limit_of_prediction(void)
{
    for (int i = 0; i < ARRAY_SIZE(extremes); i++) {
        for (int j = 0; j < ARRAY_SIZE(extremes); j++) {
            uint64_t bytes = extremes[i], bandwidth = extremes[j];
            int64_t ms = mig_pending_to_ms(bytes, bandwidth);

            if (ms == INT64_MAX) {
                g_assert_cmpuint(mig_pending_within(bandwidth, INT64_MAX - 1),
                                 <, bytes);
                continue;
            }
            g_assert_cmpuint(mig_pending_within(bandwidth, ms), >=, bytes);
            if (ms) {
                g_assert_cmpuint(mig_pending_within(bandwidth, ms - 1),
                                 <, bytes);
            }
        }
    }
}

static void test_exact_due(void)
{
    MigPendingData p = { .precopy_bytes = 10, .stopcopy_bytes = 20 };

    /* At the threshold, not only below it */
    g_assert_false(mig_pending_exact_due(&p, 29, false, false));
    g_assert_true(mig_pending_exact_due(&p, 30, false, false));
    g_assert_true(mig_pending_exact_due(&p, UINT64_MAX, false, false));

    /* Far above the threshold, but iterating cannot move any of it */
    p.precopy_bytes = 0;
    p.stopcopy_bytes = UINT64_MAX;
    g_assert_true(mig_pending_exact_due(&p, 0, false, false));
    g_assert_true(mig_pending_exact_due(&p, 0, true, false));

    /* Dirty bitmaps do not move before the switchover, RAM does */
    p.stopcopy_bytes = 0;
    p.postcopy_bytes = 100;
    g_assert_true(mig_pending_exact_due(&p, 0, false, false));
    g_assert_false(mig_pending_exact_due(&p, 99, true, false));
    g_assert_true(mig_pending_exact_due(&p, 100, true, false));

    /* Before postcopy starts, only the other bytes count */
    p.precopy_bytes = 30;
    p.stopcopy_bytes = 20;
    g_assert_false(mig_pending_exact_due(&p, 50, true, false));
    g_assert_true(mig_pending_exact_due(&p, 50, true, true));
    g_assert_false(mig_pending_exact_due(&p, 49, true, true));

    /* A sum that would wrap to a small number */
    p.precopy_bytes = UINT64_MAX;
    p.stopcopy_bytes = 2;
    p.postcopy_bytes = 0;
    g_assert_false(mig_pending_exact_due(&p, GiB, false, false));
    g_assert_false(mig_pending_exact_due(&p, GiB, true, true));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    g_test_add_func("/migration/pending/sums", test_sums);
    g_test_add_func("/migration/pending/saturate", test_saturate);
    g_test_add_func("/migration/pending/to-ms", test_to_ms);
    g_test_add_func("/migration/pending/within", test_within);
    g_test_add_func("/migration/pending/rate", test_rate);
    g_test_add_func("/migration/pending/limit-of-prediction",
                    test_limit_of_prediction);
    g_test_add_func("/migration/pending/exact-due", test_exact_due);

    return g_test_run();
}
