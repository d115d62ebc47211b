/*
 * Unit tests for what pages of RAM cost on the wire
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/units.h"
#include "migration/wire-cost.h"

#define PAGE 4096

static void check(const MigWireCost *cost, uint64_t per_page)
{
    g_assert_cmpuint(mig_wire_cost_get(cost, 1000 * PAGE, PAGE), ==,
                     1000 * per_page);
}

/* Nothing was sent, or pages and more */
static void test_plain(void)
{
    MigWireCost cost = { };

    check(&cost, PAGE);
    mig_wire_cost_update(&cost, 10, 10 * (PAGE + 8));
    check(&cost, PAGE);
    mig_wire_cost_update(&cost, 11, UINT64_MAX);
    check(&cost, PAGE);
    g_assert_cmpuint(mig_wire_cost_get(&cost, UINT64_MAX, PAGE), ==,
                     UINT64_MAX);
}

/* Zero pages of 9 bytes, rounded up, from the first one on */
static void test_zero_pages(void)
{
    MigWireCost cost = { };
    uint64_t i;

    for (i = 1; i < 5000; i += 100) {
        mig_wire_cost_update(&cost, i, i * 9);
        check(&cost, 10);
    }
    g_assert_cmpuint(mig_wire_cost_get(&cost, 8 * TiB, PAGE), ==,
                     8 * TiB / PAGE * 10);
}

/* Only what was sent lately counts */
static void test_lately(void)
{
    MigWireCost cost = { };
    uint64_t pages = 100000, bytes = 900000;

    mig_wire_cost_update(&cost, pages, bytes);
    check(&cost, 10);
    pages += MIG_WIRE_COST_PAGES - 1;
    bytes += (MIG_WIRE_COST_PAGES - 1) * PAGE;
    mig_wire_cost_update(&cost, pages, bytes);
    g_assert_cmpuint(mig_wire_cost_get(&cost, MiB, PAGE), <, MiB / 10);
    mig_wire_cost_update(&cost, ++pages, bytes += PAGE);
    check(&cost, PAGE);

    /* A short update does not shift what is lately */
    mig_wire_cost_update(&cost, pages + 1, bytes + 9);
    g_assert_cmpuint(mig_wire_cost_get(&cost, MiB, PAGE), >, MiB * 9 / 10);
}

/* What is sent to measure the link says nothing about the rest */
static void test_skip(void)
{
    MigWireCost cost = { };

    mig_wire_cost_update(&cost, 500, 4500);
    mig_wire_cost_skip(&cost, 10000, 40000000);
    check(&cost, 10);
    mig_wire_cost_update(&cost, 10500, 40004500);
    check(&cost, 10);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/mig-wire-cost/plain", test_plain);
    g_test_add_func("/mig-wire-cost/zero-pages", test_zero_pages);
    g_test_add_func("/mig-wire-cost/lately", test_lately);
    g_test_add_func("/mig-wire-cost/skip", test_skip);
    return g_test_run();
}
