/*
 * VFIO migration: the part of linux/vfio.h that QEMU's copy of it lacks
 *
 * From Linux 7.1 on.  Goes away when linux-headers/ is updated.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VFIO_MIGRATION_UAPI_H
#define HW_VFIO_MIGRATION_UAPI_H

#include <linux/vfio.h>

/*
 * VFIO_DEVICE_FEATURE_SET makes vfio_precopy_info.flags a valid output of
 * VFIO_MIG_GET_PRECOPY_INFO, as long as the device is open.  It takes no data.
 * Without it, the flags are reserved, and may have any value.
 */
#ifndef VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFOv2
#define VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFOv2 12
#endif

/*
 * In vfio_precopy_info.flags: the device has re-initialised.  initial_bytes is
 * the size of its new initial data, and dirty_bytes counts from 0 again.
 */
#ifndef VFIO_PRECOPY_INFO_REINIT
#define VFIO_PRECOPY_INFO_REINIT (1 << 0)
#endif

#endif
