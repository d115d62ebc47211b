/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A source, and its migrations to destinations one after the other
 */

#include "qemu/osdep.h"
#include <glib/gstdio.h>
#include "qobject/qdict.h"
#include "libqtest.h"
#include "migration/bootfile.h"
#include "migration/migration-qmp.h"
#include "migration/migration-util.h"
#include "vfio/case-dir.h"
#include "vfio/pair.h"

#define ENV_STOCK "QTEST_VFIO_STOCK_QEMU"

static const char *stock_binary(const MigSide *side)
{
    return side->stock ? getenv(ENV_STOCK) : NULL;
}

const char *pair_missing(const MigPairOptions *opts)
{
    const char *stock = getenv(ENV_STOCK);

    if ((opts->src.stock || opts->dst.stock) &&
        (!stock || access(stock, X_OK))) {
        return ENV_STOCK " does not name a stock QEMU";
    }
    if (opts->postcopy_ram && !ufd_version_check(NULL)) {
        return "no userfaultfd";
    }
    return vfio_sim_missing(opts->devices, opts->iommufd_props);
}

static char *device_props(const MigPairOptions *opts)
{
    return g_strconcat(opts->multifd ? ",x-migration-multifd-transfer=on" : "",
                       opts->device_props, NULL);
}

static void set_capabilities(QTestState *qts, const MigPairOptions *opts,
                             const MigSide *side)
{
    if (opts->return_path || (opts->multifd && !opts->no_return_path) ||
        opts->dirty_bitmaps || opts->postcopy_ram || side->switchover_ack) {
        migrate_set_capability(qts, "return-path", true);
    }
    if (side->switchover_ack) {
        migrate_set_capability(qts, "switchover-ack", true);
    }
    if (opts->multifd) {
        migrate_set_capability(qts, "multifd", true);
        if (opts->channels) {
            migrate_set_parameter_int(qts, "multifd-channels", opts->channels);
        }
    }
    if (opts->dirty_bitmaps) {
        migrate_set_capability(qts, "dirty-bitmaps", true);
    }
    if (opts->postcopy_ram) {
        migrate_set_capability(qts, "postcopy-ram", true);
    }
    if (opts->pause_before_switchover) {
        migrate_set_capability(qts, "pause-before-switchover", true);
    }
}

/* Wait until the guest has written to all of its memory once */
static void wait_first_round(VfioSimVM *vm)
{
    int64_t start = g_get_monotonic_time();

    while (!qtest_readb(vm->qts, X86_TEST_MEM_END - TEST_MEM_PAGE_SIZE)) {
        vfio_sim_nap(start, "guest writes");
    }
}

void pair_start(MigPair *p, const MigPairOptions *opts)
{
    g_autofree char *props = device_props(opts);

    *p = (MigPair) {
        .opts = *opts, .limit = opts->limit, .last = reply_none(),
    };
    vfio_sim_start(&p->src, &(VfioSimVMOptions) {
        .name = "src", .binary = stock_binary(&opts->src),
        .devices = opts->devices, .device_props = props,
        .iommufd_props = opts->iommufd_props, .guest = opts->guest,
        .args = opts->src.args,
    });
    if (opts->guest == VFIO_SIM_GUEST_DIRTY) {
        wait_first_round(&p->src);
    }

    /*
     * While a migration waits, unchanged QEMU makes thousands of passes per
     * second: too many events for a client on a loaded machine.
     */
    migrate_set_capability(p->src.qts, "events", opts->check_passes);
    set_capabilities(p->src.qts, opts, &opts->src);
    if (opts->bandwidth) {
        migrate_set_parameter_int(p->src.qts, "avail-switchover-bandwidth",
                                  opts->bandwidth);
    }
    migrate_set_parameter_int(p->src.qts, "downtime-limit", p->limit);
    /*
     * No limit; the default is 128 MiB/s.  But the thousands of passes of stock
     * QEMU would fill the sockets of a destination that is held.
     */
    migrate_set_parameter_int(p->src.qts, "max-bandwidth",
                              opts->src.stock ? MiB : 0);
}

static char *dst_stderr_path(void)
{
    return g_build_filename(case_log_dir(), "dst.stderr", NULL);
}

