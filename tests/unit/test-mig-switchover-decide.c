/*
 * Unit tests for the decision about the switchover
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "migration/bandwidth.h"
#include "migration/switchover-text.h"

/*
 * A migration that has been running for 100 s: a threshold of 300 bytes, the
 * second pass begins now.  A later member replaces an earlier one.
 */
#define RUNNING "now=100000 running=1 bandwidth=1000 downtime-limit=300 " \
                "queries=1 query-end=100000 mark-time=100000 mark=5000 " \
                "best=5000 first-pass-done=1 "
#define STOPPED RUNNING "running=0 queries-stopped=1 "
#define POSTCOPY RUNNING "running=0 in-postcopy=1 postcopy-ram=1 "
/* RAM does not become less from one pass to the next */
#define STUCK RUNNING "settled=1 "
#define WAITS STUCK "stopcopy=5000 reason=device-state since=90000 "

static const struct {
    const char *situation;
    const char *decision;
} table[] = {
    /* The first pass goes on whatever the limit, and ends with a query */
    { RUNNING "first-pass-done=0 precopy=1 downtime-limit=2000000",
      "iterate because of first-pass" },
    { RUNNING "first-pass-done=0 postcopy-ram=1 postcopy=1 "
      "downtime-limit=2000000",
      "iterate because of first-pass" },
    { RUNNING "first-pass-done=0 bandwidth=0 precopy=1",
      "iterate because of first-pass" },
    { RUNNING "first-pass-done=0 query-end=0 stopcopy=300",
      "iterate because of first-pass" },
    { RUNNING "first-pass-done=0 exact=1", "iterate because of first-pass" },

    /* At the threshold, not only below it; on an exact query alone */
    { RUNNING "precopy=301", "iterate because of progress" },
    { RUNNING "precopy=300", "query because of none" },
    { RUNNING "precopy=300 exact=1",
      "switchover because of none final-check=1 downtime-limit=300" },
    { RUNNING "precopy=301 exact=1", "iterate because of progress" },
    { RUNNING "precopy=100 stopcopy=100 postcopy=100 exact=1",
      "switchover because of none final-check=1 downtime-limit=300" },
    { RUNNING "precopy=100 stopcopy=100 postcopy=101 exact=1",
      "iterate because of progress" },
    { RUNNING "postcopy-ram=1 postcopy=301 exact=1",
      "iterate because of progress" },
    /* A sum that would wrap to a small number */
    { RUNNING "precopy=18446744073709551615 stopcopy=2 exact=1",
      "iterate because of progress" },

    /* A device that is slower than the link */
    { RUNNING "stopcopy=100 device-ms=300 exact=1",
      "switchover because of none final-check=1 downtime-limit=300" },
    { RUNNING "stopcopy=100 device-ms=301 exact=1",
      "wait because of device-state until=150" },
    { RUNNING "stopcopy=100 precopy=101 device-ms=200 exact=1",
      "iterate because of progress" },
    { RUNNING "stopcopy=200 precopy=100 device-ms=200 exact=1",
      "switchover because of none final-check=1 downtime-limit=300" },
    { RUNNING "stopcopy=100 device-ms=300 parallel-ms=300 exact=1",
      "switchover because of none final-check=1 downtime-limit=300" },
    { RUNNING "stopcopy=100 parallel-ms=301 exact=1",
      "wait because of device-state until=150" },
    { RUNNING "stopcopy=1 device-ms=18446744073709551615 exact=1",
      "wait because of device-state until=150" },

    /* A bandwidth that was never measured permits nothing but nothing */
    { RUNNING "bandwidth=0 precopy=1", "iterate because of bandwidth" },
    { RUNNING "bandwidth=0 stopcopy=1",
      "wait because of bandwidth until=5" },
    { RUNNING "bandwidth=0 exact=1",
      "switchover because of none final-check=1 downtime-limit=300" },
    { RUNNING "downtime-limit=0 exact=1",
      "switchover because of none final-check=1 downtime-limit=0" },
    { RUNNING "downtime-limit=0 stopcopy=1 exact=1",
      "wait because of device-state until=150" },

    /* What cannot move exceeds the threshold */
    { RUNNING "stopcopy=301", "wait because of device-state until=150" },
    { RUNNING "postcopy=301 postcopy-only=301",
      "wait because of device-state until=150" },
    { RUNNING "stopcopy=200 postcopy=101 postcopy-only=101 exact=1",
      "wait because of device-state until=150" },
    { RUNNING "stopcopy=200 postcopy=101 postcopy-ram=1 exact=1",
      "iterate because of progress" },
    /* Dirty bitmaps beside RAM that postcopy can move */
    { RUNNING "postcopy=400 postcopy-ram=1 postcopy-only=301",
      "iterate because of device-state" },
    { RUNNING "postcopy=301 postcopy-ram=1 postcopy-only=301",
      "wait because of device-state until=150" },
    { RUNNING "postcopy=400 postcopy-ram=1 postcopy-only=300",
      "iterate because of progress" },

    /* RAM that converges goes on at full speed, else in bursts */
    { RUNNING "stopcopy=301 precopy=1 rest-until=200000",
      "iterate because of device-state" },
    { STUCK "stopcopy=301 precopy=1", "iterate because of device-state" },
    { STUCK "stopcopy=301 precopy=1 rest-until=100000",
      "iterate because of device-state" },
    { STUCK "stopcopy=301 precopy=1 rest-until=100001",
      "wait because of device-state until=1" },
    { STUCK "stopcopy=301 precopy=1 rest-until=100100",
      "wait because of device-state until=100" },
    { STUCK "stopcopy=301 rest-until=100100",
      "wait because of device-state until=150" },
    { STUCK "stopcopy=301 precopy=1 burst-start=99501 rest-until=100100",
      "iterate because of device-state" },
    { STUCK "stopcopy=301 precopy=1 burst-start=99500",
      "wait because of device-state until=150" },
    { STUCK "stopcopy=301 precopy=1 burst-start=99999 drained=1",
      "wait because of device-state until=150" },

    /* No burst begins that could not send anything, and would rest then */
    { STUCK "stopcopy=301 precopy=1 owed=1 rest-until=100000",
      "wait because of device-state until=150" },
    { STUCK "precopy=301 owed=1", "iterate because of progress" },

    { STUCK "bandwidth=0 precopy=1 rest-until=100001",
      "iterate because of bandwidth" },
    /*
     * RAM is sent again when the bandwidth is not known, and only then; for
     * three windows or a second, and not again for 30 s, or 20 times as long
     */
    { WAITS "uncertain=1 can-probe=1", "probe because of device-state" },
    { WAITS "uncertain=1", "wait because of device-state until=150" },
    { WAITS "can-probe=1", "wait because of device-state until=150" },
    { WAITS "uncertain=1 can-probe=1 stopcopy=300 precopy=1",
      "iterate because of progress" },
    { WAITS "bandwidth=0 can-probe=1 uncertain=1",
      "probe because of bandwidth" },
    { RUNNING "uncertain=1 can-probe=1 first-pass-done=0 stopcopy=301 "
      "reason=first-pass since=99800", "probe because of first-pass" },
    { RUNNING "uncertain=1 can-probe=1 first-pass-done=0 stopcopy=301 "
      "reason=first-pass since=99801", "iterate because of first-pass" },
    { RUNNING "uncertain=1 can-probe=1 first-pass-done=0 stopcopy=301 "
      "reason=none since=1", "iterate because of first-pass" },
    { WAITS "can-probe=1 probe-start=99001 windows=12 probe-windows=10",
      "probe because of device-state" },
    { WAITS "can-probe=1 probe-start=99001 windows=13 probe-windows=10",
      "wait because of device-state until=150" },
    { WAITS "can-probe=1 probe-start=99000 windows=12 probe-windows=10",
      "wait because of device-state until=150" },
    { WAITS "uncertain=1 can-probe=1 probe-end=70000 probe-ms=1500",
      "probe because of device-state" },
    { WAITS "uncertain=1 can-probe=1 probe-end=70001 probe-ms=1",
      "wait because of device-state until=150" },
    { WAITS "uncertain=1 can-probe=1 probe-end=70000 probe-ms=1501",
      "wait because of device-state until=150" },

    /* A query once per second, even in bursts; but a pass is not cut short */
    { STUCK "stopcopy=301 precopy=1 burst-start=99900 query-end=99001",
      "iterate because of device-state" },
    { STUCK "stopcopy=301 precopy=1 burst-start=99900 query-end=99000",
      "query because of device-state" },
    { RUNNING "stopcopy=301 precopy=1 query-end=90000",
      "iterate because of device-state" },
    { RUNNING "precopy=301 query-end=90000", "iterate because of progress" },

    /* Exact queries of a migration that waits: rare where they take long */
    { WAITS "query-end=99851", "wait because of device-state until=1" },
    { WAITS "query-end=99850", "query because of device-state" },
    { WAITS "query-end=99850 exact=1",
      "wait because of device-state until=1" },
    { WAITS "query-ms=3", "wait because of device-state until=150" },
    { WAITS "query-ms=4", "wait because of device-state until=200" },
    { WAITS "query-ms=20", "wait because of device-state until=1000" },
    { WAITS "query-ms=500", "wait because of device-state until=1000" },
    { WAITS "query-ms=18446744073709551615",
      "wait because of device-state until=1000" },
    { WAITS "query-end=500000", "wait because of device-state until=1000" },

    /* Acks: of no interest before pending is low enough */
    { RUNNING "acks-missing=1 precopy=301", "iterate because of progress" },
    { RUNNING "acks-missing=1 stopcopy=300 exact=1",
      "wait because of switchover-ack until=150" },
    { RUNNING "acks-missing=1 stopcopy=300",
      "wait because of switchover-ack until=150" },
    { RUNNING "acks-missing=1 stopcopy=300 query-end=99000",
      "query because of switchover-ack" },
    { RUNNING "acks-missing=1 stopcopy=301 exact=1",
      "wait because of device-state until=150" },

    /* No progress */
    { RUNNING "precopy=301 mark-time=60001", "iterate because of progress" },
    { RUNNING "precopy=301 mark-time=60000", "iterate because of dirty-rate" },
    { RUNNING "precopy=301 mark-time=60000 drained=1",
      "wait because of dirty-rate until=150" },

    /* After a roll-back the guest runs for ten times the pause */
    { RUNNING "exact=1 rolled-back=1 pause-end=99000 pause-ms=100 "
      "paused-ms=100",
      "switchover because of none final-check=1 downtime-limit=300" },
    { RUNNING "exact=1 rolled-back=1 pause-end=99001 pause-ms=100 "
      "paused-ms=100",
      "wait because of rolled-back until=1" },
    { RUNNING "exact=1 rolled-back=1 pause-end=99950 pause-ms=100 "
      "paused-ms=100",
      "wait because of rolled-back until=150" },
    { RUNNING "query-end=99000 rolled-back=1 pause-end=99950 pause-ms=100 "
      "paused-ms=100",
      "query because of rolled-back" },
    { RUNNING "exact=1 pause-end=99950 pause-ms=100",
      "switchover because of none final-check=1 downtime-limit=300" },
    { RUNNING "exact=1 rolled-back=3 pause-end=9000 pause-ms=100 "
      "paused-ms=299",
      "switchover because of none final-check=1 downtime-limit=300" },
    { RUNNING "exact=1 rolled-back=3 pause-end=9000 pause-ms=100 "
      "paused-ms=300",
      "switchover because of none final-check=0 downtime-limit=300" },
    { RUNNING "exact=1 rolled-back=1 pause-end=99000 "
      "pause-ms=18446744073709551615",
      "wait because of rolled-back until=150" },

    /* Postcopy: RAM does not count, and needs no first pass */
    { RUNNING "first-pass-done=0 postcopy-wanted=1 postcopy-ram=1 "
      "postcopy=5000",
      "query because of none" },
    { RUNNING "first-pass-done=0 bandwidth=0 postcopy-wanted=1 postcopy-ram=1 "
      "postcopy=5000", "query because of none" },
    { RUNNING "exact=1 postcopy-wanted=1 postcopy-ram=1 postcopy=5000",
      "start-postcopy because of none" },
    { RUNNING "exact=1 postcopy-wanted=1 postcopy-ram=1 postcopy=5000 "
      "stopcopy=300", "start-postcopy because of none" },
    { RUNNING "exact=1 postcopy-wanted=1 postcopy-ram=1 postcopy=5000 "
      "stopcopy=301", "iterate because of device-state" },
    { RUNNING "exact=1 postcopy-wanted=1 postcopy-ram=1 postcopy=5000 "
      "acks-missing=1", "iterate because of progress" },
    { RUNNING "first-pass-done=0 postcopy-wanted=1 precopy=300 postcopy=5000",
      "iterate because of first-pass" },
    { RUNNING "postcopy-wanted=1 precopy=300 postcopy=5000 "
      "postcopy-only=5000",
      "query because of none" },
    { RUNNING "exact=1 postcopy-wanted=1 precopy=300 postcopy=5000 "
      "postcopy-only=5000",
      "start-postcopy because of none" },
    { RUNNING "exact=1 postcopy-wanted=1 precopy=301 postcopy=5000 "
      "postcopy-only=5000",
      "iterate because of device-state" },

    /* In postcopy nothing else counts */
    { POSTCOPY "postcopy=1", "iterate because of progress" },
    { POSTCOPY "precopy=5000 stopcopy=5000 acks-missing=1",
      "switchover because of none final-check=0 downtime-limit=300" },

    /* A guest that is stopped: what can move moves first */
    { STOPPED "precopy=1", "iterate because of progress" },
    { STOPPED "postcopy=1 postcopy-ram=1", "iterate because of progress" },
    { STOPPED "stopcopy=5000", "query because of progress" },
    { STOPPED "postcopy=5000 postcopy-only=5000 postcopy-ram=1",
      "query because of progress" },
    { STOPPED "stopcopy=5000 exact=1 bandwidth=0",
      "switchover because of none final-check=0 downtime-limit=300" },
    { STOPPED "stopcopy=5000 exact=1 acks-missing=1",
      "switchover because of none final-check=0 downtime-limit=300" },
    { STOPPED "precopy=301 exact=1", "iterate because of progress" },
    { STOPPED "precopy=300 exact=1",
      "switchover because of none final-check=0 downtime-limit=300" },
    { STOPPED "precopy=301 exact=1 queries-stopped=2",
      "switchover because of none final-check=0 downtime-limit=300" },
    { STOPPED "precopy=301 postcopy-wanted=1", "query because of progress" },
    { STOPPED "stopcopy=5000 postcopy-wanted=1 exact=1",
      "start-postcopy because of none" },

    /* A limit that may be raised, when it has waited, at a good moment */
    { WAITS "exact=1 max-downtime=5000",
      "switchover because of none final-check=1 downtime-limit=5000" },
    { WAITS "exact=1 max-downtime=9000 stopcopy=5249",
      "switchover because of none final-check=1 downtime-limit=5249" },
    { WAITS "exact=1 max-downtime=9000 stopcopy=5250",
      "switchover because of none final-check=1 downtime-limit=5250" },
    { WAITS "exact=1 max-downtime=9000 stopcopy=5251",
      "wait because of device-state until=150" },
    { WAITS "exact=1 max-downtime=4999",
      "wait because of device-state until=150" },
    { WAITS "max-downtime=5000", "wait because of device-state until=150" },
    { WAITS "exact=1 max-downtime=5000 acks-missing=1",
      "wait because of device-state until=150" },
    { WAITS "exact=1 max-downtime=5000 since=99000",
      "switchover because of none final-check=1 downtime-limit=5000" },
    { WAITS "exact=1 max-downtime=5000 since=99001",
      "wait because of device-state until=150" },
    { WAITS "exact=1 max-downtime=5000 reason=progress",
      "wait because of device-state until=150" },
    { WAITS "exact=1 max-downtime=5000 rolled-back=1 pause-end=99950 "
      "pause-ms=6", "wait because of device-state until=150" },
    { WAITS "exact=1 max-downtime=5000 rolled-back=1 pause-end=99950 "
      "pause-ms=5 paused-ms=4999",
      "switchover because of none final-check=1 downtime-limit=5000" },
    { WAITS "exact=1 max-downtime=5000 postcopy-wanted=1",
      "wait because of device-state until=150" },
    { RUNNING "exact=1 max-downtime=5000 precopy=5000 reason=progress "
      "since=90000", "iterate because of progress" },
    { RUNNING "exact=1 max-downtime=5000 precopy=5000 reason=dirty-rate "
      "since=90000 mark-time=1",
      "switchover because of none final-check=1 downtime-limit=5000" },
};

