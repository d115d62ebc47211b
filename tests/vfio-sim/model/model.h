/*
 * Model of a VFIO device that can be migrated
 *
 * The model has no processes, files, clocks and threads.  What it needs of
 * them a front-end gives it as VFIOSimHooks.  A front-end calls the model under
 * one lock per device.  Errors are returned as negative errno values.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef VFIO_SIM_MODEL_H
#define VFIO_SIM_MODEL_H

#include "compat.h"
#include "config.h"

/* VFIO_MIGRATION_* of linux/vfio.h */
#define VFIO_SIM_MIG_STOP_COPY  (1u << 0)
#define VFIO_SIM_MIG_P2P        (1u << 1)
#define VFIO_SIM_MIG_PRE_COPY   (1u << 2)

/* VFIO_PRECOPY_INFO_REINIT of linux/vfio.h */
#define VFIO_SIM_INFO_REINIT    (1u << 0)

/* The logs of pages that DMA writes, by their owner */
enum {
    VFIO_SIM_DEVICE_LOG,
    VFIO_SIM_IOMMU_LOG,
    VFIO_SIM_LOGS,
};

/* How many ranges a log can have */
#define VFIO_SIM_RANGES         256

typedef struct VFIOSim VFIOSim;

/* struct vfio_device_feature_dma_logging_range of linux/vfio.h */
typedef struct VFIOSimRange {
    uint64_t iova;
    uint64_t length;
} VFIOSimRange;

/* A key that a front-end cannot change, and its value there */
typedef struct VFIOSimFixed {
    const char *key;
    const char *value;
} VFIOSimFixed;

typedef struct VFIOSimHooks {
    /* Zeroed memory, or NULL */
    void *(*alloc)(void *opaque, size_t size);
    void (*free)(void *opaque, void *p, size_t size);
    /* The time in ns, from a clock that never goes back */
    uint64_t (*now)(void *opaque);

    /*
     * Wait until the next vfio_sim_set(), or the next state change; or for
     * @ns.  The lock is dropped meanwhile.  Both return 0, or an error that
     * ends what waited; @state_change: that is a state change.
     */
    int (*wait)(void *opaque, bool state_change);
    int (*sleep)(void *opaque, uint64_t ns, bool state_change);

    /*
     * A state change begins a session: create its data file.  At the end
     * session_begin() is called with the number of the session, or with 0 if
     * the state change failed, so that there is none.
     */
    int (*session_create)(void *opaque, bool loads);
    void (*session_begin)(void *opaque, uint32_t session);
    /* A step of a state change was made, or has failed with @ret. */
    void (*step)(void *opaque, uint32_t from, uint32_t to, int ret);

    /*
     * DMA: access to a page of the guest's memory, to write or to read it;
     * NULL if there is none.  dma_unmap() returns false if the page could
     * not be written.
     */
    void *(*dma_map)(void *opaque, uint64_t iova, bool write);
    bool (*dma_unmap)(void *opaque, uint64_t iova, void *page, bool write);

    /* A message for the user */
    void (*note)(void *opaque, const char *text);

    /* The rest may be NULL.  Another state machine than the model's: */
    int (*next_state)(void *opaque, uint32_t from, uint32_t target,
                      uint32_t *next);
    /* The opt-in to VFIO_DEVICE_FEATURE 12, if it is not the model's: */
    bool (*opted_in)(void *opaque);
    /* Keys that cannot be changed, up to one whose name is NULL: */
    const VFIOSimFixed *fixed;
    /* Does a call that is held end with its session? */
    bool session_ends_hold;
} VFIOSimHooks;

extern const char *const vfio_sim_state_names[VFIO_SIM_STATES];

/* @seed should differ from device to device and from run to run. */
VFIOSim *vfio_sim_new(const VFIOSimConfig *cfg, const VFIOSimHooks *hooks,
                      void *opaque, uint64_t seed);
void vfio_sim_free(VFIOSim *s);

/*
 * The calls of a program.  They take their time: the lock is dropped while
 * the device is held or slow.
 */
int vfio_sim_change_state(VFIOSim *s, uint32_t target);
/*
 * @flags is set to 0 or VFIO_SIM_INFO_REINIT if there was an opt-in, and is
 * left alone otherwise.  On failure nothing is reported.
 */
int vfio_sim_query_precopy(VFIOSim *s, uint32_t session, uint64_t *initial,
                           uint64_t *dirty, uint32_t *flags);
int vfio_sim_query_length(VFIOSim *s, uint64_t *length);
/*
 * The data stream.  @wait gets the ns that the caller has to let pass before
 * it returns: the device is busy for so long.
 */
int64_t vfio_sim_read_data(VFIOSim *s, uint32_t session, void *buf, size_t len,
                           uint64_t *wait);
int64_t vfio_sim_write_data(VFIOSim *s, uint32_t session, const void *buf,
                            size_t len, uint64_t *wait);

/* These do not. */
void vfio_sim_reset(VFIOSim *s, uint64_t now);
/* The last user closes the device. */
void vfio_sim_close(VFIOSim *s, uint64_t now);
uint32_t vfio_sim_state(const VFIOSim *s);
uint32_t vfio_sim_mig_flags(const VFIOSim *s);
/* Which dirty page tracking is offered: VFIO_SIM_LOG_* */
uint32_t vfio_sim_dirty_log(const VFIOSim *s);
/* 0, or why VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFOv2 is refused */
int vfio_sim_check_v2(const VFIOSim *s);
/* Opt in to it, or end that, which belongs to the closing of the device. */
void vfio_sim_set_v2(VFIOSim *s, bool on);

/*
 * The running device writes the guest's memory, as much as is due now, but
 * not for long; @more: there is more to write at once.  Returns false if it
 * does not write at all, until the next state change or vfio_sim_set().
 */
bool vfio_sim_dma_run(VFIOSim *s, bool *more);
bool vfio_sim_dma_running(const VFIOSim *s);

int vfio_sim_log_start(VFIOSim *s, unsigned int log,
                       const VFIOSimRange *ranges, uint32_t nr_ranges);
int vfio_sim_log_stop(VFIOSim *s, unsigned int log);
int vfio_sim_log_report(VFIOSim *s, unsigned int log, uint64_t iova,
                        uint64_t length, bool clear,
                        void (*fn)(void *opaque, uint64_t iova), void *opaque);
/* All pages in a log, without a trace; none if it is off. */
void vfio_sim_log_each(const VFIOSim *s, unsigned int log,
                       void (*fn)(void *opaque, uint64_t iova), void *opaque);

/*
 * Keys and counters by name, see attributes.h.  On failure @buf gets the
 * reason.
 */
int vfio_sim_get(VFIOSim *s, uint64_t now, const char *name, char *buf,
                 size_t len);
int vfio_sim_set(VFIOSim *s, uint64_t now, const char *name,
                 const char *value, char *buf, size_t len);
/* All counters, as "name=value name=value..." */
void vfio_sim_stats(VFIOSim *s, uint64_t now, char *buf, size_t len);

#endif /* VFIO_SIM_MODEL_H */
