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
    mig_acks_reset(&f->acks, false);
}

static void tear_down(Fixture *f, const void *data)
{
    mig_acks_destroy(&f->acks);
}

/* The answers are those that are due */
static void check_right(MigSwitchoverAcks *acks)
{
    g_assert_true(mig_acks_check(acks, &error_abort));
}

/* They are not: @part is the reason, @setting the property or NULL */
static void check_wrong(MigSwitchoverAcks *acks, const char *part,
                        const char *setting)
{
    g_autofree char *text = g_strdup_printf("switchover-ack-legacy is %s on "
                                            "the source", setting);
    Error *err = NULL;

    g_assert_false(mig_acks_check(acks, &err));
    g_assert(strstr(error_get_pretty(err), part));
    g_assert(!setting || strstr(error_get_pretty(err), text));
    error_free(err);
}

#define MORE "more switchover acks"
#define LESS "does not send the switchover acks"

/* An answer, to which there is a request */
static void answer(MigSwitchoverAcks *acks)
{
    mig_acks_answer(acks);
    check_right(acks);
}

/* A ping is due; there are so many devices with PRE_COPY */
static uint32_t ping_with(MigSwitchoverAcks *acks, unsigned devices)
{
    uint32_t value;

    g_assert_true(mig_acks_ping_due(acks));
    value = mig_acks_ping(acks, devices);
    g_assert_false(mig_acks_ping_due(acks));
    return value;
}

static uint32_t ping(MigSwitchoverAcks *acks)
{
    return ping_with(acks, 2);
}

/* Its pong, when all answers have come that should */
static void pong(MigSwitchoverAcks *acks, uint32_t value)
{
    mig_acks_pong(acks, value);
    check_right(acks);
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
    mig_acks_query_begin(acks);
    if (a) {
        mig_acks_request(acks, 3, "a", a);
    }
    if (b) {
        mig_acks_request(acks, 7, "b", b);
    }
    return mig_acks_query_end(acks);
}

static void send_a(MigSwitchoverAcks *acks, uint64_t request)
{
    mig_acks_sent(acks, 3, "a", request);
}

static void send_b(MigSwitchoverAcks *acks, uint64_t request)
{
    mig_acks_sent(acks, 7, "b", request);
}

static void test_no_request(Fixture *f, const void *data)
{
    MigSwitchoverAcks *acks = &f->acks;
    uint32_t value;

    g_assert_cmpuint(query(acks, 0, 0), ==, 0);
    value = ping(acks);
    /* Until the pong, an answer may come that is one too many */
    g_assert_cmpuint(query(acks, 0, 0), ==, 1);
    pong(acks, value);
    g_assert_cmpuint(query(acks, 0, 0), ==, 0);
    check_no_report(acks);

    mig_acks_answer(acks);
    check_wrong(acks, MORE, "off");
    g_assert_cmpuint(query(acks, 0, 0), ==, 1);
}

static void test_next_request(Fixture *f, const void *data)
{
    MigSwitchoverAcks *acks = &f->acks;

    g_assert_cmpuint(query(acks, 1, 1), ==, 2);
    g_assert_cmpuint(query(acks, 1, 1), ==, 2);
    send_b(acks, 1);
    send_a(acks, 1);
    answer(acks);
    g_assert_cmpuint(query(acks, 1, 1), ==, 1);
    check_report(acks, "a", 2, 0);
    answer(acks);
    g_assert_cmpuint(query(acks, 1, 1), ==, 0);
    check_report(acks, "", 2, 0);

    /* The ack for an earlier request does not count for the next one */
    g_assert_cmpuint(query(acks, 1, 2), ==, 1);
    check_report(acks, "b", 3, 0);
    mig_acks_rolled_back(acks, 1001);
    check_report(acks, "b", 3, 1);
    send_b(acks, 2);
    answer(acks);
    g_assert_cmpuint(query(acks, 1, 2), ==, 0);
    check_report(acks, "", 3, 1);

    /* What is under way when a migration ends is of no concern to the next */
    send_b(acks, 3);
    mig_acks_reset(acks, false);
    check_no_report(acks);
    mig_acks_answer(acks);
    check_wrong(acks, MORE, "off");
    mig_acks_reset(acks, false);
    check_right(acks);
    g_assert_cmpuint(query(acks, 1, 0), ==, 1);
    check_report(acks, "a", 1, 0);
}

/* The n-th answer belongs to the n-th request that was sent */
static void test_order(Fixture *f, const void *data)
{
    MigSwitchoverAcks *acks = &f->acks;

    g_assert_cmpuint(query(acks, 1, 1), ==, 2);
    send_a(acks, 1);
    g_assert_cmpuint(query(acks, 2, 1), ==, 2);
    send_a(acks, 2);
    send_b(acks, 1);
    answer(acks);
    check_report(acks, "a b", 3, 0);
    answer(acks);
    check_report(acks, "b", 3, 0);
    answer(acks);
    g_assert_cmpuint(query(acks, 2, 1), ==, 0);
    mig_acks_answer(acks);
    check_wrong(acks, MORE, "off");
}

