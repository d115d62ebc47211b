/*
 * What the tests of the device model share
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <inttypes.h>
#include <limits.h>

#include "model-fixture.h"

typedef struct Allocation {
    struct Allocation *next;
    uint64_t data[];
} Allocation;

typedef struct Device {
    struct Device *next;
    VFIOSim *sim;
} Device;

static Device *devices;
static Allocation *buffers;
/* What the model has allocated, and not freed */
static size_t model_bytes;
static unsigned int allocations_left = UINT_MAX;
static uint64_t seed;

static void *model_alloc(void *opaque, size_t size)
{
    (void)opaque;
    if (!allocations_left--) {
        return NULL;
    }
    model_bytes += size;
    return calloc(1, size);
}

static void model_free(void *opaque, void *p, size_t size)
{
    (void)opaque;
    model_bytes -= size;
    free(p);
}

static uint64_t time_zero(void *opaque)
{
    (void)opaque;
    return 0;
}

static void override(VFIOSimConfig *cfg, const char *assignment)
{
    char err[256];

    if (vfio_sim_profile_override(cfg, assignment, err, sizeof(err))) {
        tap_bail_out("%s", err);
    }
}

static VFIOSim *new_device(const VFIOSimConfig *cfg, VFIOSimHooks hooks,
                           void *opaque)
{
    Device *d = calloc(1, sizeof(*d));

    hooks.alloc = model_alloc;
    hooks.free = model_free;
    hooks.now = hooks.now ? hooks.now : time_zero;
    d->sim = vfio_sim_new(cfg, &hooks, opaque, ++seed);
    if (!d->sim) {
        tap_bail_out("no memory for a device");
    }
    d->next = devices;
    devices = d;
    return d->sim;
}

VFIOSim *device_with(const char *keys, VFIOSimHooks hooks, void *opaque)
{
    char *copy = strdup(keys);
    VFIOSimConfig cfg;
    char *save = NULL;
    char *k;

    vfio_sim_config_default(&cfg);
    for (k = strtok_r(copy, " ", &save); k; k = strtok_r(NULL, " ", &save)) {
        override(&cfg, k);
    }
    free(copy);
    return new_device(&cfg, hooks, opaque);
}

VFIOSim *device_from_profile(const char *path)
{
    VFIOSimConfig cfg;
    char err[512];

    vfio_sim_config_default(&cfg);
    if (vfio_sim_profile_load(&cfg, path, err, sizeof(err))) {
        tap_bail_out("%s", err);
    }
    return new_device(&cfg, (VFIOSimHooks) { 0 }, NULL);
}

VFIOSim *device(const char *keys)
{
    return device_with(keys, (VFIOSimHooks) { 0 }, NULL);
}

void discard(VFIOSim *s)
{
    Device **p = &devices;
    Device *d;

    while ((*p)->sim != s) {
        p = &(*p)->next;
    }
    d = *p;
    *p = d->next;
    free(d);
    vfio_sim_free(s);
}

void *buffer(size_t size)
{
    Allocation *a = calloc(1, sizeof(*a) + size);

    a->next = buffers;
    buffers = a;
    return a->data;
}

void fail_allocation(unsigned int n)
{
    allocations_left = n;
}

void model_tear_down(void)
{
    while (devices) {
        discard(devices->sim);
    }
    while (buffers) {
        Allocation *next = buffers->next;

        free(buffers);
        buffers = next;
    }
    CHECK_EQ(model_bytes, 0);
    model_bytes = 0;
    allocations_left = UINT_MAX;
}

int set_key(VFIOSim *s, uint64_t now, const char *assignment)
{
    VFIOSimConfig cfg = s->cfg;
    char name[64];

    override(&cfg, assignment);
    snprintf(name, sizeof(name), "%.*s", (int)strcspn(assignment, "="),
             assignment);
    return vfio_sim_configure(s, now, &cfg, vfio_sim_key_find(name)->effects);
}

uint32_t state_of(const VFIOSim *s)
{
    return vfio_sim_state(s);
}

uint32_t session_of(const VFIOSim *s)
{
    return s->session;
}

uint64_t counter(VFIOSim *s, const char *name)
{
    uint64_t number;
    char value[64];

    if (vfio_sim_get(s, 0, name, value, sizeof(value))) {
        tap_bail_out("%s", value);
    }
    if (sscanf(value, "%" SCNu64, &number) != 1) {
        tap_bail_out("%s is not a number: %s", name, value);
    }
    return number;
}

