/*
 * Unit tests for the estimate of the bandwidth of a switchover
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/units.h"
#include "migration/bandwidth-estimate.h"

#define MS 1000ull
#define MBIT (1000000ull / 8)
#define GBIT (1000 * MBIT)

/* A link, and how far the source is */
typedef struct Link {
    MigBandwidthEstimate estimate;
    uint64_t rate;              /* bytes per second */
    uint64_t buffer;            /* of the host, in bytes */
    uint64_t rtt_us;            /* until the peer's answer arrives */
    uint64_t peer_us;           /* in which the peer had no room */
    MigBandwidthCounters now;
} Link;

static Link new_link(uint64_t rate, uint64_t buffer)
{
    Link link = { .rate = rate, .buffer = buffer, .now.us = 1 };

    mig_bandwidth_estimate_begin(&link.estimate, &link.now);
    return link;
}

/* For @us, the source has @offered bytes, or more than can be sent */
static void send_data(Link *link, uint64_t us, uint64_t offered)
{
    uint64_t can = link->rate * us / (1000 * MS);
    uint64_t room = link->buffer - link->now.unsent;
    uint64_t written = MIN(offered, can + room);
    uint64_t early = us > link->rtt_us ?
                     written / us * (us - link->rtt_us) : 0;
    uint64_t left = MIN(can, link->now.unsent +
                             (link->rtt_us ? early : written));

    link->now.us += us;
    link->now.bytes += written;
    link->now.unsent += written - left;
    if (written > room) {
        link->now.blocked_us += (written - room) * 1000 * MS / link->rate;
        link->now.link_us = link->now.blocked_us - link->peer_us;
    }
}

static void run(Link *link, uint64_t us, uint64_t offered)
{
    send_data(link, us, offered);
    mig_bandwidth_estimate_end(&link->estimate, &link->now);
}

/* The source sends nothing by intention */
static void rest(Link *link, uint64_t us)
{
    send_data(link, us, 0);
    mig_bandwidth_estimate_begin(&link->estimate, &link->now);
}

static void check(const Link *link, uint64_t low, uint64_t high, bool busy)
{
    uint64_t rate = mig_bandwidth_estimate_get(&link->estimate);

    g_assert_cmpint(link->estimate.n_busy > 0, ==, busy);
    g_assert_cmpuint(rate, >=, low);
    g_assert_cmpuint(rate, <=, high);
}

static void check_measured(const Link *link, uint64_t rate)
{
    check(link, rate - rate / 50, rate + rate / 50, true);
}

static const uint64_t rates[] = {
    MBIT, 100 * MBIT, GBIT, 10 * GBIT, 100 * GBIT
};

/* The source always has more: the first window is right */
static void test_busy(void)
{
    int i, j;

    for (i = 0; i < ARRAY_SIZE(rates); i++) {
        Link link = new_link(rates[i], rates[i] / 100);

        check(&link, 0, 0, false);
        for (j = 0; j < 50; j++) {
            run(&link, 100 * MS, UINT64_MAX);
            check_measured(&link, link.rate);
        }
    }
}

/* Buffers take all of it: no more than what has left counts */
static void test_burst(void)
{
    Link link = new_link(100 * MBIT, 5 * MiB);

    run(&link, 100 * MS, 5 * MiB);
    check(&link, link.rate - 10, link.rate, false);
    run(&link, 100 * MS, 0);
    run(&link, 100 * MS, MiB / 2);
    check(&link, link.rate - 10, link.rate, false);
}

/* Zero pages, an idle guest, max-bandwidth: only the highest bound is kept */
static void test_bounds(void)
{
    Link link = new_link(GBIT, MiB);

    run(&link, 100 * MS, 100000);
    check(&link, 1000000, 1000000, false);
    run(&link, 100 * MS, 300000);
    check(&link, 3000000, 3000000, false);
    run(&link, 100 * MS, 200000);
    run(&link, 100 * MS, 0);
    check(&link, 3000000, 3000000, false);

    /* They do not lower what was measured either, and may raise it */
    run(&link, 100 * MS, UINT64_MAX);
    check_measured(&link, GBIT);
    run(&link, 100 * MS, 100000);
    check_measured(&link, GBIT);
    link.rate = 10 * GBIT;
    run(&link, 100 * MS, 25000000);
    check(&link, 2 * GBIT, 2 * GBIT + 100 * MBIT, true);

    /* What was measured twice later is more than an old bound */
    link.rate = GBIT;
    run(&link, 100 * MS, UINT64_MAX);
    check(&link, 2 * GBIT, 2 * GBIT + 100 * MBIT, true);
    run(&link, 100 * MS, UINT64_MAX);
    check_measured(&link, GBIT);
}

