/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A source, its migrations to destinations, and what QEMU says of them
 */

#include "qemu/osdep.h"
#include <glib/gstdio.h>
#include "qemu/cutils.h"
#include "qobject/qdict.h"
#include "qobject/qlist.h"
#include "qobject/qnum.h"
#include "qobject/qstring.h"
#include "libqtest.h"
#include "migration/bootfile.h"
#include "migration/migration-qmp.h"
#include "migration/migration-util.h"
#include "migration/vfio-pair.h"

bool reply_status_is(const MigReply *r, const char *status)
{
    return g_str_equal(r->status, status);
}

bool reply_going(const MigReply *r)
{
    return reply_status_is(r, "none") || reply_status_is(r, "setup") ||
           reply_status_is(r, "active");
}

bool reply_waits_for(const MigReply *r, const char *section)
{
    g_autofree char *name = g_strdup_printf(",%s,", section);

    return strstr(r->waiting, name);
}

static uint64_t get_uint(const QDict *dict, const char *key)
{
    QNum *num = qobject_to(QNum, qdict_get(dict, key));
    uint64_t value;

    g_assert(num);
    /* Never negative, and not a floating point number either */
    g_assert(qnum_get_try_uint(num, &value));
    return value;
}

static uint64_t try_uint(const QDict *dict, const char *key)
{
    return qdict_haskey(dict, key) ? get_uint(dict, key) : 0;
}

/* How far a migration is; it never goes back */
static int status_rank(const char *status)
{
    static const char *const order[] = {
        "none", "setup", "active", "pre-switchover", "device", "completed",
        "cancelling", "cancelled", "failed",
    };
    int i;

    for (i = 0; i < ARRAY_SIZE(order); i++) {
        if (g_str_equal(order[i], status)) {
            return i;
        }
    }
    g_printerr("unexpected status %s\n", status);
    g_assert_not_reached();
}

/* What every reply must fulfil, whenever it was asked for */
static void check_reply(MigPair *p, const MigReply *r)
{
    const MigReply *last = &p->last;

    g_assert_cmpint(status_rank(r->status), >=, status_rank(last->status));

    if (reply_status_is(r, "none") || reply_status_is(r, "setup") ||
        reply_status_is(r, "completed") || reply_status_is(r, "cancelled") ||
        reply_status_is(r, "failed")) {
        g_assert(!r->has_remaining);
        g_assert(!r->has_expected);
        g_assert(!r->has_acks || reply_status_is(r, "completed"));
    }
    g_assert(r->has_downtime || !reply_status_is(r, "completed"));

    if (!reply_status_is(r, "active")) {
        return;
    }

    g_assert(r->has_acks || !last->has_acks);
    g_assert(r->has_acks == !!r->requests);
    g_assert_cmpuint(r->requests, >=, last->requests);
    g_assert_cmpuint(r->undone, >=, last->undone);

    g_assert(r->has_ram);
    g_assert(r->has_expected);
    g_assert_cmpuint(r->total_time, >=, last->total_time);
    g_assert_cmpuint(r->passes, >=, last->passes);
    g_assert_cmpuint(r->ram_transferred, >=, last->ram_transferred);
    g_assert_cmpuint(r->vfio_transferred, >=, last->vfio_transferred);
    g_assert_cmpuint(r->ram_remaining, <=, r->ram_total);

    if (p->src_stock) {
        return;
    }

    /* Once there, it stays there; two passes cannot be without a look */
    g_assert(r->has_remaining || !last->has_remaining);
    g_assert(r->has_remaining || r->passes < 3);

    if (!r->has_remaining) {
        g_assert_cmpuint(r->expected, ==, p->limit);
    } else if (p->bandwidth && r->remaining < PAIR_HUGE_SIZE / 1000) {
        uint64_t ms = DIV_ROUND_UP(r->remaining * 1000, p->bandwidth);

        g_assert_cmpuint(r->expected, <=, ms + 1);
        g_assert_cmpuint(r->expected + 1, >=, ms);
    }
}

static void get_acks(MigReply *r, const QDict *dict)
{
    const QListEntry *entry;

    r->has_acks = true;
    r->requests = get_uint(dict, "requests");
    r->undone = get_uint(dict, "undone");
    pstrcpy(r->waiting, sizeof(r->waiting), ",");
    QLIST_FOREACH_ENTRY(qdict_get_qlist(dict, "waiting"), entry) {
        pstrcat(r->waiting, sizeof(r->waiting),
                qstring_get_str(qobject_to(QString, entry->value)));
        pstrcat(r->waiting, sizeof(r->waiting), ",");
        r->n_waiting++;
    }
}

