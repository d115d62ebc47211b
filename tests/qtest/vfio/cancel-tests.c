/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Cancelled migrations, and what comes after them
 */

#include "qemu/osdep.h"
#include "libqtest.h"
#include "migration/migration-qmp.h"
#include "vfio/tests.h"

static void wait_and_cancel(MigPair *p, uint64_t bytes)
{
    MigReply r;

    pair_wait_remaining(p, &r, bytes);
    migrate_cancel(p->src.qts);
    pair_check_runs_on(p, "cancelled");
}

static void test_again(MigPair *p, const void *data)
{
    MigReply r;

    pair_migrate(p);
    wait_and_cancel(p, 64 * MiB);

    /* Nothing of the first migration is in the replies of the second */
    vfio_sim_set(&p->src, 0, "stop-bytes", "32M");
    pair_set_limit(p, 200);
    pair_migrate(p);
    PAIR_WAIT(p, r, r.has_remaining);
    g_assert_cmpuint(r.remaining, <, 64 * MiB);
    g_assert_cmpuint(r.vfio_transferred, <, 2 * MiB);
    pair_wait_remaining(p, &r, 32 * MiB);
    pair_check_waits(p);
    wait_and_cancel(p, 32 * MiB);

    pair_set_limit(p, 600);
    pair_migrate(p);
    pair_check_completes(p);
    g_assert_cmpuint(p->last.vfio_transferred, <, 34 * MiB);
}

static void test_reset(MigPair *p, const void *data)
{
    uint64_t resets = vfio_sim_get(&p->src, 0, "resets");
    MigReply r;

    pair_migrate(p);
    pair_wait_remaining(p, &r, 64 * MiB);
    vfio_sim_set(&p->src, 0, "fail-count", "1");
    vfio_sim_set(&p->src, 0, "fail-state", "RUNNING");
    migrate_cancel(p->src.qts);
    pair_check_runs_on(p, "cancelled");
    SIM_CHECK(&p->src, 0, "faults", ==, 1);
    SIM_CHECK(&p->src, 0, "resets", ==, resets + 1);
    vfio_sim_set(&p->src, 0, "fail-state", "none");

    pair_migrate(p);
    pair_wait_remaining(p, &r, 64 * MiB);
    pair_set_limit(p, 1100);
    pair_check_completes(p);
}

static void test_unplug(MigPair *p, const void *data)
{
    g_autofree char *hmp = NULL;
    MigReply r;

    pair_migrate(p);
    pair_wait_remaining(p, &r, 64 * MiB);
    vfio_sim_check_unplug_refused(&p->src);
    migrate_cancel(p->src.qts);
    pair_check_runs_on(p, "cancelled");

    vfio_sim_unplug_dev0(&p->src);
    pair_query(p);
    hmp = pair_info_migrate(p);
    g_assert(!strstr(hmp, "Remaining (bytes):"));

    pair_migrate_to(p, NULL);
    pair_check_completes(p);
}

static void end_stopped(MigPair *p, const char *status)
{
    MigReply r;

    if (g_str_equal(status, "cancelled")) {
        migrate_cancel(p->src.qts);
    } else {
        vfio_sim_quit(&p->dst);
    }
    PAIR_WAIT_WHILE(p, r, reply_going_or_switchover(&r) ||
                          reply_status_is(&r, "cancelling"),
                    reply_status_is(&r, status));
    vfio_sim_wait_state(&p->src, 0, "stop");
    /* The main loop has done all that it does at the end */
    pair_query(p);
    vfio_sim_wait_state(&p->src, 0, "stop");
}

/* The first pass takes so long that the migration ends in it */
static void test_stopped(MigPair *p, const void *data)
{
    const char *status = data;
    MigReply r;

    migrate_set_parameter_int(p->src.qts, "max-bandwidth", 50000);
    pair_stop_guest(p);
    pair_migrate(p);
    PAIR_WAIT(p, r, r.ram_transferred > 0);
    end_stopped(p, status);
    qtest_qmp_assert_success(p->src.qts, "{ 'execute': 'cont' }");
    vfio_sim_wait_state(&p->src, 0, "running");

    pair_migrate(p);
    PAIR_WAIT(p, r, r.ram_transferred > 0);
    pair_stop_guest(p);
    PAIR_WAIT(p, r, r.ram_transferred > 0);
    end_stopped(p, status);

    migrate_set_parameter_int(p->src.qts, "max-bandwidth", 0);
    pair_migrate(p);
    pair_check_completes(p);
}

static const VfioCase cases[] = {
    {
        .path = "cancel/again",
        .description = "Cancelled twice, the migration completes in the end",
        .pair = { .bandwidth = BANDWIDTH, .limit = LIMIT,
                  .devices = { "initial-bytes=1M," STOP_64M } },
        .run = test_again,
    },
    {
        .path = "cancel/reset",
        .description = "A device that cannot return to RUNNING is reset",
        .pair = { .bandwidth = BANDWIDTH, .limit = LIMIT,
                  .devices = { STOP_64M } },
        .run = test_reset,
    },
    {
        .path = "cancel/stopped",
        .description = "A device of a guest that is stopped stays stopped, and "
                       "can be migrated",
        .pair = { .bandwidth = BANDWIDTH, .limit = LIMIT,
                  .devices = { "initial-bytes=1M," STOP_64M } },
        .run = test_stopped, .data = "cancelled",
    },
    {
        .path = "cancel/stopped/failed",
        .description = "The same, where the migration fails",
        .pair = { .bandwidth = BANDWIDTH, .limit = LIMIT,
                  .devices = { "initial-bytes=1M," STOP_64M } },
        .run = test_stopped, .data = "failed",
    },
    {
        .path = "cancel/unplug",
        .description = "The device is unplugged after the migration was "
                       "cancelled, and the next migration is without it",
        .pair = { .bandwidth = BANDWIDTH, .limit = LIMIT,
                  .devices = { STOP_64M } },
        .run = test_unplug,
    },
};

void add_cancel_tests(void)
{
    VFIO_CASES_ADD(cases);
}
