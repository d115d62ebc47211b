/*
 * Tests of the device model
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <time.h>

#include "test-vfio-sim-tap.h"
#include "model/model.h"
#include "model/profile.h"

#define MS      1000000ull
#define S       1000000000ull
#define KIB     1024ull
#define MIB     (1024 * KIB)

static uint64_t seed;

static void *alloc(void *opaque, size_t size)
{
    (void)opaque;
    return calloc(1, size);
}

static void release(void *opaque, void *p, size_t size)
{
    (void)opaque;
    (void)size;
    free(p);
}

static const VFIOSimHooks hooks = { alloc, release };

static void must_set(VFIOSimConfig *cfg, const char *assignment)
{
    char err[256];

    if (vfio_sim_profile_override(cfg, assignment, err, sizeof(err))) {
        printf("Bail out! %s\n", err);
        exit(1);
    }
}

/* A new device; @keys: "a=b c=d" */
static VFIOSim *device(const char *keys)
{
    VFIOSim *s = malloc(sizeof(*s));
    char *copy = strdup(keys);
    VFIOSimConfig cfg;
    char *save = NULL;
    char *k;

    vfio_sim_config_default(&cfg);
    for (k = strtok_r(copy, " ", &save); k; k = strtok_r(NULL, " ", &save)) {
        must_set(&cfg, k);
    }
    free(copy);
    vfio_sim_init(s, &cfg, &hooks, NULL, ++seed, 0);
    return s;
}

static void discard(VFIOSim *s)
{
    vfio_sim_destroy(s);
    free(s);
}

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

static int live(VFIOSim *s, uint64_t now, const char *assignment)
{
    VFIOSimConfig cfg = s->cfg;
    char name[64];

    must_set(&cfg, assignment);
    snprintf(name, sizeof(name), "%.*s", (int)strcspn(assignment, "="),
             assignment);
    return vfio_sim_configure(s, now, &cfg, vfio_sim_key_find(name)->effects);
}

/* The precopy query, without its flags */
static int query(VFIOSim *s, uint64_t now, uint64_t *initial, uint64_t *dirty)
{
    uint32_t flags = 0;

    return vfio_sim_precopy_info(s, s->session, now, initial, dirty, &flags);
}

static int64_t get(VFIOSim *s, uint64_t now, void *buf, size_t len)
{
    uint64_t wait;

    return vfio_sim_read(s, s->session, now, buf, len, &wait);
}

static int64_t put(VFIOSim *s, const void *buf, size_t len)
{
    uint64_t wait;

    return vfio_sim_write(s, s->session, 0, buf, len, &wait);
}

/* Read all there is, in pieces of @piece, into @buf; returns the bytes. */
static size_t drain(VFIOSim *s, uint64_t now, uint8_t *buf, size_t room,
                    size_t piece)
{
    size_t done = 0;
    int64_t n;

    do {
        n = get(s, now, buf + done, piece < room - done ? piece : room - done);
        done += n > 0 ? n : 0;
    } while (n > 0);
    CHECK(n == 0 || n == -ENOMSG);
    return done;
}

/* A whole stream of a device, which has to be RUNNING */
static uint8_t *whole_stream(VFIOSim *s, size_t *len)
{
    uint64_t size;
    uint8_t *buf;

    CHECK_EQ(vfio_sim_data_size(s, 0, &size), 0);
    buf = malloc(size + 1);
    *len = 0;
    if (s->cfg.precopy) {
        CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_PRE_COPY), 0);
        *len = drain(s, 0, buf, size, size);
    }
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_STOP_COPY), 0);
    *len += drain(s, 0, buf + *len, size - *len + 1, size);
    CHECK_EQ(*len, size);
    return buf;
}

/* Does a new device take this stream? */
static bool accepts(const uint8_t *buf, size_t len)
{
    VFIOSim *d = device("");
    bool ok;

    CHECK_EQ(vfio_sim_set_state(d, 0, VFIO_SIM_RESUMING), 0);
    ok = !len || put(d, buf, len) == (int64_t)len;
    if (vfio_sim_set_state(d, 0, VFIO_SIM_RUNNING)) {
        CHECK_EQ(d->stats.stream_verified, 0);
        CHECK_EQ(d->stats.stream_errors, 1);
        CHECK_EQ(d->state, VFIO_SIM_RESUMING);
        CHECK(d->rx_error != NULL);
        ok = false;
    } else {
        CHECK(ok);
        CHECK_EQ(d->stats.stream_verified, 1);
    }
    discard(d);
    return ok;
}

/* ------------------------------------------------------------- states -- */

static const char letters[] = "-SRCMPYZ";

/*
 * From linux/vfio.h, for each pair of states the way that is taken.
 * S: stop, R: running, C: stop-copy, M: resuming, P: running-p2p,
 * Y: pre-copy, Z: pre-copy-p2p; what is not listed is refused.
 */
static const char full[] =
    "RPS RPSC RPSM RP RY RPZ "
    "PR PS PSC PSM PRY PZ "
    "SPR SP SC SM SPRY SPZ "
    "CSPR CSP CS CSM "
    "MSPR MSP MS MSC MSPRY MSPZ "
    "YR YRP YRPS YZC YRPSM YZ "
    "ZPR ZP ZPS ZC ZPSM ZY ";
static const char only_precopy[] =
    "RS RSC RSM RY SR SC SM SRY CSR CS CSM MSR MS MSC MSRY YR YRS YC YRSM ";
static const char only_p2p[] =
    "RPS RPSC RPSM RP PR PS PSC PSM SPR SP SC SM CSPR CSP CS CSM "
    "MSPR MSP MS MSC ";
static const char neither[] =
    "RS RSC RSM SR SC SM CSR CS CSM MSR MS MSC ";

/* The listed way from one state to another, or NULL */
static const char *listed(const char *list, char from, char to, size_t *len)
{
    const char *p = list;

    while (*p) {
        *len = strcspn(p, " ");
        if (p[0] == from && p[*len - 1] == to) {
            return p;
        }
        p += *len + 1;
    }
    return NULL;
}

static VFIOSim *device_in(const char *keys, uint32_t state)
{
    VFIOSim *s = device(keys);

    if (state == VFIO_SIM_ERROR) {
        live(s, 0, "fail-state=stop");
        live(s, 0, "fail-into=error");
        CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_STOP), -EIO);
        live(s, 0, "fail-state=none");
    } else {
        CHECK_EQ(vfio_sim_set_state(s, 0, state), 0);
    }
    CHECK_EQ(s->state, state);
    return s;
}

static void check_ways(const char *keys, const char *list)
{
    VFIOSim *src = device("stop-bytes=4K");
    uint32_t from, to, next;
    size_t stream_len;
    uint8_t *stream = whole_stream(src, &stream_len);

    for (from = 0; from < VFIO_SIM_STATES; from++) {
        if (from && !strchr(list, letters[from])) {
            continue;
        }
        for (to = 0; to < VFIO_SIM_STATES + 2; to++) {
            char name = to < VFIO_SIM_STATES ? letters[to] : '?';
            VFIOSim *s = device_in(keys, from);
            uint64_t calls = s->stats.state_changes;
            const char *way;
            size_t len, i;

            if (from == VFIO_SIM_RESUMING) {
                CHECK_EQ(put(s, stream, stream_len), stream_len);
            }
            way = from && to ? listed(list, letters[from], name, &len) : NULL;
            if (from == to && from) {
                CHECK_EQ(vfio_sim_set_state(s, 0, to), 0);
                CHECK_EQ(s->stats.state_changes, calls);
            } else if (!way) {
                if (from != to) {
                    CHECK_EQ(vfio_sim_next_state(s, to, &next), -EINVAL);
                }
                CHECK_EQ(vfio_sim_set_state(s, 0, to), -EINVAL);
                CHECK_EQ(s->state, from);
            } else {
                for (i = 1; i < len; i++) {
                    CHECK_EQ(vfio_sim_next_state(s, to, &next), 0);
                    if (letters[next] != way[i]) {
                        printf("# %c to %c: at %c, should go to %c\n",
                               letters[from], name, letters[next], way[i]);
                        tap_failed_checks++;
                        break;
                    }
                    CHECK_EQ(vfio_sim_enter(s, 0, next), 0);
                    CHECK_EQ(s->state, next);
                }
                CHECK_EQ(s->state, to);
            }
            discard(s);
        }
    }
    discard(src);
    free(stream);
}

static void test_ways_full(void)
{
    check_ways("precopy=on p2p=on", full);
}

static void test_ways_precopy(void)
{
    check_ways("precopy=on p2p=off", only_precopy);
}

static void test_ways_p2p(void)
{
    check_ways("precopy=off p2p=on", only_p2p);
}

static void test_ways_neither(void)
{
    check_ways("precopy=off p2p=off", neither);
}

/* Only arcs can be entered directly. */
static void test_enter(void)
{
    VFIOSim *s = device("");

    CHECK_EQ(vfio_sim_enter(s, 0, VFIO_SIM_STOP), -EINVAL);
    CHECK_EQ(vfio_sim_enter(s, 0, VFIO_SIM_RUNNING), -EINVAL);
    CHECK_EQ(vfio_sim_enter(s, 0, VFIO_SIM_ERROR), -EINVAL);
    CHECK_EQ(vfio_sim_enter(s, 0, 99), -EINVAL);
    CHECK_EQ(vfio_sim_enter(s, 0, VFIO_SIM_RUNNING_P2P), 0);
    discard(s);
}

