/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What ends the session in which a device is read, and what does not: stops of
 * the guest, resets, snapshots
 */

#include "qemu/osdep.h"
#include "libqtest.h"
#include "migration/migration-qmp.h"
#include "vfio/tests.h"

/* Stop the migration thread in an exact query, which takes no lock of QEMU */
static void hold_query(MigPair *p)
{
    vfio_sim_set(&p->src, 0, "hold", "query");
    SIM_WAIT(&p->src, 0, "holding", ==, 1);
}

static void release(MigPair *p)
{
    vfio_sim_set(&p->src, 0, "hold", "none");
}

static void wait_64m(MigPair *p)
{
    MigReply r;

    pair_migrate(p);
    pair_wait_remaining(p, &r, 64 * MiB);
}

static void check_next_completes(MigPair *p)
{
    wait_64m(p);
    pair_set_limit(p, 1100);
    pair_check_completes(p);
}

static void cont(MigPair *p)
{
    qtest_qmp_assert_success(p->src.qts, "{ 'execute': 'cont' }");
}

/* The switchover would stop the guest once more, and fail */
static void test_stop_cont(MigPair *p, const void *data)
{
    wait_64m(p);
    hold_query(p);
    pair_stop_guest(p);
    vfio_sim_wait_state(&p->src, 0, "stop-copy");
    cont(p);
    release(p);
    pair_check_runs_on(p, "failed");
    g_assert_cmpuint(p->src.n_stop, ==, 1);
    vfio_sim_check_error(&p->src, "dev0: the guest was resumed after a stop");

    check_next_completes(p);
}

/* There is no session before the switchover */
static void test_stop_cont_no_precopy(MigPair *p, const void *data)
{
    MigReply r;

    wait_64m(p);
    hold_query(p);
    pair_stop_guest(p);
    vfio_sim_wait_state(&p->src, 0, "stop");
    cont(p);
    release(p);
    p->src.n_stop = 0;
    pair_wait_remaining(p, &r, 64 * MiB);
    pair_check_waits(p);
    pair_set_limit(p, 1100);
    pair_check_completes(p);
}

/* A panic stops the guest, and the migration completes it as it is */
static void test_panic(MigPair *p, const void *data)
{
    MigReply r;

    wait_64m(p);
    qtest_outb(p->src.qts, 0x505, 1);
    PAIR_WAIT_WHILE(p, r, reply_going_or_switchover(&r),
                    reply_status_is(&r, "completed"));
    SIM_CHECK(&p->src, 0, "sessions", ==, 1);
    SIM_CHECK(&p->src, 0, "read-bytes", >=, 65 * MiB);
    SIM_CHECK(&p->dst, 0, "stream-errors", ==, 0);
}

/* The guest was not started before: the device was not stopped either */
static void test_first_cont(MigPair *p, const void *data)
{
    MigReply r;

    migrate_set_parameter_int(p->src.qts, "max-bandwidth", 50000);
    pair_migrate(p);
    PAIR_WAIT(p, r, r.ram_transferred > 0);
    vfio_sim_wait_state(&p->src, 0, "pre-copy");
    cont(p);
    vfio_sim_wait_state(&p->src, 0, "pre-copy");
    migrate_set_parameter_int(p->src.qts, "max-bandwidth", 0);
    pair_wait_remaining(p, &r, 64 * MiB);
    pair_check_waits(p);
    pair_set_limit(p, 1100);
    pair_check_completes(p);
    SIM_CHECK(&p->src, 0, "sessions", ==, 1);
}

static void reset(MigPair *p)
{
    qtest_qmp_assert_success(p->src.qts, "{ 'execute': 'system_reset' }");
    qtest_qmp_eventwait(p->src.qts, "RESET");
}

static void test_reset(MigPair *p, const void *data)
{
    wait_64m(p);
    reset(p);
    pair_check_runs_on(p, "failed");
    g_assert_cmpuint(p->src.n_stop, ==, 0);
    vfio_sim_check_error(&p->src, "dev0: the device was reset");

    check_next_completes(p);
}

static void test_reset_no_precopy(MigPair *p, const void *data)
{
    wait_64m(p);
    reset(p);
    pair_check_waits(p);
    pair_set_limit(p, 1100);
    pair_check_completes(p);
}

static void test_reset_stopped(MigPair *p, const void *data)
{
    pair_stop_guest(p);
    vfio_sim_wait_state(&p->src, 0, "stop");
    reset(p);
    vfio_sim_wait_state(&p->src, 0, "stop");
    cont(p);
    vfio_sim_wait_state(&p->src, 0, "running");
    check_next_completes(p);
}

