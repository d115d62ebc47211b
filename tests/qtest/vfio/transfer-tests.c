/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is transferred, and when: RAM, data of devices, memory that devices
 * write
 */

#include "qemu/osdep.h"
#include "qobject/qdict.h"
#include "libqtest.h"
#include "migration/migration-qmp.h"
#include "migration/migration-util.h"
#include "vfio/case-dir.h"
#include "vfio/tests.h"

static void test_ram_idle(MigPair *p, const void *data)
{
    pair_migrate(p);
    pair_check_completes(p);
    g_assert_cmpuint(p->last.vfio_transferred, ==, 0);
}

static void test_ram_dirty(MigPair *p, const void *data)
{
    MigReply r;

    pair_migrate(p);
    PAIR_WAIT(p, r, r.passes >= 3 && r.remaining > BANDWIDTH / 1000);
    g_assert_cmpuint(r.remaining, <=, r.ram_total);
    pair_check_waits(p);

    pair_set_limit(p, 30000);
    pair_check_completes(p);
}

static void test_precopy(MigPair *p, const void *data)
{
    MigReply r;

    pair_migrate(p);
    pair_wait_remaining(p, &r, 64 * MiB);
    pair_check_waits(p);

    /* All precopy bytes have been moved, and nothing else */
    SIM_CHECK(&p->src, 0, "initial", ==, 0);
    SIM_CHECK(&p->src, 0, "dirty", ==, 0);
    SIM_CHECK(&p->src, 0, "stop", ==, 64 * MiB);
    g_assert_cmpuint(pair_query(p).vfio_transferred, >=, 8 * MiB);
    g_assert_cmpuint(pair_query(p).vfio_transferred, <, 9 * MiB);

    pair_set_limit(p, 1100);
    pair_check_completes(p);
    g_assert_cmpuint(p->last.vfio_transferred, >=, 72 * MiB);
}

static void test_no_precopy(MigPair *p, const void *data)
{
    MigReply r;

    pair_migrate(p);
    pair_wait_remaining(p, &r, 64 * MiB);
    pair_check_waits(p);
    g_assert_cmpuint(pair_query(p).vfio_transferred, ==, 0);
    SIM_CHECK(&p->src, 0, "precopy-info-calls", ==, 0);

    pair_set_limit(p, 1100);
    pair_check_completes(p);
    g_assert_cmpuint(p->last.vfio_transferred, >=, 64 * MiB);
}

static void test_precopy_dirty(MigPair *p, const void *data)
{
    MigReply r;

    pair_migrate(p);
    PAIR_WAIT(p, r, r.passes >= 3 && r.vfio_transferred > MiB);
    pair_check_waits(p);
    r = pair_query(p);
    /*
     * What became dirty since the latest exact query, and was read, lowers
     * what that query has found.
     */
    g_assert_cmpuint(r.remaining, >=, 31 * MiB);
    g_assert_cmpuint(r.remaining, <, 40 * MiB + PAIR_RAM_SLACK);

    pair_set_limit(p, 1000);
    pair_check_completes(p);
}

static void test_two_devices(MigPair *p, const void *data)
{
    MigReply r;

    pair_migrate(p);
    pair_wait_remaining(p, &r, 64 * MiB);

    /* Each device alone would be below this */
    pair_set_limit(p, 800);
    pair_check_waits(p);

    pair_set_limit(p, 1100);
    pair_check_completes(p);
    SIM_CHECK(&p->dst, 0, "write-bytes", >=, 41 * MiB);
    SIM_CHECK(&p->dst, 1, "write-bytes", >=, 24 * MiB);
}

static void test_multifd(MigPair *p, const void *data)
{
    MigReply r;

    pair_migrate(p);
    pair_wait_remaining(p, &r, 80 * MiB);
    pair_check_waits(p);
    pair_set_limit(p, 1400);
    pair_check_completes(p);
    g_assert_cmpuint(p->last.vfio_transferred, >=, 81 * MiB);
}

