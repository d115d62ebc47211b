/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The cases of vfio-migration-test
 *
 * Most of them use an idle guest: then RAM has nothing left after the first
 * pass, and all numbers are those of the devices.  They set
 * avail-switchover-bandwidth, so that nothing depends on the machine's speed.
 * No time is measured: a case waits for a number or for a state.
 */

#ifndef QTEST_VFIO_TESTS_H
#define QTEST_VFIO_TESTS_H

#include "qemu/units.h"
#include "vfio/case.h"

/* Bytes per second, where the case does not depend on the value */
#define BANDWIDTH (64 * MiB)

/* 64 MiB take 1 s at BANDWIDTH: more than LIMIT, which is in ms */
#define STOP_64M "stop-bytes=64M"
#define LIMIT 300

/* What QEMU assumes for a device that never reported its size */
#define UNKNOWN_SIZE (100 * GiB)

/* "info migrate" fits the replies of query-migrate before and after it */
void check_hmp_remaining(MigPair *p);

void add_bad_size_tests(void);
void add_bandwidth_tests(void);
void add_cancel_tests(void);
void add_decision_tests(void);
void add_fault_tests(void);
void add_hand_over_tests(void);
void add_postcopy_tests(void);
void add_query_tests(void);
void add_session_tests(void);
void add_transfer_tests(void);
void add_wait_tests(void);

#endif
