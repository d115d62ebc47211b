/*
 * vfio-sim ctl: look at, and change, a device of a running program
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "tool.h"

#include "control.h"
#include "model/attributes.h"

#define CONNECT_MS      5000
#define WAIT_MS         30000

static const char usage[] =
"usage: vfio-sim ctl SOCKET get [KEY...]\n"
"       vfio-sim ctl SOCKET set KEY=VALUE...\n"
"       vfio-sim ctl SOCKET wait KEY=VALUE [SECONDS]\n"
"       vfio-sim ctl SOCKET stats\n"
"\n"
"get prints keys of the profile (all of them by default) or counters, one\n"
"line each; stats prints all counters.  wait also takes !=, <, <=, > and >=\n"
"in the place of =, and gives up with status 1 after SECONDS (default 30).\n"
"A socket that is not there yet is waited for, for 5 seconds.\n";

/* Split "KEY<op>VALUE". */
static const char *split(char *s, const char **key, const char **value)
{
    static const char *const ops[] = { "!=", "<=", ">=", "=", "<", ">" };
    size_t at = strcspn(s, "!<>=");
    unsigned int i;

    for (i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
        size_t len = strlen(ops[i]);

        if (at && !strncmp(s + at, ops[i], len) && s[at + len]) {
            *key = s;
            *value = s + at + len;
            s[at] = 0;
            return ops[i];
        }
    }
    die("'%s' is not of the form KEY=VALUE", s);
}

static VFIOSimControl *connect_to(const char *path)
{
    char err[512];
    VFIOSimControl *c = vfio_sim_control_open(path, CONNECT_MS, err,
                                              sizeof(err));

    if (!c) {
        die("%s", err);
    }
    return c;
}

static void print(VFIOSimControl *c, const char *name)
{
    char value[8192];

    if (vfio_sim_control_get(c, name, value, sizeof(value))) {
        die("%s", value);
    }
    printf("%s=%s\n", name, value);
}

static void ctl_stats(VFIOSimControl *c)
{
    char answer[8192];
    char *save = NULL;
    char *word;

    if (vfio_sim_control_request(c, "stats", answer, sizeof(answer))) {
        die("%s", answer);
    }
    for (word = strtok_r(answer, " ", &save); word;
         word = strtok_r(NULL, " ", &save)) {
        printf("%s\n", word);
    }
}

static void ctl_get(VFIOSimControl *c, char **names)
{
    unsigned int i;

    if (!*names) {
        for (i = 0; i < vfio_sim_nr_attributes; i++) {
            if (vfio_sim_is_key(&vfio_sim_attributes[i])) {
                print(c, vfio_sim_attributes[i].name);
            }
        }
    }
    for (; *names; names++) {
        print(c, *names);
    }
}

static void ctl_set(VFIOSimControl *c, char **assignments)
{
    const char *key, *value;
    char err[2048];

    for (; *assignments; assignments++) {
        char *copy = no_memory(strdup(*assignments));

        if (strcmp(split(copy, &key, &value), "=")) {
            die("set: '%s' is not of the form KEY=VALUE", *assignments);
        }
        if (vfio_sim_control_set(c, key, value, err, sizeof(err))) {
            die("%s", err);
        }
        free(copy);
    }
}

static unsigned int parse_ms(const char *s)
{
    char *end;
    double seconds = strtod(s, &end);

    if (end == s || *end || !(seconds >= 0 && seconds < 1e6)) {
        die("wait: '%s' is not a number of seconds", s);
    }
    return seconds * 1000;
}

static int ctl_wait(const char *path, char *condition, unsigned int ms)
{
    const char *key, *value;
    const char *op = split(condition, &key, &value);
    VFIOSimControl *c = connect_to(path);
    char have[2048];
    int ret;

    ret = vfio_sim_control_wait(c, key, op, value, ms, have, sizeof(have));
    if (ret < 0) {
        die("%s", have);
    }
    if (ret) {
        fprintf(stderr, "vfio-sim: %s is still %s\n", key, have);
    }
    vfio_sim_control_close(c);
    return ret;
}

int cmd_ctl(int argc, char **argv)
{
    VFIOSimControl *c;

    if (argc > 1 && is_help(argv[1])) {
        help(usage);
    }
    if (argc < 3) {
        die("ctl: SOCKET and a command are needed, see vfio-sim ctl --help");
    }
    if (!strcmp(argv[2], "wait") && (argc == 4 || argc == 5)) {
        return ctl_wait(argv[1], argv[3],
                        argc == 5 ? parse_ms(argv[4]) : WAIT_MS);
    }
    if (!(!strcmp(argv[2], "stats") && argc == 3) &&
        !(!strcmp(argv[2], "set") && argc > 3) && strcmp(argv[2], "get")) {
        die("ctl: wrong command, see vfio-sim ctl --help");
    }
    c = connect_to(argv[1]);
    if (!strcmp(argv[2], "stats")) {
        ctl_stats(c);
    } else if (!strcmp(argv[2], "set")) {
        ctl_set(c, argv + 3);
    } else {
        ctl_get(c, argv + 3);
    }
    vfio_sim_control_close(c);
    return 0;
}
