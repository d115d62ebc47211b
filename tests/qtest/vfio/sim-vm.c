/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QEMUs with simulated VFIO devices, for migration tests
 */

#include "qemu/osdep.h"
#include <glib/gstdio.h>
#include "qemu/cutils.h"
#include "qemu/sockets.h"
#include "qemu/units.h"
#include "qobject/qdict.h"
#include "qapi/error.h"
#include "libqtest.h"
#include "migration/bootfile.h"
#include "migration/migration-util.h"
#include "migration/vfio-sim.h"

#define ENV_FRONTEND "QTEST_VFIO_SIM"
#define ENV_LOGS "QTEST_VFIO_SIM_LOGS"
#define ENV_QEMU "QTEST_VFIO_SIM_QEMU"

/* What the kernel module has in sysfs */
#define MDEV_TYPE "/sys/class/vfio_sim/vfio_sim/mdev_supported_types/" \
                  "vfio_sim-pci"
#define MDEV_DEVICES "/sys/bus/mdev/devices"

/* Where the pc machine's PCI hotplug is, and where dev0 was plugged */
#define ACPI_PCIHP_EJECT 0xae08
#define ACPI_PCIHP_SEL 0xae10
#define SLOT_DEV0 2

/* The file descriptors that the simulator is asked to provide */
#define FD_IOMMUFD 100
#define FD_DEVICE 101

#define DEADLINE_S 120

#define ROM_SIZE (64 * KiB)
#define ROM_STUB 0x200          /* behind the boot sector */
#define ROM_RESET 0xfff0

static char *dir;

/*
 * What a case can ask for that the kernel module cannot do.  @property begins
 * a property of a device, or of the IOMMUFD.
 */
static const struct {
    const char *property;
    const char *reason;
} kernel_lacks[] = {
    { "change-process=off", "the kernel that runs this has no IOMMUFD" },
    { "dirty-log=device",
      "the kernel that runs this has no IOMMUFD, and so no device dirty log" },
    { "dirty-log=both",
      "the kernel that runs this has no IOMMUFD, and so no device dirty log" },
    { "dirty-log=off", "the container logs the DMA of all mediated devices" },
    { "drop-log-every=", "the container logs the DMA of all mediated devices" },
    { "precopy-v2=off", "the VFIO core decides that, for all devices" },
};

/* What it cannot do where the VFIO core has no VFIO_PRECOPY_INFO_REINIT */
static const char *const v2_properties[] = {
    "precopy-v2=on", "reinit-at=", "reinit-every=",
};

static bool use_kernel(void)
{
    return !g_strcmp0(getenv(ENV_FRONTEND), "kernel");
}

static char *sysfs_read(const char *dir, const char *name)
{
    g_autofree char *path = g_build_filename(dir, name, NULL);
    g_autoptr(GError) err = NULL;
    char *text = NULL;

    if (!g_file_get_contents(path, &text, NULL, &err)) {
        g_printerr("%s\n", err->message);
        g_assert_not_reached();
    }
    return g_strchomp(text);
}

static void sysfs_write(const char *dir, const char *name, const char *value)
{
    g_autofree char *path = g_build_filename(dir, name, NULL);
    int fd = open(path, O_WRONLY);
    size_t len = strlen(value);

    if (fd < 0 || write(fd, value, len) != len) {
        g_printerr("cannot write '%s' to %s: %s\n", value, path,
                   strerror(errno));
        g_assert_not_reached();
    }
    close(fd);
}

static char *mdev_create(void)
{
    g_autofree char *uuid = g_uuid_string_random();

    sysfs_write(MDEV_TYPE, "create", uuid);
    return g_build_filename(MDEV_DEVICES, uuid, NULL);
}

static bool kernel_has_v2(void)
{
    static int has = -1;

    if (has < 0) {
        g_autofree char *sysfs = mdev_create();
        g_autofree char *value = sysfs_read(sysfs, "vfio_sim/precopy-v2");

        has = g_str_equal(value, "on");
        sysfs_write(sysfs, "remove", "1");
    }
    return has;
}

/* NULL, or why the kernel module cannot do it */
static const char *kernel_refuses(const char *property)
{
    int i;

    for (i = 0; i < ARRAY_SIZE(kernel_lacks); i++) {
        if (g_str_has_prefix(property, kernel_lacks[i].property)) {
            return kernel_lacks[i].reason;
        }
    }
    for (i = 0; i < ARRAY_SIZE(v2_properties); i++) {
        if (g_str_has_prefix(property, v2_properties[i]) &&
            !kernel_has_v2()) {
            return "the kernel that runs this is older than Linux 7.1, and "
                   "has no VFIO_PRECOPY_INFO_REINIT";
        }
    }
    return NULL;
}

