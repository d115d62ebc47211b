/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The files of a test case, which outlive it only if it fails
 */

#include "qemu/osdep.h"
#include <glib/gstdio.h>
#include "libqtest.h"
#include "vfio/case-dir.h"

#define ENV_LOGS "QTEST_VFIO_SIM_LOGS"

static char *dir;
static char *log_dir;

static char *make_dir(const char *parent, const char *name)
{
    g_autofree char *template = g_strdup_printf("%s-XXXXXX", name);
    char *path = g_build_filename(parent, template, NULL);

    if (!g_mkdtemp(path)) {
        g_printerr("cannot make %s: %s\n", path, strerror(errno));
        g_assert_not_reached();
    }
    return path;
}

static void remove_dir(char *path)
{
    const char *name;
    GDir *d = g_dir_open(path, 0, NULL);

    while (d && (name = g_dir_read_name(d))) {
        g_autofree char *file = g_build_filename(path, name, NULL);

        g_unlink(file);
    }
    if (d) {
        g_dir_close(d);
    }
    rmdir(path);
    g_free(path);
}

/* The case has failed */
static void keep_logs(void *opaque)
{
    remove_dir(g_steal_pointer(&dir));
    g_printerr("The logs of the case are in %s\n", log_dir);
}

void case_dir_begin(const char *path)
{
    const char *logs = getenv(ENV_LOGS);
    g_autofree char *name = g_strdelimit(g_strdup(path + 1), "/", '-');

    /* The path of a socket in it has at most 107 characters */
    dir = make_dir(g_get_tmp_dir(), "vfio-test");
    log_dir = make_dir(logs ?: g_get_tmp_dir(), name);
    qtest_add_abrt_handler(keep_logs, &dir);
}

void case_dir_end(void)
{
    qtest_remove_abrt_handler(&dir);
    remove_dir(g_steal_pointer(&dir));
    remove_dir(g_steal_pointer(&log_dir));
}

const char *case_dir(void)
{
    return dir;
}

const char *case_log_dir(void)
{
    return log_dir;
}
