/*
 * vfio-sim: run a program with simulated VFIO devices, and control them
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "model/model.h"
#include "model/profile.h"

#ifndef VFIO_SIM_PROFILES
#define VFIO_SIM_PROFILES ""
#endif

#define MAX_DEVICES     64
#define FIRST_FD        100
#define CONNECT_MS      5000

static const char usage[] =
"usage: vfio-sim COMMAND ...\n"
"\n"
"  run     run QEMU with simulated VFIO devices\n"
"  ctl     look at, and change, a device of a running QEMU\n"
"  check   check profiles\n"
"  keys    list what a profile can say\n"
"\n"
"Each command has --help.\n";

static const char run_usage[] =
"usage: vfio-sim run --device PROFILE[,KEY=VALUE...] [--device ...]\n"
"                    [OPTION...] -- QEMU [ARGUMENT...]\n"
"\n"
"Run QEMU with a simulated VFIO device for each --device.  PROFILE is a file,\n"
"the name of a shipped profile, or \"default\"; a comma or semicolon in its\n"
"path has a backslash before it.\n"
"\n"
"  -d, --device PROFILE[,KEY=VALUE...]  add a device\n"
"  -c, --control DIR     make the control socket of device N at DIR/devN.sock\n"
"  -p, --properties LIST more properties for each -device, like\n"
"                        x-migration-multifd-transfer=on\n"
"  -i, --iommufd LIST    options of the IOMMUFD, like change-process=off\n"
"  -l, --library FILE    libvfio-sim.so, if it is not beside this program\n"
"  -n, --print           print the command instead of running it\n"
"  -h, --help            this text\n"
"\n"
"The devices are called dev0, dev1, ... in QEMU, and are added behind its\n"
"other arguments.\n";

static const char ctl_usage[] =
"usage: vfio-sim ctl SOCKET get [KEY...]\n"
"       vfio-sim ctl SOCKET set KEY=VALUE...\n"
"       vfio-sim ctl SOCKET wait KEY=VALUE [SECONDS]\n"
"       vfio-sim ctl SOCKET stats\n"
"\n"
"get prints keys of the profile (all of them by default) or counters, one\n"
"line each; stats prints all counters.  wait also takes !=, <, <=, > and >=\n"
"in the place of =, and gives up with status 1 after SECONDS (default 30).\n"
"A socket that is not there yet is waited for, for 5 seconds.\n";

static const char check_usage[] =
"usage: vfio-sim check PROFILE...\n"
"\n"
"Check profiles, and say what is wrong with them, by line.\n";

static const char keys_usage[] =
"usage: vfio-sim keys [--rst]\n"
"\n"
"List the keys of a profile, the values that they take, and their defaults.\n"
"\n"
"  --rst   as a table in reStructuredText\n";

__attribute__((noreturn, format(printf, 1, 2)))
static void die(const char *fmt, ...)
{
    va_list ap;

    fprintf(stderr, "vfio-sim: ");
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fprintf(stderr, "\n");
    exit(2);
}

__attribute__((noreturn))
static void help(const char *text)
{
    fputs(text, stdout);
    exit(0);
}

static bool is_help(const char *arg)
{
    return !strcmp(arg, "--help") || !strcmp(arg, "-h");
}

static void *no_memory(void *p)
{
    if (!p) {
        die("out of memory");
    }
    return p;
}

__attribute__((format(printf, 1, 2)))
static char *format(const char *fmt, ...)
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

/* The directory that this program is in */
static char *own_dir(void)
{
    char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

    if (n < 0) {
        die("/proc/self/exe: %s", strerror(errno));
    }
    path[n] = 0;
    return no_memory(strdup(dirname(path)));
}

