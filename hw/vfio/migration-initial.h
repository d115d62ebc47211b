/*
 * VFIO migration: requests for switchover acks for initial data
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VFIO_MIGRATION_INITIAL_H
#define HW_VFIO_MIGRATION_INITIAL_H

/**
 * VFIOMigrationInitial: requests for switchover acks for initial data
 *
 * Initial data should be loaded on the destination before the switchover.
 * The source requests an ack when a migration begins, and again each time the
 * device has re-initialised after the last request was sent.  Before that, the
 * ack that is still missing covers the new data as well.
 *
 * No locking: owned by the thread that saves the device.
 *
 * @request: number of the latest request; 0: none was made
 * @sent: @request was sent to the destination, behind the initial data
 * @reinits: how often the device reported that it has re-initialised
 */
typedef struct VFIOMigrationInitial {
    uint64_t request;
    bool sent;
    uint64_t reinits;
} VFIOMigrationInitial;

/* A migration has ended, or begins. */
void vfio_mig_initial_reset(VFIOMigrationInitial *initial);

/* Precopy begins: the device may have initial data. */
void vfio_mig_initial_begin(VFIOMigrationInitial *initial);

/*
 * The device reports that it has re-initialised.  It may report that once, or
 * until the data has been read.
 *
 * @again: there can be more than one ack (not with the legacy protocol)
 *
 * Returns true if that makes another request.
 */
bool vfio_mig_initial_reinit(VFIOMigrationInitial *initial, bool again);

/* Is there a request that has not been sent? */
bool vfio_mig_initial_unsent(const VFIOMigrationInitial *initial);

/* All initial data, and then the request, have been sent. */
void vfio_mig_initial_sent(VFIOMigrationInitial *initial);

#endif
