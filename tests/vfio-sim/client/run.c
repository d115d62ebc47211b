/*
 * vfio-sim run: start a program with simulated VFIO devices
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "tool.h"

#include <fcntl.h>
#include <getopt.h>
#include <libgen.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "model/profile.h"

#define MAX_DEVICES     64
#define FIRST_FD        100

static const char usage[] =
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
"  -l, --library FILE    libvfio-sim.so, if it is not installed with this\n"
"                        program\n"
"  -n, --print           print the command instead of running it\n"
"  -h, --help            this text\n"
"\n"
"The devices are called dev0, dev1, ... in QEMU, and are added behind its\n"
"other arguments.\n";

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

/* A file that is installed with this program; NULL if it is not there */
static char *installed(const char *dir, const char *name)
{
    char *own = own_dir();
    char *path = dir[0] == '/' ? format("%s/%s", dir, name) :
                                 format("%s/%s/%s", own, dir, name);

    char *real = realpath(path, NULL);

    free(own);
    free(path);
    return real;
}

static char *find_library(void)
{
    const char *env = getenv("VFIO_SIM_LIB");
    char *path;

    if (env) {
        return no_memory(strdup(env));
    }
    path = installed(".", "libvfio-sim.so");
    if (!path) {
        path = installed(VFIO_SIM_LIBDIR, "libvfio-sim.so");
    }
    if (!path) {
        die("libvfio-sim.so is not installed with this program: use "
            "--library");
    }
    return path;
}

static char *find_profile(const char *name)
{
    static const char *const dirs[] = {
        "profiles", VFIO_SIM_DATADIR "/profiles", VFIO_SIM_PROFILES
    };
    char *path = NULL;
    char *file;
    size_t i;

    if (access(name, F_OK) == 0 || strchr(name, '/')) {
        path = realpath(name, NULL);
        if (!path) {
            die("%s: %s", name, strerror(errno));
        }
        return path;
    }
    file = format("%s.profile", name);
    for (i = 0; i < sizeof(dirs) / sizeof(dirs[0]) && !path; i++) {
        path = installed(dirs[i], file);
    }
    free(file);
    if (path) {
        return path;
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

int cmd_run(int argc, char **argv)
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
            help(usage);
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
        library = find_library();
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

    /* what is there, like the library of a sanitizer, must stay first */
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