/*
 * The device is read slowly, so that RAM is complete before, and the
 * destination reads nothing: one read of the device, which is 1/100 s long,
 * does not fit into the buffer of a channel's socket.
 */
static void test_multifd_blocked(MigPair *p, const void *data)
{
    MigReply r;
    QDict *rsp;
    pid_t dst;

    /* With a return path, the source waits for the destination at the end */
    migrate_set_capability(p->src.qts, "return-path", false);
    pair_migrate(p);
    pair_wait_remaining(p, &r, MiB);
    dst = qtest_pid(p->dst.qts);
    kill(dst, SIGSTOP);
    /* QEMU may not answer before the switchover is over */
    p->limit = 1100;
    qtest_qmp_send(p->src.qts, "{ 'execute': 'migrate-set-parameters',"
                   "'arguments': { 'downtime-limit': 1100 } }");
    SIM_WAIT(&p->src, 0, "read-bytes-stop", >=, MiB);
    /* The source could complete in this time, and must not */
    g_usleep(200 * 1000);
    kill(dst, SIGCONT);
    rsp = qtest_qmp_receive(p->src.qts);
    g_assert(qdict_haskey(rsp, "return"));
    qobject_unref(rsp);
    pair_check_completes(p);
}

static void test_dma(MigPair *p, const void *data)
{
    MigReply r;

    SIM_WAIT(&p->src, 0, "dma-pages-written", >=, 2048);

    pair_migrate(p);
    PAIR_WAIT(p, r, r.passes >= 5 && r.has_remaining);
    g_assert_cmpuint(r.remaining, >=, 64 * MiB);
    g_assert_cmpuint(r.remaining, <=, 64 * MiB + r.ram_total);
    pair_check_waits(p);

    pair_set_limit(p, 2000);
    pair_check_completes(p);
    SIM_CHECK(&p->dst, 0, "dma-verified", >=, 512);
}

/* What was read from dev0 of the source, when this grows no more */
static uint64_t wait_read_bytes(MigPair *p)
{
    int64_t start = g_get_monotonic_time();
    uint64_t bytes = 0, now;
    int same = 0;

    while (same < 50) {
        now = vfio_sim_get(&p->src, 0, "read-bytes");
        same = now == bytes ? same + 1 : 0;
        bytes = now;
        vfio_sim_nap(start, "dev0 of the source is not read");
    }
    return bytes;
}

/*
 * The device of the destination loads nothing, so that the source waits.  It
 * does so in the switchover, and answers to no command.
 */
static void test_multifd_queue(MigPair *p, const void *data)
{
    uint64_t most = *(const uint64_t *)data;
    g_autofree char *held = g_strdup_printf("%s,hold=write",
                                            p->opts.devices[0]);
    uint64_t bytes;

    pair_migrate_to(p, PAIR_LIST(held));
    SIM_WAIT(&p->dst, 0, "holding", ==, 1);
    bytes = wait_read_bytes(p);
    g_assert_cmpuint(bytes, >=, MIN(most / 8, 128 * MiB));
    g_assert_cmpuint(bytes, <, most);
    vfio_sim_set(&p->dst, 0, "hold", "none");
    pair_check_completes(p);
}

/* Several devices, whose data comes in another order */
static void test_multifd_slow(MigPair *p, const void *data)
{
    pair_migrate(p);
    SIM_WAIT(&p->dst, 0, "write-bytes", >=, 2 * MiB);
    pair_check_completes(p);
}

/* Nothing logs what the last device writes */
static void test_dma_untracked(MigPair *p, const void *data)
{
    int dev = p->src.n_devices - 1;

    SIM_WAIT(&p->src, dev, "dma-pages-written", >=, 2048);
    pair_migrate(p);
    pair_check_completes(p);
    SIM_CHECK(&p->dst, dev, "dma-verified", >=, 512);
}

static void test_realize(MigPair *p, const void *data)
{
    g_assert(vfio_sim_running(&p->src));
}

