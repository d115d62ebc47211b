/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A device fails in a migration.  The guest runs on at the source, and the
 * next migration works.
 */

#include "qemu/osdep.h"
#include "vfio/tests.h"

#define DEVICE "initial-bytes=2M,dirty-bytes=1M,stop-bytes=16M"
#define STOP_ONLY "precopy=off,stop-bytes=16M"
#define LARGE "precopy=off,stop-bytes=256M"

typedef struct Fault {
    const char *name;
    const char *key;            /* of the simulator */
    const char *value;
    bool at_dst;
    bool multifd;
    const char *error;          /* is part of the error-desc on that side */
} Fault;

#define SET_STATE "dev0: Failed setting device state to "
/* Of dev0, in the stream of the pc machine */
#define SECTION "(0000:00:02.0/vfio)"

/* All states but the first: the device goes to RESUMING, and not out of it */
#define REFUSE_STATE "set-state,fail-call-skip=1,fail-call-count=1"

static const Fault faults[] = {
    { "state/PRE_COPY", "fail-state", "PRE_COPY",
      .error = SET_STATE "PRE_COPY" },
    { "state/PRE_COPY_P2P", "fail-state", "PRE_COPY_P2P",
      .error = SET_STATE "PRE_COPY_P2P" },
    { "state/STOP_COPY", "fail-state", "STOP_COPY",
      .error = SET_STATE "STOP_COPY" },
    { "state/RESUMING", "fail-state", "RESUMING", .at_dst = true,
      .error = SET_STATE "RESUMING" },
    { "data/precopy", "fail-read-after", "1M",
      .error = "dev0: Failed to read the data" },
    { "data/stop-copy", "fail-read-after", "8M",
      .error = "dev0: Failed to save the data" },
    { "load/precopy", "fail-write-after", "1M", .at_dst = true,
      .error = SECTION },
    { "load/stop-copy", "fail-write-after", "8M", .at_dst = true,
      .error = SECTION },
    { "data/multifd", "fail-read-after", "8M", .multifd = true },
    { "load/late-multifd", "fail-write-after", "8M", .at_dst = true,
      .multifd = true, .error = "dev0: writing state buffer" },
    { "load/end", "fail-call", REFUSE_STATE, .at_dst = true },
    { "load/end-multifd", "fail-call", REFUSE_STATE, .at_dst = true,
      .multifd = true, .error = SET_STATE "STOP" },
};

static void test_fault(MigPair *p, const void *data)
{
    const Fault *f = data;
    VfioSimVM *vm = f->at_dst ? &p->dst : &p->src;
    g_autofree char *faulty = g_strdup_printf(DEVICE ",%s=%s", f->key,
                                              f->value);

    pair_migrate_to(p, PAIR_LIST(faulty));
    pair_check_runs_on(p, "failed");
    SIM_CHECK(vm, 0, "faults", >=, 1);
    if (f->error) {
        vfio_sim_check_error(vm, f->error);
    }

    /* Nothing of the first migration is left in the second */
    if (!f->at_dst) {
        vfio_sim_set(&p->src, 0, f->key, "none");
    }
    pair_migrate_to(p, PAIR_LIST(DEVICE));
    pair_check_completes(p);
    g_assert_cmpuint(p->last.vfio_transferred, >=, 19 * MiB);
    g_assert_cmpuint(p->last.vfio_transferred, <, 20 * MiB);
}

/*
 * A device of the destination fails long before all has been sent.  That ends
 * the migration, although the source has no return path that reports it.
 */
static void test_load_early(MigPair *p, const void *data)
{
    pair_migrate_to(p, PAIR_LIST(LARGE ",fail-write-after=1M"));
    pair_check_runs_on(p, "failed");
    SIM_CHECK(&p->src, 0, "read-bytes", <, 256 * MiB);
    vfio_sim_check_error(&p->dst, "dev0: writing state buffer");

    vfio_sim_set(&p->src, 0, "read-rate", "unlimited");
    pair_migrate(p);
    pair_check_completes(p);
}

static const VfioCase load_early = {
    .path = "fault/load/early-multifd",
    .description = "The source does not send what cannot be loaded any more",
    .pair = { .bandwidth = GiB, .limit = 5000, .multifd = true,
              .no_return_path = true, .devices = { LARGE ",read-rate=128M" } },
    .run = test_load_early,
};

/*
 * The destination waits for a message with which the source tells it to load
 * the PCI configuration, and the source does not send it.
 */
static void test_config_order(MigPair *p, const void *data)
{
    pair_migrate(p);
    pair_check_runs_on(p, "failed");
    vfio_sim_check_error(&p->dst, "dev0: the source does not tell when");
}

/*
 * A read in STOP_COPY fails with the error that stands for "no data yet" in
 * PRE_COPY.  The source must not take it for the end: it would complete, and
 * without the return path nothing would bring the guest back.
 */
static void test_data_end(MigPair *p, const void *data)
{
    pair_migrate_to(p, PAIR_LIST(STOP_ONLY));
    pair_check_runs_on(p, "failed");
    SIM_CHECK(&p->src, 0, "faults", >=, 1);
    vfio_sim_check_error(&p->src, "dev0: Failed to save the data");

    vfio_sim_set(&p->src, 0, "fail-call", "none");
    pair_migrate_to(p, PAIR_LIST(STOP_ONLY));
    pair_check_completes(p);
}

static const VfioCase data_end = {
    .path = "fault/data/end",
    .description = "ENOMSG in STOP_COPY is an error, not the end of the data",
    .pair = { .bandwidth = BANDWIDTH, .limit = LIMIT, .no_return_path = true,
              .devices = { STOP_ONLY ",fail-call=read,fail-call-skip=1,"
                           "fail-errno=ENOMSG" } },
    .run = test_data_end,
};

static const VfioCase config_order = {
    .path = "fault/config-order",
    .description = "x-migration-load-config-after-iter differs between sides",
    .pair = { .bandwidth = GiB, .limit = 1000, .multifd = true,
              .devices = { DEVICE },
              .dst.args = "-global "
                          "vfio-pci.x-migration-load-config-after-iter=on" },
    .run = test_config_order,
};

void add_fault_tests(void)
{
    int i;

    vfio_case_add(&config_order);
    vfio_case_add(&data_end);
    vfio_case_add(&load_early);

    for (i = 0; i < ARRAY_SIZE(faults); i++) {
        const Fault *f = &faults[i];
        const char *device = DEVICE;

        if (!f->at_dst) {
            device = g_strdup_printf(DEVICE ",%s=%s", f->key, f->value);
        }
        vfio_case_add_as("fault", f->name, &(VfioCase) {
            .description = "The source runs on after a failure of the device",
            .pair = { .bandwidth = BANDWIDTH, .limit = LIMIT,
                      .devices = { device },
                      .return_path = true, .multifd = f->multifd },
            .run = test_fault, .data = f,
        });
    }
}
