/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QTest testcases for the migration of VFIO devices, and of what QEMU says
 * about it meanwhile; the devices are simulated (tests/vfio-sim)
 *
 * Most cases use a guest that is idle: then RAM has nothing left after the
 * first pass, and all numbers are those of the devices.  They set
 * avail-switchover-bandwidth, so that nothing depends on the machine's speed,
 * and nothing is ever timed: a case waits for a number or for a state.
 */

#include "qemu/osdep.h"
#include "qemu/cutils.h"
#include "qemu/units.h"
#include "qobject/qdict.h"
#include "libqtest.h"
#include "migration/migration-qmp.h"
#include "migration/vfio-pair.h"

/* What the user says the switchover may use, if the case does not matter */
#define BANDWIDTH (64 * MiB)

/* What QEMU assumes for a device that never told its size */
#define UNKNOWN_SIZE (100 * GiB)

/* 64 MiB take 1 s at BANDWIDTH: more than LIMIT */
#define DEVICE_64M "stop-bytes=64M"
#define LIMIT 300

#define LIST(...) ((const char *const []) { __VA_ARGS__, NULL })

/* ---------------------------------------------------------------------- */

static void test_ram_idle(void)
{
    MigPair p = { .bandwidth = BANDWIDTH, .limit = LIMIT, .passes = true };

    if (!pair_start(&p)) {
        return;
    }
    pair_migrate(&p);
    pair_check_completes(&p);
    g_assert_cmpuint(p.last.vfio_transferred, ==, 0);
    pair_end(&p);
}

static void test_ram_dirty(void)
{
    /* 64 KiB may be left; the guest writes to all of 99 MiB meanwhile */
    MigPair p = { .guest = VFIO_SIM_GUEST_DIRTY, .bandwidth = BANDWIDTH,
                  .limit = 1, .passes = true };
    MigReply r;

    if (!pair_start(&p)) {
        return;
    }
    pair_migrate(&p);
    PAIR_WAIT(&p, r, r.passes >= 3 && r.remaining > BANDWIDTH / 1000);
    g_assert_cmpuint(r.remaining, <=, r.ram_total);
    pair_check_waits(&p);

    pair_set_limit(&p, 30000);
    pair_check_completes(&p);
    pair_end(&p);
}

static void test_precopy(void)
{
    MigPair p = { .bandwidth = BANDWIDTH, .limit = LIMIT, .devices =
                  LIST("initial-bytes=6M,dirty-bytes=2M," DEVICE_64M) };
    MigReply r;

    if (!pair_start(&p)) {
        return;
    }
    pair_migrate(&p);
    pair_wait_remaining(&p, &r, 64 * MiB);
    pair_check_waits(&p);

    /* All that can move has moved, and nothing else */
    g_assert_cmpuint(vfio_sim_get(&p.src, 0, "initial"), ==, 0);
    g_assert_cmpuint(vfio_sim_get(&p.src, 0, "dirty"), ==, 0);
    g_assert_cmpuint(vfio_sim_get(&p.src, 0, "stop"), ==, 64 * MiB);
    g_assert_cmpuint(pair_query(&p).vfio_transferred, >=, 8 * MiB);
    g_assert_cmpuint(pair_query(&p).vfio_transferred, <, 9 * MiB);

    pair_set_limit(&p, 1100);
    pair_check_completes(&p);
    g_assert_cmpuint(p.last.vfio_transferred, >=, 72 * MiB);
    pair_end(&p);
}

static void test_precopy_off(void)
{
    MigPair p = { .bandwidth = BANDWIDTH, .limit = LIMIT,
                  .devices = LIST("precopy=off," DEVICE_64M) };
    MigReply r;

    if (!pair_start(&p)) {
        return;
    }
    pair_migrate(&p);
    pair_wait_remaining(&p, &r, 64 * MiB);
    pair_check_waits(&p);
    g_assert_cmpuint(pair_query(&p).vfio_transferred, ==, 0);
    g_assert_cmpuint(vfio_sim_get(&p.src, 0, "precopy-info-calls"), ==, 0);

    pair_set_limit(&p, 1100);
    pair_check_completes(&p);
    g_assert_cmpuint(p.last.vfio_transferred, >=, 64 * MiB);
    pair_end(&p);
}

