/*
 * What the tests of the library share
 *
 * Each case runs in a process of its own, with the library and two devices.
 * Before it, both are bound to the IOMMUFD and attached, and memory is mapped
 * for them, unless the case needs something else.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef VFIO_SIM_PRELOAD_FIXTURE_H
#define VFIO_SIM_PRELOAD_FIXTURE_H

#include "model/model.h"
#include "feature-names.h"
#include "tap.h"

/* The descriptors of the IOMMUFD and the devices */
#define IOMMU   100
#define DEV     101
#define DEV2    102

#define MIB     (1ull << 20)
#define WINDOW  (16 * MIB)      /* where the devices write */
#define RAM     (32 * MIB)

/* TapCase.needs */
enum {
    NEEDS_UNBOUND = 1 << 0,     /* devices that are not bound */
    NEEDS_UNMAPPED = 1 << 1,    /* address spaces without memory */
    NEEDS_OLD_IOMMUFD = 1 << 2, /* change-process=off */
};

extern const TapGroup preload_device, preload_iommufd, preload_control,
    preload_timing, preload_migration;

/* Of the first device: its address space, and its page table in that */
extern uint32_t ioas, hwpt;
/* The address space of the second device, to which it is attached */
extern uint32_t ioas2;
/* Memory at 0 of the address spaces */
extern uint8_t *ram, *ram2;

void preload_set_up(const TapCase *c);

/* Does this call fail, with this errno? */
bool fails(long ret, int with);

/* Which device's control socket is used from now on: 1 or 2 */
void control_device(int n);
const char *control_path(void);
/* 0, or -1 if the answer is an error; @answer has no "ok" or "error" */
int request(const char *line, char *answer, size_t len);
/* Is the request answered with "ok ..." or "error: ..." like this? */
bool answers(const char *line, const char *expected);
uint64_t counter(const char *name);
/* Wait until the device has written so many pages. */
void wait_for_pages(uint64_t pages);

int feature(int fd, uint32_t flags, void *data, size_t size);
int set_state(int fd, uint32_t state, int *data_fd);

#endif /* VFIO_SIM_PRELOAD_FIXTURE_H */
