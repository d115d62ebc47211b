/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QEMUs with simulated VFIO devices, for migration tests
 *
 * The devices come from one of the front-ends in tests/vfio-sim: the library
 * that is preloaded into an otherwise unmodified QEMU, or the kernel module.
 *
 * Environment:
 *
 * QTEST_VFIO_SIM           path of the library, or "kernel" for the module,
 *                          which has to be loaded
 * QTEST_VFIO_SIM_LOGS      directory where a case that fails leaves its
 *                          QEMUs' logs, QMP transcripts included
 * QTEST_QEMU_BINARY_SRC    another QEMU for the source, or the destination
 * QTEST_QEMU_BINARY_DST
 */

#ifndef QTEST_VFIO_SIM_H
#define QTEST_VFIO_SIM_H

#include "libqtest.h"

#define VFIO_SIM_MAX_DEVICES 4

typedef struct VfioSimDevice {
    /* With the library: the control connection */
    int fd;
    FILE *rx;
    /* With the module: the device's directory in sysfs */
    char *sysfs;
} VfioSimDevice;

/* A QEMU with its devices; they have the ids dev0, dev1... */
typedef struct VfioSimVM {
    const char *name;
    QTestState *qts;
    int n_devices;
    VfioSimDevice devices[VFIO_SIM_MAX_DEVICES];

    /* Kept up to date from the events */
    uint64_t last_pass;
    uint64_t n_stop;
} VfioSimVM;

/* What guest to run; none of them needs any firmware */
typedef enum VfioSimGuest {
    VFIO_SIM_GUEST_IDLE,        /* halts, and never writes to memory */
    VFIO_SIM_GUEST_DIRTY,       /* bootfile.c: writes 1 MiB to 100 MiB */
} VfioSimGuest;

/*
 * Is there a front-end, and can it do what a case asks vfio_sim_start() for?
 * If not, the test is marked as skipped, with the reason.
 */
bool vfio_sim_supports(const char *const *devices, const char *iommufd_props);

/* The directory of the running case, made at the first call */
const char *vfio_sim_dir(void);
void vfio_sim_dir_remove(void);

/*
 * Start a QEMU.
 *
 * @name: names this QEMU in messages and in file names
 * @devices: NULL-terminated list of "key=value,..." of the simulator; or NULL
 * @device_props: more properties of each vfio-pci device, or ""
 * @iommufd_props: more keys of VFIO_SIM_IOMMUFD, or ""
 * @guest: what to run
 * @args: more arguments
 */
void vfio_sim_start(VfioSimVM *vm, const char *name,
                    const char *const *devices, const char *device_props,
                    const char *iommufd_props, VfioSimGuest guest,
                    const char *args);
void vfio_sim_quit(VfioSimVM *vm);

bool vfio_sim_running(VfioSimVM *vm);

/* Unplug dev0; the guest does nothing, so eject it in its place */
void vfio_sim_unplug_dev0(VfioSimVM *vm);

/* @part is in the error-desc of query-migrate */
void vfio_sim_check_error(VfioSimVM *vm, const char *part);

/* Talk to the simulator of device number @dev */
uint64_t vfio_sim_get(VfioSimVM *vm, int dev, const char *key);
char *vfio_sim_get_str(VfioSimVM *vm, int dev, const char *key);
void vfio_sim_set(VfioSimVM *vm, int dev, const char *key, const char *value);

/*
 * For loops that wait: a short nap, and failure of the test when @start (from
 * g_get_monotonic_time()) is too long ago even for a loaded machine.
 */
void vfio_sim_nap(int64_t start, const char *what);

#endif