void pair_migrate_to(MigPair *p, const char *const *devices)
{
    const MigSide *side = &p->opts.dst;
    g_autofree char *args = g_strdup_printf("%s-incoming defer %s",
                                            p->opts.dst_starts ? "" : "-S ",
                                            side->args ?: "");
    g_autofree char *unix_uri = g_strdup_printf("unix:%s/migration",
                                                case_dir());
    const char *uri = p->opts.unix_socket ? unix_uri : "tcp:127.0.0.1:0";
    g_autofree char *props = device_props(&p->opts);
    g_autofree char *stderr_path = NULL;
    int i;

    vfio_sim_quit(&p->dst);
    p->last = reply_none();
    p->src.n_stop = 0;
    for (i = 0; i < p->src.n_devices; i++) {
        p->read_before[i] = vfio_sim_get(&p->src, i, "read-bytes");
    }

    if (p->opts.dst_stderr) {
        stderr_path = dst_stderr_path();
    }
    vfio_sim_start(&p->dst, &(VfioSimVMOptions) {
        .name = "dst", .binary = stock_binary(side), .devices = devices,
        .device_props = props, .guest = p->opts.guest,
        .args = args, .stderr_path = stderr_path,
    });
    set_capabilities(p->dst.qts, &p->opts, side);
    migrate_incoming_qmp(p->dst.qts, uri, NULL,
                         "{ 'exit-on-error': false }");
    migrate_qmp(p->src.qts, p->dst.qts, NULL, NULL, "{}");
}

void pair_migrate(MigPair *p)
{
    pair_migrate_to(p, p->opts.devices);
}

void pair_set_limit(MigPair *p, uint64_t ms)
{
    p->limit = ms;
    migrate_set_parameter_int(p->src.qts, "downtime-limit", ms);
}

void pair_stop_guest(MigPair *p)
{
    qtest_qmp_assert_success(p->src.qts, "{ 'execute': 'stop' }");
}

/* What holds for the fields that stock QEMU does not have or computes */
static void check_prediction(const MigPair *p, const MigReply *r)
{
    uint64_t bandwidth = p->opts.bandwidth;

    /* Once reported, it stays.  Two passes include an exact query. */
    g_assert(r->has_remaining || !p->last.has_remaining);
    g_assert(r->has_remaining || r->passes < 3);

    if (!r->has_remaining) {
        g_assert_cmpuint(r->expected, ==, p->limit);
    } else if (bandwidth && r->remaining < PAIR_HUGE_SIZE / 1000) {
        uint64_t ms = DIV_ROUND_UP(r->remaining * 1000, bandwidth);
        bool first_pass = g_str_equal(r->reason, "first-pass");
        bool ram_moves = first_pass || g_str_equal(r->reason, "progress") ||
                         g_str_equal(r->reason, "dirty-rate");

        /* In a wait, what the guest dirties again counts */
        if (ram_moves) {
            g_assert_cmpuint(r->expected, <=, ms + 1);
        } else {
            g_assert_cmpuint(r->expected, <=, ms + 1 +
                             r->ram_total * 1000 / bandwidth);
        }
        if (!first_pass) {
            g_assert_cmpuint(r->expected + 1, >=, ms);
        }
    }
}

MigReply pair_query(MigPair *p)
{
    MigReply r = reply_get(p->src.qts);

    reply_check(&p->last, &r);
    if (reply_status_is(&r, "active") && !p->opts.src.stock) {
        check_prediction(p, &r);
    }
    p->last = r;
    return r;
}

char *pair_info_migrate(MigPair *p)
{
    return qtest_hmp(p->src.qts, "info migrate");
}

void pair_check_hmp_has(MigPair *p, const char *part)
{
    g_autofree char *hmp = pair_info_migrate(p);

    if (!strstr(hmp, part)) {
        g_printerr("'%s' lacks '%s'\n", hmp, part);
        g_assert_not_reached();
    }
}

void pair_wait_remaining(MigPair *p, MigReply *r, uint64_t bytes)
{
    PAIR_WAIT(p, *r, r->has_remaining && r->remaining >= bytes &&
                     r->remaining < bytes + PAIR_RAM_SLACK);
    g_assert_cmpuint(r->ram_remaining, <, PAIR_RAM_SLACK);
}

void pair_check_waits(MigPair *p)
{
    MigReply first = pair_query(p), r;

    PAIR_WAIT(p, r, r.passes >= first.passes + 3 &&
                    r.total_time >= first.total_time + 250);
    g_assert(vfio_sim_running(&p->src));
    g_assert_cmpuint(p->src.n_stop, ==, 0);
}