static void test_flags(void)
{
    VFIOSim *s = device("precopy=off p2p=off");

    CHECK_EQ(vfio_sim_mig_flags(s), VFIO_SIM_MIG_STOP_COPY);
    live(s, 0, "p2p=on");
    CHECK_EQ(vfio_sim_mig_flags(s), VFIO_SIM_MIG_STOP_COPY |
                                    VFIO_SIM_MIG_P2P);
    live(s, 0, "precopy=on");
    CHECK_EQ(vfio_sim_mig_flags(s), VFIO_SIM_MIG_STOP_COPY |
                                    VFIO_SIM_MIG_P2P | VFIO_SIM_MIG_PRE_COPY);
    discard(s);
}

static void test_error_and_reset(void)
{
    VFIOSim *s = device_in("", VFIO_SIM_ERROR);
    uint8_t buf[64];
    uint32_t session, flags;
    uint64_t wait, a, b;

    CHECK_EQ(s->session, 0);
    vfio_sim_reset(s, 0);
    CHECK_EQ(s->state, VFIO_SIM_RUNNING);
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_PRE_COPY), 0);

    /* a reset ends the session, and its fd stays dead */
    session = s->session;
    CHECK(session);
    vfio_sim_reset(s, 0);
    CHECK_EQ(s->state, VFIO_SIM_RUNNING);
    CHECK_EQ(vfio_sim_read(s, session, 0, buf, 64, &wait), -ENODEV);
    CHECK_EQ(vfio_sim_precopy_info(s, session, 0, &a, &b, &flags), -ENODEV);
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_RESUMING), 0);
    CHECK_EQ(vfio_sim_write(s, session, 0, buf, 64, &wait), -ENODEV);
    CHECK_EQ(vfio_sim_read(s, s->session, 0, buf, 64, &wait), -EINVAL);
    vfio_sim_reset(s, 0);
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_STOP_COPY), 0);
    CHECK_EQ(vfio_sim_write(s, s->session, 0, buf, 64, &wait), -EINVAL);
    CHECK_EQ(s->stats.resets, 3);
    discard(s);
}

/* -------------------------------------------------------------- sizes -- */

static void check_sizes(VFIOSim *s, uint64_t now, uint64_t initial,
                        uint64_t dirty, uint64_t stop)
{
    uint64_t i, d, st, all;

    vfio_sim_sizes(s, now, &i, &d, &st);
    CHECK_EQ(i, initial);
    CHECK_EQ(d, dirty);
    CHECK_EQ(st, stop);
    CHECK_EQ(vfio_sim_data_size(s, now, &all), 0);
    CHECK_EQ(all, initial + dirty + stop);
    if (s->state == VFIO_SIM_PRE_COPY || s->state == VFIO_SIM_PRE_COPY_P2P) {
        CHECK_EQ(query(s, now, &i, &d), 0);
        CHECK_EQ(i, initial);
        CHECK_EQ(d, dirty);
    } else {
        CHECK_EQ(query(s, now, &i, &d),
                 s->session ? -EINVAL : -ENODEV);
    }
}

static void test_sizes(void)
{
    VFIOSim *s = device("initial-bytes=1M dirty-bytes=64K dirty-rate=1M "
                        "dirty-ceiling=512K stop-bytes=2M");
    static uint8_t buf[4 * MIB];

    check_sizes(s, 0, MIB, 64 * KIB, 2 * MIB);
    /* nothing accumulates before PRE_COPY */
    check_sizes(s, 5 * S, MIB, 64 * KIB, 2 * MIB);
    CHECK_EQ(vfio_sim_set_state(s, 5 * S, VFIO_SIM_PRE_COPY), 0);
    check_sizes(s, 5 * S, MIB, 64 * KIB, 2 * MIB);
    check_sizes(s, 5 * S + 125 * MS, MIB, 192 * KIB, 2 * MIB);
    check_sizes(s, 5 * S + 250 * MS, MIB, 320 * KIB, 2 * MIB);
    /* small steps add up to the same */
    for (int i = 0; i < 125; i++) {
        uint64_t a, b, c;

        vfio_sim_sizes(s, 5 * S + (250 + i) * MS, &a, &b, &c);
    }
    check_sizes(s, 5 * S + 375 * MS, MIB, 448 * KIB, 2 * MIB);
    check_sizes(s, 9 * S, MIB, 512 * KIB, 2 * MIB);

    /* read: initial first, then dirty */
    CHECK_EQ(get(s, 9 * S, buf, MIB - 1), MIB - 1);
    check_sizes(s, 9 * S, 1, 512 * KIB, 2 * MIB);
    CHECK_EQ(get(s, 9 * S, buf, 100 * KIB + 1), 100 * KIB + 1);
    check_sizes(s, 9 * S, 0, 412 * KIB, 2 * MIB);
    CHECK_EQ(s->stats.read_bytes_precopy, MIB + 100 * KIB);

    /* time goes on in PRE_COPY_P2P, and stops with the device */
    CHECK_EQ(vfio_sim_set_state(s, 9 * S, VFIO_SIM_PRE_COPY_P2P), 0);
    check_sizes(s, 9 * S + 15625000, 0, 428 * KIB, 2 * MIB);
    CHECK_EQ(vfio_sim_set_state(s, 9 * S + 15625000, VFIO_SIM_STOP_COPY), 0);
    check_sizes(s, 20 * S, 0, 428 * KIB, 2 * MIB);
    CHECK_EQ(s->stats.stopped_at_us, 9015625);
    CHECK_EQ(drain(s, 20 * S, buf, sizeof(buf), 12345),
             2 * MIB + 428 * KIB);
    check_sizes(s, 20 * S, 0, 0, 0);
    CHECK_EQ(vfio_sim_set_state(s, 20 * S, VFIO_SIM_RUNNING), 0);
    CHECK_EQ(s->stats.running_at_us, 20000000);
    check_sizes(s, 20 * S, MIB, 64 * KIB, 2 * MIB);
    discard(s);
}

static void test_sizes_live(void)
{
    VFIOSim *s = device("initial-bytes=1M stop-bytes=2G");
    static uint8_t buf[4 * MIB];
    uint64_t v;

    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_PRE_COPY), 0);
    CHECK_EQ(drain(s, 0, buf, sizeof(buf), MIB), MIB);
    /* shrinking and growing */
    CHECK_EQ(live(s, 0, "stop-bytes=900M"), 0);
    CHECK_EQ(vfio_sim_data_size(s, 0, &v), 0);
    CHECK_EQ(v, 900 * MIB);
    /* the initial data comes back, also in the middle of a frame */
    CHECK_EQ(live(s, 0, "initial-bytes=1M"), 0);
    check_sizes(s, 0, MIB, 0, 900 * MIB);
    CHECK_EQ(get(s, 0, buf, 100), 100);
    CHECK_EQ(live(s, 0, "initial-bytes=2M"), 0);
    check_sizes(s, 0, 2 * MIB, 0, 900 * MIB);
    CHECK_EQ(live(s, 0, "dirty-bytes=128"), 0);
    check_sizes(s, 0, 2 * MIB, 128, 900 * MIB);
    CHECK_EQ(live(s, 0, "dirty-bytes=0"), 0);
    CHECK_EQ(live(s, 0, "initial-bytes=0"), 0);
    /* a state that the device is in stays there */
    CHECK_EQ(live(s, 0, "precopy=off"), -EBUSY);
    CHECK(s->cfg.precopy);
    /* but a frame that was begun is read to its end */
    check_sizes(s, 0, MIB - 100, 0, 900 * MIB);
    CHECK_EQ(live(s, 0, "dirty-rate=1M"), 0);
    check_sizes(s, S, MIB - 100, MIB, 900 * MIB);
    /* a new rate does not change the past */
    CHECK_EQ(live(s, S, "dirty-rate=2M"), 0);
    check_sizes(s, 2 * S, MIB - 100, 3 * MIB, 900 * MIB);
    CHECK_EQ(live(s, 2 * S, "dirty-rate=0"), 0);
    CHECK_EQ(vfio_sim_set_state(s, 2 * S, VFIO_SIM_STOP_COPY), 0);
    CHECK_EQ(live(s, 2 * S, "stop-bytes=1M"), 0);
    check_sizes(s, 2 * S, MIB - 100, 3 * MIB, MIB);
    drain(s, 2 * S, buf, sizeof(buf), MIB);
    drain(s, 2 * S, buf, sizeof(buf), MIB);
    check_sizes(s, 2 * S, 0, 0, 0);
    /* nothing comes behind the end */
    CHECK_EQ(live(s, 2 * S, "stop-bytes=1M"), 0);
    CHECK_EQ(live(s, 2 * S, "initial-bytes=1M"), 0);
    check_sizes(s, 2 * S, 0, 0, 0);
    CHECK_EQ(get(s, 2 * S, buf, 100), 0);
    discard(s);
}

/* A device that is stopped, or cannot PRE_COPY, has all to send at once. */
static void test_sizes_stopped(void)
{
    VFIOSim *s = device("precopy=off initial-bytes=1M dirty-bytes=1M "
                        "stop-bytes=100");
    static uint8_t buf[4 * MIB];

    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_STOP_COPY), 0);
    check_sizes(s, 0, MIB, MIB, 128);
    CHECK_EQ(drain(s, 0, buf, sizeof(buf), MIB), 2 * MIB + 128);
    CHECK_EQ(s->stats.read_bytes_stop, 2 * MIB + 128);
    CHECK(accepts(buf, 2 * MIB + 128));
    discard(s);
}

