/*
 * Unit tests for the cached sizes of VFIO migration data
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/units.h"
#include "hw/vfio/migration-sizes.h"

static void check(const VFIOMigrationSizes *sizes, bool precopy,
                  uint64_t precopy_bytes, uint64_t stopcopy_bytes)
{
    uint64_t p = 42, s = 42;

    vfio_mig_sizes_pending(sizes, precopy, &p, &s);
    g_assert_cmpuint(p, ==, precopy_bytes);
    g_assert_cmpuint(s, ==, stopcopy_bytes);
}

static void test_split(void)
{
    VFIOMigrationSizes sizes;

    vfio_mig_sizes_reset(&sizes);
    vfio_mig_sizes_set_precopy(&sizes, 10, 20);
    vfio_mig_sizes_set_stop_copy(&sizes, 100);

    /* The stop-copy length includes what precopy could move */
    check(&sizes, true, 30, 70);
    /* Stopped, or without PRE_COPY: nothing moves while running */
    check(&sizes, false, 0, 100);

    /* Read one after the other, so one may be behind the other */
    vfio_mig_sizes_set_stop_copy(&sizes, 30);
    check(&sizes, true, 30, 0);
    vfio_mig_sizes_set_stop_copy(&sizes, 29);
    check(&sizes, true, 30, 0);
    vfio_mig_sizes_set_stop_copy(&sizes, 0);
    check(&sizes, true, 30, 0);
    check(&sizes, false, 0, 0);
}

static void test_never_known(void)
{
    VFIOMigrationSizes sizes;

    vfio_mig_sizes_reset(&sizes);
    check(&sizes, true, 0, 100 * GiB);
    check(&sizes, false, 0, 100 * GiB);

    vfio_mig_sizes_set_precopy(&sizes, GiB, 0);
    check(&sizes, true, GiB, 99 * GiB);
    vfio_mig_sizes_read(&sizes, GiB);
    check(&sizes, true, 0, 100 * GiB);

    /* Known to be nothing is not the same as never known */
    vfio_mig_sizes_set_stop_copy(&sizes, 0);
    check(&sizes, false, 0, 0);

    vfio_mig_sizes_reset(&sizes);
    check(&sizes, false, 0, 100 * GiB);
}

static void test_read(void)
{
    VFIOMigrationSizes sizes;

    vfio_mig_sizes_reset(&sizes);
    vfio_mig_sizes_set_precopy(&sizes, 10, 20);
    vfio_mig_sizes_set_stop_copy(&sizes, 100);

    /* Initial data goes first */
    vfio_mig_sizes_read(&sizes, 4);
    g_assert_cmpuint(sizes.initial, ==, 6);
    g_assert_cmpuint(sizes.dirty, ==, 20);
    check(&sizes, true, 26, 70);

    /* A read that crosses from one to the other */
    vfio_mig_sizes_read(&sizes, 16);
    g_assert_cmpuint(sizes.initial, ==, 0);
    g_assert_cmpuint(sizes.dirty, ==, 10);
    check(&sizes, true, 10, 70);

    /* More than precopy had: the rest was taken from the whole */
    vfio_mig_sizes_read(&sizes, 15);
    check(&sizes, true, 0, 65);

    /* More than was announced at all */
    vfio_mig_sizes_read(&sizes, UINT64_MAX);
    check(&sizes, true, 0, 0);
    vfio_mig_sizes_read(&sizes, 1);
    check(&sizes, true, 0, 0);
}

static void test_precopy_empty(void)
{
    VFIOMigrationSizes sizes;

    vfio_mig_sizes_reset(&sizes);
    vfio_mig_sizes_set_precopy(&sizes, 10, 20);
    vfio_mig_sizes_set_stop_copy(&sizes, 100);

    /* Nothing was moved, so all of it is left for the stop */
    vfio_mig_sizes_precopy_empty(&sizes);
    check(&sizes, true, 0, 100);
}

static void test_garbage(void)
{
    static const uint64_t garbage[] = {
        0, 1, 4 * KiB, 100 * GiB, INT64_MAX, UINT64_MAX - 1, UINT64_MAX
    };

    for (int i = 0; i < ARRAY_SIZE(garbage); i++) {
        for (int j = 0; j < ARRAY_SIZE(garbage); j++) {
            for (int k = 0; k < ARRAY_SIZE(garbage); k++) {
                uint64_t init = garbage[i], dirty = garbage[j];
                uint64_t stop = garbage[k];
                uint64_t pre = init > UINT64_MAX - dirty ? UINT64_MAX
                                                         : init + dirty;
                VFIOMigrationSizes sizes;

                vfio_mig_sizes_reset(&sizes);
                vfio_mig_sizes_set_precopy(&sizes, init, dirty);
                vfio_mig_sizes_set_stop_copy(&sizes, stop);
                check(&sizes, true, pre, stop > pre ? stop - pre : 0);
                check(&sizes, false, 0, stop);

                vfio_mig_sizes_read(&sizes, stop);
                check(&sizes, false, 0, 0);
            }
        }
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    g_test_add_func("/vfio/migration-sizes/split", test_split);
    g_test_add_func("/vfio/migration-sizes/never-known", test_never_known);
    g_test_add_func("/vfio/migration-sizes/read", test_read);
    g_test_add_func("/vfio/migration-sizes/precopy-empty", test_precopy_empty);
    g_test_add_func("/vfio/migration-sizes/garbage", test_garbage);

    return g_test_run();
}