static void test_table(void)
{
    int i;

    for (i = 0; i < ARRAY_SIZE(table); i++) {
        g_autofree char *text = NULL;
        MigSituation situation;
        MigDecision decision;

        g_test_message("%s", table[i].situation);
        g_assert_true(mig_situation_from_text(table[i].situation, &situation,
                                              &error_abort));
        decision = mig_switchover_decide(&situation);
        text = mig_decision_to_text(&situation, &decision);
        g_assert_cmpstr(text, ==, table[i].decision);
    }
}

/* What migrations have decided, see scripts/replay, is decided again */
static void test_recorded(void)
{
    g_autofree char *dir = g_test_build_filename(
        G_TEST_DIST, "..", "data", "migration-decisions", NULL);
    g_autoptr(GDir) traces = g_dir_open(dir, 0, NULL);
    const char *name;
    int n = 0;

    g_assert_nonnull(traces);
    while ((name = g_dir_read_name(traces))) {
        g_autofree char *path = g_build_filename(dir, name, NULL);
        g_autofree char *trace = NULL;
        g_auto(GStrv) lines = NULL;
        int i;

        g_assert_true(g_file_get_contents(path, &trace, NULL, NULL));
        lines = g_strsplit(trace, "\n", -1);
        for (i = 0; lines[i] && lines[i][0]; i++) {
            char *situation_text = strstr(lines[i], ": now=");
            g_autofree char *text = NULL;
            MigSituation situation;
            MigDecision decision;

            if (lines[i][0] == '#') {
                continue;
            }
            g_assert_nonnull(situation_text);
            *situation_text = '\0';
            g_assert_true(mig_situation_from_text(situation_text + 2,
                                                  &situation, &error_abort));
            decision = mig_switchover_decide(&situation);
            text = mig_decision_to_text(&situation, &decision);
            g_assert_cmpstr(text, ==, lines[i]);
            n++;
        }
    }
    g_assert_cmpint(n, >, 0);
}

