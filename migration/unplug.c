/*
 * Devices that the guest ejects while they are migrated
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/hotplug.h"
#include "migration/misc.h"
#include "migration/unplug.h"
#include "qapi/error.h"
#include "qemu/main-loop.h"

/* Each with a reference.  Inside the BQL. */
static GPtrArray *deferred;

static int is_migrated(DeviceState *dev, void *opaque)
{
    /* Ends the walk */
    return dev->migrated_live;
}

static const char *device_name(DeviceState *dev)
{
    return dev->id ?: object_get_typename(OBJECT(dev));
}

bool migration_defer_unplug(DeviceState *dev)
{
    Error *local_err = NULL;

    if (!migration_uses_devices() ||
        !qdev_walk_children(dev, is_migrated, NULL, NULL, NULL, NULL)) {
        return false;
    }

    if (!deferred) {
        deferred = g_ptr_array_new_with_free_func(object_unref);
    }
    if (g_ptr_array_find(deferred, dev, NULL)) {
        return true;
    }
    object_ref(OBJECT(dev));
    g_ptr_array_add(deferred, dev);

    error_setg(&local_err, "Device '%s' was unplugged by the guest during the "
               "migration", device_name(dev));
    migration_fail_before_switchover(-ENODEV, local_err);
    return true;
}

static void unplug_deferred_bh(void *opaque)
{
    g_autoptr(GPtrArray) devices = g_steal_pointer(&deferred);

    for (guint i = 0; devices && i < devices->len; i++) {
        DeviceState *dev = g_ptr_array_index(devices, i);

        /* Gone by other means, or in use again: then it has to wait again */
        if (!dev->realized || migration_defer_unplug(dev)) {
            continue;
        }
        hotplug_handler_unplug(qdev_get_hotplug_handler(dev), dev,
                               &error_abort);
        object_unparent(OBJECT(dev));
    }
}

void migration_unplug_deferred(void)
{
    if (deferred) {
        /* Not now: a device that goes removes its notifier of the migration */
        aio_bh_schedule_oneshot(qemu_get_aio_context(), unplug_deferred_bh,
                                NULL);
    }
}
