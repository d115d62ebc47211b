/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The TCP connections of a process
 */

#ifndef QTEST_VFIO_TCP_SOCKETS_H
#define QTEST_VFIO_TCP_SOCKETS_H

/* How many TCP connections a process has */
typedef struct TcpSockets {
    int connected;
    int without_delay;          /* those of them with TCP_NODELAY */
} TcpSockets;

/*
 * False if the kernel does not let this process look at descriptors of process
 * @pid: Linux before 5.6, or a sandbox.
 */
bool tcp_sockets_count(pid_t pid, TcpSockets *sockets);

/*
 * The network cuts all connections of process @pid but the one with the lowest
 * descriptor: with multifd, that is the main channel.  False as above.
 */
bool tcp_sockets_cut(pid_t pid);

#endif
