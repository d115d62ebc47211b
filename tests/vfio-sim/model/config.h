/*
 * The configuration of a device: everything that a profile can set
 *
 * attributes.c describes the fields.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef VFIO_SIM_CONFIG_H
#define VFIO_SIM_CONFIG_H

#include "compat.h"

/*
 * enum vfio_device_mig_state of linux/vfio.h.  The model needs no header of
 * the kernel; the front-ends, which have it, check that both agree.
 */
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

/* Which dirty page tracking is offered */
enum {
    VFIO_SIM_LOG_OFF = 0,
    VFIO_SIM_LOG_DEVICE = 1,
    VFIO_SIM_LOG_IOMMU = 2,
    VFIO_SIM_LOG_BOTH = 3,
};

/* What a size query reports */
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

/* Where a failed state change leaves the device */
enum {
    VFIO_SIM_FAIL_STAY,
    VFIO_SIM_FAIL_ERROR,
};

/* Calls of a program that "fail-call" can let fail */
enum {
    VFIO_SIM_CALL_NONE,
    VFIO_SIM_CALL_SET_STATE,
    VFIO_SIM_CALL_PRECOPY_INFO,
    VFIO_SIM_CALL_DATA_SIZE,
    VFIO_SIM_CALL_READ,
    VFIO_SIM_CALL_WRITE,
    VFIO_SIM_CALL_LOG_START,
    VFIO_SIM_CALL_LOG_STOP,
    VFIO_SIM_CALL_LOG_REPORT,
    VFIO_SIM_CALLS,
};

/* Errors that it can fail with: what drivers and the VFIO core return */
enum {
    VFIO_SIM_ERRNO_EIO,
    VFIO_SIM_ERRNO_EINTR,
    VFIO_SIM_ERRNO_EAGAIN,
    VFIO_SIM_ERRNO_ENOMEM,
    VFIO_SIM_ERRNO_EFAULT,
    VFIO_SIM_ERRNO_EBUSY,
    VFIO_SIM_ERRNO_ENODEV,
    VFIO_SIM_ERRNO_EINVAL,
    VFIO_SIM_ERRNO_ENOTTY,
    VFIO_SIM_ERRNO_ENOMSG,
    VFIO_SIM_ERRNO_ETIMEDOUT,
    VFIO_SIM_ERRNOS,
};

/* When the host resets the device */
enum {
    VFIO_SIM_RESET_NONE,
    VFIO_SIM_RESET_NOW,
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
#define VFIO_SIM_DMA_MAX        (4ull << 30)

typedef struct VFIOSimReport {
    uint32_t how;
    bool reported;              /* growing, shrinking: the number was */
    uint64_t number;
} VFIOSimReport;

typedef struct VFIOSimConfig {
    bool precopy;
    bool p2p;
    bool p2p_stops;
    uint64_t initial_bytes;
    uint64_t dirty_bytes;
    uint64_t dirty_rate;
    uint64_t dirty_ceiling;
    uint64_t dirty_refill_every;
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
    uint64_t report_max_age;
    uint32_t fail_state;
    uint64_t fail_count;
    uint32_t fail_into;
    uint64_t fail_read_after;
    uint64_t fail_write_after;
    uint32_t fail_call;
    uint64_t fail_call_skip;
    uint64_t fail_call_count;
    uint32_t fail_errno;
    uint64_t read_max;
    uint64_t write_max;
    uint32_t reset;
    uint32_t hold;
} VFIOSimConfig;

/* What setting a key means for a device that is in use */
enum {
    VFIO_SIM_EFFECT_INITIAL = 1 << 0,
    VFIO_SIM_EFFECT_DIRTY = 1 << 1,
    VFIO_SIM_EFFECT_STOP = 1 << 2,
    VFIO_SIM_EFFECT_FAIL = 1 << 3,
    VFIO_SIM_EFFECT_DMA = 1 << 4,
    /* count re-initialisations again */
    VFIO_SIM_EFFECT_REINIT = 1 << 5,
    /* the moment was set */
    VFIO_SIM_EFFECT_REINIT_AT = 1 << 6,
    /* the period was set */
    VFIO_SIM_EFFECT_REINIT_EVERY = 1 << 7,
    VFIO_SIM_EFFECT_REFILL = 1 << 8,
    VFIO_SIM_EFFECT_FAIL_CALL = 1 << 9,
    VFIO_SIM_EFFECT_RESET = 1 << 10,
};

void vfio_sim_config_default(VFIOSimConfig *cfg);
/* NULL, or what is wrong with the keys taken together. */
const char *vfio_sim_config_check(const VFIOSimConfig *cfg);

#endif /* VFIO_SIM_CONFIG_H */
