/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QEMUs with simulated VFIO devices, for migration tests
 */

#include "qemu/osdep.h"
#include <glib/gstdio.h>
#include "qemu/cutils.h"
#include "qobject/qdict.h"
#include "libqtest.h"
#include "migration/bootfile.h"
#include "migration/migration-util.h"
#include "vfio/case-dir.h"
#include "vfio/eject.h"
#include "vfio/sim-kernel.h"
#include "vfio/sim-vm.h"

#define ENV_LIBRARY "QTEST_VFIO_SIM"
#define ENV_DEBUG "QTEST_VFIO_SIM_DEBUG"

/* For libqtest, which takes the command to run from the environment */
#define ENV_COMMAND "QTEST_VFIO_SIM_COMMAND"

/* The file descriptors that the simulator provides */
#define FD_IOMMUFD 100
#define FD_DEVICE 101

#define DEADLINE_S 120

const char *vfio_sim_missing(const char *const *devices,
                             const char *iommufd_props)
{
    const char *library = getenv(ENV_LIBRARY);

    if (sim_kernel_used()) {
        return sim_kernel_missing(devices, iommufd_props);
    }
    if (!library || access(library, R_OK)) {
        return ENV_LIBRARY " does not name the simulator's library";
    }
    return NULL;
}

static bool event_seen(QTestState *qts, const char *name, QDict *event,
                       void *opaque)
{
    VfioSimVM *vm = opaque;

    if (g_str_equal(name, "MIGRATION_PASS")) {
        uint64_t pass = qdict_get_int(qdict_get_qdict(event, "data"), "pass");

        /* Each migration begins with 1.  After that there are no gaps. */
        if (pass != 1) {
            g_assert_cmpuint(pass, ==, vm->last_pass + 1);
        }
        vm->last_pass = pass;
        return true;
    } else if (g_str_equal(name, "STOP")) {
        vm->n_stop++;
        return true;
    } else if (g_str_equal(name, "MIGRATION_SWITCHOVER_REASON")) {
        pstrcpy(vm->last_reason, sizeof(vm->last_reason),
                qdict_get_str(qdict_get_qdict(event, "data"), "reason"));
        return true;
    } else if (g_str_equal(name, "MIGRATION_DOWNTIME_LIMIT_RAISED")) {
        vm->raised_limit = qdict_get_int(qdict_get_qdict(event, "data"),
                                         "downtime-limit");
        return true;
    } else if (g_str_equal(name, "VFIO_MIGRATION")) {
        QDict *data = qdict_get_qdict(event, "data");

        if (g_str_equal(qdict_get_str(data, "device-id"), "dev0")) {
            pstrcat(vm->states, sizeof(vm->states),
                    qdict_get_str(data, "device-state"));
            pstrcat(vm->states, sizeof(vm->states), " ");
        }
        return true;
    } else if (g_str_equal(name, "RESUME")) {
        return true;
    }
    return false;
}

static char *control_path(const VfioSimVM *vm, int dev)
{
    return g_strdup_printf("%s/%s-%d", case_dir(), vm->name, dev);
}

/* The library makes file descriptors, whose numbers QEMU gets as arguments */
static void add_library_devices(VfioSimVM *vm, const VfioSimVMOptions *opts,
                                GString *cmd, GString *args)
{
    g_autofree char *preload = NULL;
    g_autofree char *quoted = NULL;
    g_autoptr(GString) env = g_string_new("");
    const char *others = getenv("LD_PRELOAD");
    int i;

    g_string_append_printf(args, " -object iommufd,id=iommufd0,fd=%d",
                           FD_IOMMUFD);
    for (i = 0; i < vm->n_devices; i++) {
        g_autofree char *control = control_path(vm, i);

        g_string_append_printf(env, "%sfd=%d,control=%s,%s", i ? ";" : "",
                               FD_DEVICE + i, control, opts->devices[i]);
        g_string_append_printf(args, " -device vfio-pci,id=dev%d,fd=%d,"
                               "iommufd=iommufd0,enable-migration=on%s",
                               i, FD_DEVICE + i, opts->device_props ?: "");
    }

    /*
     * The simulator is for this QEMU only, neither for the shell that starts
     * it nor for this process.
     */
    preload = g_strdup_printf("%s%s%s", others ?: "", others ? ":" : "",
                              getenv(ENV_LIBRARY));
    quoted = g_shell_quote(env->str);
    g_string_append_printf(cmd, "env LD_PRELOAD=%s VFIO_SIM_IOMMUFD=fd=%d%s "
                           "VFIO_SIM_DEVICES=%s ", preload, FD_IOMMUFD,
                           opts->iommufd_props ?: "", quoted);
}

