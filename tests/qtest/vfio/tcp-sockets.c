/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The TCP connections of a process
 *
 * pidfd_getfd(2) makes a copy of another process's descriptor, so that its
 * sockets can be looked at, and shut down.
 */

#include "qemu/osdep.h"
#include <netinet/tcp.h>
#include <sys/syscall.h>
#include "vfio/tcp-sockets.h"

#if defined(SYS_pidfd_open) && defined(SYS_pidfd_getfd)

static int option(int fd, int level, int name)
{
    socklen_t size = sizeof(int);
    int value;

    return getsockopt(fd, level, name, &value, &size) ? -1 : value;
}

static bool connected(int fd)
{
    struct sockaddr_storage peer;
    socklen_t size = sizeof(peer);

    return option(fd, SOL_SOCKET, SO_PROTOCOL) == IPPROTO_TCP &&
           !getpeername(fd, (struct sockaddr *)&peer, &size);
}

/* Call @visit for a copy @fd of each connection, whose descriptor is @number */
static bool for_each(pid_t pid, void (*visit)(int number, int fd, void *opaque),
                     void *opaque)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/fd", pid);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    int process = syscall(SYS_pidfd_open, pid, 0);
    bool allowed = true;
    const char *name;

    if (!dir || process < 0) {
        allowed = false;
    }
    while (allowed && (name = g_dir_read_name(dir))) {
        int fd = syscall(SYS_pidfd_getfd, process, atoi(name), 0);

        if (fd >= 0) {
            if (connected(fd)) {
                visit(atoi(name), fd, opaque);
            }
            close(fd);
        } else if (errno != EBADF) {
            allowed = false;
        }
    }
    if (process >= 0) {
        close(process);
    }
    return allowed;
}

static void count(int number, int fd, void *opaque)
{
    TcpSockets *sockets = opaque;

    sockets->connected++;
    sockets->without_delay += option(fd, IPPROTO_TCP, TCP_NODELAY) > 0;
}

bool tcp_sockets_count(pid_t pid, TcpSockets *sockets)
{
    *sockets = (TcpSockets) { };
    return for_each(pid, count, sockets);
}

static void find_lowest(int number, int fd, void *opaque)
{
    int *lowest = opaque;

    *lowest = MIN(*lowest, number);
}

static void cut_other(int number, int fd, void *opaque)
{
    if (number != *(int *)opaque) {
        shutdown(fd, SHUT_RDWR);
    }
}

bool tcp_sockets_cut(pid_t pid)
{
    int lowest = INT_MAX;

    return for_each(pid, find_lowest, &lowest) &&
           for_each(pid, cut_other, &lowest);
}

#else

bool tcp_sockets_count(pid_t pid, TcpSockets *sockets)
{
    return false;
}

bool tcp_sockets_cut(pid_t pid)
{
    return false;
}

#endif
