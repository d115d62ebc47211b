/*
 * What the parts of the model share, and its tests
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef VFIO_SIM_INTERNAL_H
#define VFIO_SIM_INTERNAL_H

#include "attributes.h"
#include "model.h"

#define NS_PER_S                1000000000ull
#define NS_PER_MS               1000000ull
#define VFIO_SIM_PATTERN_STEP   0x9e3779b97f4a7c15ull
/* Sizes are rounded to this; also the size of a frame's header */
#define VFIO_SIM_UNIT           64u
#define VFIO_SIM_FRAME_MAX      (1u << 20)
#define VFIO_SIM_END_SIZE       (2 * VFIO_SIM_UNIT)
/* Counters in a DMA frame, behind its header and its head */
#define VFIO_SIM_DMA_PER_FRAME  ((VFIO_SIM_FRAME_MAX - 2 * VFIO_SIM_UNIT) / 4)

typedef struct VFIOSimStats {
    uint64_t sessions;
    uint64_t precopy_info_calls;
    uint64_t data_size_calls;
    uint64_t set_state_calls;
    uint64_t state_changes;
    uint64_t resets;
    uint64_t reads;
    uint64_t read_bytes;
    uint64_t read_bytes_precopy;
    uint64_t read_bytes_stop;
    uint64_t read_bytes_initial;
    uint64_t empty_reads;
    uint64_t writes;
    uint64_t write_bytes;
    uint64_t write_bytes_initial;
    uint64_t stream_verified;
    uint64_t stream_errors;
    uint64_t faults;
    uint64_t reported_initial;
    uint64_t reported_dirty;
    uint64_t reported_stop;
    uint64_t reinits;
    uint64_t reinit_flags;
    uint64_t initial_unread_at_stop;
    uint64_t stopped_at_us;
    uint64_t running_at_us;
    uint64_t dma_pages_written;
    uint64_t dma_unmapped;
    uint64_t dma_verified;
    uint64_t dma_mismatched;
    uint64_t log_reports;
    uint64_t log_pages;
} VFIOSimStats;

/* What a query found, for "report-max-age" */
typedef struct VFIOSimCache {
    bool valid;
    uint64_t since;
    uint64_t size[2];
} VFIOSimCache;

/* A page log: one bit for each page of the DMA window */
typedef struct VFIOSimLog {
    bool on;
    uint32_t nr_ranges;
    VFIOSimRange ranges[VFIO_SIM_RANGES];
    uint64_t *bits;
} VFIOSimLog;

/* How often each page of a window was written by DMA */
typedef struct VFIOSimWindow {
    uint64_t base;
    uint64_t seed;
    uint64_t pages;
    uint32_t *count;
} VFIOSimWindow;

/* Kinds of frames, see README.rst for the format of the stream */
enum {
    VFIO_SIM_INITIAL = 0,
    VFIO_SIM_DIRTY = 1,
    VFIO_SIM_STOPPED = 2,
    VFIO_SIM_DMA = 3,
    VFIO_SIM_END = 4,
    VFIO_SIM_KINDS = 5,
};

typedef struct VFIOSimFrame {
    uint64_t header[VFIO_SIM_UNIT / 8];
    uint64_t data[VFIO_SIM_UNIT / 8];   /* of an END, or the head of a DMA */
    uint64_t first;                     /* counter in a DMA */
    uint64_t size;                      /* header and payload */
    uint64_t pos;
    uint32_t kind;
    /* dirty data that a re-initialisation made a part of the initial data */
    bool subsumed;
} VFIOSimFrame;

/* What the two ends of a stream both keep, and must agree on */
typedef struct VFIOSimTotals {
    uint64_t bytes;
    uint64_t frames;
    uint64_t kind[VFIO_SIM_KINDS];
    uint64_t chain;
} VFIOSimTotals;

struct VFIOSim {
    VFIOSimConfig cfg;
    VFIOSimStats stats;
    VFIOSimHooks hooks;
    void *opaque;
    uint32_t state;
    uint32_t holding;                   /* calls that "hold" stops now */
    bool changing;                      /* a call changes the state */
    uint64_t rng;
    uint64_t faults_left;
    uint64_t calls_to_skip;
    uint64_t calls_to_fail;