/* Any number, and often one that is near a limit */
static uint64_t random_number(void)
{
    static const uint64_t numbers[] = {
        0, 1, 150, 299, 300, 301, 1000, 5000, 100000, UINT64_MAX - 1,
        UINT64_MAX,
    };
    uint32_t r = g_test_rand_int_range(0, 4 * ARRAY_SIZE(numbers));

    return r < 3 * ARRAY_SIZE(numbers) ? numbers[r % ARRAY_SIZE(numbers)] :
           (uint64_t)g_test_rand_int() << 32 | (uint32_t)g_test_rand_int();
}

static bool random_flag(void)
{
    return g_test_rand_bit();
}

static int64_t random_time(int64_t now)
{
    return now - g_test_rand_int_range(-2000, 100000);
}

static void random_situation(MigSituation *s)
{
    int64_t now = 1000000;

    *s = (MigSituation) {
        .now = now,
        .pending.precopy_bytes = random_number(),
        .pending.stopcopy_bytes = random_number(),
        .pending.postcopy_bytes = random_number(),
        .pending.device_ms = random_flag() ? 0 : random_number(),
        .pending.parallel_ms = random_flag() ? 0 : random_number(),
        .exact = random_flag(),
        .bandwidth = random_number(),
        .uncertain = random_flag(),
        .windows = random_number() % 10,
        .can_probe = random_flag(),
        .owed = random_flag(),
        .downtime_limit = random_number() % 2000001,
        .max_downtime = random_flag() ? 0 : random_number() % 2000001,
        .running = random_flag(),
        .postcopy_ram = random_flag(),
        .postcopy_wanted = g_test_rand_int_range(0, 4) == 0,
        .postcopy = g_test_rand_int_range(0, 8) == 0,
        .acks_missing = random_flag() ? 0 : random_number(),
        .history.queries = random_number() % 3,
        .history.queries_stopped = random_number() % 3,
        .history.query_end = random_time(now),
        .history.query_ms = random_number(),
        .history.drained = random_flag(),
        .history.first_pass_done = random_flag(),
        .history.movable = random_number(),
        .history.settled = random_flag(),
        .history.burst_start = random_flag() ? 0 : random_time(now),
        .history.rest_until = random_time(now),
        .history.reason = g_test_rand_int_range(0, MIG_REASON__MAX),
        .history.since = random_time(now),
        .history.best = random_number(),
        .history.mark = random_number(),
        .history.mark_time = random_time(now),
        .history.passes_since_mark = random_number() % 3,
        .history.probe_start = random_flag() ? 0 : random_time(now),
        .history.probe_windows = random_number() % 10,
        .history.probe_end = random_flag() ? 0 : random_time(now),
        .history.probe_ms = random_number(),
        .history.rolled_back = random_number() % 3,
        .history.pause_end = random_time(now),
        .history.pause_ms = random_number(),
        .history.paused_ms = random_number(),
    };
    s->pending.postcopy_only_bytes = s->postcopy_ram ?
        random_number() % (s->pending.postcopy_bytes | 1) :
        s->pending.postcopy_bytes;
    if (s->exact) {
        s->history.drained = false;
        s->history.queries++;
    }
}

