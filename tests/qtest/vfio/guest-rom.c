/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guests that run without firmware
 *
 * With firmware each start would take a second, and the firmware would write
 * to the guest's memory.
 */

#include "qemu/osdep.h"
#include "qemu/units.h"
#include "migration/bootfile.h"
#include "vfio/case-dir.h"
#include "vfio/guest-rom.h"

#define ROM_SIZE (64 * KiB)
#define ROM_STUB 0x200          /* behind the boot sector */
#define ROM_RESET 0xfff0

static const uint8_t reset_code[] = {
    0xea, ROM_STUB & 0xff, ROM_STUB >> 8, 0x00, 0xf0,
                            /* ljmp $0xf000, $ROM_STUB */
};

/* Loads the boot sector as a BIOS does, and runs it */
static const uint8_t boot_code[] = {
    0xfa,                   /* cli */
    0xfc,                   /* cld */
    0x31, 0xc0,             /* xor %ax, %ax */
    0x8e, 0xc0,             /* mov %ax, %es */
    0xb8, 0x00, 0xf0,       /* mov $0xf000, %ax */
    0x8e, 0xd8,             /* mov %ax, %ds */
    0x31, 0xf6,             /* xor %si, %si */
    0xbf, 0x00, 0x7c,       /* mov $0x7c00, %di */
    0xb9, 0x00, 0x01,       /* mov $0x100, %cx */
    0xf3, 0xa5,             /* rep movsw */
    0x8c, 0xc0,             /* mov %es, %ax */
    0x8e, 0xd8,             /* mov %ax, %ds */
    0xea, 0x00, 0x7c, 0x00, 0x00,   /* ljmp $0, $0x7c00 */
};

static const uint8_t idle_code[] = {
    0xfa,                   /* cli */
    0xf4,                   /* hlt */
    0xeb, 0xfd,             /* jmp back to the hlt */
};

const char *vfio_guest_memory(VfioSimGuest guest)
{
    return guest == VFIO_SIM_GUEST_IDLE ? "16M" : "128M";
}

uint64_t vfio_guest_memory_size(VfioSimGuest guest)
{
    return guest == VFIO_SIM_GUEST_IDLE ? 16 * MiB : 128 * MiB;
}

static void add_boot_sector(char *rom)
{
    g_autofree char *sector = NULL;
    gsize len;

    g_assert(g_file_get_contents(bootfile_create("x86_64", case_dir(), false),
                                 &sector, &len, NULL));
    g_assert_cmpuint(len, ==, ROM_STUB);
    memcpy(rom, sector, len);
    bootfile_delete();
}

char *vfio_guest_rom_create(VfioSimGuest guest)
{
    g_autofree char *rom = g_malloc0(ROM_SIZE);
    char *path = g_build_filename(case_dir(), "guest.rom", NULL);

    memcpy(rom + ROM_RESET, reset_code, sizeof(reset_code));
    if (guest == VFIO_SIM_GUEST_IDLE) {
        memcpy(rom + ROM_STUB, idle_code, sizeof(idle_code));
    } else {
        add_boot_sector(rom);
        memcpy(rom + ROM_STUB, boot_code, sizeof(boot_code));
    }

    g_assert(g_file_set_contents(path, rom, ROM_SIZE, NULL));
    return path;
}
