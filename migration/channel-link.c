/*
 * What the kernel knows about the link of a channel
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "io/channel-socket.h"
#include "io/channel-tls.h"
#include "channel-link.h"

#ifdef CONFIG_LINUX
#include <poll.h>
#include <sys/ioctl.h>
#include <linux/sockios.h>

/*
 * struct tcp_info of linux/tcp.h up to tcpi_rwnd_limited.  That of a C library
 * may end earlier, and does not allow the kernel's to be included.
 */
typedef struct TCPInfo {
    uint8_t other[168];
    uint64_t busy_us;           /* not all was acknowledged */
    uint64_t rwnd_limited_us;   /* of that: the peer had no room */
} TCPInfo;

static void query_link(int fd, MigChannelLink *link)
{
    TCPInfo info;
    socklen_t length = sizeof(info);
    int protocol = 0, bytes;
    socklen_t protocol_length = sizeof(protocol);

    if (!ioctl(fd, SIOCOUTQ, &bytes) && bytes > 0) {
        link->unsent = bytes;
    }
    /* That of MPTCP is about one of its connections */
    if (getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &protocol_length) ||
        protocol != IPPROTO_TCP) {
        return;
    }
    if (!getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) &&
        length == sizeof(info)) {
        link->busy_us = info.busy_us - MIN(info.busy_us, info.rwnd_limited_us);
        link->busy_known = true;
    }
}

static bool peer_ended(int fd)
{
    /* Also where data is left to read */
    struct pollfd p = { .fd = fd, .events = POLLRDHUP };

    return poll(&p, 1, 0) > 0;
}
#else
static void query_link(int fd, MigChannelLink *link)
{
}

static bool peer_ended(int fd)
{
    return false;
}
#endif

static QIOChannelSocket *channel_socket(QIOChannel *ioc)
{
    if (object_dynamic_cast(OBJECT(ioc), TYPE_QIO_CHANNEL_TLS)) {
        ioc = QIO_CHANNEL_TLS(ioc)->master;
    }
    return (QIOChannelSocket *)object_dynamic_cast(OBJECT(ioc),
                                                   TYPE_QIO_CHANNEL_SOCKET);
}

bool mig_channel_is_socket(QIOChannel *ioc)
{
    return channel_socket(ioc);
}

bool mig_channel_peer_ended(QIOChannel *ioc)
{
    QIOChannelSocket *sioc = channel_socket(ioc);

    return sioc && peer_ended(sioc->fd);
}

MigChannelLink mig_channel_link(QIOChannel *ioc)
{
    QIOChannelSocket *sioc = channel_socket(ioc);
    MigChannelLink link = { };

    if (sioc) {
        query_link(sioc->fd, &link);
    }
    return link;
}
