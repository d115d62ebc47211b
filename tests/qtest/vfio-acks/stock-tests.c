/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One side is a stock QEMU, or the sides do not agree on the acks
 */

#include "qemu/osdep.h"
#include "libqtest.h"
#include "vfio-acks/acks.h"

static void add_stock_pair(const char *machine, bool src_stock, AckMode mode)
{
    static const AckVariant legacy = { ACK_LEGACY }, off = { ACK_OFF };
    const AckVariant *variant = mode == ACK_OFF ? &off : &legacy;
    g_autofree char *group =
        g_strdup_printf("stock/%s/%s", src_stock ? "source" : "destination",
                        machine);
    char *args = g_strdup_printf("-machine %s", machine);

    ack_case_add_as(*variant, group, mode == ACK_OFF ? "off" : "legacy",
                    &(VfioCase) {
        .description = "The first ack, with a stock QEMU on one side",
        .pair = { .devices = { SMALL },
                  .src = { .stock = src_stock, .args = args },
                  .dst = { .stock = !src_stock, .args = args } },
        .run = test_first, .data = variant,
    });
}

static void add_machine(const char *machine)
{
    if (g_str_has_prefix(machine, "pc-i440fx-") ||
        g_str_has_prefix(machine, "pc-q35-")) {
        add_stock_pair(machine, false, ACK_LEGACY);
        add_stock_pair(machine, false, ACK_OFF);
        add_stock_pair(machine, true, ACK_LEGACY);
        add_stock_pair(machine, true, ACK_OFF);
    }
}

/* Slow mode has all machine types that both sides have */
static const char *const quick_machines[] = {
    "pc-i440fx-10.2", "pc-i440fx-10.1", "pc-i440fx-10.0", "pc-i440fx-9.2",
    "pc-i440fx-7.2", "pc-q35-10.2", "pc-q35-10.0",
};

/*
 * One device and one request look the same with both kinds of acks.  Else the
 * side that can notice it does, before the guest is stopped.  (A stock source
 * cannot.)
 */
typedef struct Mismatch {
    const char *name;
    AckMode src, dst;
    bool dst_stock;
    const char *devices[VFIO_SIM_MAX_DEVICES];
    const char *dst_device;     /* else those of the source */
    const char *src_error;      /* of query-migrate */
    const char *dst_error;      /* on stderr */
} Mismatch;

#define MORE "The destination sends more switchover acks than are due: " \
             "migration.switchover-ack-legacy is "
#define LESS "The destination does not send the switchover acks that are " \
             "due: migration.switchover-ack-legacy is "
#define REINIT_ONCE SMALL ",reinit-bytes=64K," REINIT_AT_P2P "1"

static const Mismatch mismatches[] = {
    { "per-device-to-legacy/no-device", ACK_PER_DEVICE, ACK_LEGACY,
      .src_error = MORE "off" },
    { "per-device-to-legacy/no-precopy", ACK_PER_DEVICE, ACK_LEGACY,
      .devices = { "precopy=off" }, .src_error = MORE "off" },
    { "per-device-to-legacy/one", ACK_PER_DEVICE, ACK_LEGACY,
      .devices = { SMALL } },
    { "per-device-to-legacy/two", ACK_PER_DEVICE, ACK_LEGACY,
      .devices = { SMALL, SMALL }, .src_error = LESS "off" },
    { "per-device-to-legacy/again", ACK_PER_DEVICE, ACK_LEGACY,
      .devices = { REINIT_ONCE },
      .dst_error = "A switchover ack was requested again, but "
                   "migration.switchover-ack-legacy is on here" },
    { "per-device-to-stock/no-device", ACK_PER_DEVICE, ACK_LEGACY,
      .dst_stock = true, .src_error = MORE "off" },
    { "per-device-to-stock/one", ACK_PER_DEVICE, ACK_LEGACY,
      .dst_stock = true, .devices = { SMALL } },
    { "per-device-to-stock/two", ACK_PER_DEVICE, ACK_LEGACY,
      .dst_stock = true, .devices = { SMALL, SMALL }, .src_error = LESS "off" },
    { "per-device-to-stock/again", ACK_PER_DEVICE, ACK_LEGACY,
      .dst_stock = true, .devices = { REINIT_ONCE },
      .dst_error = "qemu_loadvm_approve_switchover failed" },
    { "legacy-to-per-device/no-device", ACK_LEGACY, ACK_PER_DEVICE,
      .src_error = LESS "on" },
    { "legacy-to-per-device/no-precopy", ACK_LEGACY, ACK_PER_DEVICE,
      .devices = { "precopy=off" }, .src_error = LESS "on" },
    { "legacy-to-per-device/one", ACK_LEGACY, ACK_PER_DEVICE,
      .devices = { SMALL } },
    { "legacy-to-per-device/two", ACK_LEGACY, ACK_PER_DEVICE,
      .devices = { SMALL, SMALL }, .src_error = MORE "on" },
    { "precopy-at-source/per-device", ACK_PER_DEVICE, ACK_PER_DEVICE,
      .devices = { SMALL }, .dst_device = "precopy=off" },
    { "precopy-at-source/legacy", ACK_LEGACY, ACK_LEGACY,
      .devices = { SMALL }, .dst_device = "precopy=off" },
    { "precopy-at-destination/per-device", ACK_PER_DEVICE, ACK_PER_DEVICE,
      .devices = { "precopy=off" }, .dst_device = SMALL },
    { "precopy-at-destination/legacy", ACK_LEGACY, ACK_LEGACY,
      .devices = { "precopy=off" }, .dst_device = SMALL,
      .src_error = LESS "on" },
    { "per-device-to-off", ACK_PER_DEVICE, ACK_OFF, .devices = { SMALL },
      .dst_error = "Received a request for a switchover ack, but "
                   "switchover-ack is not used" },
    { "legacy-to-off", ACK_LEGACY, ACK_OFF, .devices = { SMALL },
      .dst_error = "Received a request for a switchover ack, but "
                   "switchover-ack is not used" },
};

