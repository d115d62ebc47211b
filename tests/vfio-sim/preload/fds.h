/*
 * The file descriptors that are the simulator's
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef VFIO_SIM_FDS_H
#define VFIO_SIM_FDS_H

#include "real.h"

/* Only descriptors below this can be ours */
#define MAX_FD          65536

/* What a descriptor is: 0 is not ours, the rest has the number of the device */
enum {
    FD_NONE,
    FD_IOMMU,
    FD_DEVICE,          /* FD_DEVICE + 2 * i, FD_DATA + 2 * i */
    FD_DATA,
};

extern _Atomic uint16_t fd_table[MAX_FD];
/* Of a data fd: its session, and whether that is one that loads */
#define SESSION_LOADS   (1u << 31)
extern _Atomic uint32_t fd_session[MAX_FD];

static inline uint16_t fd_kind(int fd)
{
    return (unsigned int)fd < MAX_FD ?
           atomic_load_explicit(&fd_table[fd], memory_order_acquire) : FD_NONE;
}

static inline void set_fd(int fd, uint16_t kind)
{
    atomic_store_explicit(&fd_table[fd], kind, memory_order_release);
}

static inline bool is_device(uint16_t kind)
{
    return kind >= FD_DEVICE && (kind - FD_DEVICE) % 2 == 0;
}

#endif /* VFIO_SIM_FDS_H */
