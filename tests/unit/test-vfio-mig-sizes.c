/*
 * Unit tests for the cached sizes of VFIO migration data
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/units.h"
#include "hw/vfio/migration-sizes.h"

typedef struct Fixture {
    VFIOMigrationSizes sizes;
} Fixture;

static void set_up(Fixture *f, const void *data)
{
    vfio_mig_sizes_reset(&f->sizes);
}

/* 10 bytes initial, 20 dirty, 70 only when the guest is stopped */
static void set_10_20_70(Fixture *f, const void *data)
{
    vfio_mig_sizes_reset(&f->sizes);
    vfio_mig_sizes_set_precopy(&f->sizes, 10, 20);
    vfio_mig_sizes_set_stop_copy(&f->sizes, 100);
}

/* @precopy: in a state in which the device can send precopy bytes */
static void check_pending(const VFIOMigrationSizes *sizes, bool precopy,
                          uint64_t precopy_bytes, uint64_t stopcopy_bytes)
{
    uint64_t p = 42, s = 42;

    vfio_mig_sizes_pending(sizes, precopy, &p, &s);
    g_assert_cmpuint(p, ==, precopy_bytes);
    g_assert_cmpuint(s, ==, stopcopy_bytes);
}

static void test_split(Fixture *f, const void *data)
{
    VFIOMigrationSizes *sizes = &f->sizes;

    /* The stop-copy length includes what precopy could move */
    check_pending(sizes, true, 30, 70);
    /* Stopped, or without PRE_COPY: nothing can be moved by precopy */
    check_pending(sizes, false, 0, 100);

    /* The sizes are not queried at the same time, so one may be stale */
    vfio_mig_sizes_set_stop_copy(sizes, 30);
    check_pending(sizes, true, 30, 0);
    vfio_mig_sizes_set_stop_copy(sizes, 29);
    check_pending(sizes, true, 30, 0);
    vfio_mig_sizes_set_stop_copy(sizes, 0);
    check_pending(sizes, true, 30, 0);
    check_pending(sizes, false, 0, 0);
}

static void test_never_known(Fixture *f, const void *data)
{
    VFIOMigrationSizes *sizes = &f->sizes;

    check_pending(sizes, true, 0, 100 * GiB);
    check_pending(sizes, false, 0, 100 * GiB);

    vfio_mig_sizes_set_precopy(sizes, GiB, 0);
    check_pending(sizes, true, GiB, 99 * GiB);
    vfio_mig_sizes_read(sizes, GiB);
    check_pending(sizes, true, 0, 100 * GiB);

    /* A length that is known to be 0 is not an unknown length */
    vfio_mig_sizes_set_stop_copy(sizes, 0);
    check_pending(sizes, false, 0, 0);

    vfio_mig_sizes_reset(sizes);
    check_pending(sizes, false, 0, 100 * GiB);
}

static void test_read(Fixture *f, const void *data)
{
    VFIOMigrationSizes *sizes = &f->sizes;

    /* Initial data goes first */
    vfio_mig_sizes_read(sizes, 4);
    g_assert_cmpuint(sizes->initial, ==, 6);
    g_assert_cmpuint(sizes->dirty, ==, 20);
    check_pending(sizes, true, 26, 70);

    /* A read that crosses from one to the other */
    vfio_mig_sizes_read(sizes, 16);
    g_assert_cmpuint(sizes->initial, ==, 0);
    g_assert_cmpuint(sizes->dirty, ==, 10);
    check_pending(sizes, true, 10, 70);

    /* More than the precopy bytes: the rest were stopcopy bytes */
    vfio_mig_sizes_read(sizes, 15);
    check_pending(sizes, true, 0, 65);

    /* More than was reported in all */
    vfio_mig_sizes_read(sizes, UINT64_MAX);
    check_pending(sizes, true, 0, 0);
    vfio_mig_sizes_read(sizes, 1);
    check_pending(sizes, true, 0, 0);
}

static void test_precopy_empty(Fixture *f, const void *data)
{
    VFIOMigrationSizes *sizes = &f->sizes;

    /* Nothing was moved, so all of it can be moved only when stopped */
    vfio_mig_sizes_precopy_empty(sizes);
    check_pending(sizes, true, 0, 100);
}

