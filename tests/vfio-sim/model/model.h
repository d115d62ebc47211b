/*
 * Model of a VFIO device that can be migrated
 *
 * The model knows nothing of processes, files, clocks and threads: whoever
 * uses it calls it under one lock per device, and says what time it is.
 * Errors are returned as negative errno values.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef VFIO_SIM_MODEL_H
#define VFIO_SIM_MODEL_H

#include "compat.h"

/* enum vfio_device_mig_state of linux/vfio.h */
enum {
    VFIO_SIM_ERROR = 0,
    VFIO_SIM_STOP = 1,
    VFIO_SIM_RUNNING = 2,
    VFIO_SIM_STOP_COPY = 3,
    VFIO_SIM_RESUMING = 4,
    VFIO_SIM_RUNNING_P2P = 5,
    VFIO_SIM_PRE_COPY = 6,
    VFIO_SIM_PRE_COPY_P2P = 7,
    VFIO_SIM_STATES = 8,
};

/* VFIO_MIGRATION_* of linux/vfio.h */
#define VFIO_SIM_MIG_STOP_COPY  (1u << 0)
#define VFIO_SIM_MIG_P2P        (1u << 1)
#define VFIO_SIM_MIG_PRE_COPY   (1u << 2)

/* VFIO_PRECOPY_INFO_REINIT of linux/vfio.h */
#define VFIO_SIM_INFO_REINIT    (1u << 0)

/* Which dirty page tracking is offered */
enum {
    VFIO_SIM_LOG_OFF = 0,
    VFIO_SIM_LOG_DEVICE = 1,
    VFIO_SIM_LOG_IOMMU = 2,
    VFIO_SIM_LOG_BOTH = 3,
    VFIO_SIM_LOGS = 2,          /* how many logs there can be */
};

/* What a size query says */
enum {
    VFIO_SIM_REPORT_TRUTH,
    VFIO_SIM_REPORT_ZERO,
    VFIO_SIM_REPORT_MAX,
    VFIO_SIM_REPORT_RANDOM,
    VFIO_SIM_REPORT_ERROR,
    VFIO_SIM_REPORT_GROWING,
    VFIO_SIM_REPORT_SHRINKING,
    VFIO_SIM_REPORT_NUMBER,
};

/* When a re-initialisation happens, but for "reinit-every" */
enum {
    VFIO_SIM_REINIT_NONE,
    VFIO_SIM_REINIT_NOW,
    VFIO_SIM_REINIT_PRE_COPY,
    VFIO_SIM_REINIT_PRE_COPY_P2P,
    VFIO_SIM_REINIT_WHEN_EMPTY,
    VFIO_SIM_REINIT_BEFORE_QUERY,
    VFIO_SIM_REINIT_AFTER_QUERY,
};

/* Which queries show the flag of a re-initialisation */
enum {
    VFIO_SIM_FLAG_ONCE,
    VFIO_SIM_FLAG_UNTIL_READ,
};

/* Values of "hold" beyond the states */
enum {
    VFIO_SIM_HOLD_NONE = 0,
    VFIO_SIM_HOLD_READ = VFIO_SIM_STATES,
    VFIO_SIM_HOLD_WRITE,
    VFIO_SIM_HOLD_QUERY,
};

#define VFIO_SIM_UNLIMITED      UINT64_MAX
#define VFIO_SIM_PAGE           4096u
/* Sizes are rounded to this; also the size of a frame's header */
#define VFIO_SIM_UNIT           64u
#define VFIO_SIM_FRAME_MAX      (1u << 20)
/* Dirty data appears in pieces of this size */
#define VFIO_SIM_DIRTY_UNIT     4096u
#define VFIO_SIM_DMA_MAX        (4ull << 30)
#define VFIO_SIM_RANGES         256

typedef struct VFIOSimReport {
    uint32_t how;
    bool said;                  /* growing, shrinking: number was said */
    uint64_t number;
} VFIOSimReport;

/* Everything that a profile can say; profile.c describes the fields */
typedef struct VFIOSimConfig {
    bool precopy;
    bool p2p;
    uint64_t initial_bytes;
    uint64_t dirty_bytes;
    uint64_t dirty_rate;
    uint64_t dirty_ceiling;
    uint64_t stop_bytes;
    uint64_t read_rate;
    uint64_t write_rate;
    uint64_t write_rate_initial;
    bool precopy_v2;
    uint64_t reinit_bytes;
    uint64_t reinit_every;
    uint64_t reinit_count;
    uint64_t reinit_skip;
    uint32_t reinit_at;
    uint32_t reinit_flag;
    bool reinit_flag_p2p;
    uint64_t latency[VFIO_SIM_STATES];
    uint64_t latency_query;
    uint64_t dma_rate;
    uint64_t dma_base;
    uint64_t dma_size;
    uint32_t dirty_log;
    uint64_t drop_log_every;
    VFIOSimReport report_initial;
    VFIOSimReport report_dirty;
    VFIOSimReport report_stop;
    uint32_t fail_state;
    uint64_t fail_count;
    uint32_t fail_into;
    uint64_t fail_read_after;
    uint64_t fail_write_after;
    uint32_t hold;
} VFIOSimConfig;

/* What setting a key means for a device that is in use */
enum {
    VFIO_SIM_EFFECT_INITIAL = 1 << 0,
    VFIO_SIM_EFFECT_DIRTY = 1 << 1,
    VFIO_SIM_EFFECT_STOP = 1 << 2,
    VFIO_SIM_EFFECT_FAIL = 1 << 3,
    VFIO_SIM_EFFECT_DMA = 1 << 4,
    /* count anew */
    VFIO_SIM_EFFECT_REINIT = 1 << 5,
    /* the moment was set */
    VFIO_SIM_EFFECT_REINIT_AT = 1 << 6,
    /* the period was set */
    VFIO_SIM_EFFECT_REINIT_EVERY = 1 << 7,
};

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

