/*
 * Tests of the preloaded library: the calls that QEMU makes, without QEMU
 *
 * Runs itself again for each case, with the library.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <sys/wait.h>
#include <unistd.h>

#include "preload-fixture.h"

#define CASE_SECONDS    60

static const char *library;

static const TapGroup *const groups[] = {
    &preload_device, &preload_iommufd, &preload_control, &preload_timing,
    &preload_migration, NULL
};

/* What a case that was killed has left */
static void remove_sockets(const char *dir)
{
    char path[64];
    int i;

    for (i = 1; i <= 2; i++) {
        snprintf(path, sizeof(path), "%s/%d", dir, i);
        unlink(path);
    }
    rmdir(dir);
}

static void run_with_library(const char *full_name, const TapCase *c)
{
    const char *iommufd = c->needs & NEEDS_OLD_IOMMUFD ?
                          "fd=100,change-process=off" : "fd=100";
    char dir[] = "/tmp/vfio-sim-test-XXXXXX";
    char *devices;
    int status;
    pid_t pid;

    if (!mkdtemp(dir) ||
        asprintf(&devices, "fd=%d,control=%s/1,dma-base=%llu,dma-size=4M,"
                 "initial-bytes=1M,stop-bytes=4M,dirty-log=both;"
                 "fd=%d,control=%s/2,dma-base=%llu,dma-size=4M,"
                 "dirty-log=off,precopy-v2=off",
                 DEV, dir, WINDOW, DEV2, dir, WINDOW) < 0) {
        tap_bail_out("%s: %s", dir, strerror(errno));
    }
    pid = fork();
    if (!pid) {
        setenv("LD_PRELOAD", library, 1);
        setenv("VFIO_SIM_IOMMUFD", iommufd, 1);
        setenv("VFIO_SIM_DEVICES", devices, 1);
        setenv("VFIO_SIM_TEST_DIR", dir, 1);
        execl("/proc/self/exe", "test-vfio-sim-preload", "--child",
              full_name, NULL);
        _exit(127);
    }
    free(devices);
    if (pid < 0 || waitpid(pid, &status, 0) != pid) {
        tap_bail_out("fork: %s", strerror(errno));
    }
    if (WIFSIGNALED(status)) {
        tap_fail("killed by signal %d", WTERMSIG(status));
    } else if (WEXITSTATUS(status)) {
        tap_fail("exit status %d", WEXITSTATUS(status));
    }
    /* The library removes its sockets at the end. */
    if (rmdir(dir)) {
        tap_fail("%s: %s", dir, strerror(errno));
        remove_sockets(dir);
    }
}

static const TapProgram program = {
    .about = "Tests of the preloaded library of the simulated VFIO device",
    .arguments = "LIBRARY",
    .groups = groups,
    .run = run_with_library,
    .set_up = preload_set_up,
};

int main(int argc, char **argv)
{
    int i;

    if (argc == 3 && !strcmp(argv[1], "--child")) {
        /* A case that hangs must not stop the others from being run. */
        alarm(CASE_SECONDS);
        return tap_run_here(&program, argv[2]);
    }
    i = tap_options(&program, argc, argv);
    if (argc != i + 1) {
        fprintf(stderr, "%s: one LIBRARY is needed (see --help)\n", argv[0]);
        return 2;
    }
    library = argv[i];
    return tap_run(&program);
}
