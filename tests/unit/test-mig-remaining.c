/*
 * Unit tests for the published report and the expected downtime
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/units.h"
#include "migration/remaining.h"

static void test_remaining(void)
{
    MigRemaining remaining = { };
    MigReport report = {
        .remaining = 7, .ram_remaining = 3, .acks_missing = 1,
        .reason = MIG_REASON_ACK, .since = 5, .best = 6,
        .passes_since_mark = 2,
    };
    MigReport copy = { .remaining = 42 };

    mig_remaining_reset(&remaining);
    g_assert_false(mig_remaining_get(&remaining, &copy));
    g_assert_cmpuint(copy.remaining, ==, 42);

    mig_remaining_publish(&remaining, &report);
    g_assert_true(mig_remaining_get(&remaining, &copy));
    g_assert_cmpmem(&copy, sizeof(copy), &report, sizeof(report));

    report.remaining = UINT64_MAX;
    mig_remaining_publish(&remaining, &report);
    g_assert_true(mig_remaining_get(&remaining, &copy));
    g_assert_cmpuint(copy.remaining, ==, UINT64_MAX);

    /* At the start of the next migration nothing is known */
    mig_remaining_reset(&remaining);
    g_assert_false(mig_remaining_get(&remaining, &copy));
}

typedef struct {
    MigRemaining remaining;
    bool stop;
} Readers;

static void *reader(void *opaque)
{
    Readers *readers = opaque;
    MigReport report;

    while (!qatomic_read(&readers->stop)) {
        if (mig_remaining_get(&readers->remaining, &report)) {
            g_assert_cmpuint(report.remaining - report.ram_remaining, ==,
                             report.best);
        }
    }
    return NULL;
}

/* What one reader gets was published together */
static void test_consistent(void)
{
    g_autofree Readers *readers = g_new0(Readers, 1);
    QemuThread thread;
    uint64_t i;

    mig_remaining_reset(&readers->remaining);
    qemu_thread_create(&thread, "reader", reader, readers,
                       QEMU_THREAD_JOINABLE);
    for (i = 0; i < 200000; i++) {
        MigReport report = {
            .remaining = 3 * i, .ram_remaining = i, .best = 2 * i,
        };

        mig_remaining_publish(&readers->remaining, &report);
    }
    qatomic_set(&readers->stop, true);
    qemu_thread_join(&thread);
}

static int64_t expected(uint64_t to_send, uint64_t bandwidth)
{
    MigReport report = {
        .reason = MIG_REASON_NONE, .fixed = 3 * GiB, .to_send = to_send,
    };

    return mig_expected_downtime(&report, bandwidth, 300);
}

static void test_expected_downtime(void)
{
    /* While nothing is known, the limit stands in */
    g_assert_cmpint(mig_expected_downtime(NULL, 0, 300), ==, 300);
    g_assert_cmpint(mig_expected_downtime(NULL, GiB, 300), ==, 300);
    g_assert_cmpint(expected(2 * GiB, 0), ==, 300);

    g_assert_cmpint(expected(2 * GiB, GiB), ==, 2000);
    g_assert_cmpint(expected(2 * GiB, 1000000000), ==, 2148);
    g_assert_cmpint(expected(0, GiB), ==, 0);
    g_assert_cmpint(expected(UINT64_MAX, 1), ==, INT64_MAX);
}

static int64_t expected_first(uint64_t fixed, uint64_t to_send)
{
    MigReport report = {
        .reason = MIG_REASON_FIRST_PASS, .fixed = fixed, .to_send = to_send,
    };

    return mig_expected_downtime(&report, 1000 * MiB, 300);
}

/* In the first pass: RAM will be sent until it fits into the limit */
static void test_first_pass(void)
{
    g_assert_cmpint(expected_first(0, 100 * MiB), ==, 100);
    g_assert_cmpint(expected_first(50 * MiB, 100 * MiB), ==, 100);
    g_assert_cmpint(expected_first(50 * MiB, GiB), ==, 300);
    g_assert_cmpint(expected_first(500 * MiB, GiB), ==, 500);
    g_assert_cmpint(expected_first(0, UINT64_MAX), ==, 300);
    g_assert_cmpint(expected_first(UINT64_MAX, UINT64_MAX), >,
                    UINT64_MAX / GiB * 1000);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    g_test_add_func("/migration/remaining/publish", test_remaining);
    g_test_add_func("/migration/remaining/consistent", test_consistent);
    g_test_add_func("/migration/remaining/expected-downtime",
                    test_expected_downtime);
    g_test_add_func("/migration/remaining/first-pass", test_first_pass);

    return g_test_run();
}
