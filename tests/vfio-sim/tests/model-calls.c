/*
 * Tests of the calls of a front-end: the order of what they do, and their
 * delays
 *
 * The front-end of these tests has a clock that only sleeping moves, memory
 * for every second page, and a list of what the model has called.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <stdarg.h>

#include "model-fixture.h"

#define PAGES   16

typedef struct FrontEnd {
    VFIOSim *sim;
    uint64_t now;
    char calls[1024];           /* each followed by a semicolon */
    /* What the hooks return */
    int wait_error, sleep_error, create_error;
    /* At each wait() these are set, unless NULL */
    const char *set_key, *set_value;
    bool reset_in_wait;
    int set_reset;              /* unless 0; and then what that returned */
    unsigned int waits;
    uint32_t session;           /* that session_begin() was called with */
    uint8_t memory[PAGES][VFIO_SIM_PAGE];
} FrontEnd;

__attribute__((format(printf, 2, 3)))
static void called(FrontEnd *f, const char *fmt, ...)
{
    size_t used = strlen(f->calls);
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(f->calls + used, sizeof(f->calls) - used, fmt, ap);
    va_end(ap);
    used = strlen(f->calls);
    snprintf(f->calls + used, sizeof(f->calls) - used, ";");
}

/* The calls since the last check */
#define CHECK_CALLS(f, expected) \
    do { \
        CHECK_STR((f)->calls, expected); \
        *(f)->calls = 0; \
    } while (0)

static uint64_t now(void *opaque)
{
    return ((FrontEnd *)opaque)->now;
}

static int wait(void *opaque, bool state_change)
{
    FrontEnd *f = opaque;
    char err[128];

    called(f, "wait%s", state_change ? " in a state change" : "");
    CHECK_EQ(counter(f->sim, "holding"), 1);
    if (++f->waits > 10) {
        tap_fail("it waits without end");
        return -ETIMEDOUT;
    }
    if (f->reset_in_wait) {
        vfio_sim_reset(f->sim, f->now);
    }
    if (f->set_key) {
        CHECK_EQ(vfio_sim_set(f->sim, f->now, f->set_key, f->set_value, err,
                              sizeof(err)), 0);
    }
    if (f->set_reset) {
        f->set_reset = vfio_sim_set(f->sim, f->now, "reset", "now", err,
                                    sizeof(err));
    }
    return f->wait_error;
}

static int sleep_ns(void *opaque, uint64_t ns, bool state_change)
{
    FrontEnd *f = opaque;

    called(f, "sleep %d ms%s", (int)(ns / MS),
           state_change ? " in a state change" : "");
    f->now += ns;
    return f->sleep_error;
}

static int session_create(void *opaque, bool loads)
{
    FrontEnd *f = opaque;

    called(f, "create, to %s", loads ? "load" : "save");
    return f->create_error;
}

static void session_begin(void *opaque, uint32_t session)
{
    FrontEnd *f = opaque;

    called(f, "%s", session ? "begin" : "begin none");
    f->session = session;
}

static void step(void *opaque, uint32_t from, uint32_t to, int ret)
{
    called(opaque, "%s to %s%s", vfio_sim_state_names[from],
           vfio_sim_state_names[to], ret ? " failed" : "");
}

static void *dma_map(void *opaque, uint64_t iova, bool write)
{
    FrontEnd *f = opaque;
    uint64_t page = (iova - MIB) / VFIO_SIM_PAGE;

    (void)write;
    CHECK(page < PAGES);
    return page % 2 ? NULL : f->memory[page];
}

static bool dma_unmap(void *opaque, uint64_t iova, void *page, bool write)
{
    (void)opaque;
    (void)iova;
    (void)page;
    (void)write;
    return true;
}

static void note(void *opaque, const char *text)
{
    called(opaque, "note %.12s", text);
}

static const VFIOSimHooks hooks = {
    .now = now,
    .wait = wait,
    .sleep = sleep_ns,
    .session_create = session_create,
    .session_begin = session_begin,
    .step = step,
    .dma_map = dma_map,
    .dma_unmap = dma_unmap,
    .note = note,
};

static FrontEnd *front_end_with(const char *keys, VFIOSimHooks with)
{
    FrontEnd *f = buffer(sizeof(*f));

    f->sim = device_with(keys, with, f);
    return f;
}

