/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guests that run without firmware
 */

#ifndef QTEST_VFIO_GUEST_ROM_H
#define QTEST_VFIO_GUEST_ROM_H

typedef enum VfioSimGuest {
    VFIO_SIM_GUEST_IDLE,        /* halts, and never writes to memory */
    VFIO_SIM_GUEST_DIRTY,       /* bootfile.c: writes 1 MiB to 100 MiB */
} VfioSimGuest;

/* Its memory, for "-m" */
const char *vfio_guest_memory(VfioSimGuest guest);
uint64_t vfio_guest_memory_size(VfioSimGuest guest);

/* Write the ROM into the directory of the case; its path */
char *vfio_guest_rom_create(VfioSimGuest guest);

#endif
