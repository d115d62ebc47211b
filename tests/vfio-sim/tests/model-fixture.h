/*
 * What the tests of the device model share
 *
 * Devices and buffers belong to the case that makes them, and are released
 * after it.  Time is a number that the caller passes, in ns.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef VFIO_SIM_MODEL_FIXTURE_H
#define VFIO_SIM_MODEL_FIXTURE_H

#include "tap.h"
#include "model/internal.h"
#include "model/profile.h"

#define MS      1000000ull
#define S       1000000000ull
#define KIB     1024ull
#define MIB     (1024 * KIB)

#define REINIT  VFIO_SIM_INFO_REINIT
/* Flags before a query, to see whether it changes them */
#define FLAGS_BEFORE    0x5a5a0000u

extern const TapGroup model_states, model_sizes, model_stream, model_faults,
    model_format, model_reinit, model_dma, model_drivers,
    model_calls, model_profiles;

void model_tear_down(void);

/* A new device, in RUNNING; @keys: "a=b c=d" */
VFIOSim *device(const char *keys);
/* The same, with hooks; those for memory are the fixture's */
VFIOSim *device_with(const char *keys, VFIOSimHooks hooks, void *opaque);
VFIOSim *device_from_profile(const char *path);
/* In another state */
VFIOSim *device_in_state(const char *keys, uint32_t state);
/* Release a device before the end of the case. */
void discard(VFIOSim *s);
void *buffer(size_t size);
/* After @n allocations the model's next one fails, in this case. */
void fail_allocation(unsigned int n);

/* @assignment: "key=value" */
int set_key(VFIOSim *s, uint64_t now, const char *assignment);
uint32_t state_of(const VFIOSim *s);
uint32_t session_of(const VFIOSim *s);
uint64_t counter(VFIOSim *s, const char *name);

/* The precopy query, without its flags */
int precopy_info(VFIOSim *s, uint64_t now, uint64_t *initial,
                 uint64_t *dirty);
/* It succeeds, with exactly this answer. */
void check_precopy_info(VFIOSim *s, uint64_t now, uint64_t initial,
                        uint64_t dirty, uint32_t flags);
/* What is left, and both queries agree with it. */
void check_sizes(VFIOSim *s, uint64_t now, uint64_t initial, uint64_t dirty,
                 uint64_t stop);

int64_t read_data(VFIOSim *s, uint64_t now, void *buf, size_t len);
int64_t write_data(VFIOSim *s, const void *buf, size_t len);
/* Read all there is, in pieces of @piece; returns the number of bytes. */
size_t read_all(VFIOSim *s, uint64_t now, uint8_t *buf, size_t room,
                size_t piece);
/* The whole stream of a device that is RUNNING */
uint8_t *save_stream(VFIOSim *s, size_t *len);
/* Does a new device accept this stream? */
bool is_accepted(const uint8_t *buf, size_t len);

/* Must the guest's memory be compared before the device may run? */
bool must_verify_dma(const VFIOSim *s);
const VFIOSimWindow *own_window(const VFIOSim *s);
const VFIOSimWindow *received_window(const VFIOSim *s);
/* Have the device write pages of memory whose contents are not needed. */
void write_pages(VFIOSim *s, uint64_t now, unsigned int pages);

static inline size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

#endif /* VFIO_SIM_MODEL_FIXTURE_H */