MigReply pair_query(MigPair *p)
{
    QDict *rsp = migrate_query(p->src.qts);
    const QDict *dict;
    MigReply r = { };

    pstrcpy(r.status, sizeof(r.status),
            qdict_get_try_str(rsp, "status") ?: "none");
    pstrcpy(r.error, sizeof(r.error),
            qdict_get_try_str(rsp, "error-desc") ?: "");
    r.has_remaining = qdict_haskey(rsp, "remaining");
    r.remaining = try_uint(rsp, "remaining");
    r.has_expected = qdict_haskey(rsp, "expected-downtime");
    r.expected = try_uint(rsp, "expected-downtime");
    r.has_downtime = qdict_haskey(rsp, "downtime");
    r.downtime = try_uint(rsp, "downtime");
    r.total_time = try_uint(rsp, "total-time");

    r.has_ram = qdict_haskey(rsp, "ram");
    if (r.has_ram) {
        dict = qdict_get_qdict(rsp, "ram");
        r.passes = get_uint(dict, "dirty-sync-count");
        r.ram_total = get_uint(dict, "total");
        r.ram_remaining = get_uint(dict, "remaining");
        r.ram_transferred = get_uint(dict, "transferred");
    }
    if (qdict_haskey(rsp, "vfio")) {
        dict = qdict_get_qdict(rsp, "vfio");
        r.vfio_transferred = get_uint(dict, "transferred");
    }
    if (qdict_haskey(rsp, "switchover-acks")) {
        get_acks(&r, qdict_get_qdict(rsp, "switchover-acks"));
    }
    qobject_unref(rsp);

    if (g_test_verbose()) {
        g_test_message("%s remaining %" PRIu64 " expected %" PRIu64
                       " passes %" PRIu64 " ram %" PRIu64 " requests %" PRIu64
                       " undone %" PRIu64 " waiting %s %s",
                       r.status, r.remaining, r.expected, r.passes,
                       r.ram_remaining, r.requests, r.undone, r.waiting,
                       r.error);
    }
    check_reply(p, &r);
    p->last = r;
    return r;
}

bool pair_start(MigPair *p)
{
    const char *const *cap;

    if (!vfio_sim_supports(p->devices, "")) {
        return false;
    }
    p->device_props = p->device_props ?: "";
    p->last = (MigReply) { .status = "none" };
    vfio_sim_start(&p->src, "src", p->devices, p->device_props, "", p->guest,
                   p->src_args ?: "");

    if (p->guest == VFIO_SIM_GUEST_DIRTY) {
        int64_t begin = g_get_monotonic_time();

        /* Until it was everywhere once */
        while (!qtest_readb(p->src.qts,
                            X86_TEST_MEM_END - TEST_MEM_PAGE_SIZE)) {
            vfio_sim_nap(begin, "guest writes");
        }
    }

    /*
     * A migration that waits for a device makes thousands of passes a second,
     * too many events for a client that shares a loaded machine with it.
     */
    migrate_set_capability(p->src.qts, "events", p->passes);
    for (cap = p->caps; cap && *cap; cap++) {
        migrate_set_capability(p->src.qts, *cap, true);
    }
    if (p->bandwidth) {
        migrate_set_parameter_int(p->src.qts, "avail-switchover-bandwidth",
                                  p->bandwidth);
    }
    migrate_set_parameter_int(p->src.qts, "downtime-limit", p->limit);
    /* Limits nothing but says so: the default is 128 MiB/s */
    migrate_set_parameter_int(p->src.qts, "max-bandwidth", 0);
    return true;
}

static char *dst_log_path(void)
{
    return g_strdup_printf("%s/dst.stderr", vfio_sim_dir());
}

void pair_migrate_to(MigPair *p, const char *const *devices)
{
    g_autoptr(GString) args = g_string_new("-S -incoming defer");
    const char *const *cap;
    int i;

    vfio_sim_quit(&p->dst);
    p->last = (MigReply) { .status = "none" };
    p->src.n_stop = 0;
    for (i = 0; i < p->src.n_devices; i++) {
        p->read_before[i] = vfio_sim_get(&p->src, i, "read-bytes");
    }

    g_string_append_printf(args, " %s", p->dst_args ?: "");
    if (p->dst_log) {
        g_autofree char *path = dst_log_path();

        /* A shell reads the arguments */
        g_string_append_printf(args, " 2>%s", path);
    }
    vfio_sim_start(&p->dst, "dst", devices, p->device_props, "", p->guest,
                   args->str);
    for (cap = p->dst_caps ?: p->caps; cap && *cap; cap++) {
        migrate_set_capability(p->dst.qts, *cap, true);
    }
    migrate_incoming_qmp(p->dst.qts, "tcp:127.0.0.1:0", NULL,
                         "{ 'exit-on-error': false }");
    migrate_qmp(p->src.qts, p->dst.qts, NULL, NULL, "{}");
}

void pair_migrate(MigPair *p)
{
    pair_migrate_to(p, p->devices);
}

