/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Migrations that wait for a device with many stopcopy bytes, and what ends
 * the wait
 */

#include "qemu/osdep.h"
#include "qemu/cutils.h"
#include "libqtest.h"
#include "migration/migration-qmp.h"
#include "vfio/tests.h"

void check_hmp_remaining(MigPair *p)
{
    MigReply before = pair_query(p);
    g_autofree char *hmp = pair_info_migrate(p);
    MigReply after = pair_query(p);
    const char *line = strstr(hmp, "Remaining (bytes):");
    /* As in QEMU 10.2, or before */
    const char *time = strstr(hmp, "exp_down=") ?:
                       strstr(hmp, "expected downtime:");

    if (before.has_remaining && after.has_remaining) {
        g_assert(line && time && time < line);
        if (before.remaining == after.remaining) {
            g_autofree char *size = size_to_str(after.remaining);
            g_autofree char *expected =
                g_strdup_printf("Remaining (bytes): \t%s\r\n", size);

            if (!g_str_has_prefix(line, expected)) {
                g_printerr("'%s' does not start with '%s'\n", line, expected);
                g_assert_not_reached();
            }
        }
    } else if (!before.has_remaining && !after.has_remaining) {
        g_assert(!line);
    }
}

static void test_limit(MigPair *p, const void *data)
{
    uint64_t limit;
    MigReply r;

    pair_migrate(p);
    pair_wait_remaining(p, &r, 2 * GiB);
    g_assert_cmpuint(r.expected, >=, 2000);
    g_assert_cmpuint(r.expected, <=, 2002);
    pair_check_waits(p);

    check_hmp_remaining(p);

    limit = pair_query(p).expected;
    pair_set_limit(p, limit * 9 / 10);
    pair_check_waits(p);
    g_assert_cmpuint(pair_query(p).expected, ==, limit);
    SIM_CHECK(&p->src, 0, "stop", ==, 2 * GiB);

    pair_set_limit(p, limit);
    pair_check_completes(p);
    g_assert_cmpuint(p->last.vfio_transferred, >=, 2 * GiB);
    g_assert_cmpuint(p->src.n_stop, ==, 1);
}

static void test_downtime(MigPair *p, const void *data)
{
    uint64_t predicted;
    MigReply r;

    pair_migrate(p);
    pair_wait_remaining(p, &r, 64 * MiB);
    predicted = r.expected;
    pair_set_limit(p, predicted + 10);
    pair_check_completes(p);

    /* No upper bound: other processes may use the machine */
    g_assert_cmpuint(p->last.downtime, >=, predicted * 9 / 10);
}

static void test_from_start(MigPair *p, const void *data)
{
    MigReply r;

    pair_migrate(p);
    pair_wait_remaining(p, &r, 64 * MiB);
    pair_check_waits(p);
    g_assert_cmpuint(pair_query(p).expected, >, 1);

    migrate_set_parameter_int(p->src.qts, "avail-switchover-bandwidth",
                              BANDWIDTH);
    pair_set_limit(p, 1100);
    pair_check_completes(p);
}

static void test_changes(MigPair *p, const void *data)
{
    MigReply r;

    pair_migrate(p);
    pair_wait_remaining(p, &r, 64 * MiB);

    vfio_sim_set(&p->src, 0, "stop-bytes", "128M");
    pair_wait_remaining(p, &r, 128 * MiB);
    pair_set_limit(p, 1900);
    pair_check_waits(p);

    pair_set_limit(p, 500);
    pair_check_waits(p);
    vfio_sim_set(&p->src, 0, "stop-bytes", "96M");
    pair_wait_remaining(p, &r, 96 * MiB);
    pair_check_waits(p);

    /* Below the threshold */
    vfio_sim_set(&p->src, 0, "stop-bytes", "28M");
    pair_check_completes(p);
    g_assert_cmpuint(p->last.vfio_transferred, >=, 28 * MiB);
    g_assert_cmpuint(p->last.vfio_transferred, <, 29 * MiB);
}

static void test_shrink_2g(MigPair *p, const void *data)
{
    MigReply r;

    pair_migrate(p);
    pair_wait_remaining(p, &r, 2 * GiB);
    vfio_sim_set(&p->src, 0, "stop-bytes", "900M");
    pair_check_completes(p);
    g_assert_cmpuint(p->last.vfio_transferred, >=, 900 * MiB);
    g_assert_cmpuint(p->last.vfio_transferred, <, 901 * MiB);
}

static const VfioCase cases[] = {
    {
        .path = "wait/limit",
        .description = "A downtime-limit of the expected-downtime lets the "
                       "migration complete, and a lower one does not",
        .pair = { .bandwidth = GiB, .limit = LIMIT,
                  .devices = { "stop-bytes=2G" } },
        .run = test_limit,
    },
    {
        .path = "wait/downtime",
        .description = "The downtime is as predicted, with a device that is "
                       "slower than the network",
        .pair = { .bandwidth = BANDWIDTH, .limit = LIMIT,
                  .devices = { STOP_64M ",read-rate=64M" } },
        .run = test_downtime,
    },
    {
        .path = "wait/from-start/precopy",
        .description = "The first pass ends before a bandwidth is known, and "
                       "the guest is not stopped for a large device",
        .pair = { .limit = 1, .devices = { STOP_64M } },
        .run = test_from_start,
    },
    {
        .path = "wait/from-start/no-precopy",
        .description = "The same, with a device that cannot PRE_COPY",
        .pair = { .limit = 1, .devices = { "precopy=off," STOP_64M } },
        .run = test_from_start,
    },
    {
        .path = "wait/changes",
        .description = "The size of the device changes while the migration "
                       "waits, and it completes when the size is small enough",
        .pair = { .bandwidth = BANDWIDTH, .limit = 500,
                  .devices = { STOP_64M } },
        .run = test_changes,
    },
    {
        .path = "wait/shrink-2g",
        .description = "2 GiB shrink to 900 MiB, below the threshold of "
                       "1 GiB",
        .pair = { .bandwidth = GiB, .limit = 1000,
                  .devices = { "stop-bytes=2G" } },
        .run = test_shrink_2g,
    },
};

void add_wait_tests(void)
{
    VFIO_CASES_ADD(cases);
}
