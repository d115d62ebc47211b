/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel reports sizes that are wrong, or none at all
 *
 * The devices of most of these cases have 2 MiB of precopy bytes and then
 * 16 MiB of stopcopy bytes.  6.4 MiB may remain.
 */

#include "qemu/osdep.h"
#include "vfio/tests.h"

#define DEVICE "initial-bytes=1M,dirty-bytes=1M,stop-bytes=16M"

typedef enum BadSizeEnd {
    WAITS,                      /* with "remaining" as in the table */
    COMPLETES,
    EITHER,                     /* that depends on random numbers */
} BadSizeEnd;

typedef struct BadSize {
    const char *name;
    const char *key;            /* of the simulator */
    const char *value;
    BadSizeEnd end;
    uint64_t remaining;
    bool late;                  /* after the true sizes have been reported */
} BadSize;

static const BadSize bad_sizes[] = {
    { "initial/zero", "report-initial", "zero", WAITS, 16 * MiB },
    { "initial/max", "report-initial", "max", WAITS, PAIR_HUGE_SIZE },
    { "initial/random", "report-initial", "random", EITHER },
    { "initial/error", "report-initial", "error", WAITS, 16 * MiB },
    { "initial/late-error", "report-initial", "error", WAITS, 16 * MiB,
      .late = true },
    { "initial/number", "report-initial", "41943040", WAITS, 40 * MiB },
    { "dirty/zero", "report-dirty", "zero", WAITS, 16 * MiB },
    { "dirty/max", "report-dirty", "max", WAITS, PAIR_HUGE_SIZE },
    { "dirty/random", "report-dirty", "random", EITHER },
    { "dirty/error", "report-dirty", "error", WAITS, 16 * MiB },
    { "dirty/late-error", "report-dirty", "error", WAITS, 16 * MiB,
      .late = true },
    { "dirty/number", "report-dirty", "41943040", WAITS, 40 * MiB },
    { "stop/zero", "report-stop", "zero", COMPLETES },
    { "stop/late-zero", "report-stop", "zero", COMPLETES, .late = true },
    { "stop/max", "report-stop", "max", WAITS, PAIR_HUGE_SIZE },
    { "stop/random", "report-stop", "random", EITHER },
    { "stop/error", "report-stop", "error", WAITS, UNKNOWN_SIZE },
    { "stop/late-error", "report-stop", "error", WAITS, 16 * MiB,
      .late = true },
    { "stop/number", "report-stop", "41943040", WAITS, 40 * MiB },
    { "stop/small-number", "report-stop", "4194304", COMPLETES },
    { "stop/one", "report-stop", "1", COMPLETES },
};

static void wait_bad_size(MigPair *p, const BadSize *bad)
{
    MigReply r;

    if (bad->end == EITHER) {
        uint64_t passes = pair_query(p).passes;

        PAIR_WAIT_WHILE(p, r, reply_going_or_switchover(&r),
                        reply_status_is(&r, "completed") ||
                        r.passes >= passes + 10);
    } else if (bad->end == WAITS && bad->remaining == PAIR_HUGE_SIZE) {
        PAIR_WAIT(p, r, r.has_remaining && r.remaining >= PAIR_HUGE_SIZE);
    } else if (bad->end == WAITS) {
        pair_wait_remaining(p, &r, bad->remaining);
    }
}

static void report_true_size(MigPair *p, const BadSize *bad)
{
    MigReply r;

    vfio_sim_set(&p->src, 0, bad->key, "truth");
    /* The last random number may have been below the threshold */
    PAIR_WAIT_WHILE(p, r, bad->end == EITHER || reply_going(&r),
                    (r.has_remaining && r.remaining >= 16 * MiB &&
                     r.remaining < 16 * MiB + PAIR_RAM_SLACK) ||
                    reply_status_is(&r, "completed"));
    if (reply_going(&r)) {
        pair_set_limit(p, 300);
    }
}

static void test_bad_size(MigPair *p, const void *data)
{
    const BadSize *bad = data;
    MigReply r;

    pair_migrate(p);
    if (bad->late) {
        pair_wait_remaining(p, &r, 16 * MiB);
        vfio_sim_set(&p->src, 0, bad->key, bad->value);
    }
    wait_bad_size(p, bad);

    if (bad->end != COMPLETES && reply_going(&p->last)) {
        if (bad->end == WAITS) {
            pair_check_waits(p);
        }
        report_true_size(p, bad);
    }
    pair_check_completes(p);
    g_assert_cmpuint(p->last.vfio_transferred, >=, 18 * MiB);
    g_assert_cmpuint(p->last.vfio_transferred, <, 19 * MiB);
}

static void test_all_errors(MigPair *p, const void *data)
{
    MigReply r;

    pair_migrate(p);
    pair_wait_remaining(p, &r, UNKNOWN_SIZE);
    pair_set_limit(p, 100000);
    pair_check_waits(p);
    pair_set_limit(p, 2000000);
    pair_check_completes(p);
}

void add_bad_size_tests(void)
{
    int i;

    for (i = 0; i < ARRAY_SIZE(bad_sizes); i++) {
        const BadSize *bad = &bad_sizes[i];
        const char *device = DEVICE;

        if (!bad->late) {
            device = g_strdup_printf(DEVICE ",%s=%s", bad->key, bad->value);
        }
        vfio_case_add_as("bad-size", bad->name, &(VfioCase) {
            .description = "No data is lost while a reported size is wrong",
            .pair = { .bandwidth = BANDWIDTH, .limit = 100,
                      .devices = { device } },
            .run = test_bad_size, .data = bad,
        });
    }

    vfio_case_add(&(VfioCase) {
        .path = "bad-size/all/error",
        .description = "While all queries of sizes fail, only a limit for "
                       "the size that stands in lets the migration complete",
        .pair = { .bandwidth = BANDWIDTH, .limit = 100,
                  .devices = { "stop-bytes=16M,report-initial=error,"
                               "report-dirty=error,report-stop=error" } },
        .run = test_all_errors,
    });
}
