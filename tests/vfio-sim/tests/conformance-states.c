/*
 * Conformance: the state machine
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <inttypes.h>
#include <pthread.h>
#include <unistd.h>

#include "conformance-fixture.h"

/* Does linux/vfio.h have this arc, for a device with these flags? */
static bool arc(uint32_t a, uint32_t b)
{
    static const struct {
        uint32_t from, to;
        uint32_t without;
    } arcs[] = {
        { VFIO_SIM_STOP, VFIO_SIM_RESUMING, 0 },
        { VFIO_SIM_RESUMING, VFIO_SIM_STOP, 0 },
        { VFIO_SIM_STOP, VFIO_SIM_STOP_COPY, 0 },
        { VFIO_SIM_STOP_COPY, VFIO_SIM_STOP, 0 },
        { VFIO_SIM_STOP, VFIO_SIM_RUNNING, VFIO_SIM_MIG_P2P },
        { VFIO_SIM_RUNNING, VFIO_SIM_STOP, VFIO_SIM_MIG_P2P },
        { VFIO_SIM_STOP, VFIO_SIM_RUNNING_P2P, 0 },
        { VFIO_SIM_RUNNING_P2P, VFIO_SIM_STOP, 0 },
        { VFIO_SIM_RUNNING_P2P, VFIO_SIM_RUNNING, 0 },
        { VFIO_SIM_RUNNING, VFIO_SIM_RUNNING_P2P, 0 },
        { VFIO_SIM_RUNNING, VFIO_SIM_PRE_COPY, 0 },
        { VFIO_SIM_PRE_COPY, VFIO_SIM_RUNNING, 0 },
        { VFIO_SIM_PRE_COPY, VFIO_SIM_STOP_COPY, VFIO_SIM_MIG_P2P },
        { VFIO_SIM_PRE_COPY, VFIO_SIM_PRE_COPY_P2P, 0 },
        { VFIO_SIM_PRE_COPY_P2P, VFIO_SIM_PRE_COPY, 0 },
        { VFIO_SIM_PRE_COPY_P2P, VFIO_SIM_RUNNING_P2P, 0 },
        { VFIO_SIM_RUNNING_P2P, VFIO_SIM_PRE_COPY_P2P, 0 },
        { VFIO_SIM_PRE_COPY_P2P, VFIO_SIM_STOP_COPY, 0 },
    };
    size_t i;

    for (i = 0; i < TAP_SIZE(arcs); i++) {
        if (arcs[i].from == a && arcs[i].to == b) {
            return has_state(a) && has_state(b) &&
                   !(target.flags & arcs[i].without);
        }
    }
    return false;
}

/*
 * The states that are entered on the path between two states, as a mask; 0 if
 * there is none.  linux/vfio.h: the shortest path, and none through a saving
 * state unless both ends are in the same session.
 */
static unsigned int path(uint32_t from, uint32_t to)
{
    bool same = is_saving(from) && is_saving(to);
    unsigned int via[VFIO_SIM_STATES] = { 0 };
    int round;
    uint32_t a, b;

    if (!has_state(from) || !has_state(to) ||
        (from == VFIO_SIM_STOP_COPY && is_precopy(to))) {
        return 0;
    }
    for (round = 1; round < VFIO_SIM_STATES && !via[to]; round++) {
        unsigned int before[VFIO_SIM_STATES];

        memcpy(before, via, sizeof(before));
        for (a = 0; a < VFIO_SIM_STATES; a++) {
            for (b = 0; b < VFIO_SIM_STATES; b++) {
                bool reached = round == 1 ? a == from : before[a] != 0;

                if (reached && !via[b] && b != from && arc(a, b) &&
                    (b == to || !is_saving(b) || same)) {
                    via[b] = before[a] | 1u << b;
                }
            }
        }
    }
    return via[to];
}

/* One path, from a device that is RUNNING */
static void check_path(uint32_t from, uint32_t to)
{
    unsigned int expected = path(from, to);
    unsigned int failed = tap_failed();
    uint64_t changes = 0;
    int fd, ret;

    restart();
    if (target.simulated) {
        set("precopy", target.flags & VFIO_SIM_MIG_PRE_COPY ? "on" : "off");
        set("p2p", target.flags & VFIO_SIM_MIG_P2P ? "on" : "off");
    }
    go_to(from);
    if (target.simulated) {
        changes = get("state-changes");
    }
    ret = error(set_state_fd(to, &fd));
    if (from == to) {
        CHECK_EQ(ret, 0);
        CHECK_EQ(fd, -1);
        expected = 0;
    } else {
        CHECK_EQ(ret, expected ? 0 : EINVAL);
        CHECK_EQ(fd >= 0, expected && (to == VFIO_SIM_RESUMING ||
                                       (is_saving(to) && !is_saving(from))));
    }
    if (fd >= 0) {
        take_data_fd(fd);
    }
    CHECK_EQ(state(), ret || !expected ? from : to);
    if (target.simulated) {
        CHECK_EQ(get("state-changes") - changes,
                 __builtin_popcount(expected));
    }
    if (tap_failed() != failed) {
        tap_note("from %s to %" PRIu32 " (%s), with flags %" PRIu32,
                 vfio_sim_state_names[from], to,
                 to < VFIO_SIM_STATES ? vfio_sim_state_names[to] : "none",
                 target.flags);
    }
}