/* The kernel module makes mediated devices */
static void add_kernel_devices(VfioSimVM *vm, const VfioSimVMOptions *opts,
                               GString *args)
{
    int i, j;

    for (i = 0; i < vm->n_devices; i++) {
        g_auto(GStrv) keys = g_strsplit(opts->devices[i], ",", -1);
        VfioSimDevice *d = &vm->devices[i];

        d->sysfs = sim_kernel_create();
        for (j = 0; keys[j]; j++) {
            g_auto(GStrv) pair = g_strsplit(keys[j], "=", 2);

            g_assert(pair[0] && pair[1]);
            vfio_sim_set(vm, i, pair[0], pair[1]);
        }
        g_string_append_printf(args, " -device vfio-pci,id=dev%d,sysfsdev=%s,"
                               "enable-migration=on%s", i, d->sysfs,
                               opts->device_props ?: "");
    }
}

/* The log has the monitor's traffic, and the states of the devices */
static void add_log(const char *name, GString *args)
{
    g_autofree char *path = NULL;
    unsigned int n = 0;

    do {
        g_free(path);
        path = g_strdup_printf("%s/%s-%u.log", case_log_dir(), name, n++);
    } while (g_file_test(path, G_FILE_TEST_EXISTS));
    g_string_append_printf(args, " -D %s -trace handle_qmp_command "
                           "-trace monitor_qmp_respond "
                           "-trace vfio_migration_set_device_state", path);
}

static const char *usual_binary(const char *name)
{
    const char *env = NULL;

    if (g_str_equal(name, "src")) {
        env = "QTEST_QEMU_BINARY_SRC";
    } else if (g_str_equal(name, "dst")) {
        env = "QTEST_QEMU_BINARY_DST";
    }
    return qtest_qemu_binary(env);
}

/* A request to the simulator of device @dev has failed */
static G_NORETURN void control_failed(VfioSimVM *vm, int dev,
                                      const char *reason)
{
    g_printerr("simulator of %s dev%d: %s\n", vm->name, dev, reason);
    g_assert_not_reached();
}

static void connect_control(VfioSimVM *vm, int dev)
{
    g_autofree char *path = control_path(vm, dev);
    VfioSimDevice *d = &vm->devices[dev];
    char reason[256];

    d->control = vfio_sim_control_open(path, 0, reason, sizeof(reason));
    if (!d->control) {
        control_failed(vm, dev, reason);
    }
}

static void wait_for_debugger(VfioSimVM *vm)
{
    int c;

    if (g_strcmp0(getenv(ENV_DEBUG), vm->name)) {
        return;
    }
    g_printerr("%s is process %d; press Enter to go on\n", vm->name,
               (int)qtest_pid(vm->qts));
    do {
        c = getchar();
    } while (c != '\n' && c != EOF);
}

void vfio_sim_start(VfioSimVM *vm, const VfioSimVMOptions *opts)
{
    g_autofree char *rom = vfio_guest_rom_create(opts->guest);
    g_autoptr(GString) args = g_string_new("");
    g_autoptr(GString) cmd = g_string_new("");
    int i;

    *vm = (VfioSimVM) { .name = opts->name };
    while (opts->devices && opts->devices[vm->n_devices]) {
        g_assert_cmpint(vm->n_devices, <, VFIO_SIM_MAX_DEVICES);
        vm->n_devices++;
    }

    g_string_printf(args, "-accel tcg -machine pc -nodefaults "
                    "-global apic-common.vapic=off -name %s -m %s -bios %s %s",
                    vm->name, vfio_guest_memory(opts->guest), rom,
                    opts->args ?: "");
    add_log(vm->name, args);
    if (vm->n_devices && sim_kernel_used()) {
        add_kernel_devices(vm, opts, args);
    } else if (vm->n_devices) {
        add_library_devices(vm, opts, cmd, args);
    }
    if (opts->stderr_path) {
        /* A shell reads the arguments */
        g_string_append_printf(args, " 2>%s", opts->stderr_path);
    }

    g_string_append(cmd, opts->binary ?: usual_binary(vm->name));
    g_setenv(ENV_COMMAND, cmd->str, true);
    vm->qts = qtest_init_ext(ENV_COMMAND, args->str, NULL, true);
    qtest_qmp_set_event_callback(vm->qts, event_seen, vm);

    for (i = 0; i < vm->n_devices && !vm->devices[i].sysfs; i++) {
        connect_control(vm, i);
    }
    wait_for_debugger(vm);
}

/* qtest_quit() checks only ten times per second if QEMU has exited */
static void quit_soon(QTestState *qts)
{
    int64_t end = g_get_monotonic_time() + 5 * G_USEC_PER_SEC;
    pid_t pid = qtest_pid(qts);
    siginfo_t info = { };

    kill(pid, SIGTERM);
    while (!waitid(P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT) &&
           !info.si_pid && g_get_monotonic_time() < end) {
        g_usleep(1000);
    }
}

void vfio_sim_quit(VfioSimVM *vm)
{
    int i;

    if (!vm->qts) {
        return;
    }
    quit_soon(vm->qts);
    qtest_quit(g_steal_pointer(&vm->qts));
    for (i = 0; i < vm->n_devices; i++) {
        VfioSimDevice *d = &vm->devices[i];

        if (d->sysfs) {
            sim_kernel_remove(d->sysfs);
            g_free(g_steal_pointer(&d->sysfs));
        } else {
            g_autofree char *path = control_path(vm, i);

            vfio_sim_control_close(g_steal_pointer(&d->control));
            g_unlink(path);
        }
    }
    vm->n_devices = 0;
}

