/*
 * Conformance: VFIO_DEVICE_FEATURE
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <sys/ioctl.h>
#include <unistd.h>

#include "conformance-fixture.h"

static void test_migration_flags(void)
{
    uint64_t value = 0;
    int i;

    CHECK_EQ(error(feature(FEATURE_GET | FEATURE_MIGRATION, &value,
                              sizeof(value))), 0);
    CHECK_EQ(value, target.flags);
    CHECK(value & VFIO_SIM_MIG_STOP_COPY);
    for (i = 0; target.simulated && i < 4; i++) {
        set("precopy", i & 1 ? "on" : "off");
        set("p2p", i & 2 ? "on" : "off");
        CHECK_EQ(error(feature(FEATURE_GET | FEATURE_MIGRATION,
                                  &value, sizeof(value))), 0);
        CHECK_EQ(value, VFIO_SIM_MIG_STOP_COPY |
                        (i & 1 ? VFIO_SIM_MIG_PRE_COPY : 0) |
                        (i & 2 ? VFIO_SIM_MIG_P2P : 0));
    }
}

static void test_feature_arguments(void)
{
    static const struct {
        uint32_t nr;
        uint32_t ops;
        size_t size;
    } features[] = {
        { FEATURE_MIGRATION, FEATURE_GET, 8 },
        { FEATURE_MIG_STATE, FEATURE_GET | FEATURE_SET, 8 },
        { FEATURE_MIG_DATA_SIZE, FEATURE_GET, 8 },
    };
    const uint32_t both = FEATURE_GET | FEATURE_SET;
    uint64_t payload[2] = { 0 };
    size_t i;
    uint32_t n;

    for (i = 0; i < TAP_SIZE(features); i++) {
        uint32_t nr = features[i].nr;
        uint32_t ops = features[i].ops;
        size_t size = sizeof(struct vfio_device_feature) + features[i].size;

        /* What can be probed */
        CHECK_EQ(error(probe(nr)), 0);
        CHECK_EQ(error(probe(nr | ops)), 0);
        CHECK_EQ(error(probe(nr | FEATURE_GET)), 0);
        CHECK_EQ(error(probe(nr | FEATURE_SET)),
                 ops & FEATURE_SET ? 0 : EINVAL);
        CHECK_EQ(error(probe(nr | both)), ops == both ? 0 : EINVAL);
        /* Neither get nor set, both, and an operation that it does not have */
        CHECK_EQ(error(feature(nr, payload, 8)), EINVAL);
        CHECK_EQ(error(feature(nr | both, payload, 8)), EINVAL);
        if (!(ops & FEATURE_SET)) {
            CHECK_EQ(error(feature(nr | FEATURE_SET, payload, 8)), EINVAL);
        }
        /* All sizes that are too small, the right one, a larger one */
        for (n = 0; n < size; n++) {
            CHECK_EQ(error(feature_sized(nr | FEATURE_GET, n, payload, 8)),
                     EINVAL);
        }
        CHECK_EQ(error(feature_sized(nr | FEATURE_GET, n, payload, 8)), 0);
        CHECK_EQ(error(feature_sized(nr | FEATURE_GET, n + 8, payload,
                                     16)), 0);
        /* Unknown flags */
        CHECK_EQ(error(feature(nr | FEATURE_GET | 1u << 19, payload, 8)),
                 EINVAL);
        CHECK_EQ(error(feature(nr | FEATURE_GET | 1u << 31, payload, 8)),
                 EINVAL);
    }

    CHECK_EQ(error(feature(FEATURE_NONE | FEATURE_GET, payload, 8)),
             ENOTTY);
    CHECK_EQ(error(probe(FEATURE_NONE | FEATURE_GET)), ENOTTY);
    /* The flags are checked first. */
    CHECK_EQ(error(feature(FEATURE_NONE | both, payload, 8)), EINVAL);
    CHECK_EQ(state(), VFIO_SIM_RUNNING);
}

static void test_bad_addresses(void)
{
    static const uint32_t requests[] = {
        VFIO_DEVICE_GET_INFO, VFIO_DEVICE_GET_REGION_INFO,
        VFIO_DEVICE_GET_IRQ_INFO, VFIO_DEVICE_FEATURE,
    };
    /* volatile: the compiler must not see that it is invalid */
    void *volatile nowhere = (void *)(uintptr_t)16;
    size_t i;

    for (i = 0; i < TAP_SIZE(requests); i++) {
        CHECK_EQ(error(ioctl(target.dev, requests[i], nowhere)), EFAULT);
    }
    CHECK_EQ(error(set_state(VFIO_SIM_STOP_COPY)), 0);
    CHECK_EQ(error(read(target.data, nowhere, 4096)), EFAULT);
    restart();
    CHECK_EQ(error(set_state(VFIO_SIM_RESUMING)), 0);
    CHECK_EQ(error(write(target.data, nowhere, 8)), EFAULT);
    if (target.flags & VFIO_SIM_MIG_PRE_COPY) {
        restart();
        CHECK_EQ(error(set_state(VFIO_SIM_PRE_COPY)), 0);
        CHECK_EQ(error(ioctl(target.data, VFIO_MIG_GET_PRECOPY_INFO, nowhere)),
                 EFAULT);
    }
}

static const TapCase cases[] = {
    TAP_CASE("migration-flags", test_migration_flags,
             "FEATURE_MIGRATION"),
    TAP_CASE("arguments", test_feature_arguments,
             "sizes, flags and operations of VFIO_DEVICE_FEATURE"),
    TAP_CASE("bad-addresses", test_bad_addresses,
             "addresses without memory give EFAULT", .needs = NEEDS_KERNEL),
};

TAP_GROUP(conformance_features, "features", cases);
