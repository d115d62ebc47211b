/*
 * VFIO migration: cached sizes of a device's data
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VFIO_MIGRATION_SIZES_H
#define HW_VFIO_MIGRATION_SIZES_H

#include "qemu/units.h"

/*
 * Replaces a stop-copy length that could never be read.  Devices have from a
 * few KiB to many GiB; this is large enough to prevent a switchover that
 * exceeds the downtime limit.
 */
#define VFIO_MIG_STOP_COPY_SIZE_UNKNOWN (100 * GiB)

/**
 * VFIOMigrationSizes: cached sizes of a device's migration data, in bytes
 *
 * The kernel reports three numbers (see linux/vfio.h): initial_bytes and
 * dirty_bytes of VFIO_MIG_GET_PRECOPY_INFO, and stop_copy_length of
 * VFIO_DEVICE_FEATURE_MIG_DATA_SIZE, which includes what precopy could still
 * move.  All of them are estimates, read one after the other, and may have any
 * value: nothing here relies on one being smaller than another, or on the data
 * adding up to what was reported.
 *
 * No locking: owned by the thread that saves the device.
 *
 * @initial: initial bytes of precopy
 * @dirty: bytes that became dirty during precopy
 * @stop_copy: length of all data if the device was stopped now
 * @stop_copy_known: @stop_copy was read at least once
 * @read_bytes, @read_us: what was read lately while the device runs, and how
 *                        long that took
 * @rates: how often that was enough to tell a rate
 * @rate: the highest rate but for the first, in bytes per ms; 0 if not known
 */
typedef struct VFIOMigrationSizes {
    uint64_t initial;
    uint64_t dirty;
    uint64_t stop_copy;
    bool stop_copy_known;
    uint64_t read_bytes;
    uint64_t read_us;
    uint64_t rates;
    uint64_t rate;
} VFIOMigrationSizes;

/* Discard everything: a migration begins or has ended. */
void vfio_mig_sizes_reset(VFIOMigrationSizes *sizes);

/* A query has succeeded.  After a failed one, what is cached stays valid. */
void vfio_mig_sizes_set_precopy(VFIOMigrationSizes *sizes, uint64_t initial,
                                uint64_t dirty);
void vfio_mig_sizes_set_stop_copy(VFIOMigrationSizes *sizes, uint64_t length);

/*
 * The device was stopped, and has been read to its end.  By the thread that
 * reads; the migration thread waits for it meanwhile.
 */
void vfio_mig_sizes_end(VFIOMigrationSizes *sizes);

/*
 * @bytes were read from the device; initial data comes first.  May be more
 * than what was reported.
 */
void vfio_mig_sizes_read(VFIOMigrationSizes *sizes, uint64_t bytes);

/* This much at least is needed to tell how fast a device is */
#define VFIO_MIG_RATE_BYTES (8 * MiB)

/*
 * A read of @bytes while the device runs has taken @us.  The first rate does
 * not count, as the first read may wait until the device has collected its
 * state.
 */
void vfio_mig_sizes_read_took(VFIOMigrationSizes *sizes, uint64_t bytes,
                              uint64_t us);

/*
 * How long the device takes to deliver @bytes, in ms rounded up, if it is as
 * fast as it was seen to be; 0 if that is not known.
 */
uint64_t vfio_mig_sizes_read_ms(const VFIOMigrationSizes *sizes,
                                uint64_t bytes);

/* The device has no precopy data for now. */
void vfio_mig_sizes_precopy_empty(VFIOMigrationSizes *sizes);

/**
 * vfio_mig_sizes_pending: split what is left by when it can move
 *
 * @sizes: the cached sizes
 * @precopy: the device is in one of the PRE_COPY states
 * @precopy_bytes: can move while the device runs
 * @stopcopy_bytes: can move only once it is stopped
 *
 * The two sum up to the greater of precopy sizes and stop-copy length.
 */
void vfio_mig_sizes_pending(const VFIOMigrationSizes *sizes, bool precopy,
                            uint64_t *precopy_bytes,
                            uint64_t *stopcopy_bytes);

#endif