/* A device that always has something new to send while the guest runs */
static void test_precopy_dirty(void)
{
    MigPair p = { .bandwidth = BANDWIDTH, .limit = 100, .devices =
                  LIST("dirty-rate=16M,dirty-ceiling=8M,stop-bytes=32M") };
    MigReply r;

    if (!pair_start(&p)) {
        return;
    }
    pair_migrate(&p);
    PAIR_WAIT(&p, r, r.passes >= 3 && r.vfio_transferred > MiB);
    pair_check_waits(&p);
    r = pair_query(&p);
    g_assert_cmpuint(r.remaining, >=, 32 * MiB);
    g_assert_cmpuint(r.remaining, <, 40 * MiB + PAIR_RAM_SLACK);

    pair_set_limit(&p, 1000);
    pair_check_completes(&p);
    pair_end(&p);
}

static void test_two_devices(void)
{
    MigPair p = { .bandwidth = BANDWIDTH, .limit = LIMIT, .devices =
                  LIST("initial-bytes=1M,stop-bytes=40M",
                       "precopy=off,stop-bytes=24M") };
    MigReply r;

    if (!pair_start(&p)) {
        return;
    }
    pair_migrate(&p);
    pair_wait_remaining(&p, &r, 64 * MiB);

    /* Alone, each would be below this */
    pair_set_limit(&p, 800);
    pair_check_waits(&p);

    pair_set_limit(&p, 1100);
    pair_check_completes(&p);
    g_assert_cmpuint(vfio_sim_get(&p.dst, 0, "write-bytes"), >=, 41 * MiB);
    g_assert_cmpuint(vfio_sim_get(&p.dst, 1, "write-bytes"), >=, 24 * MiB);
    pair_end(&p);
}

static void test_multifd(void)
{
    MigPair p = { .bandwidth = BANDWIDTH, .limit = LIMIT, .devices =
                  LIST("initial-bytes=1M," DEVICE_64M, "stop-bytes=16M"),
                  .device_props = ",x-migration-multifd-transfer=on",
                  .caps = LIST("multifd", "return-path") };
    MigReply r;

    if (!pair_start(&p)) {
        return;
    }
    pair_migrate(&p);
    pair_wait_remaining(&p, &r, 80 * MiB);
    pair_check_waits(&p);
    pair_set_limit(&p, 1400);
    pair_check_completes(&p);
    g_assert_cmpuint(p.last.vfio_transferred, >=, 81 * MiB);
    pair_end(&p);
}

/* What "info migrate" says must fit what is true before and after it */
static void check_hmp(MigPair *p)
{
    MigReply before = pair_query(p);
    g_autofree char *hmp = pair_info_migrate(p);
    MigReply after = pair_query(p);
    const char *line = strstr(hmp, "Remaining (bytes):");

    if (before.has_remaining && after.has_remaining) {
        g_assert(line && strstr(hmp, "Time (ms):") < line);
        g_assert(strstr(hmp, "exp_down="));
        if (before.remaining == after.remaining) {
            g_autofree char *size = size_to_str(after.remaining);
            g_autofree char *expected =
                g_strdup_printf("Remaining (bytes): \t%s\r\n", size);

            if (!g_str_has_prefix(line, expected)) {
                g_printerr("'%s' does not start with '%s'\n", line, expected);
                g_assert_not_reached();
            }
        }
    } else if (!before.has_remaining && !after.has_remaining) {
        g_assert(!line);
    }
}

/* A big device that never converges, and what the user is told to do */
static void test_wait(void)
{
    MigPair p = { .bandwidth = GiB, .limit = LIMIT,
                  .devices = LIST("stop-bytes=2G") };
    uint64_t limit;
    MigReply r;

    if (!pair_start(&p)) {
        return;
    }
    pair_migrate(&p);
    pair_wait_remaining(&p, &r, 2 * GiB);
    g_assert_cmpuint(r.expected, >=, 2000);
    g_assert_cmpuint(r.expected, <=, 2002);
    pair_check_waits(&p);

    check_hmp(&p);

    limit = pair_query(&p).expected;
    pair_set_limit(&p, limit * 9 / 10);
    pair_check_waits(&p);
    g_assert_cmpuint(pair_query(&p).expected, ==, limit);
    g_assert_cmpuint(vfio_sim_get(&p.src, 0, "stop"), ==, 2 * GiB);

    pair_set_limit(&p, limit);
    pair_check_completes(&p);
    g_assert_cmpuint(p.last.vfio_transferred, >=, 2 * GiB);
    g_assert_cmpuint(p.src.n_stop, ==, 1);
    pair_end(&p);
}