/* The link changes: 300 ms later that is known */
static void test_change(void)
{
    static const uint64_t to[] = { GBIT, 3 * GBIT, 40 * GBIT };
    int i, j;

    for (i = 0; i < ARRAY_SIZE(to); i++) {
        Link link = new_link(10 * GBIT, MiB);

        for (j = 0; j < 20; j++) {
            run(&link, 100 * MS, UINT64_MAX);
        }
        check_measured(&link, 10 * GBIT);
        link.rate = to[i];
        for (j = 0; j < 3; j++) {
            run(&link, 100 * MS, UINT64_MAX);
        }
        check_measured(&link, to[i]);
    }
}

/* One slow window among many changes little; several are averaged */
static void test_noise(void)
{
    Link link = new_link(GBIT, 64 * KiB);
    int i;

    for (i = 0; i < 100; i++) {
        link.rate = i % 5 ? GBIT : GBIT / 2;
        run(&link, 100 * MS, UINT64_MAX);
        if (i >= 10) {
            check(&link, GBIT * 85 / 100, GBIT * 95 / 100, true);
        }
    }
}

/* A peer that is slower than the link for a while is not the link */
static void test_peer(void)
{
    Link link = new_link(GBIT, 0);

    link.peer_us = 51 * MS;
    run(&link, 100 * MS, UINT64_MAX);
    check(&link, GBIT - 10, GBIT, false);
    link.rate = GBIT / 2;
    link.peer_us *= 2;
    run(&link, 100 * MS, UINT64_MAX);
    check(&link, GBIT - 10, GBIT, false);
    run(&link, 100 * MS, UINT64_MAX);
    check(&link, GBIT - 10, GBIT, true);
    run(&link, 100 * MS, UINT64_MAX);
    check_measured(&link, GBIT / 2);
}

/* A link that stalls for a moment does not become unknown, nor slow */
static void test_stall(void)
{
    Link link = new_link(GBIT, MiB);
    int i;

    run(&link, 100 * MS, UINT64_MAX);
    link.now.us += 100 * MS;
    link.now.blocked_us += 100 * MS;
    link.now.link_us += 100 * MS;
    mig_bandwidth_estimate_end(&link.estimate, &link.now);
    check_measured(&link, GBIT);

    /* A longer stall counts until two windows were fast again */
    link.rate = MBIT;
    run(&link, 1000 * MS, UINT64_MAX);
    check(&link, MBIT, 2 * MBIT, true);
    link.rate = GBIT;
    for (i = 0; i < 2; i++) {
        run(&link, 100 * MS, UINT64_MAX);
    }
    check_measured(&link, GBIT);
}

/* 20 ms of sending and 80 ms of waiting, as with max-bandwidth */
static void test_pauses(void)
{
    Link link = new_link(10 * GBIT, 4 * MiB);
    int i;

    for (i = 0; i < 20; i++) {
        run(&link, 20 * MS, UINT64_MAX);
        rest(&link, 80 * MS);
        if (i >= 5) {
            check_measured(&link, 10 * GBIT);
        }
    }

    /* Parts that are too short to be the speed of the link are bounds */
    link = new_link(10 * GBIT, 0);
    for (i = 0; i < 20; i++) {
        run(&link, 19 * MS, UINT64_MAX);
        rest(&link, 81 * MS);
    }
    check(&link, 10 * GBIT - 10, 10 * GBIT, false);

    /* A pause in the middle of a window */
    link = new_link(GBIT, MiB);
    for (i = 0; i < 20; i++) {
        run(&link, 70 * MS, UINT64_MAX);
        rest(&link, i * 100 * MS);
        check_measured(&link, GBIT);
    }
}

