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

#define ENV_LIBRARY "QTEST_VFIO_SIM"
#define ENV_QEMU "QTEST_VFIO_SIM_QEMU"

/* The file descriptors that the simulator is asked to provide */
#define FD_IOMMUFD 100
#define FD_DEVICE 101

#define DEADLINE_S 120

#define ROM_SIZE (64 * KiB)
#define ROM_STUB 0x200          /* behind the boot sector */
#define ROM_RESET 0xfff0

static char *dir;

const char *vfio_sim_library(void)
{
    const char *path = getenv(ENV_LIBRARY);

    if (!path || access(path, R_OK)) {
        g_test_skip(ENV_LIBRARY " does not name the simulator's library");
        return NULL;
    }
    return path;
}

static void dir_remove_hook(void *opaque)
{
    vfio_sim_dir_remove();
}

const char *vfio_sim_dir(void)
{
    if (!dir) {
        dir = g_dir_make_tmp("vfio-migration-test-XXXXXX", NULL);
        g_assert(dir);
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

void vfio_sim_start(VfioSimVM *vm, const char *name,
                    const char *const *devices, const char *device_props,
                    const char *iommufd_props, VfioSimGuest guest,
                    const char *args)
{
    g_autofree char *rom = rom_create(guest);
    g_autofree char *preload = NULL;
    g_autoptr(GString) env = g_string_new("");
    g_autoptr(GString) opts = g_string_new("");
    g_autoptr(GString) cmd = g_string_new("");
    g_autofree char *quoted = NULL;
    const char *others = getenv("LD_PRELOAD");
    int i;

    *vm = (VfioSimVM) { .name = name };

    g_string_printf(opts, "-accel tcg -machine pc -nodefaults "
                    "-global apic-common.vapic=off -name %s "
                    "-m %s -bios %s %s", name,
                    guest == VFIO_SIM_GUEST_IDLE ? "16M" : "128M", rom, args);

    if (devices) {
        g_string_append_printf(opts, " -object iommufd,id=iommufd0,fd=%d",
                               FD_IOMMUFD);
    }
    for (i = 0; devices && devices[i]; i++) {
        g_assert_cmpint(i, <, VFIO_SIM_MAX_DEVICES);
        g_string_append_printf(env, "%sfd=%d,control=%s/%s-%d,%s",
                               i ? ";" : "", FD_DEVICE + i, vfio_sim_dir(),
                               name, i, devices[i]);
        g_string_append_printf(opts, " -device vfio-pci,id=dev%d,fd=%d,"
                               "iommufd=iommufd0,enable-migration=on%s",
                               i, FD_DEVICE + i, device_props);
    }
    vm->n_devices = i;

    /*
     * The simulator is for this QEMU only, neither for the shell that starts
     * it nor for this process.
     */
    if (devices) {
        preload = g_strdup_printf("%s%s%s", others ?: "", others ? ":" : "",
                                  vfio_sim_library());
        quoted = g_shell_quote(env->str);
        g_string_printf(cmd, "env LD_PRELOAD=%s VFIO_SIM_IOMMUFD=fd=%d%s "
                        "VFIO_SIM_DEVICES=%s ", preload, FD_IOMMUFD,
                        iommufd_props, quoted);
    }
    g_string_append(cmd, qtest_qemu_binary(NULL));
    g_setenv(ENV_QEMU, cmd->str, true);
    vm->qts = qtest_init_ext(ENV_QEMU, opts->str, NULL, true);
    qtest_qmp_set_event_callback(vm->qts, event_seen, vm);

    for (i = 0; i < vm->n_devices; i++) {
        g_autofree char *path = g_strdup_printf("%s/%s-%d", vfio_sim_dir(),
                                                name, i);

        vm->devices[i].fd = unix_connect(path, &error_abort);
        vm->devices[i].rx = fdopen(dup(vm->devices[i].fd), "r");
        g_assert(vm->devices[i].rx);
    }
}

void vfio_sim_quit(VfioSimVM *vm)
{
    int i;

    if (!vm->qts) {
        return;
    }
    qtest_quit(g_steal_pointer(&vm->qts));
    for (i = 0; i < vm->n_devices; i++) {
        g_autofree char *path = g_strdup_printf("%s/%s-%d", vfio_sim_dir(),
                                                vm->name, i);

        fclose(vm->devices[i].rx);
        close(vm->devices[i].fd);
        g_unlink(path);
    }
    vm->n_devices = 0;
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

    g_assert_cmpint(dev, <, vm->n_devices);
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

char *vfio_sim_get_str(VfioSimVM *vm, int dev, const char *key)
{
    g_autofree char *line = g_strdup_printf("get %s\n", key);
    g_autofree char *reply = request(vm, dev, line);

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
    g_autofree char *reply = request(vm, dev, line);
}

void vfio_sim_check_error(VfioSimVM *vm, const char *part)
{
    QDict *rsp = migrate_query(vm->qts);
    const char *error = qdict_get_try_str(rsp, "error-desc") ?: "";

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