void pair_set_limit(MigPair *p, uint64_t ms)
{
    p->limit = ms;
    migrate_set_parameter_int(p->src.qts, "downtime-limit", ms);
}

char *pair_info_migrate(MigPair *p)
{
    return qtest_hmp(p->src.qts, "info migrate");
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

static char *memory_save(VfioSimVM *vm, VfioSimGuest guest)
{
    char *path = g_strdup_printf("%s/%s.ram", vfio_sim_dir(), vm->name);
    uint64_t size = guest == VFIO_SIM_GUEST_IDLE ? 16 * MiB : 128 * MiB;

    qtest_qmp_assert_success(vm->qts, "{ 'execute': 'pmemsave', 'arguments': "
                             "{ 'val': 0, 'size': %" PRIu64 ", 'filename': %s "
                             "} }", size, path);
    return path;
}

static void check_memory(MigPair *p)
{
    g_autofree char *src_path = memory_save(&p->src, p->guest);
    g_autofree char *dst_path = memory_save(&p->dst, p->guest);
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

void pair_check_completes(MigPair *p)
{
    int64_t begin = g_get_monotonic_time();
    uint64_t bytes = 0;
    char *hmp;
    MigReply r;
    int i;

    PAIR_WAIT_WHILE(p, r, reply_going(&r) || reply_status_is(&r, "device"),
                    reply_status_is(&r, "completed"));
    if (p->passes) {
        g_assert_cmpuint(p->src.last_pass, ==, r.passes);
    }
    wait_for_migration_complete(p->dst.qts);

    hmp = pair_info_migrate(p);
    g_assert(!strstr(hmp, "Remaining (bytes):"));
    g_free(hmp);

    check_memory(p);
    qtest_qmp_assert_success(p->dst.qts, "{ 'execute': 'cont' }");
    qtest_qmp_assert_success(p->dst.qts, "{ 'execute': 'query-migrate' }");
    g_assert(vfio_sim_running(&p->dst));
    for (i = 0; i < p->dst.n_devices; i++) {
        g_autofree char *state = vfio_sim_get_str(&p->dst, i, "state");
        uint64_t n = vfio_sim_get(&p->src, i, "read-bytes") -
                     p->read_before[i];

        g_assert_cmpstr(state, ==, "running");
        g_assert_cmpuint(vfio_sim_get(&p->dst, i, "write-bytes"), ==, n);
        g_assert_cmpuint(vfio_sim_get(&p->dst, i, "stream-verified"), ==, 1);
        g_assert_cmpuint(vfio_sim_get(&p->dst, i, "stream-errors"), ==, 0);
        g_assert_cmpuint(vfio_sim_get(&p->dst, i, "dma-mismatched"), ==, 0);
        bytes += n;
    }
    /* With multifd, QEMU counts the PCI configuration too */
    g_assert_cmpuint(r.vfio_transferred, >=, bytes);
    g_assert_cmpuint(r.vfio_transferred, <=,
                     bytes + (*p->device_props ? 64 * KiB : 0));

    if (p->guest == VFIO_SIM_GUEST_DIRTY) {
        uint8_t byte = qtest_readb(p->dst.qts, X86_TEST_MEM_START);

        while (qtest_readb(p->dst.qts, X86_TEST_MEM_START) == byte) {
            vfio_sim_nap(begin, "guest writes at the destination");
        }
    }
}

void pair_check_back(MigPair *p, const char *status)
{
    int64_t begin = g_get_monotonic_time();
    char *hmp;
    MigReply r;
    int i;

    PAIR_WAIT_WHILE(p, r, reply_going(&r) || reply_status_is(&r, "device") ||
                          reply_status_is(&r, "cancelling"),
                    reply_status_is(&r, status));
    while (!vfio_sim_running(&p->src)) {
        vfio_sim_nap(begin, "guest runs on at the source");
    }
    for (i = 0; i < p->src.n_devices; i++) {
        g_autofree char *state = NULL;

        while (state = vfio_sim_get_str(&p->src, i, "state"),
               !g_str_equal(state, "running")) {
            g_free(state);
            vfio_sim_nap(begin, "device runs on at the source");
        }
    }
    hmp = pair_info_migrate(p);
    g_assert(!strstr(hmp, "Remaining (bytes):"));
    g_free(hmp);
}

void pair_check_dst_said(MigPair *p, const char *text)
{
    int64_t begin = g_get_monotonic_time();
    g_autofree char *path = dst_log_path();
    g_autofree char *log = NULL;

    while (g_file_get_contents(path, &log, NULL, NULL) && !strstr(log, text)) {
        g_free(g_steal_pointer(&log));
        vfio_sim_nap(begin, text);
    }
    g_assert(log);
}

void pair_end(MigPair *p)
{
    vfio_sim_quit(&p->src);
    vfio_sim_quit(&p->dst);
    vfio_sim_dir_remove();
}
