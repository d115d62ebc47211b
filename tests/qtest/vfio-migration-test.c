/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QTest testcases for the migration of VFIO devices, and for what QEMU reports
 * about it meanwhile; the devices are simulated (tests/vfio-sim)
 */

#include "qemu/osdep.h"
#include "vfio/tests.h"

static void add_tests(void)
{
    add_transfer_tests();
    add_wait_tests();
    add_decision_tests();
    add_bad_size_tests();
    add_fault_tests();
    add_bandwidth_tests();
    add_cancel_tests();
    add_session_tests();
    add_hand_over_tests();
    add_postcopy_tests();
    add_query_tests();
}

int main(int argc, char **argv)
{
    return vfio_case_main(argc, argv, "/vfio/migration", add_tests);
}