static void check_properties(const MigSituation *s)
{
    MigDecision d = mig_switchover_decide(s);
    uint64_t total = mig_pending_total(&s->pending);
    bool over = d.action == MIG_ACTION_SWITCHOVER;

    mig_pending_add(&total, mig_switchover_lag(&s->pending, s->bandwidth));
    if (s->postcopy) {
        g_assert_cmpint(over, ==, !s->pending.postcopy_bytes);
        g_assert_true(over || d.action == MIG_ACTION_ITERATE);
        return;
    }

    /* Nothing rests on an estimate, and one query is enough */
    if (over || d.action == MIG_ACTION_START_POSTCOPY) {
        g_assert_true(s->exact);
    }
    g_assert_false(d.action == MIG_ACTION_QUERY && s->exact);
    g_assert_false(d.action == MIG_ACTION_START_POSTCOPY &&
                   !s->postcopy_wanted);

    /* Never above the threshold, and never above what the user accepts */
    if (s->running && over) {
        g_assert_cmpuint(total, <=, mig_bandwidth_bytes(s->bandwidth,
                                                        d.downtime_limit));
        g_assert_cmpuint(s->acks_missing, ==, 0);
        g_assert_cmpuint(d.downtime_limit, <=,
                         MAX(s->downtime_limit, s->max_downtime));
    }

    /* The guest has run for ten times the pause of the latest roll-back */
    if (over && s->history.rolled_back && s->running) {
        g_assert_cmpint(s->now - s->history.pause_end, >=,
                        10 * MIN(s->history.pause_ms, INT32_MAX));
        g_assert_cmpint(d.final_check, ==,
                        s->history.paused_ms < d.downtime_limit);
    }

    /* Never a wait without an end, and never one that ends at once */
    if (d.action == MIG_ACTION_WAIT) {
        g_assert_true(s->running);
        g_assert_cmpint(d.until, >, s->now);
        g_assert_cmpint(d.until, <=, s->now + 1000);
    }

    /* A probe is short, and at most 1/20 of the time */
    if (d.action == MIG_ACTION_PROBE) {
        g_assert_true(s->running && s->can_probe);
        if (s->history.probe_start) {
            g_assert_cmpint(s->now - s->history.probe_start, <, 1000);
        } else {
            g_assert_true(s->uncertain);
            g_assert_true(!s->history.probe_end ||
                          s->now - s->history.probe_end >=
                          20 * MIN(s->history.probe_ms, INT32_MAX));
        }
    }

    /* Guests that are stopped do not wait, and end after two passes */
    if (!s->running && s->exact && s->history.queries_stopped > 1) {
        g_assert_true(over || d.action == MIG_ACTION_START_POSTCOPY);
    }

    /* Not more queries than are useful */
    if (d.action == MIG_ACTION_QUERY && s->running &&
        d.reason != MIG_REASON_NONE && d.reason != MIG_REASON_FIRST_PASS) {
        g_assert_cmpint(s->now - s->history.query_end, >=, 150);
    }
}

