/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unit tests for a VFIO device's requests for switchover acks
 */

#include "qemu/osdep.h"
#include "hw/vfio/migration-initial.h"

static void test_one_request(void)
{
    VFIOMigrationInitial initial;

    vfio_mig_initial_reset(&initial);
    g_assert_cmpuint(initial.request, ==, 0);
    g_assert(!vfio_mig_initial_unsent(&initial));

    vfio_mig_initial_begin(&initial);
    g_assert_cmpuint(initial.request, ==, 1);
    g_assert(vfio_mig_initial_unsent(&initial));
    vfio_mig_initial_sent(&initial);
    g_assert(!vfio_mig_initial_unsent(&initial));
    g_assert_cmpuint(initial.request, ==, 1);

    vfio_mig_initial_reset(&initial);
    g_assert(!vfio_mig_initial_unsent(&initial));
    vfio_mig_initial_begin(&initial);
    g_assert_cmpuint(initial.request, ==, 1);
    g_assert(vfio_mig_initial_unsent(&initial));
}

static void test_reinit(void)
{
    VFIOMigrationInitial initial;
    int i;

    vfio_mig_initial_begin(&initial);

    /* Before the first request is sent, no second one is necessary */
    for (i = 0; i < 3; i++) {
        g_assert(!vfio_mig_initial_reinit(&initial, true));
        g_assert_cmpuint(initial.request, ==, 1);
        g_assert(vfio_mig_initial_unsent(&initial));
    }
    vfio_mig_initial_sent(&initial);

    /* After that, one is, however often the device reports it */
    g_assert(vfio_mig_initial_reinit(&initial, true));
    g_assert(!vfio_mig_initial_reinit(&initial, true));
    g_assert_cmpuint(initial.request, ==, 2);
    g_assert(vfio_mig_initial_unsent(&initial));
    vfio_mig_initial_sent(&initial);
    g_assert(!vfio_mig_initial_unsent(&initial));

    g_assert(vfio_mig_initial_reinit(&initial, true));
    g_assert_cmpuint(initial.request, ==, 3);
    g_assert_cmpuint(initial.reinits, ==, 6);
}

static void test_legacy(void)
{
    VFIOMigrationInitial initial;

    vfio_mig_initial_begin(&initial);
    g_assert(!vfio_mig_initial_reinit(&initial, false));
    vfio_mig_initial_sent(&initial);
    g_assert(!vfio_mig_initial_reinit(&initial, false));
    g_assert(!vfio_mig_initial_unsent(&initial));
    g_assert_cmpuint(initial.request, ==, 1);
    g_assert_cmpuint(initial.reinits, ==, 2);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    g_test_add_func("/vfio/migration-initial/one-request",
                    test_one_request);
    g_test_add_func("/vfio/migration-initial/reinit", test_reinit);
    g_test_add_func("/vfio/migration-initial/legacy", test_legacy);

    return g_test_run();
}
