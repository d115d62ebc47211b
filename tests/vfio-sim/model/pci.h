/*
 * The PCI function that the simulated device shows: what all front-ends share
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef VFIO_SIM_PCI_H
#define VFIO_SIM_PCI_H

#include "compat.h"

/* Bytes of its one memory BAR, and of its configuration space */
#define VFIO_SIM_BAR_SIZE       0x10000u
#define VFIO_SIM_CONFIG_SIZE    256u

/* What the configuration space contains after a start */
static const uint8_t vfio_sim_pci_config[VFIO_SIM_CONFIG_SIZE] = {
    0x34, 0x12, 0x53, 0x56,         /* an identity without a driver */
    [0x08] = 0x01,                  /* revision */
    [0x0b] = 0x12,                  /* class: processing accelerator */
    [0x2c] = 0x34, [0x2d] = 0x12, [0x2e] = 0x01,
};

/* Which bits of it can be written */
static const uint8_t vfio_sim_pci_mask[VFIO_SIM_CONFIG_SIZE] = {
    [0x04] = 0x47, [0x05] = 0x05,   /* command */
    [0x0c] = 0xff, [0x0d] = 0xff,   /* cache line, latency */
    [0x12] = 0xff, [0x13] = 0xff,   /* BAR 0, of 64 KiB */
    [0x3c] = 0xff,                  /* interrupt line */
};

#endif /* VFIO_SIM_PCI_H */