static void test_properties(void)
{
    int i;

    for (i = 0; i < 300000; i++) {
        MigSituation situation;

        random_situation(&situation);
        check_properties(&situation);
    }
}

/* Text is read as it is written */
static void test_text(void)
{
    int i;

    for (i = 0; i < 1000; i++) {
        g_autofree char *text = NULL, *again = NULL;
        MigSituation situation, copy;

        random_situation(&situation);
        text = mig_situation_to_text(&situation);
        g_assert_true(mig_situation_from_text(text, &copy, &error_abort));
        again = mig_situation_to_text(&copy);
        g_assert_cmpstr(text, ==, again);
        g_assert_cmpint(mig_switchover_decide(&situation).action, ==,
                        mig_switchover_decide(&copy).action);
    }
}

static void test_bad_text(void)
{
    static const char *const bad[] = {
        "now=", "now=x", "precopy=-x", "precopy=1x", "running=yes",
        "reason=bad", "precopy=99999999999999999999",
    };
    MigSituation situation;
    int i;

    for (i = 0; i < ARRAY_SIZE(bad); i++) {
        Error *err = NULL;

        g_assert_false(mig_situation_from_text(bad[i], &situation, &err));
        error_free_or_abort(&err);
    }
    g_assert_true(mig_situation_from_text("iterate: other=1 precopy=7",
                                          &situation, &error_abort));
    g_assert_cmpuint(situation.pending.precopy_bytes, ==, 7);
}

