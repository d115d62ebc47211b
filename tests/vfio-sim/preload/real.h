/*
 * The functions behind those that the library replaces, and what all of its
 * parts use: time and messages
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef VFIO_SIM_REAL_H
#define VFIO_SIM_REAL_H

/*
 * The functions that the library replaces must not be redirected by the C
 * library's headers, nor their prototypes.  All hosts with VFIO have a 64-bit
 * off_t.
 */
#undef _FILE_OFFSET_BITS
#undef _FORTIFY_SOURCE
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int real_ioctl(int fd, unsigned long request, void *arg);
ssize_t real_read(int fd, void *buf, size_t len);
ssize_t real_write(int fd, const void *buf, size_t len);
ssize_t real_pwrite(int fd, const void *buf, size_t len, off_t offset);
int real_close(int fd);

uint64_t now_ns(void);

/* VFIO_SIM_DEBUG is set */
extern bool debug;

#define MESSAGE(fmt, ...) \
    dprintf(STDERR_FILENO, "vfio-sim: " fmt "\n", ##__VA_ARGS__)
#define DEBUG(fmt, ...) \
    do { \
        if (debug) { \
            MESSAGE(fmt, ##__VA_ARGS__); \
        } \
    } while (0)

__attribute__((noreturn, format(printf, 1, 2)))
void fatal(const char *fmt, ...);

#endif /* VFIO_SIM_REAL_H */
