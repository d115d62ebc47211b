/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A device re-initialises: without intervention, before the decision for the
 * switchover, without an end
 */

#include "qemu/osdep.h"
#include "libqtest.h"
#include "vfio-acks/acks.h"

/* 256 KiB of initial data at first, and 512 KiB each time it re-initialises */
#define REINIT_INITIAL (256 * KiB)
#define REINIT_BYTES (512 * KiB)
#define REINIT_DEVICE "initial-bytes=256K,reinit-bytes=512K,"

#define AT_P2P REINIT_AT_P2P
#define AT_QUERY "reinit-at=before-query,reinit-count="
#define DMA ",dma-rate=16M,dma-base=4M,dma-size=1M,dirty-log="

typedef struct ReinitCase {
    const char *name;
    AckVariant variant;
    const char *device;         /* more of its properties */
    uint64_t reinits;
    uint64_t requests;
    uint64_t rolled_back;
    uint64_t unread;            /* initial data loaded in the downtime */
} ReinitCase;

static const ReinitCase reinit_cases[] = {
    /* After the decision, before the final check: rolls back */
    { "p2p/once", { ACK_PER_DEVICE }, AT_P2P "1", .reinits = 1, .requests = 2,
      .rolled_back = 1 },
    { "p2p/thrice", { ACK_PER_DEVICE }, AT_P2P "3", .reinits = 3,
      .requests = 4, .rolled_back = 3 },
    { "p2p/flag-once", { ACK_PER_DEVICE }, AT_P2P "3,reinit-flag=once",
      .reinits = 3, .requests = 4, .rolled_back = 3 },
    { "p2p/multifd", { ACK_PER_DEVICE, true }, AT_P2P "2", .reinits = 2,
      .requests = 3, .rolled_back = 2 },
    { "p2p/dirty", { ACK_PER_DEVICE },
      AT_P2P "2,dirty-rate=16M,dirty-ceiling=2M", .reinits = 2, .requests = 3,
      .rolled_back = 2 },
    { "p2p/dma-device", { ACK_PER_DEVICE }, AT_P2P "2" DMA "device",
      .reinits = 2, .requests = 3, .rolled_back = 2 },
    { "p2p/dma-iommu", { ACK_PER_DEVICE }, AT_P2P "2" DMA "iommu",
      .reinits = 2, .requests = 3, .rolled_back = 2 },
    { "p2p/slow", { ACK_PER_DEVICE }, AT_P2P "2,read-rate=8M", .reinits = 2,
      .requests = 3, .rolled_back = 2 },

    /* In the query of the final check: rolls back */
    { "query/once", { ACK_PER_DEVICE }, AT_QUERY "1", .reinits = 1,
      .requests = 2, .rolled_back = 1 },
    { "query/thrice", { ACK_PER_DEVICE }, AT_QUERY "3", .reinits = 3,
      .requests = 4, .rolled_back = 3 },
    { "query/flag-once", { ACK_PER_DEVICE }, AT_QUERY "3,reinit-flag=once",
      .reinits = 3, .requests = 4, .rolled_back = 3 },
    { "query/multifd", { ACK_PER_DEVICE, true }, AT_QUERY "2", .reinits = 2,
      .requests = 3, .rolled_back = 2 },

    /* Before the request was sent: the first request is enough */
    { "pre-copy", { ACK_PER_DEVICE }, "reinit-at=pre-copy", .reinits = 1,
      .requests = 1 },
    { "when-empty", { ACK_PER_DEVICE }, "reinit-at=when-empty,reinit-count=3",
      .reinits = 3, .requests = 1 },

    /* The kernel does not report it, or no ack is used for it */
    { "old-kernel", { ACK_PER_DEVICE }, AT_P2P "1,precopy-v2=off",
      .reinits = 1, .requests = 1, .unread = REINIT_BYTES },
    { "legacy/p2p", { ACK_LEGACY }, AT_P2P "1", .reinits = 1,
      .unread = REINIT_BYTES },
    { "legacy/query", { ACK_LEGACY }, AT_QUERY "1" },
    { "legacy/pre-copy", { ACK_LEGACY }, "reinit-at=pre-copy", .reinits = 1 },
    { "legacy/when-empty", { ACK_LEGACY },
      "reinit-at=when-empty,reinit-count=3", .reinits = 3 },
    { "off/p2p", { ACK_OFF }, AT_P2P "1", .reinits = 1,
      .unread = REINIT_BYTES },
};

