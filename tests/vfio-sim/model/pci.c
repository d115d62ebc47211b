/*
 * The PCI function that all front-ends show
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "pci.h"

const uint8_t vfio_sim_pci_config[VFIO_SIM_CONFIG_SIZE] = {
    0x34, 0x12, 0x53, 0x56,         /* an identity without a driver */
    [0x08] = 0x01,                  /* revision */
    [0x0b] = 0x12,                  /* class: processing accelerator */
    [0x2c] = 0x34, [0x2d] = 0x12, [0x2e] = 0x01,
};

/* Which bits of it can be written */
static const uint8_t writable[VFIO_SIM_CONFIG_SIZE] = {
    [0x04] = 0x47, [0x05] = 0x05,   /* command */
    [0x0c] = 0xff, [0x0d] = 0xff,   /* cache line, latency */
    [0x12] = 0xff, [0x13] = 0xff,   /* BAR 0, of 64 KiB */
    [0x3c] = 0xff,                  /* interrupt line */
};

int vfio_sim_region_info(uint32_t index, uint64_t *size)
{
    if (index >= VFIO_SIM_REGION_VGA) {
        return -EINVAL;
    }
    *size = index == VFIO_SIM_REGION_BAR0 ? VFIO_SIM_BAR_SIZE :
            index == VFIO_SIM_REGION_CONFIG ? VFIO_SIM_CONFIG_SIZE : 0;
    return 0;
}

int vfio_sim_irq_info(uint32_t index, bool requests, uint32_t *count)
{
    /* only PCI Express devices have an error interrupt */
    if (index >= VFIO_SIM_IRQS || index == VFIO_SIM_IRQ_ERR) {
        return -EINVAL;
    }
    *count = requests && index == VFIO_SIM_IRQ_REQ;
    return 0;
}

void vfio_sim_config_write(uint8_t *config, size_t pos, const uint8_t *buf,
                           size_t len)
{
    size_t i;

    for (i = 0; i < len; i++) {
        uint8_t mask = writable[pos + i];

        config[i] = (config[i] & ~mask) | (buf[i] & mask);
    }
}
