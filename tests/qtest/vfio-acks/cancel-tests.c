/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The user intervenes while an ack is missing: cancel, unplug, stop,
 * pause-before-switchover
 */

#include "qemu/osdep.h"
#include "libqtest.h"
#include "migration/migration-qmp.h"
#include "vfio-acks/acks.h"

static void test_cancel(MigPair *p, const void *data)
{
    const AckVariant *variant = data;
    uint64_t requests = variant->mode == ACK_PER_DEVICE;
    int i;

    for (i = 0; i < 2; i++) {
        pair_migrate_to(p, PAIR_LIST(SMALL ",hold=write"));
        SIM_WAIT(&p->dst, 0, "holding", ==, 1);
        check_waits_for_ack(p, requests);
        migrate_cancel(p->src.qts);
        pair_check_runs_on(p, "cancelled");
        g_assert_cmpuint(p->src.n_stop, ==, 0);
        vfio_sim_set(&p->dst, 0, "hold", "none");
    }
    check_works_again(p, p->opts.devices, requests);
}

static void test_unplug(MigPair *p, const void *data)
{
    pair_migrate_to(p, PAIR_LIST(SMALL ",hold=write"));
    SIM_WAIT(&p->dst, 0, "holding", ==, 1);
    check_waits_for_ack(p, 1);

    vfio_sim_check_unplug_refused(&p->src);
    migrate_cancel(p->src.qts);
    pair_check_runs_on(p, "cancelled");
    vfio_sim_set(&p->dst, 0, "hold", "none");

    vfio_sim_unplug_dev0(&p->src);

    pair_migrate_to(p, NULL);
    pair_check_completes(p);
    check_acks(p, 0, 0);
}

static void test_stop_while_waiting(MigPair *p, const void *data)
{
    const AckVariant *variant = data;
    MigReply r;

    pair_migrate_to(p, PAIR_LIST(SMALL ",hold=write"));
    SIM_WAIT(&p->dst, 0, "holding", ==, 1);
    SIM_WAIT(&p->src, 0, "initial", ==, 0);
    PAIR_WAIT(p, r, r.passes >= 10);
    g_assert(r.n_waiting == (variant->mode == ACK_PER_DEVICE));
    qtest_qmp_assert_success(p->src.qts, "{ 'execute': 'stop' }");
    PAIR_WAIT(p, r, reply_status_is(&r, "device"));
    SIM_CHECK(&p->dst, 0, "write-bytes", ==, 0);

    vfio_sim_set(&p->dst, 0, "hold", "none");
    pair_check_completes(p);
    g_assert_cmpuint(p->src.n_stop, ==, 1);
    check_acks(p, variant->mode == ACK_PER_DEVICE, 0);
}

static void test_stopped_before(MigPair *p, const void *data)
{
    MigReply r;

    qtest_qmp_assert_success(p->src.qts, "{ 'execute': 'stop' }");
    pair_migrate_to(p, PAIR_LIST(SMALL ",hold=write"));
    SIM_WAIT(&p->dst, 0, "holding", ==, 1);
    PAIR_WAIT(p, r, reply_status_is(&r, "device"));
    SIM_CHECK(&p->dst, 0, "write-bytes", ==, 0);

    vfio_sim_set(&p->dst, 0, "hold", "none");
    pair_check_completes(p);
    check_acks(p, 0, 0);
}

/* Its device has no session in which it could request an ack */
static void test_resumed(MigPair *p, const void *data)
{
    const AckVariant *variant = data;
    bool legacy = variant->mode == ACK_LEGACY;
    MigReply r;

    qtest_qmp_assert_success(p->src.qts, "{ 'execute': 'stop' }");
    migrate_set_parameter_int(p->src.qts, "max-bandwidth", 50000);
    pair_migrate(p);
    PAIR_WAIT(p, r, r.ram_transferred > 0);
    qtest_qmp_assert_success(p->src.qts, "{ 'execute': 'cont' }");
    migrate_set_parameter_int(p->src.qts, "max-bandwidth", 0);
    if (!legacy) {
        pair_check_completes(p);
        check_acks(p, 0, 0);
        return;
    }

    pair_check_runs_on(p, "failed");
    vfio_sim_check_error(&p->src, "dev0: the guest was resumed, and stopped "
                         "when the migration began");
    p->src.n_stop = 0;
    check_works_again(p, p->opts.devices, 0);
}

static void test_pause(MigPair *p, const void *data)
{
    MigReply r;

    pair_migrate(p);
    PAIR_WAIT(p, r, reply_status_is(&r, "pre-switchover"));
    g_assert_cmpuint(r.rolled_back, ==, 2);
    g_assert_cmpuint(r.requests, ==, 3);
    migrate_continue(p->src.qts, "pre-switchover");
    PAIR_WAIT_WHILE(p, r, !reply_status_is(&r, "failed"),
                    reply_status_is(&r, "completed"));
    check_completes_acked(p);
    check_acks(p, 3, 2);
}

void add_cancel_tests(void)
{
    static const AckVariant per_device = { ACK_PER_DEVICE };

    ack_case_add_variants(0, &(VfioCase) {
        .path = "cancel/while-waiting",
        .description = "Cancelled twice while an ack is missing, the "
                       "migration completes in the end",
        .pair.devices = { SMALL },
        .run = test_cancel,
    });
    ack_case_add(per_device, &(VfioCase) {
        .path = "cancel/unplug",
        .description = "The device is unplugged after the migration was "
                       "cancelled, and the next migration is without it",
        .pair.devices = { SMALL },
        .run = test_unplug,
    });
    ack_case_add_variants(0, &(VfioCase) {
        .path = "stop/while-waiting",
        .description = "A guest that is stopped has no downtime to limit: no "
                       "ack is necessary",
        .pair.devices = { SMALL },
        .run = test_stop_while_waiting,
    });
    ack_case_add_variants(0, &(VfioCase) {
        .path = "stop/before",
        .description = "The same, with a guest stopped before the migration",
        .pair.devices = { SMALL },
        .run = test_stopped_before,
    });
    ack_case_add_variants(0, &(VfioCase) {
        .path = "stop/before/resumed",
        .description = "The same, and the guest is resumed: the migration "
                       "completes, or with legacy acks fails at once",
        .pair.devices = { SMALL },
        .run = test_resumed,
    });
    ack_case_add(per_device, &(VfioCase) {
        .path = "pause-before-switchover",
        .description = "The migration pauses once, after the last time that "
                       "the switchover is rolled back",
        .pair = { .devices = { SMALL ",reinit-bytes=64K," REINIT_AT_P2P "2" },
                  .pause_before_switchover = true },
        .run = test_pause,
    });
}
