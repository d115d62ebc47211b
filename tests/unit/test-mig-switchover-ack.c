/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unit tests for the account of switchover acks
 *
 * Device "a" has section 3 of the stream, device "b" has section 7.
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "migration/switchover-ack.h"

typedef struct Fixture {
    MigSwitchoverAcks acks;
} Fixture;

static void set_up(Fixture *f, const void *data)
{
    mig_acks_init(&f->acks);
}

static void tear_down(Fixture *f, const void *data)
{
    mig_acks_destroy(&f->acks);
}

/* The ack is refused, with @part in the error */
static void check_refused(MigSwitchoverAcks *acks, uint32_t section_id,
                          uint64_t request, const char *part)
{
    Error *err = NULL;

    g_assert_false(mig_acks_answer(acks, section_id, request, &err));
    g_assert(strstr(error_get_pretty(err), part));
    error_free(err);
}

/* There were no requests, so that nothing is reported */
static void check_no_report(MigSwitchoverAcks *acks)
{
    MigAcksReport report;

    g_assert_false(mig_acks_report(acks, &report));
}

/* @waiting: the names of devices that wait, with spaces between them */
static void check_report(MigSwitchoverAcks *acks, const char *waiting,
                         uint64_t requests, uint64_t rolled_back)
{
    g_auto(GStrv) names = NULL;
    g_autofree char *joined = NULL;
    MigAcksReport report;

    g_assert_true(mig_acks_report(acks, &report));
    names = report.waiting;
    joined = g_strjoinv(" ", names);
    g_assert_cmpstr(joined, ==, waiting);
    g_assert_cmpuint(report.requests, ==, requests);
    g_assert_cmpuint(report.rolled_back, ==, rolled_back);
}

/*
 * A query of all devices.  Their latest requests are @a and @b, 0 is for none.
 * Returns the number of missing acks.
 */
static unsigned query(MigSwitchoverAcks *acks, uint64_t a, uint64_t b)
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

static void test_no_request(Fixture *f, const void *data)
{
    MigSwitchoverAcks *acks = &f->acks;

    g_assert_cmpuint(query(acks, 0, 0), ==, 0);
    check_no_report(acks);
    check_refused(acks, 3, 1, "section 3");
}

static void test_next_request(Fixture *f, const void *data)
{
    MigSwitchoverAcks *acks = &f->acks;

    g_assert_cmpuint(query(acks, 1, 1), ==, 2);
    g_assert_cmpuint(query(acks, 1, 1), ==, 2);
    g_assert(mig_acks_answer(acks, 7, 1, &error_abort));
    g_assert_cmpuint(query(acks, 1, 1), ==, 1);
    check_report(acks, "a", 2, 0);
    g_assert(mig_acks_answer(acks, 3, 1, &error_abort));
    g_assert_cmpuint(query(acks, 1, 1), ==, 0);
    check_report(acks, "", 2, 0);

    /* The ack for an earlier request does not count for the next one */
    g_assert_cmpuint(query(acks, 1, 2), ==, 1);
    check_report(acks, "b", 3, 0);
    mig_acks_rolled_back(acks, 1001);
    check_report(acks, "b", 3, 1);
    g_assert(mig_acks_answer(acks, 7, 2, &error_abort));
    g_assert_cmpuint(query(acks, 1, 2), ==, 0);
    check_report(acks, "", 3, 1);

    mig_acks_reset(acks);
    check_no_report(acks);
    g_assert_cmpuint(query(acks, 1, 0), ==, 1);
    check_report(acks, "a", 1, 0);
}

static void test_late_ack(Fixture *f, const void *data)
{
    MigSwitchoverAcks *acks = &f->acks;

    g_assert_cmpuint(query(acks, 1, 0), ==, 1);
    g_assert_cmpuint(query(acks, 2, 0), ==, 1);
    g_assert(mig_acks_answer(acks, 3, 1, &error_abort));
    g_assert_cmpuint(query(acks, 2, 0), ==, 1);

    /* Two requests before a query: only the latter needs an ack */
    g_assert_cmpuint(query(acks, 4, 0), ==, 1);
    g_assert(mig_acks_answer(acks, 3, 4, &error_abort));
    g_assert_cmpuint(query(acks, 4, 0), ==, 0);

    /* A late ack does not revoke a later one */
    g_assert(mig_acks_answer(acks, 3, 2, &error_abort));
    g_assert_cmpuint(query(acks, 4, 0), ==, 0);
}

static void test_wrong_ack(Fixture *f, const void *data)
{
    MigSwitchoverAcks *acks = &f->acks;

    g_assert_cmpuint(query(acks, 5, 0), ==, 1);
    check_refused(acks, 7, 1, "section 7");
    check_refused(acks, UINT32_MAX, 1, "section 4294967295");
    check_refused(acks, 3, 0, "a: ");
    check_refused(acks, 3, 6, "latest is 5");
    check_refused(acks, 3, UINT64_MAX, "a: ");
    g_assert_cmpuint(query(acks, 5, 0), ==, 1);
    g_assert_cmpuint(query(acks, 6, 0), ==, 1);
}

/* A device that was unplugged, or stopped for good, does not wait */
static void test_gone(Fixture *f, const void *data)
{
    MigSwitchoverAcks *acks = &f->acks;

    g_assert_cmpuint(query(acks, 1, 1), ==, 2);
    g_assert_cmpuint(query(acks, 0, 1), ==, 1);
    check_report(acks, "b", 2, 0);
    g_assert(mig_acks_answer(acks, 3, 1, &error_abort));
    g_assert_cmpuint(query(acks, 0, 0), ==, 0);
    check_report(acks, "", 2, 0);
}

static void add(const char *name, void (*run)(Fixture *f, const void *data))
{
    g_autofree char *path = g_strdup_printf("/migration/switchover-ack/%s",
                                            name);

    g_test_add(path, Fixture, NULL, set_up, run, tear_down);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    add("no-request", test_no_request);
    add("next-request", test_next_request);
    add("late-ack", test_late_ack);
    add("wrong-ack", test_wrong_ack);
    add("gone", test_gone);

    return g_test_run();
}
