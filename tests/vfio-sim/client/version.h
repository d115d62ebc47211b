/*
 * The version of the simulator, also read by meson.build and scripts/sim-dist
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef VFIO_SIM_CLIENT_VERSION_H
#define VFIO_SIM_CLIENT_VERSION_H

#define VFIO_SIM_VERSION "1.0"

#endif /* VFIO_SIM_CLIENT_VERSION_H */
