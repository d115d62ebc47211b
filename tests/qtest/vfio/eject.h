/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a guest does to eject a device, whether it was asked to or not, by each
 * of the hotplug controllers that QEMU's PC machines have
 */

#ifndef QTEST_VFIO_EJECT_H
#define QTEST_VFIO_EJECT_H

#include "libqtest.h"

/* The device in @slot of bus 0 of the machine "pc" */
void eject_by_acpi(QTestState *qts, int slot);

/* That below a PCIe port, which has the slot @port of bus 0 */
void eject_by_pcie(QTestState *qts, int port);

/*
 * That in @slot below a bridge with a standard hotplug controller; the bridge
 * has the slot @bridge of bus 0
 */
void eject_by_shpc(QTestState *qts, int bridge, int slot);

#endif
