/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Postcopy whose link breaks: one of the sides has the guest, and only one
 */

#include "qemu/osdep.h"
#include "qobject/qdict.h"
#include "libqtest.h"
#include "hw/pci/pci_regs.h"
#include "standard-headers/linux/virtio_pci.h"
#include "migration/migration-qmp.h"
#include "migration/migration-util.h"
#include "vfio/case-dir.h"
#include "vfio/tests.h"

/* Bytes per second: half a minute for the guest's memory, as it is empty */
#define SLOW KiB

static void start_postcopy(MigPair *p)
{
    qtest_qmp_assert_success(p->src.qts, "{ 'execute': "
                             "'migrate-start-postcopy' }");
}

/* The source of QEMU 10.0 does not wait until the destination has the guest */
static MigReply hand_over(MigPair *p)
{
    int64_t start = g_get_monotonic_time();
    bool loads;
    MigReply r;

    start_postcopy(p);
    PAIR_WAIT_WHILE(p, r, reply_going_or_switchover(&r) ||
                          reply_status_is(&r, "postcopy-device"),
                    reply_status_is(&r, "postcopy-active"));
    do {
        QDict *rsp = qtest_qmp_assert_success_ref(p->dst.qts, "{ 'execute': "
                                                  "'query-status' }");

        loads = g_str_equal(qdict_get_str(rsp, "status"), "inmigrate");
        qobject_unref(rsp);
        vfio_sim_nap(start, "the destination has the guest");
    } while (loads);
    return r;
}

static void break_link(MigPair *p)
{
    qtest_qmp_assert_success(p->src.qts, "{ 'execute': 'yank', 'arguments': "
                             "{ 'instances': [ { 'type': 'migration' } ] } }");
}

#define COMPLETES "migration_return_path_end_before"

/*
 * The destination is stopped when it runs the guest.  All that is left fits
 * into the socket's buffers, so that the source waits for the last message.
 */
static void hold_completion(MigPair *p)
{
    g_autofree char *log = g_build_filename(case_log_dir(), "src-0.log", NULL);
    MigReply r;

    migrate_set_parameter_int(p->src.qts, "max-bandwidth", SLOW);
    migrate_set_parameter_int(p->src.qts, "max-postcopy-bandwidth", SLOW);
    pair_migrate(p);
    PAIR_WAIT(p, r, r.ram_transferred);
    r = hand_over(p);
    g_assert_cmpuint(r.ram_remaining, >, 0);

    kill(qtest_pid(p->dst.qts), SIGSTOP);
    migrate_set_parameter_int(p->src.qts, "max-postcopy-bandwidth", 0);
    vfio_sim_wait_text(log, COMPLETES);
    r = pair_query(p);
    g_assert(reply_status_is(&r, "postcopy-active"));
    g_assert_cmpuint(r.ram_remaining, ==, 0);
}

/* The destination has all, and runs the guest: the source must not */
static void test_link_breaks_at_end(MigPair *p, const void *data)
{
    MigReply r;

    hold_completion(p);
    break_link(p);
    PAIR_WAIT_WHILE(p, r, reply_status_is(&r, "postcopy-active"),
                    reply_status_is(&r, "postcopy-paused"));
    g_assert(!vfio_sim_running(&p->src));

    kill(qtest_pid(p->dst.qts), SIGCONT);
    wait_for_migration_complete(p->dst.qts);
    g_assert(vfio_sim_running(&p->dst));
    g_assert(!vfio_sim_running(&p->src));
}

/* Memory that an idle guest does not write to, among the first that is sent */
#define FILLED MiB
#define FILLED_SIZE (16 * KiB)

static void check_filled(VfioSimVM *vm)
{
    uint8_t data[FILLED_SIZE];
    size_t i;

    qtest_memread(vm->qts, FILLED, data, FILLED_SIZE);
    for (i = 0; i < FILLED_SIZE; i++) {
        g_assert_cmphex(data[i], ==, 0x5a);
    }
}