static char *find_profile(const char *name)
{
    char *dirs[2] = { NULL, NULL };
    char *path;
    int i;

    if (access(name, F_OK) == 0 || strchr(name, '/')) {
        path = realpath(name, NULL);
        if (!path) {
            die("%s: %s", name, strerror(errno));
        }
        return path;
    }
    dirs[0] = format("%s/profiles", own_dir());
    dirs[1] = no_memory(strdup(VFIO_SIM_PROFILES));
    for (i = 0; i < 2; i++) {
        path = format("%s/%s.profile", dirs[i], name);
        if (access(path, F_OK) == 0) {
            return path;
        }
        free(path);
    }
    if (!strcmp(name, "liar")) {
        die("%s: renamed to random-sizes", name);
    }
    die("%s: neither a file nor the name of a shipped profile", name);
}

/* @value with a backslash where the list of devices needs one */
static char *escape(const char *value)
{
    char *result = no_memory(malloc(2 * strlen(value) + 1));
    char *p = result;

    for (; *value; value++) {
        if (strchr(",;\\", *value)) {
            *p++ = '\\';
        }
        *p++ = *value;
    }
    *p = 0;
    return result;
}

/* Append to a list of options. */
static void append(char **list, const char *option, const char *value)
{
    char *escaped = escape(value);
    char *next = format("%s,%s%s", *list, option, escaped);

    free(escaped);
    free(*list);
    *list = next;
}

/* "PROFILE,KEY=VALUE,..." to an entry of VFIO_SIM_DEVICES, checked here */
static char *device_entry(const char *spec, unsigned int i, const char *control)
{
    char *copy = no_memory(strdup(spec));
    char *entry = format("fd=%u", FIRST_FD + 1 + i);
    char *pos = copy;
    VFIOSimConfig cfg;
    const char *why;
    char err[512];
    char *opt, *path;
    char end;

    vfio_sim_config_default(&cfg);
    opt = vfio_sim_next_option(&pos, &end);
    if (!opt || !*opt) {
        die("--device needs a profile, or \"default\"");
    }
    if (!strchr(opt, '=') || strchr(opt, '/')) {
        if (strcmp(opt, "default")) {
            path = find_profile(opt);
            if (vfio_sim_profile_load(&cfg, path, err, sizeof(err))) {
                die("%s", err);
            }
            append(&entry, "profile=", path);
            free(path);
        }
        opt = vfio_sim_next_option(&pos, &end);
    }
    for (; opt; opt = vfio_sim_next_option(&pos, &end)) {
        if (!*opt) {
            continue;
        }
        if (vfio_sim_profile_override(&cfg, opt, err, sizeof(err))) {
            die("--device %s: %s", spec, err);
        }
        append(&entry, "", opt);
    }
    why = vfio_sim_config_check(&cfg);
    if (why) {
        die("--device %s: %s", spec, why);
    }
    if (control) {
        path = format("%s/dev%u.sock", control, i);
        append(&entry, "control=", path);
        free(path);
    }
    free(copy);
    return entry;
}

/*
 * A name of the library that LD_PRELOAD can have.  A colon or a space would
 * end it; a descriptor that QEMU inherits has a name without any.
 */
static char *preload_name(const char *library)
{
    int fd;

    if (!strpbrk(library, ": ")) {
        return no_memory(strdup(library));
    }
    fd = open(library, O_RDONLY);
    if (fd < 0 || dup2(fd, FIRST_FD - 1) < 0) {
        die("%s: %s", library, strerror(errno));
    }
    if (fd != FIRST_FD - 1) {
        close(fd);
    }
    return format("/proc/self/fd/%d", FIRST_FD - 1);
}

static void print_word(const char *word)
{
    putchar('\'');
    for (; *word; word++) {
        if (*word == '\'') {
            fputs("'\\''", stdout);
        } else {
            putchar(*word);
        }
    }
    putchar('\'');
}