/* Through which states?  A fault in each of them shows it. */
static void check_path_through(uint32_t from, uint32_t to)
{
    unsigned int expected = path(from, to);
    unsigned int seen = 0;
    uint32_t s;

    for (s = VFIO_SIM_STOP; expected && s < VFIO_SIM_STATES; s++) {
        restart();
        set("precopy", target.flags & VFIO_SIM_MIG_PRE_COPY ? "on" : "off");
        set("p2p", target.flags & VFIO_SIM_MIG_P2P ? "on" : "off");
        go_to(from);
        set("fail-state", vfio_sim_state_names[s]);
        if (set_state(to)) {
            CHECK_EQ(errno, EIO);
            CHECK(state() != to);
            seen |= 1u << s;
        }
    }
    if (from != to && seen != expected) {
        tap_fail("from %s to %s: through 0x%x, not 0x%x",
                 vfio_sim_state_names[from], vfio_sim_state_names[to], seen,
                 expected);
    }
}

static void check_all_paths(uint32_t with)
{
    uint32_t saved = target.flags;
    uint32_t from, to;

    target.flags = with;
    for (from = 0; from < VFIO_SIM_STATES; from++) {
        if (!can_go_to(from)) {
            continue;
        }
        for (to = 0; to <= VFIO_SIM_STATES; to++) {
            check_path(from, to);
            if (target.simulated && to < VFIO_SIM_STATES && from != to) {
                check_path_through(from, to);
            }
        }
        check_path(from, UINT32_MAX);
    }
    target.flags = saved;
}

static void test_paths(void)
{
    check_all_paths(target.flags);
}

static void test_paths_without_precopy(void)
{
    check_all_paths(VFIO_SIM_MIG_STOP_COPY | VFIO_SIM_MIG_P2P);
}

static void test_paths_without_p2p(void)
{
    check_all_paths(VFIO_SIM_MIG_STOP_COPY | VFIO_SIM_MIG_PRE_COPY);
}

static void test_paths_minimal(void)
{
    check_all_paths(VFIO_SIM_MIG_STOP_COPY);
}

static void test_failure(void)
{
    set("fail-state", "stop-copy");
    CHECK_EQ(error(set_state(VFIO_SIM_STOP_COPY)), EIO);
    CHECK_EQ(state(), VFIO_SIM_STOP);
    CHECK_EQ(target.data, -1);
    set("fail-state", "none");
    CHECK_EQ(error(set_state(VFIO_SIM_STOP_COPY)), 0);
    CHECK(target.data >= 0);
}

/* Release a held device, whose state can be queried meanwhile. */
static void *release(void *opaque)
{
    (void)opaque;
    while (!get("holding")) {
        usleep(1000);
    }
    if (state() != VFIO_SIM_RUNNING_P2P) {
        tap_fail("the device is not held before STOP");
    }
    set("hold", "none");
    return NULL;
}

static void test_hold(void)
{
    pthread_t thread;

    set("hold", "stop");
    pthread_create(&thread, NULL, release, NULL);
    CHECK_EQ(error(set_state(VFIO_SIM_STOP_COPY)), 0);
    pthread_join(thread, NULL);
    CHECK_EQ(state(), VFIO_SIM_STOP_COPY);
}

static const TapCase cases[] = {
    TAP_CASE("paths", test_paths, "paths between all states of the device"),
    TAP_CASE("paths-without-precopy", test_paths_without_precopy,
             "paths without the PRE_COPY states", .needs = NEEDS_SIMULATOR),
    TAP_CASE("paths-without-p2p", test_paths_without_p2p,
             "paths without the P2P states", .needs = NEEDS_SIMULATOR),
    TAP_CASE("paths-minimal", test_paths_minimal,
             "paths without the PRE_COPY and the P2P states",
             .needs = NEEDS_SIMULATOR),
    TAP_CASE("failure", test_failure,
             "after a failure the device is in the last state it entered",
             .needs = NEEDS_SIMULATOR),
    TAP_CASE("hold", test_hold,
             "a held device answers queries, and continues when released",
             .needs = NEEDS_SIMULATOR),
};

TAP_GROUP(conformance_states, "states", cases);