static FrontEnd *front_end(const char *keys)
{
    return front_end_with(keys, hooks);
}

static void test_state_change(void)
{
    FrontEnd *f = front_end("latency-running-p2p=20 latency-stop-copy=30 "
                            "latency-resuming=1");

    CHECK_EQ(vfio_sim_change_state(f->sim, VFIO_SIM_STOP_COPY), 0);
    CHECK_CALLS(f, "sleep 20 ms in a state change;running to running-p2p;"
                   "running-p2p to stop;sleep 30 ms in a state change;"
                   "create, to save;stop to stop-copy;begin;");
    CHECK_EQ(f->session, session_of(f->sim));
    /* The present state, and one that cannot be reached */
    CHECK_EQ(vfio_sim_change_state(f->sim, VFIO_SIM_STOP_COPY), 0);
    CHECK_EQ(vfio_sim_change_state(f->sim, VFIO_SIM_PRE_COPY), -EINVAL);
    CHECK_CALLS(f, "");
    CHECK_EQ(vfio_sim_change_state(f->sim, VFIO_SIM_RESUMING), 0);
    CHECK_CALLS(f, "stop-copy to stop;sleep 1 ms in a state change;"
                   "create, to load;stop to resuming;begin;");
    CHECK_EQ(counter(f->sim, "set-state-calls"), 4);
    CHECK_EQ(counter(f->sim, "state-changes"), 5);
}

static void test_failures(void)
{
    FrontEnd *f = front_end("latency-stop=5 fail-state=stop-copy "
                            "fail-count=1");

    /* A fault: there is no session. */
    CHECK_EQ(vfio_sim_change_state(f->sim, VFIO_SIM_STOP_COPY), -EIO);
    CHECK_CALLS(f, "running to running-p2p;sleep 5 ms in a state change;"
                   "running-p2p to stop;create, to save;"
                   "stop to stop-copy failed;begin none;");
    CHECK_EQ(state_of(f->sim), VFIO_SIM_STOP);
    /* The front-end has no descriptor. */
    f->create_error = -EMFILE;
    CHECK_EQ(vfio_sim_change_state(f->sim, VFIO_SIM_STOP_COPY), -EMFILE);
    CHECK_CALLS(f, "create, to save;");
    CHECK_EQ(state_of(f->sim), VFIO_SIM_STOP);
    CHECK_EQ(session_of(f->sim), 0);
    f->create_error = 0;
    /* A sleep is interrupted: the state is not entered. */
    CHECK_EQ(vfio_sim_change_state(f->sim, VFIO_SIM_RUNNING), 0);
    f->sleep_error = -EINTR;
    *f->calls = 0;
    CHECK_EQ(vfio_sim_change_state(f->sim, VFIO_SIM_STOP_COPY), -EINTR);
    CHECK_CALLS(f, "running to running-p2p;sleep 5 ms in a state change;");
    CHECK_EQ(state_of(f->sim), VFIO_SIM_RUNNING_P2P);
}

static void test_hold(void)
{
    FrontEnd *f = front_end("hold=stop latency-stop=5");

    f->set_key = "hold";
    f->set_value = "none";
    CHECK_EQ(vfio_sim_change_state(f->sim, VFIO_SIM_STOP), 0);
    CHECK_CALLS(f, "running to running-p2p;wait in a state change;"
                   "sleep 5 ms in a state change;running-p2p to stop;");
    CHECK_EQ(counter(f->sim, "holding"), 0);

    /* Not even a reset comes in between */
    set_key(f->sim, 0, "hold=running");
    f->set_reset = 1;
    CHECK_EQ(vfio_sim_change_state(f->sim, VFIO_SIM_RUNNING), 0);
    CHECK_EQ(f->set_reset, -EBUSY);
    CHECK_EQ(counter(f->sim, "resets"), 0);
    f->set_reset = 0;
    CHECK_EQ(vfio_sim_change_state(f->sim, VFIO_SIM_STOP), 0);

    /* Interrupted: the state is not entered. */
    set_key(f->sim, 0, "hold=running");
    f->set_key = NULL;
    f->wait_error = -EINTR;
    CHECK_EQ(vfio_sim_change_state(f->sim, VFIO_SIM_RUNNING), -EINTR);
    CHECK_EQ(state_of(f->sim), VFIO_SIM_RUNNING_P2P);
    CHECK_EQ(counter(f->sim, "holding"), 0);
}

