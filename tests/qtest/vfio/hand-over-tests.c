/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The moments around the hand-over of the guest, with a destination that is
 * slow, stuck or ends
 */

#include "qemu/osdep.h"
#include <sys/un.h>
#include "qobject/qdict.h"
#include "libqtest.h"
#include "migration/migration-qmp.h"
#include "migration/migration-util.h"
#include "vfio/case-dir.h"
#include "vfio/tcp-sockets.h"
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
    bool refused;
    QDict *rsp;

    hold_load(p);
    rsp = qtest_qmp(p->src.qts, "{ 'execute': 'migrate_cancel' }");
    refused = qdict_haskey(rsp, "error");
    qobject_unref(rsp);
    vfio_sim_set(&p->dst, 0, "hold", "none");
    if (!refused && p->opts.multifd) {
        /*
         * With multifd the destination may have begun while RAM is left to
         * send, at which time TCG lets the main loop run for a moment
         */
        pair_check_runs_on(p, "cancelled");
        wait_for_migration_status(p->dst.qts, "failed",
                                  PAIR_LIST("completed"));
        return;
    }
    g_assert(refused);
    pair_check_completes(p);
    g_assert(!vfio_sim_running(&p->src));
}

/*
 * The last part of the stream is less than a packet.  Where TCP delays it, it
 * waits for an acknowledgement that the peer delays.
 */
static void test_no_delay(MigPair *p, const void *data)
{
    int channels = p->opts.multifd ? 1 + p->opts.channels : 1;
    TcpSockets src, dst;

    hold_load(p);
    if (!tcp_sockets_count(qtest_pid(p->src.qts), &src) ||
        !tcp_sockets_count(qtest_pid(p->dst.qts), &dst)) {
        g_test_skip("options of another process's sockets cannot be read");
    } else {
        g_assert_cmpint(src.connected, ==, channels);
        g_assert_cmpint(src.without_delay, ==, channels);
        g_assert_cmpint(dst.connected, ==, channels);
        g_assert_cmpint(dst.without_delay, ==, channels);
    }
    vfio_sim_set(&p->dst, 0, "hold", "none");
    pair_check_completes(p);
}

static void test_destination_fails(MigPair *p, const void *data)
{
    hold_load(p);
    vfio_sim_set(&p->dst, 0, "fail-write-after", "1");
    vfio_sim_set(&p->dst, 0, "hold", "none");
    pair_check_runs_on(p, "failed");
}

#define RAM_SENT "idstr=ram"

/*
 * The channels of multifd end before a device has sent its data, and the main
 * channel does not: the destination notices it while the source sends nothing
 */