static void test_late_ack(Fixture *f, const void *data)
{
    MigSwitchoverAcks *acks = &f->acks;

    g_assert_cmpuint(query(acks, 1, 0), ==, 1);
    send_a(acks, 1);
    g_assert_cmpuint(query(acks, 2, 0), ==, 1);
    answer(acks);
    g_assert_cmpuint(query(acks, 2, 0), ==, 1);

    /* Two requests before a query: only the latter is sent, and needs an ack */
    g_assert_cmpuint(query(acks, 4, 0), ==, 1);
    send_a(acks, 4);
    answer(acks);
    g_assert_cmpuint(query(acks, 4, 0), ==, 0);

    /* A request that is sent before a query has found it */
    send_a(acks, 5);
    check_report(acks, "a", 4, 0);
    answer(acks);
    g_assert_cmpuint(query(acks, 5, 0), ==, 0);
}

/* A device that was unplugged, or stopped for good, does not wait */
static void test_gone(Fixture *f, const void *data)
{
    MigSwitchoverAcks *acks = &f->acks;

    g_assert_cmpuint(query(acks, 1, 1), ==, 2);
    send_a(acks, 1);
    g_assert_cmpuint(query(acks, 0, 1), ==, 1);
    check_report(acks, "b", 2, 0);
    send_b(acks, 1);
    answer(acks);
    g_assert_cmpuint(query(acks, 0, 1), ==, 1);
    answer(acks);
    g_assert_cmpuint(query(acks, 0, 1), ==, 0);
    g_assert_cmpuint(query(acks, 0, 0), ==, 0);
    check_report(acks, "", 2, 0);
}

/* The destination uses the legacy protocol: one answer to two requests */
static void test_pong(Fixture *f, const void *data)
{
    MigSwitchoverAcks *acks = &f->acks;
    uint32_t first, second, third;

    g_assert_cmpuint(query(acks, 1, 1), ==, 2);
    first = ping(acks);
    send_a(acks, 1);
    second = ping(acks);
    send_b(acks, 1);
    third = ping(acks);

    pong(acks, first);
    answer(acks);
    pong(acks, second);
    /* Another ping */
    pong(acks, 1);
    mig_acks_pong(acks, third);
    check_wrong(acks, LESS, "off");
    g_assert_cmpuint(query(acks, 1, 1), ==, 2);

    /* The same, of a destination that agrees */
    mig_acks_reset(acks, false);
    g_assert_cmpuint(query(acks, 1, 1), ==, 2);
    send_a(acks, 1);
    send_b(acks, 1);
    first = ping(acks);
    answer(acks);
    answer(acks);
    g_assert_cmpuint(query(acks, 1, 1), ==, 1);
    pong(acks, first);
    g_assert_cmpuint(query(acks, 1, 1), ==, 0);
}

/* It has no device with PRE_COPY, and acknowledges before there is a request */
static void test_early(Fixture *f, const void *data)
{
    MigSwitchoverAcks *acks = &f->acks;
    uint32_t first;

    g_assert_cmpuint(query(acks, 1, 0), ==, 1);
    first = ping(acks);
    send_a(acks, 1);
    answer(acks);
    mig_acks_pong(acks, first);
    check_wrong(acks, MORE, "off");
}

static void test_wrong_pong(Fixture *f, const void *data)
{
    MigSwitchoverAcks *acks = &f->acks;
    uint32_t value;

    mig_acks_pong(acks, 0x80000000U);
    check_wrong(acks, "a ping that was not sent", NULL);
    mig_acks_reset(acks, false);
    value = ping(acks);
    pong(acks, value);
    mig_acks_pong(acks, value + 1);
    check_wrong(acks, "a ping that was not sent", NULL);
    mig_acks_reset(acks, false);
    ping(acks);
    mig_acks_pong(acks, UINT32_MAX);
    check_wrong(acks, "a ping that was not sent", NULL);
}

/* More requests than the value of a ping can count */
static void test_pong_wraps(Fixture *f, const void *data)
{
    MigSwitchoverAcks *acks = &f->acks;
    uint32_t value;

    g_assert_cmpuint(query(acks, 1, 0), ==, 1);
    send_a(acks, 1);
    ping(acks);
    answer(acks);
    acks->sent += 2ULL * INT32_MAX;
    acks->answers += 2ULL * INT32_MAX;
    send_a(acks, 2);
    send_a(acks, 3);
    value = ping(acks);
    answer(acks);
    answer(acks);
    pong(acks, value);
    g_assert_cmpuint(acks->ponged, ==, acks->sent);
}

