/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What ends the session in which a device is read, and what does not: stops of
 * the guest, resets, snapshots
 */

#include "qemu/osdep.h"
#include "libqtest.h"
#include "qobject/qdict.h"
#include "migration/migration-qmp.h"
#include "vfio/eject.h"
#include "vfio/tests.h"

/* Stop the migration thread in an exact query, which takes no lock of QEMU */
static void hold_query(MigPair *p)
{
    vfio_sim_set(&p->src, 0, "hold", "query");
    SIM_WAIT(&p->src, 0, "holding", ==, 1);
}

static void release(MigPair *p)
{
    vfio_sim_set(&p->src, 0, "hold", "none");
}

static void wait_64m(MigPair *p)
{
    MigReply r;

    pair_migrate(p);
    pair_wait_remaining(p, &r, 64 * MiB);
}

static void check_next_completes(MigPair *p)
{
    wait_64m(p);
    pair_set_limit(p, 1100);
    pair_check_completes(p);
}

static void cont(MigPair *p)
{
    qtest_qmp_assert_success(p->src.qts, "{ 'execute': 'cont' }");
}

/* The switchover would stop the guest once more, and fail */
static void test_stop_cont(MigPair *p, const void *data)
{
    wait_64m(p);
    hold_query(p);
    pair_stop_guest(p);
    vfio_sim_wait_state(&p->src, 0, "stop-copy");
    cont(p);
    release(p);
    pair_check_runs_on(p, "failed");
    g_assert_cmpuint(p->src.n_stop, ==, 1);
    vfio_sim_check_error(&p->src, "dev0: the guest was resumed after a stop");

    check_next_completes(p);
}

/* There is no session before the switchover */
static void test_stop_cont_no_precopy(MigPair *p, const void *data)
{
    MigReply r;

    wait_64m(p);
    hold_query(p);
    pair_stop_guest(p);
    vfio_sim_wait_state(&p->src, 0, "stop");
    cont(p);
    release(p);
    p->src.n_stop = 0;
    pair_wait_remaining(p, &r, 64 * MiB);
    pair_check_waits(p);
    pair_set_limit(p, 1100);
    pair_check_completes(p);
}

/* A panic stops the guest, and the migration completes it as it is */
static void test_panic(MigPair *p, const void *data)
{
    MigReply r;

    wait_64m(p);
    qtest_outb(p->src.qts, 0x505, 1);
    PAIR_WAIT_WHILE(p, r, reply_going_or_switchover(&r),
                    reply_status_is(&r, "completed"));
    SIM_CHECK(&p->src, 0, "sessions", ==, 1);
    SIM_CHECK(&p->src, 0, "read-bytes", >=, 65 * MiB);
    SIM_CHECK(&p->dst, 0, "stream-errors", ==, 0);
}

/* The guest was not started before: the device was not stopped either */
static void test_first_cont(MigPair *p, const void *data)
{
    MigReply r;

    migrate_set_parameter_int(p->src.qts, "max-bandwidth", 50000);
    pair_migrate(p);
    PAIR_WAIT(p, r, r.ram_transferred > 0);
    vfio_sim_wait_state(&p->src, 0, "pre-copy");
    cont(p);
    vfio_sim_wait_state(&p->src, 0, "pre-copy");
    migrate_set_parameter_int(p->src.qts, "max-bandwidth", 0);
    pair_wait_remaining(p, &r, 64 * MiB);
    pair_check_waits(p);
    pair_set_limit(p, 1100);
    pair_check_completes(p);
    SIM_CHECK(&p->src, 0, "sessions", ==, 1);
}

static void reset(MigPair *p)
{
    qtest_qmp_assert_success(p->src.qts, "{ 'execute': 'system_reset' }");
    qtest_qmp_eventwait(p->src.qts, "RESET");
}

static void test_reset(MigPair *p, const void *data)
{
    wait_64m(p);
    reset(p);
    pair_check_runs_on(p, "failed");
    g_assert_cmpuint(p->src.n_stop, ==, 0);
    vfio_sim_check_error(&p->src, "dev0: the device was reset");

    check_next_completes(p);
}

/*
 * QEMU is not told that the host resets the device, and has nothing to read in
 * precopy, which would fail: only a query can find it
 */
static void test_reset_by_host(MigPair *p, const void *data)
{
    wait_64m(p);
    pair_check_waits(p);
    vfio_sim_set(&p->src, 0, "reset", "now");
    pair_check_runs_on(p, "failed");
    g_assert_cmpuint(p->src.n_stop, ==, 0);
    vfio_sim_check_error(&p->src, "dev0: the device was reset");

    check_next_completes(p);
}