/* It needs what this kernel does not have */
static void test_cpr_exec_blocked(MigPair *p, const void *data)
{
    QDict *rsp = qtest_qmp(p->src.qts,
                           "{ 'execute': 'migrate-set-parameters',"
                           "  'arguments': { 'mode': 'cpr-exec',"
                           "    'cpr-exec-command': [ 'false' ] } }");
    bool known = !qdict_haskey(rsp, "error");

    if (!known) {
        g_assert(strstr(qdict_get_str(qdict_get_qdict(rsp, "error"), "desc"),
                        "cpr-exec"));
    }
    qobject_unref(rsp);
    if (!known) {
        g_test_skip("this QEMU has no cpr-exec");
        return;
    }
    rsp = qtest_qmp_assert_failure_ref(p->src.qts, "{ 'execute': 'migrate',"
                                       "  'arguments': { 'uri': %s } }",
                                       "file:/dev/null");
    g_assert(strstr(qdict_get_str(rsp, "desc"), "IOMMU_IOAS_CHANGE_PROCESS"));
    qobject_unref(rsp);
}

#define DMA_DEVICE \
    STOP_64M ",dma-rate=32M,dma-base=4M,dma-size=4M,dirty-log="

/* It was never resumed on the destination */
static void test_paused_onward(MigPair *p, const void *data)
{
    g_autofree char *uri = g_strdup_printf("file:%s/onward", case_dir());
    MigReply r;

    pair_migrate(p);
    PAIR_WAIT_WHILE(p, r, reply_going_or_switchover(&r),
                    reply_status_is(&r, "completed"));
    wait_for_migration_complete(p->dst.qts);

    qtest_qmp_assert_success(p->dst.qts, "{ 'execute': 'migrate',"
                             "'arguments': { 'uri': %s } }", uri);
    wait_for_migration_complete(p->dst.qts);
    SIM_CHECK(&p->dst, 0, "stream-verified", ==, 1);
    SIM_CHECK(&p->dst, 0, "read-bytes", >=, 16 * MiB);
    vfio_sim_wait_state(&p->dst, 0, "stop");
}

