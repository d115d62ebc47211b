/*
 * Devices that the guest ejects while they are migrated
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef MIGRATION_UNPLUG_H
#define MIGRATION_UNPLUG_H

#include "hw/qdev-core.h"

/**
 * migration_defer_unplug: may @dev be freed, or does a migration use it?
 *
 * device_del is refused during a migration, but the guest may eject a device
 * whose unplug was requested before, or was not requested at all.  The
 * migration thread calls into VFIO devices without the BQL, and the destination
 * expects their state.
 *
 * Returns false if the caller is to unplug @dev now.  Otherwise @dev is
 * unplugged when the migration has been cleaned up.  For the guest it is gone;
 * device_add finds its place taken until then.  Before the switchover the
 * migration fails, with an error that names the device; later it goes on.
 *
 * Inside the BQL, in a vCPU thread or the main thread.  Does not wait.
 */
bool migration_defer_unplug(DeviceState *dev);

/* The migration has ended, and uses no device any more.  Inside the BQL. */
void migration_unplug_deferred(void);

#endif