VFIOSim *device_in_state(const char *keys, uint32_t state)
{
    VFIOSim *s = device(keys);

    if (state == VFIO_SIM_ERROR) {
        set_key(s, 0, "fail-state=stop");
        set_key(s, 0, "fail-into=error");
        CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_STOP), -EIO);
        set_key(s, 0, "fail-state=none");
    } else {
        CHECK_EQ(vfio_sim_set_state(s, 0, state), 0);
    }
    CHECK_EQ(state_of(s), state);
    return s;
}

int precopy_info(VFIOSim *s, uint64_t now, uint64_t *initial, uint64_t *dirty)
{
    uint32_t flags = 0;

    return vfio_sim_precopy_info(s, session_of(s), now, initial, dirty,
                                 &flags);
}

void check_precopy_info(VFIOSim *s, uint64_t now, uint64_t initial,
                        uint64_t dirty, uint32_t flags)
{
    uint32_t f = FLAGS_BEFORE;
    uint64_t i, d;

    CHECK_EQ(vfio_sim_precopy_info(s, session_of(s), now, &i, &d, &f), 0);
    CHECK_EQ(i, initial);
    CHECK_EQ(d, dirty);
    CHECK_EQ(f, flags);
    CHECK_EQ(counter(s, "reported-initial"), initial);
    CHECK_EQ(counter(s, "reported-dirty"), dirty);
}

void check_sizes(VFIOSim *s, uint64_t now, uint64_t initial, uint64_t dirty,
                 uint64_t stop)
{
    uint64_t i, d, st, all;
    int ret;

    vfio_sim_sizes(s, now, &i, &d, &st);
    CHECK_EQ(i, initial);
    CHECK_EQ(d, dirty);
    CHECK_EQ(st, stop);
    CHECK_EQ(vfio_sim_data_size(s, now, &all), 0);
    CHECK_EQ(all, initial + dirty + stop);
    ret = precopy_info(s, now, &i, &d);
    if (state_of(s) == VFIO_SIM_PRE_COPY ||
        state_of(s) == VFIO_SIM_PRE_COPY_P2P) {
        CHECK_EQ(ret, 0);
        CHECK_EQ(i, initial);
        CHECK_EQ(d, dirty);
    } else {
        CHECK_EQ(ret, session_of(s) ? -EINVAL : -ENODEV);
    }
}

int64_t read_data(VFIOSim *s, uint64_t now, void *buf, size_t len)
{
    uint64_t wait;

    return vfio_sim_read(s, session_of(s), now, buf, len, &wait);
}

int64_t write_data(VFIOSim *s, const void *buf, size_t len)
{
    uint64_t wait;

    return vfio_sim_write(s, session_of(s), 0, buf, len, &wait);
}

size_t read_all(VFIOSim *s, uint64_t now, uint8_t *buf, size_t room,
                size_t piece)
{
    size_t done = 0;
    int64_t n;

    do {
        n = read_data(s, now, buf + done, min_size(piece, room - done));
        done += n > 0 ? n : 0;
    } while (n > 0);
    CHECK(n == 0 || n == -ENOMSG);
    return done;
}

uint8_t *save_stream(VFIOSim *s, size_t *len)
{
    uint64_t size;
    uint8_t *buf;

    CHECK_EQ(vfio_sim_data_size(s, 0, &size), 0);
    buf = buffer(size + 1);
    *len = 0;
    if (vfio_sim_mig_flags(s) & VFIO_SIM_MIG_PRE_COPY) {
        CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_PRE_COPY), 0);
        *len = read_all(s, 0, buf, size, size);
    }
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_STOP_COPY), 0);
    *len += read_all(s, 0, buf + *len, size - *len + 1, size);
    CHECK_EQ(*len, size);
    return buf;
}

bool is_accepted(const uint8_t *buf, size_t len)
{
    VFIOSim *d = device("");
    bool ok;

    CHECK_EQ(vfio_sim_set_state(d, 0, VFIO_SIM_RESUMING), 0);
    ok = !len || write_data(d, buf, len) == (int64_t)len;
    if (vfio_sim_set_state(d, 0, VFIO_SIM_RUNNING)) {
        CHECK_EQ(counter(d, "stream-verified"), 0);
        CHECK_EQ(counter(d, "stream-errors"), 1);
        CHECK_EQ(state_of(d), VFIO_SIM_RESUMING);
        CHECK(d->rx_error != NULL);
        ok = false;
    } else {
        CHECK(ok);
        CHECK_EQ(counter(d, "stream-verified"), 1);
    }
    discard(d);
    return ok;
}

bool must_verify_dma(const VFIOSim *s)
{
    return s->rx_verify;
}

const VFIOSimWindow *own_window(const VFIOSim *s)
{
    return &s->dma;
}

const VFIOSimWindow *received_window(const VFIOSim *s)
{
    return &s->rx_dma;
}

void write_pages(VFIOSim *s, uint64_t now, unsigned int pages)
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