static void test_history_marks(void)
{
    MigPendingData pending = { .stopcopy_bytes = 1000 };
    MigHistory h;

    mig_history_begin(&h, 500);
    g_assert_false(mig_history_stalled(&h, 500 + 39999));
    g_assert_true(mig_history_stalled(&h, 500 + 40000));

    mig_history_queried(&h, &pending, 0, 1000, 1003, true);
    g_assert_cmpuint(h.queries, ==, 1);
    g_assert_cmpuint(h.query_ms, ==, 3);
    g_assert_cmpint(h.query_end, ==, 1003);
    g_assert_cmpuint(h.best, ==, 1000);
    g_assert_cmpuint(h.passes_since_mark, ==, 0);
    g_assert_cmpint(h.mark_time, ==, 1003);

    /* Less, but not less enough */
    pending.stopcopy_bytes = 961;
    mig_history_queried(&h, &pending, 0, 2000, 2000, true);
    g_assert_cmpuint(h.best, ==, 961);
    g_assert_cmpuint(h.passes_since_mark, ==, 1);
    g_assert_cmpint(h.mark_time, ==, 1003);

    /* Compared with the mark, not with the best */
    pending.stopcopy_bytes = 960;
    mig_history_queried(&h, &pending, 0, 3000, 3000, true);
    g_assert_cmpuint(h.passes_since_mark, ==, 0);
    g_assert_cmpint(h.mark_time, ==, 3000);

    /* More is no progress, and the best stays */
    pending.stopcopy_bytes = UINT64_MAX;
    mig_history_queried(&h, &pending, 0, 4000, 4000, true);
    g_assert_cmpuint(h.best, ==, 960);
    g_assert_cmpuint(h.passes_since_mark, ==, 1);
    g_assert_true(mig_history_stalled(&h, 43000));

    /* Nothing left, again and again: no progress is needed */
    pending.stopcopy_bytes = 0;
    mig_history_queried(&h, &pending, 0, 5000, 5000, true);
    mig_history_queried(&h, &pending, 0, 6000, 6000, true);
    g_assert_cmpuint(h.passes_since_mark, ==, 0);

    /* A clock that goes back */
    mig_history_queried(&h, &pending, 0, 7000, 6999, true);
    g_assert_cmpuint(h.query_ms, ==, 0);
}

