/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When a migration switches over, when it waits, what it costs then, and what
 * it reports
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qobject/qdict.h"
#include "qobject/qjson.h"
#include "libqtest.h"
#include "migration/migration-qmp.h"
#include "vfio/case-dir.h"
#include "vfio/tests.h"

static bool reason_is(const MigReply *r, const char *reason)
{
    return r->has_state && g_str_equal(r->reason, reason);
}

static void test_stopped_before(MigPair *p, const void *data)
{
    pair_stop_guest(p);
    pair_migrate(p);
    pair_check_completes(p);
}

static void test_stopped_while_waiting(MigPair *p, const void *data)
{
    MigReply r;

    pair_migrate(p);
    pair_wait_remaining(p, &r, 64 * MiB);
    pair_check_waits(p);
    pair_stop_guest(p);
    pair_check_completes(p);
}

static void test_stopped_to_file(MigPair *p, const void *data)
{
    g_autofree char *uri = g_strdup_printf("file:%s/stream", case_dir());
    MigReply r;

    qtest_qmp_assert_success(p->src.qts, "{ 'execute': 'migrate',"
                             "'arguments': { 'uri': %s } }", uri);
    pair_wait_remaining(p, &r, 64 * MiB);
    pair_check_waits(p);
    pair_stop_guest(p);
    PAIR_WAIT_WHILE(p, r, reply_going_or_switchover(&r),
                    reply_status_is(&r, "completed"));
    SIM_CHECK(&p->src, 0, "read-bytes", >=, 64 * MiB);
}

static void add_bitmap(MigPair *p)
{
    qtest_qmp_assert_success(p->src.qts,
                             "{ 'execute': 'block-dirty-bitmap-add',"
                             "  'arguments': { 'node': 'disk', 'name': 'b',"
                             "                 'granularity': 512 } }");
}

static void test_stopped_bitmaps(MigPair *p, const void *data)
{
    add_bitmap(p);
    pair_stop_guest(p);
    pair_migrate(p);
    pair_check_completes(p);
}

static void test_postcopy_bitmaps(MigPair *p, const void *data)
{
    MigReply r;

    add_bitmap(p);
    pair_migrate(p);
    pair_wait_remaining(p, &r, 16 * MiB);
    qtest_qmp_assert_success(p->src.qts,
                             "{ 'execute': 'migrate-start-postcopy' }");
    pair_check_waits(p);
    pair_set_limit(p, 5000);
    PAIR_WAIT_WHILE(p, r, !reply_status_is(&r, "failed"),
                    reply_status_is(&r, "completed"));
    pair_check_completes(p);
}

/* 16 MiB of bitmaps cannot move before the switchover */
static void test_large_bitmaps(MigPair *p, const void *data)
{
    MigReply first, r;

    add_bitmap(p);
    pair_migrate(p);
    PAIR_WAIT(p, r, r.has_remaining && reason_is(&r, "device-state"));
    first = r;
    PAIR_WAIT(p, r, r.passes >= first.passes + 10);
    g_assert_cmpuint(r.passes - first.passes, <=,
                     (r.total_time - first.total_time) / 150 + 2);
    migrate_cancel(p->src.qts);
    pair_check_runs_on(p, "cancelled");
}

/*
 * The stream is so slow that the first pass takes a while, and the limit so
 * high that nothing has to be sent before the switchover
 */
static void test_first_pass(MigPair *p, const void *data)
{
    MigReply r;

    migrate_set_parameter_int(p->src.qts, "max-bandwidth", 100000);
    pair_migrate(p);
    PAIR_WAIT(p, r, reason_is(&r, "first-pass"));
    pair_check_hmp_has(p, "Switchover: \t\tfirst-pass");
    pair_check_completes(p);
    g_assert_cmpuint(p->last.precopy_bytes, >, 4 * p->last.downtime_bytes);
}

static void test_no_throttle(MigPair *p, const void *data)
{
    MigReply first, r;

    migrate_set_capability(p->src.qts, data, true);
    pair_migrate(p);
    PAIR_WAIT(p, r, reason_is(&r, "device-state"));
    first = r;
    /* Throttling begins when two periods of a second had too many writes */
    PAIR_WAIT(p, r, r.total_time >= first.total_time + 5000);
    g_assert_cmpuint(r.throttle, ==, 0);
    g_assert_cmpuint(r.passes, >=, first.passes + 5);
    vfio_sim_wait_guest_writes(&p->src);

    pair_set_limit(p, 10000);
    pair_check_completes(p);
}