static void test_hold_calls(void)
{
    FrontEnd *f = front_end("initial-bytes=64 latency-query=7");
    uint64_t length, initial, dirty, wait;
    uint32_t flags;
    char buf[64];

    f->set_key = "hold";
    f->set_value = "none";
    CHECK_EQ(vfio_sim_change_state(f->sim, VFIO_SIM_PRE_COPY), 0);
    *f->calls = 0;

    set_key(f->sim, 0, "hold=query");
    CHECK_EQ(vfio_sim_query_length(f->sim, &length), 0);
    CHECK_CALLS(f, "wait;sleep 7 ms;");
    set_key(f->sim, 0, "hold=query");
    CHECK_EQ(vfio_sim_query_precopy(f->sim, f->session, &initial, &dirty,
                                    &flags), 0);
    CHECK_CALLS(f, "wait;sleep 7 ms;");
    set_key(f->sim, 0, "hold=read");
    CHECK_EQ(vfio_sim_read_data(f->sim, f->session, buf, 1, &wait), 1);
    CHECK_CALLS(f, "wait;");
    CHECK_EQ(vfio_sim_change_state(f->sim, VFIO_SIM_RESUMING), 0);
    *f->calls = 0;
    set_key(f->sim, 0, "hold=write");
    CHECK_EQ(vfio_sim_write_data(f->sim, f->session, "VFIOSIM1", 8, &wait),
             8);
    CHECK_CALLS(f, "wait;");

    /* Interrupted */
    f->wait_error = -EINTR;
    f->set_key = NULL;
    set_key(f->sim, 0, "hold=write");
    CHECK_EQ(vfio_sim_write_data(f->sim, f->session, buf, 1, &wait), -EINTR);
    set_key(f->sim, 0, "hold=none");
    f->sleep_error = -EINTR;
    CHECK_EQ(vfio_sim_query_length(f->sim, &length), -EINTR);
}

static void test_hold_ends(void)
{
    VFIOSimHooks with = hooks;
    FrontEnd *f;
    uint64_t wait;
    char byte;

    with.session_ends_hold = true;
    f = front_end_with("", with);
    CHECK_EQ(vfio_sim_change_state(f->sim, VFIO_SIM_STOP_COPY), 0);
    set_key(f->sim, 0, "hold=read");
    f->reset_in_wait = true;
    *f->calls = 0;
    CHECK_EQ(vfio_sim_read_data(f->sim, f->session, &byte, 1, &wait),
             -ENODEV);
    CHECK_CALLS(f, "wait;");
}

static void test_read_rate(void)
{
    FrontEnd *f = front_end("stop-bytes=1M read-rate=1M");
    static uint8_t buf[MIB];
    uint64_t wait;

    CHECK_EQ(vfio_sim_change_state(f->sim, VFIO_SIM_STOP_COPY), 0);
    /* The front-end is to wait, but not for times that are too short. */
    CHECK_EQ(vfio_sim_read_data(f->sim, f->session, buf, 16, &wait), 16);
    CHECK_EQ(wait, 0);
    CHECK_EQ(vfio_sim_read_data(f->sim, f->session, buf, 1024, &wait), 1024);
    CHECK_EQ(wait, vfio_sim_rate_ns(MIB, 16) + vfio_sim_rate_ns(MIB, 1024));
}