    /* the data transfer session; 0 when there is none */
    uint32_t session;
    uint32_t last_session;
    uint64_t nonce;
    uint64_t session_bytes;
    uint64_t busy_until;
    VFIOSimTotals totals;
    VFIOSimFrame frame;

    /* saving: what no frame was made of yet */
    uint64_t left[VFIO_SIM_KINDS];
    uint64_t dirty_since;
    uint64_t refill_due;
    uint64_t dma_next;

    VFIOSimCache precopy_cache;
    VFIOSimCache length_cache;

    /*
     * Re-initialisation.  @first_left is what is left of the initial data
     * that no re-initialisation brought: it is read before the rest.
     */
    bool v2;                            /* VFIO_DEVICE_FEATURE 12 was set */
    bool reinit_now;
    bool reinit_shown;                  /* the next query shows the flag */
    uint64_t reinits_left;
    uint64_t reinits_to_skip;
    uint64_t reinit_due;
    uint64_t first_left;

    /* resuming */
    const char *rx_error;
    bool rx_done;
    uint64_t rx_end[VFIO_SIM_UNIT / 8];
    VFIOSimWindow rx_dma;
    uint64_t rx_dma_filled;
    bool rx_verify;

    /* DMA */
    VFIOSimWindow dma;
    VFIOSimLog log[VFIO_SIM_LOGS];
    uint64_t dma_since;
    uint64_t dma_writes;
    bool dma_written;
};

static inline uint64_t vfio_sim_mix(uint64_t h, uint64_t w)
{
    h = (h ^ w) * VFIO_SIM_PATTERN_STEP;
    return h ^ h >> 32;
}