typedef struct VFIOSimRange {
    uint64_t iova;
    uint64_t length;
} VFIOSimRange;

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

typedef struct VFIOSimHooks {
    /* zeroed memory, or NULL */
    void *(*alloc)(void *opaque, size_t size);
    void (*free)(void *opaque, void *p, size_t size);
} VFIOSimHooks;

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

typedef struct VFIOSim {
    VFIOSimConfig cfg;
    VFIOSimStats stats;
    VFIOSimHooks hooks;
    void *opaque;
    uint32_t state;
    uint64_t rng;
    uint64_t faults_left;

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
    uint64_t dma_next;

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
} VFIOSim;

extern const char *const vfio_sim_state_names[VFIO_SIM_STATES];

/* Bytes that @rate moves in @ns, and the reverse; both saturate. */
uint64_t vfio_sim_rate_bytes(uint64_t rate, uint64_t ns);
uint64_t vfio_sim_rate_ns(uint64_t rate, uint64_t bytes);

/* @seed should differ from device to device and from run to run. */
int vfio_sim_init(VFIOSim *s, const VFIOSimConfig *cfg,
                  const VFIOSimHooks *hooks, void *opaque, uint64_t seed,
                  uint64_t now);
void vfio_sim_destroy(VFIOSim *s);
/* Take a changed configuration; @effects: of the keys that were set. */
int vfio_sim_configure(VFIOSim *s, uint64_t now, const VFIOSimConfig *cfg,
                       uint32_t effects);
uint32_t vfio_sim_mig_flags(const VFIOSim *s);
/* Does the device know VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFOv2? */
bool vfio_sim_has_v2(const VFIOSim *s);
/* Opt in to it, or end that, which belongs to the closing of the device. */
void vfio_sim_set_v2(VFIOSim *s, bool on);

/*
 * State changes.  A front-end that can wait makes them arc by arc:
 * vfio_sim_next_state() finds the next state on the way from the present one
 * to @target, vfio_sim_latency() how long to wait before it is entered, and
 * vfio_sim_enter() enters it.  vfio_sim_set_state() does all without waiting.
 */
int vfio_sim_next_state(const VFIOSim *s, uint32_t target, uint32_t *next);
uint64_t vfio_sim_latency(const VFIOSim *s, uint32_t next);
/* Does the arc to @next start a session, so that a data fd is needed? */
bool vfio_sim_opens_session(const VFIOSim *s, uint32_t next);
int vfio_sim_enter(VFIOSim *s, uint64_t now, uint32_t next);
int vfio_sim_set_state(VFIOSim *s, uint64_t now, uint32_t target);
void vfio_sim_reset(VFIOSim *s, uint64_t now);

/* The truth about what is left to be read. */
void vfio_sim_sizes(VFIOSim *s, uint64_t now, uint64_t *initial,
                    uint64_t *dirty, uint64_t *stop);
/*
 * What the queries say.  @flags is set to 0 or VFIO_SIM_INFO_REINIT if there
 * was an opt-in, and is left alone otherwise.  On failure nothing is said.
 */
int vfio_sim_precopy_info(VFIOSim *s, uint32_t session, uint64_t now,
                          uint64_t *initial, uint64_t *dirty,
                          uint32_t *flags);
int vfio_sim_data_size(VFIOSim *s, uint64_t now, uint64_t *length);

/*
 * The data stream.  @wait gets the ns for which the caller shall not see the
 * result: the device is busy for so long.
 */
int64_t vfio_sim_read(VFIOSim *s, uint32_t session, uint64_t now,
                      void *buf, size_t len, uint64_t *wait);
int64_t vfio_sim_write(VFIOSim *s, uint32_t session, uint64_t now,
                       const void *buf, size_t len, uint64_t *wait);

/*
 * DMA.  vfio_sim_dma_next() says whether a page is due to be written, and
 * which; the caller fills it with vfio_sim_dma_fill(), and then calls
 * vfio_sim_dma_done(), all under the lock that dirty log reports take too, so
 * that none is ever lost.
 */
bool vfio_sim_dma_next(VFIOSim *s, uint64_t now, uint64_t *iova);
void vfio_sim_dma_fill(VFIOSim *s, uint64_t iova, void *page);
void vfio_sim_dma_done(VFIOSim *s, uint64_t iova, bool written);
bool vfio_sim_dma_running(const VFIOSim *s);
/* Page number @i of a window: false if DMA never wrote it */
bool vfio_sim_dma_expected(const VFIOSimWindow *w, uint64_t i, uint64_t *iova);
bool vfio_sim_dma_check(const VFIOSimWindow *w, uint64_t i, const void *page);
/* The pages of s->rx_dma were compared, as s->rx_verify asks to. */
void vfio_sim_dma_verified(VFIOSim *s);

int vfio_sim_log_start(VFIOSim *s, unsigned int log,
                       const VFIOSimRange *ranges, uint32_t nr_ranges);
int vfio_sim_log_stop(VFIOSim *s, unsigned int log);
int vfio_sim_log_report(VFIOSim *s, unsigned int log, uint64_t iova,
                        uint64_t length, bool clear,
                        void (*fn)(void *opaque, uint64_t iova), void *opaque);

/* Counters for the user: the truth about sizes, then VFIOSimStats. */
unsigned int vfio_sim_counters(void);
const char *vfio_sim_counter(VFIOSim *s, uint64_t now, unsigned int i,
                             uint64_t *value);

#endif /* VFIO_SIM_MODEL_H */