static void test_lull_and_end(void)
{
    VFIOSim *s = device("initial-bytes=64 dirty-rate=4096 stop-bytes=256");
    uint8_t buf[8192];

    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_PRE_COPY), 0);
    CHECK_EQ(get(s, 0, buf, 0), 0);
    CHECK_EQ(get(s, 0, buf, sizeof(buf)), 64);
    CHECK_EQ(get(s, 0, buf, sizeof(buf)), -ENOMSG);
    CHECK_EQ(get(s, 0, buf, 1), -ENOMSG);
    CHECK_EQ(s->stats.empty_reads, 2);
    /* ... until there is more */
    CHECK_EQ(get(s, S, buf + 64, sizeof(buf)), 4096);
    CHECK_EQ(get(s, S, buf, sizeof(buf)), -ENOMSG);
    CHECK_EQ(vfio_sim_set_state(s, S, VFIO_SIM_PRE_COPY_P2P), 0);
    CHECK_EQ(get(s, S, buf, sizeof(buf)), -ENOMSG);
    CHECK_EQ(vfio_sim_set_state(s, S, VFIO_SIM_STOP_COPY), 0);
    CHECK_EQ(get(s, S, buf + 64 + 4096, sizeof(buf) - 4160), 256);
    CHECK_EQ(get(s, S, buf, sizeof(buf)), 0);
    CHECK_EQ(get(s, S, buf, sizeof(buf)), 0);
    CHECK_EQ(s->stats.empty_reads, 4);
    discard(s);
}

static void test_two_sessions(void)
{
    VFIOSim *s = device("initial-bytes=4K stop-bytes=8K");
    static uint8_t one[16 * KIB], two[16 * KIB];
    uint32_t session;
    uint64_t wait;
    size_t n;

    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_PRE_COPY), 0);
    session = s->session;
    n = drain(s, 0, one, sizeof(one), 1000);
    CHECK_EQ(n, 4 * KIB);
    /* cancelled */
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_RUNNING), 0);
    CHECK_EQ(s->session, 0);
    CHECK_EQ(vfio_sim_read(s, session, 0, two, 64, &wait), -ENODEV);

    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_PRE_COPY), 0);
    CHECK(s->session != session);
    CHECK_EQ(vfio_sim_read(s, session, 0, two, 64, &wait), -ENODEV);
    n = drain(s, 0, two, sizeof(two), 1000);
    /* the fd of a session goes on in STOP_COPY */
    session = s->session;
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_STOP_COPY), 0);
    CHECK_EQ(s->session, session);
    n += drain(s, 0, two + n, sizeof(two) - n, 1000);
    CHECK_EQ(n, 12 * KIB);
    CHECK(accepts(two, n));
    CHECK_EQ(s->stats.sessions, 2);

    /* data of the first session in the second */
    memcpy(two, one, 4 * KIB);
    CHECK(!accepts(two, n));
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_STOP), 0);
    CHECK_EQ(vfio_sim_read(s, session, 0, two, 64, &wait), -ENODEV);
    discard(s);
}

/* ------------------------------------------------------------- stream -- */

/* Let the device write some pages of memory that nobody looks at. */
static void some_dma(VFIOSim *s, uint64_t now, unsigned int pages)
{
    static uint64_t page[VFIO_SIM_PAGE / 8];
    uint64_t iova;

    while (pages--) {
        now += 1000 * S;
        CHECK(vfio_sim_dma_next(s, now, &iova));
        vfio_sim_dma_fill(s, iova, page);
        vfio_sim_dma_done(s, iova, true);
    }
}

static const char small[] =
    "initial-bytes=192 dirty-bytes=128 stop-bytes=704 "
    "dma-rate=1M dma-size=64K dma-base=1M";

static void test_stream_pieces(void)
{
    VFIOSim *s = device(small);
    size_t len, pos, piece, n;
    uint8_t *buf;

    some_dma(s, 0, 5);
    buf = whole_stream(s, &len);
    CHECK_EQ(len, 192 + 128 + 704);
    CHECK(accepts(buf, len));

    /* segmentation means nothing */
    for (piece = 1; piece < 200; piece++) {
        VFIOSim *d = device("");

        CHECK_EQ(vfio_sim_set_state(d, 0, VFIO_SIM_RESUMING), 0);
        for (pos = 0; pos < len; pos += n) {
            n = piece < len - pos ? piece : len - pos;
            CHECK_EQ(put(d, buf + pos, n), n);
        }
        CHECK_EQ(vfio_sim_set_state(d, 0, VFIO_SIM_STOP), 0);
        CHECK(d->rx_verify);
        discard(d);
    }
    free(buf);
    discard(s);

    /* reading it out in pieces gives the same kind of stream */
    for (piece = 1; piece < 200; piece++) {
        uint8_t out[4096];

        s = device(small);
        some_dma(s, 0, 5);
        CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_PRE_COPY), 0);
        /* leave PRE_COPY in the middle of a frame */
        n = get(s, 0, out, piece);
        CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_STOP_COPY), 0);
        n += drain(s, 0, out + n, sizeof(out) - n, piece);
        CHECK_EQ(n, len);
        CHECK(accepts(out, n));
        discard(s);
    }
}

static void test_stream_damage(void)
{
    VFIOSim *s = device(small);
    size_t len, i, bit;
    uint8_t *buf, *bad;

    some_dma(s, 0, 5);
    buf = whole_stream(s, &len);
    bad = malloc(2 * len);

    CHECK(accepts(buf, len));
    CHECK(!accepts(buf, 0));
    for (i = 1; i < len; i++) {
        /* cut off */
        CHECK(!accepts(buf, i));
        /* begins late */
        CHECK(!accepts(buf + i, len - i));
    }
    for (i = 0; i < len; i++) {
        /* a bit flipped */
        for (bit = 0; bit < 8; bit++) {
            memcpy(bad, buf, len);
            bad[i] ^= 1 << bit;
            if (accepts(bad, len)) {
                printf("# bit %zu of byte %zu\n", bit, i);
                tap_failed_checks++;
            }
        }
        /* a byte lost */
        memcpy(bad, buf, i);
        memcpy(bad + i, buf + i + 1, len - i - 1);
        CHECK(!accepts(bad, len - 1));
        /* a byte twice */
        memcpy(bad, buf, i + 1);
        memcpy(bad + i + 1, buf + i, len - i);
        CHECK(!accepts(bad, len + 1));
    }
    for (i = 0; i + 64 <= len; i += 64) {
        /* pieces lost, twice, exchanged */
        memcpy(bad, buf, i);
        memcpy(bad + i, buf + i + 64, len - i - 64);
        CHECK(!accepts(bad, len - 64));
        memcpy(bad, buf, i + 64);
        memcpy(bad + i + 64, buf + i, len - i);
        CHECK(!accepts(bad, len + 64));
        if (i + 128 <= len) {
            memcpy(bad, buf, len);
            memcpy(bad + i, buf + i + 64, 64);
            memcpy(bad + i + 64, buf + i, 64);
            CHECK(!accepts(bad, len));
        }
    }
    /* twice all of it */
    memcpy(bad, buf, len);
    memcpy(bad + len, buf, len);
    CHECK(!accepts(bad, 2 * len));
    free(bad);
    free(buf);
    discard(s);
}

/* Whole frames in the wrong order */
static void test_stream_reorder(void)
{
    VFIOSim *s = device("stop-bytes=4M");
    size_t len;
    uint8_t *buf = whole_stream(s, &len);
    uint8_t *bad = malloc(len);

    memcpy(bad, buf, len);
    memcpy(bad + MIB, buf + 2 * MIB, MIB);
    memcpy(bad + 2 * MIB, buf + MIB, MIB);
    CHECK(!accepts(bad, len));
    memcpy(bad, buf, MIB);
    memcpy(bad + MIB, buf + 2 * MIB, len - 2 * MIB);
    CHECK(!accepts(bad, len - MIB));
    memcpy(bad, buf, len);
    memcpy(bad + MIB, buf, MIB);
    CHECK(!accepts(bad, len));
    CHECK(accepts(buf, len));
    free(bad);
    free(buf);
    discard(s);
}

static void test_stream_again(void)
{
    VFIOSim *s = device("stop-bytes=4K");
    VFIOSim *d = device("");
    size_t len;
    uint8_t *buf = whole_stream(s, &len);

    /* a refused stream is forgotten by a reset */
    CHECK_EQ(vfio_sim_set_state(d, 0, VFIO_SIM_RESUMING), 0);
    CHECK_EQ(put(d, buf + 1, len - 1), -EINVAL);
    CHECK_EQ(put(d, buf, len), -EINVAL);
    CHECK_EQ(vfio_sim_set_state(d, 0, VFIO_SIM_STOP), -EINVAL);
    CHECK_EQ(d->stats.stream_errors, 1);
    vfio_sim_reset(d, 0);
    CHECK_EQ(vfio_sim_set_state(d, 0, VFIO_SIM_RESUMING), 0);
    CHECK_EQ(put(d, buf, len), len);
    CHECK_EQ(put(d, buf, 0), 0);
    CHECK_EQ(vfio_sim_set_state(d, 0, VFIO_SIM_RUNNING), 0);
    CHECK_EQ(d->stats.stream_verified, 1);
    free(buf);
    discard(s);
    discard(d);
}

