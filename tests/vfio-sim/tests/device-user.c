/*
 * A program that has a simulated device open until its input ends
 *
 * The test of the vfio-sim command runs it in the place of QEMU.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "preload/uapi.h"

/* The descriptors that "vfio-sim run" gives */
#define IOMMU   100
#define DEV     101

int main(void)
{
    struct vfio_device_bind_iommufd bind = {
        .argsz = sizeof(bind), .iommufd = IOMMU
    };
    char byte;

    if (ioctl(DEV, VFIO_DEVICE_BIND_IOMMUFD, &bind)) {
        perror("bind");
        return 1;
    }
    while (read(STDIN_FILENO, &byte, 1) > 0) {
        /* wait */
    }
    return 0;
}
