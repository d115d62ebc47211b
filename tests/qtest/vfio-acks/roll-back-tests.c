/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * After the decision for the switchover: the final check rolls back, commands
 * arrive during it, or new initial data comes after it
 */

#include "qemu/osdep.h"
#include "qobject/qdict.h"
#include "libqtest.h"
#include "migration/migration-qmp.h"
#include "vfio-acks/acks.h"

static const AckVariant per_device = { ACK_PER_DEVICE };

typedef struct RollbackCase {
    const char *name;
    const char *reinit_at;
    int n_devices;
    VfioSimGuest guest;
    bool multifd;
} RollbackCase;

static const RollbackCase rollback_cases[] = {
    { "p2p", "pre-copy-p2p", 1 },
    { "query", "before-query", 1 },
    { "multifd", "pre-copy-p2p", 1, .multifd = true },
    { "four-devices", "pre-copy-p2p", 4 },
    { "guest-writes", "pre-copy-p2p", 1, .guest = VFIO_SIM_GUEST_DIRTY },
};

/* The guest and all devices run, and dev0 waits for its second ack */
static void check_rolled_back(MigPair *p, const RollbackCase *c)
{
    int i;

    if (c->guest == VFIO_SIM_GUEST_DIRTY) {
        vfio_sim_wait_guest_writes(&p->src);
    } else {
        check_waits_for_ack(p, c->n_devices + 1);
        pair_check_hmp_has(p, "rolled-back=1, paused=");
        pair_check_hmp_has(p, " ms, waiting for 0000:00:02.0/vfio\r\n");
    }
    g_assert_cmpuint(pair_query(p).rolled_back, ==, 1);
    g_assert(vfio_sim_running(&p->src));
    g_assert_cmpuint(p->src.n_stop, ==, 0);
    for (i = 0; i < p->src.n_devices; i++) {
        g_assert(vfio_sim_state_is(&p->src, i, "pre-copy"));
    }
    SIM_CHECK(&p->dst, 0, "write-bytes-initial", ==, INITIAL);
}

static void test_rollback(MigPair *p, const void *data)
{
    const RollbackCase *c = data;
    int i;

    pair_migrate_to(p, PAIR_LIST(SMALL, c->n_devices > 1 ? SMALL : NULL,
                                 SMALL, SMALL));

    /* All acks have arrived: the destination has nothing to do */
    SIM_WAIT(&p->src, 0, "holding", ==, 1);
    for (i = 0; i < p->src.n_devices; i++) {
        SIM_CHECK(&p->dst, i, "write-bytes-initial", ==, INITIAL);
    }
    vfio_sim_set(&p->dst, 0, "hold", "write");
    vfio_sim_set(&p->src, 0, "hold", "none");

    SIM_WAIT(&p->dst, 0, "holding", ==, 1);
    SIM_WAIT(&p->src, 0, "initial", ==, 0);
    check_rolled_back(p, c);

    vfio_sim_set(&p->dst, 0, "hold", "none");
    check_completes_acked(p);
    check_acks(p, c->n_devices + 1, 1);
    SIM_CHECK(&p->dst, 0, "write-bytes-initial", ==, 2 * INITIAL);
}

#define TO_CHECK "pre-copy pre-copy-p2p-prepare pre-copy-p2p "

static void test_events(MigPair *p, const void *data)
{
    test_rollback(p, data);
    g_assert_cmpstr(strstr(p->src.states, TO_CHECK), ==,
                    TO_CHECK TO_CHECK "stop-copy stop ");
}