static void test_set_and_get(void)
{
    static const VFIOSimFixed fixed[] = {
        { "dirty-log", "iommu" }, { NULL, NULL }
    };
    VFIOSimHooks with = hooks;
    char buf[256];
    FrontEnd *f;

    with.fixed = fixed;
    f = front_end_with("dirty-log=iommu", with);
    CHECK_EQ(vfio_sim_get(f->sim, 0, "dirty-log", buf, sizeof(buf)), 0);
    CHECK_STR(buf, "iommu");
    CHECK_EQ(vfio_sim_set(f->sim, 0, "dirty-log", "both", buf, sizeof(buf)),
             -EOPNOTSUPP);
    CHECK_STR(buf, "dirty-log = both: the VFIO core does not allow it");
    CHECK_EQ(vfio_sim_set(f->sim, 0, "dirty-log", "IOMMU", buf, sizeof(buf)),
             0);
    CHECK_EQ(vfio_sim_set(f->sim, 0, "nonsense", "1", buf, sizeof(buf)),
             -ENOENT);
    CHECK_STR(buf, "unknown key 'nonsense'");
    CHECK(vfio_sim_get(f->sim, 0, "nonsense", buf, sizeof(buf)));
    CHECK_EQ(vfio_sim_set(f->sim, 0, "p2p", "1", buf, sizeof(buf)), -EINVAL);
    CHECK_STR(buf, "p2p = 1: must be on or off");
    CHECK_EQ(vfio_sim_set(f->sim, 0, "dma-base", "1", buf, sizeof(buf)),
             -EINVAL);
    /* A counter is not a key. */
    CHECK_EQ(vfio_sim_set(f->sim, 0, "reads", "1", buf, sizeof(buf)),
             -ENOENT);
    CHECK_EQ(vfio_sim_set_state(f->sim, 0, VFIO_SIM_PRE_COPY), 0);
    CHECK_EQ(vfio_sim_set(f->sim, 0, "precopy", "off", buf, sizeof(buf)),
             -EBUSY);
    CHECK_STR(buf, "precopy = off: the device is using it now");
    fail_allocation(0);
    CHECK_EQ(vfio_sim_set(f->sim, 0, "p2p", "on", buf, sizeof(buf)),
             -ENOMEM);
}

static void test_dma(void)
{
    FrontEnd *f = front_end("dma-base=1M dma-size=64K dma-rate=4M "
                            "stop-bytes=1K");
    FrontEnd *d = front_end("dma-base=1M dma-size=64K");
    uint64_t written, unmapped, wait;
    unsigned int pages = 0, i;
    size_t len;
    uint8_t *stream;
    bool more;

    f->now = 100 * MS;
    do {
        CHECK(vfio_sim_dma_run(f->sim, &more));
    } while (more);
    written = counter(f->sim, "dma-pages-written");
    unmapped = counter(f->sim, "dma-unmapped");
    CHECK_EQ(written + unmapped, 102);
    CHECK(written > 0 && unmapped > 0);
    for (i = 0; i < PAGES; i += 2) {
        pages += f->memory[i][0] || memcmp(f->memory[i], f->memory[i] + 1,
                                           VFIO_SIM_PAGE - 1);
    }
    CHECK(pages > 1);

    /* One of the pages does not arrive. */
    stream = save_stream(f->sim, &len);
    CHECK(!vfio_sim_dma_run(f->sim, &more));
    CHECK_EQ(vfio_sim_change_state(d->sim, VFIO_SIM_RESUMING), 0);
    CHECK_EQ(vfio_sim_write_data(d->sim, d->session, stream, len, &wait),
             len);
    memcpy(d->memory, f->memory, sizeof(d->memory));
    for (i = 0; i < PAGES - 2 && !d->memory[i][0]; i += 2) {
        /* was not written */
    }
    d->memory[i][0] ^= 1;
    *d->calls = 0;
    CHECK_EQ(vfio_sim_change_state(d->sim, VFIO_SIM_RUNNING), 0);
    CHECK_CALLS(d, "resuming to stop;note guest memory;"
                   "stop to running-p2p;running-p2p to running;");
    CHECK_EQ(counter(d->sim, "dma-verified"), pages - 1);
    CHECK_EQ(counter(d->sim, "dma-mismatched"), 1);
}