bool vfio_sim_supports(const char *const *devices, const char *iommufd_props)
{
    const char *frontend = getenv(ENV_FRONTEND);
    g_autoptr(GString) all = g_string_new(iommufd_props);
    g_auto(GStrv) properties = NULL;
    int i;

    if (!use_kernel()) {
        if (!frontend || access(frontend, R_OK)) {
            g_test_skip(ENV_FRONTEND " does not name the simulator's library");
            return false;
        }
        return true;
    }
    if (access(MDEV_TYPE, R_OK)) {
        g_test_skip("the simulator's kernel module is not loaded");
        return false;
    }
    for (; devices && *devices; devices++) {
        g_string_append_printf(all, ",%s", *devices);
    }
    properties = g_strsplit(all->str, ",", -1);
    for (i = 0; properties[i]; i++) {
        const char *reason = kernel_refuses(properties[i]);

        if (reason) {
            g_test_skip(reason);
            return false;
        }
    }
    return true;
}

static void dir_remove_hook(void *opaque)
{
    if (!getenv(ENV_LOGS)) {
        vfio_sim_dir_remove();
    }
}

const char *vfio_sim_dir(void)
{
    if (!dir) {
        dir = g_build_filename(getenv(ENV_LOGS) ?: g_get_tmp_dir(),
                               "vfio-migration-test-XXXXXX", NULL);
        g_assert(g_mkdtemp(dir));
        qtest_add_abrt_handler(dir_remove_hook, &dir);
    }
    return dir;
}

void vfio_sim_dir_remove(void)
{
    g_autofree char *path = g_steal_pointer(&dir);
    const char *name;
    GDir *d;

    if (!path) {
        return;
    }
    d = g_dir_open(path, 0, NULL);
    while (d && (name = g_dir_read_name(d))) {
        g_autofree char *file = g_build_filename(path, name, NULL);

        g_unlink(file);
    }
    if (d) {
        g_dir_close(d);
    }
    rmdir(path);
    qtest_remove_abrt_handler(&dir);
}

/*
 * A ROM that runs the guest at once.  With firmware each start would take a
 * second, and the guest's memory would be written behind our back.
 */
static char *rom_create(VfioSimGuest guest)
{
    static const uint8_t reset[] = {
        0xea, ROM_STUB & 0xff, ROM_STUB >> 8, 0x00, 0xf0,
                                /* ljmp $0xf000, $ROM_STUB */
    };
    static const uint8_t boot[] = {
        0xfa,                   /* cli */
        0xfc,                   /* cld */
        0x31, 0xc0,             /* xor %ax, %ax */
        0x8e, 0xc0,             /* mov %ax, %es */
        0xb8, 0x00, 0xf0,       /* mov $0xf000, %ax */
        0x8e, 0xd8,             /* mov %ax, %ds */
        0x31, 0xf6,             /* xor %si, %si */
        0xbf, 0x00, 0x7c,       /* mov $0x7c00, %di */
        0xb9, 0x00, 0x01,       /* mov $0x100, %cx */
        0xf3, 0xa5,             /* rep movsw */
        0x8c, 0xc0,             /* mov %es, %ax */
        0x8e, 0xd8,             /* mov %ax, %ds */
        0xea, 0x00, 0x7c, 0x00, 0x00,   /* ljmp $0, $0x7c00 */
    };
    static const uint8_t idle[] = {
        0xfa,                   /* cli */
        0xf4,                   /* hlt */
        0xeb, 0xfd,             /* jmp back to the hlt */
    };
    g_autofree char *rom = g_malloc0(ROM_SIZE);
    char *path = g_build_filename(vfio_sim_dir(), "guest.rom", NULL);

    memcpy(rom + ROM_RESET, reset, sizeof(reset));
    if (guest == VFIO_SIM_GUEST_IDLE) {
        memcpy(rom + ROM_STUB, idle, sizeof(idle));
    } else {
        g_autofree char *sector = NULL;
        gsize len;

        g_assert(g_file_get_contents(bootfile_create("x86_64", dir, false),
                                     &sector, &len, NULL));
        g_assert_cmpuint(len, ==, ROM_STUB);
        memcpy(rom, sector, len);
        memcpy(rom + ROM_STUB, boot, sizeof(boot));
        bootfile_delete();
    }

    g_assert(g_file_set_contents(path, rom, ROM_SIZE, NULL));
    return path;
}