/* -------------------------------------------------- re-initialisation -- */

#define REINIT VFIO_SIM_INFO_REINIT
/* What a caller leaves in the flags, to see that they are left alone */
#define FLAGS_BEFORE 0x5a5a0000u

static void check_query(VFIOSim *s, uint64_t now, uint64_t initial,
                        uint64_t dirty, uint32_t flags)
{
    uint32_t f = FLAGS_BEFORE;
    uint64_t i, d;

    CHECK_EQ(vfio_sim_precopy_info(s, s->session, now, &i, &d, &f), 0);
    CHECK_EQ(i, initial);
    CHECK_EQ(d, dirty);
    CHECK_EQ(f, flags);
    CHECK_EQ(s->stats.reported_initial, initial);
    CHECK_EQ(s->stats.reported_dirty, dirty);
}

/* A device in PRE_COPY that was opted in, and whose initial data was read */
static VFIOSim *device_v2(const char *keys)
{
    static uint8_t buf[4 * MIB];
    VFIOSim *s = device(keys);

    vfio_sim_set_v2(s, true);
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_PRE_COPY), 0);
    CHECK_EQ(drain(s, 0, buf, sizeof(buf), MIB), s->cfg.initial_bytes);
    return s;
}

static void test_v2(void)
{
    VFIOSim *s = device("");

    CHECK(vfio_sim_has_v2(s));
    CHECK(!s->v2);
    live(s, 0, "precopy-v2=off");
    CHECK(!vfio_sim_has_v2(s));
    live(s, 0, "precopy-v2=on");
    CHECK(vfio_sim_has_v2(s));
    live(s, 0, "precopy=off");
    CHECK(!vfio_sim_has_v2(s));
    discard(s);

    /* the opt-in outlives sessions and resets; without news no flag */
    s = device("initial-bytes=1M");
    vfio_sim_set_v2(s, true);
    vfio_sim_reset(s, 0);
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_PRE_COPY), 0);
    check_query(s, 0, MIB, 0, 0);
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_RUNNING), 0);
    vfio_sim_set_v2(s, false);
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_PRE_COPY), 0);
    check_query(s, 0, MIB, 0, FLAGS_BEFORE);
    CHECK_EQ(s->stats.reinit_flags, 0);
    CHECK_EQ(s->stats.reinits, 0);
    discard(s);
}

static void test_reinit_now(void)
{
    VFIOSim *s = device_v2("initial-bytes=1M reinit-bytes=2M "
                           "dirty-rate=1M stop-bytes=4M");
    static uint8_t buf[8 * MIB];
    size_t n;

    check_query(s, S, 0, MIB, 0);
    CHECK_EQ(live(s, S, "reinit-at=now"), 0);
    CHECK_EQ(s->stats.reinits, 1);
    check_sizes(s, S, 2 * MIB, 0, 4 * MIB);
    /* dirty data is relative to the new initial data */
    check_query(s, 2 * S, 2 * MIB, MIB, REINIT);
    /* what is left of it is added to, and another key does not repeat it */
    CHECK_EQ(get(s, 2 * S, buf, 100), 100);
    check_query(s, 2 * S, 2 * MIB - 100, MIB, REINIT);
    live(s, 2 * S, "reinit-count=0");
    live(s, 2 * S, "stop-bytes=3M");
    CHECK_EQ(s->stats.reinits, 1);
    live(s, 2 * S, "reinit-at=now");
    check_query(s, 2 * S, 4 * MIB - 100, 0, REINIT);
    /* one byte is enough for the flag to stay */
    live(s, 2 * S, "dirty-rate=0");
    for (n = 0; n < 4 * MIB - 101; ) {
        n += get(s, 2 * S, buf, min_size(MIB, 4 * MIB - 101 - n));
    }
    check_query(s, 2 * S, 1, 0, REINIT);
    CHECK_EQ(get(s, 2 * S, buf, 10), 1);
    check_query(s, 2 * S, 0, 0, 0);
    CHECK_EQ(s->stats.read_bytes_initial, 5 * MIB);
    CHECK_EQ(vfio_sim_set_state(s, 2 * S, VFIO_SIM_STOP_COPY), 0);
    CHECK_EQ(s->stats.initial_unread_at_stop, 0);
    CHECK_EQ(s->stats.reinits, 2);

    /* set outside of PRE_COPY it is there as soon as that is entered, once */
    live(s, 2 * S, "reinit-at=now");
    CHECK_EQ(s->stats.reinits, 2);
    CHECK_EQ(vfio_sim_set_state(s, 2 * S, VFIO_SIM_RUNNING), 0);
    CHECK_EQ(vfio_sim_set_state(s, 2 * S, VFIO_SIM_PRE_COPY), 0);
    check_query(s, 2 * S, 3 * MIB, 0, REINIT);
    CHECK_EQ(vfio_sim_set_state(s, 2 * S, VFIO_SIM_STOP_COPY), 0);
    CHECK_EQ(s->stats.initial_unread_at_stop, 3 * MIB);
    CHECK_EQ(vfio_sim_set_state(s, 2 * S, VFIO_SIM_RUNNING), 0);
    CHECK_EQ(vfio_sim_set_state(s, 2 * S, VFIO_SIM_PRE_COPY), 0);
    /* nor does the flag outlive its session */
    check_query(s, 2 * S, MIB, 0, 0);
    CHECK_EQ(s->stats.reinits, 3);
    discard(s);
}

static void test_reinit_flag(void)
{
    VFIOSim *s = device_v2("initial-bytes=1M reinit-bytes=1M "
                           "reinit-flag=once");
    static uint8_t buf[MIB];

    live(s, 0, "reinit-at=now");
    /* a query that fails has told nobody */
    live(s, 0, "report-dirty=error");
    CHECK_EQ(query(s, 0, &(uint64_t){ 0 }, &(uint64_t){ 0 }), -EIO);
    live(s, 0, "report-dirty=truth");
    check_query(s, 0, MIB, 0, REINIT);
    check_query(s, 0, MIB, 0, 0);
    /* the first query has it, also if the data has gone */
    live(s, 0, "reinit-at=now");
    CHECK_EQ(drain(s, 0, buf, MIB, MIB), MIB);
    CHECK_EQ(drain(s, 0, buf, MIB, MIB), MIB);
    check_query(s, 0, 0, 0, REINIT);
    check_query(s, 0, 0, 0, 0);
    /* unlike the other way */
    live(s, 0, "reinit-flag=until-read");
    live(s, 0, "reinit-at=now");
    CHECK_EQ(drain(s, 0, buf, MIB, MIB), MIB);
    live(s, 0, "initial-bytes=1M");
    check_query(s, 0, MIB, 0, 0);
    live(s, 0, "initial-bytes=0");
    check_query(s, 0, 0, 0, 0);
    /* a re-initialisation may have nothing to give */
    live(s, 0, "reinit-bytes=0");
    live(s, 0, "reinit-at=now");
    check_query(s, 0, 0, 0, 0);
    live(s, 0, "reinit-flag=once");
    live(s, 0, "reinit-at=now");
    check_query(s, 0, 0, 0, REINIT);
    CHECK_EQ(s->stats.reinits, 5);
    CHECK_EQ(s->stats.reinit_flags, 3);
    discard(s);
}

/* Without the opt-in the same data is called dirty. */
static void test_reinit_v1(void)
{
    VFIOSim *s = device("initial-bytes=1M reinit-bytes=2M dirty-bytes=512K "
                        "stop-bytes=4M");
    static uint8_t buf[16 * MIB];
    size_t n;

    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_PRE_COPY), 0);
    n = get(s, 0, buf, 256 * KIB);
    CHECK_EQ(n, 256 * KIB);
    check_query(s, 0, 768 * KIB, 512 * KIB, FLAGS_BEFORE);
    live(s, 0, "reinit-at=now");
    check_query(s, 0, 768 * KIB, 2 * MIB, FLAGS_BEFORE);
    live(s, 0, "reinit-at=now");
    check_query(s, 0, 768 * KIB, 4 * MIB, FLAGS_BEFORE);
    n += get(s, 0, buf + n, 769 * KIB);
    n += get(s, 0, buf + n, 1025 * KIB - n);
    CHECK_EQ(n, 1025 * KIB);
    check_query(s, 0, 0, 4 * MIB - KIB, FLAGS_BEFORE);
    CHECK_EQ(s->stats.reinit_flags, 0);
    CHECK_EQ(s->stats.reinits, 2);
    /* the truth is what it is */
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_STOP_COPY), 0);
    CHECK_EQ(s->stats.initial_unread_at_stop, 4 * MIB - KIB);
    check_sizes(s, 0, 4 * MIB - KIB, 0, 4 * MIB);
    n += drain(s, 0, buf + n, sizeof(buf) - n, MIB);
    CHECK_EQ(n, 9 * MIB);
    CHECK_EQ(s->stats.read_bytes_initial, 5 * MIB);
    CHECK(accepts(buf, n));

    /* what was set by hand is initial data of the old kind */
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_RUNNING), 0);
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_PRE_COPY), 0);
    live(s, 0, "reinit-at=now");
    check_query(s, 0, MIB, 2 * MIB, FLAGS_BEFORE);
    live(s, 0, "initial-bytes=5M");
    check_query(s, 0, 5 * MIB, 0, FLAGS_BEFORE);
    discard(s);
}

