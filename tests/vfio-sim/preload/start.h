/*
 * The start: devices from the environment, and threads
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef VFIO_SIM_START_H
#define VFIO_SIM_START_H

/* A device is used: it needs threads from now on. */
void start_threads(void);

#endif /* VFIO_SIM_START_H */
