/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QTest testcases for the switchover acks of VFIO devices: is a device's
 * initial data on the destination before the guest is stopped, also when the
 * device re-initialises; the devices are simulated (tests/vfio-sim)
 *
 * Environment: QTEST_VFIO_STOCK_QEMU is the path of a QEMU of the same base
 * without these changes, for the cases in which one side is such a QEMU.
 */

#include "qemu/osdep.h"
#include "vfio-acks/acks.h"

static void add_tests(void)
{
    add_first_tests();
    add_stock_tests();
    add_reinit_tests();
    add_roll_back_tests();
    add_initial_size_tests();
    add_answer_tests();
    add_cancel_tests();
    add_failure_tests();
}

int main(int argc, char **argv)
{
    return vfio_case_main(argc, argv, "/vfio/acks", add_tests);
}
