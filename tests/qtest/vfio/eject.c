/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a guest does to eject a device
 */

#include "qemu/osdep.h"
#include "hw/pci/pci_regs.h"
#include "vfio/eject.h"

#define ACPI_PCIHP_EJECT 0xae08
#define ACPI_PCIHP_SEL 0xae10

/* PCI's configuration mechanism #1 */
#define CONFIG_ADDRESS 0xcf8
#define CONFIG_DATA 0xcfc
#define CONFIG_ENABLE 0x80000000

/* Where the registers of a standard hotplug controller are put */
#define SHPC_BASE 0xfe000000

/* That of commands, with the slot in its second byte, and one to power off */
#define SHPC_COMMAND 0x14
#define SHPC_SLOT_DISABLED 0x3
#define SHPC_SLOT_POWER_LED_OFF (0x3 << 2)

void eject_by_acpi(QTestState *qts, int slot)
{
    qtest_outl(qts, ACPI_PCIHP_SEL, 0);
    qtest_outl(qts, ACPI_PCIHP_EJECT, 1 << slot);
}

/* Of the device in @slot of bus 0: returns the port that has the byte @reg */
static uint16_t select_config(QTestState *qts, int slot, uint8_t reg)
{
    qtest_outl(qts, CONFIG_ADDRESS, CONFIG_ENABLE | slot << 11 | (reg & ~3));
    return CONFIG_DATA + (reg & 3);
}

static uint8_t find_capability(QTestState *qts, int slot, uint8_t id)
{
    uint8_t pos = PCI_CAPABILITY_LIST;

    do {
        pos = qtest_inb(qts, select_config(qts, slot, pos));
        g_assert(pos);
        pos += PCI_CAP_LIST_NEXT;
    } while (qtest_inb(qts, select_config(qts, slot, pos - 1)) != id);
    return pos - PCI_CAP_LIST_NEXT;
}

void eject_by_pcie(QTestState *qts, int port)
{
    uint8_t cap = find_capability(qts, port, PCI_CAP_ID_EXP);

    qtest_outw(qts, select_config(qts, port, cap + PCI_EXP_SLTCTL),
               PCI_EXP_SLTCTL_PWR_OFF | PCI_EXP_SLTCTL_PWR_IND_OFF);
}

void eject_by_shpc(QTestState *qts, int bridge, int slot)
{
    qtest_outl(qts, select_config(qts, bridge, PCI_BASE_ADDRESS_0), SHPC_BASE);
    qtest_outl(qts, select_config(qts, bridge, PCI_BASE_ADDRESS_1), 0);
    qtest_outw(qts, select_config(qts, bridge, PCI_COMMAND),
               PCI_COMMAND_MEMORY);
    qtest_writew(qts, SHPC_BASE + SHPC_COMMAND,
                 slot << 8 | SHPC_SLOT_DISABLED | SHPC_SLOT_POWER_LED_OFF);
}
