/*
 * What the conformance tests share: the device that is tested
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef VFIO_SIM_CONFORMANCE_FIXTURE_H
#define VFIO_SIM_CONFORMANCE_FIXTURE_H

#include <errno.h>

#include "model/model.h"
#include "feature-names.h"
#include "tap.h"

#define FEATURE_V2      VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFOv2
#define FEATURE_NONE    0x7fff          /* a number that is not used */

#define KIB             1024ull
/* Sizes of a simulated device when a case begins */
#define INITIAL         (64 * KIB)
#define DIRTY           (32 * KIB)
#define STOPPED         (128 * KIB)

/* TapCase.needs */
enum {
    NEEDS_SIMULATOR = 1 << 0,   /* a device that has keys and counters */
    NEEDS_KERNEL = 1 << 1,      /* a device of the kernel, not of the library */
    NEEDS_PRECOPY = 1 << 2,
    NEEDS_V2 = 1 << 3,          /* MIG_PRECOPY_INFOv2 */
};

typedef struct Target {
    const char *sysfs;          /* of a mediated device; NULL: the library */
    char control[108];          /* the library's socket */
    bool simulated;             /* it has keys and counters */
    bool has_v2;
    uint32_t flags;             /* VFIO_SIM_MIG_* */
    int dev;
    int data;                   /* of the present session, or -1 */
    /* a stream that the device accepts in RESUMING */
    uint8_t stream[1024 * KIB];
    size_t stream_len;
} Target;

extern Target target;

extern const TapGroup conformance_device, conformance_features,
    conformance_keys, conformance_states, conformance_queries,
    conformance_data, conformance_lifetime;

/* Open the device, find out what it can do, and save a stream. */
void target_start(void);
const char *target_skip(const TapCase *c);

/* A mediated device can be closed and opened again. */
void open_device(void);
void close_device(void);
void close_data(void);
/* Use this data fd, instead of the one that there may be. */
void take_data_fd(int fd);
/* A reset, and the keys as a case expects them */
void restart(void);

/* Keys and counters of a simulated device */
void set(const char *key, const char *value);
void set_size(const char *key, uint64_t size);
uint64_t get(const char *key);
/* 0, or an errno */
int try_set(const char *key, const char *value);
int try_get(const char *key, char *value, size_t len);

/* 0, or the errno of a call that failed */
int error(long ret);

/* VFIO_DEVICE_FEATURE with any size, and with the right one */
int feature_sized(uint32_t argflags, uint32_t argsz, void *payload,
                  size_t size);
int feature(uint32_t argflags, void *payload, size_t size);
int probe(uint32_t argflags);
int opt_in(void);
/* @fd gets the data fd of a new session, or -1 */
int set_state_fd(uint32_t state, int *fd);
/* The same, and the data fd is taken */
int set_state(uint32_t state);
uint32_t state(void);
int data_size(uint64_t *size);
int precopy_info(int fd, struct vfio_precopy_info *info);

/* Read all there is; returns how that ended: 0, or an errno. */
int read_all(size_t *len);
int write_all(const uint8_t *buf, size_t len);

bool is_precopy(uint32_t s);
bool is_saving(uint32_t s);
bool is_p2p(uint32_t s);
/* Does the device have this state, other than ERROR? */
bool has_state(uint32_t s);
/* Can a test bring the device into this state? */
bool can_go_to(uint32_t s);
/* Bring a device that is RUNNING into it. */
void go_to(uint32_t s);

#endif /* VFIO_SIM_CONFORMANCE_FIXTURE_H */
