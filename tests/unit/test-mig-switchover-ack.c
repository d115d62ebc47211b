/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unit tests of the account of switchover acks
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "migration/switchover-ack.h"

static bool answer_fails(MigSwitchoverAcks *acks, uint32_t section_id,
                         uint64_t request, const char *part)
{
    Error *err = NULL;
    bool failed = !mig_acks_answer(acks, section_id, request, &err);

    if (failed) {
        g_assert(strstr(error_get_pretty(err), part));
        error_free(err);
    }
    return failed;
}

/* The names that wait, in any order, joined; or NULL if nobody ever asked */
static char *waiting(MigSwitchoverAcks *acks)
{
    g_auto(GStrv) names = NULL;
    MigAcksReport report;

    if (!mig_acks_report(acks, &report)) {
        return NULL;
    }
    names = report.waiting;
    return g_strjoinv(" ", names);
}

static void check_report(MigSwitchoverAcks *acks, const char *names,
                         uint64_t requests, uint64_t undone)
{
    g_autofree char *are = waiting(acks);
    MigAcksReport report;

    g_assert_cmpstr(are, ==, names);
    if (names) {
        g_assert(mig_acks_report(acks, &report));
        g_assert_cmpuint(report.requests, ==, requests);
        g_assert_cmpuint(report.undone, ==, undone);
        g_strfreev(report.waiting);
    }
}

/* All devices are asked; those whose request is 0 have none */
static unsigned ask(MigSwitchoverAcks *acks, uint64_t a, uint64_t b)
{
    unsigned missing = 0;

    mig_acks_query_begin(acks);
    if (a) {
        missing += !mig_acks_request(acks, 3, "a", a);
    }
    if (b) {
        missing += !mig_acks_request(acks, 7, "b", b);
    }
    mig_acks_query_end(acks);
    return missing;
}

static void test_nobody(void)
{
    MigSwitchoverAcks acks;

    mig_acks_init(&acks);
    g_assert_cmpuint(ask(&acks, 0, 0), ==, 0);
    check_report(&acks, NULL, 0, 0);
    g_assert(answer_fails(&acks, 3, 1, "section 3"));
    mig_acks_destroy(&acks);
}

static void test_again(void)
{
    MigSwitchoverAcks acks;

    mig_acks_init(&acks);
    g_assert_cmpuint(ask(&acks, 1, 1), ==, 2);
    g_assert_cmpuint(ask(&acks, 1, 1), ==, 2);
    g_assert(mig_acks_answer(&acks, 7, 1, &error_abort));
    g_assert_cmpuint(ask(&acks, 1, 1), ==, 1);
    check_report(&acks, "a", 2, 0);
    g_assert(mig_acks_answer(&acks, 3, 1, &error_abort));
    g_assert_cmpuint(ask(&acks, 1, 1), ==, 0);
    check_report(&acks, "", 2, 0);

    /* What was answered counts no more */
    g_assert_cmpuint(ask(&acks, 1, 2), ==, 1);
    check_report(&acks, "b", 3, 0);
    mig_acks_undone(&acks);
    check_report(&acks, "b", 3, 1);
    g_assert(mig_acks_answer(&acks, 7, 2, &error_abort));
    g_assert_cmpuint(ask(&acks, 1, 2), ==, 0);
    check_report(&acks, "", 3, 1);

    mig_acks_reset(&acks);
    check_report(&acks, NULL, 0, 0);
    g_assert_cmpuint(ask(&acks, 1, 0), ==, 1);
    check_report(&acks, "a", 1, 0);
    mig_acks_destroy(&acks);
}

static void test_late(void)
{
    MigSwitchoverAcks acks;

    mig_acks_init(&acks);
    g_assert_cmpuint(ask(&acks, 1, 0), ==, 1);
    g_assert_cmpuint(ask(&acks, 2, 0), ==, 1);
    g_assert(mig_acks_answer(&acks, 3, 1, &error_abort));
    g_assert_cmpuint(ask(&acks, 2, 0), ==, 1);

    /* 3 and 4 are as good as one: only the last is told to anybody */
    g_assert_cmpuint(ask(&acks, 4, 0), ==, 1);
    g_assert(mig_acks_answer(&acks, 3, 4, &error_abort));
    g_assert_cmpuint(ask(&acks, 4, 0), ==, 0);

    /* Nor does one that comes late take back what was answered */
    g_assert(mig_acks_answer(&acks, 3, 2, &error_abort));
    g_assert_cmpuint(ask(&acks, 4, 0), ==, 0);
    mig_acks_destroy(&acks);
}

static void test_untrusted(void)
{
    MigSwitchoverAcks acks;

    mig_acks_init(&acks);
    g_assert_cmpuint(ask(&acks, 5, 0), ==, 1);
    g_assert(answer_fails(&acks, 7, 1, "section 7"));
    g_assert(answer_fails(&acks, UINT32_MAX, 1, "section 4294967295"));
    g_assert(answer_fails(&acks, 3, 0, "a: "));
    g_assert(answer_fails(&acks, 3, 6, "latest is 5"));
    g_assert(answer_fails(&acks, 3, UINT64_MAX, "a: "));
    g_assert_cmpuint(ask(&acks, 5, 0), ==, 1);
    g_assert_cmpuint(ask(&acks, 6, 0), ==, 1);
    mig_acks_destroy(&acks);
}

/* A device that is gone, or stopped for good, waits for nothing */
static void test_gone(void)
{
    MigSwitchoverAcks acks;

    mig_acks_init(&acks);
    g_assert_cmpuint(ask(&acks, 1, 1), ==, 2);
    g_assert_cmpuint(ask(&acks, 0, 1), ==, 1);
    check_report(&acks, "b", 2, 0);
    g_assert(mig_acks_answer(&acks, 3, 1, &error_abort));
    g_assert_cmpuint(ask(&acks, 0, 0), ==, 0);
    check_report(&acks, "", 2, 0);
    mig_acks_destroy(&acks);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    g_test_add_func("/migration/switchover-ack/nobody", test_nobody);
    g_test_add_func("/migration/switchover-ack/again", test_again);
    g_test_add_func("/migration/switchover-ack/late", test_late);
    g_test_add_func("/migration/switchover-ack/untrusted", test_untrusted);
    g_test_add_func("/migration/switchover-ack/gone", test_gone);

    return g_test_run();
}