static const VfioCase cases[] = {
    {
        .path = "transfer/paused-onward",
        .description = "A guest that arrived paused is saved again",
        .pair = { .bandwidth = GiB, .limit = 10000,
                  .devices = { "initial-bytes=1M,stop-bytes=16M" } },
        .run = test_paused_onward,
    },
    {
        .path = "ram/idle",
        .description = "A guest that does not write to memory; no device",
        .pair = { .bandwidth = BANDWIDTH, .limit = LIMIT,
                  .check_passes = true },
        .run = test_ram_idle,
    },
    {
        .path = "ram/dirty",
        .description = "A guest that writes to 99 MiB, of which 64 KiB may "
                       "remain; no device",
        .pair = { .guest = VFIO_SIM_GUEST_DIRTY, .bandwidth = BANDWIDTH,
                  .limit = 1, .check_passes = true },
        .run = test_ram_dirty,
    },
    {
        .path = "precopy/on",
        .description = "A device that can PRE_COPY",
        .pair = { .bandwidth = BANDWIDTH, .limit = LIMIT,
                  .devices = { "initial-bytes=6M,dirty-bytes=2M," STOP_64M } },
        .run = test_precopy,
    },
    {
        .path = "precopy/off",
        .description = "A device that cannot PRE_COPY",
        .pair = { .bandwidth = BANDWIDTH, .limit = LIMIT,
                  .devices = { "precopy=off," STOP_64M } },
        .run = test_no_precopy,
    },
    {
        .path = "precopy/dirty",
        .description = "A device that always has new precopy bytes",
        .pair = { .bandwidth = BANDWIDTH, .limit = 100,
                  .devices = { "dirty-rate=16M,dirty-ceiling=8M,"
                               "stop-bytes=32M" } },
        .run = test_precopy_dirty,
    },
    {
        .path = "two-devices",
        .description = "The threshold is for the sum of all devices",
        .pair = { .bandwidth = BANDWIDTH, .limit = LIMIT,
                  .devices = { "initial-bytes=1M,stop-bytes=40M",
                               "precopy=off,stop-bytes=24M" } },
        .run = test_two_devices,
    },
    {
        .path = "multifd",
        .description = "Two devices, whose data goes over multifd channels",
        .pair = { .bandwidth = BANDWIDTH, .limit = LIMIT, .multifd = true,
                  .devices = { "initial-bytes=1M," STOP_64M,
                               "stop-bytes=16M" } },
        .run = test_multifd,
    },
    {
        .path = "multifd-blocked",
        .description = "The source does not complete before it has written "
                       "all to the multifd channels",
        .pair = { .bandwidth = MiB, .limit = LIMIT, .multifd = true,
                  .channels = 8, .unix_socket = true,
                  .devices = { "stop-bytes=1M,read-rate=32M" } },
        .run = test_multifd_blocked,
    },
    {
        .path = "dma/device",
        .description = "A device that writes memory, and logs that itself",
        .pair = { .bandwidth = BANDWIDTH, .limit = LIMIT,
                  .devices = { DMA_DEVICE "device" } },
        .run = test_dma,
    },
    {
        .path = "dma/iommu",
        .description = "A device that writes memory; the IOMMU logs that",
        .pair = { .bandwidth = BANDWIDTH, .limit = LIMIT,
                  .devices = { DMA_DEVICE "iommu" } },
        .run = test_dma,
    },
    {
        .path = "dma/untracked",
        .description = "A device that writes memory, which nothing logs",
        .pair = { .bandwidth = BANDWIDTH, .limit = 30000,
                  .devices = { DMA_DEVICE "off" },
                  .device_props = ",enable-migration=on" },
        .run = test_dma_untracked,
    },
    {
        .path = "dma/mixed",
        .description = "The same, beside one whose IOMMU logs",
        .pair = { .bandwidth = BANDWIDTH, .limit = 30000,
                  .devices = { "stop-bytes=1M,dirty-log=iommu",
                               DMA_DEVICE "off" },
                  .device_props = ",enable-migration=on" },
        .run = test_dma_untracked,
    },
    {
        .path = "multifd-queue/small",
        .description = "The source waits for a device that does not load",
        .pair = { .bandwidth = GiB, .limit = 10000, .multifd = true,
                  .unix_socket = true, .devices = { STOP_64M },
                  .device_props = ",x-migration-max-queued-buffers-size=2M" },
        .run = test_multifd_queue, .data = &(const uint64_t) { 16 * MiB },
    },
    {
        .path = "multifd-queue/default",
        .description = "The same, with the default size",
        .pair = { .bandwidth = GiB, .limit = 10000, .multifd = true,
                  .unix_socket = true, .devices = { "stop-bytes=512M" } },
        .run = test_multifd_queue, .data = &(const uint64_t) { 300 * MiB },
    },
    {
        .path = "multifd-queue/order",
        .description = "Devices that load more slowly than their data arrives",
        .pair = { .bandwidth = GiB, .limit = 10000, .multifd = true,
                  .devices = { "stop-bytes=16M,write-rate=32M",
                               "stop-bytes=16M,write-rate=32M" },
                  .device_props = ",x-migration-max-queued-buffers-size=2M" },
        .run = test_multifd_slow,
    },
    {
        .path = "realize/old-kernel",
        .description = "QEMU starts with a kernel that does not have "
                       "IOMMU_IOAS_CHANGE_PROCESS",
        .pair = { .bandwidth = BANDWIDTH, .limit = LIMIT,
                  .devices = { STOP_64M },
                  .iommufd_props = ",change-process=off" },
        .run = test_realize,
    },
    {
        .path = "realize/cpr-exec",
        .description = "The mode cpr-exec is refused with such a kernel",
        .pair = { .devices = { STOP_64M },
                  .iommufd_props = ",change-process=off" },
        .run = test_cpr_exec_blocked,
    },
};

void add_transfer_tests(void)
{
    VFIO_CASES_ADD(cases);
}
