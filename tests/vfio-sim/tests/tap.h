/*
 * A small harness for test programs that print TAP
 *
 * A program lists its cases in tables, one group for each subject.  The
 * harness selects and runs them, and prints their results.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef VFIO_SIM_TAP_H
#define VFIO_SIM_TAP_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TAP_SIZE(array) (sizeof(array) / sizeof((array)[0]))

typedef struct TapCase {
    const char *name;
    const char *description;    /* one line, for --list and for failures */
    void (*run)(void);
    unsigned int needs;         /* flags for the program's own hooks */
} TapCase;

typedef struct TapGroup {
    const char *name;           /* a case's full name is GROUP/NAME */
    const TapCase *cases;
    size_t nr_cases;
} TapGroup;

typedef struct TapProgram {
    const char *about;          /* what it tests, for --help */
    const char *arguments;      /* other than the harness's options, or NULL */
    const TapGroup *const *groups;      /* ends with NULL */
    /* Each hook may be NULL. */
    const char *(*skip)(const TapCase *c);      /* the reason, or NULL */
    void (*set_up)(const TapCase *c);
    void (*tear_down)(void);
    /* Run a case in another way than here, with the hooks above. */
    void (*run)(const char *full_name, const TapCase *c);
} TapProgram;

/* TAP_CASE(name, function, description[, .needs = flags]): a row of a table */
#define TAP_CASE(name_, run_, description_, ...) \
    { .name = name_, .description = description_, .run = run_, __VA_ARGS__ }

/* The group of a table of cases */
#define TAP_GROUP(variable, group, table) \
    const TapGroup variable = { group, table, TAP_SIZE(table) }

#define CHECK(cond) \
    do { \
        if (!(cond)) { \
            tap_fail("%s:%d: %s", __FILE__, __LINE__, #cond); \
        } \
    } while (0)

#define CHECK_EQ(a, b) \
    do { \
        long long a_ = (a); \
        long long b_ = (b); \
        if (a_ != b_) { \
            tap_fail("%s:%d: %s is %lld, not %lld", __FILE__, __LINE__, \
                     #a, a_, b_); \
        } \
    } while (0)

#define CHECK_STR(a, b) \
    do { \
        const char *a_ = (a); \
        const char *b_ = (b); \
        if (strcmp(a_, b_)) { \
            tap_fail("%s:%d: %s is '%s', not '%s'", __FILE__, __LINE__, \
                     #a, a_, b_); \
        } \
    } while (0)

/* The present case fails, and goes on. */
__attribute__((format(printf, 1, 2)))
void tap_fail(const char *fmt, ...);
/* How many checks of the present case have failed */
unsigned int tap_failed(void);
/* The present case is skipped; it should return now. */
void tap_skip(const char *reason);
/* A line for the log */
__attribute__((format(printf, 1, 2)))
void tap_note(const char *fmt, ...);
/* Nothing more can be tested. */
__attribute__((noreturn, format(printf, 1, 2)))
void tap_bail_out(const char *fmt, ...);

/*
 * Parse the options; --help, --list, and a --test that selects no case end the
 * program here.  The options may be anywhere; other arguments become the last
 * ones of @argv, and the index of the first of them is returned.
 */
int tap_options(const TapProgram *program, int argc, char **argv);
/* Run the selected cases; returns the exit status. */
int tap_run(const TapProgram *program);
/*
 * Run one case without printing its result, with the hooks but run(), as a
 * child of the program does; returns the exit status.
 */
int tap_run_here(const TapProgram *program, const char *full_name);

#endif /* VFIO_SIM_TAP_H */