static void test_history_stopped(void)
{
    MigPendingData pending = { };
    MigHistory h;

    mig_history_begin(&h, 1);
    mig_history_queried(&h, &pending, 0, 1, 1, false);
    mig_history_queried(&h, &pending, 0, 1, 1, false);
    g_assert_cmpuint(h.queries_stopped, ==, 2);
    mig_history_queried(&h, &pending, 0, 1, 1, true);
    g_assert_cmpuint(h.queries_stopped, ==, 0);
    mig_history_queried(&h, &pending, 0, 1, 1, false);
    g_assert_cmpuint(h.queries_stopped, ==, 1);
    g_assert_cmpuint(h.queries, ==, 4);
}

/* RAM has settled when a whole pass finds no less than the one before */
static void test_history_drained(void)
{
    MigPendingData pending = { .precopy_bytes = 1000, .stopcopy_bytes = 9000 };
    MigHistory h;

    mig_history_begin(&h, 1);
    g_assert_false(h.first_pass_done);
    mig_history_drained(&h);
    g_assert_true(h.drained);
    g_assert_true(h.first_pass_done);
    mig_history_queried(&h, &pending, 0, 1, 1, true);
    g_assert_false(h.drained);
    g_assert_true(h.first_pass_done);
    g_assert_false(h.settled);
    g_assert_cmpuint(h.movable, ==, 1000);

    /* Not a whole pass */
    mig_history_queried(&h, &pending, 0, 1, 1, true);
    g_assert_false(h.settled);

    mig_history_drained(&h);
    pending.precopy_bytes = 960;
    mig_history_queried(&h, &pending, 0, 1, 1, true);
    g_assert_false(h.settled);
    mig_history_drained(&h);
    pending.precopy_bytes = 925;
    mig_history_queried(&h, &pending, 0, 1, 1, true);
    g_assert_true(h.settled);
    mig_history_drained(&h);
    pending.precopy_bytes = 100;
    mig_history_queried(&h, &pending, 0, 1, 1, true);
    g_assert_false(h.settled);

    /* What a device has not reported may be left, but the pass is one */
    mig_history_begin(&h, 1);
    pending.precopy_bytes = 1000;
    for (int i = 0; i < 2; i++) {
        g_assert_false(h.settled);
        mig_history_moved(&h);
        mig_history_queried(&h, &pending, 0, 1, 1, true);
    }
    g_assert_true(h.settled);
    g_assert_false(h.first_pass_done);
    g_assert_false(h.moved);
}

static void test_history_bursts(void)
{
    MigDecision ram = { .action = MIG_ACTION_ITERATE,
                        .reason = MIG_REASON_PROGRESS };
    MigDecision burst = { .action = MIG_ACTION_ITERATE,
                          .reason = MIG_REASON_DEVICE_STATE };
    MigDecision wait = { .action = MIG_ACTION_WAIT,
                         .reason = MIG_REASON_DEVICE_STATE };
    MigDecision unmeasured = { .action = MIG_ACTION_ITERATE,
                               .reason = MIG_REASON_BANDWIDTH };
    MigHistory h;

    mig_history_begin(&h, 1);
    mig_history_decided(&h, &ram, 10);
    g_assert_cmpint(h.reason, ==, MIG_REASON_PROGRESS);
    g_assert_cmpint(h.since, ==, 10);

    /* RAM that still converges is no burst */
    mig_history_decided(&h, &burst, 20);
    g_assert_cmpint(h.reason, ==, MIG_REASON_DEVICE_STATE);
    g_assert_cmpint(h.since, ==, 20);
    g_assert_cmpint(h.burst_start, ==, 0);

    h.settled = true;
    mig_history_decided(&h, &burst, 1000);
    mig_history_decided(&h, &burst, 1050);
    g_assert_cmpint(h.burst_start, ==, 1000);
    g_assert_cmpint(h.since, ==, 20);

    /* Then it rests for a multiple of the burst */
    mig_history_decided(&h, &wait, 1099);
    g_assert_cmpint(h.burst_start, ==, 0);
    g_assert_cmpint(h.rest_until, ==, 1099 + 40 * 100);
    mig_history_decided(&h, &wait, 1200);
    g_assert_cmpint(h.rest_until, ==, 1099 + 40 * 100);

    /* Without a measured bandwidth there is no rest */
    mig_history_decided(&h, &unmeasured, 2000);
    g_assert_cmpint(h.burst_start, ==, 0);
}

