/*
 * What pages of RAM cost on the wire
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef MIGRATION_WIRE_COST_H
#define MIGRATION_WIRE_COST_H

/* "Lately" is the last one or two times so many pages */
#define MIG_WIRE_COST_PAGES 1024

/**
 * MigWireCost: what pages of RAM cost on the wire lately
 *
 * A page of zeroes takes a few bytes, a compressed page some part of its size.
 * All zero at the start of a migration.
 *
 * @start: number of pages sent, and of bytes that they took, at the beginning
 *         of what counts as lately
 * @middle: the same, MIG_WIRE_COST_PAGES or more later
 * @end: the same, of the latest update
 */
typedef struct MigWireCost {
    struct {
        uint64_t pages;
        uint64_t bytes;
    } start, middle, end;
} MigWireCost;

/* So many pages were sent up to now, and took so many bytes. */
void mig_wire_cost_update(MigWireCost *cost, uint64_t pages, uint64_t bytes);

/* The same, but what was sent since the latest of both calls does not count. */
void mig_wire_cost_skip(MigWireCost *cost, uint64_t pages, uint64_t bytes);

/**
 * mig_wire_cost_get: what RAM will cost, if it costs what it did lately
 *
 * @bytes: of RAM
 * @page_size: in bytes
 *
 * Returns bytes on the wire, at most @bytes; @bytes if no page was sent.
 */
uint64_t mig_wire_cost_get(const MigWireCost *cost, uint64_t bytes,
                           uint64_t page_size);

#endif