static void test_reinit(MigPair *p, const void *data)
{
    const ReinitCase *c = data;
    uint64_t initial = REINIT_INITIAL + c->reinits * REINIT_BYTES;
    bool v2 = !strstr(c->device, "precopy-v2=off");

    SIM_CHECK(&p->src, 0, "v2-opted-in", ==, v2);
    pair_migrate(p);
    pair_check_completes(p);

    check_acks(p, c->requests, c->rolled_back);
    g_assert_cmpuint(p->src.n_stop, ==, 1);
    SIM_CHECK(&p->src, 0, "reinits", ==, c->reinits);
    SIM_CHECK(&p->src, 0, "sessions", ==, 1);
    SIM_CHECK(&p->dst, 0, "write-bytes-initial", ==,
              vfio_sim_get(&p->src, 0, "read-bytes-initial"));
    if (strstr(c->device, "dirty-rate")) {
        /* Dirty data that a re-initialisation cuts off counts as initial */
        SIM_CHECK(&p->dst, 0, "write-bytes-initial", >=, initial);
    } else {
        SIM_CHECK(&p->dst, 0, "write-bytes-initial", ==, initial);
    }
    if (c->variant.mode == ACK_OFF) {
        SIM_CHECK(&p->src, 0, "initial-unread-at-stop", >=, c->unread);
    } else {
        SIM_CHECK(&p->src, 0, "initial-unread-at-stop", ==, c->unread);
    }
    if (strstr(c->device, "dma-")) {
        SIM_CHECK(&p->dst, 0, "dma-verified", >, 0);
    }

    /* PRE_COPY, to P2P and back each time it rolls back, P2P, STOP_COPY */
    SIM_CHECK(&p->src, 0, "state-changes", >=, 3 + 2 * c->rolled_back);
}

static void test_before_decision(MigPair *p, const void *data)
{
    MigReply r;

    pair_migrate(p);
    pair_wait_remaining(p, &r, 64 * MiB);
    wait_acknowledged(p, 1);
    SIM_CHECK(&p->dst, 0, "write-bytes-initial", ==, INITIAL);

    vfio_sim_set(&p->dst, 0, "hold", "write");
    vfio_sim_set(&p->src, 0, "reinit-at", "now");
    SIM_WAIT(&p->dst, 0, "holding", ==, 1);
    pair_set_limit(p, LIMIT_64M);
    SIM_WAIT(&p->src, 0, "initial", ==, 0);
    vfio_sim_set(&p->src, 0, "read-rate", "unlimited");
    check_waits_for_ack(p, 2);
    SIM_CHECK(&p->dst, 0, "write-bytes-initial", ==, INITIAL);
    pair_check_hmp_has(p, "Switchover acks: \trequests=2, rolled-back=0, "
                          "waiting for 0000:00:02.0/vfio\r\n");

    vfio_sim_set(&p->dst, 0, "hold", "none");
    check_completes_acked(p);
    check_acks(p, 2, 0);
    pair_check_hmp_has(p, "Switchover acks: \trequests=2, rolled-back=0\r\n");
    SIM_CHECK(&p->dst, 0, "write-bytes-initial", ==, INITIAL + 256 * KiB);
}

static void test_in_pass(MigPair *p, const void *data)
{
    pair_migrate(p);
    wait_acknowledged(p, 1);
    vfio_sim_set(&p->src, 0, "hold", "read");
    SIM_WAIT(&p->src, 0, "holding", ==, 1);
    vfio_sim_set(&p->src, 0, "reinit-at", "now");
    vfio_sim_set(&p->src, 0, "hold", "none");
    wait_acknowledged(p, 2);

    pair_set_limit(p, 30000);
    check_completes_acked(p);
    check_acks(p, 2, 0);
    SIM_CHECK(&p->dst, 0, "write-bytes-initial", ==, INITIAL + 2 * MiB);
}

/* The data of the device and the new initial data are one read for QEMU */
static void test_among_dirty(MigPair *p, const void *data)
{
    pair_migrate(p);
    wait_acknowledged(p, 1);
    SIM_WAIT(&p->src, 0, "dirty", >=, 2 * MiB);
    vfio_sim_set(&p->src, 0, "reinit-at", "now");
    wait_acknowledged(p, 2);

    vfio_sim_set(&p->src, 0, "read-rate", "unlimited");
    vfio_sim_set(&p->src, 0, "dirty-rate", "0");
    pair_set_limit(p, 30000);
    check_completes_acked(p);
    check_acks(p, 2, 0);
}