/* What was predicted is what it costs: here the device is the bottleneck */
static void test_wait_downtime(void)
{
    MigPair p = { .bandwidth = BANDWIDTH, .limit = LIMIT,
                  .devices = LIST(DEVICE_64M ",read-rate=64M") };
    uint64_t predicted;
    MigReply r;

    if (!pair_start(&p)) {
        return;
    }
    pair_migrate(&p);
    pair_wait_remaining(&p, &r, 64 * MiB);
    predicted = r.expected;
    pair_set_limit(&p, predicted + 10);
    pair_check_completes(&p);

    /* No upper bound: the machine may have anything else to do */
    g_assert_cmpuint(p.last.downtime, >=, predicted * 9 / 10);
    pair_end(&p);
}

/*
 * A small guest is done with its first pass before there is any bandwidth to
 * compare with.  That is no reason to stop it for a big device.
 */
static void test_wait_from_start(const void *opaque)
{
    MigPair p = { .limit = 1, .devices = LIST(opaque) };
    MigReply r;

    if (!pair_start(&p)) {
        return;
    }
    pair_migrate(&p);
    pair_wait_remaining(&p, &r, 64 * MiB);
    pair_check_waits(&p);
    g_assert_cmpuint(pair_query(&p).expected, >, 1);

    migrate_set_parameter_int(p.src.qts, "avail-switchover-bandwidth",
                              BANDWIDTH);
    pair_set_limit(&p, 1100);
    pair_check_completes(&p);
    pair_end(&p);
}

static void test_wait_changes(void)
{
    MigPair p = { .bandwidth = BANDWIDTH, .limit = 500,
                  .devices = LIST(DEVICE_64M) };
    MigReply r;

    if (!pair_start(&p)) {
        return;
    }
    pair_migrate(&p);
    pair_wait_remaining(&p, &r, 64 * MiB);

    vfio_sim_set(&p.src, 0, "stop-bytes", "128M");
    pair_wait_remaining(&p, &r, 128 * MiB);
    pair_set_limit(&p, 1900);
    pair_check_waits(&p);

    pair_set_limit(&p, 500);
    pair_check_waits(&p);
    vfio_sim_set(&p.src, 0, "stop-bytes", "96M");
    pair_wait_remaining(&p, &r, 96 * MiB);
    pair_check_waits(&p);

    /* Below the threshold: without any further help */
    vfio_sim_set(&p.src, 0, "stop-bytes", "28M");
    pair_check_completes(&p);
    g_assert_cmpuint(p.last.vfio_transferred, >=, 28 * MiB);
    g_assert_cmpuint(p.last.vfio_transferred, <, 29 * MiB);
    pair_end(&p);
}

/* The numbers of the issue that asked for this */
static void test_wait_shrink_2g(void)
{
    MigPair p = { .bandwidth = GiB, .limit = 1000,
                  .devices = LIST("stop-bytes=2G") };
    MigReply r;

    if (!pair_start(&p)) {
        return;
    }
    pair_migrate(&p);
    pair_wait_remaining(&p, &r, 2 * GiB);
    vfio_sim_set(&p.src, 0, "stop-bytes", "900M");
    pair_check_completes(&p);
    g_assert_cmpuint(p.last.vfio_transferred, >=, 900 * MiB);
    g_assert_cmpuint(p.last.vfio_transferred, <, 901 * MiB);
    pair_end(&p);
}

/* ---------------------------------------------------------------------- */

/*
 * The kernel may say anything.  The devices of these cases have 2 MiB that
 * can be moved at once, and then 16 MiB; 6.4 MiB may be left.
 */
typedef struct Lie {
    const char *name;
    const char *key;
    const char *value;
    bool late;                  /* not before the truth is known */
    bool done;                  /* it completes by itself */
    bool either;                /* or it does not, who knows */
    uint64_t remaining;         /* is seen, if it does not complete */
} Lie;

