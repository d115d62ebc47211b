/*
 * Simulated VFIO devices inside of a process, by LD_PRELOAD: the functions
 * that the program calls
 *
 * The library makes file descriptors that look like an IOMMUFD and like VFIO
 * device cdevs to the program that it is loaded into, and answers their calls
 * with the model.  See README.rst for its environment variables.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "device.h"

#include <stdarg.h>
#include <sys/ioctl.h>

#include "iommufd.h"
#include "uapi.h"
#include "start.h"

#define EXPORT __attribute__((visibility("default")))

static int64_t result(int64_t ret)
{
    if (ret < 0) {
        errno = -ret;
        return -1;
    }
    return ret;
}

/* Does KVM get one of our devices? */
static bool is_our_kvm_attr(const struct kvm_device_attr *attr)
{
    return attr->group == KVM_DEV_VFIO_FILE && attr->addr &&
           is_device(fd_kind(*(const int *)(uintptr_t)attr->addr));
}

EXPORT int ioctl(int fd, unsigned long request, ...)
{
    uint16_t kind = fd_kind(fd);
    uint32_t nr = request;
    va_list ap;
    void *arg;
    int ret;

    va_start(ap, request);
    arg = va_arg(ap, void *);
    va_end(ap);

    if (kind == FD_NONE) {
        if (nr == (uint32_t)KVM_SET_DEVICE_ATTR && nr_devices &&
            is_our_kvm_attr(arg)) {
            return 0;
        }
        return real_ioctl(fd, request, arg);
    }
    if ((nr & 0xff00) != VFIO_TYPE << 8) {
        return result(-ENOTTY);
    }
    if (!arg && nr != VFIO_DEVICE_RESET) {
        return result(-EFAULT);
    }
    if (kind == FD_IOMMU) {
        ret = iommu_ioctl(nr, arg);
    } else if (is_device(kind)) {
        ret = device_ioctl(fd_device(kind), nr, arg);
        if (nr == VFIO_DEVICE_BIND_IOMMUFD && !ret) {
            start_threads();
        }
    } else {
        ret = data_ioctl(fd_device(kind), fd, nr, arg);
    }
    DEBUG("ioctl(%d, %s%u): %d", fd, nr >= IOMMU_DESTROY ? "iommu " : "",
          nr & 0xff, ret);
    return result(ret);
}

EXPORT ssize_t read(int fd, void *buf, size_t len)
{
    uint16_t kind = fd_kind(fd);

    if (kind == FD_NONE) {
        return real_read(fd, buf, len);
    }
    if (kind == FD_IOMMU || is_device(kind)) {
        return result(-EINVAL);
    }
    return result(data_read(fd_device(kind), fd, buf, len));
}

/* What a program built with _FORTIFY_SOURCE may call; no header declares it */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
EXPORT ssize_t __read_chk(int fd, void *buf, size_t len, size_t room)
{
    if (len > room) {
        abort();
    }
    return read(fd, buf, len);
}
#pragma GCC diagnostic pop

EXPORT ssize_t write(int fd, const void *buf, size_t len)
{
    uint16_t kind = fd_kind(fd);

    if (kind == FD_NONE) {
        return real_write(fd, buf, len);
    }
    if (kind == FD_IOMMU || is_device(kind)) {
        return result(-EINVAL);
    }
    return result(data_write(fd_device(kind), fd, buf, len));
}

EXPORT ssize_t pwrite(int fd, const void *buf, size_t len, off_t offset)
{
    uint16_t kind = fd_kind(fd);

    if (is_device(kind) && device_is_config(offset)) {
        return result(device_config_write(fd, buf, len, offset));
    }
    return real_pwrite(fd, buf, len, offset);
}

EXPORT ssize_t pwrite64(int fd, const void *buf, size_t len, off64_t offset)
{
    return pwrite(fd, buf, len, offset);
}

EXPORT int close(int fd)
{
    uint16_t kind = fd_kind(fd);

    if (kind != FD_NONE) {
        set_fd(fd, FD_NONE);
        if (is_device(kind)) {
            device_close(fd_device(kind));
        }
    }
    return real_close(fd);
}
