/*
 * Conformance: keys and counters
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "conformance-fixture.h"
#include "model/profile.h"

/* As the manual lists them, other than the keys of a profile */
static const char *const counters[] = {
    "state", "session", "holding", "stream-error", "initial", "dirty", "stop",
    "reported-initial", "reported-dirty", "reported-stop", "v2-opted-in",
    "reinits", "reinit-flags", "initial-unread-at-stop", "precopy-info-calls",
    "data-size-calls", "set-state-calls", "state-changes", "resets",
    "sessions", "reads", "read-bytes", "read-bytes-precopy",
    "read-bytes-stop", "empty-reads", "writes", "write-bytes",
    "stream-verified", "stream-errors", "read-bytes-initial",
    "write-bytes-initial", "faults", "stopped-at-us", "running-at-us",
    "dma-pages-written", "dma-unmapped", "dma-verified", "dma-mismatched",
    "log-reports", "log-pages",
};

static void check_readable(const char *name)
{
    char value[256];
    int ret = try_get(name, value, sizeof(value));

    if (ret || !*value) {
        tap_fail("%s: '%s', error %d", name, value, ret);
    }
}

static void test_names(void)
{
    size_t i;

    for (i = 0; i < vfio_sim_nr_attributes; i++) {
        check_readable(vfio_sim_attributes[i].name);
    }
    for (i = 0; i < TAP_SIZE(counters); i++) {
        check_readable(counters[i]);
    }
}

static void test_refused(void)
{
    char value[64];

    CHECK(try_get("nonsense", value, sizeof(value)));
    CHECK(try_set("nonsense", "1"));
    /* Counters cannot be set. */
    CHECK(try_set("reads", "1"));
    CHECK(try_set("state", "stop"));
    /* These are not values, or only of other keys. */
    CHECK_EQ(try_set("p2p", "maybe"), EINVAL);
    CHECK_EQ(try_set("stop-bytes", "1X"), EINVAL);
    CHECK_EQ(try_set("hold", "nowhere"), EINVAL);
    CHECK_EQ(try_set("dma-base", "1"), EINVAL);
    CHECK_EQ(try_set("dma-size", "8G"), EINVAL);
    CHECK_EQ(get("stop-bytes"), STOPPED);
    /* A state that the device is in cannot be turned off. */
    CHECK_EQ(error(set_state(VFIO_SIM_PRE_COPY)), 0);
    CHECK_EQ(try_set("precopy", "off"), EBUSY);
    CHECK_EQ(error(set_state(VFIO_SIM_RUNNING_P2P)), 0);
    CHECK_EQ(try_set("p2p", "off"), EBUSY);
    CHECK_EQ(error(set_state(VFIO_SIM_RUNNING)), 0);
    CHECK_EQ(try_set("p2p", "off"), 0);
}

/* Only the present value can be set, and @other is another one. */
static void check_fixed(const char *key, const char *other)
{
    char before[64], after[64];

    CHECK_EQ(try_get(key, before, sizeof(before)), 0);
    CHECK_EQ(try_set(key, other), EOPNOTSUPP);
    CHECK_EQ(try_get(key, after, sizeof(after)), 0);
    CHECK_STR(after, before);
    CHECK_EQ(try_set(key, before), 0);
}

static void test_fixed(void)
{
    check_fixed("dirty-log", "device");
    check_fixed("drop-log-every", "5");
    check_fixed("precopy-v2", target.has_v2 ? "off" : "on");
}

static const TapCase cases[] = {
    TAP_CASE("names", test_names, "each key and each counter can be read",
             .needs = NEEDS_SIMULATOR),
    TAP_CASE("refused", test_refused,
             "unknown names, wrong values, and values that do not fit now",
             .needs = NEEDS_SIMULATOR),
    TAP_CASE("fixed", test_fixed,
             "what the VFIO core decides is refused with EOPNOTSUPP",
             .needs = NEEDS_SIMULATOR | NEEDS_KERNEL),
};

TAP_GROUP(conformance_keys, "keys", cases);