typedef struct EndlessReinit {
    const char *at;
    bool requests;              /* an ack each time */
} EndlessReinit;

static const EndlessReinit endless[] = {
    { "pre-copy-p2p", true },
    { "before-query", true },
    { "when-empty", false },
};

static void test_endless(MigPair *p, const void *data)
{
    const EndlessReinit *c = data;
    MigReply r;

    pair_migrate_to(p, PAIR_LIST(SMALL));
    if (c->requests) {
        PAIR_WAIT(p, r, r.rolled_back >= 5 && reply_waits_for(&r, sections[0]));
        g_assert_cmpuint(r.requests, ==, r.rolled_back + 1);
        pair_check_hmp_has(p, "Switchover acks: \trequests=");
    } else {
        SIM_WAIT(&p->src, 0, "reinits", >=, 5);
        check_waits_for_ack(p, 1);
        pair_check_hmp_has(p, "Switchover acks: \trequests=1, "
                              "rolled-back=0, "
                              "waiting for 0000:00:02.0/vfio\r\n");
    }
    g_assert(vfio_sim_running(&p->src));
    g_assert_cmpuint(p->src.n_stop, ==, 0);

    vfio_sim_set(&p->src, 0, "reinit-at", "none");
    check_completes_acked(p);
    g_assert_cmpuint(p->last.requests, ==, p->last.rolled_back + 1);
}

static const VfioCase cases[] = {
    /*
     * The data is read so slowly that some queries find it before all of it
     * has been read.
     */
    {
        .path = "reinit/before-decision/flag-once",
        .description = "An ack is of no use after the device re-initialises",
        .pair.devices = { "initial-bytes=64K," STOP_64M ",reinit-bytes=256K,"
                          "reinit-at=none,read-rate=8M,reinit-flag=once" },
        .run = test_before_decision,
    },
    {
        .path = "reinit/before-decision/flag-until-read",
        .description = "The same, with a flag that remains until data is read",
        .pair.devices = { "initial-bytes=64K," STOP_64M ",reinit-bytes=256K,"
                          "reinit-at=none,read-rate=8M,"
                          "reinit-flag=until-read" },
        .run = test_before_decision,
    },
    /*
     * While RAM remains there is no query, and after the new initial data has
     * been read, the device does not report it any more.
     */
    {
        .path = "reinit/in-pass",
        .description = "The device re-initialises and is read in the middle "
                       "of a pass over RAM",
        .pair = { .devices = { "initial-bytes=64K,stop-bytes=64K,"
                               "reinit-bytes=2M,reinit-at=none,"
                               "reinit-flag=until-read" },
                  .guest = VFIO_SIM_GUEST_DIRTY, .limit = 1 },
        .run = test_in_pass,
    },
    {
        .path = "reinit/among-dirty",
        .description = "The device re-initialises while it has other data, and "
                       "reports it only until the next read",
        .pair = { .devices = { "initial-bytes=64K,stop-bytes=64K,"
                               "dirty-rate=64M,dirty-ceiling=8M,read-rate=8M,"
                               "reinit-bytes=64K,reinit-at=none,"
                               "reinit-flag=until-read" },
                  .limit = 1 },
        .run = test_among_dirty,
    },
};

void add_reinit_tests(void)
{
    int i;

    for (i = 0; i < ARRAY_SIZE(reinit_cases); i++) {
        const ReinitCase *c = &reinit_cases[i];
        char *device = g_strdup_printf(REINIT_DEVICE "%s", c->device);

        ack_case_add_as(c->variant, "reinit", c->name, &(VfioCase) {
            .description = "The new initial data is loaded before the "
                           "switchover, if the device can request an ack",
            .pair.devices = { device },
            .run = test_reinit, .data = c,
        });
    }
    for (i = 0; i < ARRAY_SIZE(cases); i++) {
        ack_case_add((AckVariant) { ACK_PER_DEVICE }, &cases[i]);
    }
    for (i = 0; i < ARRAY_SIZE(endless); i++) {
        const EndlessReinit *c = &endless[i];
        char *device = g_strdup_printf(SMALL ",reinit-bytes=64K,reinit-at=%s,"
                                       "read-rate=8M", c->at);

        ack_case_add_as((AckVariant) { ACK_PER_DEVICE }, "reinit/endless",
                        c->at, &(VfioCase) {
            .description = "A device that always re-initialises is shown, and "
                           "the guest runs",
            .pair.devices = { device },
            .run = test_endless, .data = c,
        });
    }
}
