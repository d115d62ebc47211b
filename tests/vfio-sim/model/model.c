/*
 * Model of a VFIO device that can be migrated
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "model.h"

#define NS_PER_S        1000000000ull
#define STREAM_MAGIC    0x314d49534f494656ull   /* "VFIOSIM1" */
#define PATTERN_STEP    0x9e3779b97f4a7c15ull
#define HEADER_WORDS    (VFIO_SIM_UNIT / 8)
/* Counters in a DMA frame, behind its header and its head */
#define DMA_PER_FRAME   ((VFIO_SIM_FRAME_MAX - 2 * VFIO_SIM_UNIT) / 4)
#define END_SIZE        (2 * VFIO_SIM_UNIT)
/* No single read or write takes longer than this because of a rate */
#define RATE_SLICE_NS   10000000ull
/* Who comes back later than this after a wait has left the device idle */
#define LATE_NS         RATE_SLICE_NS
/* DMA that was not done for lack of time is forgotten after this */
#define DMA_BACKLOG_NS  100000000ull
/* As much initial data as re-initialisations can pile up */
#define INITIAL_MAX     (1ull << 62)
/* A size that is said to be growing grows by this at least */
#define GROW_MIN        65536ull

/* Words of a frame's header */
enum {
    H_MAGIC,
    H_NONCE,
    H_SEQ_KIND,
    H_OFFSET,
    H_LENGTH,
    H_SEED,
    H_SUM,
    H_CHAIN,
};

const char *const vfio_sim_state_names[VFIO_SIM_STATES] = {
    [VFIO_SIM_ERROR] = "error",
    [VFIO_SIM_STOP] = "stop",
    [VFIO_SIM_RUNNING] = "running",
    [VFIO_SIM_STOP_COPY] = "stop-copy",
    [VFIO_SIM_RESUMING] = "resuming",
    [VFIO_SIM_RUNNING_P2P] = "running-p2p",
    [VFIO_SIM_PRE_COPY] = "pre-copy",
    [VFIO_SIM_PRE_COPY_P2P] = "pre-copy-p2p",
};

static uint64_t mix(uint64_t h, uint64_t w)
{
    h = (h ^ w) * PATTERN_STEP;
    return h ^ h >> 32;
}

