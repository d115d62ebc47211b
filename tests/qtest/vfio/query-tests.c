/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * query-migrate and "info migrate" at any time, and how often QEMU queries the
 * device
 */

#include "qemu/osdep.h"
#include "libqtest.h"
#include "migration/migration-qmp.h"
#include "vfio/tests.h"

static void query_and_cancel(MigPair *p, unsigned *n_active)
{
    check_hmp_remaining(p);
    pair_migrate(p);
    do {
        check_hmp_remaining(p);
        *n_active += reply_status_is(&p->last, "active");
    } while (p->last.passes < 4);
    migrate_cancel(p->src.qts);
    do {
        check_hmp_remaining(p);
        g_assert(!reply_status_is(&p->last, "failed"));
    } while (!reply_status_is(&p->last, "cancelled"));
    pair_check_runs_on(p, "cancelled");
}

static void test_always(MigPair *p, const void *data)
{
    unsigned n_active = 0, i;
    MigReply r;

    for (i = 0; i < 2; i++) {
        query_and_cancel(p, &n_active);
    }

    pair_migrate(p);
    do {
        check_hmp_remaining(p);
        n_active += reply_status_is(&p->last, "active");
        if (p->last.passes >= 4 && p->limit == LIMIT) {
            pair_set_limit(p, 30000);
        }
        g_assert(!reply_status_is(&p->last, "failed"));
    } while (!reply_status_is(&p->last, "completed"));
    g_assert_cmpuint(n_active, >=, 10);
    pair_check_completes(p);
    for (i = 0; i < 100; i++) {
        r = pair_query(p);
        g_assert(reply_status_is(&r, "completed"));
    }
}

static void test_held(MigPair *p, const void *data)
{
    uint64_t passes;
    MigReply r;
    int i;

    pair_migrate(p);
    pair_wait_remaining(p, &r, 64 * MiB);

    vfio_sim_set(&p->src, 0, "hold", "query");
    vfio_sim_set(&p->src, 0, "stop-bytes", "80M");
    passes = pair_query(p).passes;
    for (i = 0; i < 100; i++) {
        check_hmp_remaining(p);
        g_assert(reply_status_is(&p->last, "active"));
        g_assert_cmpuint(p->last.remaining, >=, 64 * MiB);
    }
    /* The query that is held, and one that ended just before */
    g_assert_cmpuint(p->last.passes, <=, passes + 2);
    vfio_sim_set(&p->src, 0, "hold", "none");
    pair_wait_remaining(p, &r, 80 * MiB);

    /* Cancelling waits for the device, but query-migrate does not */
    vfio_sim_set(&p->src, 0, "hold", "query");
    migrate_cancel(p->src.qts);
    for (i = 0; i < 100; i++) {
        check_hmp_remaining(p);
    }
    vfio_sim_set(&p->src, 0, "hold", "none");
    pair_check_runs_on(p, "cancelled");
}

typedef struct QueryCalls {
    uint64_t size;              /* VFIO_DEVICE_FEATURE_MIG_DATA_SIZE */
    uint64_t info;              /* VFIO_MIG_GET_PRECOPY_INFO */
} QueryCalls;

static QueryCalls query_calls(MigPair *p)
{
    return (QueryCalls) {
        .size = vfio_sim_get(&p->src, 0, "data-size-calls"),
        .info = vfio_sim_get(&p->src, 0, "precopy-info-calls"),
    };
}

static QueryCalls query_calls_since(MigPair *p, QueryCalls before)
{
    QueryCalls now = query_calls(p);

    return (QueryCalls) { now.size - before.size, now.info - before.info };
}

static void test_calls(MigPair *p, const void *data)
{
    QueryCalls calls;
    MigReply first, r;

    /* In the middle of the first pass there is no reason for a query */
    migrate_set_parameter_int(p->src.qts, "max-bandwidth", 8 * MiB);
    pair_migrate(p);
    PAIR_WAIT(p, first, first.ram_transferred > MiB);
    calls = query_calls(p);
    PAIR_WAIT(p, r, r.ram_transferred > first.ram_transferred + 3 * MiB);
    g_assert_cmpuint(r.passes, ==, first.passes);
    calls = query_calls_since(p, calls);
    g_assert_cmpuint(calls.size, ==, 0);
    g_assert_cmpuint(calls.info, ==, 0);

    /*
     * After that there are as many queries as passes: not more in a time span
     * that is within that of the passes, and not less in one that begins
     * before and ends after it.
     */
    migrate_set_parameter_int(p->src.qts, "max-bandwidth", 0);
    first = pair_query(p);
    calls = query_calls(p);
    PAIR_WAIT(p, r, r.passes >= first.passes + 5);
    calls = query_calls_since(p, calls);
    r = pair_query(p);
    g_assert_cmpuint(calls.size, <=, r.passes - first.passes + 1);
    g_assert_cmpuint(calls.info, <=, r.passes - first.passes + 1);

    calls = query_calls(p);
    first = pair_query(p);
    PAIR_WAIT(p, r, r.passes >= first.passes + 5);
    calls = query_calls_since(p, calls);
    g_assert_cmpuint(calls.size + 1, >=, r.passes - first.passes);
    g_assert_cmpuint(calls.info + 1, >=, r.passes - first.passes);

    pair_set_limit(p, 30000);
    pair_check_completes(p);
}

static const VfioCase cases[] = {
    {
        .path = "query/always",
        .description = "Replies are right in every phase of three migrations "
                       "that are slow enough for several replies in each",
        .pair = { .guest = VFIO_SIM_GUEST_DIRTY, .bandwidth = BANDWIDTH,
                  .limit = LIMIT,
                  .devices = { "initial-bytes=4M,dirty-rate=4M,"
                               "dirty-ceiling=1M,stop-bytes=32M,"
                               "read-rate=128M" } },
        .run = test_always,
    },
    {
        .path = "query/held",
        .description = "query-migrate replies while the device takes long to "
                       "report its size",
        .pair = { .bandwidth = BANDWIDTH, .limit = LIMIT,
                  .devices = { STOP_64M } },
        .run = test_held,
    },
    {
        .path = "query/calls",
        .description = "QEMU queries the device once per pass, however often "
                       "query-migrate is used",
        .pair = { .guest = VFIO_SIM_GUEST_DIRTY, .bandwidth = BANDWIDTH,
                  .limit = 1, .check_passes = true,
                  .devices = { "stop-bytes=1M" } },
        .run = test_calls,
    },
};

void add_query_tests(void)
{
    VFIO_CASES_ADD(cases);
}