/*
 * All of a burst is acknowledged after it only.  What is sent in all of the
 * time counts, as in stock QEMU.
 */
static void test_round_trip(void)
{
    Link link = new_link(10 * GBIT, 64 * MiB);
    int i;

    link.rtt_us = 20 * MS;
    for (i = 0; i < 10; i++) {
        run(&link, 10 * MS, 12 * MiB);
        rest(&link, 90 * MS);
    }
    check(&link, 115 * MiB, 125 * MiB, false);

    /* A guest that has sent all of its memory before the first answer */
    link = new_link(GBIT, MiB);
    link.rtt_us = 20 * MS;
    run(&link, 10 * MS, 100000);
    check(&link, 0, 0, false);
    rest(&link, 10 * MS);
    check(&link, 4900000, 5000000, false);
}

static void probe(Link *link)
{
    mig_bandwidth_estimate_probe_begin(&link->estimate, &link->now);
}

static void probe_end(Link *link)
{
    mig_bandwidth_estimate_probe_end(&link->estimate, &link->now);
}

static bool is_certain(const Link *link)
{
    return mig_bandwidth_estimate_is_certain(&link->estimate, link->now.us);
}

/* A busy window of a probe is better evidence than all before */
static void test_probe(void)
{
    Link link = new_link(10 * GBIT, MiB);

    run(&link, 100 * MS, 300000);
    g_assert_false(mig_bandwidth_estimate_is_measured(&link.estimate));
    probe(&link);
    run(&link, 50 * MS, UINT64_MAX);
    check_measured(&link, 10 * GBIT);
    g_assert_true(mig_bandwidth_estimate_is_measured(&link.estimate));
    g_assert_true(is_certain(&link));

    /* 30 s later the link may have changed */
    rest(&link, 29999 * MS);
    g_assert_true(is_certain(&link));
    rest(&link, MS);
    g_assert_false(is_certain(&link));
    g_assert_true(mig_bandwidth_estimate_is_measured(&link.estimate));

    link.rate = GBIT;
    run(&link, 10 * MS, UINT64_MAX);
    probe(&link);
    run(&link, 50 * MS, UINT64_MAX);
    check_measured(&link, GBIT);
    g_assert_true(is_certain(&link));

    /* A higher bound makes it a bound */
    link.rate = 10 * GBIT;
    run(&link, 100 * MS, 25000000);
    g_assert_false(mig_bandwidth_estimate_is_measured(&link.estimate));
    g_assert_false(is_certain(&link));

    /* A probe in which the link was not busy, or no window long enough */
    link = new_link(10 * GBIT, MiB);
    run(&link, 100 * MS, 30000000);
    probe(&link);
    run(&link, 50 * MS, 5000000);
    check(&link, 300000000, 300000000, false);
    run(&link, 19 * MS, 19000000);
    probe_end(&link);
    run(&link, 1 * MS, 0);
    check(&link, 300000000, 300000000, false);
    g_assert_false(link.estimate.fresh);
}

/* A burst that is shorter than a window, because no more of it may be sent */
static void test_short_probe(void)
{
    Link link = new_link(40 * GBIT, MiB);

    run(&link, 100 * MS, 300000);
    probe(&link);
    run(&link, 20 * MS, UINT64_MAX);
    probe_end(&link);
    check_measured(&link, link.rate);
    g_assert_true(is_certain(&link));
    rest(&link, 1000 * MS);
    check_measured(&link, link.rate);

    /* It takes some time to be the speed of the link */
    link = new_link(100 * GBIT, MiB);
    run(&link, 100 * MS, 300000);
    probe(&link);
    run(&link, 10 * MS, UINT64_MAX);
    probe_end(&link);
    check(&link, 99 * link.rate / 100, link.rate, false);
    g_assert_false(mig_bandwidth_estimate_is_measured(&link.estimate));

    /* One window is enough to lower what was a bound */
    link.rate = 40 * GBIT;
    probe(&link);
    run(&link, 20 * MS, UINT64_MAX);
    probe_end(&link);
    check_measured(&link, link.rate);
    g_assert_true(is_certain(&link));

    /* What a buffer of the peer has swallowed says nothing */
    link = new_link(100 * GBIT, MiB);
    run(&link, 100 * MS, 30000000);
    probe(&link);
    run(&link, 5 * MS, MIG_BANDWIDTH_PROBE_BYTES - 1);
    probe_end(&link);
    rest(&link, 1000 * MS);
    check(&link, 300000000, 300000000, false);
}