void vfio_sim_unplug_dev0(VfioSimVM *vm)
{
    qtest_qmp_device_del_send(vm->qts, "dev0");
    eject_by_acpi(vm->qts, VFIO_SIM_SLOT_DEV0);
    qtest_qmp_eventwait(vm->qts, "DEVICE_DELETED");
}

void vfio_sim_check_unplug_refused(VfioSimVM *vm)
{
    QDict *rsp = qtest_qmp_assert_failure_ref(vm->qts,
                                              "{ 'execute': 'device_del', "
                                              "'arguments': "
                                              "{ 'id': 'dev0' } }");

    qobject_unref(rsp);
}

bool vfio_sim_running(VfioSimVM *vm)
{
    QDict *rsp = qtest_qmp_assert_success_ref(vm->qts,
                                              "{ 'execute': 'query-status' }");
    bool running = qdict_get_bool(rsp, "running");

    qobject_unref(rsp);
    return running;
}

void vfio_sim_wait_guest_writes(VfioSimVM *vm)
{
    int64_t start = g_get_monotonic_time();
    uint8_t byte = qtest_readb(vm->qts, X86_TEST_MEM_START);

    while (qtest_readb(vm->qts, X86_TEST_MEM_START) == byte) {
        vfio_sim_nap(start, "guest writes");
    }
}

static VfioSimDevice *get_device(VfioSimVM *vm, int dev)
{
    g_assert_cmpint(dev, <, vm->n_devices);
    return &vm->devices[dev];
}

char *vfio_sim_get_str(VfioSimVM *vm, int dev, const char *key)
{
    VfioSimDevice *d = get_device(vm, dev);
    char value[256];

    if (d->sysfs) {
        return sim_kernel_get(d->sysfs, key);
    }
    if (vfio_sim_control_get(d->control, key, value, sizeof(value)) < 0) {
        control_failed(vm, dev, value);
    }
    return g_strdup(value);
}

uint64_t vfio_sim_get(VfioSimVM *vm, int dev, const char *key)
{
    g_autofree char *text = vfio_sim_get_str(vm, dev, key);
    uint64_t value;

    g_assert_cmpint(qemu_strtou64(text, NULL, 10, &value), ==, 0);
    return value;
}

void vfio_sim_set(VfioSimVM *vm, int dev, const char *key, const char *value)
{
    VfioSimDevice *d = get_device(vm, dev);
    char reason[256];

    if (d->sysfs) {
        sim_kernel_set(d->sysfs, key, value);
    } else if (vfio_sim_control_set(d->control, key, value, reason,
                                    sizeof(reason)) < 0) {
        control_failed(vm, dev, reason);
    }
}

bool vfio_sim_state_is(VfioSimVM *vm, int dev, const char *state)
{
    g_autofree char *current = vfio_sim_get_str(vm, dev, "state");

    return g_str_equal(current, state);
}

void vfio_sim_wait_state(VfioSimVM *vm, int dev, const char *state)
{
    int64_t start = g_get_monotonic_time();

    while (!vfio_sim_state_is(vm, dev, state)) {
        vfio_sim_nap(start, state);
    }
}

void vfio_sim_check_error(VfioSimVM *vm, const char *part)
{
    QDict *rsp = migrate_query(vm->qts);
    g_autofree char *error =
        g_strdup(qdict_get_try_str(rsp, "error-desc") ?: "");
    int i;

    /* QEMU calls a mediated device by its UUID, not by its id */
    for (i = 0; i < vm->n_devices && vm->devices[i].sysfs; i++) {
        g_autofree char *uuid = g_path_get_basename(vm->devices[i].sysfs);
        g_autofree char *id = g_strdup_printf("dev%d", i);
        g_auto(GStrv) parts = g_strsplit(error, uuid, -1);

        g_free(error);
        error = g_strjoinv(id, parts);
    }
    if (!strstr(error, part)) {
        g_printerr("error-desc '%s' lacks '%s'\n", error, part);
        g_assert_not_reached();
    }
    qobject_unref(rsp);
}

void vfio_sim_nap(int64_t start, const char *what)
{
    if (g_get_monotonic_time() - start > DEADLINE_S * G_USEC_PER_SEC) {
        g_printerr("waited too long: %s\n", what);
        g_assert_not_reached();
    }
    g_usleep(1000);
}

void vfio_sim_wait_text(const char *path, const char *text)
{
    int64_t start = g_get_monotonic_time();
    g_autofree char *file = NULL;

    while (g_file_get_contents(path, &file, NULL, NULL) &&
           !strstr(file, text)) {
        g_free(g_steal_pointer(&file));
        vfio_sim_nap(start, text);
    }
    g_assert(file);
}
