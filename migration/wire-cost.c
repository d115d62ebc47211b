/*
 * What pages of RAM cost on the wire
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/host-utils.h"
#include "wire-cost.h"

void mig_wire_cost_update(MigWireCost *cost, uint64_t pages, uint64_t bytes)
{
    cost->end.pages = pages;
    cost->end.bytes = bytes;
    if (pages - cost->middle.pages >= MIG_WIRE_COST_PAGES) {
        cost->start = cost->middle;
        cost->middle = cost->end;
    }
}

void mig_wire_cost_skip(MigWireCost *cost, uint64_t pages, uint64_t bytes)
{
    uint64_t more_pages = pages - cost->end.pages;
    uint64_t more_bytes = bytes - cost->end.bytes;

    cost->start.pages += more_pages;
    cost->start.bytes += more_bytes;
    cost->middle.pages += more_pages;
    cost->middle.bytes += more_bytes;
    cost->end.pages = pages;
    cost->end.bytes = bytes;
}

uint64_t mig_wire_cost_get(const MigWireCost *cost, uint64_t bytes,
                           uint64_t page_size)
{
    uint64_t pages = cost->end.pages - cost->start.pages;
    uint64_t spent = cost->end.bytes - cost->start.bytes;

    if (!pages || spent / pages >= page_size) {
        return bytes;
    }
    /* Both factors are below 2^32 but for impossible sizes of RAM */
    return muldiv64(bytes / page_size, MIN(spent / pages + 1, page_size), 1);
}
