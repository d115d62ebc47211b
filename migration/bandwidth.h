/*
 * Arithmetic of bandwidths: bytes, time, bytes per second
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef MIGRATION_BANDWIDTH_H
#define MIGRATION_BANDWIDTH_H

/**
 * mig_bandwidth_ms: time to move @bytes, in ms, rounded up
 *
 * Rounded up so that a downtime limit of the returned time permits @bytes:
 * mig_bandwidth_bytes(bandwidth, mig_bandwidth_ms(bytes, bandwidth)) >= bytes.
 *
 * @bytes: any number of bytes
 * @bandwidth: bytes per second
 *
 * Returns INT64_MAX when it would take that long or longer, also at a
 * bandwidth of 0 (but moving 0 bytes takes no time).
 */
int64_t mig_bandwidth_ms(uint64_t bytes, uint64_t bandwidth);

/**
 * mig_bandwidth_bytes: bytes that move at @bandwidth within @ms
 *
 * @bandwidth: bytes per second
 * @ms: milliseconds
 *
 * Rounded down, saturates at UINT64_MAX.
 */
uint64_t mig_bandwidth_bytes(uint64_t bandwidth, uint64_t ms);

/**
 * mig_bandwidth_rate: bandwidth at which @bytes move within @us
 *
 * @bytes: any number of bytes
 * @us: microseconds, not 0
 *
 * Returns bytes per second, rounded down, saturates at UINT64_MAX.
 */
uint64_t mig_bandwidth_rate(uint64_t bytes, uint64_t us);

#endif
