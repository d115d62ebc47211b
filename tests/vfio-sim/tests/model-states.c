/*
 * Tests of the state machine
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "model-fixture.h"

static const char letters[] = "-SRCMPYZ";

/*
 * From linux/vfio.h: the path that is taken between each pair of states.
 * S: stop, R: running, C: stop-copy, M: resuming, P: running-p2p,
 * Y: pre-copy, Z: pre-copy-p2p.  What is not listed is refused.
 */
static const char paths_full[] =
    "RPS RPSC RPSM RP RY RPZ "
    "PR PS PSC PSM PRY PZ "
    "SPR SP SC SM SPRY SPZ "
    "CSPR CSP CS CSM "
    "MSPR MSP MS MSC MSPRY MSPZ "
    "YR YRP YRPS YZC YRPSM YZ "
    "ZPR ZP ZPS ZC ZPSM ZY ";

static const char paths_precopy[] =
    "RS RSC RSM RY SR SC SM SRY CSR CS CSM MSR MS MSC MSRY YR YRS YC YRSM ";

static const char paths_p2p[] =
    "RPS RPSC RPSM RP PR PS PSC PSM SPR SP SC SM CSPR CSP CS CSM "
    "MSPR MSP MS MSC ";

static const char paths_minimal[] =
    "RS RSC RSM SR SC SM CSR CS CSM MSR MS MSC ";

/* The listed path from one state to another, or NULL */
static const char *listed(const char *list, char from, char to, size_t *len)
{
    const char *p = list;

    while (*p) {
        *len = strcspn(p, " ");
        if (p[0] == from && p[*len - 1] == to) {
            return p;
        }
        p += *len + 1;
    }
    return NULL;
}

static void check_paths(const char *keys, const char *list)
{
    VFIOSim *src = device("stop-bytes=4K");
    uint32_t from, to, next;
    size_t stream_len;
    uint8_t *stream = save_stream(src, &stream_len);

    for (from = 0; from < VFIO_SIM_STATES; from++) {
        if (from && !strchr(list, letters[from])) {
            continue;
        }
        for (to = 0; to < VFIO_SIM_STATES + 2; to++) {
            char name = to < VFIO_SIM_STATES ? letters[to] : '?';
            VFIOSim *s = device_in_state(keys, from);
            uint64_t calls = counter(s, "state-changes");
            const char *path;
            size_t len, i;

            if (from == VFIO_SIM_RESUMING) {
                CHECK_EQ(write_data(s, stream, stream_len), stream_len);
            }
            path = from && to ? listed(list, letters[from], name, &len) : NULL;
            if (from == to && from) {
                CHECK_EQ(vfio_sim_set_state(s, 0, to), 0);
                CHECK_EQ(counter(s, "state-changes"), calls);
            } else if (!path) {
                if (from != to) {
                    CHECK_EQ(vfio_sim_next_state(s, to, &next), -EINVAL);
                }
                CHECK_EQ(vfio_sim_set_state(s, 0, to), -EINVAL);
                CHECK_EQ(state_of(s), from);
            } else {
                for (i = 1; i < len; i++) {
                    CHECK_EQ(vfio_sim_next_state(s, to, &next), 0);
                    if (letters[next] != path[i]) {
                        tap_fail("from %c to %c: through %c instead of %c",
                                 letters[from], name, letters[next], path[i]);
                        break;
                    }
                    CHECK_EQ(vfio_sim_enter(s, 0, next), 0);
                    CHECK_EQ(state_of(s), next);
                }
                CHECK_EQ(state_of(s), to);
            }
            discard(s);
        }
    }
}

static void test_paths_full(void)
{
    check_paths("precopy=on p2p=on", paths_full);
}

static void test_paths_precopy(void)
{
    check_paths("precopy=on p2p=off", paths_precopy);
}

static void test_paths_p2p(void)
{
    check_paths("precopy=off p2p=on", paths_p2p);
}

static void test_paths_minimal(void)
{
    check_paths("precopy=off p2p=off", paths_minimal);
}

static void test_enter_arcs_only(void)
{
    VFIOSim *s = device("");

    CHECK_EQ(vfio_sim_enter(s, 0, VFIO_SIM_STOP), -EINVAL);
    CHECK_EQ(vfio_sim_enter(s, 0, VFIO_SIM_RUNNING), -EINVAL);
    CHECK_EQ(vfio_sim_enter(s, 0, VFIO_SIM_ERROR), -EINVAL);
    CHECK_EQ(vfio_sim_enter(s, 0, 99), -EINVAL);
    CHECK_EQ(vfio_sim_enter(s, 0, VFIO_SIM_RUNNING_P2P), 0);
}

static void test_migration_flags(void)
{
    VFIOSim *s = device("precopy=off p2p=off");

    CHECK_EQ(vfio_sim_mig_flags(s), VFIO_SIM_MIG_STOP_COPY);
    set_key(s, 0, "p2p=on");
    CHECK_EQ(vfio_sim_mig_flags(s), VFIO_SIM_MIG_STOP_COPY |
                                    VFIO_SIM_MIG_P2P);
    set_key(s, 0, "precopy=on");
    CHECK_EQ(vfio_sim_mig_flags(s), VFIO_SIM_MIG_STOP_COPY |
                                    VFIO_SIM_MIG_P2P | VFIO_SIM_MIG_PRE_COPY);
}

