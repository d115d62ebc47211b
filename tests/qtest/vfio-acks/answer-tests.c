/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Acks that are stale, wrong or missing
 */

#include "qemu/osdep.h"
#include "qemu/sockets.h"
#include "qemu/thread.h"
#include "standard-headers/linux/virtio_config.h"
#include "standard-headers/linux/virtio_net.h"
#include "libqtest.h"
#include "libqos/malloc-pc.h"
#include "libqos/pci-pc.h"
#include "libqos/virtio-pci.h"
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
    /* The first one is that of "wait-unplug", too */
    { "goodbye", "The destination has closed the return path",
      8, { 0, 1, 0, 4, 0, 0, 0, 0 }, true },
    { "without-request",
      "The destination sends more switchover acks than are due",
      4, { 0, 7, 0, 0 }, true, true },
    { "wrong-pong",
      "The destination returns a ping that was not sent",
      8, { 0, 2, 0, 4, 0x80, 0, 0, 9 }, true, true },
    { "too-long", "Received 'SWITCHOVER_ACK' message",
      8, { 0, 7, 0, 4, 0, 0, 0, 1 } },
    { "unknown", "Received invalid message", 4, { 0, 8, 0, 0 } },
    { "none", NULL, 0 },
};

typedef struct FakeServer {
    const FakeDestination *fake;
    int listen_fd;
    QemuSemaphore may_answer;
} FakeServer;

static void *fake_run(void *opaque)
{
    FakeServer *server = opaque;
    const FakeDestination *fake = server->fake;
    g_autofree char *buf = g_malloc(MiB);
    int fd = accept(server->listen_fd, NULL, NULL);

    g_assert_cmpint(fd, >=, 0);
    qemu_sem_wait(&server->may_answer);
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

/*
 * A migration to it fails, and the guest is not stopped.  With @status, it
 * answers when the migration has that.
 */
static void migrate_to_fake(MigPair *p, const FakeDestination *fake,
                            const char *status)
{
    FakeServer server = { .fake = fake };
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
    qemu_sem_init(&server.may_answer, 0);
    thread = g_thread_new("fake-destination", fake_run, &server);
    uri = g_strdup_printf("tcp:127.0.0.1:%d", ntohs(addr.sin_port));
    migrate_qmp(p->src.qts, NULL, uri, NULL, "{}");
    if (status) {
        MigReply r;

        PAIR_WAIT(p, r, reply_status_is(&r, status));
    }
    qemu_sem_post(&server.may_answer);

    pair_check_runs_on(p, "failed");
    g_assert_cmpuint(p->src.n_stop, ==, 0);
    if (fake->error) {
        vfio_sim_check_error(&p->src, fake->error);
    }
    g_thread_join(thread);
    qemu_sem_destroy(&server.may_answer);
    close(fd);
}

/* No ack can arrive any more: the migration does not wait for one */
static void test_fake_destination(MigPair *p, const void *data)
{
    const FakeDestination *fake = data;

    migrate_to_fake(p, fake, NULL);
    check_works_again(p, p->opts.devices, !fake->before_requests);
}

/* A network interface that QEMU unplugs for a migration, and one that stays */
#define STANDBY_SLOT "6"
#define FAILOVER_PAIR \
    "-machine q35 -device pcie-root-port,id=root,chassis=1 " \
    "-netdev hubport,id=net0,hubid=0 -netdev hubport,id=net1,hubid=0 " \
    "-device virtio-net,id=standby,failover=on,netdev=net0,romfile=," \
    "bus=pcie.0,addr=" STANDBY_SLOT " " \
    "-device virtio-net,id=primary,failover_pair_id=standby,netdev=net1," \
    "romfile=,bus=root"

/* What the guest's driver does, so that the first one is there at all */
static void start_failover(QTestState *qts)
{
    QPCIAddress addr = { .devfn = QPCI_DEVFN(atoi(STANDBY_SLOT), 0) };
    uint64_t features = 1ULL << VIRTIO_NET_F_STANDBY |
                        1ULL << VIRTIO_F_VERSION_1;
    QVirtioPCIDevice *dev;
    QGuestAllocator alloc;
    QPCIBus *bus;

    pc_alloc_init(&alloc, qts, ALLOC_NO_FLAGS);
    bus = qpci_new_pc(qts, &alloc);
    dev = virtio_pci_new(bus, &addr);
    g_assert(dev);
    qvirtio_pci_device_enable(dev);
    qvirtio_start_device(&dev->vdev);
    qvirtio_set_features(&dev->vdev,
                         qvirtio_get_features(&dev->vdev) & features);
    qvirtio_set_driver_ok(&dev->vdev);
    qtest_qmp_eventwait(qts, "FAILOVER_NEGOTIATED");

    qos_object_destroy(&dev->obj);
    qpci_free_pc(bus);
    alloc_destroy(&alloc);
}

/*
 * The guest never lets the interface go.  That is waited for without end, but
 * not where the migration has failed: then it is 30 s.
 */
static void test_wait_unplug(MigPair *p, const void *data)
{
    start_failover(p->src.qts);
    migrate_to_fake(p, data, "wait-unplug");
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
    ack_case_add((AckVariant) { ACK_LEGACY }, &(VfioCase) {
        .path = "answer/wait-unplug",
        .description = "The wait for an unplug ends when the return path does",
        .pair.src.args = FAILOVER_PAIR,
        .pair.devices = { "precopy=off" },
        .run = test_wait_unplug, .data = &fake_destinations[0],
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
