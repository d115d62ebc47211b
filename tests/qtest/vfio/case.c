/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Test cases with a pair of QEMUs: set-up, skip and tear-down
 */

#include "qemu/osdep.h"
#include "libqtest.h"
#include "vfio/case-dir.h"
#include "vfio/case.h"

static void case_run(const void *opaque)
{
    const VfioCase *c = opaque;
    const char *missing = pair_missing(&c->pair);
    MigPair p;

    if (missing) {
        g_test_skip(missing);
        return;
    }
    g_test_message("%s", c->description);

    case_dir_begin(c->path);
    pair_start(&p, &c->pair);
    c->run(&p, c->data);
    pair_end(&p);
    case_dir_end();
}

static const char *program_path;

void vfio_case_add(const VfioCase *c)
{
    VfioCase *copy = g_new(VfioCase, 1);

    g_assert(c->description);
    *copy = *c;
    copy->path = g_strdup_printf("%s/%s", program_path, c->path);
    qtest_add_data_func(copy->path, copy, case_run);
}

void vfio_case_add_as(const char *group, const char *name, const VfioCase *c)
{
    g_autofree char *path = g_strdup_printf("%s/%s", group, name);
    VfioCase named = *c;

    named.path = path;
    vfio_case_add(&named);
}

int vfio_case_main(int argc, char **argv, const char *path,
                   void (*add)(void))
{
    g_test_init(&argc, &argv, NULL);

    program_path = path;
    if (qtest_has_accel("tcg") && qtest_has_machine("pc") &&
        qtest_has_device("vfio-pci")) {
        add();
    } else {
        g_test_message("needs tcg, the pc machine and vfio-pci");
    }
    return g_test_run();
}
