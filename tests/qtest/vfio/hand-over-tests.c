/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The moments around the hand-over of the guest, with a destination that is
 * slow, stuck or ends
 */

#include "qemu/osdep.h"
#include "qobject/qdict.h"
#include "libqtest.h"
#include "migration/migration-qmp.h"
#include "vfio/tests.h"

/*
 * The source has sent everything, which fits into the buffers of the sockets,
 * and the destination is held in the load.
 */
static void hold_load(MigPair *p)
{
    MigReply r;

    pair_migrate(p);
    PAIR_WAIT(p, r, r.has_remaining && r.passes >= 3);
    vfio_sim_set(&p->dst, 0, "hold", "write");
    pair_set_limit(p, 1000);
    SIM_WAIT(&p->dst, 0, "holding", ==, 1);
    SIM_WAIT(&p->src, 0, "stop", ==, 0);
    /* The source answers again when it has sent the last byte */
    PAIR_WAIT_WHILE(p, r, reply_going_or_switchover(&r),
                    reply_status_is(&r, "device"));
}

static void test_cancel(MigPair *p, const void *data)
{
    QDict *rsp;

    hold_load(p);
    rsp = qtest_qmp(p->src.qts, "{ 'execute': 'migrate_cancel' }");
    g_assert(qdict_haskey(rsp, "error"));
    qobject_unref(rsp);
    vfio_sim_set(&p->dst, 0, "hold", "none");
    pair_check_completes(p);
    g_assert(!vfio_sim_running(&p->src));
}

static void test_destination_fails(MigPair *p, const void *data)
{
    hold_load(p);
    vfio_sim_set(&p->dst, 0, "fail-write-after", "1");
    vfio_sim_set(&p->dst, 0, "hold", "none");
    pair_check_runs_on(p, "failed");
}

/* All channels are full: only a shutdown of each wakes their threads */
static void test_cancel_stuck(MigPair *p, const void *data)
{
    uint64_t transferred = 0;
    int same = 0;
    MigReply r;
    pid_t dst;

    pair_migrate(p);
    PAIR_WAIT(p, r, r.passes >= 2);
    dst = qtest_pid(p->dst.qts);
    kill(dst, SIGSTOP);
    PAIR_WAIT(p, r, (same = r.ram_transferred == transferred ? same + 1 : 0,
                     transferred = r.ram_transferred, same >= 20));
    migrate_cancel(p->src.qts);
    pair_check_runs_on(p, "cancelled");
    kill(dst, SIGCONT);
}

static const VfioCase cases[] = {
    {
        .path = "hand-over/cancel",
        .description = "A cancel is refused when the destination has all",
        .pair = { .bandwidth = MiB, .limit = 10, .return_path = true,
                  .devices = { "precopy=off,stop-bytes=64K" } },
        .run = test_cancel,
    },
    {
        .path = "hand-over/cancel/multifd",
        .description = "The same, with multifd",
        .pair = { .bandwidth = MiB, .limit = 10, .multifd = true,
                  .devices = { "precopy=off,stop-bytes=64K" } },
        .run = test_cancel,
    },
    {
        .path = "hand-over/destination-fails",
        .description = "The source runs on when the destination fails late",
        .pair = { .bandwidth = MiB, .limit = 10, .return_path = true,
                  .devices = { "precopy=off,stop-bytes=64K" } },
        .run = test_destination_fails,
    },
    {
        .path = "hand-over/destination-fails-multifd",
        .description = "The same, with multifd",
        .pair = { .bandwidth = MiB, .limit = 10, .multifd = true,
                  .devices = { "precopy=off,stop-bytes=64K" } },
        .run = test_destination_fails,
    },
    {
        .path = "hand-over/cancel-stuck",
        .description = "A cancel ends a migration whose destination is stuck",
        .pair = { .bandwidth = MiB, .limit = 1, .multifd = true,
                  .channels = 4, .unix_socket = true,
                  .guest = VFIO_SIM_GUEST_DIRTY,
                  .devices = { STOP_64M } },
        .run = test_cancel_stuck,
    },
};

void add_hand_over_tests(void)
{
    VFIO_CASES_ADD(cases);
}
