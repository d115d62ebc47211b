/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The TCP connections of a process
 *
 * pidfd_getfd(2) makes a copy of another process's descriptor, so that the
 * options of its sockets can be read.
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

static void count(int fd, TcpSockets *sockets)
{
    struct sockaddr_storage peer;
    socklen_t size = sizeof(peer);

    if (option(fd, SOL_SOCKET, SO_PROTOCOL) != IPPROTO_TCP ||
        getpeername(fd, (struct sockaddr *)&peer, &size)) {
        return;
    }
    sockets->connected++;
    sockets->without_delay += option(fd, IPPROTO_TCP, TCP_NODELAY) > 0;
}

bool tcp_sockets_count(pid_t pid, TcpSockets *sockets)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/fd", pid);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    int process = syscall(SYS_pidfd_open, pid, 0);
    bool allowed = true;
    const char *name;

    *sockets = (TcpSockets) { };
    if (!dir || process < 0) {
        allowed = false;
    }
    while (allowed && (name = g_dir_read_name(dir))) {
        int fd = syscall(SYS_pidfd_getfd, process, atoi(name), 0);

        if (fd >= 0) {
            count(fd, sockets);
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

#else

bool tcp_sockets_count(pid_t pid, TcpSockets *sockets)
{
    return false;
}

#endif
