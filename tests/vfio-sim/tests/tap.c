/*
 * A small harness for test programs that print TAP
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fnmatch.h>
#include <stdarg.h>

#include "tap.h"

#define NAME_MAX_LEN    128

static char **patterns;
static int nr_patterns;

static unsigned int failed_checks;
static const char *skipped;

__attribute__((format(printf, 2, 0)))
static void print_line(const char *prefix, const char *fmt, va_list ap)
{
    printf("%s", prefix);
    vprintf(fmt, ap);
    printf("\n");
    fflush(stdout);
}

void tap_fail(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    print_line("# ", fmt, ap);
    va_end(ap);
    failed_checks++;
}

unsigned int tap_failed(void)
{
    return failed_checks;
}

void tap_skip(const char *reason)
{
    skipped = reason;
}

void tap_note(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    print_line("# ", fmt, ap);
    va_end(ap);
}

void tap_bail_out(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    print_line("Bail out! ", fmt, ap);
    va_end(ap);
    exit(1);
}

/* Call @fn for each case that is selected, and return how many there are. */
static unsigned int for_each(const TapProgram *program,
                             void (*fn)(const TapProgram *program,
                                        const char *full_name,
                                        const TapCase *c))
{
    const TapGroup *const *group;
    unsigned int n = 0;
    size_t i;

    for (group = program->groups; *group; group++) {
        for (i = 0; i < (*group)->nr_cases; i++) {
            const TapCase *c = &(*group)->cases[i];
            bool selected = !nr_patterns;
            char full_name[NAME_MAX_LEN];
            int p;

            snprintf(full_name, sizeof(full_name), "%s/%s", (*group)->name,
                     c->name);
            for (p = 0; p < nr_patterns && !selected; p++) {
                selected = !fnmatch(patterns[p], full_name, 0);
            }
            if (selected) {
                n++;
                if (fn) {
                    fn(program, full_name, c);
                }
            }
        }
    }
    return n;
}

static void list_case(const TapProgram *program, const char *full_name,
                      const TapCase *c)
{
    (void)program;
    printf("%-40s %s\n", full_name, c->description);
}

static void usage(const TapProgram *program, const char *argv0)
{
    printf("usage: %s [--list] [--test=PATTERN]...%s%s\n"
           "\n"
           "%s\n"
           "\n"
           "  --list          list the cases, with what each of them tests\n"
           "  --test=PATTERN  run only cases whose name contains this; it may\n"
           "                  have wildcards, like 'paths-*p2p'\n",
           argv0, program->arguments ? " " : "",
           program->arguments ? program->arguments : "", program->about);
}

int tap_options(const TapProgram *program, int argc, char **argv)
{
    char **others = calloc(argc, sizeof(*others));
    int nr_others = 0;
    bool list = false;
    int i;

    patterns = calloc(argc, sizeof(*patterns));
    for (i = 1; i < argc; i++) {
        if (argv[i][0] != '-') {
            others[nr_others++] = argv[i];
            continue;
        }
        argv[i - nr_others] = argv[i];
        if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
            usage(program, argv[0]);
            exit(0);
        } else if (!strcmp(argv[i], "--list")) {
            list = true;
        } else if (!strncmp(argv[i], "--test=", 7)) {
            if (asprintf(&patterns[nr_patterns], "*%s*", argv[i] + 7) < 0) {
                tap_bail_out("out of memory");
            }
            nr_patterns++;
        } else {
            fprintf(stderr, "%s: unknown option %s (see --help)\n", argv[0],
                    argv[i]);
            exit(2);
        }
    }
    if (list) {
        for_each(program, list_case);
        exit(0);
    }
    if (!for_each(program, NULL)) {
        /* Not a failure: another program may have the case. */
        printf("1..0 # SKIP no case has such a name (see --list)\n");
        exit(0);
    }
    memcpy(argv + argc - nr_others, others, nr_others * sizeof(*others));
    free(others);
    return argc - nr_others;
}

static void run_here(const TapProgram *program, const TapCase *c)
{
    if (program->set_up) {
        program->set_up(c);
    }
    c->run();
    if (program->tear_down) {
        program->tear_down();
    }
}

static unsigned int results;
static unsigned int failures;

static void run_case(const TapProgram *program, const char *full_name,
                     const TapCase *c)
{
    failed_checks = 0;
    skipped = program->skip ? program->skip(c) : NULL;
    fflush(stdout);
    if (skipped) {
        /* The result line has the reason. */
    } else if (program->run) {
        program->run(full_name, c);
    } else {
        run_here(program, c);
    }
    if (failed_checks) {
        tap_note("%s: %s", full_name, c->description);
        failures++;
    }
    printf("%sok %u - %s%s%s\n", failed_checks ? "not " : "", ++results,
           full_name, skipped ? " # SKIP " : "", skipped ? skipped : "");
    fflush(stdout);
}

int tap_run(const TapProgram *program)
{
    printf("1..%u\n", for_each(program, NULL));
    for_each(program, run_case);
    return failures ? 1 : 0;
}

static void run_child(const TapProgram *program, const char *full_name,
                      const TapCase *c)
{
    (void)full_name;
    run_here(program, c);
}

int tap_run_here(const TapProgram *program, const char *full_name)
{
    static char *only;

    only = strdup(full_name);
    patterns = &only;
    nr_patterns = 1;
    if (for_each(program, run_child) != 1) {
        tap_bail_out("there is no case %s", full_name);
    }
    return failed_checks ? 1 : 0;
}