static uint64_t min64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t sub_sat(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

static uint64_t add_sat(uint64_t a, uint64_t b)
{
    return a + b < a ? UINT64_MAX : a + b;
}

static uint64_t mul_sat(uint64_t a, uint64_t b)
{
    return b && a > UINT64_MAX / b ? UINT64_MAX : a * b;
}

static uint64_t round_up(uint64_t v)
{
    return (v + VFIO_SIM_UNIT - 1) & ~(uint64_t)(VFIO_SIM_UNIT - 1);
}

uint64_t vfio_sim_rate_bytes(uint64_t rate, uint64_t ns)
{
    uint64_t rest = ns % NS_PER_S;
    uint64_t bytes = mul_sat(rate, ns / NS_PER_S);

    bytes = add_sat(bytes, mul_sat(rate / NS_PER_S, rest));
    return add_sat(bytes, rate % NS_PER_S * rest / NS_PER_S);
}

uint64_t vfio_sim_rate_ns(uint64_t rate, uint64_t bytes)
{
    if (!rate) {
        return UINT64_MAX;
    }
    if (rate > UINT64_MAX / NS_PER_S) {
        return bytes / (rate / NS_PER_S);
    }
    return add_sat(mul_sat(bytes / rate, NS_PER_S),
                   bytes % rate * NS_PER_S / rate);
}

static uint64_t next_random(VFIOSim *s)
{
    s->rng ^= s->rng << 13;
    s->rng ^= s->rng >> 7;
    s->rng ^= s->rng << 17;
    return s->rng;
}

static bool is_precopy(uint32_t state)
{
    return state == VFIO_SIM_PRE_COPY || state == VFIO_SIM_PRE_COPY_P2P;
}

/* The states that share a session in which data is read */
static bool is_saving(uint32_t state)
{
    return is_precopy(state) || state == VFIO_SIM_STOP_COPY;
}

static bool is_stopped(uint32_t state)
{
    return state == VFIO_SIM_STOP || state == VFIO_SIM_STOP_COPY ||
           state == VFIO_SIM_RESUMING || state == VFIO_SIM_ERROR;
}

static void window_free(VFIOSim *s, VFIOSimWindow *w)
{
    if (w->count) {
        s->hooks.free(s->opaque, w->count, w->pages * sizeof(*w->count));
    }
    memset(w, 0, sizeof(*w));
}

static int window_alloc(VFIOSim *s, VFIOSimWindow *w, uint64_t base,
                        uint64_t pages, uint64_t seed)
{
    w->count = s->hooks.alloc(s->opaque, pages * sizeof(*w->count));
    if (!w->count) {
        return -ENOMEM;
    }
    w->base = base;
    w->pages = pages;
    w->seed = seed;
    return 0;
}

static size_t log_size(const VFIOSimWindow *w)
{
    return (w->pages + 63) / 64 * 8;
}

static void dma_free(VFIOSim *s)
{
    unsigned int i;

    for (i = 0; i < VFIO_SIM_LOGS; i++) {
        if (s->log[i].bits) {
            s->hooks.free(s->opaque, s->log[i].bits, log_size(&s->dma));
            s->log[i].bits = NULL;
        }
    }
    window_free(s, &s->dma);
    s->dma_written = false;
}

static int dma_logs_alloc(VFIOSim *s)
{
    unsigned int i;

    for (i = 0; i < VFIO_SIM_LOGS; i++) {
        s->log[i].bits = s->hooks.alloc(s->opaque, log_size(&s->dma));
        if (!s->log[i].bits) {
            dma_free(s);
            return -ENOMEM;
        }
    }
    return 0;
}

/* Have a window as the configuration wants it. */
static int dma_setup(VFIOSim *s, uint64_t now)
{
    uint64_t pages = s->cfg.dma_size / VFIO_SIM_PAGE;
    int ret;

    s->dma_since = now;
    if (s->dma.count) {
        if (s->dma.base == s->cfg.dma_base && s->dma.pages == pages) {
            return 0;
        }
        dma_free(s);
    }
    if (!s->cfg.dma_rate) {
        return 0;
    }
    ret = window_alloc(s, &s->dma, s->cfg.dma_base, pages, next_random(s));
    return ret ? ret : dma_logs_alloc(s);
}

/* Continue with what the stream said, so that it can be migrated again. */
static void dma_adopt(VFIOSim *s)
{
    if (s->rx_dma.base != s->cfg.dma_base ||
        s->rx_dma.pages != s->cfg.dma_size / VFIO_SIM_PAGE ||
        s->log[0].on || s->log[1].on) {
        return;
    }
    dma_free(s);
    s->dma = s->rx_dma;
    memset(&s->rx_dma, 0, sizeof(s->rx_dma));
    if (dma_logs_alloc(s) == 0) {
        s->dma_written = true;
    }
}

int vfio_sim_init(VFIOSim *s, const VFIOSimConfig *cfg,
                  const VFIOSimHooks *hooks, void *opaque, uint64_t seed,
                  uint64_t now)
{
    memset(s, 0, sizeof(*s));
    s->cfg = *cfg;
    s->hooks = *hooks;
    s->opaque = opaque;
    s->state = VFIO_SIM_RUNNING;
    s->rng = mix(seed, PATTERN_STEP) | 1;
    s->faults_left = cfg->fail_count;
    s->reinits_left = cfg->reinit_count;
    s->reinits_to_skip = cfg->reinit_skip;
    s->reinit_now = cfg->reinit_at == VFIO_SIM_REINIT_NOW;
    return dma_setup(s, now);
}

void vfio_sim_destroy(VFIOSim *s)
{
    dma_free(s);
    window_free(s, &s->rx_dma);
}

uint32_t vfio_sim_mig_flags(const VFIOSim *s)
{
    return VFIO_SIM_MIG_STOP_COPY |
           (s->cfg.p2p ? VFIO_SIM_MIG_P2P : 0) |
           (s->cfg.precopy ? VFIO_SIM_MIG_PRE_COPY : 0);
}

bool vfio_sim_has_v2(const VFIOSim *s)
{
    return s->cfg.precopy && s->cfg.precopy_v2;
}

void vfio_sim_set_v2(VFIOSim *s, bool on)
{
    s->v2 = on;
}

/* -------------------------------------------------------------- sizes -- */

static uint64_t dma_frame_size(uint64_t counters)
{
    return 2 * VFIO_SIM_UNIT + round_up(counters * 4);
}

static uint64_t dma_stream_size(const VFIOSim *s)
{
    uint64_t full = s->dma.pages / DMA_PER_FRAME;
    uint64_t rest = s->dma.pages % DMA_PER_FRAME;

    if (!s->dma_written) {
        return 0;
    }
    return full * dma_frame_size(DMA_PER_FRAME) +
           (rest ? dma_frame_size(rest) : 0);
}

/* What is left of the frame that is being read, if it counts as @kind */
static uint64_t in_flight(const VFIOSim *s, uint32_t kind)
{
    uint32_t as = s->frame.subsumed ? VFIO_SIM_INITIAL : s->frame.kind;

    return as == kind ? s->frame.size - s->frame.pos : 0;
}

static uint64_t initial_left(const VFIOSim *s)
{
    return s->left[VFIO_SIM_INITIAL] + in_flight(s, VFIO_SIM_INITIAL);
}

/*
 * Re-initialise: new initial data, and dirty data begins again at nothing.
 * The rest of a dirty frame that is being read has to be read first, so that
 * it becomes a part of the initial data.
 */
static void reinit(VFIOSim *s, uint64_t now)
{
    if (s->reinits_to_skip) {
        s->reinits_to_skip--;
        return;
    }
    if (s->cfg.reinit_count) {
        if (!s->reinits_left) {
            return;
        }
        s->reinits_left--;
    }
    s->left[VFIO_SIM_INITIAL] = min64(s->left[VFIO_SIM_INITIAL] +
                                      round_up(s->cfg.reinit_bytes),
                                      INITIAL_MAX);
    s->left[VFIO_SIM_DIRTY] = 0;
    s->frame.subsumed |= s->frame.kind == VFIO_SIM_DIRTY;
    s->dirty_since = now;
    s->reinit_shown = true;
    s->stats.reinits++;
}

static void dirty_tick(VFIOSim *s, uint64_t now)
{
    uint64_t bytes, room;

    if (!is_precopy(s->state) || now < s->dirty_since) {
        s->dirty_since = now;
        return;
    }
    bytes = vfio_sim_rate_bytes(s->cfg.dirty_rate, now - s->dirty_since);
    bytes -= bytes % VFIO_SIM_DIRTY_UNIT;
    if (!bytes) {
        return;
    }
    room = sub_sat(s->cfg.dirty_ceiling, s->left[VFIO_SIM_DIRTY] +
                                         in_flight(s, VFIO_SIM_DIRTY));
    room -= room % VFIO_SIM_UNIT;
    if (bytes >= room) {
        s->left[VFIO_SIM_DIRTY] += room;
        s->dirty_since = now;
        return;
    }
    s->left[VFIO_SIM_DIRTY] += bytes;
    s->dirty_since += vfio_sim_rate_ns(s->cfg.dirty_rate, bytes);
}

/* Let time pass: dirty data appears, and a re-initialisation may be due. */
static void tick(VFIOSim *s, uint64_t now)
{
    uint64_t period = s->cfg.reinit_every * 1000000;

    dirty_tick(s, now);
    if (s->state == VFIO_SIM_PRE_COPY && period && now >= s->reinit_due) {
        s->reinit_due += ((now - s->reinit_due) / period + 1) * period;
        reinit(s, now);
    }
}

void vfio_sim_sizes(VFIOSim *s, uint64_t now, uint64_t *initial,
                    uint64_t *dirty, uint64_t *stop)
{
    uint64_t least = END_SIZE + dma_stream_size(s);
    int i;

    tick(s, now);
    *initial = round_up(s->cfg.initial_bytes);
    *dirty = round_up(s->cfg.dirty_bytes);
    *stop = round_up(s->cfg.stop_bytes);
    if (*stop < least) {
        *stop = least;
    }
    if (is_saving(s->state)) {
        *initial = initial_left(s);
        *dirty = s->left[VFIO_SIM_DIRTY] + in_flight(s, VFIO_SIM_DIRTY);
    }
    if (s->state == VFIO_SIM_STOP_COPY) {
        *stop = 0;
        for (i = VFIO_SIM_STOPPED; i < VFIO_SIM_KINDS; i++) {
            *stop += s->left[i] + in_flight(s, i);
        }
    }
}

static int say(VFIOSim *s, VFIOSimReport *how, uint64_t *value)
{
    uint64_t step = *value / 8 > GROW_MIN ? *value / 8 : GROW_MIN;

    switch (how->how) {
    case VFIO_SIM_REPORT_ZERO:
        *value = 0;
        return 0;
    case VFIO_SIM_REPORT_MAX:
        *value = UINT64_MAX;
        return 0;
    case VFIO_SIM_REPORT_RANDOM:
        *value = next_random(s);
        return 0;
    case VFIO_SIM_REPORT_NUMBER:
        *value = how->number;
        return 0;
    case VFIO_SIM_REPORT_ERROR:
        s->stats.faults++;
        return -EIO;
    case VFIO_SIM_REPORT_GROWING:
    case VFIO_SIM_REPORT_SHRINKING:
        if (how->said) {
            *value = how->how == VFIO_SIM_REPORT_GROWING ?
                     add_sat(how->number, step) : how->number / 2;
        }
        how->said = true;
        how->number = *value;
        return 0;
    default:
        return 0;
    }
}

int vfio_sim_precopy_info(VFIOSim *s, uint32_t session, uint64_t now,
                          uint64_t *initial, uint64_t *dirty,
                          uint32_t *flags)
{
    uint64_t left, stop;

    s->stats.precopy_info_calls++;
    if (!session || session != s->session) {
        return -ENODEV;
    }
    if (!is_precopy(s->state)) {
        return -EINVAL;
    }
    if (s->cfg.reinit_at == VFIO_SIM_REINIT_BEFORE_QUERY &&
        s->state == VFIO_SIM_PRE_COPY_P2P) {
        reinit(s, now);
    }
    vfio_sim_sizes(s, now, &left, dirty, &stop);
    *initial = left;
    if (!s->v2) {
        /* who does not know better is told of more dirty data */
        *initial = min64(left, s->first_left);
        *dirty = add_sat(*dirty, left - *initial);
    }
    if (say(s, &s->cfg.report_initial, initial) ||
        say(s, &s->cfg.report_dirty, dirty)) {
        return -EIO;
    }
    if (s->v2) {
        bool once = s->cfg.reinit_flag == VFIO_SIM_FLAG_ONCE;
        bool hidden = s->state == VFIO_SIM_PRE_COPY_P2P &&
                      !s->cfg.reinit_flag_p2p;
        bool shown = s->reinit_shown && (once || left) && !hidden;

        *flags = shown ? VFIO_SIM_INFO_REINIT : 0;
        s->stats.reinit_flags += shown;
        if (!hidden) {
            s->reinit_shown = shown && !once;
        }
    }
    s->stats.reported_initial = *initial;
    s->stats.reported_dirty = *dirty;
    if (s->cfg.reinit_at == VFIO_SIM_REINIT_AFTER_QUERY &&
        s->state == VFIO_SIM_PRE_COPY) {
        reinit(s, now);
    }
    return 0;
}

int vfio_sim_data_size(VFIOSim *s, uint64_t now, uint64_t *length)
{
    uint64_t initial, dirty, stop;

    s->stats.data_size_calls++;
    vfio_sim_sizes(s, now, &initial, &dirty, &stop);
    /* All that would have to be read if the device were stopped now */
    *length = add_sat(add_sat(initial, dirty), stop);
    if (say(s, &s->cfg.report_stop, length)) {
        return -EIO;
    }
    s->stats.reported_stop = *length;
    return 0;
}

/* The re-initialisations that wait for a condition, not for an event */
static void reinit_armed(VFIOSim *s, uint64_t now)
{
    if (!is_precopy(s->state)) {
        return;
    }
    if (s->reinit_now ||
        (s->cfg.reinit_at == VFIO_SIM_REINIT_WHEN_EMPTY && !initial_left(s))) {
        s->reinit_now = false;
        reinit(s, now);
    }
}

int vfio_sim_configure(VFIOSim *s, uint64_t now, const VFIOSimConfig *cfg,
                       uint32_t effects)
{
    bool moved = cfg->dma_base != s->cfg.dma_base ||
                 cfg->dma_size != s->cfg.dma_size;
    int i;

    if (moved && s->dma.count &&
        (s->log[0].on || s->log[1].on || is_saving(s->state))) {
        /* what was written could no longer be reported and sent */
        return -EBUSY;
    }
    if ((!cfg->precopy && is_precopy(s->state)) ||
        (!cfg->p2p && (s->state == VFIO_SIM_RUNNING_P2P ||
                       s->state == VFIO_SIM_PRE_COPY_P2P))) {
        /* it would be in a state that it does not have */
        return -EBUSY;
    }
    tick(s, now);
    s->cfg = *cfg;

    if (effects & VFIO_SIM_EFFECT_FAIL) {
        s->faults_left = cfg->fail_count;
    }
    if (effects & VFIO_SIM_EFFECT_REINIT) {
        s->reinits_left = cfg->reinit_count;
        s->reinits_to_skip = cfg->reinit_skip;
    }
    if (effects & VFIO_SIM_EFFECT_REINIT_EVERY) {
        s->reinit_due = now + cfg->reinit_every * 1000000;
    }
    if (is_saving(s->state) && s->left[VFIO_SIM_END]) {
        if (effects & VFIO_SIM_EFFECT_INITIAL) {
            s->left[VFIO_SIM_INITIAL] =
                sub_sat(round_up(cfg->initial_bytes),
                        in_flight(s, VFIO_SIM_INITIAL));
            s->first_left = initial_left(s);
        }
        if (effects & VFIO_SIM_EFFECT_DIRTY) {
            s->left[VFIO_SIM_DIRTY] = sub_sat(round_up(cfg->dirty_bytes),
                                              in_flight(s, VFIO_SIM_DIRTY));
        }
        if (s->state == VFIO_SIM_STOP_COPY &&
            effects & VFIO_SIM_EFFECT_STOP) {
            uint64_t other = s->left[VFIO_SIM_DMA] + s->left[VFIO_SIM_END];

            for (i = VFIO_SIM_STOPPED; i < VFIO_SIM_KINDS; i++) {
                other += in_flight(s, i);
            }
            s->left[VFIO_SIM_STOPPED] = sub_sat(round_up(cfg->stop_bytes),
                                                other);
        }
    }
    if (effects & VFIO_SIM_EFFECT_REINIT_AT) {
        s->reinit_now = cfg->reinit_at == VFIO_SIM_REINIT_NOW;
    }
    reinit_armed(s, now);
    if (effects & VFIO_SIM_EFFECT_DMA) {
        return dma_setup(s, now);
    }
    return 0;
}

/* ------------------------------------------------------ state machine -- */

static bool state_known(const VFIOSim *s, uint32_t state)
{
    switch (state) {
    case VFIO_SIM_STOP:
    case VFIO_SIM_RUNNING:
    case VFIO_SIM_STOP_COPY:
    case VFIO_SIM_RESUMING:
        return true;
    case VFIO_SIM_RUNNING_P2P:
        return s->cfg.p2p;
    case VFIO_SIM_PRE_COPY:
        return s->cfg.precopy;
    case VFIO_SIM_PRE_COPY_P2P:
        return s->cfg.precopy && s->cfg.p2p;
    default:
        return false;
    }
}

/* The arcs that the device itself has; all else are combinations of them. */
static bool is_arc(const VFIOSim *s, uint32_t from, uint32_t to)
{
    bool p2p = s->cfg.p2p;

    if (!state_known(s, from) || !state_known(s, to)) {
        return false;
    }
    switch (from) {
    case VFIO_SIM_STOP:
        return to == VFIO_SIM_STOP_COPY || to == VFIO_SIM_RESUMING ||
               to == (p2p ? VFIO_SIM_RUNNING_P2P : VFIO_SIM_RUNNING);
    case VFIO_SIM_STOP_COPY:
    case VFIO_SIM_RESUMING:
        return to == VFIO_SIM_STOP;
    case VFIO_SIM_RUNNING:
        return to == VFIO_SIM_PRE_COPY ||
               to == (p2p ? VFIO_SIM_RUNNING_P2P : VFIO_SIM_STOP);
    case VFIO_SIM_RUNNING_P2P:
        return to == VFIO_SIM_RUNNING || to == VFIO_SIM_STOP ||
               to == VFIO_SIM_PRE_COPY_P2P;
    case VFIO_SIM_PRE_COPY:
        return to == VFIO_SIM_RUNNING ||
               to == (p2p ? VFIO_SIM_PRE_COPY_P2P : VFIO_SIM_STOP_COPY);
    case VFIO_SIM_PRE_COPY_P2P:
        return to == VFIO_SIM_PRE_COPY || to == VFIO_SIM_RUNNING_P2P ||
               to == VFIO_SIM_STOP_COPY;
    default:
        return false;
    }
}

/*
 * The rules of linux/vfio.h for combinations: the shortest path, that does not
 * go through a saving state, unless it stays within one session from its
 * start to its end.
 */
int vfio_sim_next_state(const VFIOSim *s, uint32_t target, uint32_t *next)
{
    bool same_session = is_saving(s->state) && is_saving(target);
    unsigned int dist[VFIO_SIM_STATES];
    unsigned int best = VFIO_SIM_STATES;
    uint32_t a, b;
    int round;

    if (!state_known(s, target) || !state_known(s, s->state)) {
        return -EINVAL;
    }
    if (s->state == VFIO_SIM_STOP_COPY && is_precopy(target)) {
        /* what was stopped cannot go on in the same session */
        return -EINVAL;
    }
    for (a = 0; a < VFIO_SIM_STATES; a++) {
        dist[a] = a == target ? 0 : VFIO_SIM_STATES;
    }
    for (round = 0; round < VFIO_SIM_STATES; round++) {
        for (a = 0; a < VFIO_SIM_STATES; a++) {
            for (b = 0; b < VFIO_SIM_STATES; b++) {
                if (!is_arc(s, a, b) || dist[b] + 1 >= dist[a]) {
                    continue;
                }
                if (b == target || !is_saving(b) || same_session) {
                    dist[a] = dist[b] + 1;
                }
            }
        }
    }
    for (b = 0; b < VFIO_SIM_STATES; b++) {
        if (is_arc(s, s->state, b) && dist[b] < best &&
            (b == target || !is_saving(b) || same_session)) {
            best = dist[b];
            *next = b;
        }
    }
    return best < VFIO_SIM_STATES ? 0 : -EINVAL;
}

uint64_t vfio_sim_latency(const VFIOSim *s, uint32_t next)
{
    return s->cfg.latency[next] * 1000000;
}

bool vfio_sim_opens_session(const VFIOSim *s, uint32_t next)
{
    return next == VFIO_SIM_RESUMING ||
           (is_saving(next) && !is_saving(s->state));
}

static void session_close(VFIOSim *s)
{
    s->session = 0;
    memset(&s->frame, 0, sizeof(s->frame));
    memset(s->left, 0, sizeof(s->left));
    s->first_left = 0;
    s->reinit_shown = false;
}

static void session_open(VFIOSim *s, uint64_t now)
{
    session_close(s);
    s->session = ++s->last_session;
    s->nonce = mix(next_random(s), now);
    s->session_bytes = 0;
    s->busy_until = 0;
    memset(&s->totals, 0, sizeof(s->totals));
    s->stats.sessions++;
}

static void set_rx_error(VFIOSim *s, const char *why)
{
    if (!s->rx_error) {
        s->rx_error = why;
        s->stats.stream_errors++;
    }
}

int vfio_sim_enter(VFIOSim *s, uint64_t now, uint32_t next)
{
    uint32_t from = s->state;

    if (!is_arc(s, from, next)) {
        return -EINVAL;
    }
    if (is_precopy(next)) {
        tick(s, now);
    } else {
        /* what is re-initialised now, nobody could learn any more */
        dirty_tick(s, now);
    }

    if (s->cfg.fail_state == next && (!s->cfg.fail_count || s->faults_left)) {
        s->stats.faults++;
        if (s->cfg.fail_count) {
            s->faults_left--;
        }
        if (s->cfg.fail_into) {
            s->state = VFIO_SIM_ERROR;
            session_close(s);
        }
        return -EIO;
    }

    if (from == VFIO_SIM_RESUMING) {
        if (!s->rx_error && !s->rx_done) {
            set_rx_error(s, s->session_bytes ? "the stream has no end" :
                                               "the stream is empty");
        }
        if (s->rx_error) {
            return -EINVAL;
        }
        s->stats.stream_verified++;
        s->rx_verify = s->rx_dma.count != NULL;
        session_close(s);
    } else if (is_saving(from) && !is_saving(next)) {
        session_close(s);
    }

    if (vfio_sim_opens_session(s, next)) {
        session_open(s, now);
        if (next == VFIO_SIM_RESUMING) {
            s->rx_error = NULL;
            s->rx_done = false;
            s->rx_verify = false;
            window_free(s, &s->rx_dma);
            s->rx_dma_filled = 0;
        } else {
            s->left[VFIO_SIM_INITIAL] = round_up(s->cfg.initial_bytes);
            s->left[VFIO_SIM_DIRTY] = round_up(s->cfg.dirty_bytes);
            s->left[VFIO_SIM_END] = END_SIZE;
            s->first_left = s->left[VFIO_SIM_INITIAL];
            s->reinit_due = now + s->cfg.reinit_every * 1000000;
        }
    }
    if (next == VFIO_SIM_STOP_COPY) {
        s->stats.initial_unread_at_stop = initial_left(s);
        s->dma_next = 0;
        s->left[VFIO_SIM_DMA] = dma_stream_size(s);
        s->left[VFIO_SIM_STOPPED] =
            sub_sat(round_up(s->cfg.stop_bytes),
                    s->left[VFIO_SIM_DMA] + s->left[VFIO_SIM_END]);
    }

    if (is_stopped(next) && !is_stopped(from)) {
        s->stats.stopped_at_us = now / 1000;
    }
    if (next == VFIO_SIM_RUNNING && from != VFIO_SIM_PRE_COPY) {
        s->stats.running_at_us = now / 1000;
    }
    s->state = next;
    s->dma_since = now;
    s->dirty_since = now;
    s->stats.state_changes++;

    if ((s->cfg.reinit_at == VFIO_SIM_REINIT_PRE_COPY &&
         next == VFIO_SIM_PRE_COPY) ||
        (s->cfg.reinit_at == VFIO_SIM_REINIT_PRE_COPY_P2P &&
         next == VFIO_SIM_PRE_COPY_P2P && from == VFIO_SIM_PRE_COPY)) {
        reinit(s, now);
    }
    reinit_armed(s, now);
    return 0;
}

int vfio_sim_set_state(VFIOSim *s, uint64_t now, uint32_t target)
{
    uint32_t next;
    int ret;

    s->stats.set_state_calls++;
    if (!state_known(s, target)) {
        return -EINVAL;
    }
    while (s->state != target) {
        ret = vfio_sim_next_state(s, target, &next);
        if (!ret) {
            ret = vfio_sim_enter(s, now, next);
        }
        if (ret) {
            return ret;
        }
    }
    return 0;
}

void vfio_sim_reset(VFIOSim *s, uint64_t now)
{
    s->stats.resets++;
    session_close(s);
    s->rx_verify = false;
    s->state = VFIO_SIM_RUNNING;
    s->dma_since = now;
    s->stats.running_at_us = now / 1000;
}

/* ------------------------------------------------------------- stream -- */

static uint64_t pattern_sum(uint64_t seed, uint64_t words)
{
    uint64_t pairs = words % 2 ? words * ((words - 1) / 2) :
                                 words / 2 * (words - 1);

    return words * seed + PATTERN_STEP * pairs;
}

static bool is_pattern(uint32_t kind)
{
    return kind <= VFIO_SIM_STOPPED;
}

/* The sum of a payload that is not a pattern */
static uint64_t data_sum(const VFIOSimFrame *f, const VFIOSimWindow *w)
{
    uint64_t h = f->kind;
    uint64_t i;

    for (i = 0; i < HEADER_WORDS; i++) {
        h = mix(h, f->data[i]);
    }
    if (f->kind == VFIO_SIM_DMA) {
        for (i = 0; i < f->data[4]; i++) {
            h = mix(h, w->count[f->first + i]);
        }
    }
    return h;
}

static uint64_t header_chain(const VFIOSimTotals *t, const uint64_t *header)
{
    uint64_t h = t->chain;
    int i;

    for (i = 0; i < H_CHAIN; i++) {
        h = mix(h, header[i]);
    }
    return h;
}

/* Account for a frame whose header is complete. */
static void count_frame(VFIOSim *s)
{
    s->totals.chain = s->frame.header[H_CHAIN];
    s->totals.bytes += s->frame.size;
    s->totals.kind[s->frame.kind] += s->frame.size;
    s->totals.frames++;
}

static void end_data(const VFIOSimTotals *t, uint64_t *data)
{
    data[0] = t->bytes + END_SIZE;
    data[1] = t->frames + 1;
    data[2] = t->kind[VFIO_SIM_INITIAL];
    data[3] = t->kind[VFIO_SIM_DIRTY];
    data[4] = t->kind[VFIO_SIM_STOPPED];
    data[5] = t->kind[VFIO_SIM_DMA];
    data[6] = t->chain;
    data[7] = 0;
}

/* Start the next frame to be read; false: there is nothing to read now. */
static bool make_frame(VFIOSim *s)
{
    VFIOSimFrame *f = &s->frame;
    uint64_t *h = f->header;
    uint32_t kinds = s->state == VFIO_SIM_STOP_COPY ? VFIO_SIM_KINDS :
                                                      VFIO_SIM_STOPPED;
    uint32_t kind = 0;

    while (kind < kinds && !s->left[kind]) {
        kind++;
    }
    if (kind == kinds) {
        return false;
    }

    memset(f, 0, sizeof(*f));
    f->kind = kind;
    f->size = min64(s->left[kind], VFIO_SIM_FRAME_MAX);
    if (kind == VFIO_SIM_DMA) {
        uint64_t n = min64(s->dma.pages - s->dma_next, DMA_PER_FRAME);

        f->size = dma_frame_size(n);
        f->first = s->dma_next;
        f->data[0] = s->dma.base;
        f->data[1] = s->dma.seed;
        f->data[2] = s->dma.pages;
        f->data[3] = s->dma_next;
        f->data[4] = n;
        s->dma_next += n;
    } else if (kind == VFIO_SIM_END) {
        end_data(&s->totals, f->data);
    }
    s->left[kind] -= f->size;

    h[H_MAGIC] = STREAM_MAGIC;
    h[H_NONCE] = s->nonce;
    h[H_SEQ_KIND] = s->totals.frames | (uint64_t)kind << 56;
    h[H_OFFSET] = s->totals.bytes;
    h[H_LENGTH] = f->size - VFIO_SIM_UNIT;
    if (is_pattern(kind)) {
        h[H_SEED] = mix(s->nonce, s->totals.frames);
        h[H_SUM] = pattern_sum(h[H_SEED], h[H_LENGTH] / 8);
    } else {
        h[H_SUM] = data_sum(f, &s->dma);
    }
    h[H_CHAIN] = header_chain(&s->totals, h);
    count_frame(s);
    return true;
}

static void pattern_fill(uint8_t *p, uint64_t w, size_t words)
{
    size_t i;

    for (i = 0; i < words; i++) {
        memcpy(p + 8 * i, &w, 8);
        w += PATTERN_STEP;
    }
}

static bool pattern_check(const uint8_t *p, uint64_t w, size_t words)
{
    uint64_t diff = 0;
    size_t i;

    for (i = 0; i < words; i++) {
        uint64_t v;

        memcpy(&v, p + 8 * i, 8);
        diff |= v ^ w;
        w += PATTERN_STEP;
    }
    return !diff;
}

/* Up to @len bytes of the current frame */
static size_t frame_get(const VFIOSim *s, uint8_t *buf, size_t len)
{
    const VFIOSimFrame *f = &s->frame;
    uint64_t pos = f->pos;
    size_t n = min64(len, f->size - pos);
    const uint8_t *from;
    uint64_t end, word;

    if (pos < VFIO_SIM_UNIT) {
        n = min64(n, VFIO_SIM_UNIT - pos);
        memcpy(buf, (const uint8_t *)f->header + pos, n);
        return n;
    }
    pos -= VFIO_SIM_UNIT;
    if (is_pattern(f->kind)) {
        word = f->header[H_SEED] + pos / 8 * PATTERN_STEP;
        if (pos % 8 || n < 8) {
            n = min64(n, 8 - pos % 8);
            memcpy(buf, (const uint8_t *)&word + pos % 8, n);
            return n;
        }
        pattern_fill(buf, word, n / 8);
        return n & ~(size_t)7;
    }
    if (pos < VFIO_SIM_UNIT) {
        n = min64(n, VFIO_SIM_UNIT - pos);
        memcpy(buf, (const uint8_t *)f->data + pos, n);
        return n;
    }
    /* the counters of a DMA frame, then zeroes to fill the last unit */
    pos -= VFIO_SIM_UNIT;
    end = f->data[4] * 4;
    if (pos >= end) {
        memset(buf, 0, n);
        return n;
    }
    n = min64(n, end - pos);
    from = (const uint8_t *)(s->dma.count + f->first);
    memcpy(buf, from + pos, n);
    return n;
}

/* How much is moved at once */
static uint64_t rate_slice(uint64_t rate)
{
    uint64_t slice = vfio_sim_rate_bytes(rate, RATE_SLICE_NS);

    if (rate == VFIO_SIM_UNLIMITED) {
        return UINT64_MAX;
    }
    return slice > 4096 ? slice : 4096;
}

static uint64_t rate_time(uint64_t rate, uint64_t bytes)
{
    return rate == VFIO_SIM_UNLIMITED ? 0 : vfio_sim_rate_ns(rate, bytes);
}

/* What limits a transfer; returns 0 if it must fail. */
static size_t limit_len(const VFIOSim *s, size_t len, uint64_t rate,
                        uint64_t fail_after)
{
    return min64(min64(len, rate_slice(rate)),
                 sub_sat(fail_after, s->session_bytes));
}

/*
 * Be busy for @ns more; returns for how long from now.  Whoever waits wakes up
 * a little late each time, which must not make the device slower: it goes on
 * from where it would have been.
 */
static uint64_t busy(VFIOSim *s, uint64_t now, uint64_t ns)
{
    if (!ns) {
        return 0;
    }
    if (s->busy_until < sub_sat(now, LATE_NS)) {
        s->busy_until = now;
    }
    s->busy_until = add_sat(s->busy_until, ns);
    return sub_sat(s->busy_until, now);
}

int64_t vfio_sim_read(VFIOSim *s, uint32_t session, uint64_t now,
                      void *buf, size_t len, uint64_t *wait)
{
    uint8_t *p = buf;
    size_t want, done = 0;

    *wait = 0;
    s->stats.reads++;
    if (!session || session != s->session) {
        return -ENODEV;
    }
    if (!is_saving(s->state)) {
        return -EINVAL;
    }
    if (!len) {
        return 0;
    }
    tick(s, now);
    want = limit_len(s, len, s->cfg.read_rate, s->cfg.fail_read_after);
    if (!want) {
        s->stats.faults++;
        return -EIO;
    }
    while (done < want) {
        size_t n;

        if (s->frame.pos == s->frame.size && !make_frame(s)) {
            break;
        }
        n = frame_get(s, p + done, want - done);
        s->frame.pos += n;
        done += n;
        if (s->frame.kind == VFIO_SIM_INITIAL) {
            s->first_left = sub_sat(s->first_left, n);
            s->stats.read_bytes_initial += n;
        }
    }
    if (!done && s->state != VFIO_SIM_STOP_COPY) {
        s->stats.empty_reads++;
        return -ENOMSG;
    }
    s->session_bytes += done;
    s->stats.read_bytes += done;
    if (s->state == VFIO_SIM_STOP_COPY) {
        s->stats.read_bytes_stop += done;
    } else {
        s->stats.read_bytes_precopy += done;
    }
    if (!initial_left(s) && s->cfg.reinit_flag == VFIO_SIM_FLAG_UNTIL_READ) {
        s->reinit_shown = false;
    }
    reinit_armed(s, now);
    *wait = busy(s, now, rate_time(s->cfg.read_rate, done));
    return done;
}

static const char *rx_header(VFIOSim *s)
{
    VFIOSimFrame *f = &s->frame;
    const uint64_t *h = f->header;
    uint64_t seq = h[H_SEQ_KIND] & ((1ull << 56) - 1);

    if (h[H_MAGIC] != STREAM_MAGIC) {
        return "no frame where one should begin";
    }
    if (!s->totals.frames) {
        s->nonce = h[H_NONCE];
    }
    if (h[H_NONCE] != s->nonce) {
        return "frame of another session";
    }
    if (seq != s->totals.frames) {
        return seq < s->totals.frames ? "frame came twice" :
                                        "frame is missing";
    }
    if (h[H_OFFSET] != s->totals.bytes) {
        return "frame is not where it should be";
    }
    if (h[H_CHAIN] != header_chain(&s->totals, h)) {
        return "frame header is damaged";
    }
    f->kind = h[H_SEQ_KIND] >> 56;
    f->size = h[H_LENGTH] + VFIO_SIM_UNIT;
    if (f->kind >= VFIO_SIM_KINDS || h[H_LENGTH] % VFIO_SIM_UNIT ||
        f->size > VFIO_SIM_FRAME_MAX ||
        (f->kind == VFIO_SIM_END && f->size != END_SIZE) ||
        (f->kind == VFIO_SIM_DMA && f->size < 2 * VFIO_SIM_UNIT)) {
        return "frame makes no sense";
    }
    if (is_pattern(f->kind) &&
        (h[H_SEED] != mix(s->nonce, seq) ||
         h[H_SUM] != pattern_sum(h[H_SEED], h[H_LENGTH] / 8))) {
        return "frame has a wrong sum";
    }
    if (f->kind == VFIO_SIM_END) {
        /* what its totals must be, before it is counted itself */
        end_data(&s->totals, s->rx_end);
    }
    count_frame(s);
    return NULL;
}

/* The head of a DMA frame is there. */
static const char *rx_dma_head(VFIOSim *s)
{
    VFIOSimFrame *f = &s->frame;
    const uint64_t *d = f->data;

    if (!d[2] || d[2] > VFIO_SIM_DMA_MAX / VFIO_SIM_PAGE ||
        d[0] % VFIO_SIM_PAGE || d[3] > d[2] || d[4] > d[2] - d[3] ||
        f->size != dma_frame_size(d[4])) {
        return "DMA frame makes no sense";
    }
    if (!s->rx_dma.count &&
        window_alloc(s, &s->rx_dma, d[0], d[2], d[1])) {
        return "no memory for the DMA window";
    }
    if (d[0] != s->rx_dma.base || d[1] != s->rx_dma.seed ||
        d[2] != s->rx_dma.pages || d[3] != s->rx_dma_filled) {
        return "DMA frames contradict each other";
    }
    f->first = d[3];
    s->rx_dma_filled += d[4];
    return NULL;
}

static const char *rx_end(VFIOSim *s)
{
    if (memcmp(s->frame.data, s->rx_end, sizeof(s->rx_end))) {
        return "totals at the end are wrong";
    }
    if (s->rx_dma_filled != s->rx_dma.pages) {
        return "DMA frames are missing";
    }
    s->rx_done = true;
    return NULL;
}

/* Take up to @len bytes, as far as one piece of a frame goes. */
static size_t rx_some(VFIOSim *s, const uint8_t *buf, size_t len,
                      const char **why)
{
    VFIOSimFrame *f = &s->frame;
    uint64_t pos = f->pos;
    uint64_t end, word;
    size_t n;

    if (pos < VFIO_SIM_UNIT) {
        n = min64(len, VFIO_SIM_UNIT - pos);
        memcpy((uint8_t *)f->header + pos, buf, n);
        f->pos += n;
        if (f->pos == VFIO_SIM_UNIT) {
            *why = rx_header(s);
        }
        return n;
    }
    n = min64(len, f->size - pos);
    pos -= VFIO_SIM_UNIT;
    if (is_pattern(f->kind)) {
        bool ok;

        word = f->header[H_SEED] + pos / 8 * PATTERN_STEP;
        if (pos % 8 || n < 8) {
            n = min64(n, 8 - pos % 8);
            ok = !memcmp(buf, (const uint8_t *)&word + pos % 8, n);
        } else {
            n &= ~(size_t)7;
            ok = pattern_check(buf, word, n / 8);
        }
        if (!ok) {
            *why = "data is damaged";
        }
        f->pos += n;
        return n;
    }
    if (pos < VFIO_SIM_UNIT) {
        n = min64(n, VFIO_SIM_UNIT - pos);
        memcpy((uint8_t *)f->data + pos, buf, n);
        f->pos += n;
        if (f->pos == 2 * VFIO_SIM_UNIT && f->kind == VFIO_SIM_DMA) {
            *why = rx_dma_head(s);
        }
        return n;
    }
    pos -= VFIO_SIM_UNIT;
    end = f->data[4] * 4;
    if (pos < end) {
        n = min64(n, end - pos);
        memcpy((uint8_t *)(s->rx_dma.count + f->first) + pos, buf, n);
    }
    f->pos += n;
    return n;
}

/*
 * Take up to @*len bytes, of which about @most are initial data; @*len gets
 * how many were taken, and @*initial how many of these were initial data.
 */
static const char *rx_bytes(VFIOSim *s, const uint8_t *p, size_t *len,
                            uint64_t most, size_t *initial)
{
    VFIOSimFrame *f = &s->frame;
    const char *why = NULL;
    size_t done = 0;

    *initial = 0;
    while (done < *len && *initial < most) {
        size_t n = *len - done;
        bool header = f->pos < VFIO_SIM_UNIT;

        if (s->rx_done) {
            return "data after the end";
        }
        if (!header && f->kind == VFIO_SIM_INITIAL) {
            n = min64(n, most - *initial);
        }
        n = rx_some(s, p + done, n, &why);
        if (why) {
            return why;
        }
        done += n;
        if (f->pos >= VFIO_SIM_UNIT && f->kind == VFIO_SIM_INITIAL) {
            *initial += header ? VFIO_SIM_UNIT : n;
        }
        if (f->pos < VFIO_SIM_UNIT || f->pos < f->size) {
            continue;
        }
        if (!is_pattern(f->kind) &&
            f->header[H_SUM] != data_sum(f, &s->rx_dma)) {
            return "frame has a wrong sum";
        }
        if (f->kind == VFIO_SIM_END) {
            why = rx_end(s);
            if (why) {
                return why;
            }
        }
        memset(f, 0, sizeof(*f));
    }
    *len = done;
    return NULL;
}

int64_t vfio_sim_write(VFIOSim *s, uint32_t session, uint64_t now,
                       const void *buf, size_t len, uint64_t *wait)
{
    const char *why;
    size_t initial;

    *wait = 0;
    s->stats.writes++;
    if (!session || session != s->session) {
        return -ENODEV;
    }
    if (s->state != VFIO_SIM_RESUMING || s->rx_error) {
        return -EINVAL;
    }
    if (!len) {
        return 0;
    }
    len = limit_len(s, len, s->cfg.write_rate, s->cfg.fail_write_after);
    if (!len) {
        s->stats.faults++;
        return -EIO;
    }
    why = rx_bytes(s, buf, &len, rate_slice(s->cfg.write_rate_initial),
                   &initial);
    if (why) {
        set_rx_error(s, why);
        return -EINVAL;
    }
    s->session_bytes += len;
    s->stats.write_bytes += len;
    s->stats.write_bytes_initial += initial;
    *wait = busy(s, now, add_sat(rate_time(s->cfg.write_rate, len),
                                 rate_time(s->cfg.write_rate_initial,
                                           initial)));
    return len;
}

/* ---------------------------------------------------------------- DMA -- */

bool vfio_sim_dma_running(const VFIOSim *s)
{
    /* As a device that cannot tell P2P from other DMA: all stops for P2P */
    return s->cfg.dma_rate && s->dma.count &&
           (s->state == VFIO_SIM_RUNNING || s->state == VFIO_SIM_PRE_COPY);
}

bool vfio_sim_dma_next(VFIOSim *s, uint64_t now, uint64_t *iova)
{
    if (!vfio_sim_dma_running(s) || now < s->dma_since) {
        s->dma_since = now;
        return false;
    }
    if (now - s->dma_since > DMA_BACKLOG_NS) {
        s->dma_since = now - DMA_BACKLOG_NS;
    }
    if (vfio_sim_rate_bytes(s->cfg.dma_rate, now - s->dma_since) <
        VFIO_SIM_PAGE) {
        return false;
    }
    *iova = s->dma.base + next_random(s) % s->dma.pages * VFIO_SIM_PAGE;
    s->dma_since += vfio_sim_rate_ns(s->cfg.dma_rate, VFIO_SIM_PAGE);
    return true;
}

static uint64_t page_seed(const VFIOSimWindow *w, uint64_t iova, uint32_t n)
{
    return mix(mix(w->seed, iova), n);
}

void vfio_sim_dma_fill(VFIOSim *s, uint64_t iova, void *page)
{
    uint32_t n = s->dma.count[(iova - s->dma.base) / VFIO_SIM_PAGE] + 1;

    pattern_fill(page, page_seed(&s->dma, iova, n), VFIO_SIM_PAGE / 8);
}

static bool log_covers(const VFIOSimLog *log, uint64_t iova)
{
    uint32_t i;

    if (!log->on) {
        return false;
    }
    for (i = 0; i < log->nr_ranges; i++) {
        if (iova - log->ranges[i].iova < log->ranges[i].length) {
            return true;
        }
    }
    return false;
}

void vfio_sim_dma_done(VFIOSim *s, uint64_t iova, bool written)
{
    uint64_t i = (iova - s->dma.base) / VFIO_SIM_PAGE;
    unsigned int l;

    if (!written) {
        s->stats.dma_unmapped++;
        return;
    }
    s->dma.count[i]++;
    s->dma_written = true;
    s->stats.dma_pages_written++;
    s->dma_writes++;
    if (s->cfg.drop_log_every && s->dma_writes % s->cfg.drop_log_every == 0) {
        s->stats.faults++;
        return;
    }
    for (l = 0; l < VFIO_SIM_LOGS; l++) {
        if (log_covers(&s->log[l], iova)) {
            s->log[l].bits[i / 64] |= 1ull << (i % 64);
        }
    }
}

bool vfio_sim_dma_expected(const VFIOSimWindow *w, uint64_t i, uint64_t *iova)
{
    *iova = w->base + i * VFIO_SIM_PAGE;
    return w->count[i] != 0;
}

bool vfio_sim_dma_check(const VFIOSimWindow *w, uint64_t i, const void *page)
{
    uint64_t iova = w->base + i * VFIO_SIM_PAGE;

    return pattern_check(page, page_seed(w, iova, w->count[i]),
                         VFIO_SIM_PAGE / 8);
}

void vfio_sim_dma_verified(VFIOSim *s)
{
    s->rx_verify = false;
    dma_adopt(s);
    window_free(s, &s->rx_dma);
}

int vfio_sim_log_start(VFIOSim *s, unsigned int log,
                       const VFIOSimRange *ranges, uint32_t nr_ranges)
{
    VFIOSimLog *l = &s->log[log];

    if (nr_ranges > VFIO_SIM_RANGES) {
        return -E2BIG;
    }
    if (l->on || !nr_ranges) {
        return -EINVAL;
    }
    memcpy(l->ranges, ranges, nr_ranges * sizeof(*ranges));
    l->nr_ranges = nr_ranges;
    l->on = true;
    if (l->bits) {
        memset(l->bits, 0, log_size(&s->dma));
    }
    return 0;
}

int vfio_sim_log_stop(VFIOSim *s, unsigned int log)
{
    if (!s->log[log].on) {
        return -EINVAL;
    }
    s->log[log].on = false;
    return 0;
}

int vfio_sim_log_report(VFIOSim *s, unsigned int log, uint64_t iova,
                        uint64_t length, bool clear,
                        void (*fn)(void *opaque, uint64_t iova), void *opaque)
{
    VFIOSimLog *l = &s->log[log];
    uint64_t i, bits;

    if (!l->on) {
        return -EINVAL;
    }
    s->stats.log_reports++;
    if (!l->bits) {
        return 0;
    }
    for (i = 0; i < s->dma.pages; i++) {
        uint64_t page = s->dma.base + i * VFIO_SIM_PAGE;

        bits = l->bits[i / 64];
        if (!bits) {
            i |= 63;
            continue;
        }
        if (!(bits >> (i % 64) & 1) || page - iova >= length) {
            continue;
        }
        fn(opaque, page);
        s->stats.log_pages++;
        if (clear) {
            l->bits[i / 64] &= ~(1ull << (i % 64));
        }
    }
    return 0;
}

/* ----------------------------------------------------------- counters -- */

#define STAT(n, f) { n, offsetof(VFIOSimStats, f) }

static const struct {
    const char *name;
    size_t offset;
} stats[] = {
    STAT("reported-initial", reported_initial),
    STAT("reported-dirty", reported_dirty),
    STAT("reported-stop", reported_stop),
    STAT("reinits", reinits),
    STAT("reinit-flags", reinit_flags),
    STAT("initial-unread-at-stop", initial_unread_at_stop),
    STAT("precopy-info-calls", precopy_info_calls),
    STAT("data-size-calls", data_size_calls),
    STAT("set-state-calls", set_state_calls),
    STAT("state-changes", state_changes),
    STAT("resets", resets),
    STAT("sessions", sessions),
    STAT("reads", reads),
    STAT("read-bytes", read_bytes),
    STAT("read-bytes-precopy", read_bytes_precopy),
    STAT("read-bytes-stop", read_bytes_stop),
    STAT("read-bytes-initial", read_bytes_initial),
    STAT("empty-reads", empty_reads),
    STAT("writes", writes),
    STAT("write-bytes", write_bytes),
    STAT("write-bytes-initial", write_bytes_initial),
    STAT("stream-verified", stream_verified),
    STAT("stream-errors", stream_errors),
    STAT("faults", faults),
    STAT("stopped-at-us", stopped_at_us),
    STAT("running-at-us", running_at_us),
    STAT("dma-pages-written", dma_pages_written),
    STAT("dma-unmapped", dma_unmapped),
    STAT("dma-verified", dma_verified),
    STAT("dma-mismatched", dma_mismatched),
    STAT("log-reports", log_reports),
    STAT("log-pages", log_pages),
};

/* What is not a counter, but asked for like one */
static const char *const states[] = {
    "initial", "dirty", "stop", "v2-opted-in"
};
#define NR_STATES (sizeof(states) / sizeof(states[0]))

unsigned int vfio_sim_counters(void)
{
    return NR_STATES + sizeof(stats) / sizeof(stats[0]);
}

const char *vfio_sim_counter(VFIOSim *s, uint64_t now, unsigned int i,
                             uint64_t *value)
{
    uint64_t v[NR_STATES];

    if (i < NR_STATES) {
        vfio_sim_sizes(s, now, &v[0], &v[1], &v[2]);
        v[3] = s->v2;
        *value = v[i];
        return states[i];
    }
    i -= NR_STATES;
    *value = *(const uint64_t *)((const char *)&s->stats + stats[i].offset);
    return stats[i].name;
}
