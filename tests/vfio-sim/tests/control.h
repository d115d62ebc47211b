/*
 * Requests to the control socket of a simulated device
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef VFIO_SIM_TEST_CONTROL_H
#define VFIO_SIM_TEST_CONTROL_H

#include <stddef.h>

/* Send a line; @answer gets what comes back, or "", without the newline. */
void control_request(const char *socket_path, const char *line, char *answer,
                     size_t len);

#endif /* VFIO_SIM_TEST_CONTROL_H */