static void test_throttle_released(MigPair *p, const void *data)
{
    MigReply first, r;

    /* The guest dirties more than is sent */
    migrate_set_parameter_int(p->src.qts, "max-bandwidth", 40 * MiB);
    migrate_set_capability(p->src.qts, data, true);
    pair_migrate(p);
    PAIR_WAIT(p, r, r.throttle > 0);

    vfio_sim_set(&p->src, 0, "stop-bytes", "1G");
    migrate_set_parameter_int(p->src.qts, "max-bandwidth", 0);
    PAIR_WAIT(p, r, reason_is(&r, "device-state") && !r.throttle);
    first = r;
    PAIR_WAIT(p, r, r.total_time >= first.total_time + 3000);
    g_assert_cmpuint(r.throttle, ==, 0);
    vfio_sim_wait_guest_writes(&p->src);

    /* And is throttled again when its RAM is all that is left */
    migrate_set_parameter_int(p->src.qts, "max-bandwidth", 40 * MiB);
    vfio_sim_set(&p->src, 0, "stop-bytes", "64K");
    PAIR_WAIT(p, r, r.throttle > 0);

    migrate_set_parameter_int(p->src.qts, "max-bandwidth", 0);
    pair_set_limit(p, 10000);
    pair_check_completes(p);
}

/* Less than 4 % of progress in 40 s */
static void test_dirty_rate(MigPair *p, const void *data)
{
    MigReply r;

    migrate_set_parameter_int(p->src.qts, "max-bandwidth", 40 * MiB);
    pair_migrate(p);
    PAIR_WAIT(p, r, reason_is(&r, "progress"));
    PAIR_WAIT(p, r, reason_is(&r, "dirty-rate"));
    g_assert_cmpuint(r.total_time, >=, 40000);
    g_assert_cmpuint(r.stalled_passes, >=, 1);
    g_assert(r.has_needed);
    vfio_sim_wait_guest_writes(&p->src);

    pair_set_limit(p, 30000);
    pair_check_completes(p);
}

/* What is sent in that time is next to nothing, but something in each pass */
static void test_pace(MigPair *p, const void *data)
{
    MigReply first, r, last;

    pair_migrate(p);
    PAIR_WAIT(p, r, reason_is(&r, "device-state"));
    PAIR_WAIT(p, r, r.passes >= 5);
    first = last = r;
    do {
        /* The bytes of the latest pass may be on their way */
        PAIR_WAIT(p, r, r.passes >= last.passes + 2);
        g_assert_cmpuint(r.ram_transferred, >, last.ram_transferred);
        g_assert(reason_is(&r, "device-state"));
        last = r;
    } while (r.passes < first.passes + 10);
    g_assert_cmpuint(r.passes - first.passes, <=,
                     (r.total_time - first.total_time) / 150 + 2);
    g_assert_cmpuint(r.ram_transferred - first.ram_transferred, <, 4 * MiB);

    pair_set_limit(p, 10000);
    pair_check_completes(p);
}

static void test_needed_limit(MigPair *p, const void *data)
{
    MigReply r;

    /* Nothing below 2,000,000 ms is enough */
    p->opts.bandwidth = 1000;
    migrate_set_parameter_int(p->src.qts, "avail-switchover-bandwidth", 1000);
    migrate_set_capability(p->src.qts, "events", true);
    pair_migrate(p);
    PAIR_WAIT(p, r, reason_is(&r, "device-state") &&
                    g_str_equal(p->src.last_reason, "device-state"));
    g_assert(!r.has_needed);
    g_assert_cmpuint(r.best, >=, 64 * MiB);
    pair_check_hmp_has(p, "Switchover: \t\tdevice-state, since=");
    pair_check_hmp_has(p, "more bandwidth or less device state");

    p->opts.bandwidth = 64 * MiB;
    migrate_set_parameter_int(p->src.qts, "avail-switchover-bandwidth",
                              64 * MiB);
    PAIR_WAIT(p, r, r.has_needed && r.needed >= 1000 && r.needed <= 1020);
    pair_check_hmp_has(p, ", needs downtime-limit=10");
    pair_set_limit(p, r.needed + 20);
    pair_check_completes(p);
}

