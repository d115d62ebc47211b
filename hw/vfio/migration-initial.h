/*
 * VFIO migration: initial data, and the switchover acks asked for it
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VFIO_MIGRATION_INITIAL_H
#define HW_VFIO_MIGRATION_INITIAL_H

/**
 * VFIOMigrationInitial: which switchover ack the initial data still needs
 *
 * Initial data should be loaded on the destination before the switchover.
 * The source asks for an ack when a migration begins, and again whenever the
 * device got new initial data after the destination was told that it has all.
 * Until it was told, one ack covers whatever comes.
 *
 * No locking: owned by the thread that saves the device.
 *
 * @request: number of the latest request; 0: none was made
 * @told: the destination was told that it has the data of @request
 * @reinits: how often the device said that it has new initial data
 */
typedef struct VFIOMigrationInitial {
    uint64_t request;
    bool told;
    uint64_t reinits;
} VFIOMigrationInitial;

/* No migration is under way. */
void vfio_mig_initial_reset(VFIOMigrationInitial *initial);

/* A precopy begins: the device may have initial data. */
void vfio_mig_initial_begin(VFIOMigrationInitial *initial);

/*
 * The device says that it has new initial data.  It may say so once, or until
 * the data has been read.
 *
 * @again: there can be more than one ack (not so with the legacy protocol)
 *
 * Returns true if that calls for another ack.
 */
bool vfio_mig_initial_reinit(VFIOMigrationInitial *initial, bool again);

/* Is there a request that the destination was not told of? */
bool vfio_mig_initial_untold(const VFIOMigrationInitial *initial);

/* All initial data, and then the number of the request, have been sent. */
void vfio_mig_initial_told(VFIOMigrationInitial *initial);

#endif
