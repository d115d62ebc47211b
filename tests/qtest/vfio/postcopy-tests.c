/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Postcopy whose link breaks: one of the sides has the guest, and only one
 */

#include "qemu/osdep.h"
#include "libqtest.h"
#include "migration/migration-qmp.h"
#include "migration/migration-util.h"
#include "vfio/case-dir.h"
#include "vfio/tests.h"

/* Bytes per second: half a minute for the guest's memory, as it is empty */
#define SLOW KiB

static void break_link(MigPair *p)
{
    qtest_qmp_assert_success(p->src.qts, "{ 'execute': 'yank', 'arguments': "
                             "{ 'instances': [ { 'type': 'migration' } ] } }");
}

#define COMPLETES "migration_return_path_end_before"

/*
 * The destination is stopped when it runs the guest.  All that is left fits
 * into the socket's buffers, so that the source waits for the last message.
 */
static void hold_completion(MigPair *p)
{
    g_autofree char *log = g_build_filename(case_log_dir(), "src-0.log", NULL);
    MigReply r;

    migrate_set_parameter_int(p->src.qts, "max-bandwidth", SLOW);
    migrate_set_parameter_int(p->src.qts, "max-postcopy-bandwidth", SLOW);
    pair_migrate(p);
    PAIR_WAIT(p, r, r.ram_transferred);
    qtest_qmp_assert_success(p->src.qts, "{ 'execute': "
                             "'migrate-start-postcopy' }");
    PAIR_WAIT_WHILE(p, r, reply_going_or_switchover(&r) ||
                          reply_status_is(&r, "postcopy-device"),
                    reply_status_is(&r, "postcopy-active"));
    g_assert_cmpuint(r.ram_remaining, >, 0);

    kill(qtest_pid(p->dst.qts), SIGSTOP);
    migrate_set_parameter_int(p->src.qts, "max-postcopy-bandwidth", 0);
    vfio_sim_wait_text(log, COMPLETES);
    r = pair_query(p);
    g_assert(reply_status_is(&r, "postcopy-active"));
    g_assert_cmpuint(r.ram_remaining, ==, 0);
}

/* The destination has all, and runs the guest: the source must not */
static void test_link_breaks_at_end(MigPair *p, const void *data)
{
    MigReply r;

    hold_completion(p);
    break_link(p);
    PAIR_WAIT_WHILE(p, r, reply_status_is(&r, "postcopy-active"),
                    reply_status_is(&r, "postcopy-paused"));
    g_assert(!vfio_sim_running(&p->src));

    kill(qtest_pid(p->dst.qts), SIGCONT);
    wait_for_migration_complete(p->dst.qts);
    g_assert(vfio_sim_running(&p->dst));
    g_assert(!vfio_sim_running(&p->src));
}

static const VfioCase cases[] = {
    {
        .path = "postcopy/link-breaks-at-end",
        .description = "The source pauses when the link breaks at the end",
        .pair = { .bandwidth = BANDWIDTH, .limit = 1, .postcopy_ram = true,
                  .dst_starts = true, .src.args = "-trace " COMPLETES },
        .run = test_link_breaks_at_end,
    },
};

void add_postcopy_tests(void)
{
    VFIO_CASES_ADD(cases);
}
