/*
 * Does a device migrate as linux/vfio.h documents it?
 *
 * The tests enter every state from every other, make every query in every
 * state, and make the mistakes that a program can make.  They are run with
 * the library, where all answers are the simulator's own, and with mediated
 * devices, where many are those of the kernel's VFIO core.  With a device
 * that is not a simulated one, only what all devices must do is tested.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "conformance-fixture.h"

/* Set in the process that has the library: its control socket */
#define CONTROL_ENV     "VFIO_SIM_CONFORMANCE"

static const TapGroup *const groups[] = {
    &conformance_device, &conformance_features, &conformance_keys,
    &conformance_states, &conformance_queries, &conformance_data,
    &conformance_lifetime, NULL
};

static const TapProgram program = {
    .about = "Tests of a VFIO device that can be migrated: that of a LIBRARY "
             "to preload, or\nthe mediated device of a DIRECTORY in sysfs.",
    .arguments = "LIBRARY|DIRECTORY",
    .groups = groups,
    .skip = target_skip,
    .tear_down = restart,
};

/* Run this program again, with the library. */
static int run_with(const char *library, char **argv)
{
    char dir[] = "/tmp/vfio-sim-conformance-XXXXXX";
    char control[64];
    char *devices;
    int status;
    pid_t pid;

    if (!mkdtemp(dir)) {
        tap_bail_out("%s: %s", dir, strerror(errno));
    }
    snprintf(control, sizeof(control), "%s/control", dir);
    if (asprintf(&devices, "fd=101,control=%s", control) < 0) {
        tap_bail_out("out of memory");
    }
    pid = fork();
    if (!pid) {
        setenv(CONTROL_ENV, control, 1);
        setenv("LD_PRELOAD", library, 1);
        setenv("VFIO_SIM_IOMMUFD", "fd=100", 1);
        setenv("VFIO_SIM_DEVICES", devices, 1);
        execv("/proc/self/exe", argv);
        _exit(127);
    }
    free(devices);
    if (pid < 0 || waitpid(pid, &status, 0) != pid) {
        tap_bail_out("fork: %s", strerror(errno));
    }
    unlink(control);
    rmdir(dir);
    if (!WIFEXITED(status)) {
        tap_bail_out("killed by signal %d", WTERMSIG(status));
    }
    return WEXITSTATUS(status);
}

int main(int argc, char **argv)
{
    const char *control = getenv(CONTROL_ENV);
    int i = tap_options(&program, argc, argv);
    char name[256];
    struct stat st;

    if (argc != i + 1 || stat(argv[i], &st)) {
        fprintf(stderr, "%s: a LIBRARY or a DIRECTORY is needed "
                "(see --help)\n", argv[0]);
        return 2;
    }
    if (S_ISDIR(st.st_mode)) {
        target.sysfs = argv[i];
        snprintf(name, sizeof(name), "%s/vfio_sim/state", target.sysfs);
        target.simulated = !access(name, F_OK);
    } else if (!control) {
        return run_with(argv[i], argv);
    } else {
        target.simulated = true;
        snprintf(target.control, sizeof(target.control), "%s", control);
    }
    target_start();
    return tap_run(&program);
}