static void add_rollback_cases(void)
{
    int i;

    for (i = 0; i < ARRAY_SIZE(rollback_cases); i++) {
        const RollbackCase *c = &rollback_cases[i];
        char *device = g_strdup_printf(SMALL ",reinit-bytes=64K,reinit-at=%s,"
                                       "reinit-count=1,hold=pre-copy-p2p",
                                       c->reinit_at);
        AckVariant variant = { ACK_PER_DEVICE, c->multifd };

        ack_case_add_as(variant, "roll-back", c->name, &(VfioCase) {
            .description = "The switchover is rolled back, the guest runs, "
                           "and the next switchover waits for another ack",
            .pair = { .devices = { device, c->n_devices > 1 ? SMALL : NULL,
                                   SMALL, SMALL },
                      .guest = c->guest,
                      /* With LIMIT, too much of the guest's RAM remains */
                      .limit = c->guest == VFIO_SIM_GUEST_DIRTY ? 30000 : 0 },
            .run = test_rollback, .data = c,
        });
    }
}

/*
 * The limit is read after the query, so the one that is held decides with the
 * new limit.
 */
static void test_after_query(MigPair *p, const void *data)
{
    MigReply r;

    pair_migrate_to(p, PAIR_LIST(data));
    pair_wait_remaining(p, &r, 64 * MiB);
    wait_acknowledged(p, 1);

    vfio_sim_set(&p->src, 0, "hold", "query");
    SIM_WAIT(&p->src, 0, "holding", ==, 1);
    pair_set_limit(p, LIMIT_64M);
    vfio_sim_set(&p->src, 0, "reinit-at", "after-query");
    vfio_sim_set(&p->src, 0, "hold", "none");

    check_completes_acked(p);
    check_acks(p, 2, 1);
    SIM_CHECK(&p->src, 0, "reinits", ==, 1);
    SIM_CHECK(&p->dst, 0, "write-bytes-initial", ==, 2 * INITIAL);
}

static void add_after_query(const char *name, const char *p2p)
{
    char *device =
        g_strdup_printf("initial-bytes=64K," STOP_64M ",reinit-bytes=64K,"
                        "reinit-at=none,reinit-flag=once,reinit-count=1,"
                        "%s", p2p);

    ack_case_add_as(per_device, "roll-back/after-query", name, &(VfioCase) {
        .description = "A device that can report only in PRE_COPY that it "
                       "re-initialises does so after the deciding query",
        .pair.devices = { device },
        .run = test_after_query, .data = p2p,
    });
}

typedef struct TooLateCase {
    const char *name;
    AckVariant variant;
    const char *p2p;
    const char *key, *value;    /* set this for new initial data */
} TooLateCase;

static const TooLateCase too_late_cases[] = {
    { "reinit", { ACK_PER_DEVICE }, "on", "reinit-at", "now" },
    { "reinit-multifd", { ACK_PER_DEVICE, true }, "on", "reinit-at", "now" },
    { "reinit-no-p2p", { ACK_PER_DEVICE }, "off", "reinit-at", "now" },
    { "reinit-legacy", { ACK_LEGACY }, "on", "reinit-at", "now" },
    { "grows", { ACK_PER_DEVICE }, "on", "initial-bytes", "64K" },
    { "grows-legacy", { ACK_LEGACY }, "on", "initial-bytes", "64K" },
};

static void test_too_late(MigPair *p, const void *data)
{
    const TooLateCase *c = data;
    g_autofree char *device = g_strdup_printf(SMALL_REINIT ",p2p=%s", c->p2p);

    pair_migrate_to(p, PAIR_LIST(device));
    SIM_WAIT(&p->src, 0, "holding", ==, 1);
    SIM_CHECK(&p->src, 0, "initial", ==, 0);
    SIM_CHECK(&p->dst, 0, "write-bytes-initial", ==, INITIAL);

    vfio_sim_set(&p->src, 0, c->key, c->value);
    vfio_sim_set(&p->src, 0, "hold", "none");
    pair_check_completes(p);
    check_acks(p, c->variant.mode == ACK_PER_DEVICE, 0);
    SIM_CHECK(&p->src, 0, "initial-unread-at-stop", ==, INITIAL);
    SIM_CHECK(&p->dst, 0, "write-bytes-initial", ==, 2 * INITIAL);
}