static int cmd_run(int argc, char **argv)
{
    static const struct option options[] = {
        { "device", required_argument, NULL, 'd' },
        { "control", required_argument, NULL, 'c' },
        { "properties", required_argument, NULL, 'p' },
        { "iommufd", required_argument, NULL, 'i' },
        { "library", required_argument, NULL, 'l' },
        { "print", no_argument, NULL, 'n' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 }
    };
    const char *specs[MAX_DEVICES];
    unsigned int nr = 0;
    const char *control = NULL;
    const char *properties = NULL;
    const char *iommufd = NULL;
    const char *library = NULL;
    const char *preload;
    bool print = false;
    char *list = NULL;
    char *path;
    char **args;
    unsigned int i;
    char *env[3];
    int n, c;

    while ((c = getopt_long(argc, argv, "+d:c:p:i:l:nh", options,
                            NULL)) >= 0) {
        switch (c) {
        case 'd':
            if (nr == MAX_DEVICES) {
                die("too many devices");
            }
            specs[nr++] = optarg;
            break;
        case 'c':
            control = optarg;
            break;
        case 'p':
            properties = optarg;
            break;
        case 'i':
            iommufd = optarg;
            break;
        case 'l':
            library = optarg;
            break;
        case 'n':
            print = true;
            break;
        case 'h':
            help(run_usage);
        default:
            fputs("Try vfio-sim run --help.\n", stderr);
            return 2;
        }
    }
    if (!nr) {
        die("run: no --device given, see vfio-sim run --help");
    }
    if (optind == argc) {
        die("run: no program given, see vfio-sim run --help");
    }

    if (!library) {
        library = getenv("VFIO_SIM_LIB");
    }
    if (!library) {
        library = format("%s/libvfio-sim.so", own_dir());
    }
    path = realpath(library, NULL);
    if (!path || access(path, R_OK)) {
        die("%s: %s", library, strerror(errno));
    }
    library = print ? path : preload_name(path);
    if (control) {
        if (mkdir(control, 0777) && errno != EEXIST) {
            die("%s: %s", control, strerror(errno));
        }
        control = no_memory(realpath(control, NULL));
    }
    for (i = 0; i < nr; i++) {
        char *entry = device_entry(specs[i], i, control);
        char *next = list ? format("%s;%s", list, entry) : NULL;

        list = next ? next : entry;
    }

    /* what is there already, a sanitizer's runtime say, must stay first */
    preload = getenv("LD_PRELOAD");
    env[0] = preload && *preload ?
             format("LD_PRELOAD=%s:%s", preload, library) :
             format("LD_PRELOAD=%s", library);
    env[1] = format("VFIO_SIM_IOMMUFD=fd=%u%s%s", FIRST_FD,
                    iommufd ? "," : "", iommufd ?: "");
    env[2] = format("VFIO_SIM_DEVICES=%s", list);

    args = no_memory(calloc(argc - optind + 2 * (nr + 1) + 1, sizeof(*args)));
    for (n = 0; optind < argc; optind++) {
        args[n++] = argv[optind];
    }
    args[n++] = no_memory(strdup("-object"));
    args[n++] = format("iommufd,id=iommufd0,fd=%u", FIRST_FD);
    for (i = 0; i < nr; i++) {
        args[n++] = no_memory(strdup("-device"));
        args[n++] = format("vfio-pci,id=dev%u,fd=%u,iommufd=iommufd0,"
                           "enable-migration=on%s%s", i, FIRST_FD + 1 + i,
                           properties ? "," : "", properties ?: "");
    }

    if (print) {
        printf("env");
        for (i = 0; i < 3; i++) {
            printf(" ");
            print_word(env[i]);
        }
        for (i = 0; i < (unsigned int)n; i++) {
            printf(" ");
            print_word(args[i]);
        }
        printf("\n");
        return 0;
    }
    for (i = 0; i < 3; i++) {
        putenv(env[i]);
    }
    execvp(args[0], args);
    die("%s: %s", args[0], strerror(errno));
}

/* ----------------------------------------------------------------- ctl -- */

static uint64_t now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * 1000ull + ts.tv_nsec / 1000000;
}

static void pause_ms(unsigned int ms)
{
    struct timespec ts = { ms / 1000, ms % 1000 * 1000000 };

    nanosleep(&ts, NULL);
}

