/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The size of the initial data changes, or the kernel reports it wrongly
 */

#include "qemu/osdep.h"
#include "vfio-acks/acks.h"

/*
 * Initial data that has grown since the last query is not complete when as
 * much has been read as was reported.  The device gives 64 KiB at once, and
 * the rest in 0.3 s.
 */
static void test_grows(MigPair *p, const void *data)
{
    const AckVariant *variant = data;

    pair_migrate_to(p, PAIR_LIST(SMALL));
    SIM_WAIT(&p->src, 0, "holding", ==, 1);
    SIM_CHECK(&p->src, 0, "reported-initial", ==, INITIAL);
    vfio_sim_set(&p->src, 0, "initial-bytes", "2M");
    vfio_sim_set(&p->src, 0, "hold", "none");
    check_completes_acked(p);
    check_acks(p, variant->mode == ACK_PER_DEVICE, 0);
    SIM_CHECK(&p->dst, 0, "write-bytes-initial", ==, 2 * MiB);
}

typedef struct BadInitialSize {
    const char *name;
    AckMode mode;
    const char *report;
    bool waits;                 /* until the true size is reported */
} BadInitialSize;

static const BadInitialSize bad_sizes[] = {
    { "per-device/zero", ACK_PER_DEVICE, "zero" },
    { "per-device/error", ACK_PER_DEVICE, "error" },
    { "per-device/shrinking", ACK_PER_DEVICE, "shrinking" },
    { "per-device/growing", ACK_PER_DEVICE, "growing", true },
    { "per-device/max", ACK_PER_DEVICE, "max", true },
    { "per-device/random", ACK_PER_DEVICE, "random", true },
    { "per-device/number", ACK_PER_DEVICE, "65536", true },

    /* No reply could show what the migration waits for, so it does not */
    { "legacy/number", ACK_LEGACY, "65536" },
    { "legacy/growing", ACK_LEGACY, "growing" },
};

static void test_bad_size(MigPair *p, const void *data)
{
    const BadInitialSize *bad = data;
    MigReply r;

    pair_migrate_to(p, PAIR_LIST(SMALL));
    if (bad->waits) {
        SIM_WAIT(&p->src, 0, "precopy-info-calls", >=, 100);
        r = pair_query(p);
        g_assert(reply_status_is(&r, "active"));
        g_assert_cmpuint(r.requests, ==, 1);
        g_assert(reply_waits_for(&r, sections[0]));
        vfio_sim_set(&p->src, 0, "report-initial", "truth");
    }
    check_completes_acked(p);
    check_acks(p, bad->mode == ACK_PER_DEVICE, 0);
}

void add_initial_size_tests(void)
{
    int i;

    ack_case_add_variants(0, &(VfioCase) {
        .path = "initial-size/grows",
        .description = "Initial data that grows is loaded before the "
                       "switchover",
        .pair.devices = { SMALL ",read-rate=6400K,hold=read" },
        .run = test_grows,
    });
    for (i = 0; i < ARRAY_SIZE(bad_sizes); i++) {
        const BadInitialSize *bad = &bad_sizes[i];
        char *device = g_strdup_printf(SMALL ",report-initial=%s",
                                       bad->report);

        ack_case_add_as((AckVariant) { bad->mode }, "initial-size/bad",
                        bad->name, &(VfioCase) {
            .description = "While the size of the initial data is wrong, the "
                           "migration waits only where a reply shows that",
            .pair.devices = { device },
            .run = test_bad_size, .data = bad,
        });
    }
}