static const Lie lies[] = {
    { "initial/zero", "report-initial", "zero", .remaining = 16 * MiB },
    { "initial/max", "report-initial", "max", .remaining = PAIR_HUGE_SIZE },
    { "initial/random", "report-initial", "random", .either = true },
    { "initial/error", "report-initial", "error", .remaining = 16 * MiB },
    { "initial/late-error", "report-initial", "error", .late = true,
      .remaining = 16 * MiB },
    { "initial/number", "report-initial", "41943040", .remaining = 40 * MiB },
    { "dirty/zero", "report-dirty", "zero", .remaining = 16 * MiB },
    { "dirty/max", "report-dirty", "max", .remaining = PAIR_HUGE_SIZE },
    { "dirty/random", "report-dirty", "random", .either = true },
    { "dirty/error", "report-dirty", "error", .remaining = 16 * MiB },
    { "dirty/late-error", "report-dirty", "error", .late = true,
      .remaining = 16 * MiB },
    { "dirty/number", "report-dirty", "41943040", .remaining = 40 * MiB },
    { "stop/zero", "report-stop", "zero", .done = true },
    { "stop/late-zero", "report-stop", "zero", .late = true, .done = true },
    { "stop/max", "report-stop", "max", .remaining = PAIR_HUGE_SIZE },
    { "stop/random", "report-stop", "random", .either = true },
    { "stop/error", "report-stop", "error", .remaining = UNKNOWN_SIZE },
    { "stop/late-error", "report-stop", "error", .late = true,
      .remaining = 16 * MiB },
    { "stop/number", "report-stop", "41943040", .remaining = 40 * MiB },
    { "stop/small-number", "report-stop", "4194304", .done = true },
    { "stop/one", "report-stop", "1", .done = true },
};

static void test_lie(const void *opaque)
{
    static const char device[] =
        "initial-bytes=1M,dirty-bytes=1M,stop-bytes=16M";
    const Lie *lie = opaque;
    g_autofree char *liar = g_strdup_printf("%s,%s=%s", device, lie->key,
                                            lie->value);
    MigPair p = { .bandwidth = BANDWIDTH, .limit = 100,
                  .devices = LIST(lie->late ? device : liar) };
    MigReply r;

    if (!pair_start(&p)) {
        return;
    }
    pair_migrate(&p);

    if (lie->late) {
        pair_wait_remaining(&p, &r, 16 * MiB);
        vfio_sim_set(&p.src, 0, lie->key, lie->value);
    }

    if (lie->either) {
        uint64_t passes = pair_query(&p).passes;

        PAIR_WAIT_WHILE(&p, r, reply_going(&r) || reply_status_is(&r, "device"),
                        reply_status_is(&r, "completed") ||
                        r.passes >= passes + 10);
    } else if (lie->remaining == PAIR_HUGE_SIZE) {
        PAIR_WAIT(&p, r, r.has_remaining && r.remaining >= PAIR_HUGE_SIZE);
    } else if (!lie->done) {
        pair_wait_remaining(&p, &r, lie->remaining);
    }

    if (!lie->done && reply_going(&p.last)) {
        if (!lie->either) {
            pair_check_waits(&p);
        }
        vfio_sim_set(&p.src, 0, lie->key, "truth");
        /* A random number may have been one last reason to complete */
        PAIR_WAIT_WHILE(&p, r, lie->either || reply_going(&r),
                        (r.has_remaining && r.remaining >= 16 * MiB &&
                         r.remaining < 16 * MiB + PAIR_RAM_SLACK) ||
                        reply_status_is(&r, "completed"));
        if (reply_going(&r)) {
            pair_set_limit(&p, 300);
        }
    }
    pair_check_completes(&p);
    g_assert_cmpuint(p.last.vfio_transferred, >=, 18 * MiB);
    g_assert_cmpuint(p.last.vfio_transferred, <, 19 * MiB);
    pair_end(&p);
}

/* While all sizes are errors, no limit allows to go on by mistake */
static void test_lie_all_errors(void)
{
    MigPair p = { .bandwidth = BANDWIDTH, .limit = 100, .devices =
                  LIST("stop-bytes=16M,report-initial=error,report-dirty=error,"
                       "report-stop=error") };
    MigReply r;

    if (!pair_start(&p)) {
        return;
    }
    pair_migrate(&p);
    pair_wait_remaining(&p, &r, UNKNOWN_SIZE);
    pair_set_limit(&p, 100000);
    pair_check_waits(&p);
    pair_set_limit(&p, 2000000);
    pair_check_completes(&p);
    pair_end(&p);
}

