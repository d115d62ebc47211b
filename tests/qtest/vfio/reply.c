/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Replies of query-migrate
 */

#include "qemu/osdep.h"
#include "qemu/cutils.h"
#include "qobject/qdict.h"
#include "qobject/qlist.h"
#include "qobject/qnum.h"
#include "qobject/qstring.h"
#include "libqtest.h"
#include "migration/migration-util.h"
#include "vfio/reply.h"

bool reply_status_is(const MigReply *r, const char *status)
{
    return g_str_equal(r->status, status);
}

bool reply_going(const MigReply *r)
{
    return reply_status_is(r, "none") || reply_status_is(r, "setup") ||
           reply_status_is(r, "wait-unplug") || reply_status_is(r, "active");
}

bool reply_going_or_switchover(const MigReply *r)
{
    return reply_going(r) || reply_status_is(r, "device");
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
    /* Neither negative nor a floating point number */
    g_assert(qnum_get_try_uint(num, &value));
    return value;
}

static uint64_t try_uint(const QDict *dict, const char *key)
{
    return qdict_haskey(dict, key) ? get_uint(dict, key) : 0;
}

static void get_acks(MigReply *r, const QDict *dict)
{
    const QListEntry *entry;

    r->has_acks = true;
    r->requests = get_uint(dict, "requests");
    r->rolled_back = get_uint(dict, "rolled-back");
    r->paused_time = get_uint(dict, "paused-time");
    pstrcpy(r->waiting, sizeof(r->waiting), ",");
    QLIST_FOREACH_ENTRY(qdict_get_qlist(dict, "waiting"), entry) {
        pstrcat(r->waiting, sizeof(r->waiting),
                qstring_get_str(qobject_to(QString, entry->value)));
        pstrcat(r->waiting, sizeof(r->waiting), ",");
        r->n_waiting++;
    }
}

static void get_state(MigReply *r, const QDict *dict)
{
    r->has_state = true;
    pstrcpy(r->reason, sizeof(r->reason), qdict_get_str(dict, "reason"));
    get_uint(dict, "since");
    r->stalled_passes = get_uint(dict, "passes-without-progress");
    r->has_needed = qdict_haskey(dict, "needed-downtime-limit");
    r->needed = try_uint(dict, "needed-downtime-limit");
    r->bandwidth = get_uint(dict, "bandwidth");
    pstrcpy(r->basis, sizeof(r->basis),
            qdict_get_str(dict, "bandwidth-basis"));
    r->has_best = qdict_haskey(dict, "best-remaining");
    r->best = try_uint(dict, "best-remaining");
}

MigReply reply_none(void)
{
    return (MigReply) { .status = "none" };
}

MigReply reply_get(QTestState *qts)
{
    QDict *rsp = migrate_query(qts);
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
        r.normal_bytes = get_uint(dict, "normal-bytes");
        r.ram_transferred = get_uint(dict, "transferred");
        r.precopy_bytes = get_uint(dict, "precopy-bytes");
        r.downtime_bytes = get_uint(dict, "downtime-bytes");
    }
    r.throttle = try_uint(rsp, "cpu-throttle-percentage");
    if (qdict_haskey(rsp, "switchover-state")) {
        get_state(&r, qdict_get_qdict(rsp, "switchover-state"));
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
                       " rolled-back %" PRIu64 " waiting %s reason %s %s",
                       r.status, r.remaining, r.expected, r.passes,
                       r.ram_remaining, r.requests, r.rolled_back, r.waiting,
                       r.reason, r.error);
    }
    return r;
}

/* The position of a status in a migration, in which it only increases */
static int status_rank(const char *status)
{
    static const char *const order[] = {
        "none", "setup", "wait-unplug", "active", "pre-switchover", "device",
        "postcopy-device", "postcopy-active", "postcopy-paused", "completed",
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

void reply_check(const MigReply *last, const MigReply *r)
{
    g_assert_cmpint(status_rank(r->status), >=, status_rank(last->status));

    if (reply_status_is(r, "none") || reply_status_is(r, "setup") ||
        reply_status_is(r, "completed") || reply_status_is(r, "cancelled") ||
        reply_status_is(r, "failed")) {
        g_assert(!r->has_remaining);
        g_assert(!r->has_expected);
        g_assert(!r->has_acks || reply_status_is(r, "completed"));
        g_assert(!r->has_state);
    }
    g_assert(r->has_downtime || !reply_status_is(r, "completed"));

    if (!reply_status_is(r, "active")) {
        return;
    }

    g_assert(r->has_acks || !last->has_acks);
    g_assert(r->has_acks == !!r->requests);
    g_assert_cmpuint(r->requests, >=, last->requests);
    g_assert_cmpuint(r->rolled_back, >=, last->rolled_back);

    g_assert(r->has_ram);
    g_assert(r->has_expected);
    g_assert_cmpuint(r->total_time, >=, last->total_time);
    g_assert_cmpuint(r->passes, >=, last->passes);
    g_assert_cmpuint(r->ram_transferred, >=, last->ram_transferred);
    g_assert_cmpuint(r->vfio_transferred, >=, last->vfio_transferred);
    g_assert_cmpuint(r->ram_remaining, <=, r->ram_total);

    /* From one snapshot: the difference is left in devices */
    if (r->has_remaining) {
        g_assert_cmpuint(r->remaining, >=, r->ram_remaining);
    }
}
