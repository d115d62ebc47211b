/*
 * Unit tests for pending migration data
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

    /* Part of the postcopy bytes, and fixed like stopcopy bytes */
    g_assert_cmpuint(mig_pending_fixed(&p), ==, 40);
    mig_pending_add_postcopy_only(&p, 6000);
    g_assert_cmpuint(p.postcopy_bytes, ==, 6500);
    g_assert_cmpuint(mig_pending_fixed(&p), ==, 6040);
    g_assert_cmpuint(mig_pending_total(&p), ==, 6543);
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

            mig_pending_add_postcopy_only(&p, b);
            g_assert_cmpuint(mig_pending_fixed(&p), ==, sum);

            mig_pending_add_precopy(&p, UINT64_MAX);
            g_assert_cmpuint(mig_pending_total(&p), ==, UINT64_MAX);
        }
    }
}

static void test_device_ms(void)
{
    MigPendingData p = { };

    g_assert_cmpuint(mig_pending_device_ms(&p), ==, 0);
    mig_pending_add_device_ms(&p, 8, true);
    mig_pending_add_device_ms(&p, 7, true);
    g_assert_cmpuint(mig_pending_device_ms(&p), ==, 8);
    mig_pending_add_device_ms(&p, 5, false);
    mig_pending_add_device_ms(&p, 5, false);
    g_assert_cmpuint(mig_pending_device_ms(&p), ==, 10);
    mig_pending_add_device_ms(&p, UINT64_MAX, false);
    g_assert_cmpuint(mig_pending_device_ms(&p), ==, UINT64_MAX);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    g_test_add_func("/migration/pending/sums", test_sums);
    g_test_add_func("/migration/pending/saturate", test_saturate);
    g_test_add_func("/migration/pending/device-ms", test_device_ms);

    return g_test_run();
}
