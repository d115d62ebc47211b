/*
 * Unit tests for the arithmetic of bandwidths
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/units.h"
#include "migration/bandwidth.h"

/* Values with which an unchecked sum or product would overflow */
static const uint64_t extremes[] = {
    0, 1, 999, 1000, 1001, 4 * KiB, GiB, INT64_MAX, UINT64_MAX - 1, UINT64_MAX
};

static void test_ms(void)
{
    g_assert_cmpint(mig_bandwidth_ms(0, 0), ==, 0);
    g_assert_cmpint(mig_bandwidth_ms(0, 1), ==, 0);
    g_assert_cmpint(mig_bandwidth_ms(1, 0), ==, INT64_MAX);
    g_assert_cmpint(mig_bandwidth_ms(1, 1), ==, 1000);
    g_assert_cmpint(mig_bandwidth_ms(1, 1000), ==, 1);
    g_assert_cmpint(mig_bandwidth_ms(1, UINT64_MAX), ==, 1);
    g_assert_cmpint(mig_bandwidth_ms(1000, 1000), ==, 1000);
    g_assert_cmpint(mig_bandwidth_ms(1001, 1000000), ==, 2);
    g_assert_cmpint(mig_bandwidth_ms(2 * GiB, GiB), ==, 2000);
    g_assert_cmpint(mig_bandwidth_ms(UINT64_MAX, 1), ==, INT64_MAX);
    g_assert_cmpint(mig_bandwidth_ms(UINT64_MAX, UINT64_MAX), ==, 1000);
    /* 100 GiB at 1 MB/s take about 30 hours, without an overflow */
    g_assert_cmpint(mig_bandwidth_ms(100 * GiB, 1000 * 1000), ==, 107374183);
}

static void test_bytes(void)
{
    g_assert_cmpuint(mig_bandwidth_bytes(0, UINT64_MAX), ==, 0);
    g_assert_cmpuint(mig_bandwidth_bytes(UINT64_MAX, 0), ==, 0);
    g_assert_cmpuint(mig_bandwidth_bytes(1, 999), ==, 0);
    g_assert_cmpuint(mig_bandwidth_bytes(1, 1000), ==, 1);
    g_assert_cmpuint(mig_bandwidth_bytes(1000000000, 300), ==, 300000000);
    g_assert_cmpuint(mig_bandwidth_bytes(UINT64_MAX, 1000), ==, UINT64_MAX);
    g_assert_cmpuint(mig_bandwidth_bytes(UINT64_MAX, 1001), ==, UINT64_MAX);
    g_assert_cmpuint(mig_bandwidth_bytes(UINT64_MAX, UINT64_MAX),
                     ==, UINT64_MAX);
}

static void test_rate(void)
{
    g_assert_cmpuint(mig_bandwidth_rate(0, 1), ==, 0);
    g_assert_cmpuint(mig_bandwidth_rate(1, 1), ==, 1000000);
    g_assert_cmpuint(mig_bandwidth_rate(100 * MiB, 100000), ==, 1000 * MiB);
    g_assert_cmpuint(mig_bandwidth_rate(999, 1000000000), ==, 0);
    g_assert_cmpuint(mig_bandwidth_rate(UINT64_MAX, 1), ==, UINT64_MAX);
    g_assert_cmpuint(mig_bandwidth_rate(UINT64_MAX, UINT64_MAX), ==, 1000000);
}

/* A limit of the predicted time admits the data, a shorter one does not */
static void test_limit_of_prediction(void)
{
    for (int i = 0; i < ARRAY_SIZE(extremes); i++) {
        for (int j = 0; j < ARRAY_SIZE(extremes); j++) {
            uint64_t bytes = extremes[i], bandwidth = extremes[j];
            int64_t ms = mig_bandwidth_ms(bytes, bandwidth);

            if (ms == INT64_MAX) {
                g_assert_cmpuint(mig_bandwidth_bytes(bandwidth, INT64_MAX - 1),
                                 <, bytes);
                continue;
            }
            g_assert_cmpuint(mig_bandwidth_bytes(bandwidth, ms), >=, bytes);
            if (ms) {
                g_assert_cmpuint(mig_bandwidth_bytes(bandwidth, ms - 1),
                                 <, bytes);
            }
        }
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    g_test_add_func("/migration/bandwidth/ms", test_ms);
    g_test_add_func("/migration/bandwidth/bytes", test_bytes);
    g_test_add_func("/migration/bandwidth/rate", test_rate);
    g_test_add_func("/migration/bandwidth/limit-of-prediction",
                    test_limit_of_prediction);

    return g_test_run();
}
