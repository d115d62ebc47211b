/*
 * A simulated device, and the calls on its descriptors
 *
 * Lock order: SimDevice.transition, SimDevice.lock, then the locks of the
 * IOMMU and of the DMA thread.  A thread never sleeps with a lock held, but
 * for a state change, which holds "transition" as the kernel holds its state
 * mutex.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef VFIO_SIM_DEVICE_H
#define VFIO_SIM_DEVICE_H

#include "fds.h"

#include <pthread.h>

#include "model/model.h"

#define MAX_DEVICES     256
#define REGION_SHIFT    32

typedef struct SimDevice {
    unsigned int index;                 /* in devices[] */
    int fd;
    char *control;                      /* path of its socket, or NULL */
    int listener;
    pthread_mutex_t transition;
    int new_fd;                         /* data fd of a state change, or -1 */
    bool new_fd_loads;
    pthread_mutex_t lock;
    /* set under the lock, read without: */
    atomic_bool bound;
    _Atomic uint32_t dirty_log;         /* what the model offers */
    /* under the lock: */
    pthread_cond_t cond;
    VFIOSim *sim;
    uint32_t id;
    uint32_t ioas;
    uint32_t hwpt;
} SimDevice;

extern SimDevice *devices[MAX_DEVICES];
extern unsigned int nr_devices;

static inline SimDevice *fd_device(uint16_t kind)
{
    return devices[(kind - FD_DEVICE) / 2];
}

/* A device with the descriptor @fd, not in devices[] yet */
SimDevice *device_new(int fd, const VFIOSimConfig *cfg);

int device_ioctl(SimDevice *d, uint32_t request, void *arg);
/* Its VFIO_DEVICE_FEATURE, in features.c */
int device_feature(SimDevice *d, void *arg);
int64_t device_config_write(int fd, const uint8_t *buf, size_t len,
                            off_t offset);
bool device_is_config(off_t offset);
void device_close(SimDevice *d);

int data_ioctl(SimDevice *d, int fd, uint32_t request, void *arg);
int64_t data_read(SimDevice *d, int fd, void *buf, size_t len);
int64_t data_write(SimDevice *d, int fd, const void *buf, size_t len);

#endif /* VFIO_SIM_DEVICE_H */
