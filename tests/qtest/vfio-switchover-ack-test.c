/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QTest testcases for the switchover acks of VFIO devices: is a device's
 * initial data on the destination before the guest is stopped, also when the
 * device starts anew with it; the devices are simulated (tests/vfio-sim)
 *
 * Nothing is timed: to see that somebody waits, the other one is held in a
 * call (hold = ...), and to see that nobody does, it is released.
 *
 * Environment: QTEST_VFIO_STOCK_QEMU is the path of a QEMU of the same base
 * without these changes, for the cases in which one side is such a QEMU.
 */

#include "qemu/osdep.h"
#include "qemu/cutils.h"
#include "qemu/sockets.h"
#include "qemu/units.h"
#include "qobject/qdict.h"
#include "libqtest.h"
#include "migration/bootfile.h"
#include "migration/migration-qmp.h"
#include "migration/vfio-pair.h"

#define ENV_STOCK "QTEST_VFIO_STOCK_QEMU"

/* 19.2 MiB may be left */
#define BANDWIDTH (64 * MiB)
#define LIMIT 300

/* 64 MiB take 1 s: more than LIMIT, less than LIMIT_64M */
#define STOP_64M "stop-bytes=64M"
#define LIMIT_64M 1100

/*
 * Small enough for all of it to be on its way while the destination is held.
 * "reinit-at=none" tells that the case is about re-initialisations.
 */
#define INITIAL (64 * KiB)
#define SMALL "initial-bytes=64K,stop-bytes=64K"
#define SMALL_REINIT SMALL ",reinit-bytes=64K,reinit-at=none"

#define LIST(...) ((const char *const []) { __VA_ARGS__, NULL })

/* Names of the sections of dev0, dev1... in the stream of the pc machine */
static const char *const sections[VFIO_SIM_MAX_DEVICES] = {
    "0000:00:02.0/vfio", "0000:00:03.0/vfio",
    "0000:00:04.0/vfio", "0000:00:05.0/vfio",
};

/* Which switchover-ack a side uses */
typedef enum AckMode {
    ACK_OFF,                    /* not the capability */
    ACK_LEGACY,                 /* one for all, the default of QEMU 10.2 */
    ACK_NEW,                    /* for each device, as often as needed */
} AckMode;

static const char *const ack_names[] = { "off", "legacy", "new" };

static const char *ack_args(AckMode mode)
{
    return mode == ACK_NEW ? "-global migration.switchover-ack-legacy=off" : "";
}

static const char *const *ack_caps(AckMode mode, bool multifd)
{
    static const char *const caps[2][2][4] = {
        { { "return-path" }, { "return-path", "multifd" } },
        { { "return-path", "switchover-ack" },
          { "return-path", "switchover-ack", "multifd" } },
    };

    return caps[mode != ACK_OFF][multifd];
}

/* Start a source; both sides agree on @mode. False: skip the test */
static bool start(MigPair *p, AckMode mode, bool multifd)
{
    p->bandwidth = BANDWIDTH;
    p->limit = p->limit ?: LIMIT;
    p->caps = p->caps ?: ack_caps(mode, multifd);
    p->src_args = p->src_args ?: ack_args(mode);
    p->dst_args = p->dst_args ?: ack_args(mode);
    if (multifd) {
        p->device_props = ",x-migration-multifd-transfer=on";
    }
    return pair_start(p);
}