/* ---------------------------------------------------------------------- */

typedef struct Fault {
    const char *name;
    const char *fault;          /* KEY=VALUE */
    bool dst;                   /* where */
    bool multifd;
    const char *error;          /* is part of the error-desc there */
} Fault;

#define SET_STATE "dev0: Failed setting device state to "

static const Fault faults[] = {
    { "state/PRE_COPY", "fail-state=PRE_COPY",
      .error = SET_STATE "PRE_COPY" },
    { "state/PRE_COPY_P2P", "fail-state=PRE_COPY_P2P",
      .error = SET_STATE "PRE_COPY_P2P" },
    { "state/STOP_COPY", "fail-state=STOP_COPY",
      .error = SET_STATE "STOP_COPY" },
    { "state/RESUMING", "fail-state=RESUMING", .dst = true,
      .error = SET_STATE "RESUMING" },
    { "data/precopy", "fail-read-after=1M" },
    { "data/stop-copy", "fail-read-after=8M" },
    { "load/precopy", "fail-write-after=1M", .dst = true },
    { "load/stop-copy", "fail-write-after=8M", .dst = true },
    { "data/multifd", "fail-read-after=8M", .multifd = true },
};

static void test_fault(const void *opaque)
{
    static const char device[] =
        "initial-bytes=2M,dirty-bytes=1M,stop-bytes=16M";
    const Fault *f = opaque;
    g_autofree char *faulty = g_strdup_printf("%s,%s", device, f->fault);
    g_auto(GStrv) fault = g_strsplit(f->fault, "=", 2);
    MigPair p = { .bandwidth = BANDWIDTH, .limit = LIMIT,
                  .devices = LIST(f->dst ? device : faulty),
                  .caps = LIST("return-path", f->multifd ? "multifd" : NULL),
                  .device_props = f->multifd ?
                                  ",x-migration-multifd-transfer=on" : "" };

    if (!pair_start(&p)) {
        return;
    }
    pair_migrate_to(&p, LIST(faulty));
    pair_check_back(&p, "failed");
    g_assert_cmpuint(vfio_sim_get(f->dst ? &p.dst : &p.src, 0, "faults"), >=,
                     1);
    if (f->error) {
        vfio_sim_check_error(f->dst ? &p.dst : &p.src, f->error);
    }

    /* Mended, it works, and nothing of the first attempt is left */
    if (!f->dst) {
        vfio_sim_set(&p.src, 0, fault[0], "none");
    }
    pair_migrate_to(&p, LIST(device));
    pair_check_completes(&p);
    g_assert_cmpuint(p.last.vfio_transferred, >=, 19 * MiB);
    g_assert_cmpuint(p.last.vfio_transferred, <, 20 * MiB);
    pair_end(&p);
}

/* ---------------------------------------------------------------------- */

static void test_cancel(void)
{
    MigPair p = { .bandwidth = BANDWIDTH, .limit = LIMIT,
                  .devices = LIST("initial-bytes=1M," DEVICE_64M) };
    MigReply r;

    if (!pair_start(&p)) {
        return;
    }
    pair_migrate(&p);
    pair_wait_remaining(&p, &r, 64 * MiB);
    migrate_cancel(p.src.qts);
    pair_check_back(&p, "cancelled");

    /* Nothing of the first attempt may be in what is said of the second */
    vfio_sim_set(&p.src, 0, "stop-bytes", "32M");
    pair_set_limit(&p, 200);
    pair_migrate(&p);
    PAIR_WAIT(&p, r, r.has_remaining);
    g_assert_cmpuint(r.remaining, <, 64 * MiB);
    g_assert_cmpuint(r.vfio_transferred, <, 2 * MiB);
    pair_wait_remaining(&p, &r, 32 * MiB);
    pair_check_waits(&p);
    migrate_cancel(p.src.qts);
    pair_check_back(&p, "cancelled");

    pair_set_limit(&p, 600);
    pair_migrate(&p);
    pair_check_completes(&p);
    g_assert_cmpuint(p.last.vfio_transferred, <, 34 * MiB);
    pair_end(&p);
}

