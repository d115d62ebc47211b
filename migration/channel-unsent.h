/*
 * Data of a channel that has not left the host
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef MIGRATION_CHANNEL_UNSENT_H
#define MIGRATION_CHANNEL_UNSENT_H

#include "io/channel.h"

/**
 * mig_channel_unsent: what was written to a channel and is still in a buffer
 *
 * For a socket, also below TLS, what the peer's host has not acknowledged (see
 * SIOCOUTQ in tcp(7)).  Does not block; any thread, as long as @ioc is open.
 *
 * Returns bytes, 0 if this cannot be known.
 */
uint64_t mig_channel_unsent(QIOChannel *ioc);

#endif
