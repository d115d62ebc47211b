/*
 * The control sockets
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef VFIO_SIM_CONTROL_H
#define VFIO_SIM_CONTROL_H

#include "device.h"

void control_listen(SimDevice *d);
void *control_thread(void *opaque);

#endif /* VFIO_SIM_CONTROL_H */