static void check_no_remaining_in_hmp(MigPair *p)
{
    g_autofree char *hmp = pair_info_migrate(p);

    g_assert(!strstr(hmp, "Remaining (bytes):"));
}

static char *save_memory(VfioSimVM *vm, VfioSimGuest guest)
{
    char *path = g_strdup_printf("%s/%s.ram", case_dir(), vm->name);

    qtest_qmp_assert_success(vm->qts, "{ 'execute': 'pmemsave', 'arguments': "
                             "{ 'val': 0, 'size': %" PRIu64 ", 'filename': %s "
                             "} }", vfio_guest_memory_size(guest), path);
    return path;
}

static void check_memory(MigPair *p)
{
    g_autofree char *src_path = save_memory(&p->src, p->opts.guest);
    g_autofree char *dst_path = save_memory(&p->dst, p->opts.guest);
    g_autoptr(GMappedFile) src = g_mapped_file_new(src_path, false, NULL);
    g_autoptr(GMappedFile) dst = g_mapped_file_new(dst_path, false, NULL);

    g_unlink(src_path);
    g_unlink(dst_path);
    g_assert(src && dst);
    g_assert_cmpuint(g_mapped_file_get_length(src), ==,
                     g_mapped_file_get_length(dst));
    g_assert(!memcmp(g_mapped_file_get_contents(src),
                     g_mapped_file_get_contents(dst),
                     g_mapped_file_get_length(src)));
}

/* The devices of the destination run, with all data of the source's */
static void check_devices(MigPair *p, uint64_t transferred)
{
    uint64_t bytes = 0;
    int i;

    for (i = 0; i < p->dst.n_devices; i++) {
        g_autofree char *state = vfio_sim_get_str(&p->dst, i, "state");
        uint64_t n = vfio_sim_get(&p->src, i, "read-bytes") -
                     p->read_before[i];

        g_assert_cmpstr(state, ==, "running");
        SIM_CHECK(&p->dst, i, "write-bytes", ==, n);
        SIM_CHECK(&p->dst, i, "stream-verified", ==, 1);
        SIM_CHECK(&p->dst, i, "stream-errors", ==, 0);
        SIM_CHECK(&p->dst, i, "dma-mismatched", ==, 0);
        bytes += n;
    }
    g_assert_cmpuint(transferred, >=, bytes);
    /* With multifd, QEMU counts the PCI configuration too */
    g_assert_cmpuint(transferred, <=,
                     bytes + (p->opts.multifd ? 64 * KiB : 0));
}

void pair_check_completes(MigPair *p)
{
    MigReply r;

    PAIR_WAIT_WHILE(p, r, reply_going_or_switchover(&r),
                    reply_status_is(&r, "completed"));
    if (p->opts.check_passes) {
        g_assert_cmpuint(p->src.last_pass, ==, r.passes);
    }
    wait_for_migration_complete(p->dst.qts);
    check_no_remaining_in_hmp(p);

    check_memory(p);
    qtest_qmp_assert_success(p->dst.qts, "{ 'execute': 'cont' }");
    qtest_qmp_assert_success(p->dst.qts, "{ 'execute': 'query-migrate' }");
    g_assert(vfio_sim_running(&p->dst));
    check_devices(p, r.vfio_transferred);
    if (p->opts.guest == VFIO_SIM_GUEST_DIRTY) {
        vfio_sim_wait_guest_writes(&p->dst);
    }
}

void pair_check_runs_on(MigPair *p, const char *status)
{
    int64_t start = g_get_monotonic_time();
    MigReply r;
    int i;

    PAIR_WAIT_WHILE(p, r, reply_going_or_switchover(&r) ||
                          reply_status_is(&r, "cancelling"),
                    reply_status_is(&r, status));
    while (!vfio_sim_running(&p->src)) {
        vfio_sim_nap(start, "guest runs on at the source");
    }
    for (i = 0; i < p->src.n_devices; i++) {
        vfio_sim_wait_state(&p->src, i, "running");
    }
    check_no_remaining_in_hmp(p);
}

void pair_check_dst_stderr(MigPair *p, const char *text)
{
    g_autofree char *path = dst_stderr_path();

    vfio_sim_wait_text(path, text);
}

void pair_end(MigPair *p)
{
    vfio_sim_quit(&p->src);
    vfio_sim_quit(&p->dst);
}