static void test_reset_no_precopy(MigPair *p, const void *data)
{
    wait_64m(p);
    reset(p);
    pair_check_waits(p);
    pair_set_limit(p, 1100);
    pair_check_completes(p);
}

static void test_reset_stopped(MigPair *p, const void *data)
{
    pair_stop_guest(p);
    vfio_sim_wait_state(&p->src, 0, "stop");
    reset(p);
    vfio_sim_wait_state(&p->src, 0, "stop");
    cont(p);
    vfio_sim_wait_state(&p->src, 0, "running");
    check_next_completes(p);
}

static void test_snapshot(MigPair *p, const void *data)
{
    g_autofree char *reply = NULL;

    wait_64m(p);
    reply = qtest_hmp(p->src.qts, "savevm a");
    g_assert(strstr(reply, "not possible during a migration"));
    pair_check_waits(p);
    SIM_CHECK(&p->src, 0, "sessions", ==, 1);
    pair_set_limit(p, 1100);
    pair_check_completes(p);
}

static void check_no_output(VfioSimVM *vm, const char *command)
{
    g_autofree char *output = qtest_hmp(vm->qts, "%s", command);

    g_assert_cmpstr(output, ==, "");
}

/*
 * A guest with a device that has no state is not started; the snapshot is as
 * good as before
 */
static void test_loadvm_fails(MigPair *p, const void *data)
{
    QDict *rsp;

    check_no_output(&p->src, "savevm a");
    vfio_sim_set(&p->src, 0, "hold", "write");
    qtest_qmp_send(p->src.qts, "{ 'execute': 'human-monitor-command',"
                   "  'arguments': { 'command-line': 'loadvm a' } }");
    SIM_WAIT(&p->src, 0, "holding", ==, 1);
    vfio_sim_set(&p->src, 0, "fail-state", "stop");
    release(p);
    rsp = qtest_qmp_receive(p->src.qts);
    g_assert(strstr(qdict_get_str(rsp, "return"),
                    "dev0: Failed setting device state to STOP"));
    qobject_unref(rsp);
    g_assert(!vfio_sim_running(&p->src));

    vfio_sim_set(&p->src, 0, "fail-state", "none");
    check_no_output(&p->src, "loadvm a");
    cont(p);
    vfio_sim_wait_state(&p->src, 0, "running");
    SIM_CHECK(&p->src, 0, "stream-errors", ==, 0);
}

typedef struct EjectCase {
    void (*eject)(QTestState *qts);
} EjectCase;

static void eject_acpi(QTestState *qts)
{
    eject_by_acpi(qts, VFIO_SIM_SLOT_DEV0);
}

/* The device is the only one below a port or bridge */
#define BRIDGE_SLOT "5"

static void eject_pcie(QTestState *qts)
{
    eject_by_pcie(qts, atoi(BRIDGE_SLOT));
}

static void eject_shpc(QTestState *qts)
{
    eject_by_shpc(qts, atoi(BRIDGE_SLOT), 1);
}

/* The migration thread is in a call of the device, which must not go away */
static void test_eject(MigPair *p, const void *data)
{
    const EjectCase *c = data;
    MigReply r;

    wait_64m(p);
    hold_query(p);
    c->eject(p->src.qts);
    SIM_CHECK(&p->src, 0, "holding", ==, 1);
    release(p);
    PAIR_WAIT_WHILE(p, r, reply_going(&r), reply_status_is(&r, "failed"));
    vfio_sim_check_error(&p->src, "'dev0' was unplugged by the guest");
    qtest_qmp_eventwait(p->src.qts, "DEVICE_DELETED");
    g_assert(vfio_sim_running(&p->src));

    pair_migrate_to(p, NULL);
    pair_check_completes(p);
}

#define DEVICE "initial-bytes=1M," STOP_64M

/* A disk that can have snapshots, which are gone with QEMU */
#define SNAPSHOT_DISK \
    "-drive if=none,id=disk,file=null-co://,format=raw,snapshot=on"

/* Without these globals the devices below them are ejected by ACPI */
#define PCIE_PORT "-machine q35 " \
    "-global ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off " \
    "-device pcie-root-port,id=root,chassis=1,addr=" BRIDGE_SLOT
#define SHPC_BRIDGE \
    "-global PIIX4_PM.acpi-pci-hotplug-with-bridge-support=off " \
    "-device pci-bridge,id=bridge,chassis_nr=1,shpc=on,addr=" BRIDGE_SLOT

