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
    "pc-i440fx-7.2", "pc-q35-10.2",
};

typedef struct Mismatch {
    const char *name;
    AckMode src, dst;
    bool src_stock, dst_stock;
    const char *error;          /* on the stderr of the destination */
} Mismatch;

static const Mismatch mismatches[] = {
    { "per-device-to-legacy", ACK_PER_DEVICE, ACK_LEGACY,
      .error = "Received a request for a switchover ack, but "
               "migration.switchover-ack-legacy is on here" },
    { "legacy-to-per-device", ACK_LEGACY, ACK_PER_DEVICE,
      .error = "Received a request for a legacy switchover ack, but "
               "migration.switchover-ack-legacy is off here" },
    { "per-device-to-stock", ACK_PER_DEVICE, ACK_LEGACY, .dst_stock = true,
      .error = "Unknown tag 0xffffffffef108001" },
    { "stock-to-per-device", ACK_LEGACY, ACK_PER_DEVICE, .src_stock = true,
      .error = "Received a request for a legacy switchover ack, but "
               "migration.switchover-ack-legacy is off here" },
    { "per-device-to-off", ACK_PER_DEVICE, ACK_OFF,
      .error = "Received a request for a switchover ack, but "
               "switchover-ack is not used" },
    { "legacy-to-off", ACK_LEGACY, ACK_OFF,
      .error = "Received a request for a switchover ack, but "
               "switchover-ack is not used" },
};

static void test_mismatch(MigPair *p, const void *data)
{
    const Mismatch *m = data;

    pair_migrate(p);
    pair_check_runs_on(p, "failed");
    g_assert_cmpuint(p->src.n_stop, ==, 0);
    pair_check_dst_stderr(p, m->error);

    /* To a destination that agrees */
    p->opts.dst = ack_side(m->src);
    p->opts.dst_stderr = false;
    check_works_again(p, p->opts.devices, m->src == ACK_PER_DEVICE);
}

static void test_no_mismatch(MigPair *p, const void *data)
{
    pair_migrate(p);
    pair_check_completes(p);
    check_acks(p, 0, 0);
}

static void add_mismatch(const Mismatch *m, const char *name,
                         const char *device, const char *description,
                         void (*run)(MigPair *p, const void *data))
{
    g_autofree char *group = g_strdup_printf("mismatch/%s", m->name);
    VfioCase c = {
        .description = description,
        .pair = { .devices = { device }, .dst_stderr = true,
                  .return_path = true, .bandwidth = BANDWIDTH, .limit = LIMIT,
                  .src = ack_side(m->src), .dst = ack_side(m->dst) },
        .run = run, .data = m,
    };

    c.pair.src.stock = m->src_stock;
    c.pair.dst.stock = m->dst_stock;
    vfio_case_add_as(group, name, &c);
}

void add_stock_tests(void)
{
    int i;

    if (g_test_slow()) {
        qtest_cb_for_every_machine(add_machine, false);
    } else {
        for (i = 0; i < ARRAY_SIZE(quick_machines); i++) {
            add_machine(quick_machines[i]);
        }
    }

    for (i = 0; i < ARRAY_SIZE(mismatches); i++) {
        const Mismatch *m = &mismatches[i];

        if (m->dst != ACK_OFF) {
            add_mismatch(m, "no-device", NULL,
                         "Without devices any two settings work together",
                         test_no_mismatch);
            add_mismatch(m, "no-precopy", "precopy=off",
                         "Without requests any two settings work together",
                         test_no_mismatch);
        }
        add_mismatch(m, "device", SMALL,
                     "The destination refuses a request of the other kind",
                     test_mismatch);
    }
}