static void add_too_late_cases(void)
{
    int i;

    for (i = 0; i < ARRAY_SIZE(too_late_cases); i++) {
        const TooLateCase *c = &too_late_cases[i];
        char *device = g_strdup_printf(SMALL_REINIT ",p2p=%s,hold=stop-copy",
                                       c->p2p);

        ack_case_add_as(c->variant, "too-late", c->name, &(VfioCase) {
            .description = "Initial data that comes after the final check is "
                           "loaded in the downtime",
            .pair.devices = { device },
            .run = test_too_late, .data = c,
        });
    }
}

/*
 * The final check is held: vCPUs are paused, and the main loop waits for the
 * migration thread.  The user sends @command meanwhile.  Returns whether it was
 * not refused.
 */
static bool try_in_final_check(MigPair *p, const char *command)
{
    bool accepted;
    QDict *rsp;

    SIM_WAIT(&p->src, 0, "holding", ==, 1);
    qtest_qmp_send(p->src.qts, "{ 'execute': %s }", command);
    vfio_sim_set(&p->src, 0, "hold", "none");
    rsp = qtest_qmp_receive(p->src.qts);
    accepted = qdict_haskey(rsp, "return");
    qobject_unref(rsp);
    return accepted;
}

static void send_in_final_check(MigPair *p, const char *command)
{
    bool accepted = try_in_final_check(p, command);

    g_assert(accepted);
}

/*
 * The main loop executes the command while vCPUs pause, or when all has been
 * sent.  Then it is too late: the destination, which is held, has the guest.
 */
static void test_final_check_cancel(MigPair *p, const void *data)
{
    bool accepted;

    pair_migrate_to(p, PAIR_LIST(SMALL));
    SIM_WAIT(&p->src, 0, "holding", ==, 1);
    vfio_sim_set(&p->dst, 0, "hold", "write");
    accepted = try_in_final_check(p, "migrate_cancel");
    if (!accepted) {
        vfio_sim_set(&p->dst, 0, "hold", "none");
        pair_check_completes(p);
        g_assert(!vfio_sim_running(&p->src));
        return;
    }
    pair_check_runs_on(p, "cancelled");
    g_assert_cmpuint(p->src.n_stop, <=, 1);
    vfio_sim_set(&p->dst, 0, "hold", "none");

    check_works_again(p, PAIR_LIST(SMALL), 1);
}

/* Rolls back, again and again until the command is executed */
static void test_final_check_rolled_back(MigPair *p, const void *data)
{
    const char *command = data;

    pair_migrate_to(p, PAIR_LIST(SMALL));
    send_in_final_check(p, command);
    if (g_str_equal(command, "stop")) {
        /* A guest that does not run has no downtime to limit */
        pair_check_completes(p);
        g_assert_cmpuint(p->src.n_stop, ==, 1);
        g_assert_cmpuint(p->last.rolled_back, >=, 1);
        SIM_CHECK(&p->dst, 0, "write-bytes-initial", ==,
                  (1 + vfio_sim_get(&p->src, 0, "reinits")) * INITIAL);
    } else {
        /* A reset of the device ends the migration, as in stock QEMU */
        pair_check_runs_on(p, g_str_equal(command, "system_reset") ?
                              "failed" : "cancelled");
        g_assert_cmpuint(p->src.n_stop, ==, 0);
        SIM_CHECK(&p->src, 0, "reinits", >=, 1);
        vfio_sim_set(&p->src, 0, "reinit-at", "none");
        check_works_again(p, PAIR_LIST(SMALL), 1);
    }
}

static void add_final_check_rolled_back(const char *name, const char *command)
{
    ack_case_add_as(per_device, "final-check", name, &(VfioCase) {
        .description = "A command arrives during a final check that rolls "
                       "back",
        .pair.devices = { SMALL ",hold=pre-copy-p2p,reinit-bytes=64K,"
                          "reinit-at=pre-copy-p2p" },
        .run = test_final_check_rolled_back, .data = command,
    });
}