static const VfioCase cases[] = {
    {
        .path = "session/stop-cont",
        .description = "A guest that is stopped and resumed: the migration "
                       "fails at once, and the next one completes",
        .pair = { .bandwidth = BANDWIDTH, .limit = LIMIT,
                  .devices = { DEVICE } },
        .run = test_stop_cont,
    },
    {
        .path = "session/stop-cont/no-p2p",
        .description = "The same, with a device without P2P states",
        .pair = { .bandwidth = BANDWIDTH, .limit = LIMIT,
                  .devices = { DEVICE ",p2p=off" } },
        .run = test_stop_cont,
    },
    {
        .path = "session/stop-cont/multifd",
        .description = "The same, with multifd",
        .pair = { .bandwidth = BANDWIDTH, .limit = LIMIT, .multifd = true,
                  .devices = { DEVICE } },
        .run = test_stop_cont,
    },
    {
        .path = "session/stop-cont/no-precopy",
        .description = "A device without PRE_COPY does not mind it",
        .pair = { .bandwidth = BANDWIDTH, .limit = LIMIT,
                  .devices = { "precopy=off," STOP_64M } },
        .run = test_stop_cont_no_precopy,
    },
    {
        .path = "session/panic",
        .description = "A guest that something else has stopped completes",
        .pair = { .bandwidth = BANDWIDTH, .limit = LIMIT,
                  .devices = { DEVICE },
                  .src.args = "-device pvpanic -action panic=pause",
                  .dst.args = "-device pvpanic",
        },
        .run = test_panic,
    },
    {
        .path = "session/first-cont",
        .description = "A guest is started while it is migrated",
        .pair = { .bandwidth = BANDWIDTH, .limit = LIMIT,
                  .devices = { DEVICE }, .src.args = "-S" },
        .run = test_first_cont,
    },
    {
        .path = "session/reset",
        .description = "A guest that reboots: the migration fails at once, and "
                       "the next one completes",
        .pair = { .bandwidth = BANDWIDTH, .limit = LIMIT,
                  .devices = { DEVICE } },
        .run = test_reset,
    },
    {
        .path = "session/reset/no-p2p",
        .description = "The same, with a device without P2P states",
        .pair = { .bandwidth = BANDWIDTH, .limit = LIMIT,
                  .devices = { DEVICE ",p2p=off" } },
        .run = test_reset,
    },
    {
        .path = "session/reset/by-host",
        .description = "The same, if the host resets the device",
        .pair = { .bandwidth = BANDWIDTH, .limit = LIMIT,
                  .devices = { DEVICE } },
        .run = test_reset_by_host,
    },
    {
        .path = "session/reset/no-precopy",
        .description = "A device without PRE_COPY does not mind it",
        .pair = { .bandwidth = BANDWIDTH, .limit = LIMIT,
                  .devices = { "precopy=off," STOP_64M } },
        .run = test_reset_no_precopy,
    },
    {
        .path = "session/reset/stopped",
        .description = "A reset does not start the device of a stopped guest",
        .pair = { .bandwidth = BANDWIDTH, .limit = LIMIT,
                  .devices = { DEVICE } },
        .run = test_reset_stopped,
    },
    {
        .path = "session/eject",
        .description = "The guest ejects the device: the migration fails, and "
                       "then the device goes",
        .pair = { .bandwidth = BANDWIDTH, .limit = LIMIT,
                  .devices = { DEVICE } },
        .run = test_eject,
        .data = &(EjectCase) { eject_acpi },
    },
    {
        .path = "session/eject/pcie",
        .description = "The same, below a PCIe port",
        .pair = { .bandwidth = BANDWIDTH, .limit = LIMIT,
                  .devices = { DEVICE }, .device_props = ",bus=root",
                  .src.args = PCIE_PORT, .dst.args = PCIE_PORT },
        .run = test_eject,
        .data = &(EjectCase) { eject_pcie },
    },
    {
        .path = "session/eject/shpc",
        .description = "The same, below a bridge with a hotplug controller",
        .pair = { .bandwidth = BANDWIDTH, .limit = LIMIT,
                  .devices = { DEVICE }, .device_props = ",bus=bridge,addr=1",
                  .src.args = SHPC_BRIDGE, .dst.args = SHPC_BRIDGE },
        .run = test_eject,
        .data = &(EjectCase) { eject_shpc },
    },
    {
        .path = "session/snapshot",
        .description = "A snapshot is refused before the guest is stopped",
        .pair = { .bandwidth = BANDWIDTH, .limit = LIMIT,
                  .devices = { DEVICE } },
        .run = test_snapshot,
    },
    {
        .path = "session/loadvm-fails",
        .description = "loadvm fails when a device refuses its state",
        .pair.devices = { "initial-bytes=64K,stop-bytes=64K" },
        .pair.src.args = SNAPSHOT_DISK,
        .run = test_loadvm_fails,
    },
};

void add_session_tests(void)
{
    VFIO_CASES_ADD(cases);
}