static void test_fail_call(void)
{
    static const struct {
        const char *name;
        int error;
    } errors[] = {
        { "EIO", EIO }, { "EINTR", EINTR }, { "EAGAIN", EAGAIN },
        { "ENOMEM", ENOMEM }, { "EFAULT", EFAULT }, { "EBUSY", EBUSY },
        { "ENODEV", ENODEV }, { "EINVAL", EINVAL }, { "ENOTTY", ENOTTY },
        { "ENOMSG", ENOMSG }, { "ETIMEDOUT", ETIMEDOUT },
    };
    VFIOSim *s = front_end("stop-bytes=1M fail-call=set-state "
                           "fail-call-skip=1 fail-call-count=2")->sim;
    uint64_t wait, n;
    uint8_t buf[8];
    char key[64];
    uint32_t session;

    /* The calls before and behind those that fail succeed. */
    CHECK_EQ(vfio_sim_change_state(s, VFIO_SIM_PRE_COPY), 0);
    CHECK_EQ(vfio_sim_change_state(s, VFIO_SIM_STOP_COPY), -EIO);
    CHECK_EQ(vfio_sim_change_state(s, VFIO_SIM_STOP_COPY), -EIO);
    CHECK_EQ(state_of(s), VFIO_SIM_PRE_COPY);
    CHECK_EQ(counter(s, "faults"), 2);
    CHECK_EQ(vfio_sim_change_state(s, VFIO_SIM_STOP_COPY), 0);

    /* Without a count there is no end; other calls do not fail. */
    session = session_of(s);
    set_key(s, 0, "fail-call-skip=0");
    set_key(s, 0, "fail-call-count=0");
    set_key(s, 0, "fail-call=data-size");
    for (n = 0; n < TAP_SIZE(errors); n++) {
        uint64_t size;

        snprintf(key, sizeof(key), "fail-errno=%s", errors[n].name);
        set_key(s, 0, key);
        CHECK_EQ(vfio_sim_query_length(s, &size), -errors[n].error);
    }
    CHECK_EQ(vfio_sim_read_data(s, session, buf, 8, &wait), 8);
    set_key(s, 0, "fail-call=read");
    CHECK_EQ(vfio_sim_read_data(s, session, buf, 8, &wait), -ETIMEDOUT);
    set_key(s, 0, "fail-call=write");
    CHECK_EQ(vfio_sim_write_data(s, session, buf, 8, &wait), -ETIMEDOUT);
    set_key(s, 0, "fail-call=none");
    CHECK_EQ(vfio_sim_query_length(s, &n), 0);
}

static void test_short_transfers(void)
{
    VFIOSim *s = front_end("stop-bytes=64K read-max=100")->sim;
    VFIOSim *d = front_end("write-max=7")->sim;
    static uint8_t buf[64 * KIB];
    uint64_t wait;
    int64_t ret;
    size_t n = 0;

    CHECK_EQ(vfio_sim_change_state(s, VFIO_SIM_STOP_COPY), 0);
    while ((ret = vfio_sim_read_data(s, session_of(s), buf + n,
                                     sizeof(buf) - n, &wait)) > 0) {
        CHECK(ret <= 100);
        n += ret;
    }
    CHECK_EQ(n, sizeof(buf));
    CHECK_EQ(vfio_sim_change_state(d, VFIO_SIM_RESUMING), 0);
    for (n = 0; n < sizeof(buf); n += ret) {
        ret = vfio_sim_write_data(d, session_of(d), buf + n, sizeof(buf) - n,
                                  &wait);
        CHECK(ret > 0 && ret <= 7);
    }
    CHECK_EQ(vfio_sim_change_state(d, VFIO_SIM_RUNNING), 0);
}

static const TapCase cases[] = {
    TAP_CASE("state-change", test_state_change,
             "latencies, steps and the session, in their order"),
    TAP_CASE("failures", test_failures,
             "faults, a missing descriptor and an interrupted sleep"),
    TAP_CASE("hold", test_hold, "holding a state change"),
    TAP_CASE("hold-calls", test_hold_calls,
             "holding queries, reads and writes, and the latency of queries"),
    TAP_CASE("hold-ends", test_hold_ends,
             "a held read ends with its session, if the front-end needs it"),
    TAP_CASE("read-rate", test_read_rate,
             "what a front-end has to wait for, with short waits summed up"),
    TAP_CASE("set-and-get", test_set_and_get,
             "setting keys by name: errors, their messages, fixed keys"),
    TAP_CASE("dma", test_dma,
             "writing memory where there is some, and verifying it"),
    TAP_CASE("fail-call", test_fail_call,
             "calls fail, from one on, with a certain error"),
    TAP_CASE("short-transfers", test_short_transfers,
             "read-max and write-max make transfers short"),
};

TAP_GROUP(model_calls, "calls", cases);