static void test_channels_end(MigPair *p, const void *data)
{
    g_autofree char *log = g_build_filename(case_log_dir(), "src-0.log", NULL);
    int64_t start = g_get_monotonic_time();
    bool cut, reported = false;
    MigReply r;

    pair_migrate(p);
    PAIR_WAIT(p, r, r.has_remaining && r.passes >= 3);
    vfio_sim_set(&p->src, 0, "hold", "read");
    /* The source may not answer before the device goes on */
    p->limit = 1000;
    qtest_qmp_send(p->src.qts, "{ 'execute': 'migrate-set-parameters',"
                   "  'arguments': { 'downtime-limit': 1000 } }");
    SIM_WAIT(&p->src, 0, "holding", ==, 1);
    vfio_sim_wait_text(log, RAM_SENT);
    cut = tcp_sockets_cut(qtest_pid(p->src.qts));
    while (cut && !reported) {
        QDict *rsp = migrate_query(p->dst.qts);

        reported = qdict_haskey(rsp, "error-desc");
        qobject_unref(rsp);
        vfio_sim_nap(start, "the destination reports an error");
    }
    vfio_sim_set(&p->src, 0, "hold", "none");
    qobject_unref(qtest_qmp_receive(p->src.qts));
    if (!cut) {
        g_test_skip("another process's sockets cannot be shut down");
        return;
    }
    vfio_sim_check_error(&p->dst, "dev0: the channels have ended before state "
                         "buffer 0 arrived");
    pair_check_runs_on(p, "failed");
    pair_migrate(p);
    pair_check_completes(p);
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

#define REFUSE_RUNNING "dev0: Failed setting device state to RUNNING"

/* A device of the destination does not start */
static void test_start_fails(MigPair *p, const void *data)
{
    const char *device = "precopy=off,stop-bytes=64K,fail-state=running";

    pair_migrate_to(p, PAIR_LIST(device));
    pair_check_runs_on(p, "failed");
    vfio_sim_check_error(&p->dst, REFUSE_RUNNING);
    g_assert(!vfio_sim_running(&p->dst));

    p->opts.dst_starts = false;
    pair_migrate(p);
    pair_check_completes(p);
}

typedef struct NoAnswer {
    const char *device;         /* of the destination */
    const char *error;          /* that it reports */
} NoAnswer;

static const NoAnswer refuses_state = {
    "precopy=off,fail-call=set-state,fail-call-skip=1,fail-call-count=1",
    "dev0: Failed setting device state to STOP"
};

/* The source has gone: the guest runs on, and management can see the failure */
static void test_no_answer(MigPair *p, const void *data)
{
    const NoAnswer *n = data;
    MigReply r;

    pair_migrate_to(p, PAIR_LIST(n->device));
    PAIR_WAIT_WHILE(p, r, reply_going_or_switchover(&r),
                    reply_status_is(&r, "completed"));
    wait_for_migration_complete(p->dst.qts);
    vfio_sim_check_error(&p->dst, n->error);
    g_assert(vfio_sim_running(&p->dst));
    g_assert(!vfio_sim_running(&p->src));
}

/* As management does it: the guest is started when the source has completed */
static void test_cont_fails(MigPair *p, const void *data)
{
    const char *device = "precopy=off,stop-bytes=64K,fail-state=running";
    QDict *rsp;
    MigReply r;

    pair_migrate_to(p, PAIR_LIST(device));
    PAIR_WAIT_WHILE(p, r, reply_going_or_switchover(&r),
                    reply_status_is(&r, "completed"));
    wait_for_migration_complete(p->dst.qts);
    rsp = qtest_qmp(p->dst.qts, "{ 'execute': 'cont' }");
    g_assert(strstr(qdict_get_str(qdict_get_qdict(rsp, "error"), "desc"),
                    REFUSE_RUNNING));
    qobject_unref(rsp);
    g_assert(!vfio_sim_running(&p->dst));

    /* The source still has the guest */
    vfio_sim_quit(&p->dst);
    qtest_qmp_assert_success(p->src.qts, "{ 'execute': 'cont' }");
    g_assert(vfio_sim_running(&p->src));
    vfio_sim_wait_state(&p->src, 0, "running");
}

/* Or the user starts the guest nevertheless */
static void test_cont_twice(MigPair *p, const void *data)
{
    QDict *rsp;
    int i;

    vfio_sim_set(&p->src, 0, "fail-state", "running");
    for (i = 0; i < 2; i++) {
        qtest_qmp_assert_success(p->src.qts, "{ 'execute': 'stop' }");
        rsp = qtest_qmp(p->src.qts, "{ 'execute': 'cont' }");
        g_assert(qdict_haskey(rsp, "error"));
        qobject_unref(rsp);
        g_assert(!vfio_sim_running(&p->src));
        qtest_qmp_assert_success(p->src.qts, "{ 'execute': 'cont' }");
        g_assert(vfio_sim_running(&p->src));
    }
}

/* A socket to which QEMU cannot connect before there is an accept() */
static int full_socket(const char *path, int *client)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    *client = socket(AF_UNIX, SOCK_STREAM, 0);
    g_assert(fd >= 0 && *client >= 0);
    g_assert_cmpuint(strlen(path), <, sizeof(addr.sun_path));
    g_strlcpy(addr.sun_path, path, sizeof(addr.sun_path));
    g_assert_cmpint(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), ==, 0);
    /* Its queue has room for one */
    g_assert_cmpint(listen(fd, 0), ==, 0);
    g_assert_cmpint(connect(*client, (struct sockaddr *)&addr, sizeof(addr)),
                    ==, 0);
    return fd;
}

/* What has been cancelled does not come back when it connects after all */
static void test_cancel_connect(MigPair *p, const void *data)
{
    g_autofree char *path = g_strdup_printf("%s/full", case_dir());
    g_autofree char *uri = g_strdup_printf("unix:%s", path);
    int client, late, fd = full_socket(path, &client);
    char byte;

    migrate_qmp(p->src.qts, NULL, uri, NULL, "{}");
    migrate_cancel(p->src.qts);
    pair_check_runs_on(p, "cancelled");

    pair_migrate(p);
    close(accept(fd, NULL, NULL));
    late = accept(fd, NULL, NULL);
    g_assert_cmpint(late, >=, 0);
    g_assert_cmpint(read(late, &byte, 1), ==, 0);
    pair_check_completes(p);
    close(late);
    close(client);
    close(fd);
}