/* A device that does not go back to RUNNING when told to is reset */
static void test_cancel_reset(void)
{
    MigPair p = { .bandwidth = BANDWIDTH, .limit = LIMIT,
                  .devices = LIST(DEVICE_64M) };
    uint64_t resets;
    MigReply r;

    if (!pair_start(&p)) {
        return;
    }
    resets = vfio_sim_get(&p.src, 0, "resets");
    pair_migrate(&p);
    pair_wait_remaining(&p, &r, 64 * MiB);
    vfio_sim_set(&p.src, 0, "fail-count", "1");
    vfio_sim_set(&p.src, 0, "fail-state", "RUNNING");
    migrate_cancel(p.src.qts);
    pair_check_back(&p, "cancelled");
    g_assert_cmpuint(vfio_sim_get(&p.src, 0, "faults"), ==, 1);
    g_assert_cmpuint(vfio_sim_get(&p.src, 0, "resets"), ==, resets + 1);
    vfio_sim_set(&p.src, 0, "fail-state", "none");

    pair_migrate(&p);
    pair_wait_remaining(&p, &r, 64 * MiB);
    pair_set_limit(&p, 1100);
    pair_check_completes(&p);
    pair_end(&p);
}

/* Unplugged after a cancelled migration, a device is missed by nobody */
static void test_cancel_unplug(void)
{
    MigPair p = { .bandwidth = BANDWIDTH, .limit = LIMIT,
                  .devices = LIST(DEVICE_64M) };
    char *hmp;
    QDict *rsp;
    MigReply r;

    if (!pair_start(&p)) {
        return;
    }
    pair_migrate(&p);
    pair_wait_remaining(&p, &r, 64 * MiB);

    rsp = qtest_qmp_assert_failure_ref(p.src.qts, "{ 'execute': 'device_del', "
                                       "'arguments': { 'id': 'dev0' } }");
    qobject_unref(rsp);

    migrate_cancel(p.src.qts);
    pair_check_back(&p, "cancelled");

    vfio_sim_unplug_dev0(&p.src);
    pair_query(&p);
    hmp = pair_info_migrate(&p);
    g_assert(!strstr(hmp, "Remaining (bytes):"));
    g_free(hmp);

    pair_migrate_to(&p, NULL);
    pair_check_completes(&p);
    pair_end(&p);
}

/* ---------------------------------------------------------------------- */

static void test_query_always(void)
{
    /* Slow enough that some replies fall in every stage */
    MigPair p = { .guest = VFIO_SIM_GUEST_DIRTY, .bandwidth = BANDWIDTH,
                  .limit = LIMIT, .devices =
                  LIST("initial-bytes=4M,dirty-rate=4M,dirty-ceiling=1M,"
                       "stop-bytes=32M,read-rate=128M") };
    unsigned seen_active = 0, i;
    MigReply r;

    if (!pair_start(&p)) {
        return;
    }
    for (i = 0; i < 2; i++) {
        check_hmp(&p);
        pair_migrate(&p);
        do {
            check_hmp(&p);
            seen_active += reply_status_is(&p.last, "active");
        } while (p.last.passes < 4);
        migrate_cancel(p.src.qts);
        do {
            check_hmp(&p);
            g_assert(!reply_status_is(&p.last, "failed"));
        } while (!reply_status_is(&p.last, "cancelled"));
        pair_check_back(&p, "cancelled");
    }

    pair_migrate(&p);
    do {
        check_hmp(&p);
        seen_active += reply_status_is(&p.last, "active");
        if (p.last.passes >= 4 && p.limit == LIMIT) {
            pair_set_limit(&p, 30000);
        }
        g_assert(!reply_status_is(&p.last, "failed"));
    } while (!reply_status_is(&p.last, "completed"));
    g_assert_cmpuint(seen_active, >=, 10);
    pair_check_completes(&p);
    for (i = 0; i < 100; i++) {
        r = pair_query(&p);
        g_assert(reply_status_is(&r, "completed"));
    }
    pair_end(&p);
}

