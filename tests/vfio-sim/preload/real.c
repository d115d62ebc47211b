/*
 * The functions behind those that the library replaces
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "real.h"

#include <dlfcn.h>
#include <stdarg.h>
#include <sys/syscall.h>
#include <time.h>

bool debug;

/*
 * The next library's functions rather than system calls, so that a sanitizer
 * or another preloaded library behind this one sees them.
 */
#define REAL(type, name, fallback, ...) \
    ({ \
        static type fn; \
        if (!fn) { \
            fn = (type)dlsym(RTLD_NEXT, name); \
        } \
        fn ? fn(__VA_ARGS__) : fallback; \
    })

int real_ioctl(int fd, unsigned long request, void *arg)
{
    typedef int (*Ioctl)(int, unsigned long, ...);

    return REAL(Ioctl, "ioctl", syscall(SYS_ioctl, fd, request, arg),
                fd, request, arg);
}

ssize_t real_read(int fd, void *buf, size_t len)
{
    typedef ssize_t (*Read)(int, void *, size_t);

    return REAL(Read, "read", syscall(SYS_read, fd, buf, len), fd, buf, len);
}

ssize_t real_write(int fd, const void *buf, size_t len)
{
    typedef ssize_t (*Write)(int, const void *, size_t);

    return REAL(Write, "write", syscall(SYS_write, fd, buf, len),
                fd, buf, len);
}

ssize_t real_pwrite(int fd, const void *buf, size_t len, off_t offset)
{
    typedef ssize_t (*Pwrite)(int, const void *, size_t, off_t);

    return REAL(Pwrite, "pwrite64",
                syscall(SYS_pwrite64, fd, buf, len, offset),
                fd, buf, len, offset);
}

int real_close(int fd)
{
    typedef int (*Close)(int);

    return REAL(Close, "close", syscall(SYS_close, fd), fd);
}

uint64_t now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

void fatal(const char *fmt, ...)
{
    va_list ap;

    dprintf(STDERR_FILENO, "vfio-sim: ");
    va_start(ap, fmt);
    vdprintf(STDERR_FILENO, fmt, ap);
    va_end(ap);
    dprintf(STDERR_FILENO, "\n");
    _exit(2);
}