/* A dirty frame that was begun is read to its end, as initial data. */
static void test_reinit_in_frame(void)
{
    VFIOSim *s = device("reinit-bytes=1M dirty-bytes=3M stop-bytes=1M");
    static uint8_t buf[8 * MIB];
    size_t n;

    vfio_sim_set_v2(s, true);
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_PRE_COPY), 0);
    n = get(s, 0, buf, 100);
    CHECK_EQ(n, 100);
    live(s, 0, "reinit-at=now");
    check_query(s, 0, 2 * MIB - 100, 0, REINIT);
    check_sizes(s, 0, 2 * MIB - 100, 0, MIB);
    live(s, 0, "dirty-bytes=64K");
    check_query(s, 0, 2 * MIB - 100, 64 * KIB, REINIT);
    n += drain(s, 0, buf + n, sizeof(buf) - n, 12345);
    CHECK_EQ(n, 2 * MIB + 64 * KIB);
    CHECK_EQ(s->stats.read_bytes_initial, MIB);
    check_query(s, 0, 0, 0, 0);
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_STOP_COPY), 0);
    n += drain(s, 0, buf + n, sizeof(buf) - n, 12345);
    CHECK_EQ(n, 3 * MIB + 64 * KIB);
    CHECK(accepts(buf, n));
    discard(s);

    /* without the opt-in it stays dirty data, of course */
    s = device("reinit-bytes=1M dirty-bytes=3M");
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_PRE_COPY), 0);
    CHECK_EQ(get(s, 0, buf, 100), 100);
    live(s, 0, "reinit-at=now");
    check_query(s, 0, 0, 2 * MIB - 100, FLAGS_BEFORE);
    discard(s);
}

static void test_reinit_every(void)
{
    VFIOSim *s = device("initial-bytes=1M reinit-bytes=1M reinit-every=100 "
                        "reinit-count=4 dirty-rate=1M stop-bytes=4K");
    uint64_t i, d, t;

    vfio_sim_set_v2(s, true);
    /* not before PRE_COPY, and the period begins with it */
    CHECK_EQ(vfio_sim_data_size(s, 5 * S, &i), 0);
    CHECK_EQ(vfio_sim_set_state(s, 5 * S, VFIO_SIM_PRE_COPY), 0);
    t = 5 * S;
    CHECK_EQ(query(s, t + 99 * MS, &i, &d), 0);
    CHECK_EQ(i, MIB);
    CHECK(d > 0);
    CHECK_EQ(s->stats.reinits, 0);
    check_query(s, t + 100 * MS, 2 * MIB, 0, REINIT);
    CHECK_EQ(s->stats.reinits, 1);
    /* of the dirty data of before not even a part of a piece is left */
    check_query(s, t + 102 * MS, 2 * MIB, 0, REINIT);
    /* late ones are one, and the beat is kept */
    check_query(s, t + 450 * MS, 3 * MIB, 0, REINIT);
    CHECK_EQ(s->stats.reinits, 2);
    CHECK_EQ(query(s, t + 499 * MS, &i, &d), 0);
    CHECK_EQ(s->stats.reinits, 2);
    CHECK_EQ(query(s, t + 500 * MS, &i, &d), 0);
    CHECK_EQ(s->stats.reinits, 3);
    /* what is due on the way to PRE_COPY_P2P shows there; none begins there */
    CHECK_EQ(vfio_sim_set_state(s, t + 610 * MS, VFIO_SIM_PRE_COPY_P2P), 0);
    CHECK_EQ(s->stats.reinits, 4);
    live(s, t + 610 * MS, "reinit-count=2");
    CHECK_EQ(query(s, t + 900 * MS, &i, &d), 0);
    CHECK_EQ(s->stats.reinits, 4);
    CHECK_EQ(vfio_sim_set_state(s, t + 900 * MS, VFIO_SIM_PRE_COPY), 0);
    CHECK_EQ(query(s, t + 900 * MS, &i, &d), 0);
    CHECK_EQ(s->stats.reinits, 5);
    CHECK_EQ(query(s, t + 1000 * MS, &i, &d), 0);
    CHECK_EQ(s->stats.reinits, 6);
    CHECK_EQ(query(s, t + 9000 * MS, &i, &d), 0);
    CHECK_EQ(s->stats.reinits, 6);
    CHECK_EQ(i, 7 * MIB);
    /* setting the period begins it */
    live(s, t + 9950 * MS, "reinit-every=200");
    CHECK_EQ(query(s, t + 10149 * MS, &i, &d), 0);
    CHECK_EQ(s->stats.reinits, 6);
    CHECK_EQ(query(s, t + 10150 * MS, &i, &d), 0);
    CHECK_EQ(s->stats.reinits, 7);
    /* not on the way out */
    CHECK_EQ(vfio_sim_set_state(s, t + 11 * S, VFIO_SIM_RUNNING), 0);
    CHECK_EQ(s->stats.reinits, 7);
    CHECK_EQ(vfio_sim_data_size(s, t + 20 * S, &i), 0);
    CHECK_EQ(i, MIB + 4 * KIB);
    CHECK_EQ(s->stats.reinits, 7);
    discard(s);

    s = device("p2p=off reinit-every=100 initial-bytes=4K");
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_PRE_COPY), 0);
    CHECK_EQ(vfio_sim_set_state(s, S, VFIO_SIM_STOP_COPY), 0);
    CHECK_EQ(s->stats.reinits, 0);
    CHECK_EQ(s->stats.initial_unread_at_stop, 4 * KIB);
    discard(s);
}

/* Between the decision and the stop, and back */
static void test_reinit_p2p(void)
{
    VFIOSim *s = device_v2("initial-bytes=1M reinit-bytes=64K "
                           "reinit-at=pre-copy-p2p reinit-count=2 "
                           "dirty-bytes=0 dirty-rate=1M stop-bytes=1M");
    static uint8_t buf[4 * MIB];
    uint64_t i, d;

    CHECK_EQ(s->stats.reinits, 0);
    CHECK_EQ(vfio_sim_set_state(s, S, VFIO_SIM_PRE_COPY_P2P), 0);
    check_query(s, S, 64 * KIB, 0, REINIT);
    check_query(s, S, 64 * KIB, 0, REINIT);
    CHECK_EQ(vfio_sim_set_state(s, S, VFIO_SIM_PRE_COPY), 0);
    check_query(s, S, 64 * KIB, 0, REINIT);
    CHECK_EQ(drain(s, S, buf, sizeof(buf), MIB), 64 * KIB);
    check_query(s, S, 0, 0, 0);
    CHECK_EQ(vfio_sim_set_state(s, S, VFIO_SIM_PRE_COPY_P2P), 0);
    check_query(s, S, 64 * KIB, 0, REINIT);
    CHECK_EQ(vfio_sim_set_state(s, S, VFIO_SIM_PRE_COPY), 0);
    CHECK_EQ(drain(s, S, buf, sizeof(buf), MIB), 64 * KIB);
    /* the third time it passes */
    CHECK_EQ(vfio_sim_set_state(s, S, VFIO_SIM_PRE_COPY_P2P), 0);
    check_query(s, S, 0, 0, 0);
    CHECK_EQ(vfio_sim_set_state(s, S, VFIO_SIM_STOP_COPY), 0);
    CHECK_EQ(s->stats.initial_unread_at_stop, 0);
    CHECK_EQ(s->stats.reinits, 2);

    /* on the way through it, and not where there is no PRE_COPY before it */
    live(s, S, "reinit-count=0");
    CHECK_EQ(vfio_sim_set_state(s, S, VFIO_SIM_RUNNING_P2P), 0);
    CHECK_EQ(vfio_sim_set_state(s, S, VFIO_SIM_PRE_COPY_P2P), 0);
    CHECK_EQ(s->stats.reinits, 2);
    CHECK_EQ(vfio_sim_set_state(s, S, VFIO_SIM_PRE_COPY), 0);
    CHECK_EQ(vfio_sim_set_state(s, S, VFIO_SIM_STOP_COPY), 0);
    CHECK_EQ(s->stats.reinits, 3);
    CHECK_EQ(s->stats.initial_unread_at_stop, MIB + 64 * KIB);
    discard(s);

    /* each entry of PRE_COPY */
    s = device("initial-bytes=1M reinit-bytes=64K reinit-at=pre-copy");
    vfio_sim_set_v2(s, true);
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_PRE_COPY), 0);
    check_query(s, 0, MIB + 64 * KIB, 0, REINIT);
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_PRE_COPY_P2P), 0);
    check_query(s, 0, MIB + 64 * KIB, 0, REINIT);
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_PRE_COPY), 0);
    check_query(s, 0, MIB + 128 * KIB, 0, REINIT);
    discard(s);

    /* the last look */
    s = device_v2("initial-bytes=1M reinit-bytes=64K reinit-at=before-query "
                  "reinit-count=1");
    check_query(s, 0, 0, 0, 0);
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_PRE_COPY_P2P), 0);
    CHECK_EQ(vfio_sim_data_size(s, 0, &i), 0);
    CHECK_EQ(s->stats.reinits, 0);
    check_query(s, 0, 64 * KIB, 0, REINIT);
    check_query(s, 0, 64 * KIB, 0, REINIT);
    live(s, 0, "reinit-count=0");
    check_query(s, 0, 128 * KIB, 0, REINIT);
    check_query(s, 0, 192 * KIB, 0, REINIT);
    CHECK_EQ(s->stats.reinits, 3);
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_STOP_COPY), 0);
    CHECK_EQ(query(s, 0, &i, &d), -EINVAL);
    CHECK_EQ(s->stats.reinits, 3);
    discard(s);

    /* behind the decision, by a driver that knows of it only in PRE_COPY */
    s = device_v2("initial-bytes=1M reinit-bytes=64K reinit-at=after-query "
                  "reinit-skip=1 reinit-count=2 reinit-flag-p2p=off "
                  "reinit-flag=once");
    check_query(s, 0, 0, 0, 0);
    CHECK_EQ(s->stats.reinits, 0);
    check_query(s, 0, 0, 0, 0);
    CHECK_EQ(s->stats.reinits, 1);
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_PRE_COPY_P2P), 0);
    check_query(s, 0, 64 * KIB, 0, 0);
    check_query(s, 0, 64 * KIB, 0, 0);
    CHECK_EQ(s->stats.reinits, 1);
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_PRE_COPY), 0);
    check_query(s, 0, 64 * KIB, 0, REINIT);
    CHECK_EQ(s->stats.reinits, 2);
    check_query(s, 0, 128 * KIB, 0, REINIT);
    check_query(s, 0, 128 * KIB, 0, 0);
    CHECK_EQ(s->stats.reinits, 2);
    CHECK_EQ(s->stats.reinit_flags, 2);
    discard(s);
}

