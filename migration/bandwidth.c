/*
 * Arithmetic of bandwidths: bytes, time, bytes per second
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/host-utils.h"
#include "qemu/int128.h"
#include "bandwidth.h"

/* a * b / c, rounded down, saturating; c is not 0 */
static uint64_t muldiv_saturating(uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t lo, hi;
    Int128 res;

    mulu64(&lo, &hi, a, b);
    res = int128_divu(int128_make128(lo, hi), int128_make64(c));

    return int128_gethi(res) ? UINT64_MAX : int128_getlo(res);
}

uint64_t mig_bandwidth_bytes(uint64_t bandwidth, uint64_t ms)
{
    return muldiv_saturating(bandwidth, ms, 1000);
}

uint64_t mig_bandwidth_rate(uint64_t bytes, uint64_t us)
{
    return muldiv_saturating(bytes, 1000000, us);
}

int64_t mig_bandwidth_ms(uint64_t bytes, uint64_t bandwidth)
{
    uint64_t ms;

    if (!bytes) {
        return 0;
    }
    if (!bandwidth) {
        return INT64_MAX;
    }

    ms = MIN(muldiv_saturating(bytes, 1000, bandwidth), INT64_MAX - 1);

    return mig_bandwidth_bytes(bandwidth, ms) < bytes ? ms + 1 : ms;
}
