/*
 * Data of a channel that has not left the host
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "io/channel-socket.h"
#include "io/channel-tls.h"
#include "channel-unsent.h"

#ifdef CONFIG_LINUX
#include <sys/ioctl.h>
#include <linux/sockios.h>
#endif

uint64_t mig_channel_unsent(QIOChannel *ioc)
{
#ifdef CONFIG_LINUX
    int bytes;

    if (object_dynamic_cast(OBJECT(ioc), TYPE_QIO_CHANNEL_TLS)) {
        ioc = QIO_CHANNEL_TLS(ioc)->master;
    }
    if (object_dynamic_cast(OBJECT(ioc), TYPE_QIO_CHANNEL_SOCKET) &&
        !ioctl(QIO_CHANNEL_SOCKET(ioc)->fd, SIOCOUTQ, &bytes) && bytes > 0) {
        return bytes;
    }
#endif
    return 0;
}