static void test_reinit_drained(void)
{
    VFIOSim *s = device("initial-bytes=1M reinit-bytes=64K dirty-bytes=1M "
                        "reinit-at=when-empty reinit-count=2 stop-bytes=1M");
    static uint8_t buf[4 * MIB];

    vfio_sim_set_v2(s, true);
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_PRE_COPY), 0);
    CHECK_EQ(get(s, 0, buf, MIB - 1), MIB - 1);
    check_query(s, 0, 1, MIB, 0);
    CHECK_EQ(get(s, 0, buf, 1), 1);
    /* it was never seen to be drained */
    check_query(s, 0, 64 * KIB, 0, REINIT);
    CHECK_EQ(get(s, 0, buf, 64 * KIB), 64 * KIB);
    check_query(s, 0, 64 * KIB, 0, REINIT);
    CHECK_EQ(get(s, 0, buf, MIB), 64 * KIB);
    check_query(s, 0, 0, 0, 0);
    CHECK_EQ(s->stats.reinits, 2);
    /* set when it is drained already */
    live(s, 0, "reinit-count=1");
    CHECK_EQ(s->stats.reinits, 3);
    check_query(s, 0, 64 * KIB, 0, REINIT);
    /* not in STOP_COPY */
    live(s, 0, "reinit-count=0");
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_STOP_COPY), 0);
    CHECK_EQ(s->stats.initial_unread_at_stop, 64 * KIB);
    CHECK_EQ(drain(s, 0, buf, sizeof(buf), MIB), MIB + 64 * KIB);
    CHECK_EQ(s->stats.reinits, 3);
    live(s, 0, "reinit-at=now");
    CHECK_EQ(get(s, 0, buf, MIB), 0);
    CHECK_EQ(s->stats.reinits, 3);
    discard(s);

    /* with no end, and as large as can be */
    s = device("initial-bytes=64 reinit-bytes=1048576T reinit-at=pre-copy "
               "reinit-flag=once");
    vfio_sim_set_v2(s, true);
    for (int n = 0; n < 20; n++) {
        uint64_t all;

        CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_PRE_COPY), 0);
        CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_PRE_COPY_P2P), 0);
        CHECK_EQ(vfio_sim_data_size(s, 0, &all), 0);
        CHECK(all >= 1ull << 60 && all < 1ull << 63);
    }
    CHECK_EQ(s->stats.reinits, 20);
    discard(s);
}

/* A device that has just stopped may never have been in PRE_COPY. */
static void test_unread_at_stop(void)
{
    VFIOSim *s = device("initial-bytes=1M reinit-at=pre-copy");

    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_STOP), 0);
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_STOP_COPY), 0);
    CHECK_EQ(s->stats.initial_unread_at_stop, MIB);
    CHECK_EQ(s->stats.reinits, 0);
    discard(s);
}

/* Loading initial data takes its own time; returns the ns for a stream. */
static uint64_t load_time(const char *keys, const uint8_t *buf, size_t len,
                          uint64_t *initial)
{
    VFIOSim *d = device(keys);
    uint64_t now = 0, start;
    uint64_t wait;
    size_t pos = 0;
    int64_t n;

    CHECK_EQ(vfio_sim_set_state(d, 0, VFIO_SIM_RESUMING), 0);
    start = now;
    while (pos < len) {
        /* in odd pieces, over the ends of headers and frames */
        n = vfio_sim_write(d, d->session, now, buf + pos,
                           min_size(len - pos, pos ? 777777 : 30), &wait);
        CHECK(n > 0);
        if (n <= 0) {
            break;
        }
        CHECK(wait <= 25 * MS);
        pos += n;
        now += wait;
    }
    CHECK_EQ(d->stats.write_bytes, len);
    *initial = d->stats.write_bytes_initial;
    CHECK_EQ(vfio_sim_set_state(d, now, VFIO_SIM_RUNNING), 0);
    CHECK_EQ(d->stats.stream_verified, 1);
    discard(d);
    return now - start;
}

static void test_write_rate_initial(void)
{
    VFIOSim *s = device("initial-bytes=2M reinit-bytes=2M reinit-at=now "
                        "dirty-bytes=1M stop-bytes=4M");
    size_t len = 0;
    static uint8_t buf[16 * MIB];
    uint64_t initial, t;

    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_PRE_COPY), 0);
    live(s, 0, "dirty-bytes=3M");
    len = drain(s, 0, buf, sizeof(buf), MIB);
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_STOP_COPY), 0);
    len += drain(s, 0, buf + len, sizeof(buf) - len, MIB);
    CHECK_EQ(len, 11 * MIB);
    CHECK_EQ(s->stats.read_bytes_initial, 4 * MIB);

    t = load_time("", buf, len, &initial);
    CHECK_EQ(t, 0);
    CHECK_EQ(initial, 4 * MIB);
    t = load_time("write-rate-initial=16M", buf, len, &initial);
    CHECK(t >= 249 * MS && t <= 251 * MS);
    CHECK_EQ(initial, 4 * MIB);
    t = load_time("write-rate=11M", buf, len, &initial);
    CHECK(t >= 999 * MS && t <= 1001 * MS);
    t = load_time("write-rate=11M write-rate-initial=16M", buf, len,
                  &initial);
    CHECK(t >= 1249 * MS && t <= 1251 * MS);
    CHECK_EQ(initial, 4 * MIB);
    discard(s);
}

/* ------------------------------------------------------------- faults -- */

static void test_say(void)
{
    static const struct {
        const char *say;
        int ret;
        uint64_t value;
    } says[] = {
        { "zero", 0, 0 },
        { "max", 0, UINT64_MAX },
        { "12345", 0, 12345 },
        { "3G", 0, 3072 * MIB },
        { "error", -EIO, 0 },
    };
    VFIOSim *s = device("initial-bytes=1M dirty-bytes=2M stop-bytes=4M");
    uint64_t i, d, st;
    char key[64];
    size_t n;

    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_PRE_COPY), 0);
    for (n = 0; n < sizeof(says) / sizeof(says[0]); n++) {
        snprintf(key, sizeof(key), "report-initial=%s", says[n].say);
        live(s, 0, key);
        CHECK_EQ(query(s, 0, &i, &d), says[n].ret);
        CHECK_EQ(says[n].ret ? 0 : i, says[n].value);
        CHECK_EQ(says[n].ret ? 2 * MIB : d, 2 * MIB);
        live(s, 0, "report-initial=truth");

        snprintf(key, sizeof(key), "report-dirty=%s", says[n].say);
        live(s, 0, key);
        CHECK_EQ(query(s, 0, &i, &d), says[n].ret);
        CHECK_EQ(says[n].ret ? 0 : d, says[n].value);
        live(s, 0, "report-dirty=truth");

        snprintf(key, sizeof(key), "report-stop=%s", says[n].say);
        live(s, 0, key);
        CHECK_EQ(vfio_sim_data_size(s, 0, &st), says[n].ret);
        CHECK_EQ(says[n].ret ? 0 : st, says[n].value);
        live(s, 0, "report-stop=truth");

        /* the truth is not touched by what is said */
        vfio_sim_sizes(s, 0, &i, &d, &st);
        CHECK_EQ(i, MIB);
        CHECK_EQ(d, 2 * MIB);
        CHECK_EQ(st, 4 * MIB);
    }
    live(s, 0, "report-stop=random");
    CHECK_EQ(vfio_sim_data_size(s, 0, &i), 0);
    CHECK_EQ(vfio_sim_data_size(s, 0, &d), 0);
    CHECK(i != d);
    CHECK_EQ(s->stats.reported_stop, d);
    discard(s);
}