static inline uint64_t min64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static inline uint64_t sub_sat(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

static inline uint64_t add_sat(uint64_t a, uint64_t b)
{
    return a + b < a ? UINT64_MAX : a + b;
}

static inline uint64_t mul_sat(uint64_t a, uint64_t b)
{
    return b && a > UINT64_MAX / b ? UINT64_MAX : a * b;
}

static inline uint64_t round_unit(uint64_t v)
{
    return (v + VFIO_SIM_UNIT - 1) & ~(uint64_t)(VFIO_SIM_UNIT - 1);
}

static inline bool is_precopy(uint32_t state)
{
    return state == VFIO_SIM_PRE_COPY || state == VFIO_SIM_PRE_COPY_P2P;
}

/* The states that share a session in which data is read */
static inline bool is_saving(uint32_t state)
{
    return is_precopy(state) || state == VFIO_SIM_STOP_COPY;
}

/* What is left of the frame that is being read, if it counts as @kind */
static inline uint64_t in_flight(const VFIOSim *s, uint32_t kind)
{
    uint32_t as = s->frame.subsumed ? VFIO_SIM_INITIAL : s->frame.kind;

    return as == kind ? s->frame.size - s->frame.pos : 0;
}

static inline uint64_t initial_left(const VFIOSim *s)
{
    return s->left[VFIO_SIM_INITIAL] + in_flight(s, VFIO_SIM_INITIAL);
}

static inline bool is_logging(const VFIOSim *s)
{
    return s->log[VFIO_SIM_DEVICE_LOG].on || s->log[VFIO_SIM_IOMMU_LOG].on;
}

static inline bool vfio_sim_opted_in(const VFIOSim *s)
{
    return s->hooks.opted_in ? s->hooks.opted_in(s->opaque) : s->v2;
}

static inline uint64_t dma_frame_size(uint64_t counters)
{
    return 2 * VFIO_SIM_UNIT + round_unit(counters * 4);
}

/* model.c: for memory that is there, and a given time */
int vfio_sim_init(VFIOSim *s, const VFIOSimConfig *cfg,
                  const VFIOSimHooks *hooks, void *opaque, uint64_t seed,
                  uint64_t now);
void vfio_sim_destroy(VFIOSim *s);
/* Take a changed configuration; @effects: of the keys that were set. */
int vfio_sim_configure(VFIOSim *s, uint64_t now, const VFIOSimConfig *cfg,
                       uint32_t effects);

/*
 * calls.c: "fail-call".  Returns 0, or the negative error number with which
 * this @call fails.
 */
int vfio_sim_fail_call(VFIOSim *s, uint32_t call);

/* patterns.c: bytes that @rate moves in @ns, and the reverse; both saturate */
uint64_t vfio_sim_rate_bytes(uint64_t rate, uint64_t ns);
uint64_t vfio_sim_rate_ns(uint64_t rate, uint64_t bytes);
uint64_t vfio_sim_random(VFIOSim *s);
void vfio_sim_pattern_fill(uint8_t *p, uint64_t w, size_t words);
bool vfio_sim_pattern_check(const uint8_t *p, uint64_t w, size_t words);
uint64_t vfio_sim_pattern_sum(uint64_t seed, uint64_t words);

/*
 * states.c.  A state change goes arc by arc: vfio_sim_next_state() finds the
 * next state on the way from the present one to @target, vfio_sim_latency()
 * how long to wait before it is entered, and vfio_sim_enter() enters it.
 * vfio_sim_set_state() does all without waiting.
 */
int vfio_sim_next_state(const VFIOSim *s, uint32_t target, uint32_t *next);
uint64_t vfio_sim_latency(const VFIOSim *s, uint32_t next);
/* Does the arc to @next start a session, so that a data fd is needed? */
bool vfio_sim_opens_session(const VFIOSim *s, uint32_t next);
int vfio_sim_enter(VFIOSim *s, uint64_t now, uint32_t next);
int vfio_sim_set_state(VFIOSim *s, uint64_t now, uint32_t target);
/* The stream that is being loaded is not accepted. */
void vfio_sim_refuse(VFIOSim *s, const char *why);

/* sizes.c: let time pass */
void vfio_sim_tick(VFIOSim *s, uint64_t now);
void vfio_sim_dirty_tick(VFIOSim *s, uint64_t now);
void vfio_sim_reinit(VFIOSim *s, uint64_t now);
/* The re-initialisations that wait for a condition, not for an event */
void vfio_sim_reinit_armed(VFIOSim *s, uint64_t now);
/* The truth about what is left to be read */
void vfio_sim_sizes(VFIOSim *s, uint64_t now, uint64_t *initial,
                    uint64_t *dirty, uint64_t *stop);
/* The queries, without their delays */
int vfio_sim_precopy_info(VFIOSim *s, uint32_t session, uint64_t now,
                          uint64_t *initial, uint64_t *dirty,
                          uint32_t *flags);
int vfio_sim_data_size(VFIOSim *s, uint64_t now, uint64_t *length);

/* stream.c: without holding */
int64_t vfio_sim_read(VFIOSim *s, uint32_t session, uint64_t now,
                      void *buf, size_t len, uint64_t *wait);
int64_t vfio_sim_write(VFIOSim *s, uint32_t session, uint64_t now,
                       const void *buf, size_t len, uint64_t *wait);

/*
 * dma.c.  vfio_sim_dma_next() finds out whether a page is due to be written,
 * and which; the caller fills it with vfio_sim_dma_fill(), and then calls
 * vfio_sim_dma_done(), all under the lock that dirty log reports take too, so
 * that none is ever lost.
 */
bool vfio_sim_dma_next(VFIOSim *s, uint64_t now, uint64_t *iova);
void vfio_sim_dma_fill(VFIOSim *s, uint64_t iova, void *page);
void vfio_sim_dma_done(VFIOSim *s, uint64_t iova, bool written);
/* Page number @i of a window: false if DMA never wrote it */
bool vfio_sim_dma_expected(const VFIOSimWindow *w, uint64_t i, uint64_t *iova);
bool vfio_sim_dma_check(const VFIOSimWindow *w, uint64_t i, const void *page);
/* The pages of s->rx_dma were compared, as s->rx_verify demands. */
void vfio_sim_dma_verified(VFIOSim *s);
/* Compare them. */
void vfio_sim_dma_verify(VFIOSim *s);
/* Create, replace or keep the window, as configured. */
int vfio_sim_dma_setup(VFIOSim *s, uint64_t now);
void vfio_sim_dma_free(VFIOSim *s);
/* What the counters of the window take in the stream */
uint64_t vfio_sim_dma_stream_size(const VFIOSim *s);
int vfio_sim_window_alloc(VFIOSim *s, VFIOSimWindow *w, uint64_t base,
                          uint64_t pages, uint64_t seed);
void vfio_sim_window_free(VFIOSim *s, VFIOSimWindow *w);

#endif /* VFIO_SIM_INTERNAL_H */
