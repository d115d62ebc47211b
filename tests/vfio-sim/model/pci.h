/*
 * The PCI function that all front-ends show
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef VFIO_SIM_PCI_H
#define VFIO_SIM_PCI_H

#include "compat.h"

/* Bytes of its one memory BAR, and of its configuration space */
#define VFIO_SIM_BAR_SIZE       0x10000u
#define VFIO_SIM_CONFIG_SIZE    256u

/* Some of the regions and interrupts of linux/vfio.h */
enum {
    VFIO_SIM_REGION_BAR0 = 0,
    VFIO_SIM_REGION_CONFIG = 7,
    VFIO_SIM_REGION_VGA = 8,
    VFIO_SIM_IRQ_ERR = 3,
    VFIO_SIM_IRQ_REQ = 4,
    VFIO_SIM_IRQS = 5,
};

/* -EINVAL if no device has such a region; @size: 0 if this one has not */
int vfio_sim_region_info(uint32_t index, uint64_t *size);
/* The same of an interrupt; @requests: there is the request interrupt. */
int vfio_sim_irq_info(uint32_t index, bool requests, uint32_t *count);

/* The configuration space after a start */
extern const uint8_t vfio_sim_pci_config[VFIO_SIM_CONFIG_SIZE];
/* Write the bits that can be written; @config: @len bytes of it from @pos on */
void vfio_sim_config_write(uint8_t *config, size_t pos, const uint8_t *buf,
                           size_t len);

#endif /* VFIO_SIM_PCI_H */