static bool event_seen(QTestState *qts, const char *name, QDict *event,
                       void *opaque)
{
    VfioSimVM *vm = opaque;

    if (g_str_equal(name, "MIGRATION_PASS")) {
        uint64_t pass = qdict_get_int(qdict_get_qdict(event, "data"), "pass");

        /* The counter starts anew with each migration; else no gaps */
        if (pass != 1) {
            g_assert_cmpuint(pass, ==, vm->last_pass + 1);
        }
        vm->last_pass = pass;
        return true;
    } else if (g_str_equal(name, "STOP")) {
        vm->n_stop++;
        return true;
    } else if (g_str_equal(name, "RESUME")) {
        return true;
    }
    return false;
}

/* The library makes file descriptors; QEMU is told their numbers. */
static void library_devices(VfioSimVM *vm, const char *const *devices,
                            const char *device_props,
                            const char *iommufd_props, GString *cmd,
                            GString *opts)
{
    g_autofree char *preload = NULL;
    g_autofree char *quoted = NULL;
    g_autoptr(GString) env = g_string_new("");
    const char *others = getenv("LD_PRELOAD");
    int i;

    g_string_append_printf(opts, " -object iommufd,id=iommufd0,fd=%d",
                           FD_IOMMUFD);
    for (i = 0; i < vm->n_devices; i++) {
        g_string_append_printf(env, "%sfd=%d,control=%s/%s-%d,%s",
                               i ? ";" : "", FD_DEVICE + i, vfio_sim_dir(),
                               vm->name, i, devices[i]);
        g_string_append_printf(opts, " -device vfio-pci,id=dev%d,fd=%d,"
                               "iommufd=iommufd0,enable-migration=on%s",
                               i, FD_DEVICE + i, device_props);
    }

    /*
     * The simulator is for this QEMU only, neither for the shell that starts
     * it nor for this process.
     */
    preload = g_strdup_printf("%s%s%s", others ?: "", others ? ":" : "",
                              getenv(ENV_FRONTEND));
    quoted = g_shell_quote(env->str);
    g_string_append_printf(cmd, "env LD_PRELOAD=%s VFIO_SIM_IOMMUFD=fd=%d%s "
                           "VFIO_SIM_DEVICES=%s ", preload, FD_IOMMUFD,
                           iommufd_props, quoted);
}

/* The kernel module makes mediated devices. */
static void kernel_devices(VfioSimVM *vm, const char *const *devices,
                           const char *device_props, GString *opts)
{
    int i, j;

    for (i = 0; i < vm->n_devices; i++) {
        g_auto(GStrv) keys = g_strsplit(devices[i], ",", -1);
        VfioSimDevice *d = &vm->devices[i];

        d->sysfs = mdev_create();
        for (j = 0; keys[j]; j++) {
            g_auto(GStrv) pair = g_strsplit(keys[j], "=", 2);

            g_assert(pair[0] && pair[1]);
            vfio_sim_set(vm, i, pair[0], pair[1]);
        }
        g_string_append_printf(opts, " -device vfio-pci,id=dev%d,sysfsdev=%s,"
                               "enable-migration=on%s", i, d->sysfs,
                               device_props);
    }
}

/* What went over the monitor, and the states of the devices, go there. */
static void log_options(const char *name, GString *opts)
{
    static unsigned int n;

    if (getenv(ENV_LOGS)) {
        g_string_append_printf(opts, " -D %s/%s-%u.log "
                               "-trace handle_qmp_command "
                               "-trace monitor_qmp_respond "
                               "-trace vfio_migration_set_device_state",
                               vfio_sim_dir(), name, n++);
    }
}

void vfio_sim_start(VfioSimVM *vm, const char *name,
                    const char *const *devices, const char *device_props,
                    const char *iommufd_props, VfioSimGuest guest,
                    const char *args)
{
    g_autofree char *rom = rom_create(guest);
    g_autoptr(GString) opts = g_string_new("");
    g_autoptr(GString) cmd = g_string_new("");
    const char *binary;
    int i;

    *vm = (VfioSimVM) { .name = name };
    while (devices && devices[vm->n_devices]) {
        g_assert_cmpint(vm->n_devices, <, VFIO_SIM_MAX_DEVICES);
        vm->n_devices++;
    }

    g_string_printf(opts, "-accel tcg -machine pc -nodefaults "
                    "-global apic-common.vapic=off -name %s "
                    "-m %s -bios %s %s", name,
                    guest == VFIO_SIM_GUEST_IDLE ? "16M" : "128M", rom, args);
    log_options(name, opts);
    if (!devices) {
        /* none */
    } else if (use_kernel()) {
        kernel_devices(vm, devices, device_props, opts);
    } else {
        library_devices(vm, devices, device_props, iommufd_props, cmd, opts);
    }

    binary = g_str_equal(name, "src") ? "QTEST_QEMU_BINARY_SRC" :
             g_str_equal(name, "dst") ? "QTEST_QEMU_BINARY_DST" : NULL;
    g_string_append(cmd, qtest_qemu_binary(binary));
    g_setenv(ENV_QEMU, cmd->str, true);
    vm->qts = qtest_init_ext(ENV_QEMU, opts->str, NULL, true);
    qtest_qmp_set_event_callback(vm->qts, event_seen, vm);

    for (i = 0; i < vm->n_devices && !vm->devices[i].sysfs; i++) {
        g_autofree char *path = g_strdup_printf("%s/%s-%d", vfio_sim_dir(),
                                                name, i);

        vm->devices[i].fd = unix_connect(path, &error_abort);
        vm->devices[i].rx = fdopen(dup(vm->devices[i].fd), "r");
        g_assert(vm->devices[i].rx);
    }
}

