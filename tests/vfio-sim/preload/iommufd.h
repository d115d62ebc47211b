/*
 * The IOMMUFD: address spaces, page tables and their dirty tracking
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef VFIO_SIM_IOMMUFD_H
#define VFIO_SIM_IOMMUFD_H

#include "device.h"

/* IOMMU_IOAS_CHANGE_PROCESS is there */
extern bool change_process;

int iommu_ioctl(uint32_t request, void *arg);

/* A device gets its id, an address space, or none; it is locked. */
int iommu_bind(SimDevice *d, uint32_t *id);
int iommu_attach(SimDevice *d, uint32_t pt_id);
void iommu_detach(SimDevice *d);
/* Undo both. */
void iommu_unbind(SimDevice *d);

/*
 * A page of the memory that the device sees, or NULL.  After that, and only
 * then, iommu_unmap_page() has to be called.  The device is locked.
 */
uint8_t *iommu_map_page(SimDevice *d, uint64_t iova, bool write);
void iommu_unmap_page(void);

#endif /* VFIO_SIM_IOMMUFD_H */
