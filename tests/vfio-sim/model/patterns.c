/*
 * Pseudorandom words, patterns of data, and rates
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "internal.h"

uint64_t vfio_sim_rate_bytes(uint64_t rate, uint64_t ns)
{
    uint64_t rest = ns % NS_PER_S;
    uint64_t bytes = mul_sat(rate, ns / NS_PER_S);

    bytes = add_sat(bytes, mul_sat(rate / NS_PER_S, rest));
    return add_sat(bytes, rate % NS_PER_S * rest / NS_PER_S);
}

uint64_t vfio_sim_rate_ns(uint64_t rate, uint64_t bytes)
{
    if (!rate) {
        return UINT64_MAX;
    }
    if (rate > UINT64_MAX / NS_PER_S) {
        return bytes / (rate / NS_PER_S);
    }
    return add_sat(mul_sat(bytes / rate, NS_PER_S),
                   bytes % rate * NS_PER_S / rate);
}

uint64_t vfio_sim_random(VFIOSim *s)
{
    s->rng ^= s->rng << 13;
    s->rng ^= s->rng >> 7;
    s->rng ^= s->rng << 17;
    return s->rng;
}

uint64_t vfio_sim_pattern_sum(uint64_t seed, uint64_t words)
{
    uint64_t pairs = words % 2 ? words * ((words - 1) / 2) :
                                 words / 2 * (words - 1);

    return words * seed + VFIO_SIM_PATTERN_STEP * pairs;
}

void vfio_sim_pattern_fill(uint8_t *p, uint64_t w, size_t words)
{
    size_t i;

    for (i = 0; i < words; i++) {
        memcpy(p + 8 * i, &w, 8);
        w += VFIO_SIM_PATTERN_STEP;
    }
}

bool vfio_sim_pattern_check(const uint8_t *p, uint64_t w, size_t words)
{
    uint64_t diff = 0;
    size_t i;

    for (i = 0; i < words; i++) {
        uint64_t v;

        memcpy(&v, p + 8 * i, 8);
        diff |= v ^ w;
        w += VFIO_SIM_PATTERN_STEP;
    }
    return !diff;
}

