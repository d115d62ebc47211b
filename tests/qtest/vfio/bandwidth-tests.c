/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The bandwidth of a switchover where the user has not set it, and predictions
 * that rest on more than bytes and bandwidth
 */

#include "qemu/osdep.h"
#include "libqtest.h"
#include "migration/migration-qmp.h"
#include "vfio/tests.h"

/* What a probe sends at least, and more than an idle guest has otherwise */
#define PROBE_BYTES (16 * MiB)

#define OLD_MULTIFD "-global migration.multifd-flush-after-each-section=on"

static bool reason_is(const MigReply *r, const char *reason)
{
    return g_str_equal(r->reason, reason);
}

/* The guest has no memory but zero pages */
static void test_probe(MigPair *p, const void *data)
{
    MigReply first, r;

    pair_migrate(p);
    PAIR_WAIT(p, r, r.normal_bytes >= PROBE_BYTES &&
                    reason_is(&r, "device-state"));
    g_assert_cmpuint(r.bandwidth, >, 0);
    g_assert(g_str_equal(r.basis, "measured") ||
             g_str_equal(r.basis, "lower-bound"));
    pair_check_hmp_has(p, ", bandwidth=");
    g_assert_cmpuint(r.ram_remaining, <, PAIR_RAM_SLACK);

    /* Once is enough: it ends before the next pass */
    first = r;
    PAIR_WAIT(p, r, r.passes >= first.passes + 2);
    first = r;
    PAIR_WAIT(p, r, r.passes >= first.passes + 5);
    g_assert_cmpuint(r.ram_transferred - first.ram_transferred, <, 4 * MiB);

    pair_set_limit(p, 10000);
    pair_check_completes(p);
}

/* Nothing but the limit is set, and the link is fast enough */
static void test_completes(MigPair *p, const void *data)
{
    pair_migrate(p);
    pair_check_completes(p);
}

static void test_probe_off(MigPair *p, const void *data)
{
    MigReply r;

    migrate_set_parameter_bool(p->src.qts, "x-switchover-probe", false);
    pair_migrate(p);
    PAIR_WAIT(p, r, r.passes >= 5);
    g_assert(reason_is(&r, "device-state"));
    g_assert_cmpuint(r.normal_bytes, <, PROBE_BYTES / 2);
    /* It may be far too low */
    pair_set_limit(p, 2000000);
    pair_check_completes(p);
}

/* A probe is bound by max-bandwidth, and ends after a second */
static void test_probe_slow(MigPair *p, const void *data)
{
    MigReply first, r;

    migrate_set_parameter_int(p->src.qts, "max-bandwidth", MiB);
    pair_migrate(p);
    PAIR_WAIT(p, r, reason_is(&r, "device-state"));
    first = r;
    PAIR_WAIT(p, r, r.passes >= first.passes + 5);
    g_assert_cmpuint(r.normal_bytes, >=, 256 * KiB);
    g_assert_cmpuint(r.ram_transferred - first.ram_transferred, <, 8 * MiB);
    g_assert_cmpuint(r.ram_remaining, <, PAIR_RAM_SLACK);

    migrate_set_parameter_int(p->src.qts, "max-bandwidth", 0);
    pair_set_limit(p, 2000000);
    pair_check_completes(p);
}

/*
 * Where there is one multifd sync for each section, more of it would not be
 * understood
 */
static void test_probe_old_machine(MigPair *p, const void *data)
{
    MigReply r;

    pair_migrate(p);
    PAIR_WAIT(p, r, r.passes >= 5);
    g_assert_cmpuint(r.normal_bytes, <, PROBE_BYTES / 2);
    pair_set_limit(p, 2000000);
    pair_check_completes(p);
}

/* The same pages go through several channels again and again */
static void test_probe_dirty(MigPair *p, const void *data)
{
    MigReply r;

    pair_migrate(p);
    PAIR_WAIT(p, r, reason_is(&r, "device-state") && r.passes >= 8);
    vfio_sim_wait_guest_writes(&p->src);
    pair_set_limit(p, 10000);
    pair_check_completes(p);
}

static void test_set(MigPair *p, const void *data)
{
    MigReply r;

    pair_migrate(p);
    PAIR_WAIT(p, r, reason_is(&r, "device-state"));
    g_assert_cmpstr(r.basis, ==, "set");
    g_assert_cmpuint(r.bandwidth, ==, BANDWIDTH);
    g_assert_cmpuint(r.normal_bytes, <, PROBE_BYTES / 2);
    pair_set_limit(p, 10000);
    pair_check_completes(p);
}