/* A device that takes for ever to tell its size makes nobody else wait */
static void test_query_held(void)
{
    MigPair p = { .bandwidth = BANDWIDTH, .limit = LIMIT,
                  .devices = LIST(DEVICE_64M) };
    uint64_t passes;
    MigReply r;
    int i;

    if (!pair_start(&p)) {
        return;
    }
    pair_migrate(&p);
    pair_wait_remaining(&p, &r, 64 * MiB);

    vfio_sim_set(&p.src, 0, "hold", "query");
    vfio_sim_set(&p.src, 0, "stop-bytes", "80M");
    passes = pair_query(&p).passes;
    for (i = 0; i < 100; i++) {
        check_hmp(&p);
        g_assert(reply_status_is(&p.last, "active"));
        g_assert_cmpuint(p.last.remaining, >=, 64 * MiB);
    }
    /* The one that is held, and one that got away just before */
    g_assert_cmpuint(p.last.passes, <=, passes + 2);
    vfio_sim_set(&p.src, 0, "hold", "none");
    pair_wait_remaining(&p, &r, 80 * MiB);

    /* Not even cancelling, though it has to wait for the device in the end */
    vfio_sim_set(&p.src, 0, "hold", "query");
    migrate_cancel(p.src.qts);
    for (i = 0; i < 100; i++) {
        check_hmp(&p);
    }
    vfio_sim_set(&p.src, 0, "hold", "none");
    pair_check_back(&p, "cancelled");
    pair_end(&p);
}

/* The device is asked once a pass, not each time that anybody looks */
static void test_query_calls(void)
{
    MigPair p = { .guest = VFIO_SIM_GUEST_DIRTY, .bandwidth = BANDWIDTH,
                  .limit = 1, .passes = true,
                  .devices = LIST("stop-bytes=1M") };
    uint64_t size_calls, info_calls;
    MigReply first, r;

    if (!pair_start(&p)) {
        return;
    }

    /* In the middle of the first pass there is no reason to ask */
    migrate_set_parameter_int(p.src.qts, "max-bandwidth", 8 * MiB);
    pair_migrate(&p);
    PAIR_WAIT(&p, first, first.ram_transferred > MiB);
    size_calls = vfio_sim_get(&p.src, 0, "data-size-calls");
    info_calls = vfio_sim_get(&p.src, 0, "precopy-info-calls");
    PAIR_WAIT(&p, r, r.ram_transferred > first.ram_transferred + 3 * MiB);
    g_assert_cmpuint(r.passes, ==, first.passes);
    g_assert_cmpuint(vfio_sim_get(&p.src, 0, "data-size-calls"), ==,
                     size_calls);
    g_assert_cmpuint(vfio_sim_get(&p.src, 0, "precopy-info-calls"), ==,
                     info_calls);

    /*
     * Then it is asked as often as there are passes: not more often in a
     * time span that lies within that of the passes, and not less often in
     * one that goes beyond it.
     */
    migrate_set_parameter_int(p.src.qts, "max-bandwidth", 0);
    first = pair_query(&p);
    size_calls = vfio_sim_get(&p.src, 0, "data-size-calls");
    info_calls = vfio_sim_get(&p.src, 0, "precopy-info-calls");
    PAIR_WAIT(&p, r, r.passes >= first.passes + 5);
    size_calls = vfio_sim_get(&p.src, 0, "data-size-calls") - size_calls;
    info_calls = vfio_sim_get(&p.src, 0, "precopy-info-calls") - info_calls;
    r = pair_query(&p);
    g_assert_cmpuint(size_calls, <=, r.passes - first.passes + 1);
    g_assert_cmpuint(info_calls, <=, r.passes - first.passes + 1);

    size_calls = vfio_sim_get(&p.src, 0, "data-size-calls");
    info_calls = vfio_sim_get(&p.src, 0, "precopy-info-calls");
    first = pair_query(&p);
    PAIR_WAIT(&p, r, r.passes >= first.passes + 5);
    size_calls = vfio_sim_get(&p.src, 0, "data-size-calls") - size_calls;
    info_calls = vfio_sim_get(&p.src, 0, "precopy-info-calls") - info_calls;
    g_assert_cmpuint(size_calls + 1, >=, r.passes - first.passes);
    g_assert_cmpuint(info_calls + 1, >=, r.passes - first.passes);

    pair_set_limit(&p, 30000);
    pair_check_completes(&p);
    pair_end(&p);
}

/* ---------------------------------------------------------------------- */

