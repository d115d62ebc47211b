/*
 * The thread that does the DMA of all devices
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef VFIO_SIM_DMA_H
#define VFIO_SIM_DMA_H

/* There may be DMA to do again. */
void dma_kick(void);
void *dma_thread(void *opaque);

#endif /* VFIO_SIM_DMA_H */