static void test_snapshot(MigPair *p, const void *data)
{
    g_autofree char *reply = NULL;

    wait_64m(p);
    reply = qtest_hmp(p->src.qts, "savevm a");
    g_assert(strstr(reply, "not possible during a migration"));
    pair_check_waits(p);
    SIM_CHECK(&p->src, 0, "sessions", ==, 1);
    pair_set_limit(p, 1100);
    pair_check_completes(p);
}

/* The migration thread is in a call of the device, which must not go away */
static void test_eject(MigPair *p, const void *data)
{
    MigReply r;

    wait_64m(p);
    hold_query(p);
    vfio_sim_eject_dev0(&p->src);
    SIM_CHECK(&p->src, 0, "holding", ==, 1);
    release(p);
    PAIR_WAIT_WHILE(p, r, reply_going(&r), reply_status_is(&r, "failed"));
    vfio_sim_check_error(&p->src, "'dev0' was unplugged by the guest");
    qtest_qmp_eventwait(p->src.qts, "DEVICE_DELETED");
    g_assert(vfio_sim_running(&p->src));

    pair_migrate_to(p, NULL);
    pair_check_completes(p);
}

#define DEVICE "initial-bytes=1M," STOP_64M

static const VfioCase cases[] = {
    {
        .path = "session/stop-cont",
        .description = "A guest that is stopped and resumed: the migration "
                       "fails at once, and the next one completes",
        .pair = { .bandwidth = BANDWIDTH, .limit = LIMIT,
                  .devices = { DEVICE } },
        .run = test_stop_cont,
    },
    {
        .path = "session/stop-cont/no-p2p",
        .description = "The same, with a device without P2P states",
        .pair = { .bandwidth = BANDWIDTH, .limit = LIMIT,
                  .devices = { DEVICE ",p2p=off" } },
        .run = test_stop_cont,
    },
    {
        .path = "session/stop-cont/multifd",
        .description = "The same, with multifd",
        .pair = { .bandwidth = BANDWIDTH, .limit = LIMIT, .multifd = true,
                  .devices = { DEVICE } },
        .run = test_stop_cont,
    },
    {
        .path = "session/stop-cont/no-precopy",
        .description = "A device without PRE_COPY does not mind it",
        .pair = { .bandwidth = BANDWIDTH, .limit = LIMIT,
                  .devices = { "precopy=off," STOP_64M } },
        .run = test_stop_cont_no_precopy,
    },
    {
        .path = "session/panic",
        .description = "A guest that something else has stopped completes",
        .pair = { .bandwidth = BANDWIDTH, .limit = LIMIT,
                  .devices = { DEVICE },
                  .src.args = "-device pvpanic -action panic=pause",
                  .dst.args = "-device pvpanic",
        },
        .run = test_panic,
    },
    {
        .path = "session/first-cont",
        .description = "A guest is started while it is migrated",
        .pair = { .bandwidth = BANDWIDTH, .limit = LIMIT,
                  .devices = { DEVICE }, .src.args = "-S" },
        .run = test_first_cont,
    },
    {
        .path = "session/reset",
        .description = "A guest that reboots: the migration fails at once, and "
                       "the next one completes",
        .pair = { .bandwidth = BANDWIDTH, .limit = LIMIT,
                  .devices = { DEVICE } },
        .run = test_reset,
    },
    {
        .path = "session/reset/no-p2p",
        .description = "The same, with a device without P2P states",
        .pair = { .bandwidth = BANDWIDTH, .limit = LIMIT,
                  .devices = { DEVICE ",p2p=off" } },
        .run = test_reset,
    },
    {
        .path = "session/reset/no-precopy",
        .description = "A device without PRE_COPY does not mind it",
        .pair = { .bandwidth = BANDWIDTH, .limit = LIMIT,
                  .devices = { "precopy=off," STOP_64M } },
        .run = test_reset_no_precopy,
    },
    {
        .path = "session/reset/stopped",
        .description = "A reset does not start the device of a stopped guest",
        .pair = { .bandwidth = BANDWIDTH, .limit = LIMIT,
                  .devices = { DEVICE } },
        .run = test_reset_stopped,
    },
    {
        .path = "session/eject",
        .description = "The guest ejects the device: the migration fails, and "
                       "then the device goes",
        .pair = { .bandwidth = BANDWIDTH, .limit = LIMIT,
                  .devices = { DEVICE } },
        .run = test_eject,
    },
    {
        .path = "session/snapshot",
        .description = "A snapshot is refused before the guest is stopped",
        .pair = { .bandwidth = BANDWIDTH, .limit = LIMIT,
                  .devices = { DEVICE } },
        .run = test_snapshot,
    },
};

void add_session_tests(void)
{
    VFIO_CASES_ADD(cases);
}