/* The same of the second channel of a migration that has begun */
static void test_cancel_preempt(MigPair *p, const void *data)
{
    g_autofree char *path = g_strdup_printf("%s/full", case_dir());
    g_autofree char *uri = g_strdup_printf("unix:%s", path);
    int client, late, fd = full_socket(path, &client);
    MigReply r;
    char byte;

    migrate_set_capability(p->src.qts, "postcopy-preempt", true);
    migrate_set_parameter_int(p->src.qts, "max-bandwidth", KiB);
    migrate_qmp(p->src.qts, NULL, uri, NULL, "{}");
    close(accept(fd, NULL, NULL));
    PAIR_WAIT(p, r, reply_status_is(&r, "active"));
    migrate_cancel(p->src.qts);
    pair_check_runs_on(p, "cancelled");

    close(accept(fd, NULL, NULL));
    late = accept(fd, NULL, NULL);
    g_assert_cmpint(late, >=, 0);
    g_assert_cmpint(read(late, &byte, 1), ==, 0);
    pair_check_runs_on(p, "cancelled");

    migrate_set_capability(p->src.qts, "postcopy-preempt", false);
    migrate_set_parameter_int(p->src.qts, "max-bandwidth", 0);
    pair_migrate(p);
    pair_check_completes(p);
    close(late);
    close(client);
    close(fd);
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
        .path = "hand-over/no-delay",
        .description = "TCP sends the end of the stream at once",
        .pair = { .bandwidth = MiB, .limit = 10, .return_path = true,
                  .devices = { "precopy=off,stop-bytes=64K" } },
        .run = test_no_delay,
    },
    {
        .path = "hand-over/no-delay-multifd",
        .description = "The same on all channels",
        .pair = { .bandwidth = MiB, .limit = 10, .multifd = true,
                  .channels = 3,
                  .devices = { "precopy=off,stop-bytes=64K" } },
        .run = test_no_delay,
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
        .path = "hand-over/channels-end",
        .description = "The destination fails when multifd's channels end "
                       "too early",
        .pair = { .bandwidth = MiB, .limit = 10, .multifd = true,
                  .src.args = "-trace vmstate_downtime_save",
                  .devices = { "precopy=off,stop-bytes=64K" } },
        .run = test_channels_end,
    },
    {
        .path = "hand-over/start-fails",
        .description = "The source runs on when a device does not start",
        .pair = { .bandwidth = MiB, .limit = 1000, .return_path = true,
                  .dst_starts = true,
                  .devices = { "precopy=off,stop-bytes=64K" } },
        .run = test_start_fails,
    },
    {
        .path = "hand-over/start-fails/no-return-path",
        .description = "The guest runs on, and the failure is reported",
        .pair = { .bandwidth = MiB, .limit = 1000, .dst_starts = true,
                  .devices = { "precopy=off,stop-bytes=64K" } },
        .run = test_no_answer,
        .data = &(NoAnswer) { "precopy=off,fail-state=running",
                              REFUSE_RUNNING },
    },
    {
        .path = "hand-over/load-fails/no-return-path",
        .description = "The same, where a device refuses the state that it "
                       "has loaded",
        .pair = { .bandwidth = MiB, .limit = 1000, .dst_starts = true,
                  .devices = { "precopy=off,stop-bytes=64K" } },
        .run = test_no_answer,
        .data = &refuses_state,
    },
    {
        .path = "hand-over/load-fails/no-return-path-multifd",
        .description = "The same, with multifd",
        .pair = { .bandwidth = MiB, .limit = 1000, .dst_starts = true,
                  .multifd = true, .no_return_path = true,
                  .devices = { "precopy=off,stop-bytes=64K" } },
        .run = test_no_answer,
        .data = &refuses_state,
    },
    {
        .path = "hand-over/cont-fails",
        .description = "cont fails at the destination when a device does",
        .pair = { .bandwidth = MiB, .limit = 1000, .return_path = true,
                  .devices = { "precopy=off,stop-bytes=64K" } },
        .run = test_cont_fails,
    },
    {
        .path = "hand-over/cont-twice",
        .description = "A second cont starts the guest",
        .pair = { .devices = { "precopy=off,stop-bytes=64K" } },
        .run = test_cont_twice,
    },
    {
        .path = "hand-over/cancel-connect",
        .description = "A cancel ends a migration that is about to connect",
        .pair = { .bandwidth = MiB, .limit = 1000,
                  .devices = { "precopy=off,stop-bytes=64K" } },
        .run = test_cancel_connect,
    },
    {
        .path = "hand-over/cancel-preempt",
        .description = "The same with the preempt channel of an old machine",
        .pair = { .bandwidth = BANDWIDTH, .limit = LIMIT, .postcopy_ram = true,
                  .src.args = "-global migration.x-preempt-pre-7-2=on" },
        .run = test_cancel_preempt,
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
