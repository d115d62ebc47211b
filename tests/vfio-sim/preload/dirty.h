/*
 * Dirty pages as bitmaps
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef VFIO_SIM_DIRTY_H
#define VFIO_SIM_DIRTY_H

#include "device.h"

typedef struct SimBitmap {
    uint64_t iova;
    uint64_t length;
    uint64_t page_size;
    uint64_t *bits;
} SimBitmap;

/* 0, or the error that a request with such a bitmap gets */
int bitmap_check(const SimBitmap *b);
/* @opaque: the SimBitmap in whose range the page begins */
void bitmap_set(void *opaque, uint64_t iova);

/* What a log has of the bitmap's range; the device is locked. */
int log_report(SimDevice *d, unsigned int log, SimBitmap *b, bool clear);

#endif /* VFIO_SIM_DIRTY_H */