/* A legacy virtio device, and where its registers and its ring are */
#define VIRTIO "-device virtio-rng-pci,disable-modern=on,addr=8 "
#define VIRTIO_CONFIG (1u << 31 | 8 << 11)
#define VIRTIO_IO 0xc000
#define VIRTIO_RING (15 * MiB)

/* As its driver does: when the device is loaded, it refers to the ring */
static void set_up_virtio(VfioSimVM *vm)
{
    qtest_outl(vm->qts, 0xcf8, VIRTIO_CONFIG | PCI_BASE_ADDRESS_0);
    qtest_outl(vm->qts, 0xcfc, VIRTIO_IO);
    qtest_outl(vm->qts, 0xcf8, VIRTIO_CONFIG | PCI_COMMAND);
    qtest_outw(vm->qts, 0xcfc, PCI_COMMAND_IO | PCI_COMMAND_MASTER);
    qtest_outw(vm->qts, VIRTIO_IO + VIRTIO_PCI_QUEUE_SEL, 0);
    qtest_outl(vm->qts, VIRTIO_IO + VIRTIO_PCI_QUEUE_PFN,
               VIRTIO_RING >> VIRTIO_PCI_QUEUE_ADDR_SHIFT);
    g_assert_cmphex(qtest_inl(vm->qts, VIRTIO_IO + VIRTIO_PCI_QUEUE_PFN), ==,
                    VIRTIO_RING >> VIRTIO_PCI_QUEUE_ADDR_SHIFT);
}

/* With release-ram; the filled memory has been sent before postcopy starts */
static void start_filled(MigPair *p)
{
    MigReply r;

    qtest_memset(p->src.qts, FILLED, 0x5a, FILLED_SIZE);
    migrate_set_capability(p->src.qts, "release-ram", true);
    migrate_set_parameter_int(p->src.qts, "max-bandwidth", 16 * KiB);
    migrate_set_parameter_int(p->src.qts, "max-postcopy-bandwidth", SLOW);
    pair_migrate(p);
    PAIR_WAIT(p, r, r.ram_transferred > FILLED_SIZE + 4 * KiB);
}

/* QEMU has the state postcopy-device: since 10.2 */
static bool waits_for_answer(VfioSimVM *vm)
{
    QDict *rsp = qtest_qmp_assert_success_ref(vm->qts,
                                              "{ 'execute': 'query-version' }");
    QDict *version = qdict_get_qdict(rsp, "qemu");
    int64_t number = qdict_get_int(version, "major") * 1000 +
                     qdict_get_int(version, "minor");

    qobject_unref(rsp);
    return number >= 10002;
}

/*
 * All of the package has been sent, and the link breaks before the destination
 * has loaded it: the source runs on, with all of its memory, and the
 * destination does not start the guest
 */
static void test_link_breaks_in_package(MigPair *p, const void *data)
{
    MigReply r;

    if (!waits_for_answer(&p->src)) {
        g_test_skip("this QEMU waits for no answer");
        return;
    }
    if (p->opts.src.args) {
        set_up_virtio(&p->src);
    }
    start_filled(p);
    kill(qtest_pid(p->dst.qts), SIGSTOP);
    start_postcopy(p);
    PAIR_WAIT_WHILE(p, r, reply_going_or_switchover(&r),
                    reply_status_is(&r, "postcopy-device"));
    break_link(p);
    PAIR_WAIT_WHILE(p, r, reply_status_is(&r, "postcopy-device"),
                    reply_status_is(&r, "failed"));
    pair_check_runs_on(p, "failed");
    check_filled(&p->src);

    kill(qtest_pid(p->dst.qts), SIGCONT);
    wait_for_migration_status(p->dst.qts, "failed",
                              PAIR_LIST("postcopy-active", "postcopy-paused",
                                        "completed"));
    g_assert(!vfio_sim_running(&p->dst));
}

#define DISK "-blockdev driver=null-co,node-name=disk,read-zeroes=on," \
             "size=4294967296"

/*
 * A dirty bitmap of 1 MiB: more than the limit allows in a switchover, and more
 * than a socket and its peer take
 */