/* Nothing that the kernel reports makes a sum wrap */
static void test_extremes(void)
{
    static const uint64_t extremes[] = {
        0, 1, 4 * KiB, 100 * GiB, INT64_MAX, UINT64_MAX - 1, UINT64_MAX
    };

    for (int i = 0; i < ARRAY_SIZE(extremes); i++) {
        for (int j = 0; j < ARRAY_SIZE(extremes); j++) {
            for (int k = 0; k < ARRAY_SIZE(extremes); k++) {
                uint64_t init = extremes[i], dirty = extremes[j];
                uint64_t stop = extremes[k];
                uint64_t pre = init > UINT64_MAX - dirty ? UINT64_MAX
                                                         : init + dirty;
                VFIOMigrationSizes sizes;

                vfio_mig_sizes_reset(&sizes);
                vfio_mig_sizes_set_precopy(&sizes, init, dirty);
                vfio_mig_sizes_set_stop_copy(&sizes, stop);
                check_pending(&sizes, true, pre, stop > pre ? stop - pre : 0);
                check_pending(&sizes, false, 0, stop);

                vfio_mig_sizes_read(&sizes, stop);
                check_pending(&sizes, false, 0, 0);
            }
        }
    }
}

/*
 * The highest rate counts, but not the first: a read may also have waited for
 * data
 */
static void test_rate(Fixture *f, const void *data)
{
    VFIOMigrationSizes *sizes = &f->sizes;

    g_assert_cmpuint(vfio_mig_sizes_read_ms(sizes, GiB), ==, 0);
    vfio_mig_sizes_read_took(sizes, 8 * MiB, 1000000);
    vfio_mig_sizes_read_took(sizes, 8 * MiB - 1, 1);
    g_assert_cmpuint(vfio_mig_sizes_read_ms(sizes, GiB), ==, 0);

    vfio_mig_sizes_reset(sizes);
    vfio_mig_sizes_read_took(sizes, 8 * MiB, 1);
    vfio_mig_sizes_read_took(sizes, 4 * MiB, 30000);
    vfio_mig_sizes_read_took(sizes, 4 * MiB, 50000);
    g_assert_cmpuint(vfio_mig_sizes_read_ms(sizes, 100 * MiB), ==, 1001);
    g_assert_cmpuint(vfio_mig_sizes_read_ms(sizes, 0), ==, 0);
    g_assert_cmpuint(vfio_mig_sizes_read_ms(sizes, 1), ==, 1);

    vfio_mig_sizes_read_took(sizes, 8 * MiB, 8000);
    vfio_mig_sizes_read_took(sizes, 8 * MiB, 8000000);
    g_assert_cmpuint(vfio_mig_sizes_read_ms(sizes, 1000 * MiB), ==, 1000);

    vfio_mig_sizes_reset(sizes);
    vfio_mig_sizes_read_took(sizes, 8 * MiB, 0);
    vfio_mig_sizes_read_took(sizes, 8 * MiB, UINT64_MAX / 2);
    g_assert_cmpuint(vfio_mig_sizes_read_ms(sizes, UINT64_MAX), ==,
                     UINT64_MAX);
    vfio_mig_sizes_read_took(sizes, SSIZE_MAX / 1024, 0);
    g_assert_cmpuint(vfio_mig_sizes_read_ms(sizes, GiB), ==, 1);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    g_test_add("/vfio/migration-sizes/split", Fixture, NULL, set_10_20_70,
               test_split, NULL);
    g_test_add("/vfio/migration-sizes/never-known", Fixture, NULL, set_up,
               test_never_known, NULL);
    g_test_add("/vfio/migration-sizes/read", Fixture, NULL, set_10_20_70,
               test_read, NULL);
    g_test_add("/vfio/migration-sizes/precopy-empty", Fixture, NULL,
               set_10_20_70, test_precopy_empty, NULL);
    g_test_add("/vfio/migration-sizes/rate", Fixture, NULL, set_up, test_rate,
               NULL);
    g_test_add_func("/vfio/migration-sizes/extremes", test_extremes);

    return g_test_run();
}