static void test_dma(const void *opaque)
{
    g_autofree char *device =
        g_strdup_printf("dirty-log=%s,dma-rate=32M,dma-base=4M,dma-size=4M,"
                        DEVICE_64M, (const char *)opaque);
    MigPair p = { .bandwidth = BANDWIDTH, .limit = LIMIT,
                  .devices = LIST(device) };
    int64_t begin;
    MigReply r;

    if (!pair_start(&p)) {
        return;
    }
    begin = g_get_monotonic_time();
    while (vfio_sim_get(&p.src, 0, "dma-pages-written") < 2048) {
        vfio_sim_nap(begin, "device writes memory");
    }

    pair_migrate(&p);
    PAIR_WAIT(&p, r, r.passes >= 5 && r.has_remaining);
    g_assert_cmpuint(r.remaining, >=, 64 * MiB);
    g_assert_cmpuint(r.remaining, <=, 64 * MiB + r.ram_total);
    pair_check_waits(&p);

    pair_set_limit(&p, 2000);
    pair_check_completes(&p);
    g_assert_cmpuint(vfio_sim_get(&p.dst, 0, "dma-verified"), >=, 512);
    pair_end(&p);
}

/* A kernel without IOMMU_IOAS_CHANGE_PROCESS is no reason to crash */
static void test_realize_old_kernel(void)
{
    static const char iommufd[] = ",change-process=off";
    const char *const *devices = LIST(DEVICE_64M);
    VfioSimVM vm;

    if (!vfio_sim_supports(devices, iommufd)) {
        return;
    }
    vfio_sim_start(&vm, "src", devices, "", iommufd, VFIO_SIM_GUEST_IDLE,
                   "");
    g_assert(vfio_sim_running(&vm));
    vfio_sim_quit(&vm);
    vfio_sim_dir_remove();
}

static void add_data(const char *path, const char *name, const void *data,
                     void (*fn)(const void *))
{
    g_autofree char *full = g_strdup_printf("%s/%s", path, name);

    qtest_add_data_func(full, data, fn);
}

int main(int argc, char **argv)
{
    int i;

    g_test_init(&argc, &argv, NULL);

    if (!qtest_has_accel("tcg") || !qtest_has_machine("pc") ||
        !qtest_has_device("vfio-pci")) {
        g_test_message("needs tcg, the pc machine and vfio-pci");
        return g_test_run();
    }

    qtest_add_func("/vfio-migration/ram/idle", test_ram_idle);
    qtest_add_func("/vfio-migration/ram/dirty", test_ram_dirty);
    qtest_add_func("/vfio-migration/precopy/on", test_precopy);
    qtest_add_func("/vfio-migration/precopy/off", test_precopy_off);
    qtest_add_func("/vfio-migration/precopy/dirty", test_precopy_dirty);
    qtest_add_func("/vfio-migration/two-devices", test_two_devices);
    qtest_add_func("/vfio-migration/multifd", test_multifd);
    qtest_add_func("/vfio-migration/wait/limit", test_wait);
    qtest_add_func("/vfio-migration/wait/downtime", test_wait_downtime);
    add_data("/vfio-migration/wait/from-start", "precopy", DEVICE_64M,
             test_wait_from_start);
    add_data("/vfio-migration/wait/from-start", "no-precopy",
             "precopy=off," DEVICE_64M, test_wait_from_start);
    qtest_add_func("/vfio-migration/wait/changes", test_wait_changes);
    qtest_add_func("/vfio-migration/wait/shrink-2g", test_wait_shrink_2g);

    for (i = 0; i < ARRAY_SIZE(lies); i++) {
        add_data("/vfio-migration/lie", lies[i].name, &lies[i], test_lie);
    }
    qtest_add_func("/vfio-migration/lie/all/error", test_lie_all_errors);

    for (i = 0; i < ARRAY_SIZE(faults); i++) {
        add_data("/vfio-migration/fault", faults[i].name, &faults[i],
                 test_fault);
    }

    qtest_add_func("/vfio-migration/cancel/again", test_cancel);
    qtest_add_func("/vfio-migration/cancel/reset", test_cancel_reset);
    qtest_add_func("/vfio-migration/cancel/unplug", test_cancel_unplug);
    qtest_add_func("/vfio-migration/query/always", test_query_always);
    qtest_add_func("/vfio-migration/query/held", test_query_held);
    qtest_add_func("/vfio-migration/query/calls", test_query_calls);
    add_data("/vfio-migration/dma", "device", "device", test_dma);
    add_data("/vfio-migration/dma", "iommu", "iommu", test_dma);
    qtest_add_func("/vfio-migration/realize/old-kernel",
                   test_realize_old_kernel);

    return g_test_run();
}