static void add_dirty_bitmap(VfioSimVM *vm)
{
    int i;

    qtest_qmp_assert_success(vm->qts,
                             "{ 'execute': 'block-dirty-bitmap-add',"
                             "  'arguments': { 'node': 'disk', 'name': 'b',"
                             "                 'granularity': 512 } }");
    for (i = 0; i < 4; i++) {
        g_autofree char *out = qtest_hmp(vm->qts, "qemu-io disk "
                                         "\"write -q -z %dG 1G\"", i);

        g_assert(!strstr(out, "rror"));
    }
}

/*
 * QEMU ends while the migration thread waits in the middle of a bitmap.  The
 * bitmap goes, and the thread continues: for so short a time that it takes a
 * delay there to let a sanitizer see what it uses.
 */
static void test_quit(MigPair *p, const void *data)
{
    uint64_t transferred = 0, since = 0;
    MigReply r;

    add_dirty_bitmap(&p->src);
    migrate_set_parameter_int(p->src.qts, "max-postcopy-bandwidth", 64 * KiB);
    pair_migrate(p);
    PAIR_WAIT(p, r, r.passes >= 2);
    hand_over(p);
    kill(qtest_pid(p->dst.qts), SIGSTOP);
    migrate_set_parameter_int(p->src.qts, "max-postcopy-bandwidth", 0);
    PAIR_WAIT_WHILE(p, r, reply_status_is(&r, "postcopy-active"),
                    (since = r.ram_transferred == transferred ? since :
                             r.total_time,
                     transferred = r.ram_transferred,
                     r.total_time >= since + 500));
    g_assert_cmpuint(r.remaining, >, 0);
    vfio_sim_quit(&p->src);
    kill(qtest_pid(p->dst.qts), SIGCONT);
}

/* The source discards what the destination has */
static void test_release_ram(MigPair *p, const void *data)
{
    start_filled(p);
    start_postcopy(p);
    migrate_set_parameter_int(p->src.qts, "max-postcopy-bandwidth", 0);
    wait_for_migration_complete(p->src.qts);
    wait_for_migration_complete(p->dst.qts);
    g_assert(!vfio_sim_running(&p->src));
    g_assert(vfio_sim_running(&p->dst));
    check_filled(&p->dst);
    g_assert_cmphex(qtest_readb(p->src.qts, FILLED), ==, 0);
}

static const VfioCase cases[] = {
    {
        .path = "postcopy/link-breaks-in-package",
        .description = "The link breaks before the destination has loaded the "
                       "package: the source runs on, and has discarded nothing",
        .pair = { .bandwidth = BANDWIDTH, .limit = 1, .postcopy_ram = true,
                  .dst_starts = true },
        .run = test_link_breaks_in_package,
    },
    {
        .path = "postcopy/link-breaks-in-package/page",
        .description = "The same, with a device whose state refers to memory "
                       "that has not arrived",
        .pair = { .bandwidth = BANDWIDTH, .limit = 1, .postcopy_ram = true,
                  .dst_starts = true, .src.args = VIRTIO, .dst.args = VIRTIO },
        .run = test_link_breaks_in_package,
    },
    {
        .path = "postcopy/release-ram",
        .description = "The source discards what the destination has",
        .pair = { .bandwidth = BANDWIDTH, .limit = 1, .postcopy_ram = true,
                  .dst_starts = true },
        .run = test_release_ram,
    },
    {
        .path = "postcopy/quit",
        .description = "The source ends while it sends dirty bitmaps",
        .pair = { .bandwidth = MiB, .limit = 100, .dirty_bitmaps = true,
                  .unix_socket = true, .src.args = DISK, .dst.args = DISK },
        .run = test_quit,
    },
    {
        .path = "postcopy/link-breaks-at-end",
        .description = "The source pauses when the link breaks at the end",
        .pair = { .bandwidth = BANDWIDTH, .limit = 1, .postcopy_ram = true,
                  .dst_starts = true, .src.args = "-trace " COMPLETES },
        .run = test_link_breaks_at_end,
    },
};

void add_postcopy_tests(void)
{
    VFIO_CASES_ADD(cases);
}