#define SIM_WAIT(vm, dev, key, op, value)                              \
    do {                                                               \
        int64_t start_ = g_get_monotonic_time();                       \
        uint64_t value_ = (value);                                     \
                                                                       \
        while (!(vfio_sim_get(vm, dev, key) op value_)) {              \
            vfio_sim_nap(start_, #vm " " key " " #op " " #value);      \
        }                                                              \
    } while (0)

#define SIM_CHECK(vm, dev, key, op, value)                             \
    g_assert_cmpuint(vfio_sim_get(vm, dev, key), op, value)

static bool sim_state_is(VfioSimVM *vm, int dev, const char *state)
{
    g_autofree char *is = vfio_sim_get_str(vm, dev, "state");

    return g_str_equal(is, state);
}

static void sim_wait_state(VfioSimVM *vm, int dev, const char *state)
{
    int64_t begin = g_get_monotonic_time();

    while (!sim_state_is(vm, dev, state)) {
        vfio_sim_nap(begin, state);
    }
}

/* With the new protocol: all of @requests were made, and answered */
static void wait_answered(MigPair *p, uint64_t requests)
{
    MigReply r;

    PAIR_WAIT(p, r, r.requests == requests && !r.n_waiting);
}

/*
 * An ack of dev0 is all that the migration waits for.  @requests is what is
 * reported with the new protocol; else 0.
 */
static void check_waits_for_ack(MigPair *p, uint64_t requests)
{
    MigReply r;

    PAIR_WAIT(p, r, r.expected <= p->limit && (p->src_stock || r.has_remaining)
                    && r.requests == requests);
    pair_check_waits(p);
    r = pair_query(p);
    g_assert_cmpuint(r.expected, <=, p->limit);
    g_assert_cmpuint(r.requests, ==, requests);
    if (requests) {
        g_assert(reply_waits_for(&r, sections[0]));
        g_assert_cmpuint(r.n_waiting, ==, 1);
    }
    g_assert(sim_state_is(&p->src, 0, "pre-copy") ||
             sim_state_is(&p->src, 0, "pre-copy-p2p"));
}

/* As pair_check_completes(), and nothing was left for the downtime */
static void check_completes_acked(MigPair *p)
{
    int i;

    pair_check_completes(p);
    g_assert_cmpuint(p->src.n_stop, ==, 1);
    for (i = 0; i < p->src.n_devices; i++) {
        SIM_CHECK(&p->src, i, "initial-unread-at-stop", ==, 0);
    }
}

static void check_acks(const MigPair *p, uint64_t requests, uint64_t undone)
{
    g_assert(p->last.has_acks == !!requests);
    g_assert_cmpuint(p->last.requests, ==, requests);
    g_assert_cmpuint(p->last.undone, ==, undone);
    g_assert_cmpuint(p->last.n_waiting, ==, 0);
}

static void check_hmp(MigPair *p, const char *part)
{
    g_autofree char *hmp = pair_info_migrate(p);

    if (!strstr(hmp, part)) {
        g_printerr("'%s' lacks '%s'\n", hmp, part);
        g_assert_not_reached();
    }
}

/* The source, which must have no error of its own, works again as before */
static void check_again(MigPair *p, const char *const *devices,
                        uint64_t requests)
{
    pair_migrate_to(p, devices);
    check_completes_acked(p);
    check_acks(p, requests, 0);
}

/* ---------------------------------------------------------------------- */

/*
 * The destination is held with the first byte of the device's data: does the
 * source wait?  All that is left is far below the threshold.
 */
static void run_first(MigPair *p, AckMode mode)
{
    pair_migrate_to(p, LIST(SMALL ",hold=write"));
    SIM_WAIT(&p->dst, 0, "holding", ==, 1);

    if (mode == ACK_OFF) {
        MigReply r;

        sim_wait_state(&p->src, 0, "stop-copy");
        SIM_CHECK(&p->dst, 0, "write-bytes", ==, 0);
        PAIR_WAIT_WHILE(p, r, reply_going(&r), reply_status_is(&r, "device"));
    } else {
        SIM_WAIT(&p->src, 0, "initial", ==, 0);
        check_waits_for_ack(p, mode == ACK_NEW);
        SIM_CHECK(&p->dst, 0, "write-bytes", ==, 0);
        SIM_CHECK(&p->src, 0, "read-bytes", ==, INITIAL);
    }

    vfio_sim_set(&p->dst, 0, "hold", "none");
    if (mode == ACK_OFF) {
        pair_check_completes(p);
    } else {
        check_completes_acked(p);
    }
    check_acks(p, mode == ACK_NEW, 0);
    SIM_CHECK(&p->dst, 0, "write-bytes-initial", ==, INITIAL);
}

typedef struct First {
    AckMode mode;
    bool multifd;
} First;

static const First firsts[] = {
    { ACK_OFF }, { ACK_OFF, true },
    { ACK_LEGACY }, { ACK_LEGACY, true },
    { ACK_NEW }, { ACK_NEW, true },
};

static void test_first(const void *opaque)
{
    const First *f = opaque;
    MigPair p = { .devices = LIST(SMALL) };

    if (!start(&p, f->mode, f->multifd)) {
        return;
    }
    run_first(&p, f->mode);
    pair_end(&p);
}

/* The property's default and its value "on" are the same */
static void test_first_explicit(void)
{
    MigPair p = { .devices = LIST(SMALL),
                  .dst_args = "-global migration.switchover-ack-legacy=on" };

    if (!start(&p, ACK_LEGACY, false)) {
        return;
    }
    run_first(&p, ACK_LEGACY);
    pair_end(&p);
}

/* Nobody asks for an ack: nobody waits for one */
static void test_nobody(const void *opaque)
{
    static const AckMode modes[] = { ACK_LEGACY, ACK_NEW };
    const char *device = opaque;
    const char *const devices[] = { device, NULL };
    int i;

    for (i = 0; i < ARRAY_SIZE(modes); i++) {
        MigPair p = { .devices = device ? devices : NULL };

        if (!start(&p, modes[i], false)) {
            return;
        }
        pair_migrate(&p);
        pair_check_completes(&p);
        check_acks(&p, 0, 0);
        pair_end(&p);
    }
}

/* ---------------------------------------------------------------------- */

/* See vfio-sim.h */
#define SIDE_SRC "QTEST_QEMU_BINARY_SRC"
#define SIDE_DST "QTEST_QEMU_BINARY_DST"

/* Run @side with a stock QEMU from here on. False: skip the test */
static bool stock_begin(const char *side)
{
    const char *path = getenv(ENV_STOCK);

    if (!path || access(path, X_OK)) {
        g_test_skip(ENV_STOCK " does not name a stock QEMU");
        return false;
    }
    g_setenv(side, path, true);
    return true;
}

static void stock_end(const char *side)
{
    g_unsetenv(side);
}

static void run_cross(const char *machine, bool src_stock, AckMode mode)
{
    g_autofree char *args = g_strdup_printf("-machine %s", machine);
    const char *stock = src_stock ? SIDE_SRC : SIDE_DST;
    MigPair p = { .devices = LIST(SMALL), .src_stock = src_stock,
                  .src_args = args, .dst_args = args };

    if (!stock_begin(stock)) {
        return;
    }
    if (start(&p, mode, false)) {
        run_first(&p, mode);
        pair_end(&p);
    }
    stock_end(stock);
}

static void test_cross_to_stock(const void *opaque)
{
    run_cross(opaque, false, ACK_LEGACY);
    run_cross(opaque, false, ACK_OFF);
}

static void test_cross_from_stock(const void *opaque)
{
    run_cross(opaque, true, ACK_LEGACY);
    run_cross(opaque, true, ACK_OFF);
}

static void add_data(const char *path, const char *name, const void *data,
                     void (*fn)(const void *))
{
    g_autofree char *full = g_strdup_printf("/vfio-switchover-ack/%s/%s", path,
                                            name);

    qtest_add_data_func(full, data, fn);
}

static void add_cross(const char *machine)
{
    if (g_str_has_prefix(machine, "pc-i440fx-") ||
        g_str_has_prefix(machine, "pc-q35-")) {
        add_data("cross/to-stock", machine, g_strdup(machine),
                 test_cross_to_stock);
        add_data("cross/from-stock", machine, g_strdup(machine),
                 test_cross_from_stock);
    }
}

/* All of them are for the slow mode */
static const char *const cross_quick[] = {
    "pc-i440fx-10.2", "pc-i440fx-10.1", "pc-i440fx-10.0", "pc-i440fx-9.2",
    "pc-i440fx-7.2", "pc-q35-10.2",
};

/* ---------------------------------------------------------------------- */

/* The two sides do not agree */
typedef struct Mismatch {
    const char *name;
    AckMode src, dst;
    bool src_stock, dst_stock;
    const char *error;          /* of the destination */
} Mismatch;

static const Mismatch mismatches[] = {
    { "new-to-legacy", ACK_NEW, ACK_LEGACY,
      .error = "Received a request for a switchover ack, but "
               "migration.switchover-ack-legacy is on here" },
    { "legacy-to-new", ACK_LEGACY, ACK_NEW,
      .error = "Received a request for a legacy switchover ack, but "
               "migration.switchover-ack-legacy is off here" },
    { "new-to-stock", ACK_NEW, ACK_LEGACY, .dst_stock = true,
      .error = "Unknown tag 0xffffffffef108001" },
    { "stock-to-new", ACK_LEGACY, ACK_NEW, .src_stock = true,
      .error = "Received a request for a legacy switchover ack, but "
               "migration.switchover-ack-legacy is off here" },
    { "new-to-off", ACK_NEW, ACK_OFF,
      .error = "Received a request for a switchover ack, but "
               "switchover-ack is not used" },
    { "legacy-to-off", ACK_LEGACY, ACK_OFF,
      .error = "Received a request for a switchover ack, but "
               "switchover-ack is not used" },
};

static void run_mismatch(const Mismatch *m, const char *device, bool works)
{
    MigPair p = { .devices = LIST(device), .dst_log = true,
                  .src_stock = m->src_stock, .caps = ack_caps(m->src, false),
                  .dst_caps = ack_caps(m->dst, false),
                  .src_args = ack_args(m->src), .dst_args = ack_args(m->dst) };

    if (!start(&p, m->src, false)) {
        return;
    }
    pair_migrate(&p);
    if (works) {
        pair_check_completes(&p);
        check_acks(&p, 0, 0);
    } else {
        pair_check_back(&p, "failed");
        g_assert_cmpuint(p.src.n_stop, ==, 0);
        pair_check_dst_said(&p, m->error);

        /* To a destination that agrees */
        if (m->dst_stock) {
            stock_end(SIDE_DST);
        }
        p.dst_args = p.src_args;
        p.dst_caps = NULL;
        p.dst_log = false;
        check_again(&p, p.devices, m->src == ACK_NEW);
    }
    pair_end(&p);
}

static void test_mismatch(const void *opaque)
{
    const Mismatch *m = opaque;

    if ((m->src_stock && !stock_begin(SIDE_SRC)) ||
        (m->dst_stock && !stock_begin(SIDE_DST))) {
        return;
    }
    /* No device, or none that uses acks: nothing to disagree about */
    if (m->dst != ACK_OFF) {
        run_mismatch(m, NULL, true);
        run_mismatch(m, "precopy=off", true);
    }
    run_mismatch(m, SMALL, false);
    if (m->src_stock) {
        stock_end(SIDE_SRC);
    }
}

/* ---------------------------------------------------------------------- */

/*
 * A device that starts anew, on its own.  256 KiB of initial data at first,
 * and 512 KiB each time.
 */
typedef struct Reinit {
    const char *name;
    AckMode mode;
    const char *device;         /* more of its properties */
    bool multifd;
    uint64_t reinits;
    uint64_t requests;
    uint64_t undone;
    uint64_t unread;            /* initial data loaded in the downtime */
} Reinit;

#define REINIT_INITIAL (256 * KiB)
#define REINIT_BYTES (512 * KiB)
#define REINIT_DEVICE "initial-bytes=256K,reinit-bytes=512K,"
#define AT_P2P "reinit-at=pre-copy-p2p,reinit-count="
#define AT_QUERY "reinit-at=before-query,reinit-count="
#define DMA ",dma-rate=16M,dma-base=4M,dma-size=1M,dirty-log="

static const Reinit reinits[] = {
    /* Between the decision and the last look: the switchover is undone */
    { "p2p/once", ACK_NEW, AT_P2P "1", .reinits = 1, .requests = 2,
      .undone = 1 },
    { "p2p/thrice", ACK_NEW, AT_P2P "3", .reinits = 3, .requests = 4,
      .undone = 3 },
    { "p2p/flag-once", ACK_NEW, AT_P2P "3,reinit-flag=once", .reinits = 3,
      .requests = 4, .undone = 3 },
    { "p2p/multifd", ACK_NEW, AT_P2P "2", .multifd = true, .reinits = 2,
      .requests = 3, .undone = 2 },
    { "p2p/dirty", ACK_NEW, AT_P2P "2,dirty-rate=16M,dirty-ceiling=2M",
      .reinits = 2, .requests = 3, .undone = 2 },
    { "p2p/dma-device", ACK_NEW, AT_P2P "2" DMA "device", .reinits = 2,
      .requests = 3, .undone = 2 },
    { "p2p/dma-iommu", ACK_NEW, AT_P2P "2" DMA "iommu", .reinits = 2,
      .requests = 3, .undone = 2 },
    { "p2p/slow", ACK_NEW, AT_P2P "2,read-rate=8M", .reinits = 2,
      .requests = 3, .undone = 2 },

    /* In the last look itself */
    { "query/once", ACK_NEW, AT_QUERY "1", .reinits = 1, .requests = 2,
      .undone = 1 },
    { "query/thrice", ACK_NEW, AT_QUERY "3", .reinits = 3, .requests = 4,
      .undone = 3 },
    { "query/flag-once", ACK_NEW, AT_QUERY "3,reinit-flag=once", .reinits = 3,
      .requests = 4, .undone = 3 },
    { "query/multifd", ACK_NEW, AT_QUERY "2", .multifd = true, .reinits = 2,
      .requests = 3, .undone = 2 },

    /* Before the destination was told: the first request is enough */
    { "pre-copy", ACK_NEW, "reinit-at=pre-copy", .reinits = 1,
      .requests = 1 },
    { "when-empty", ACK_NEW, "reinit-at=when-empty,reinit-count=3", .reinits = 3,
      .requests = 1 },

    /* Nobody is told of it, or it is nobody's business */
    { "old-kernel", ACK_NEW, AT_P2P "1,precopy-v2=off", .reinits = 1,
      .requests = 1, .unread = REINIT_BYTES },
    { "legacy/p2p", ACK_LEGACY, AT_P2P "1", .reinits = 1,
      .unread = REINIT_BYTES },
    { "legacy/query", ACK_LEGACY, AT_QUERY "1" },
    { "legacy/pre-copy", ACK_LEGACY, "reinit-at=pre-copy", .reinits = 1 },
    { "legacy/when-empty", ACK_LEGACY, "reinit-at=when-empty,reinit-count=3",
      .reinits = 3 },
    { "off/p2p", ACK_OFF, AT_P2P "1", .reinits = 1, .unread = REINIT_BYTES },
};

static void test_reinit(const void *opaque)
{
    const Reinit *c = opaque;
    g_autofree char *device = g_strdup_printf(REINIT_DEVICE "%s", c->device);
    MigPair p = { .devices = LIST(device) };
    uint64_t initial = REINIT_INITIAL + c->reinits * REINIT_BYTES;
    bool v2 = !strstr(c->device, "precopy-v2=off");

    if (!start(&p, c->mode, c->multifd)) {
        return;
    }
    SIM_CHECK(&p.src, 0, "v2-opted-in", ==, v2);
    pair_migrate(&p);
    pair_check_completes(&p);

    check_acks(&p, c->requests, c->undone);
    g_assert_cmpuint(p.src.n_stop, ==, 1);
    SIM_CHECK(&p.src, 0, "reinits", ==, c->reinits);
    SIM_CHECK(&p.src, 0, "sessions", ==, 1);
    SIM_CHECK(&p.dst, 0, "write-bytes-initial", ==,
              vfio_sim_get(&p.src, 0, "read-bytes-initial"));
    if (strstr(c->device, "dirty-rate")) {
        /* A dirty frame that was cut off counts as initial, once each */
        SIM_CHECK(&p.dst, 0, "write-bytes-initial", >=, initial);
    } else {
        SIM_CHECK(&p.dst, 0, "write-bytes-initial", ==, initial);
    }
    if (c->mode == ACK_OFF) {
        SIM_CHECK(&p.src, 0, "initial-unread-at-stop", >=, c->unread);
    } else {
        SIM_CHECK(&p.src, 0, "initial-unread-at-stop", ==, c->unread);
    }
    if (strstr(c->device, "dma-")) {
        SIM_CHECK(&p.dst, 0, "dma-verified", >, 0);
    }

    /* PRE_COPY, then to P2P and back for each that was undone, then stop */
    SIM_CHECK(&p.src, 0, "state-changes", >=, 3 + 2 * c->undone);
    pair_end(&p);
}

/*
 * Before the decision: an ack was given, but is worth nothing any more.
 * Slow enough for some queries to happen before the new data has been read.
 */
static void test_reinit_before(const void *opaque)
{
    g_autofree char *device =
        g_strdup_printf("initial-bytes=64K," STOP_64M ",reinit-bytes=256K,"
                        "reinit-at=none,reinit-flag=%s,read-rate=8M",
                        (const char *)opaque);
    MigPair p = { .devices = LIST(device) };
    MigReply r;

    if (!start(&p, ACK_NEW, false)) {
        return;
    }
    pair_migrate(&p);
    pair_wait_remaining(&p, &r, 64 * MiB);
    wait_answered(&p, 1);
    SIM_CHECK(&p.dst, 0, "write-bytes-initial", ==, INITIAL);

    vfio_sim_set(&p.dst, 0, "hold", "write");
    vfio_sim_set(&p.src, 0, "reinit-at", "now");
    SIM_WAIT(&p.dst, 0, "holding", ==, 1);
    pair_set_limit(&p, LIMIT_64M);
    SIM_WAIT(&p.src, 0, "initial", ==, 0);
    vfio_sim_set(&p.src, 0, "read-rate", "unlimited");
    check_waits_for_ack(&p, 2);
    SIM_CHECK(&p.dst, 0, "write-bytes-initial", ==, INITIAL);
    check_hmp(&p, "Switchover acks: \trequests=2, undone=0, "
                  "waiting for 0000:00:02.0/vfio\r\n");

    vfio_sim_set(&p.dst, 0, "hold", "none");
    check_completes_acked(&p);
    check_acks(&p, 2, 0);
    check_hmp(&p, "Switchover acks: \trequests=2, undone=0\r\n");
    SIM_CHECK(&p.dst, 0, "write-bytes-initial", ==, INITIAL + 256 * KiB);
    pair_end(&p);
}

/*
 * While there is RAM left to be sent nobody asks how much it is, and new
 * initial data may have been read before, so that the device does not speak of
 * it any more.
 */
static void test_reinit_in_pass(void)
{
    MigPair p = { .devices = LIST("initial-bytes=64K,stop-bytes=64K,"
                                  "reinit-bytes=2M,reinit-at=none,"
                                  "reinit-flag=until-read"),
                  .guest = VFIO_SIM_GUEST_DIRTY, .limit = 1 };

    if (!start(&p, ACK_NEW, false)) {
        return;
    }
    pair_migrate(&p);
    wait_answered(&p, 1);
    vfio_sim_set(&p.src, 0, "hold", "read");
    SIM_WAIT(&p.src, 0, "holding", ==, 1);
    vfio_sim_set(&p.src, 0, "reinit-at", "now");
    vfio_sim_set(&p.src, 0, "hold", "none");
    wait_answered(&p, 2);

    pair_set_limit(&p, 30000);
    check_completes_acked(&p);
    check_acks(&p, 2, 0);
    SIM_CHECK(&p.dst, 0, "write-bytes-initial", ==, INITIAL + 2 * MiB);
    pair_end(&p);
}

/*
 * The switchover is undone, the guest runs on, and the next one waits for the
 * destination once more.
 */
typedef struct Undone {
    const char *name;
    const char *at;
    int n_devices;
    VfioSimGuest guest;
    bool multifd;
} Undone;

static const Undone undones[] = {
    { "p2p", "pre-copy-p2p", 1 },
    { "query", "before-query", 1 },
    { "multifd", "pre-copy-p2p", 1, .multifd = true },
    { "four-devices", "pre-copy-p2p", 4 },
    { "guest-writes", "pre-copy-p2p", 1, .guest = VFIO_SIM_GUEST_DIRTY },
};

static void check_guest_writes(MigPair *p)
{
    int64_t begin = g_get_monotonic_time();
    uint8_t byte = qtest_readb(p->src.qts, X86_TEST_MEM_START);

    while (qtest_readb(p->src.qts, X86_TEST_MEM_START) == byte) {
        vfio_sim_nap(begin, "guest writes at the source");
    }
}

static void test_undone(const void *opaque)
{
    const Undone *c = opaque;
    g_autofree char *device =
        g_strdup_printf(SMALL ",reinit-bytes=64K,reinit-at=%s,reinit-count=1,"
                        "hold=pre-copy-p2p", c->at);
    MigPair p = { .devices = (const char *const []) {
                      device, c->n_devices > 1 ? SMALL : NULL,
                      SMALL, SMALL, NULL },
                  .guest = c->guest,
                  /* The guest's RAM never gets below LIMIT */
                  .limit = c->guest == VFIO_SIM_GUEST_DIRTY ? 30000 : LIMIT };
    int i;

    if (!start(&p, ACK_NEW, c->multifd)) {
        return;
    }
    pair_migrate_to(&p, LIST(SMALL, c->n_devices > 1 ? SMALL : NULL,
                             SMALL, SMALL));

    /* All acks are there, so the destination has nothing to do */
    SIM_WAIT(&p.src, 0, "holding", ==, 1);
    for (i = 0; i < p.src.n_devices; i++) {
        SIM_CHECK(&p.dst, i, "write-bytes-initial", ==, INITIAL);
    }
    vfio_sim_set(&p.dst, 0, "hold", "write");
    vfio_sim_set(&p.src, 0, "hold", "none");

    SIM_WAIT(&p.dst, 0, "holding", ==, 1);
    SIM_WAIT(&p.src, 0, "initial", ==, 0);
    if (c->guest == VFIO_SIM_GUEST_DIRTY) {
        check_guest_writes(&p);
    } else {
        check_waits_for_ack(&p, c->n_devices + 1);
        check_hmp(&p, "undone=1, waiting for 0000:00:02.0/vfio\r\n");
    }
    g_assert_cmpuint(pair_query(&p).undone, ==, 1);
    g_assert(vfio_sim_running(&p.src));
    g_assert_cmpuint(p.src.n_stop, ==, 0);
    for (i = 0; i < p.src.n_devices; i++) {
        g_assert(sim_state_is(&p.src, i, "pre-copy"));
    }
    SIM_CHECK(&p.dst, 0, "write-bytes-initial", ==, INITIAL);

    vfio_sim_set(&p.dst, 0, "hold", "none");
    check_completes_acked(&p);
    check_acks(&p, c->n_devices + 1, 1);
    SIM_CHECK(&p.dst, 0, "write-bytes-initial", ==, 2 * INITIAL);
    pair_end(&p);
}

/*
 * Right behind the query on which the decision rests, by a device that can tell
 * of it in PRE_COPY alone.  The query that is held still goes by the old limit,
 * and the next one by the new.
 */
static void test_undone_precopy(const void *opaque)
{
    g_autofree char *device =
        g_strdup_printf("initial-bytes=64K," STOP_64M ",reinit-bytes=64K,"
                        "reinit-at=none,reinit-flag=once,reinit-count=1,"
                        "reinit-skip=1,%s", (const char *)opaque);
    MigPair p = { .devices = LIST(device) };
    MigReply r;

    if (!start(&p, ACK_NEW, false)) {
        return;
    }
    pair_migrate_to(&p, LIST(opaque));
    pair_wait_remaining(&p, &r, 64 * MiB);
    wait_answered(&p, 1);

    vfio_sim_set(&p.src, 0, "hold", "query");
    SIM_WAIT(&p.src, 0, "holding", ==, 1);
    pair_set_limit(&p, LIMIT_64M);
    vfio_sim_set(&p.src, 0, "reinit-at", "after-query");
    vfio_sim_set(&p.src, 0, "hold", "none");

    check_completes_acked(&p);
    check_acks(&p, 2, 1);
    SIM_CHECK(&p.src, 0, "reinits", ==, 1);
    SIM_CHECK(&p.dst, 0, "write-bytes-initial", ==, 2 * INITIAL);
    pair_end(&p);
}

/*
 * Too late: on the way to STOP_COPY.  The data is loaded in the downtime, but
 * it is not lost.
 */
typedef struct Late {
    const char *name;
    AckMode mode;
    const char *p2p;
    const char *key, *value;    /* what brings new initial data */
    bool multifd;
} Late;

static const Late lates[] = {
    { "reinit", ACK_NEW, "on", "reinit-at", "now" },
    { "reinit-multifd", ACK_NEW, "on", "reinit-at", "now", true },
    { "reinit-no-p2p", ACK_NEW, "off", "reinit-at", "now" },
    { "reinit-legacy", ACK_LEGACY, "on", "reinit-at", "now" },
    { "grown", ACK_NEW, "on", "initial-bytes", "64K" },
    { "grown-legacy", ACK_LEGACY, "on", "initial-bytes", "64K" },
};

static void test_late(const void *opaque)
{
    const Late *c = opaque;
    g_autofree char *device = g_strdup_printf(SMALL_REINIT ",p2p=%s", c->p2p);
    g_autofree char *held = g_strdup_printf("%s,hold=stop-copy", device);
    MigPair p = { .devices = LIST(held) };

    if (!start(&p, c->mode, c->multifd)) {
        return;
    }
    pair_migrate_to(&p, LIST(device));
    SIM_WAIT(&p.src, 0, "holding", ==, 1);
    SIM_CHECK(&p.src, 0, "initial", ==, 0);
    SIM_CHECK(&p.dst, 0, "write-bytes-initial", ==, INITIAL);

    vfio_sim_set(&p.src, 0, c->key, c->value);
    vfio_sim_set(&p.src, 0, "hold", "none");
    pair_check_completes(&p);
    check_acks(&p, c->mode == ACK_NEW, 0);
    SIM_CHECK(&p.src, 0, "initial-unread-at-stop", ==, INITIAL);
    SIM_CHECK(&p.dst, 0, "write-bytes-initial", ==, 2 * INITIAL);
    pair_end(&p);
}

/* Some devices use acks, some do not, and one starts anew */
static void test_several(const void *opaque)
{
    const First *f = opaque;
    bool new = f->mode == ACK_NEW;
    MigPair p = { .devices = LIST(SMALL, "precopy=off,stop-bytes=1M",
                                  SMALL ",reinit-bytes=64K," AT_P2P "2",
                                  SMALL) };
    MigReply r;

    if (!start(&p, f->mode, f->multifd)) {
        return;
    }
    pair_migrate_to(&p, LIST(SMALL, "precopy=off", SMALL,
                             SMALL ",hold=write"));

    /* One of them is missing */
    SIM_WAIT(&p.dst, 3, "holding", ==, 1);
    SIM_WAIT(&p.dst, 2, "write-bytes-initial", ==, INITIAL);
    if (new) {
        PAIR_WAIT(&p, r, r.requests == 3 && r.n_waiting == 1);
        g_assert(reply_waits_for(&r, sections[3]));
    }
    pair_check_waits(&p);
    SIM_CHECK(&p.src, 2, "reinits", ==, 0);

    vfio_sim_set(&p.dst, 3, "hold", "none");
    pair_check_completes(&p);
    check_acks(&p, new ? 5 : 0, new ? 2 : 0);
    g_assert_cmpuint(p.src.n_stop, ==, 1);
    SIM_CHECK(&p.src, 2, "reinits", ==, new ? 2 : 1);
    SIM_CHECK(&p.src, 0, "initial-unread-at-stop", ==, 0);
    SIM_CHECK(&p.src, 2, "initial-unread-at-stop", ==, new ? 0 : INITIAL);
    SIM_CHECK(&p.src, 3, "initial-unread-at-stop", ==, 0);
    SIM_CHECK(&p.dst, 0, "write-bytes-initial", ==, INITIAL);
    SIM_CHECK(&p.dst, 2, "write-bytes-initial", ==, (new ? 3 : 2) * INITIAL);
    SIM_CHECK(&p.src, 1, "precopy-info-calls", ==, 0);
    pair_end(&p);
}

/* ---------------------------------------------------------------------- */

/*
 * An answer that comes after the device has asked again is none.  dev1 is
 * there to hold the destination right after it has answered for dev0.
 */
static void test_late_answer(void)
{
    MigPair p = { .devices = LIST("initial-bytes=64K," STOP_64M ","
                                  "reinit-bytes=64K,reinit-at=none,"
                                  "reinit-flag=once", SMALL) };
    uint64_t passes;
    MigReply r;

    if (!start(&p, ACK_NEW, false)) {
        return;
    }
    pair_migrate(&p);
    pair_wait_remaining(&p, &r, 64 * MiB + 64 * KiB);
    wait_answered(&p, 2);

    /* Request 2 of dev0: it is on its way, but comes to nobody's hands */
    vfio_sim_set(&p.dst, 0, "hold", "write");
    vfio_sim_set(&p.src, 0, "reinit-at", "now");
    SIM_WAIT(&p.dst, 0, "holding", ==, 1);
    PAIR_WAIT(&p, r, r.requests == 3);
    SIM_WAIT(&p.src, 0, "initial", ==, 0);
    passes = pair_query(&p).passes;
    PAIR_WAIT(&p, r, r.passes >= passes + 2);

    /* Some data of dev1 behind it, and then request 3 */
    vfio_sim_set(&p.dst, 1, "hold", "write");
    vfio_sim_set(&p.src, 1, "dirty-bytes", "64K");
    SIM_WAIT(&p.src, 1, "dirty", ==, 0);
    vfio_sim_set(&p.src, 0, "reinit-at", "now");
    PAIR_WAIT(&p, r, r.requests == 4);
    pair_set_limit(&p, LIMIT_64M);

    /* Request 2 is answered, and dev1 has nothing to wait for */
    vfio_sim_set(&p.dst, 0, "hold", "none");
    SIM_WAIT(&p.dst, 1, "holding", ==, 1);
    SIM_CHECK(&p.dst, 0, "write-bytes-initial", ==, 2 * INITIAL);
    check_waits_for_ack(&p, 4);
    SIM_CHECK(&p.dst, 0, "write-bytes-initial", ==, 2 * INITIAL);

    vfio_sim_set(&p.dst, 1, "hold", "none");
    check_completes_acked(&p);
    check_acks(&p, 4, 0);
    SIM_CHECK(&p.dst, 0, "write-bytes-initial", ==, 3 * INITIAL);
    pair_end(&p);
}

/*
 * Somebody who takes whatever the source sends, and answers as he likes
 */
typedef struct Impostor {
    const char *name;
    const char *error;          /* of the source */
    size_t len;                 /* of @answer; then no more comes */
    uint8_t answer[16];
    int fd;
} Impostor;

static Impostor impostors[] = {
    { "unknown", "Switchover ack for section 4294967295, which never asked",
      16, { 0, 8, 0, 12, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 1 } },
    { "too-short", "Received 'SWITCHOVER_ACK' message",
      8, { 0, 8, 0, 4, 0, 0, 0, 1 } },
    { "silent", NULL, 0 },
};

static void *impostor_run(void *opaque)
{
    Impostor *c = opaque;
    g_autofree char *buf = g_malloc(MiB);
    int fd = accept(c->fd, NULL, NULL);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(qemu_write_full(fd, c->answer, c->len), ==, c->len);
    shutdown(fd, SHUT_WR);
    while (read(fd, buf, MiB) > 0) {
        /* All of it is welcome */
    }
    close(fd);
    return NULL;
}

/* No answer can come any more, so nobody waits for one */
static void test_impostor(const void *opaque)
{
    Impostor *c = (void *)opaque;
    struct sockaddr_in addr = { .sin_family = AF_INET,
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(addr);
    MigPair p = { .devices = LIST(SMALL) };
    g_autofree char *uri = NULL;
    GThread *thread;

    if (!start(&p, ACK_NEW, false)) {
        return;
    }
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    g_assert(c->fd >= 0 && !bind(c->fd, (void *)&addr, sizeof(addr)) &&
             !listen(c->fd, 1) && !getsockname(c->fd, (void *)&addr, &len));
    thread = g_thread_new("impostor", impostor_run, c);
    uri = g_strdup_printf("tcp:127.0.0.1:%d", ntohs(addr.sin_port));
    migrate_qmp(p.src.qts, NULL, uri, NULL, "{}");

    pair_check_back(&p, "failed");
    g_assert_cmpuint(p.src.n_stop, ==, 0);
    if (c->error) {
        vfio_sim_check_error(&p.src, c->error);
    }
    g_thread_join(thread);
    close(c->fd);

    check_again(&p, p.devices, 1);
    pair_end(&p);
}

/* The ack never comes */
static void test_cancel(const void *opaque)
{
    const First *f = opaque;
    MigPair p = { .devices = LIST(SMALL) };
    int i;

    if (!start(&p, f->mode, f->multifd)) {
        return;
    }
    for (i = 0; i < 2; i++) {
        pair_migrate_to(&p, LIST(SMALL ",hold=write"));
        SIM_WAIT(&p.dst, 0, "holding", ==, 1);
        check_waits_for_ack(&p, f->mode == ACK_NEW);
        migrate_cancel(p.src.qts);
        pair_check_back(&p, "cancelled");
        g_assert_cmpuint(p.src.n_stop, ==, 0);
        vfio_sim_set(&p.dst, 0, "hold", "none");
    }
    check_again(&p, p.devices, f->mode == ACK_NEW);
    pair_end(&p);
}

/* Unplugged then, the device is missed by nobody */
static void test_cancel_unplug(void)
{
    MigPair p = { .devices = LIST(SMALL) };
    QDict *rsp;

    if (!start(&p, ACK_NEW, false)) {
        return;
    }
    pair_migrate_to(&p, LIST(SMALL ",hold=write"));
    SIM_WAIT(&p.dst, 0, "holding", ==, 1);
    check_waits_for_ack(&p, 1);

    rsp = qtest_qmp_assert_failure_ref(p.src.qts, "{ 'execute': 'device_del', "
                                       "'arguments': { 'id': 'dev0' } }");
    qobject_unref(rsp);
    migrate_cancel(p.src.qts);
    pair_check_back(&p, "cancelled");
    vfio_sim_set(&p.dst, 0, "hold", "none");

    vfio_sim_unplug_dev0(&p.src);

    pair_migrate_to(&p, NULL);
    pair_check_completes(&p);
    check_acks(&p, 0, 0);
    pair_end(&p);
}

/*
 * The last look is held: vCPUs are paused, and the main loop waits for the
 * migration thread.  Meanwhile the user has sent @command.
 */
static void last_look_send(MigPair *p, const char *command)
{
    QDict *rsp;

    SIM_WAIT(&p->src, 0, "holding", ==, 1);
    qtest_qmp_send(p->src.qts, "{ 'execute': %s }", command);
    vfio_sim_set(&p->src, 0, "hold", "none");
    rsp = qtest_qmp_receive(p->src.qts);
    g_assert(qdict_haskey(rsp, "return"));
    qobject_unref(rsp);
}

/* It goes on: the guest is stopped, and only then comes the command's turn */
static void test_last_look_cancel(void)
{
    MigPair p = { .devices = LIST(SMALL ",hold=pre-copy-p2p") };

    if (!start(&p, ACK_NEW, false)) {
        return;
    }
    pair_migrate_to(&p, LIST(SMALL));
    SIM_WAIT(&p.src, 0, "holding", ==, 1);
    /* Or it might have completed before */
    vfio_sim_set(&p.dst, 0, "hold", "write");
    last_look_send(&p, "migrate_cancel");
    pair_check_back(&p, "cancelled");
    g_assert_cmpuint(p.src.n_stop, ==, 1);
    vfio_sim_set(&p.dst, 0, "hold", "none");

    check_again(&p, LIST(SMALL), 1);
    pair_end(&p);
}

/* It is undone, again and again until the command's turn comes */
static void test_last_look_undone(const void *opaque)
{
    const char *command = opaque;
    MigPair p = { .devices = LIST(SMALL ",hold=pre-copy-p2p,reinit-bytes=64K,"
                                  "reinit-at=pre-copy-p2p") };

    if (!start(&p, ACK_NEW, false)) {
        return;
    }
    pair_migrate_to(&p, LIST(SMALL));
    last_look_send(&p, command);
    if (g_str_equal(command, "stop")) {
        /* Nobody runs who would wait any longer */
        pair_check_completes(&p);
        g_assert_cmpuint(p.src.n_stop, ==, 1);
        g_assert_cmpuint(p.last.undone, >=, 1);
        SIM_CHECK(&p.src, 0, "initial-unread-at-stop", >=, INITIAL);
    } else {
        /* That the device is reset ends the migration, as ever */
        pair_check_back(&p, g_str_equal(command, "system_reset") ? "failed" :
                                                                   "cancelled");
        g_assert_cmpuint(p.src.n_stop, ==, 0);
        SIM_CHECK(&p.src, 0, "reinits", >=, 1);
        vfio_sim_set(&p.src, 0, "reinit-at", "none");
        check_again(&p, LIST(SMALL), 1);
    }
    pair_end(&p);
}

/* The user stops the guest: then there is no downtime to be saved */
static void test_user_stop(const void *opaque)
{
    const First *f = opaque;
    MigPair p = { .devices = LIST(SMALL) };
    MigReply r;

    if (!start(&p, f->mode, f->multifd)) {
        return;
    }
    pair_migrate_to(&p, LIST(SMALL ",hold=write"));
    SIM_WAIT(&p.dst, 0, "holding", ==, 1);
    SIM_WAIT(&p.src, 0, "initial", ==, 0);
    PAIR_WAIT(&p, r, r.passes >= 10);
    g_assert(r.n_waiting == (f->mode == ACK_NEW));
    qtest_qmp_assert_success(p.src.qts, "{ 'execute': 'stop' }");
    PAIR_WAIT(&p, r, reply_status_is(&r, "device"));
    SIM_CHECK(&p.dst, 0, "write-bytes", ==, 0);

    vfio_sim_set(&p.dst, 0, "hold", "none");
    pair_check_completes(&p);
    g_assert_cmpuint(p.src.n_stop, ==, 1);
    check_acks(&p, f->mode == ACK_NEW, 0);
    pair_end(&p);
}

static void test_user_stopped(const void *opaque)
{
    const First *f = opaque;
    MigPair p = { .devices = LIST(SMALL) };
    MigReply r;

    if (!start(&p, f->mode, f->multifd)) {
        return;
    }
    qtest_qmp_assert_success(p.src.qts, "{ 'execute': 'stop' }");
    pair_migrate_to(&p, LIST(SMALL ",hold=write"));
    SIM_WAIT(&p.dst, 0, "holding", ==, 1);
    PAIR_WAIT(&p, r, reply_status_is(&r, "device"));
    SIM_CHECK(&p.dst, 0, "write-bytes", ==, 0);

    vfio_sim_set(&p.dst, 0, "hold", "none");
    pair_check_completes(&p);
    check_acks(&p, 0, 0);
    pair_end(&p);
}

/* The user wants to be asked before the switchover, not before each try */
static void test_pause(void)
{
    MigPair p = { .devices = LIST(SMALL ",reinit-bytes=64K," AT_P2P "2"),
                  .caps = LIST("return-path", "switchover-ack",
                               "pause-before-switchover") };
    MigReply r;

    if (!start(&p, ACK_NEW, false)) {
        return;
    }
    pair_migrate(&p);
    PAIR_WAIT(&p, r, reply_status_is(&r, "pre-switchover"));
    g_assert_cmpuint(r.undone, ==, 2);
    g_assert_cmpuint(r.requests, ==, 3);
    migrate_continue(p.src.qts, "pre-switchover");
    PAIR_WAIT_WHILE(&p, r, !reply_status_is(&r, "failed"),
                    reply_status_is(&r, "completed"));
    check_completes_acked(&p);
    check_acks(&p, 3, 2);
    pair_end(&p);
}

/* ---------------------------------------------------------------------- */

/* What fails is dev1, if it is on the source */
typedef struct Failure {
    const char *name;
    const char *fault;          /* keys of dev1 */
    const char *fail_state;     /* set when precopy has begun, once */
    const char *error;
    int resets;
} Failure;

#define SET_STATE "dev1: Failed setting device state to "

static const Failure failures[] = {
    { "prepare", "fail-count=1,fail-state=PRE_COPY_P2P",
      .error = SET_STATE "PRE_COPY_P2P" },
    { "prepare-error", "fail-count=1,fail-state=PRE_COPY_P2P,fail-into=error",
      .error = SET_STATE "PRE_COPY_P2P", .resets = 1 },
    { "undo", "reinit-at=pre-copy-p2p,reinit-count=1", .fail_state = "PRE_COPY",
      .error = SET_STATE "PRE_COPY" },
    { "undo-error", "reinit-at=pre-copy-p2p,reinit-count=1,fail-into=error",
      .fail_state = "PRE_COPY", .error = SET_STATE "PRE_COPY", .resets = 1 },
};

/* On the way to the last look, or back: nobody has noticed anything */
static void test_failure(const void *opaque)
{
    const Failure *c = opaque;
    g_autofree char *faulty =
        g_strdup_printf("initial-bytes=64K," STOP_64M ",%s", c->fault);
    MigPair p = { .devices = LIST(SMALL, faulty) };
    uint64_t resets[2];
    int i;

    if (!start(&p, ACK_NEW, false)) {
        return;
    }
    for (i = 0; i < 2; i++) {
        resets[i] = vfio_sim_get(&p.src, i, "resets");
    }
    pair_migrate_to(&p, LIST(SMALL, SMALL));
    wait_answered(&p, 2);
    if (c->fail_state) {
        vfio_sim_set(&p.src, 1, "fail-count", "1");
        vfio_sim_set(&p.src, 1, "fail-state", c->fail_state);
    }
    pair_set_limit(&p, LIMIT_64M);

    pair_check_back(&p, "failed");
    vfio_sim_check_error(&p.src, c->error);
    g_assert_cmpuint(p.src.n_stop, ==, 0);
    SIM_CHECK(&p.src, 1, "faults", ==, 1);
    SIM_CHECK(&p.src, 0, "resets", ==, resets[0]);
    SIM_CHECK(&p.src, 1, "resets", ==, resets[1] + c->resets);

    check_again(&p, LIST(SMALL, SMALL), 2);
    pair_end(&p);
}

static void test_failure_load(const void *opaque)
{
    const First *f = opaque;
    MigPair p = { .devices = LIST("initial-bytes=256K,stop-bytes=64K") };

    if (!start(&p, f->mode, f->multifd)) {
        return;
    }
    pair_migrate_to(&p, LIST(SMALL ",fail-write-after=128K"));
    pair_check_back(&p, "failed");
    g_assert_cmpuint(p.src.n_stop, ==, 0);

    check_again(&p, p.devices, f->mode == ACK_NEW);
    pair_end(&p);
}

/* After the point of no return: who it was, and what */
static void test_failure_data(const void *opaque)
{
    const First *f = opaque;
    MigPair p = { .devices = LIST(SMALL, "initial-bytes=64K,stop-bytes=8M,"
                                  "fail-read-after=4M") };

    if (!start(&p, f->mode, f->multifd)) {
        return;
    }
    pair_migrate_to(&p, LIST(SMALL, SMALL));
    pair_check_back(&p, "failed");
    if (f->multifd) {
        vfio_sim_check_error(&p.src, "dev1: reading state buffer");
    } else {
        vfio_sim_check_error(&p.src, sections[1]);
        vfio_sim_check_error(&p.src, "dev1: Failed to save the data");
    }
    g_assert_cmpuint(p.src.n_stop, ==, 1);

    vfio_sim_set(&p.src, 1, "fail-read-after", "none");
    check_again(&p, LIST(SMALL, SMALL), f->mode == ACK_NEW ? 2 : 0);
    pair_end(&p);
}

/* ---------------------------------------------------------------------- */

/* A device that never stops starting anew: it shows, and nobody is harmed */
typedef struct Endless {
    const char *name;
    bool told;                  /* the destination is, again and again */
} Endless;

static const Endless endless[] = {
    { "pre-copy-p2p", true },
    { "before-query", true },
    { "when-empty", false },
};

static void test_endless(const void *opaque)
{
    const Endless *c = opaque;
    g_autofree char *device =
        g_strdup_printf(SMALL ",reinit-bytes=64K,reinit-at=%s,read-rate=8M",
                        c->name);
    MigPair p = { .devices = LIST(device) };
    MigReply r;

    if (!start(&p, ACK_NEW, false)) {
        return;
    }
    pair_migrate_to(&p, LIST(SMALL));
    if (c->told) {
        PAIR_WAIT(&p, r, r.undone >= 5 && reply_waits_for(&r, sections[0]));
        g_assert_cmpuint(r.requests, ==, r.undone + 1);
        check_hmp(&p, "Switchover acks: \trequests=");
    } else {
        SIM_WAIT(&p.src, 0, "reinits", >=, 5);
        check_waits_for_ack(&p, 1);
        check_hmp(&p, "Switchover acks: \trequests=1, undone=0, "
                      "waiting for 0000:00:02.0/vfio\r\n");
    }
    g_assert(vfio_sim_running(&p.src));
    g_assert_cmpuint(p.src.n_stop, ==, 0);

    vfio_sim_set(&p.src, 0, "reinit-at", "none");
    check_completes_acked(&p);
    g_assert_cmpuint(p.last.requests, ==, p.last.undone + 1);
    pair_end(&p);
}

/*
 * Initial data that has grown since the last query is not all there when as
 * much has been read as there was then.  The device gives 64 KiB, and then the
 * rest in 0.3 s.
 */
static void test_grown(const void *opaque)
{
    const First *f = opaque;
    MigPair p = { .devices = LIST(SMALL ",read-rate=6400K,hold=read") };

    if (!start(&p, f->mode, f->multifd)) {
        return;
    }
    pair_migrate_to(&p, LIST(SMALL));
    SIM_WAIT(&p.src, 0, "holding", ==, 1);
    SIM_CHECK(&p.src, 0, "reported-initial", ==, INITIAL);
    vfio_sim_set(&p.src, 0, "initial-bytes", "2M");
    vfio_sim_set(&p.src, 0, "hold", "none");
    check_completes_acked(&p);
    check_acks(&p, f->mode == ACK_NEW, 0);
    SIM_CHECK(&p.dst, 0, "write-bytes-initial", ==, 2 * MiB);
    pair_end(&p);
}

/* The kernel may say anything of the initial data */
typedef struct Say {
    const char *name;
    AckMode mode;
    const char *what;
    bool waits;                 /* until it tells the truth */
} Say;

static const Say says[] = {
    { "new/zero", ACK_NEW, "zero" },
    { "new/error", ACK_NEW, "error" },
    { "new/shrinking", ACK_NEW, "shrinking" },
    { "new/growing", ACK_NEW, "growing", true },
    { "new/max", ACK_NEW, "max", true },
    { "new/random", ACK_NEW, "random", true },
    { "new/number", ACK_NEW, "65536", true },

    /* Nobody could see who waits, so nobody does */
    { "legacy/number", ACK_LEGACY, "65536" },
};

static void test_say(const void *opaque)
{
    const Say *c = opaque;
    g_autofree char *device = g_strdup_printf(SMALL ",report-initial=%s", c->what);
    MigPair p = { .devices = LIST(device) };
    MigReply r;

    if (!start(&p, c->mode, false)) {
        return;
    }
    pair_migrate_to(&p, LIST(SMALL));
    if (c->waits) {
        SIM_WAIT(&p.src, 0, "precopy-info-calls", >=, 100);
        r = pair_query(&p);
        g_assert(reply_status_is(&r, "active"));
        g_assert_cmpuint(r.requests, ==, 1);
        g_assert(reply_waits_for(&r, sections[0]));
        vfio_sim_set(&p.src, 0, "report-initial", "truth");
    }
    check_completes_acked(&p);
    check_acks(&p, c->mode == ACK_NEW, 0);
    pair_end(&p);
}

/* With both protocols; and with multifd only if it makes any difference */
static void add_modes(const char *path, bool multifd, void (*fn)(const void *))
{
    int i;

    for (i = 0; i < ARRAY_SIZE(firsts); i++) {
        if ((firsts[i].mode != ACK_OFF || fn == test_first) &&
            (multifd || !firsts[i].multifd)) {
            g_autofree char *name =
                g_strdup_printf("%s%s", ack_names[firsts[i].mode],
                                firsts[i].multifd ? "-multifd" : "");

            add_data(path, name, &firsts[i], fn);
        }
    }
}

#define ADD_TABLE(path, table, fn)                                     \
    do {                                                               \
        int i_;                                                        \
                                                                       \
        for (i_ = 0; i_ < ARRAY_SIZE(table); i_++) {                   \
            add_data(path, (table)[i_].name, &(table)[i_], fn);        \
        }                                                              \
    } while (0)

int main(int argc, char **argv)
{
    int i;

    g_test_init(&argc, &argv, NULL);

    if (!qtest_has_accel("tcg") || !qtest_has_machine("pc") ||
        !qtest_has_device("vfio-pci")) {
        g_test_message("needs tcg, the pc machine and vfio-pci");
        return g_test_run();
    }

    add_modes("first", true, test_first);
    qtest_add_func("/vfio-switchover-ack/first/explicit", test_first_explicit);
    add_data("nobody", "no-device", NULL, test_nobody);
    add_data("nobody", "no-precopy", "precopy=off,stop-bytes=1M", test_nobody);

    if (g_test_slow()) {
        qtest_cb_for_every_machine(add_cross, false);
    } else {
        for (i = 0; i < ARRAY_SIZE(cross_quick); i++) {
            add_cross(cross_quick[i]);
        }
    }
    ADD_TABLE("mismatch", mismatches, test_mismatch);

    ADD_TABLE("reinit", reinits, test_reinit);
    add_data("reinit/before", "once", "once", test_reinit_before);
    add_data("reinit/before", "until-read", "until-read", test_reinit_before);
    qtest_add_func("/vfio-switchover-ack/reinit/in-pass", test_reinit_in_pass);
    ADD_TABLE("undone", undones, test_undone);
    add_data("undone", "no-p2p", "p2p=off", test_undone_precopy);
    add_data("undone", "silent-p2p", "reinit-flag-p2p=off",
             test_undone_precopy);
    ADD_TABLE("late", lates, test_late);
    add_modes("several", true, test_several);
    ADD_TABLE("endless", endless, test_endless);
    add_modes("grown", false, test_grown);
    ADD_TABLE("say", says, test_say);

    qtest_add_func("/vfio-switchover-ack/late-answer", test_late_answer);
    ADD_TABLE("impostor", impostors, test_impostor);
    add_modes("cancel/waiting", false, test_cancel);
    qtest_add_func("/vfio-switchover-ack/cancel/unplug", test_cancel_unplug);
    qtest_add_func("/vfio-switchover-ack/last-look/cancel",
                   test_last_look_cancel);
    add_data("last-look", "cancel-undone", "migrate_cancel",
             test_last_look_undone);
    add_data("last-look", "stop-undone", "stop", test_last_look_undone);
    add_data("last-look", "reset-undone", "system_reset",
             test_last_look_undone);
    add_modes("user/stop", false, test_user_stop);
    add_modes("user/stopped", false, test_user_stopped);
    qtest_add_func("/vfio-switchover-ack/pause-before-switchover", test_pause);

    ADD_TABLE("failure", failures, test_failure);
    add_modes("failure/load", false, test_failure_load);
    add_modes("failure/data", true, test_failure_data);

    return g_test_run();
}