static void test_say_moving(void)
{
    VFIOSim *s = device("initial-bytes=1M dirty-bytes=80M stop-bytes=4M "
                        "report-initial=growing report-dirty=shrinking");
    uint64_t i, d, st, last_i, last_d, last;
    int n;

    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_PRE_COPY), 0);
    CHECK_EQ(query(s, 0, &last_i, &last_d), 0);
    CHECK_EQ(last_i, MIB);
    CHECK_EQ(last_d, 80 * MIB);
    for (n = 0; n < 100; n++) {
        CHECK_EQ(query(s, 0, &i, &d), 0);
        CHECK_EQ(i - last_i, MIB / 8);
        CHECK_EQ(d, last_d / 2);
        CHECK_EQ(s->stats.reported_initial, i);
        CHECK_EQ(s->stats.reported_dirty, d);
        last_i = i;
        last_d = d;
    }
    CHECK_EQ(d, 0);

    /* on command, from the truth on; another key does not disturb it */
    live(s, 0, "report-stop=growing");
    CHECK_EQ(vfio_sim_data_size(s, 0, &last), 0);
    CHECK_EQ(last, 85 * MIB);
    live(s, 0, "stop-bytes=1M");
    live(s, 0, "dirty-bytes=0");
    live(s, 0, "initial-bytes=0");
    for (n = 0; n < 100; n++) {
        CHECK_EQ(vfio_sim_data_size(s, 0, &st), 0);
        CHECK_EQ(st - last, MIB / 8);
        last = st;
    }
    live(s, 0, "stop-bytes=0");
    CHECK_EQ(vfio_sim_data_size(s, 0, &st), 0);
    CHECK_EQ(st - last, 64 * KIB);
    live(s, 0, "stop-bytes=1M");
    live(s, 0, "report-stop=growing");
    CHECK_EQ(vfio_sim_data_size(s, 0, &st), 0);
    CHECK_EQ(st, MIB);
    live(s, 0, "report-stop=shrinking");
    CHECK_EQ(vfio_sim_data_size(s, 0, &st), 0);
    CHECK_EQ(st, MIB);
    CHECK_EQ(vfio_sim_data_size(s, 0, &st), 0);
    CHECK_EQ(st, MIB / 2);
    live(s, 0, "report-stop=truth");
    CHECK_EQ(vfio_sim_data_size(s, 0, &st), 0);
    CHECK_EQ(st, MIB);
    discard(s);

    /* the largest number is the end of growing */
    s = device("dirty-rate=8388608T report-dirty=growing");
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_PRE_COPY), 0);
    for (n = 0; n < 3; n++) {
        CHECK_EQ(query(s, 10 * S, &i, &d), 0);
    }
    CHECK(d == UINT64_MAX);
    /* and a sum does not wrap */
    CHECK_EQ(vfio_sim_data_size(s, 10 * S, &st), 0);
    CHECK(st == UINT64_MAX);
    discard(s);
}

static void test_fail_state(void)
{
    VFIOSim *s = device("fail-state=stop fail-count=2");
    uint32_t session;

    /* the way stops where it fails */
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_STOP_COPY), -EIO);
    CHECK_EQ(s->state, VFIO_SIM_RUNNING_P2P);
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_STOP), -EIO);
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_STOP), 0);
    CHECK_EQ(s->stats.faults, 2);
    /* setting it again arms it again */
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_RUNNING), 0);
    live(s, 0, "fail-count=1");
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_STOP), -EIO);
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_STOP), 0);
    /* always */
    live(s, 0, "fail-count=0");
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_PRE_COPY), 0);
    live(s, 0, "fail-state=stop-copy");
    session = s->session;
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_STOP_COPY), -EIO);
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_STOP_COPY), -EIO);
    CHECK_EQ(s->state, VFIO_SIM_PRE_COPY_P2P);
    /* the session is as it was */
    CHECK_EQ(s->session, session);
    live(s, 0, "fail-into=error");
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_STOP_COPY), -EIO);
    CHECK_EQ(s->state, VFIO_SIM_ERROR);
    CHECK_EQ(s->session, 0);
    live(s, 0, "fail-state=none");
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_STOP), -EINVAL);
    vfio_sim_reset(s, 0);
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_STOP), 0);
    discard(s);
}

static void test_fail_data(void)
{
    VFIOSim *s = device("stop-bytes=1M fail-read-after=100000");
    VFIOSim *d = device("fail-write-after=5000");
    static uint8_t buf[MIB];
    size_t n = 0;
    int64_t r;

    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_STOP_COPY), 0);
    while ((r = get(s, 0, buf + n, 4096)) > 0) {
        n += r;
    }
    CHECK_EQ(r, -EIO);
    CHECK_EQ(n, 100000);
    CHECK_EQ(get(s, 0, buf, 1), -EIO);
    live(s, 0, "fail-read-after=none");
    CHECK_EQ(get(s, 0, buf + n, MIB), MIB - n);
    CHECK(accepts(buf, MIB));

    CHECK_EQ(vfio_sim_set_state(d, 0, VFIO_SIM_RESUMING), 0);
    CHECK_EQ(put(d, buf, MIB), 5000);
    CHECK_EQ(put(d, buf + 5000, 1), -EIO);
    live(d, 0, "fail-write-after=none");
    CHECK_EQ(put(d, buf + 5000, MIB - 5000), MIB - 5000);
    CHECK_EQ(vfio_sim_set_state(d, 0, VFIO_SIM_RUNNING), 0);
    discard(s);
    discard(d);
}

/* -------------------------------------------------------------- rates -- */

static void test_rate_math(void)
{
    CHECK_EQ(vfio_sim_rate_bytes(0, 5 * S), 0);
    CHECK_EQ(vfio_sim_rate_bytes(1000, 0), 0);
    CHECK_EQ(vfio_sim_rate_bytes(1000, 1500 * MS), 1500);
    CHECK_EQ(vfio_sim_rate_bytes(3, S - 1), 2);
    CHECK_EQ(vfio_sim_rate_bytes(40000 * MIB, 10 * S), 400000 * MIB);
    CHECK(vfio_sim_rate_bytes(UINT64_MAX, 2 * S) == UINT64_MAX);
    CHECK(vfio_sim_rate_bytes(UINT64_MAX, UINT64_MAX) == UINT64_MAX);
    CHECK(vfio_sim_rate_ns(0, 1) == UINT64_MAX);
    CHECK_EQ(vfio_sim_rate_ns(1000, 1), MS);
    CHECK_EQ(vfio_sim_rate_ns(1000, 2500), 2500 * MS);
    CHECK_EQ(vfio_sim_rate_ns(UINT64_MAX, 1000), 0);
    CHECK(vfio_sim_rate_ns(1, UINT64_MAX) == UINT64_MAX);
}

static void test_read_rate(void)
{
    VFIOSim *s = device("stop-bytes=64M read-rate=100M");
    static uint8_t buf[MIB];
    uint64_t now = 0;
    uint64_t bytes = 0;
    uint64_t wait;
    int64_t n;

    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_STOP_COPY), 0);
    do {
        n = vfio_sim_read(s, s->session, now, buf, sizeof(buf), &wait);
        CHECK(n >= 0);
        CHECK(wait <= 11 * MS);
        bytes += n;
        /* a caller that does not wait at once waits the longer later */
        if (wait > 5 * MS) {
            now += wait;
        }
    } while (n > 0);
    CHECK_EQ(bytes, 64 * MIB);
    CHECK(now > 620 * MS && now < 660 * MS);
    discard(s);
}

/* ---------------------------------------------------------------- DMA -- */

#define PAGES 64
static uint8_t guest[PAGES][VFIO_SIM_PAGE];
static uint64_t reported;

static const char window[] = "dma-base=1M dma-size=256K dma-rate=400K "
                             "stop-bytes=4K";

static void note(void *opaque, uint64_t iova)
{
    (void)opaque;
    CHECK(iova >= MIB && iova < MIB + PAGES * VFIO_SIM_PAGE);
    reported |= 1ull << ((iova - MIB) / VFIO_SIM_PAGE);
}

/* Let time pass, and the device write; returns which pages it wrote. */
static uint64_t dma_until(VFIOSim *s, uint64_t now, uint64_t *pages)
{
    uint64_t written = 0;
    uint64_t iova;

    *pages = 0;
    while (vfio_sim_dma_next(s, now, &iova)) {
        vfio_sim_dma_fill(s, iova, guest[(iova - MIB) / VFIO_SIM_PAGE]);
        vfio_sim_dma_done(s, iova, true);
        written |= 1ull << ((iova - MIB) / VFIO_SIM_PAGE);
        ++*pages;
    }
    return written;
}

