# SPDX-License-Identifier: GPL-2.0-or-later
"""
A guest that ticks: a 64 KiB ROM for QEMU's -bios.

It programs the PC's timer to 1000 Hz.  Each interrupt counts up a byte in
memory and writes it to I/O port 0xe9, the debug console (-device
isa-debugcon).  The console's output shows when the guest runs; that the count
continues after a migration shows that the memory has been migrated.  Between
two ticks the guest halts; or it rewrites memory once, and then halts.
"""

SIZE = 64 << 10
TICK_HZ = 1000
PORT = 0xe9

_START = 0xe000
# Where a guest rewrites memory, one number in each page
REWRITE_START = 16 << 20
_GDT = 0xd000
_DIVISOR = round(1193182 / TICK_HZ)


def _out(port, value):
    return bytes([0xb0, value, 0xe6, port])             # mov al, V; out P, al


def _handler():
    return bytes.fromhex(
        '50'                # push ax
        'fe060005'          # inc byte [0x500]
        'a00005'            # mov al, [0x500]
    ) + bytes([0xe6, PORT]) + _out(0x20, 0x20) + bytes.fromhex(
        '58'                # pop ax
        'cf'                # iret
    )


def _main(handler):
    code = bytes.fromhex(
        'fa'                # cli
        '31c0'              # xor ax, ax
        '8ed8'              # mov ds, ax
        '8ed0'              # mov ss, ax
        'bc007c'            # mov sp, 0x7c00
        # The local APIC is switched off, so that the PIC reaches the CPU
        '66b91b000000'      # mov ecx, IA32_APIC_BASE
        '0f32'              # rdmsr
        '80e4f7'            # and ah, 0xf7
        '0f30'              # wrmsr
        'c7068000'          # mov word [0x20 * 4], handler
    ) + handler.to_bytes(2, 'little') + bytes.fromhex(
        'c706820000f0'      # mov word [0x20 * 4 + 2], 0xf000
    )
    # Interrupt controllers: vectors 0x20 and 0x28, all but the timer masked
    for first, values in ((0x20, (0x11, 0x20, 0x04, 0x01, 0xfe)),
                          (0xa0, (0x11, 0x28, 0x02, 0x01, 0xff))):
        code += _out(first, values[0])
        for value in values[1:]:
            code += _out(first + 1, value)
    # Timer: channel 0, rate generator
    code += _out(0x43, 0x34)
    code += _out(0x40, _DIVISOR & 0xff) + _out(0x40, _DIVISOR >> 8)
    return code


def _halt():
    return bytes.fromhex(
        'fb'                # sti
        'f4'                # hlt
        'ebfd'              # jmp to hlt
    )


def _gdt():
    """A table with one segment, all memory; and its limit and address"""
    flat = bytes.fromhex('ffff00000092cf00')
    return bytes(8) + flat + (15).to_bytes(2, 'little') + (
        0xf0000 + _GDT).to_bytes(4, 'little')


def _rewrite(size):
    """Real mode, but with an ES that reaches all memory"""
    return bytes.fromhex('2e660f0116') + (_GDT + 16).to_bytes(
        2, 'little') + bytes.fromhex(       # lgdt cs:[table]
        '0f20c0'            # mov eax, cr0
        '0c01'              # or al, 1
        '0f22c0'            # mov cr0, eax
        'bb0800'            # mov bx, 8
        '8ec3'              # mov es, bx
        '24fe'              # and al, 0xfe
        '0f22c0'            # mov cr0, eax
        'fb'                # sti
        # again:
        '66bf') + REWRITE_START.to_bytes(4, 'little') + bytes.fromhex(
        # next:
        '266766ff07'        # inc dword es:[edi]
        '6681c700100000'    # add edi, 4096
        '6681ff') + (REWRITE_START + size).to_bytes(4, 'little') + (
        bytes.fromhex(
            '72eb'          # jb next
            # Until the next tick, so that QEMU can use the processor, too
            'f4'            # hlt
            'ebe2'))        # jmp again


def image(rewrite=0):
    """The ROM's bytes; REWRITE: the bytes that the guest rewrites"""
    rom = bytearray(b'\xff' * SIZE)
    handler = _handler()
    code = handler + _main(_START) + (_rewrite(rewrite) if rewrite
                                      else _halt())
    rom[_GDT:_GDT + len(_gdt())] = _gdt()
    rom[_START:_START + len(code)] = code
    entry = _START + len(handler)
    # Reset vector: jmp far 0xf000:entry
    rom[0xfff0:0xfff5] = b'\xea' + entry.to_bytes(2, 'little') + b'\x00\xf0'
    return bytes(rom)
