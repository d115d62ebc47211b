/*
 * Dirty pages as bitmaps
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "dirty.h"

int bitmap_check(const SimBitmap *b)
{
    return b->page_size < VFIO_SIM_PAGE || b->page_size & (b->page_size - 1) ||
           b->iova % b->page_size || !b->length ||
           b->iova + b->length - 1 < b->iova ? -EINVAL : 0;
}

void bitmap_set(void *opaque, uint64_t iova)
{
    SimBitmap *b = opaque;
    uint64_t bit = (iova - b->iova) / b->page_size;

    b->bits[bit / 64] |= 1ull << (bit % 64);
}

int log_report(SimDevice *d, unsigned int log, SimBitmap *b, bool clear)
{
    int ret = bitmap_check(b);

    return ret ? ret : vfio_sim_log_report(d->sim, log, b->iova, b->length,
                                           clear, bitmap_set, b);
}
