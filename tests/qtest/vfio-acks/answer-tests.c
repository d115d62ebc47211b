/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Acks that are stale, wrong or missing
 */

#include "qemu/osdep.h"
#include "qemu/sockets.h"
#include "libqtest.h"
#include "migration/migration-qmp.h"
#include "vfio-acks/acks.h"

/*
 * The ack for a request does not count after the next request.  dev1 is there
 * to hold the destination right after it has acknowledged for dev0.
 */
static void test_stale(MigPair *p, const void *data)
{
    uint64_t passes;
    MigReply r;

    pair_migrate(p);
    pair_wait_remaining(p, &r, 64 * MiB + 64 * KiB);
    wait_acknowledged(p, 2);

    /* Request 2 of dev0: it is sent, and the destination does not read it */
    vfio_sim_set(&p->dst, 0, "hold", "write");
    vfio_sim_set(&p->src, 0, "reinit-at", "now");
    SIM_WAIT(&p->dst, 0, "holding", ==, 1);
    PAIR_WAIT(p, r, r.requests == 3);
    SIM_WAIT(&p->src, 0, "initial", ==, 0);
    passes = pair_query(p).passes;
    PAIR_WAIT(p, r, r.passes >= passes + 2);

    /* Some data of dev1 after it, and then request 3 */
    vfio_sim_set(&p->dst, 1, "hold", "write");
    vfio_sim_set(&p->src, 1, "dirty-bytes", "64K");
    SIM_WAIT(&p->src, 1, "dirty", ==, 0);
    vfio_sim_set(&p->src, 0, "reinit-at", "now");
    PAIR_WAIT(p, r, r.requests == 4);
    pair_set_limit(p, LIMIT_64M);

    /* Request 2 is acknowledged, and dev1 waits for no ack */
    vfio_sim_set(&p->dst, 0, "hold", "none");
    SIM_WAIT(&p->dst, 1, "holding", ==, 1);
    SIM_CHECK(&p->dst, 0, "write-bytes-initial", ==, 2 * INITIAL);
    check_waits_for_ack(p, 4);
    SIM_CHECK(&p->dst, 0, "write-bytes-initial", ==, 2 * INITIAL);

    vfio_sim_set(&p->dst, 1, "hold", "none");
    check_completes_acked(p);
    check_acks(p, 4, 0);
    SIM_CHECK(&p->dst, 0, "write-bytes-initial", ==, 3 * INITIAL);
}

/* A destination that reads the whole stream, and sends one fixed answer */
typedef struct FakeDestination {
    const char *name;
    const char *error;          /* of the source */
    size_t len;                 /* of @answer */
    uint8_t answer[16];
    bool stays;                 /* else the return path ends after it */
    bool before_requests;       /* is not to be taken for an answer to one */
} FakeDestination;

static const FakeDestination fake_destinations[] = {
    { "without-request",
      "The destination sends more switchover acks than are due",
      4, { 0, 7, 0, 0 }, true, true },
    { "wrong-pong",
      "The destination returns a ping that was not sent",
      8, { 0, 2, 0, 4, 0x80, 0, 0, 9 }, true, true },
    { "goodbye", "The destination has closed the return path",
      8, { 0, 1, 0, 4, 0, 0, 0, 0 }, true },
    { "too-long", "Received 'SWITCHOVER_ACK' message",
      8, { 0, 7, 0, 4, 0, 0, 0, 1 } },
    { "unknown", "Received invalid message", 4, { 0, 8, 0, 0 } },
    { "none", NULL, 0 },
};

typedef struct FakeServer {
    const FakeDestination *fake;
    int listen_fd;
} FakeServer;

static void *fake_run(void *opaque)
{
    FakeServer *server = opaque;
    const FakeDestination *fake = server->fake;
    g_autofree char *buf = g_malloc(MiB);
    int fd = accept(server->listen_fd, NULL, NULL);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(qemu_write_full(fd, fake->answer, fake->len), ==,
                    fake->len);
    if (!fake->stays) {
        shutdown(fd, SHUT_WR);
    }
    while (read(fd, buf, MiB) > 0) {
        /* The data is of no use */
    }
    close(fd);
    return NULL;
}

/* No ack can arrive any more: the migration does not wait for one */
static void test_fake_destination(MigPair *p, const void *data)
{
    FakeServer server = { .fake = data };
    struct sockaddr_in addr = { .sin_family = AF_INET,
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(addr);
    g_autofree char *uri = NULL;
    GThread *thread;
    int fd;

    fd = socket(AF_INET, SOCK_STREAM, 0);
    g_assert(fd >= 0 && !bind(fd, (void *)&addr, sizeof(addr)) &&
             !listen(fd, 1) && !getsockname(fd, (void *)&addr, &len));
    server.listen_fd = fd;
    thread = g_thread_new("fake-destination", fake_run, &server);
    uri = g_strdup_printf("tcp:127.0.0.1:%d", ntohs(addr.sin_port));
    migrate_qmp(p->src.qts, NULL, uri, NULL, "{}");

    pair_check_runs_on(p, "failed");
    g_assert_cmpuint(p->src.n_stop, ==, 0);
    if (server.fake->error) {
        vfio_sim_check_error(&p->src, server.fake->error);
    }
    g_thread_join(thread);
    close(fd);

    check_works_again(p, p->opts.devices, !server.fake->before_requests);
}

void add_answer_tests(void)
{
    static const AckVariant per_device = { ACK_PER_DEVICE };
    int i;

    ack_case_add(per_device, &(VfioCase) {
        .path = "answer/stale",
        .description = "An ack that arrives after the device has requested "
                       "the next one does not count",
        .pair.devices = { "initial-bytes=64K," STOP_64M ",reinit-bytes=64K,"
                          "reinit-at=none,reinit-flag=once", SMALL },
        .run = test_stale,
    });
    for (i = 0; i < ARRAY_SIZE(fake_destinations); i++) {
        ack_case_add_as(per_device, "answer", fake_destinations[i].name,
                        &(VfioCase) {
            .description = "The migration fails with an answer that is not "
                           "an ack, or without one",
            .pair.devices = { fake_destinations[i].before_requests ?
                              "precopy=off" : SMALL },
            .run = test_fake_destination, .data = &fake_destinations[i],
        });
    }
}
