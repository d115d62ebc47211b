/*
 * What the kernel knows about the link of a channel
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef MIGRATION_CHANNEL_LINK_H
#define MIGRATION_CHANNEL_LINK_H

#include "io/channel.h"

/**
 * MigChannelLink: what the kernel knows about the link of a channel
 *
 * @unsent: what was written and the peer's host has not acknowledged, in bytes
 *          (SIOCOUTQ, see tcp(7)); 0 if not known
 * @busy_us: for how long the link, and not the peer, held data back, in
 *           microseconds, since it was connected (TCP_INFO)
 * @busy_known: whether @busy_us is known
 */
typedef struct MigChannelLink {
    uint64_t unsent;
    uint64_t busy_us;
    bool busy_known;
} MigChannelLink;

/* Is it a socket, also below TLS?  Any thread, as long as @ioc is open. */
bool mig_channel_is_socket(QIOChannel *ioc);

/*
 * Has the peer ended the connection, or is it broken (POLLRDHUP, see poll(2))?
 * What it had sent before may be left to read.  False for other channels than
 * sockets.  Does not block.  Any thread, as long as @ioc is open.
 */
bool mig_channel_peer_ended(QIOChannel *ioc);

/*
 * What the kernel knows of a socket, also below TLS; nothing of other channels.
 * Does not block.  Any thread, as long as @ioc is open.
 */
MigChannelLink mig_channel_link(QIOChannel *ioc);

#endif