/* 64 MiB at 64 MiB/s or a bit more, on a link that is a lot faster */
static void test_slow_device(MigPair *p, const void *data)
{
    MigReply r;

    pair_migrate(p);
    PAIR_WAIT(p, r, reason_is(&r, "device-state") && r.has_needed &&
                    r.remaining < 65 * MiB);
    g_assert_cmpuint(r.needed, >=, 600);
    g_assert_cmpuint(r.expected, >=, 600);
    pair_check_waits(p);
    pair_set_limit(p, 20000);
    pair_check_completes(p);
}

/* What is left of the first pass are zero pages, as those before */
static void test_zero_pages(MigPair *p, const void *data)
{
    MigReply r;

    migrate_set_parameter_int(p->src.qts, "max-bandwidth", 100000);
    pair_migrate(p);
    /* The first pages of a guest are not zero */
    PAIR_WAIT(p, r, reason_is(&r, "first-pass") && r.bandwidth &&
                    r.expected < r.remaining / 10 * 1000 / r.bandwidth);

    migrate_set_parameter_int(p->src.qts, "max-bandwidth", 0);
    pair_check_completes(p);
}

static const VfioCase cases[] = {
    {
        .path = "bandwidth/probe",
        .description = "An idle guest's memory is sent again when the "
                       "bandwidth matters",
        .pair = { .limit = 1, .devices = { STOP_64M } },
        .run = test_probe,
    },
    {
        .path = "bandwidth/probe-multifd",
        .description = "The same, with multifd",
        .pair = { .limit = 1, .multifd = true,
                  .devices = { STOP_64M ",precopy=off" } },
        .run = test_probe,
    },
    {
        .path = "bandwidth/completes",
        .description = "A device of 256 MiB and an idle guest complete with a "
                       "limit of 5 s and nothing else set",
        .pair = { .limit = 5000,
                  .devices = { "stop-bytes=256M,precopy=off" } },
        .run = test_completes,
    },
    {
        .path = "bandwidth/probe-off",
        .description = "Not if it is switched off",
        .pair = { .limit = 1, .devices = { STOP_64M } },
        .run = test_probe_off,
    },
    {
        .path = "bandwidth/probe-slow",
        .description = "Not more than max-bandwidth allows, and it ends",
        .pair = { .limit = 1, .devices = { STOP_64M } },
        .run = test_probe_slow,
    },
    {
        .path = "bandwidth/probe-old-machine",
        .description = "Not with multifd and machine types up to 8.0",
        .pair = { .limit = 1, .multifd = true,
                  .src.args = OLD_MULTIFD, .dst.args = OLD_MULTIFD,
                  .devices = { STOP_64M } },
        .run = test_probe_old_machine,
    },
    {
        .path = "bandwidth/probe-dirty",
        .description = "A guest that writes to its memory meanwhile loses "
                       "nothing",
        .pair = { .limit = 1, .multifd = true, .channels = 4,
                  .guest = VFIO_SIM_GUEST_DIRTY, .devices = { STOP_64M } },
        .run = test_probe_dirty,
    },
    {
        .path = "bandwidth/set",
        .description = "Where the user has set the bandwidth nothing is "
                       "measured",
        .pair = { .bandwidth = BANDWIDTH, .limit = 1,
                  .devices = { STOP_64M } },
        .run = test_set,
    },
    {
        .path = "bandwidth/slow-device",
        .description = "A device that is slower than the link takes longer",
        .pair = { .limit = 500,
                  .devices = { STOP_64M ",initial-bytes=32M,read-rate=64M" } },
        .run = test_slow_device,
    },
    {
        .path = "bandwidth/slow-device-multifd",
        .description = "The same, with multifd",
        .pair = { .limit = 500, .multifd = true,
                  .devices = { STOP_64M ",initial-bytes=32M,read-rate=64M" } },
        .run = test_slow_device,
    },
    {
        .path = "bandwidth/zero-pages",
        .description = "Zero pages that are left of the first pass take next "
                       "to nothing",
        .pair = { .limit = 2000000, .devices = { "stop-bytes=64K" } },
        .run = test_zero_pages,
    },
};

void add_bandwidth_tests(void)
{
    VFIO_CASES_ADD(cases);
}
