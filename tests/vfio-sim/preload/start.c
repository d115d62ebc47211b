/*
 * The start: devices from the environment, threads, fork and end
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "control.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "dma.h"
#include "iommufd.h"
#include "model/profile.h"
#include "start.h"

/* How many options a device can be given */
#define MAX_OPTIONS     128

static pthread_mutex_t start_lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_bool started;

static void start_thread(void *(*fn)(void *), const char *name)
{
    pthread_attr_t attr;
    pthread_t thread;

    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    if (pthread_create(&thread, &attr, fn, NULL)) {
        MESSAGE("cannot start a thread");
        _exit(2);
    }
    pthread_setname_np(thread, name);
    pthread_attr_destroy(&attr);
}

/*
 * Threads start with the first use of a device, so that a program that turns
 * itself into a daemon first still has them.
 */
void start_threads(void)
{
    sigset_t all, old;
    unsigned int i;

    pthread_mutex_lock(&start_lock);
    if (!atomic_load(&started)) {
        for (i = 0; i < nr_devices; i++) {
            control_listen(devices[i]);
        }
        /* signals are the program's own business */
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &old);
        start_thread(control_thread, "vfio-sim-ctl");
        start_thread(dma_thread, "vfio-sim-dma");
        pthread_sigmask(SIG_SETMASK, &old, NULL);
        atomic_store(&started, true);
    }
    pthread_mutex_unlock(&start_lock);
}

static void forked_child(void)
{
    unsigned int i;

    if (!atomic_load(&started)) {
        return;
    }
    /*
     * The devices stay with the parent: locks may be held by threads that do
     * not exist here.
     */
    for (i = 0; i < MAX_FD; i++) {
        atomic_store_explicit(&fd_table[i], FD_NONE, memory_order_relaxed);
    }
    for (i = 0; i < nr_devices; i++) {
        devices[i]->listener = -1;
    }
    atomic_store(&started, false);
}

__attribute__((destructor))
static void finish(void)
{
    unsigned int i;

    for (i = 0; i < nr_devices; i++) {
        if (devices[i]->listener >= 0) {
            unlink(devices[i]->control);
        }
    }
}

static int parse_fd(const char *what, const char *s)
{
    int v, len = 0;

    if (sscanf(s, "%6d%n", &v, &len) != 1 || s[len] || v < 3 || v >= MAX_FD) {
        fatal("%s: fd=%s is not a usable file descriptor", what, s);
    }
    return v;
}

/* Put a new file at a fixed number, where nothing else may be. */
static void place_fd(int fd, int at)
{
    char path[64], target[256];
    ssize_t n;

    snprintf(path, sizeof(path), "/proc/self/fd/%d", at);
    n = readlink(path, target, sizeof(target) - 1);
    if (n > 0) {
        target[n] = 0;
        /* left by a program that ran this one, with the same environment */
        if (!strstr(target, "memfd:vfio-sim")) {
            fatal("file descriptor %d is in use: %s", at, target);
        }
    }
    if (fd < 0 || (fd != at && dup2(fd, at) != at)) {
        fatal("cannot create file descriptor %d: %s", at, strerror(errno));
    }
    if (fd != at) {
        real_close(fd);
    }
}

static void init_iommufd(char *spec)
{
    char *opt;
    char end;
    int fd = -1;

    while ((opt = vfio_sim_next_option(&spec, &end))) {
        if (!strncmp(opt, "fd=", 3)) {
            fd = parse_fd("VFIO_SIM_IOMMUFD", opt + 3);
        } else if (!strcmp(opt, "change-process=on")) {
            change_process = true;
        } else if (!strcmp(opt, "change-process=off")) {
            change_process = false;
        } else if (*opt) {
            fatal("VFIO_SIM_IOMMUFD: unknown option '%s'", opt);
        }
    }
    if (fd < 0) {
        fatal("VFIO_SIM_IOMMUFD: fd=N is missing");
    }
    place_fd(memfd_create("vfio-sim-iommufd", 0), fd);
    set_fd(fd, FD_IOMMU);
}