/* A guest that does not run needs no acks */
static void test_stopped(MigPair *p, const void *data)
{
    qtest_qmp_assert_success(p->src.qts, "{ 'execute': 'stop' }");
    pair_migrate(p);
    pair_check_completes(p);
}

static void test_mismatch(MigPair *p, const void *data)
{
    const Mismatch *m = data;
    uint64_t requests = 0;
    int i;

    pair_migrate_to(p, m->dst_device ? PAIR_LIST(m->dst_device) : m->devices);
    if (!m->src_error && !m->dst_error) {
        check_completes_acked(p);
        return;
    }

    pair_check_runs_on(p, "failed");
    g_assert_cmpuint(p->src.n_stop, ==, 0);
    if (m->src_error) {
        vfio_sim_check_error(&p->src, m->src_error);
    } else {
        pair_check_dst_stderr(p, m->dst_error);
    }

    /* To a destination that agrees */
    p->opts.dst = ack_side(m->src);
    p->opts.dst_stderr = false;
    for (i = 0; m->src == ACK_PER_DEVICE && i < p->src.n_devices; i++) {
        requests += !strstr(m->devices[i], "precopy=off");
    }
    check_works_again(p, p->opts.devices, requests);
}

/*
 * The destination's first device acknowledges, and the second is held: that ack
 * is not one for both
 */
static void test_first_of_two(MigPair *p, const void *data)
{
    pair_migrate_to(p, PAIR_LIST(SMALL, SMALL ",hold=write"));
    SIM_WAIT(&p->dst, 1, "holding", ==, 1);
    SIM_WAIT(&p->src, 1, "initial", ==, 0);
    pair_check_waits(p);

    vfio_sim_set(&p->dst, 1, "hold", "none");
    pair_check_runs_on(p, "failed");
    g_assert_cmpuint(p->src.n_stop, ==, 0);
    vfio_sim_check_error(&p->src, MORE "on");
}

static void add_mismatch(const Mismatch *m)
{
    VfioCase c = {
        .description = "The sides do not agree on the acks",
        .pair = { .dst_stderr = !!m->dst_error, .return_path = true,
                  .bandwidth = BANDWIDTH, .limit = LIMIT,
                  .src = ack_side(m->src), .dst = ack_side(m->dst) },
        .run = test_mismatch, .data = m,
    };

    memcpy(c.pair.devices, m->devices, sizeof(m->devices));
    c.pair.dst.stock = m->dst_stock;
    vfio_case_add_as("mismatch", m->name, &c);

    if (m->src_error) {
        g_autofree char *name = g_strdup_printf("%s/stopped", m->name);

        c.description = "The same, with a guest that was stopped before";
        c.run = test_stopped;
        vfio_case_add_as("mismatch", name, &c);
    }
}

void add_stock_tests(void)
{
    int i;

    if (g_test_slow()) {
        qtest_cb_for_every_machine(add_machine, false);
    } else {
        for (i = 0; i < ARRAY_SIZE(quick_machines); i++) {
            if (qtest_has_machine(quick_machines[i])) {
                add_machine(quick_machines[i]);
            }
        }
    }

    for (i = 0; i < ARRAY_SIZE(mismatches); i++) {
        add_mismatch(&mismatches[i]);
    }
    vfio_case_add(&(VfioCase) {
        .path = "mismatch/legacy-to-per-device/first-of-two",
        .description = "With legacy acks, the first ack of a destination that "
                       "sends one for each device is not taken for all",
        .pair = { .devices = { SMALL, SMALL }, .return_path = true,
                  .bandwidth = BANDWIDTH, .limit = LIMIT,
                  .src = ack_side(ACK_LEGACY),
                  .dst = ack_side(ACK_PER_DEVICE) },
        .run = test_first_of_two,
    });
}
