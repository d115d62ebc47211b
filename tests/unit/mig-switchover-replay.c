/*
 * Decides again what a migration has decided, from its trace
 *
 * Reads lines of the trace event migration_decision on stdin, and prints each
 * decision.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "migration/switchover-text.h"

#define EVENT "migration_decision "

/* Returns whether the decision is the recorded one; @errp: a bad line */
static bool replay(const char *line, int64_t *start, Error **errp)
{
    const char *colon = strstr(line, ": now=");
    g_autofree char *recorded = NULL, *text = NULL;
    MigSituation s;
    MigDecision d;
    bool same;

    if (!strstr(line, " reason=")) {
        error_setg(errp, "the line is cut off: use the trace backend 'log'");
        return false;
    }
    recorded = g_strndup(line, colon - line);
    if (!mig_situation_from_text(colon + 2, &s, errp)) {
        return false;
    }

    d = mig_switchover_decide(&s);
    text = mig_decision_to_text(&s, &d);
    same = g_str_equal(text, recorded);
    if (*start < 0) {
        *start = s.now;
    }
    printf("%7" PRId64 " ms  pass %-4" PRIu64 " %-5s %12" PRIu64
           " bytes left  %s", s.now - *start, s.history.queries + 1,
           s.exact ? "exact" : "", mig_pending_total(&s.pending), text);
    if (!same) {
        printf("  (recorded: %s)", recorded);
    }
    printf("\n");
    return same;
}

int main(int argc, char **argv)
{
    int64_t start = -1;
    int lines = 0, other = 0, number = 0;
    char *line = NULL;
    size_t size = 0;

    while (getline(&line, &size, stdin) > 0) {
        const char *event = strstr(line, EVENT);
        Error *err = NULL;

        number++;
        if (!event || !strstr(event, ": now=")) {
            continue;
        }
        lines++;
        other += !replay(event + strlen(EVENT), &start, &err);
        if (err) {
            error_reportf_err(err, "line %d: ", number);
            return 2;
        }
    }
    free(line);

    if (!lines) {
        fprintf(stderr, "the trace has no event " EVENT "\n");
        return 2;
    }
    printf("%d decisions, %d of them other than recorded\n", lines, other);
    return other ? 1 : 0;
}