/* The path of a socket: a daemon changes its directory */
static char *absolute_path(const char *path)
{
    char *dir = path[0] == '/' ? NULL : getcwd(NULL, 0);
    char *result;

    if (asprintf(&result, "%s%s%s", dir ?: "", dir ? "/" : "", path) < 0) {
        fatal("out of memory");
    }
    free(dir);
    if (strlen(result) >= sizeof(((struct sockaddr_un *)0)->sun_path)) {
        fatal("path of a socket is too long: %s", result);
    }
    return result;
}

/* Create the next device of the list, with its options. */
static void init_device(char **opts, unsigned int n)
{
    char *control = NULL;
    VFIOSimConfig cfg;
    const char *why;
    SimDevice *d;
    char err[512];
    unsigned int i;
    int fd = -1;

    if (nr_devices == MAX_DEVICES) {
        fatal("VFIO_SIM_DEVICES: too many devices");
    }
    vfio_sim_config_default(&cfg);
    /* the profile comes first, wherever it stands */
    for (i = 0; i < n; i++) {
        if (!strncmp(opts[i], "profile=", 8) &&
            vfio_sim_profile_load(&cfg, opts[i] + 8, err, sizeof(err))) {
            fatal("%s", err);
        }
    }
    for (i = 0; i < n; i++) {
        if (!strncmp(opts[i], "fd=", 3)) {
            fd = parse_fd("VFIO_SIM_DEVICES", opts[i] + 3);
        } else if (!strncmp(opts[i], "control=", 8)) {
            free(control);
            control = absolute_path(opts[i] + 8);
        } else if (strncmp(opts[i], "profile=", 8) &&
                   vfio_sim_profile_override(&cfg, opts[i], err,
                                             sizeof(err))) {
            fatal("VFIO_SIM_DEVICES: %s", err);
        }
    }
    why = vfio_sim_config_check(&cfg);
    if (why) {
        fatal("VFIO_SIM_DEVICES: %s", why);
    }
    if (fd < 0) {
        fatal("VFIO_SIM_DEVICES: fd=N is missing");
    }
    if (fd_kind(fd)) {
        fatal("VFIO_SIM_DEVICES: file descriptor %d is used twice", fd);
    }
    place_fd(memfd_create("vfio-sim-device", 0), fd);
    d = device_new(fd, &cfg);
    if (!d) {
        fatal("cannot create a device: %s", strerror(errno));
    }
    d->control = control;
    devices[nr_devices++] = d;
    set_fd(fd, FD_DEVICE + 2 * d->index);
}

static void init_devices(char *list)
{
    char *opts[MAX_OPTIONS];
    unsigned int n = 0;
    char *opt;
    char end = 0;

    while ((opt = vfio_sim_next_option(&list, &end))) {
        if (n == MAX_OPTIONS) {
            fatal("VFIO_SIM_DEVICES: too many options");
        }
        if (*opt) {
            opts[n++] = opt;
        }
        if (n && end != ',') {
            init_device(opts, n);
            n = 0;
        }
    }
    if (n) {
        init_device(opts, n);
    }
}

__attribute__((constructor))
static void init(void)
{
    const char *iommufd = getenv("VFIO_SIM_IOMMUFD");
    const char *list = getenv("VFIO_SIM_DEVICES");
    char *copy;

    debug = getenv("VFIO_SIM_DEBUG") != NULL;
    if (iommufd) {
        copy = strdup(iommufd);
        if (!copy) {
            fatal("out of memory");
        }
        init_iommufd(copy);
        free(copy);
    }
    if (list) {
        copy = strdup(list);
        if (!copy) {
            fatal("out of memory");
        }
        init_devices(copy);
        free(copy);
    }
    pthread_atfork(NULL, NULL, forked_child);
}
