/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Devices of the simulator's kernel module, by way of sysfs
 */

#include "qemu/osdep.h"
#include "vfio/sim-kernel.h"

#define MDEV_TYPE "/sys/class/vfio_sim/vfio_sim/mdev_supported_types/" \
                  "vfio_sim-pci"
#define MDEV_DEVICES "/sys/bus/mdev/devices"
#define MDEV_KEYS "vfio_sim"

/*
 * What a case can require that the kernel module does not have.  A property
 * of a device or of the IOMMUFD begins with @property.
 */
static const struct {
    const char *property;
    const char *reason;
} not_in_kernel[] = {
    { "change-process=off", "the kernel that runs this has no IOMMUFD" },
    { "dirty-log=device",
      "the kernel that runs this has no IOMMUFD, and so no device dirty log" },
    { "dirty-log=both",
      "the kernel that runs this has no IOMMUFD, and so no device dirty log" },
    { "dirty-log=off", "the container logs the DMA of all mediated devices" },
    { "drop-log-every=", "the container logs the DMA of all mediated devices" },
    { "precopy-v2=off", "the VFIO core decides that, for all devices" },
};

/* What needs VFIO_PRECOPY_INFO_REINIT in the VFIO core */
static const char *const v2_properties[] = {
    "precopy-v2=on", "reinit-at=", "reinit-every=",
};

bool sim_kernel_used(void)
{
    return !g_strcmp0(getenv("QTEST_VFIO_SIM"), "kernel");
}

static char *sysfs_read(const char *dir, const char *name)
{
    g_autofree char *path = g_build_filename(dir, name, NULL);
    g_autoptr(GError) err = NULL;
    char *text = NULL;

    if (!g_file_get_contents(path, &text, NULL, &err)) {
        g_printerr("%s\n", err->message);
        g_assert_not_reached();
    }
    return g_strchomp(text);
}

static void sysfs_write(const char *dir, const char *name, const char *value)
{
    g_autofree char *path = g_build_filename(dir, name, NULL);
    int fd = open(path, O_WRONLY);
    size_t len = strlen(value);

    if (fd < 0 || write(fd, value, len) != len) {
        g_printerr("cannot write '%s' to %s: %s\n", value, path,
                   strerror(errno));
        g_assert_not_reached();
    }
    close(fd);
}

char *sim_kernel_create(void)
{
    g_autofree char *uuid = g_uuid_string_random();

    sysfs_write(MDEV_TYPE, "create", uuid);
    return g_build_filename(MDEV_DEVICES, uuid, NULL);
}

void sim_kernel_remove(const char *sysfs)
{
    sysfs_write(sysfs, "remove", "1");
}

char *sim_kernel_get(const char *sysfs, const char *key)
{
    g_autofree char *name = g_build_filename(MDEV_KEYS, key, NULL);

    return sysfs_read(sysfs, name);
}

void sim_kernel_set(const char *sysfs, const char *key, const char *value)
{
    g_autofree char *name = g_build_filename(MDEV_KEYS, key, NULL);

    sysfs_write(sysfs, name, value);
}

static bool kernel_has_v2(void)
{
    static int has = -1;

    if (has < 0) {
        g_autofree char *sysfs = sim_kernel_create();
        g_autofree char *value = sim_kernel_get(sysfs, "precopy-v2");

        has = g_str_equal(value, "on");
        sim_kernel_remove(sysfs);
    }
    return has;
}

static const char *property_missing(const char *property)
{
    int i;

    for (i = 0; i < ARRAY_SIZE(not_in_kernel); i++) {
        if (g_str_has_prefix(property, not_in_kernel[i].property)) {
            return not_in_kernel[i].reason;
        }
    }
    for (i = 0; i < ARRAY_SIZE(v2_properties); i++) {
        if (g_str_has_prefix(property, v2_properties[i]) &&
            !kernel_has_v2()) {
            return "the kernel that runs this is older than Linux 7.1, and "
                   "has no VFIO_PRECOPY_INFO_REINIT";
        }
    }
    return NULL;
}

const char *sim_kernel_missing(const char *const *devices,
                               const char *iommufd_props)
{
    g_autoptr(GString) all = g_string_new(iommufd_props);
    g_auto(GStrv) properties = NULL;
    const char *reason;
    int i;

    if (access(MDEV_TYPE, R_OK)) {
        return "the simulator's kernel module is not loaded";
    }
    for (i = 0; devices && devices[i]; i++) {
        g_string_append_printf(all, ",%s", devices[i]);
    }
    properties = g_strsplit(all->str, ",", -1);
    for (i = 0; properties[i]; i++) {
        reason = property_missing(properties[i]);
        if (reason) {
            return reason;
        }
    }
    return NULL;
}