/* While the rate rises, a probe is not at its end */
static void test_steady(void)
{
    Link link = new_link(MBIT, 0);
    int i;

    probe(&link);
    for (i = 0; i < 10; i++) {
        run(&link, 50 * MS, UINT64_MAX);
        g_assert_cmpuint(link.estimate.steady, ==, 0);
        link.rate *= 2;
    }
    link.rate /= 2;
    for (i = 1; i < 10; i++) {
        run(&link, 50 * MS, UINT64_MAX);
        g_assert_cmpuint(link.estimate.steady, ==, i);
    }
}

/* Before the first window is complete, a part of it is better than nothing */
static void test_first(void)
{
    Link link = new_link(GBIT, 0);

    run(&link, MS, UINT64_MAX);
    check(&link, 0, 0, false);
    g_assert(!mig_bandwidth_estimate_complete(&link.estimate));
    run(&link, 4 * MS, 0);
    check(&link, GBIT / 5, GBIT / 5, false);
    g_assert(!mig_bandwidth_estimate_complete(&link.estimate));
    run(&link, 50 * MS, UINT64_MAX);
    check(&link, GBIT * 9 / 10, GBIT, true);
    g_assert(mig_bandwidth_estimate_complete(&link.estimate));
}

static void test_extremes(void)
{
    static const uint64_t values[] = { 0, 1, 1000000, UINT64_MAX };
    MigBandwidthEstimate estimate;
    int i;

    mig_bandwidth_estimate_reset(&estimate);
    for (i = 0; i < 10000; i++) {
        MigBandwidthCounters counters = {
            .us = values[g_test_rand_int_range(0, 4)],
            .bytes = values[g_test_rand_int_range(0, 4)],
            .unsent = values[g_test_rand_int_range(0, 4)],
            .blocked_us = values[g_test_rand_int_range(0, 4)],
            .link_us = values[g_test_rand_int_range(0, 4)],
        };

        if (g_test_rand_bit()) {
            mig_bandwidth_estimate_begin(&estimate, &counters);
        } else {
            mig_bandwidth_estimate_end(&estimate, &counters);
        }
        mig_bandwidth_estimate_get(&estimate);
    }

    /* A rate that rounds to 0 is not known */
    mig_bandwidth_estimate_reset(&estimate);
    mig_bandwidth_estimate_end(&estimate, &(MigBandwidthCounters) { .us = 1 });
    mig_bandwidth_estimate_end(&estimate, &(MigBandwidthCounters) {
        .us = UINT64_MAX, .bytes = 1, .blocked_us = UINT64_MAX,
        .link_us = UINT64_MAX,
    });
    g_assert_cmpuint(mig_bandwidth_estimate_get(&estimate), ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/mig-bandwidth-estimate/busy", test_busy);
    g_test_add_func("/mig-bandwidth-estimate/burst", test_burst);
    g_test_add_func("/mig-bandwidth-estimate/bounds", test_bounds);
    g_test_add_func("/mig-bandwidth-estimate/change", test_change);
    g_test_add_func("/mig-bandwidth-estimate/noise", test_noise);
    g_test_add_func("/mig-bandwidth-estimate/peer", test_peer);
    g_test_add_func("/mig-bandwidth-estimate/stall", test_stall);
    g_test_add_func("/mig-bandwidth-estimate/pauses", test_pauses);
    g_test_add_func("/mig-bandwidth-estimate/round-trip", test_round_trip);
    g_test_add_func("/mig-bandwidth-estimate/probe", test_probe);
    g_test_add_func("/mig-bandwidth-estimate/short-probe", test_short_probe);
    g_test_add_func("/mig-bandwidth-estimate/steady", test_steady);
    g_test_add_func("/mig-bandwidth-estimate/first", test_first);
    g_test_add_func("/mig-bandwidth-estimate/extremes", test_extremes);
    return g_test_run();
}
