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
 * QTEST_QEMU_BINARY_SRC    another QEMU for the source, or the destination
 * QTEST_QEMU_BINARY_DST
 * QTEST_VFIO_SIM_DEBUG     "src" or "dst": after the start of that QEMU, wait
 *                          for a newline on stdin, so that a debugger can be
 *                          attached
 */

#ifndef QTEST_VFIO_SIM_VM_H
#define QTEST_VFIO_SIM_VM_H

#include "libqtest.h"
#include "tests/vfio-sim/client/control.h"
#include "vfio/guest-rom.h"

#define VFIO_SIM_MAX_DEVICES 4

/* Where QEMU puts dev0 on bus 0 of the machine "pc", the default here */
#define VFIO_SIM_SLOT_DEV0 2

typedef struct VfioSimDevice {
    VFIOSimControl *control;    /* with the library */
    char *sysfs;                /* with the module: the device's directory */
} VfioSimDevice;

/* A QEMU with its devices, whose ids are dev0, dev1... */
typedef struct VfioSimVM {
    const char *name;
    QTestState *qts;
    int n_devices;
    VfioSimDevice devices[VFIO_SIM_MAX_DEVICES];

    /* Updated by events */
    uint64_t last_pass;
    uint64_t n_stop;
    char last_reason[32];       /* why the migration does not switch over */
    uint64_t raised_limit;      /* by x-max-downtime-limit */
    char states[256];           /* of dev0, with migration-events=on */
} VfioSimVM;

typedef struct VfioSimVMOptions {
    const char *name;           /* in messages and in file names */
    const char *binary;         /* the QEMU, or NULL for the usual one */
    const char *const *devices; /* "KEY=VALUE,..." of each; ends with NULL */
    const char *device_props;   /* more properties of each vfio-pci device */
    const char *iommufd_props;  /* more keys of VFIO_SIM_IOMMUFD */
    const char *args;           /* more arguments of QEMU */
    const char *stderr_path;    /* a file for its stderr */
    VfioSimGuest guest;
} VfioSimVMOptions;

/*
 * NULL if there is a front-end, and if it can simulate @devices with an
 * IOMMUFD that has @iommufd_props; otherwise the reason why not.
 */
const char *vfio_sim_missing(const char *const *devices,
                             const char *iommufd_props);

void vfio_sim_start(VfioSimVM *vm, const VfioSimVMOptions *opts);
void vfio_sim_quit(VfioSimVM *vm);

bool vfio_sim_running(VfioSimVM *vm);

/* Wait until VFIO_SIM_GUEST_DIRTY writes to memory */
void vfio_sim_wait_guest_writes(VfioSimVM *vm);

/* Unplug dev0.  The guest does not react, so this ejects the device. */
void vfio_sim_unplug_dev0(VfioSimVM *vm);

/* device_del of dev0 is refused */
void vfio_sim_check_unplug_refused(VfioSimVM *vm);

/* @part is in the error-desc of query-migrate */
void vfio_sim_check_error(VfioSimVM *vm, const char *part);

/* Keys and counters of the simulator, for the device with number @dev */
uint64_t vfio_sim_get(VfioSimVM *vm, int dev, const char *key);
char *vfio_sim_get_str(VfioSimVM *vm, int dev, const char *key);
void vfio_sim_set(VfioSimVM *vm, int dev, const char *key, const char *value);

bool vfio_sim_state_is(VfioSimVM *vm, int dev, const char *state);
void vfio_sim_wait_state(VfioSimVM *vm, int dev, const char *state);

/*
 * For loops that wait: sleeps for a short time, and fails the test if @start
 * (from g_get_monotonic_time()) is too long ago even for a loaded machine.
 */
void vfio_sim_nap(int64_t start, const char *what);

/* Wait until the file @path, which must exist, has @text */
void vfio_sim_wait_text(const char *path, const char *text);

#define SIM_CHECK(vm, dev, key, op, value)                             \
    g_assert_cmpuint(vfio_sim_get(vm, dev, key), op, value)

#define SIM_WAIT(vm, dev, key, op, value)                              \
    do {                                                               \
        int64_t start_ = g_get_monotonic_time();                       \
        uint64_t value_ = (value);                                     \
                                                                       \
        while (!(vfio_sim_get(vm, dev, key) op value_)) {              \
            vfio_sim_nap(start_, #vm " " key " " #op " " #value);      \
        }                                                              \
    } while (0)

#endif