/*
 * Each entry to PRE_COPY_P2P takes 155 ms and re-initialises the device: two
 * roll-backs reach the limit of 300 ms.
 */
static void test_bounded(MigPair *p, const void *data)
{
    MigReply first, r;

    pair_migrate_to(p, PAIR_LIST(SMALL));
    PAIR_WAIT(p, r, r.rolled_back >= 1);
    first = r;
    g_assert_cmpuint(first.paused_time, >=, 155);
    vfio_sim_wait_guest_writes(&p->src);

    PAIR_WAIT_WHILE(p, r, reply_going_or_switchover(&r),
                    reply_status_is(&r, "completed"));
    g_assert_cmpuint(r.total_time, >=, 10 * first.paused_time);
    g_assert_cmpuint(r.rolled_back, <=, 2);
    SIM_CHECK(&p->src, 0, "initial-unread-at-stop", ==, INITIAL);
    pair_check_completes(p);
}

/* A pause of 1 s, so the next final check comes 10 s later */
static void test_reported(MigPair *p, const void *data)
{
    MigReply r;

    pair_migrate_to(p, PAIR_LIST(SMALL));
    PAIR_WAIT(p, r, r.has_state && g_str_equal(r.reason, "rolled-back"));
    pair_check_hmp_has(p, "Switchover: \t\trolled-back, since=");
    g_assert_cmpuint(r.rolled_back, ==, 1);
    g_assert_cmpuint(r.paused_time, >=, 1000);
    vfio_sim_wait_guest_writes(&p->src);

    migrate_cancel(p->src.qts);
    pair_check_runs_on(p, "cancelled");
}

void add_roll_back_tests(void)
{
    ack_case_add(per_device, &(VfioCase) {
        .path = "roll-back/reported",
        .description = "After a roll-back the guest runs for a while, and "
                       "this is reported",
        .pair = { .devices = { SMALL ",reinit-bytes=64K,"
                               "reinit-at=pre-copy-p2p,"
                               "latency-pre-copy-p2p=1000" },
                  .guest = VFIO_SIM_GUEST_DIRTY, .bandwidth = GiB,
                  .limit = 30000 },
        .run = test_reported,
    });
    ack_case_add(per_device, &(VfioCase) {
        .path = "roll-back/bounded",
        .description = "A device that always re-initialises on its way to the "
                       "final check does not keep the guest from its work, "
                       "nor the migration from its end",
        .pair = { .devices = { SMALL ",reinit-bytes=64K,"
                               "reinit-at=pre-copy-p2p,"
                               "latency-pre-copy-p2p=155" },
                  .guest = VFIO_SIM_GUEST_DIRTY, .bandwidth = GiB },
        .run = test_bounded,
    });
    add_rollback_cases();
    ack_case_add(per_device, &(VfioCase) {
        .path = "roll-back/events",
        .description = "Each final check appears in the events of the device",
        .pair = { .devices = { SMALL ",reinit-bytes=64K,reinit-count=1,"
                               "reinit-at=pre-copy-p2p,hold=pre-copy-p2p" },
                  .device_props = ",migration-events=on" },
        .run = test_events, .data = &rollback_cases[0],
    });
    add_after_query("no-p2p", "p2p=off");
    add_after_query("no-flag-in-p2p", "reinit-flag-p2p=off");
    add_too_late_cases();

    ack_case_add(per_device, &(VfioCase) {
        .path = "final-check/cancel",
        .description = "A cancel during the final check is executed after "
                       "the guest has been stopped",
        .pair.devices = { SMALL ",hold=pre-copy-p2p" },
        .run = test_final_check_cancel,
    });
    add_final_check_rolled_back("cancel-rolled-back", "migrate_cancel");
    add_final_check_rolled_back("stop-rolled-back", "stop");
    add_final_check_rolled_back("reset-rolled-back", "system_reset");
}
