/*
 * What the parts of the vfio-sim command share
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef VFIO_SIM_TOOL_H
#define VFIO_SIM_TOOL_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Print a message, and exit with status 2. */
__attribute__((noreturn, format(printf, 1, 2)))
void die(const char *fmt, ...);
/* Print a text, and exit. */
__attribute__((noreturn))
void help(const char *text);
bool is_help(const char *arg);

/* @p, if there was memory for it */
void *no_memory(void *p);
__attribute__((format(printf, 1, 2)))
char *format(const char *fmt, ...);

/* The commands; the name of the command is argv[0]. */
int cmd_run(int argc, char **argv);
int cmd_ctl(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_keys(int argc, char **argv);

#endif /* VFIO_SIM_TOOL_H */