static void check_refused(MigPair *p, const char *value)
{
    QDict *rsp = qtest_qmp(p->src.qts, "{ 'execute': 'migrate-set-parameters',"
                           "'arguments': { 'x-max-downtime-limit': %p } }",
                           qobject_from_json(value, &error_abort));

    g_assert(qdict_haskey(rsp, "error"));
    qobject_unref(rsp);
}

static void test_max_downtime(MigPair *p, const void *data)
{
    MigReply first, r;

    check_refused(p, "2000001");
    check_refused(p, "-1");
    check_refused(p, "\"1s\"");

    migrate_set_capability(p->src.qts, "events", true);
    pair_migrate(p);
    pair_wait_remaining(p, &r, 64 * MiB);
    migrate_set_parameter_int(p->src.qts, "x-max-downtime-limit", 999);
    /* Longer than it has to wait before it may */
    first = r;
    PAIR_WAIT(p, r, r.total_time >= first.total_time + 2000);
    pair_check_waits(p);

    migrate_set_parameter_int(p->src.qts, "x-max-downtime-limit", 5000);
    pair_check_completes(p);
    g_assert_cmpuint(p->src.raised_limit, >=, 1000);
    g_assert_cmpuint(p->src.raised_limit, <=, 1060);
}

static void test_destination_dies(MigPair *p, const void *data)
{
    MigReply r;

    pair_migrate(p);
    pair_wait_remaining(p, &r, 64 * MiB);
    pair_check_waits(p);
    vfio_sim_quit(&p->dst);
    pair_check_runs_on(p, "failed");

    pair_migrate(p);
    pair_wait_remaining(p, &r, 64 * MiB);
    pair_set_limit(p, 1100);
    pair_check_completes(p);
}

/* Parameters and cancels in any order while it waits */
static void test_storm(MigPair *p, const void *data)
{
    MigReply r;
    int i;

    for (i = 0; i < 5; i++) {
        int j;

        pair_migrate(p);
        PAIR_WAIT(p, r, r.has_remaining && r.passes >= 2);
        for (j = 0; j < 100; j++) {
            migrate_set_parameter_int(p->src.qts, "max-bandwidth",
                                      j % 2 ? 0 : GiB);
            migrate_set_parameter_int(p->src.qts, "x-max-downtime-limit",
                                      j % 3 ? 0 : 500);
            pair_set_limit(p, LIMIT + j);
        }
        pair_query(p);
        migrate_cancel(p->src.qts);
        migrate_cancel(p->src.qts);
        pair_check_runs_on(p, "cancelled");
    }
    pair_set_limit(p, 1100);
    pair_migrate(p);
    pair_check_completes(p);
}

#define SIDE_WITH_DISK(size) \
    { .args = "-blockdev driver=null-co,node-name=disk,read-zeroes=on," \
              "size=" size }