/* One answer, after the requests of all devices, and then the pong */
static void test_legacy(Fixture *f, const void *data)
{
    MigSwitchoverAcks *acks = &f->acks;
    uint32_t first, second, third;

    mig_acks_reset(acks, true);
    g_assert_cmpuint(query(acks, 1, 1), ==, 1);
    first = ping(acks);
    g_assert_cmpuint(query(acks, 1, 1), ==, 1);
    send_a(acks, 1);
    second = ping(acks);
    pong(acks, first);
    pong(acks, second);
    g_assert_cmpuint(query(acks, 1, 1), ==, 1);
    check_no_report(acks);

    send_b(acks, 1);
    third = ping(acks);
    answer(acks);
    g_assert_cmpuint(query(acks, 1, 1), ==, 1);
    pong(acks, third);
    g_assert_cmpuint(query(acks, 1, 1), ==, 0);

    /* A destination whose devices differ, or that sends no acks */
    mig_acks_reset(acks, true);
    g_assert_cmpuint(query(acks, 1, 1), ==, 1);
    send_a(acks, 1);
    send_b(acks, 1);
    first = ping(acks);
    mig_acks_pong(acks, first);
    check_wrong(acks, LESS, "on");
}

/* The guest was stopped before: devices make no requests, and no ack is due */
static void test_legacy_stopped(Fixture *f, const void *data)
{
    MigSwitchoverAcks *acks = &f->acks;

    mig_acks_reset(acks, true);
    g_assert_cmpuint(query(acks, 0, 0), ==, 1);
    pong(acks, ping(acks));
    g_assert_cmpuint(query(acks, 0, 0), ==, 1);
}

/* A device is unplugged before it has sent its request */
static void test_legacy_gone(Fixture *f, const void *data)
{
    MigSwitchoverAcks *acks = &f->acks;

    mig_acks_reset(acks, true);
    g_assert_cmpuint(query(acks, 1, 1), ==, 1);
    send_a(acks, 1);
    g_assert_cmpuint(query(acks, 1, 0), ==, 1);
    pong(acks, ping(acks));
    g_assert_cmpuint(query(acks, 1, 0), ==, 1);
}

/* The destination uses the other protocol, and answers the first of two */
static void test_legacy_more(Fixture *f, const void *data)
{
    MigSwitchoverAcks *acks = &f->acks;
    uint32_t first, second;

    mig_acks_reset(acks, true);
    g_assert_cmpuint(query(acks, 1, 1), ==, 1);
    send_a(acks, 1);
    first = ping(acks);
    answer(acks);
    pong(acks, first);
    /* It may be all that comes: the destination's second has no PRE_COPY */
    g_assert_cmpuint(query(acks, 1, 1), ==, 1);
    send_b(acks, 1);
    g_assert_cmpuint(query(acks, 1, 1), ==, 1);
    second = ping(acks);
    g_assert_cmpuint(query(acks, 1, 1), ==, 1);
    mig_acks_answer(acks);
    check_wrong(acks, MORE, "on");
    g_assert_cmpuint(query(acks, 1, 1), >, 0);

    /* That is so */
    mig_acks_reset(acks, true);
    g_assert_cmpuint(query(acks, 1, 1), ==, 1);
    send_a(acks, 1);
    send_b(acks, 1);
    second = ping(acks);
    answer(acks);
    pong(acks, second);
    g_assert_cmpuint(query(acks, 1, 1), ==, 0);
}

/* No device has PRE_COPY: the destination acknowledges by itself */
static void test_legacy_none(Fixture *f, const void *data)
{
    MigSwitchoverAcks *acks = &f->acks;
    uint32_t value;

    mig_acks_reset(acks, true);
    g_assert_cmpuint(query(acks, 0, 0), ==, 1);
    value = ping_with(acks, 0);
    answer(acks);
    pong(acks, value);
    g_assert_cmpuint(query(acks, 0, 0), ==, 0);

    mig_acks_reset(acks, true);
    g_assert_cmpuint(query(acks, 0, 0), ==, 1);
    mig_acks_pong(acks, ping_with(acks, 0));
    check_wrong(acks, LESS, "on");
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
    add("order", test_order);
    add("gone", test_gone);
    add("pong", test_pong);
    add("early", test_early);
    add("wrong-pong", test_wrong_pong);
    add("pong-wraps", test_pong_wraps);
    add("legacy", test_legacy);
    add("legacy-stopped", test_legacy_stopped);
    add("legacy-gone", test_legacy_gone);
    add("legacy-more", test_legacy_more);
    add("legacy-none", test_legacy_none);

    return g_test_run();
}
