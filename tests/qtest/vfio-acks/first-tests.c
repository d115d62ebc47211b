/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The first ack of each device: the switchover waits for it
 */

#include "qemu/osdep.h"
#include "vfio-acks/acks.h"

/* Without acks the guest is stopped before the destination has any data */
static void check_switchover(MigPair *p)
{
    MigReply r;

    vfio_sim_wait_state(&p->src, 0, "stop-copy");
    SIM_CHECK(&p->dst, 0, "write-bytes", ==, 0);
    PAIR_WAIT_WHILE(p, r, reply_going(&r), reply_status_is(&r, "device"));

    vfio_sim_set(&p->dst, 0, "hold", "none");
    pair_check_completes(p);
}

static void check_waits(MigPair *p, AckMode mode)
{
    SIM_WAIT(&p->src, 0, "initial", ==, 0);
    check_waits_for_ack(p, mode == ACK_PER_DEVICE);
    SIM_CHECK(&p->dst, 0, "write-bytes", ==, 0);
    SIM_CHECK(&p->src, 0, "read-bytes", ==, INITIAL);

    vfio_sim_set(&p->dst, 0, "hold", "none");
    check_completes_acked(p);
}

void test_first(MigPair *p, const void *data)
{
    const AckVariant *variant = data;

    /* All that remains is far below the threshold */
    pair_migrate_to(p, PAIR_LIST(SMALL ",hold=write"));
    SIM_WAIT(&p->dst, 0, "holding", ==, 1);

    if (variant->mode == ACK_OFF) {
        check_switchover(p);
    } else {
        check_waits(p, variant->mode);
    }
    check_acks(p, variant->mode == ACK_PER_DEVICE, 0);
    SIM_CHECK(&p->dst, 0, "write-bytes-initial", ==, INITIAL);
}

static void test_no_request(MigPair *p, const void *data)
{
    pair_migrate(p);
    pair_check_completes(p);
    check_acks(p, 0, 0);
}

/* dev0 and dev3 use acks, dev1 does not, and dev2 re-initialises twice */
static void test_several(MigPair *p, const void *data)
{
    const AckVariant *variant = data;
    bool per_device = variant->mode == ACK_PER_DEVICE;
    MigReply r;

    pair_migrate_to(p, PAIR_LIST(SMALL, "precopy=off", SMALL,
                                 SMALL ",hold=write"));

    /* One ack is missing */
    SIM_WAIT(&p->dst, 3, "holding", ==, 1);
    SIM_WAIT(&p->dst, 2, "write-bytes-initial", ==, INITIAL);
    if (per_device) {
        PAIR_WAIT(p, r, r.requests == 3 && r.n_waiting == 1);
        g_assert(reply_waits_for(&r, sections[3]));
    }
    pair_check_waits(p);
    SIM_CHECK(&p->src, 2, "reinits", ==, 0);

    vfio_sim_set(&p->dst, 3, "hold", "none");
    pair_check_completes(p);
    check_acks(p, per_device ? 5 : 0, per_device ? 2 : 0);
    g_assert_cmpuint(p->src.n_stop, ==, 1);
    SIM_CHECK(&p->src, 2, "reinits", ==, per_device ? 2 : 1);
    SIM_CHECK(&p->src, 0, "initial-unread-at-stop", ==, 0);
    SIM_CHECK(&p->src, 2, "initial-unread-at-stop", ==,
              per_device ? 0 : INITIAL);
    SIM_CHECK(&p->src, 3, "initial-unread-at-stop", ==, 0);
    SIM_CHECK(&p->dst, 0, "write-bytes-initial", ==, INITIAL);
    SIM_CHECK(&p->dst, 2, "write-bytes-initial", ==,
              (per_device ? 3 : 2) * INITIAL);
    SIM_CHECK(&p->src, 1, "precopy-info-calls", ==, 0);
}

void add_first_tests(void)
{
    static const AckVariant legacy = { ACK_LEGACY };

    ack_case_add_variants(ACK_WITH_OFF | ACK_WITH_MULTIFD, &(VfioCase) {
        .path = "first",
        .description = "While the destination cannot load the initial data, "
                       "the switchover waits if acks are used",
        .pair.devices = { SMALL },
        .run = test_first,
    });
    ack_case_add(legacy, &(VfioCase) {
        .path = "first/explicit",
        .description = "switchover-ack-legacy=on is the default",
        .pair = { .devices = { SMALL },
                  .dst.args = "-global migration.switchover-ack-legacy=on" },
        .run = test_first, .data = &legacy,
    });

    ack_case_add_variants(0, &(VfioCase) {
        .path = "no-request/no-device",
        .description = "Without devices no ack is requested",
        .run = test_no_request,
    });
    ack_case_add_variants(0, &(VfioCase) {
        .path = "no-request/no-precopy",
        .description = "A device that cannot PRE_COPY requests no ack",
        .pair.devices = { "precopy=off,stop-bytes=1M" },
        .run = test_no_request,
    });

    ack_case_add_variants(ACK_WITH_MULTIFD, &(VfioCase) {
        .path = "several-devices",
        .description = "Some devices use acks, one does not, and one "
                       "re-initialises",
        .pair.devices = { SMALL, "precopy=off,stop-bytes=1M",
                          SMALL ",reinit-bytes=64K," REINIT_AT_P2P "2",
                          SMALL },
        .run = test_several,
    });
}