static const VfioCase cases[] = {
    {
        .path = "decision/stopped/before",
        .description = "A guest that is stopped has no downtime to limit",
        .pair = { .bandwidth = BANDWIDTH, .limit = 100,
                  .devices = { STOP_64M } },
        .run = test_stopped_before,
    },
    {
        .path = "decision/stopped/before-return-path",
        .description = "The same, with a return path",
        .pair = { .bandwidth = BANDWIDTH, .limit = 100, .return_path = true,
                  .devices = { STOP_64M } },
        .run = test_stopped_before,
    },
    {
        .path = "decision/stopped/no-bandwidth",
        .description = "The same, before a bandwidth is known",
        .pair = { .limit = 1, .devices = { STOP_64M } },
        .run = test_stopped_before,
    },
    {
        .path = "decision/stopped/while-waiting",
        .description = "To stop the guest ends a migration that waits",
        .pair = { .bandwidth = BANDWIDTH, .limit = 100,
                  .devices = { STOP_64M } },
        .run = test_stopped_while_waiting,
    },
    {
        .path = "decision/stopped/while-waiting-return-path",
        .description = "The same, with a return path",
        .pair = { .bandwidth = BANDWIDTH, .limit = 100, .return_path = true,
                  .devices = { STOP_64M ",precopy=off" } },
        .run = test_stopped_while_waiting,
    },
    {
        .path = "decision/stopped/dirty",
        .description = "The same, with a guest that has dirtied memory",
        .pair = { .bandwidth = BANDWIDTH, .limit = 100,
                  .guest = VFIO_SIM_GUEST_DIRTY, .devices = { STOP_64M } },
        .run = test_stopped_before,
    },
    {
        .path = "decision/stopped/to-file",
        .description = "The same, for a migration to a file",
        .pair = { .bandwidth = BANDWIDTH, .limit = 100,
                  .devices = { STOP_64M } },
        .run = test_stopped_to_file,
    },
    {
        .path = "decision/postcopy/bitmaps",
        .description = "In postcopy only dirty bitmaps count, not what a "
                       "device had",
        .pair = { .bandwidth = 64 * MiB, .limit = 1, .multifd = true,
                  .dirty_bitmaps = true,
                  .src = SIDE_WITH_DISK("1073741824"),
                  .dst = SIDE_WITH_DISK("1073741824"),
                  .devices = { "stop-bytes=16M" } },
        .run = test_postcopy_bitmaps,
    },
    {
        .path = "decision/stopped/bitmaps",
        .description = "The same, with large dirty bitmaps, which move only "
                       "at the end",
        .pair = { .bandwidth = 1000, .limit = 1, .dirty_bitmaps = true,
                  .src = SIDE_WITH_DISK("68719476736"),
                  .dst = SIDE_WITH_DISK("68719476736"),
                  .devices = { "stop-bytes=64K" } },
        .run = test_stopped_bitmaps,
    },
    {
        .path = "decision/bitmaps",
        .description = "While it waits for large dirty bitmaps, RAM is not "
                       "synced back to back",
        .pair = { .bandwidth = 1000, .limit = 1, .dirty_bitmaps = true,
                  .src = SIDE_WITH_DISK("68719476736"),
                  .dst = SIDE_WITH_DISK("68719476736"),
                  .devices = { "stop-bytes=0" } },
        .run = test_large_bitmaps,
    },
    {
        .path = "decision/first-pass",
        .description = "A high limit takes no RAM into the downtime",
        .pair = { .bandwidth = GiB, .limit = 500000,
                  .devices = { "stop-bytes=64K" } },
        .run = test_first_pass,
    },
    {
        .path = "decision/no-throttle/auto-converge",
        .description = "The guest is not throttled for a device",
        .pair = { .bandwidth = GiB, .limit = LIMIT,
                  .guest = VFIO_SIM_GUEST_DIRTY,
                  .devices = { "stop-bytes=1G" } },
        .run = test_no_throttle, .data = "auto-converge",
    },
    {
        .path = "decision/no-throttle/released",
        .description = "A guest that is throttled for its RAM gets its speed "
                       "back while the migration waits for a device",
        .pair = { .bandwidth = GiB, .limit = 10,
                  .guest = VFIO_SIM_GUEST_DIRTY,
                  .devices = { "stop-bytes=64K" } },
        .run = test_throttle_released, .data = "auto-converge",
    },
    {
        .path = "decision/dirty-rate",
        .description = "A guest that dirties RAM as fast as it is sent is "
                       "reported",
        .pair = { .bandwidth = GiB, .limit = 1,
                  .guest = VFIO_SIM_GUEST_DIRTY,
                  .devices = { "stop-bytes=64K" } },
        .run = test_dirty_rate,
    },
    {
        .path = "decision/pace",
        .description = "A migration that waits makes a few exact queries per "
                       "second and sends next to nothing",
        .pair = { .bandwidth = GiB, .limit = LIMIT,
                  .devices = { "stop-bytes=1G" } },
        .run = test_pace,
    },
    {
        .path = "decision/needed-limit",
        .description = "The limit that would let it finish is one that can be "
                       "set",
        .pair = { .bandwidth = BANDWIDTH, .limit = LIMIT,
                  .devices = { STOP_64M } },
        .run = test_needed_limit,
    },
    {
        .path = "decision/max-downtime",
        .description = "QEMU raises the limit as far as it may, and needs",
        .pair = { .bandwidth = BANDWIDTH, .limit = LIMIT,
                  .devices = { STOP_64M } },
        .run = test_max_downtime,
    },
    {
        .path = "decision/destination-dies",
        .description = "The destination ends while the migration waits",
        .pair = { .bandwidth = BANDWIDTH, .limit = LIMIT,
                  .devices = { STOP_64M } },
        .run = test_destination_dies,
    },
    {
        .path = "decision/storm",
        .description = "Parameters and cancels while the migration waits",
        .pair = { .bandwidth = BANDWIDTH, .limit = LIMIT, .return_path = true,
                  .devices = { STOP_64M } },
        .run = test_storm,
    },
};

void add_decision_tests(void)
{
    VFIO_CASES_ADD(cases);
}