static FILE *ctl_connect(const char *path)
{
    struct sockaddr_un sun = { .sun_family = AF_UNIX };
    uint64_t give_up = now_ms() + CONNECT_MS;
    FILE *f;
    int fd;

    if (strlen(path) >= sizeof(sun.sun_path)) {
        die("path of the socket is too long: %s", path);
    }
    memcpy(sun.sun_path, path, strlen(path) + 1);
    for (;;) {
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0) {
            die("socket: %s", strerror(errno));
        }
        if (!connect(fd, (struct sockaddr *)&sun, sizeof(sun))) {
            break;
        }
        if ((errno != ENOENT && errno != ECONNREFUSED) ||
            now_ms() > give_up) {
            die("%s: %s", path, strerror(errno));
        }
        close(fd);
        pause_ms(10);
    }
    f = fdopen(fd, "r+");
    return no_memory(f);
}

/* Returns the answer without its "ok"; lives until the next call. */
static const char *ctl_ask(FILE *f, const char *line)
{
    static char answer[8192];
    size_t len;

    fflush(f);
    if (fprintf(f, "%s\n", line) < 0 || fflush(f) ||
        !fgets(answer, sizeof(answer), f)) {
        die("the device is gone");
    }
    len = strcspn(answer, "\n");
    answer[len] = 0;
    if (!strncmp(answer, "error: ", 7)) {
        die("%s", answer + 7);
    }
    if (strncmp(answer, "ok", 2)) {
        die("unexpected answer: %s", answer);
    }
    return answer[2] ? answer + 3 : "";
}

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

static bool holds(const char *have, const char *op, const char *want)
{
    uint64_t a, b;
    int len1 = 0, len2 = 0;

    if (sscanf(have, "%" SCNu64 "%n", &a, &len1) != 1 || have[len1] ||
        sscanf(want, "%" SCNu64 "%n", &b, &len2) != 1 || want[len2]) {
        if (!strcmp(op, "=")) {
            return !strcmp(have, want);
        }
        if (!strcmp(op, "!=")) {
            return strcmp(have, want);
        }
        die("%s needs numbers, not '%s' and '%s'", op, have, want);
    }
    if (op[0] == '!') {
        return a != b;
    }
    if (op[0] == '<') {
        return op[1] ? a <= b : a < b;
    }
    if (op[0] == '>') {
        return op[1] ? a >= b : a > b;
    }
    return a == b;
}

static int cmd_ctl(int argc, char **argv)
{
    const char *key, *value, *op;
    uint64_t give_up;
    unsigned int j;
    char *line;
    FILE *f;
    int i;

    if (argc > 1 && is_help(argv[1])) {
        help(ctl_usage);
    }
    if (argc < 3) {
        die("ctl: SOCKET and a command are needed, see vfio-sim ctl --help");
    }

    if (!strcmp(argv[2], "stats") && argc == 3) {
        char *copy, *word;
        char *save = NULL;

        f = ctl_connect(argv[1]);
        copy = no_memory(strdup(ctl_ask(f, "stats")));
        for (word = strtok_r(copy, " ", &save); word;
             word = strtok_r(NULL, " ", &save)) {
            printf("%s\n", word);
        }
    } else if (!strcmp(argv[2], "get")) {
        f = ctl_connect(argv[1]);
        for (i = 3; i < argc; i++) {
            line = format("get %s", argv[i]);
            printf("%s=%s\n", argv[i], ctl_ask(f, line));
            free(line);
        }
        for (j = 0; argc == 3 && j < vfio_sim_nr_keys; j++) {
            line = format("get %s", vfio_sim_keys[j].name);
            printf("%s=%s\n", vfio_sim_keys[j].name, ctl_ask(f, line));
            free(line);
        }
    } else if (!strcmp(argv[2], "set") && argc > 3) {
        f = ctl_connect(argv[1]);
        for (i = 3; i < argc; i++) {
            op = split(argv[i], &key, &value);
            if (strcmp(op, "=")) {
                die("set: '%s' is not of the form KEY=VALUE", argv[i]);
            }
            line = format("set %s %s", key, value);
            ctl_ask(f, line);
            free(line);
        }
    } else if (!strcmp(argv[2], "wait") && (argc == 4 || argc == 5)) {
        op = split(argv[3], &key, &value);
        give_up = 30000;
        if (argc == 5) {
            char *end;
            double seconds = strtod(argv[4], &end);

            if (end == argv[4] || *end || !(seconds >= 0 && seconds < 1e6)) {
                die("wait: '%s' is not a number of seconds", argv[4]);
            }
            give_up = seconds * 1000;
        }
        give_up += now_ms();
        f = ctl_connect(argv[1]);
        line = format("get %s", key);
        for (;;) {
            const char *have = ctl_ask(f, line);

            if (holds(have, op, value)) {
                break;
            }
            if (now_ms() >= give_up) {
                fprintf(stderr, "vfio-sim: %s is still %s\n", key, have);
                return 1;
            }
            pause_ms(2);
        }
        free(line);
    } else {
        die("ctl: wrong command, see vfio-sim ctl --help");
    }
    fclose(f);
    return 0;
}

