/*
 * vfio-sim: run a program with simulated VFIO devices, and control them
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "tool.h"
#include "version.h"

#include <stdarg.h>

static const char usage[] =
"usage: vfio-sim COMMAND ...\n"
"\n"
"  run     run QEMU with simulated VFIO devices\n"
"  ctl     look at, and change, a device of a running QEMU\n"
"  check   check profiles\n"
"  keys    list what a profile can contain\n"
"\n"
"Each command has --help.  vfio-sim --version prints the version.\n";

void die(const char *fmt, ...)
{
    va_list ap;

    fprintf(stderr, "vfio-sim: ");
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fprintf(stderr, "\n");
    exit(2);
}

void help(const char *text)
{
    fputs(text, stdout);
    exit(0);
}

bool is_help(const char *arg)
{
    return !strcmp(arg, "--help") || !strcmp(arg, "-h");
}

void *no_memory(void *p)
{
    if (!p) {
        die("out of memory");
    }
    return p;
}

char *format(const char *fmt, ...)
{
    char *s = NULL;
    va_list ap;

    va_start(ap, fmt);
    if (vasprintf(&s, fmt, ap) < 0) {
        die("out of memory");
    }
    va_end(ap);
    return s;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*fn)(int argc, char **argv);
    } commands[] = {
        { "run", cmd_run },
        { "ctl", cmd_ctl },
        { "check", cmd_check },
        { "keys", cmd_keys },
    };
    unsigned int i;

    if (argc > 1 && is_help(argv[1])) {
        help(usage);
    }
    if (argc > 1 && !strcmp(argv[1], "--version")) {
        help("vfio-sim " VFIO_SIM_VERSION "\n");
    }
    for (i = 0; argc > 1 && i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (!strcmp(argv[1], commands[i].name)) {
            return commands[i].fn(argc - 1, argv + 1);
        }
    }
    if (argc > 1) {
        fprintf(stderr, "vfio-sim: unknown command '%s'\n", argv[1]);
    }
    fputs(usage, stderr);
    return 2;
}