static void test_latency(void)
{
    VFIOSim *s = device("latency-stop=1 latency-running=2 latency-stop-copy=3 "
                        "latency-resuming=4 latency-running-p2p=5 "
                        "latency-pre-copy=6 latency-pre-copy-p2p=3600000");

    CHECK_EQ(vfio_sim_latency(s, VFIO_SIM_STOP), 1 * MS);
    CHECK_EQ(vfio_sim_latency(s, VFIO_SIM_RUNNING), 2 * MS);
    CHECK_EQ(vfio_sim_latency(s, VFIO_SIM_STOP_COPY), 3 * MS);
    CHECK_EQ(vfio_sim_latency(s, VFIO_SIM_RESUMING), 4 * MS);
    CHECK_EQ(vfio_sim_latency(s, VFIO_SIM_RUNNING_P2P), 5 * MS);
    CHECK_EQ(vfio_sim_latency(s, VFIO_SIM_PRE_COPY), 6 * MS);
    CHECK_EQ(vfio_sim_latency(s, VFIO_SIM_PRE_COPY_P2P), 3600 * S);
}

static void test_reset(void)
{
    VFIOSim *s = device_in_state("", VFIO_SIM_ERROR);
    uint8_t buf[64];
    uint32_t session, flags;
    uint64_t wait, a, b;

    CHECK_EQ(session_of(s), 0);
    vfio_sim_reset(s, 0);
    CHECK_EQ(state_of(s), VFIO_SIM_RUNNING);
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_PRE_COPY), 0);

    /* A reset ends the session, for good. */
    session = session_of(s);
    CHECK(session);
    vfio_sim_reset(s, 0);
    CHECK_EQ(state_of(s), VFIO_SIM_RUNNING);
    CHECK_EQ(vfio_sim_read(s, session, 0, buf, 64, &wait), -ENODEV);
    CHECK_EQ(vfio_sim_precopy_info(s, session, 0, &a, &b, &flags), -ENODEV);
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_RESUMING), 0);
    CHECK_EQ(vfio_sim_write(s, session, 0, buf, 64, &wait), -ENODEV);
    CHECK_EQ(vfio_sim_read(s, session_of(s), 0, buf, 64, &wait), -EINVAL);
    vfio_sim_reset(s, 0);
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_STOP_COPY), 0);
    CHECK_EQ(vfio_sim_write(s, session_of(s), 0, buf, 64, &wait), -EINVAL);
    CHECK_EQ(counter(s, "resets"), 3);
}

static void test_reset_key(void)
{
    VFIOSim *s = device_in_state("", VFIO_SIM_PRE_COPY);

    set_key(s, 0, "reset=none");
    CHECK_EQ(state_of(s), VFIO_SIM_PRE_COPY);
    set_key(s, 0, "reset=now");
    CHECK_EQ(state_of(s), VFIO_SIM_RUNNING);
    CHECK_EQ(session_of(s), 0);

    /* Another key does not reset it again */
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_PRE_COPY), 0);
    set_key(s, 0, "stop-bytes=1M");
    CHECK_EQ(state_of(s), VFIO_SIM_PRE_COPY);
    set_key(s, 0, "reset=now");
    CHECK_EQ(state_of(s), VFIO_SIM_RUNNING);
    CHECK_EQ(counter(s, "resets"), 2);
}

static void test_stop_without_precopy(void)
{
    VFIOSim *s = device("initial-bytes=1M reinit-at=pre-copy");

    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_STOP), 0);
    CHECK_EQ(vfio_sim_set_state(s, 0, VFIO_SIM_STOP_COPY), 0);
    CHECK_EQ(counter(s, "initial-unread-at-stop"), MIB);
    CHECK_EQ(counter(s, "reinits"), 0);
}

static const TapCase cases[] = {
    TAP_CASE("paths-precopy-p2p", test_paths_full,
             "paths between all states, with the PRE_COPY and the P2P states"),
    TAP_CASE("paths-precopy", test_paths_precopy,
             "paths without the P2P states"),
    TAP_CASE("paths-p2p", test_paths_p2p,
             "paths without the PRE_COPY states"),
    TAP_CASE("paths-minimal", test_paths_minimal,
             "paths without the PRE_COPY and the P2P states"),
    TAP_CASE("enter-arcs-only", test_enter_arcs_only,
             "only the next state of an arc can be entered"),
    TAP_CASE("migration-flags", test_migration_flags,
             "precopy and p2p set the migration flags"),
    TAP_CASE("latency", test_latency, "each state has its own latency"),
    TAP_CASE("reset", test_reset,
             "a reset leaves ERROR, ends the session, and is counted"),
    TAP_CASE("reset-key", test_reset_key,
             "the key resets it each time that it is set"),
    TAP_CASE("stop-without-precopy", test_stop_without_precopy,
             "from STOP to STOP_COPY all initial data is unread"),
};

TAP_GROUP(model_states, "states", cases);