static int cmd_check(int argc, char **argv)
{
    VFIOSimConfig cfg;
    char err[512];
    int status = 0;
    int i;

    if (argc > 1 && is_help(argv[1])) {
        help(check_usage);
    }
    if (argc < 2) {
        die("check: which profile?");
    }
    for (i = 1; i < argc; i++) {
        vfio_sim_config_default(&cfg);
        if (vfio_sim_profile_load(&cfg, argv[i], err, sizeof(err))) {
            fprintf(stderr, "vfio-sim: %s\n", err);
            status = 1;
        }
    }
    return status;
}

static void rst_line(char c, const int *widths)
{
    int i, j;

    for (i = 0; i < 4; i++) {
        for (j = 0; j < widths[i]; j++) {
            putchar(c);
        }
        putchar(i < 3 ? ' ' : '\n');
    }
}

static int cmd_keys(int argc, char **argv)
{
    const char *const heads[] = { "Key", "Values", "Default", "Meaning" };
    int widths[4] = { 3, 6, 7, 7 };
    VFIOSimConfig cfg;
    char values[256], def[64];
    unsigned int i;
    bool rst = false;

    if (argc > 1 && is_help(argv[1])) {
        help(keys_usage);
    }
    if (argc == 2 && !strcmp(argv[1], "--rst")) {
        rst = true;
    } else if (argc > 1) {
        die("keys: wrong arguments, see vfio-sim keys --help");
    }
    vfio_sim_config_default(&cfg);
    for (i = 0; rst && i < vfio_sim_nr_keys; i++) {
        const VFIOSimKey *key = &vfio_sim_keys[i];

        vfio_sim_key_values(key, values, sizeof(values));
        vfio_sim_key_get(&cfg, key, def, sizeof(def));
        widths[0] = (int)strlen(key->name) > widths[0] ?
                    (int)strlen(key->name) : widths[0];
        widths[1] = (int)strlen(values) > widths[1] ?
                    (int)strlen(values) : widths[1];
        widths[2] = (int)strlen(def) > widths[2] ?
                    (int)strlen(def) : widths[2];
        widths[3] = (int)strlen(key->doc) > widths[3] ?
                    (int)strlen(key->doc) : widths[3];
    }
    if (rst) {
        rst_line('=', widths);
        printf("%-*s %-*s %-*s %s\n", widths[0], heads[0], widths[1],
               heads[1], widths[2], heads[2], heads[3]);
        rst_line('=', widths);
    }
    for (i = 0; i < vfio_sim_nr_keys; i++) {
        const VFIOSimKey *key = &vfio_sim_keys[i];

        vfio_sim_key_values(key, values, sizeof(values));
        vfio_sim_key_get(&cfg, key, def, sizeof(def));
        if (rst) {
            printf("%-*s %-*s %-*s %s\n", widths[0], key->name, widths[1],
                   values, widths[2], def, key->doc);
        } else {
            printf("%s = %s\n    %s (default: %s)\n", key->name, values,
                   key->doc, def);
        }
    }
    if (rst) {
        rst_line('=', widths);
    }
    return 0;
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