/* While it waits, a burst that has begun is not what a switchover would move */
static void test_history_switchover_bytes(void)
{
    MigPendingData pending = { .precopy_bytes = 1000, .stopcopy_bytes = 95 };
    MigHistory h;

    mig_history_begin(&h, 1);
    mig_history_drained(&h);
    mig_history_queried(&h, &pending, 7, 1, 1, true);
    mig_history_drained(&h);
    mig_history_queried(&h, &pending, 7, 1, 1, true);
    h.reason = MIG_REASON_DEVICE_STATE;
    g_assert_true(h.settled);

    /* RAM has been sent, or data of a device */
    pending.precopy_bytes = 10;
    g_assert_cmpuint(mig_history_switchover_bytes(&h, &pending, 2), ==, 110);
    g_assert_cmpuint(mig_history_switchover_bytes(&h, &pending, 7), ==, 105);
    g_assert_cmpuint(mig_history_switchover_bytes(&h, &pending, 9), ==, 105);

    /* A query that does not end a pass says nothing about it */
    mig_history_queried(&h, &pending, 3, 1, 1, true);
    g_assert_cmpuint(mig_history_switchover_bytes(&h, &pending, 2), ==, 110);

    pending.stopcopy_bytes = UINT64_MAX;
    g_assert_cmpuint(mig_history_switchover_bytes(&h, &pending, 2), ==,
                     UINT64_MAX);

    /* While RAM moves, what is left shrinks */
    pending.stopcopy_bytes = 95;
    h.reason = MIG_REASON_PROGRESS;
    g_assert_cmpuint(mig_history_switchover_bytes(&h, &pending, 2), ==, 105);
    h.reason = MIG_REASON_DEVICE_STATE;
    h.settled = false;
    g_assert_cmpuint(mig_history_switchover_bytes(&h, &pending, 2), ==, 105);
}

static void test_history_rolled_back(void)
{
    MigHistory h;

    mig_history_begin(&h, 1);
    mig_history_rolled_back(&h, 100, 150);
    g_assert_cmpuint(h.rolled_back, ==, 1);
    g_assert_cmpuint(h.pause_ms, ==, 50);
    g_assert_cmpint(h.pause_end, ==, 150);
    mig_history_rolled_back(&h, 200, 200);
    g_assert_cmpuint(h.rolled_back, ==, 2);
    g_assert_cmpuint(h.pause_ms, ==, 1);
    g_assert_cmpuint(h.paused_ms, ==, 51);
}

static void test_reasons(void)
{
    int i;

    for (i = 0; i < MIG_REASON__MAX; i++) {
        g_assert_cmpint(mig_reason_is_ram(i), ==, i == MIG_REASON_FIRST_PASS ||
                        i == MIG_REASON_PROGRESS || i == MIG_REASON_DIRTY_RATE);
    }
}

static void test_limit(void)
{
    MigSituation s = { .bandwidth = 1000, .pending.stopcopy_bytes = 1999 };

    g_assert_cmpint(mig_switchover_limit(&s), ==, 1999);
    s.bandwidth = 2000;
    g_assert_cmpint(mig_switchover_limit(&s), ==, 1000);
    s.bandwidth = 0;
    g_assert_cmpint(mig_switchover_limit(&s), ==, INT64_MAX);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    g_test_add_func("/migration/switchover-decide/table", test_table);
    g_test_add_func("/migration/switchover-decide/recorded", test_recorded);
    g_test_add_func("/migration/switchover-decide/properties",
                    test_properties);
    g_test_add_func("/migration/switchover-decide/reasons", test_reasons);
    g_test_add_func("/migration/switchover-decide/limit", test_limit);
    g_test_add_func("/migration/switchover-history/marks", test_history_marks);
    g_test_add_func("/migration/switchover-history/stopped",
                    test_history_stopped);
    g_test_add_func("/migration/switchover-history/drained",
                    test_history_drained);
    g_test_add_func("/migration/switchover-history/bursts",
                    test_history_bursts);
    g_test_add_func("/migration/switchover-history/switchover-bytes",
                    test_history_switchover_bytes);
    g_test_add_func("/migration/switchover-history/rolled-back",
                    test_history_rolled_back);
    g_test_add_func("/migration/switchover-text/round-trip", test_text);
    g_test_add_func("/migration/switchover-text/bad", test_bad_text);

    return g_test_run();
}