static void test_dma_log(void)
{
    static const VFIOSimRange ranges[] = {
        { MIB, 16 * VFIO_SIM_PAGE },
        { MIB + 32 * VFIO_SIM_PAGE, 32 * VFIO_SIM_PAGE },
    };
    static const VFIOSimRange many[VFIO_SIM_RANGES + 1];
    const uint64_t covered = 0xffffffff0000ffffull;
    static const VFIOSimRange all = { 0, UINT64_MAX };
    VFIOSim *s = device(window);
    uint64_t written, pages, now;

    memset(guest, 0, sizeof(guest));
    CHECK_EQ(vfio_sim_log_report(s, 0, 0, UINT64_MAX, true, note, NULL),
             -EINVAL);
    CHECK_EQ(vfio_sim_log_stop(s, 0), -EINVAL);
    written = dma_until(s, 100 * MS, &pages);
    CHECK_EQ(pages, 10);

    CHECK_EQ(vfio_sim_log_start(s, 0, ranges, 0), -EINVAL);
    CHECK_EQ(vfio_sim_log_start(s, 0, many, VFIO_SIM_RANGES + 1), -E2BIG);
    CHECK_EQ(vfio_sim_log_start(s, 0, ranges, 2), 0);
    CHECK_EQ(vfio_sim_log_start(s, 0, ranges, 2), -EINVAL);
    CHECK_EQ(vfio_sim_log_start(s, 1, &all, 1), 0);
    for (now = 150 * MS; now < 2 * S; now += 50 * MS) {
        written = dma_until(s, now, &pages);
        CHECK(pages == 5 || pages == 4 || pages == 6);
        reported = 0;
        CHECK_EQ(vfio_sim_log_report(s, 0, 0, UINT64_MAX, true, note, NULL),
                 0);
        CHECK(reported == (written & covered));
        /* not cleared, then cleared, and nothing twice */
        reported = 0;
        CHECK_EQ(vfio_sim_log_report(s, 1, 0, UINT64_MAX, false, note, NULL),
                 0);
        CHECK(reported == written);
        reported = 0;
        /* page by page */
        for (int i = 0; i < PAGES; i++) {
            CHECK_EQ(vfio_sim_log_report(s, 1, MIB + i * VFIO_SIM_PAGE,
                                         VFIO_SIM_PAGE, true, note, NULL), 0);
        }
        CHECK(reported == written);
        reported = 0;
        vfio_sim_log_report(s, 1, 0, UINT64_MAX, true, note, NULL);
        CHECK(reported == 0);
    }
    /* the window cannot be moved under a log */
    CHECK_EQ(live(s, now, "dma-base=2M"), -EBUSY);
    CHECK_EQ(vfio_sim_log_stop(s, 0), 0);
    CHECK_EQ(vfio_sim_log_stop(s, 1), 0);
    CHECK_EQ(live(s, now, "dma-base=2M"), 0);
    discard(s);
}

static void test_dma_states(void)
{
    VFIOSim *s = device(window);
    uint64_t pages;

    dma_until(s, 50 * MS, &pages);
    CHECK_EQ(pages, 5);
    CHECK_EQ(vfio_sim_set_state(s, 50 * MS, VFIO_SIM_RUNNING_P2P), 0);
    dma_until(s, 100 * MS, &pages);
    CHECK_EQ(pages, 0);
    CHECK_EQ(vfio_sim_set_state(s, 100 * MS, VFIO_SIM_PRE_COPY), 0);
    dma_until(s, 150 * MS, &pages);
    CHECK_EQ(pages, 5);
    CHECK_EQ(vfio_sim_set_state(s, 150 * MS, VFIO_SIM_PRE_COPY_P2P), 0);
    dma_until(s, 200 * MS, &pages);
    CHECK_EQ(pages, 0);
    CHECK_EQ(vfio_sim_set_state(s, 200 * MS, VFIO_SIM_STOP_COPY), 0);
    dma_until(s, 250 * MS, &pages);
    CHECK_EQ(pages, 0);
    CHECK_EQ(live(s, 250 * MS, "dma-size=64K"), -EBUSY);
    discard(s);
}

/* What one device wrote is checked by the next, and by the one after. */
static void test_dma_verify(void)
{
    VFIOSim *s = device(window);
    uint64_t pages, i, iova, bad, some;
    int hop;

    memset(guest, 0, sizeof(guest));
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_RUNNING), 0);
    for (hop = 0; hop < 3; hop++) {
        VFIOSim *d = device(window);
        size_t len;
        uint8_t *buf;

        dma_until(s, 90 * MS, &pages);
        buf = whole_stream(s, &len);
        CHECK_EQ(len, 4096);
        CHECK_EQ(vfio_sim_set_state(d, 0, VFIO_SIM_RESUMING), 0);
        CHECK_EQ(put(d, buf, len), len);
        CHECK_EQ(vfio_sim_set_state(d, 0, VFIO_SIM_STOP), 0);
        CHECK(d->rx_verify);
        CHECK_EQ(d->rx_dma.pages, PAGES);
        some = 0;
        bad = 0;
        for (i = 0; i < PAGES; i++) {
            if (vfio_sim_dma_expected(&d->rx_dma, i, &iova)) {
                some++;
                bad += !vfio_sim_dma_check(&d->rx_dma, i, guest[i]);
                /* one bit is enough to be seen */
                guest[i][1234] ^= 1;
                CHECK(!vfio_sim_dma_check(&d->rx_dma, i, guest[i]));
                guest[i][1234] ^= 1;
            }
        }
        CHECK(some > 0 && some >= pages / 2);
        CHECK_EQ(bad, 0);
        vfio_sim_dma_verified(d);
        CHECK(!d->rx_verify);
        CHECK_EQ(vfio_sim_set_state(d, 0, VFIO_SIM_RUNNING), 0);
        free(buf);
        discard(s);
        s = d;
    }
    discard(s);
}

static void test_dma_lose(void)
{
    static const VFIOSimRange all = { 0, UINT64_MAX };
    VFIOSim *s = device(window);
    uint64_t written, pages;

    live(s, 0, "drop-log-every=5");
    vfio_sim_log_start(s, 0, &all, 1);
    written = dma_until(s, 50 * MS, &pages);
    CHECK_EQ(pages, 5);
    reported = 0;
    vfio_sim_log_report(s, 0, 0, UINT64_MAX, true, note, NULL);
    CHECK((reported & ~written) == 0);
    CHECK_EQ(s->stats.faults, 1);
    discard(s);
}

/* A window that needs more than one frame */
static void test_dma_large(void)
{
    VFIOSim *s = device("dma-base=0 dma-size=4G dma-rate=1G stop-bytes=0");
    VFIOSim *d = device("");
    size_t len, i;
    uint8_t *buf;

    some_dma(s, 0, 100);
    buf = whole_stream(s, &len);
    CHECK(len > 4 * MIB && len < 5 * MIB);
    CHECK_EQ(vfio_sim_set_state(d, 0, VFIO_SIM_RESUMING), 0);
    CHECK_EQ(put(d, buf, len), len);
    CHECK_EQ(vfio_sim_set_state(d, 0, VFIO_SIM_STOP), 0);
    CHECK_EQ(d->rx_dma.pages, 1 << 20);
    for (i = 0; i < d->rx_dma.pages; i++) {
        CHECK_EQ(d->rx_dma.count[i], s->dma.count[i]);
    }
    free(buf);
    discard(s);
    discard(d);
}

static void test_counters(void)
{
    VFIOSim *s = device("");
    unsigned int i;
    uint64_t v;

    for (i = 0; i < vfio_sim_counters(); i++) {
        const char *name = vfio_sim_counter(s, 0, i, &v);

        CHECK(name && *name);
        /* a counter must not hide behind a key */
        CHECK(!vfio_sim_key_find(name));
    }
    discard(s);
}

static uint64_t clock_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * S + ts.tv_nsec;
}

/* Not a test: only to be seen in the log */
static void speed(void)
{
    VFIOSim *s = device("stop-bytes=1G");
    VFIOSim *d = device("");
    static uint8_t buf[MIB];
    uint64_t t0, t1, t2, out = 0, in = 0;
    int64_t n;

    vfio_sim_set_state(s, 0, VFIO_SIM_STOP_COPY);
    vfio_sim_set_state(d, 0, VFIO_SIM_RESUMING);
    for (;;) {
        t0 = clock_ns();
        n = get(s, 0, buf, sizeof(buf));
        t1 = clock_ns();
        if (n <= 0) {
            break;
        }
        put(d, buf, n);
        t2 = clock_ns();
        out += t1 - t0;
        in += t2 - t1;
    }
    CHECK_EQ(vfio_sim_set_state(d, 0, VFIO_SIM_RUNNING), 0);
    printf("# making data: %llu MiB/s, checking it: %llu MiB/s\n",
           (unsigned long long)(1024 * S / out),
           (unsigned long long)(1024 * S / in));
    discard(s);
    discard(d);
}

int main(void)
{
    RUN(test_ways_full);
    RUN(test_ways_precopy);
    RUN(test_ways_p2p);
    RUN(test_ways_neither);
    RUN(test_enter);
    RUN(test_flags);
    RUN(test_error_and_reset);
    RUN(test_sizes);
    RUN(test_sizes_live);
    RUN(test_sizes_stopped);
    RUN(test_lull_and_end);
    RUN(test_two_sessions);
    RUN(test_stream_pieces);
    RUN(test_stream_damage);
    RUN(test_stream_reorder);
    RUN(test_stream_again);
    RUN(test_v2);
    RUN(test_reinit_now);
    RUN(test_reinit_flag);
    RUN(test_reinit_v1);
    RUN(test_reinit_in_frame);
    RUN(test_reinit_every);
    RUN(test_reinit_p2p);
    RUN(test_reinit_drained);
    RUN(test_unread_at_stop);
    RUN(test_write_rate_initial);
    RUN(test_say);
    RUN(test_say_moving);
    RUN(test_fail_state);
    RUN(test_fail_data);
    RUN(test_rate_math);
    RUN(test_read_rate);
    RUN(test_dma_log);
    RUN(test_dma_states);
    RUN(test_dma_verify);
    RUN(test_dma_lose);
    RUN(test_dma_large);
    RUN(test_counters);
    RUN(speed);
    return tap_done();
}
