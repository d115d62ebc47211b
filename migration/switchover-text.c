/*
 * Situations and decisions as text, for traces
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/cutils.h"
#include "switchover-text.h"

static const struct {
    const char *name;
    size_t offset;
    enum { NUMBER, TIME, FLAG } type;
} members[] = {
#define MEMBER(name, member, type) \
    { name, offsetof(MigSituation, member), type }
    MEMBER("now", now, TIME),
    MEMBER("precopy", pending.precopy_bytes, NUMBER),
    MEMBER("stopcopy", pending.stopcopy_bytes, NUMBER),
    MEMBER("device-ms", pending.device_ms, NUMBER),
    MEMBER("parallel-ms", pending.parallel_ms, NUMBER),
    MEMBER("postcopy", pending.postcopy_bytes, NUMBER),
    MEMBER("postcopy-only", pending.postcopy_only_bytes, NUMBER),
    MEMBER("exact", exact, FLAG),
    MEMBER("bandwidth", bandwidth, NUMBER),
    MEMBER("uncertain", uncertain, FLAG),
    MEMBER("windows", windows, NUMBER),
    MEMBER("can-probe", can_probe, FLAG),
    MEMBER("owed", owed, FLAG),
    MEMBER("downtime-limit", downtime_limit, NUMBER),
    MEMBER("max-downtime", max_downtime, NUMBER),
    MEMBER("running", running, FLAG),
    MEMBER("postcopy-ram", postcopy_ram, FLAG),
    MEMBER("postcopy-wanted", postcopy_wanted, FLAG),
    MEMBER("in-postcopy", postcopy, FLAG),
    MEMBER("acks-missing", acks_missing, NUMBER),
    MEMBER("queries", history.queries, NUMBER),
    MEMBER("queries-stopped", history.queries_stopped, NUMBER),
    MEMBER("query-end", history.query_end, TIME),
    MEMBER("query-ms", history.query_ms, NUMBER),
    MEMBER("drained", history.drained, FLAG),
    MEMBER("first-pass-done", history.first_pass_done, FLAG),
    MEMBER("movable", history.movable, NUMBER),
    MEMBER("settled", history.settled, FLAG),
    MEMBER("burst-start", history.burst_start, TIME),
    MEMBER("rest-until", history.rest_until, TIME),
    MEMBER("since", history.since, TIME),
    MEMBER("best", history.best, NUMBER),
    MEMBER("mark", history.mark, NUMBER),
    MEMBER("mark-time", history.mark_time, TIME),
    MEMBER("passes-since-mark", history.passes_since_mark, NUMBER),
    MEMBER("probe-start", history.probe_start, TIME),
    MEMBER("probe-windows", history.probe_windows, NUMBER),
    MEMBER("probe-end", history.probe_end, TIME),
    MEMBER("probe-ms", history.probe_ms, NUMBER),
    MEMBER("rolled-back", history.rolled_back, NUMBER),
    MEMBER("pause-end", history.pause_end, TIME),
    MEMBER("pause-ms", history.pause_ms, NUMBER),
    MEMBER("paused-ms", history.paused_ms, NUMBER),
#undef MEMBER
};

char *mig_situation_to_text(const MigSituation *situation)
{
    GString *text = g_string_new(NULL);
    int i;

    for (i = 0; i < ARRAY_SIZE(members); i++) {
        const void *member = (const char *)situation + members[i].offset;

        g_string_append_printf(text, "%s=", members[i].name);
        switch (members[i].type) {
        case NUMBER:
            g_string_append_printf(text, "%" PRIu64 " ",
                                   *(const uint64_t *)member);
            break;
        case TIME:
            g_string_append_printf(text, "%" PRId64 " ",
                                   *(const int64_t *)member);
            break;
        case FLAG:
            g_string_append_printf(text, "%d ", *(const bool *)member);
            break;
        }
    }
    g_string_append_printf(text, "reason=%s",
                           mig_reason_name(situation->history.reason));
    return g_string_free(text, false);
}

static bool set_member(MigSituation *situation, const char *name,
                       const char *value, Error **errp)
{
    int i;

    if (!strcmp(name, "reason")) {
        for (i = 0; i < MIG_REASON__MAX; i++) {
            if (!strcmp(value, mig_reason_name(i))) {
                situation->history.reason = i;
                return true;
            }
        }
        error_setg(errp, "reason '%s' is not known", value);
        return false;
    }

    for (i = 0; i < ARRAY_SIZE(members); i++) {
        void *member = (char *)situation + members[i].offset;
        uint64_t number;
        int64_t time;

        if (strcmp(name, members[i].name)) {
            continue;
        }
        if (members[i].type == TIME) {
            if (qemu_strtoi64(value, NULL, 10, &time)) {
                error_setg(errp, "'%s=%s' is not a time", name, value);
                return false;
            }
            *(int64_t *)member = time;
            return true;
        }
        if (qemu_strtou64(value, NULL, 10, &number)) {
            error_setg(errp, "'%s=%s' is not a number", name, value);
            return false;
        }
        if (members[i].type == FLAG) {
            *(bool *)member = number;
        } else {
            *(uint64_t *)member = number;
        }
        return true;
    }
    return true;
}

bool mig_situation_from_text(const char *text, MigSituation *situation,
                             Error **errp)
{
    g_auto(GStrv) words = g_strsplit_set(text, " \t\r\n", -1);
    int i;

    *situation = (MigSituation) { };
    for (i = 0; words[i]; i++) {
        char *value = strchr(words[i], '=');

        if (value) {
            *value++ = '\0';
            if (!set_member(situation, words[i], value, errp)) {
                return false;
            }
        }
    }
    return true;
}

static const char *action_name(MigAction action)
{
    static const char *const names[] = {
        [MIG_ACTION_ITERATE] = "iterate",
        [MIG_ACTION_PROBE] = "probe",
        [MIG_ACTION_QUERY] = "query",
        [MIG_ACTION_WAIT] = "wait",
        [MIG_ACTION_START_POSTCOPY] = "start-postcopy",
        [MIG_ACTION_SWITCHOVER] = "switchover",
    };

    return names[action];
}

char *mig_decision_to_text(const MigSituation *situation,
                           const MigDecision *decision)
{
    const char *action = action_name(decision->action);
    const char *reason = mig_reason_name(decision->reason);

    switch (decision->action) {
    case MIG_ACTION_WAIT:
        return g_strdup_printf("%s because of %s until=%" PRId64, action,
                               reason, decision->until - situation->now);
    case MIG_ACTION_SWITCHOVER:
        return g_strdup_printf("%s because of %s final-check=%d "
                               "downtime-limit=%" PRIu64, action, reason,
                               decision->final_check,
                               decision->downtime_limit);
    default:
        return g_strdup_printf("%s because of %s", action, reason);
    }
}

const char *mig_reason_name(MigReason reason)
{
    static const char *const names[] = {
        [MIG_REASON_FIRST_PASS] = "first-pass",
        [MIG_REASON_PROGRESS] = "progress",
        [MIG_REASON_DIRTY_RATE] = "dirty-rate",
        [MIG_REASON_BANDWIDTH] = "bandwidth",
        [MIG_REASON_DEVICE_STATE] = "device-state",
        [MIG_REASON_ACK] = "switchover-ack",
        [MIG_REASON_ROLLED_BACK] = "rolled-back",
        [MIG_REASON_NONE] = "none",
    };

    QEMU_BUILD_BUG_ON(ARRAY_SIZE(names) != MIG_REASON__MAX);
    return names[reason];
}
