/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Failures of devices in migrations that use acks
 */

#include "qemu/osdep.h"
#include "vfio-acks/acks.h"

#define SET_STATE "dev1: Failed setting device state to "

/* A state change of dev1 before the final check, or when that rolls back */
typedef struct StateFailure {
    const char *name;
    const char *fault;          /* keys of dev1 */
    const char *fail_state;     /* set after precopy has begun, for once */
    const char *error;
    int resets;
} StateFailure;

static const StateFailure state_failures[] = {
    { "enter-p2p", "fail-count=1,fail-state=PRE_COPY_P2P",
      .error = SET_STATE "PRE_COPY_P2P" },
    { "enter-p2p-into-error",
      "fail-count=1,fail-state=PRE_COPY_P2P,fail-into=error",
      .error = SET_STATE "PRE_COPY_P2P", .resets = 1 },
    { "roll-back", "reinit-at=pre-copy-p2p,reinit-count=1",
      .fail_state = "PRE_COPY", .error = SET_STATE "PRE_COPY" },
    { "roll-back-into-error",
      "reinit-at=pre-copy-p2p,reinit-count=1,fail-into=error",
      .fail_state = "PRE_COPY", .error = SET_STATE "PRE_COPY", .resets = 1 },
};

static void test_state(MigPair *p, const void *data)
{
    const StateFailure *c = data;
    uint64_t resets[2];
    int i;

    for (i = 0; i < 2; i++) {
        resets[i] = vfio_sim_get(&p->src, i, "resets");
    }
    pair_migrate_to(p, PAIR_LIST(SMALL, SMALL));
    wait_acknowledged(p, 2);
    if (c->fail_state) {
        vfio_sim_set(&p->src, 1, "fail-count", "1");
        vfio_sim_set(&p->src, 1, "fail-state", c->fail_state);
    }
    pair_set_limit(p, LIMIT_64M);

    pair_check_runs_on(p, "failed");
    vfio_sim_check_error(&p->src, c->error);
    g_assert_cmpuint(p->src.n_stop, ==, 0);
    SIM_CHECK(&p->src, 1, "faults", ==, 1);
    SIM_CHECK(&p->src, 0, "resets", ==, resets[0]);
    SIM_CHECK(&p->src, 1, "resets", ==, resets[1] + c->resets);

    check_works_again(p, PAIR_LIST(SMALL, SMALL), 2);
}

static void test_load(MigPair *p, const void *data)
{
    const AckVariant *variant = data;

    pair_migrate_to(p, PAIR_LIST(SMALL ",fail-write-after=128K"));
    pair_check_runs_on(p, "failed");
    g_assert_cmpuint(p->src.n_stop, ==, 0);

    check_works_again(p, p->opts.devices, variant->mode == ACK_PER_DEVICE);
}

static void test_data(MigPair *p, const void *data)
{
    const AckVariant *variant = data;

    pair_migrate_to(p, PAIR_LIST(SMALL, SMALL));
    pair_check_runs_on(p, "failed");
    if (variant->multifd) {
        vfio_sim_check_error(&p->src, "dev1: reading state buffer");
    } else {
        vfio_sim_check_error(&p->src, sections[1]);
        vfio_sim_check_error(&p->src, "dev1: Failed to save the data");
    }
    g_assert_cmpuint(p->src.n_stop, ==, 1);

    vfio_sim_set(&p->src, 1, "fail-read-after", "none");
    check_works_again(p, PAIR_LIST(SMALL, SMALL),
                      variant->mode == ACK_PER_DEVICE ? 2 : 0);
}

void add_failure_tests(void)
{
    int i;

    for (i = 0; i < ARRAY_SIZE(state_failures); i++) {
        const StateFailure *c = &state_failures[i];
        char *faulty = g_strdup_printf("initial-bytes=64K," STOP_64M ",%s",
                                       c->fault);

        ack_case_add_as((AckVariant) { ACK_PER_DEVICE }, "failure", c->name,
                        &(VfioCase) {
            .description = "The guest is not stopped if a state change fails "
                           "before the switchover or when it is rolled back",
            .pair.devices = { SMALL, faulty },
            .run = test_state, .data = c,
        });
    }
    ack_case_add_variants(0, &(VfioCase) {
        .path = "failure/load",
        .description = "The destination cannot load the initial data",
        .pair.devices = { "initial-bytes=256K,stop-bytes=64K" },
        .run = test_load,
    });
    ack_case_add_variants(ACK_WITH_MULTIFD, &(VfioCase) {
        .path = "failure/data",
        .description = "The data cannot be read after the guest is stopped, "
                       "and the error names the device",
        .pair.devices = { SMALL, "initial-bytes=64K,stop-bytes=8M,"
                          "fail-read-after=4M" },
        .run = test_data,
    });
}