/* qtest_quit() looks only ten times a second if QEMU is gone */
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
        g_autofree char *path = g_strdup_printf("%s/%s-%d", vfio_sim_dir(),
                                                vm->name, i);

        if (d->sysfs) {
            sysfs_write(d->sysfs, "remove", "1");
            g_free(g_steal_pointer(&d->sysfs));
            continue;
        }
        fclose(d->rx);
        close(d->fd);
        g_unlink(path);
    }
    vm->n_devices = 0;
}

void vfio_sim_unplug_dev0(VfioSimVM *vm)
{
    qtest_qmp_device_del_send(vm->qts, "dev0");
    qtest_outl(vm->qts, ACPI_PCIHP_SEL, 0);
    qtest_outl(vm->qts, ACPI_PCIHP_EJECT, 1 << SLOT_DEV0);
    qtest_qmp_eventwait(vm->qts, "DEVICE_DELETED");
}

bool vfio_sim_running(VfioSimVM *vm)
{
    QDict *rsp = qtest_qmp_assert_success_ref(vm->qts,
                                              "{ 'execute': 'query-status' }");
    bool running = qdict_get_bool(rsp, "running");

    qobject_unref(rsp);
    return running;
}

static char *request(VfioSimVM *vm, int dev, const char *line)
{
    VfioSimDevice *d = &vm->devices[dev];
    char *reply = NULL;
    size_t size = 0;
    ssize_t len;

    g_assert_cmpint(qemu_write_full(d->fd, line, strlen(line)), ==,
                    strlen(line));
    len = getline(&reply, &size, d->rx);
    if (len <= 0 || !g_str_has_prefix(reply, "ok")) {
        g_printerr("simulator of %s dev%d says '%s' to %s", vm->name, dev,
                   len > 0 ? reply : "nothing", line);
        g_assert_not_reached();
    }
    return g_strstrip(reply);
}

/* The directory in sysfs, if it is a device of the kernel module */
static const char *device_sysfs(VfioSimVM *vm, int dev)
{
    g_assert_cmpint(dev, <, vm->n_devices);
    return vm->devices[dev].sysfs;
}

char *vfio_sim_get_str(VfioSimVM *vm, int dev, const char *key)
{
    g_autofree char *line = g_strdup_printf("get %s\n", key);
    g_autofree char *reply = NULL;

    if (device_sysfs(vm, dev)) {
        g_autofree char *name = g_strdup_printf("vfio_sim/%s", key);

        return sysfs_read(device_sysfs(vm, dev), name);
    }
    reply = request(vm, dev, line);
    return g_strdup(g_strchug(reply + strlen("ok")));
}

uint64_t vfio_sim_get(VfioSimVM *vm, int dev, const char *key)
{
    g_autofree char *reply = vfio_sim_get_str(vm, dev, key);
    uint64_t value;

    g_assert_cmpint(qemu_strtou64(reply, NULL, 10, &value), ==, 0);
    return value;
}

void vfio_sim_set(VfioSimVM *vm, int dev, const char *key, const char *value)
{
    g_autofree char *line = g_strdup_printf("set %s %s\n", key, value);
    g_autofree char *reply = NULL;

    if (device_sysfs(vm, dev)) {
        g_autofree char *name = g_strdup_printf("vfio_sim/%s", key);

        sysfs_write(device_sysfs(vm, dev), name, value);
        return;
    }
    reply = request(vm, dev, line);
}

void vfio_sim_check_error(VfioSimVM *vm, const char *part)
{
    QDict *rsp = migrate_query(vm->qts);
    g_autofree char *error =
        g_strdup(qdict_get_try_str(rsp, "error-desc") ?: "");
    int i;

    /* QEMU calls a mediated device by its UUID, not by its id */
    for (i = 0; i < vm->n_devices && device_sysfs(vm, i); i++) {
        g_autofree char *uuid = g_path_get_basename(device_sysfs(vm, i));
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
