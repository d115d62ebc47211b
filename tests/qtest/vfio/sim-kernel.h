/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Devices of the simulator's kernel module, by way of sysfs
 */

#ifndef QTEST_VFIO_SIM_KERNEL_H
#define QTEST_VFIO_SIM_KERNEL_H

/* Does the environment select the module, and not the library? */
bool sim_kernel_used(void);

/*
 * NULL if the module is loaded, and if it can simulate @devices; otherwise
 * the reason why not.
 */
const char *sim_kernel_missing(const char *const *devices,
                               const char *iommufd_props);

/* Make a device; the path of its directory in sysfs */
char *sim_kernel_create(void);
void sim_kernel_remove(const char *sysfs);

/* A key or a counter of a device */
char *sim_kernel_get(const char *sysfs, const char *key);
void sim_kernel_set(const char *sysfs, const char *key, const char *value);

#endif
