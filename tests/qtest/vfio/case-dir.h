/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The files of a test case, which outlive it only if it fails
 *
 * Environment:
 *
 * QTEST_VFIO_SIM_LOGS      directory for the logs of cases that fail
 *                          (default: the one for temporary files)
 */

#ifndef QTEST_VFIO_CASE_DIR_H
#define QTEST_VFIO_CASE_DIR_H

/* Begin the case with this path.  Its directories are removed at the end. */
void case_dir_begin(const char *path);
void case_dir_end(void);

/* For sockets and all else that is of no use later; the path is short */
const char *case_dir(void);

/* For logs: kept, and named on stderr, if the case aborts */
const char *case_log_dir(void);

#endif
