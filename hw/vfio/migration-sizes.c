/*
 * VFIO migration: cached sizes of a device's data
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/host-utils.h"
#include "migration-sizes.h"

void vfio_mig_sizes_reset(VFIOMigrationSizes *sizes)
{
    *sizes = (VFIOMigrationSizes) { };
}

void vfio_mig_sizes_set_precopy(VFIOMigrationSizes *sizes, uint64_t initial,
                                uint64_t dirty)
{
    sizes->initial = initial;
    sizes->dirty = dirty;
}

void vfio_mig_sizes_set_stop_copy(VFIOMigrationSizes *sizes, uint64_t length)
{
    sizes->stop_copy = length;
    sizes->stop_copy_known = true;
}

/* Lower @size by @bytes as far as it goes, and return the rest of @bytes */
static uint64_t take(uint64_t *size, uint64_t bytes)
{
    uint64_t taken = MIN(*size, bytes);

    *size -= taken;
    return bytes - taken;
}

void vfio_mig_sizes_read(VFIOMigrationSizes *sizes, uint64_t bytes)
{
    take(&sizes->dirty, take(&sizes->initial, bytes));
    take(&sizes->stop_copy, bytes);
}

void vfio_mig_sizes_read_took(VFIOMigrationSizes *sizes, uint64_t bytes,
                              uint64_t us)
{
    sizes->read_bytes += bytes;
    sizes->read_us += us;
    if (sizes->read_bytes >= VFIO_MIG_RATE_BYTES) {
        uint64_t rate = sizes->read_bytes * 1000 / MAX(sizes->read_us, 1);

        if (sizes->rates++) {
            sizes->rate = MAX(sizes->rate, MAX(rate, 1));
        }
        sizes->read_bytes = 0;
        sizes->read_us = 0;
    }
}

uint64_t vfio_mig_sizes_read_ms(const VFIOMigrationSizes *sizes,
                                uint64_t bytes)
{
    if (!sizes->rate) {
        return 0;
    }
    return bytes / sizes->rate + !!(bytes % sizes->rate);
}

void vfio_mig_sizes_precopy_empty(VFIOMigrationSizes *sizes)
{
    sizes->initial = 0;
    sizes->dirty = 0;
}

void vfio_mig_sizes_end(VFIOMigrationSizes *sizes)
{
    *sizes = (VFIOMigrationSizes) { .stop_copy_known = true };
}

void vfio_mig_sizes_pending(const VFIOMigrationSizes *sizes, bool precopy,
                            uint64_t *precopy_bytes,
                            uint64_t *stopcopy_bytes)
{
    uint64_t stop_copy = sizes->stop_copy_known ?
                         sizes->stop_copy : VFIO_MIG_STOP_COPY_SIZE_UNKNOWN;

    *precopy_bytes = 0;
    if (precopy && uadd64_overflow(sizes->initial, sizes->dirty,
                                   precopy_bytes)) {
        *precopy_bytes = UINT64_MAX;
    }

    /* The stop-copy length includes what precopy could still move */
    take(&stop_copy, *precopy_bytes);
    *stopcopy_bytes = stop_copy;
}
