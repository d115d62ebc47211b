# SPDX-License-Identifier: GPL-2.0-or-later
"""
The first inputs of the fuzz targets: what real migrations have sent for a
device, as records (see tests/qtest/fuzz/vfio_migration_fuzz.c)
"""

import re
import struct

from migpair import Device, Failed, Machine

from .recording import record

# Keys of the simulated device, with little data
DEVICE = 'initial-bytes=256,dirty-bytes=256,stop-bytes=256'
MEMORY = 16 << 20

SECTION, BUFFER, SWITCHOVER = 0, 1, 2
NAME = rb'0000:00:[0-9a-f]{2}\.0/vfio'
NAME_LENGTH = len('0000:00:02.0/vfio')
FLAG = rb'\xff\xff\xff\xff\xef\x10\x00'
FOOTER = b'\x7e'
MULTIFD_HEADER = struct.Struct('>III256sII')
MULTIFD_MAGIC, MULTIFD_VERSION = 0x11223344, 1


def read(path):
    """(name, input) of each line"""
    with open(path, encoding='ascii') as f:
        for line in f:
            if line.strip() and not line.startswith('#'):
                name, data = line.split()
                yield name, bytes.fromhex(data)


def _record(kind, data=b''):
    return struct.pack('<BH', kind, len(data)) + data


def _sections(main):
    """What the sections of the device have, in their order"""
    named = re.compile(rb'[\x01\x04](....)' + re.escape(bytes((NAME_LENGTH,)))
                       + NAME + rb'\x00{4}\x00\x00\x00\x01', re.DOTALL)
    ids = {m.group(1) for m in named.finditer(main)}
    if not ids:
        raise Failed('the recorded stream has no section of the device')
    part = re.compile(rb'[\x02\x03](' + b'|'.join(map(re.escape, ids)) + rb')(?='
                      + FLAG + b')', re.DOTALL)
    starts = sorted((m.end(), m.group(1)) for p in (named, part)
                    for m in p.finditer(main))
    for start, number in starts:
        yield main[start:main.index(FOOTER + number, start)]


def _buffers(channels):
    """The state buffers of the device, in their order"""
    found = []
    for data in channels:
        for m in re.finditer(NAME + rb'\x00', data):
            at = m.start() - 12
            magic, version, _, _, _, size = MULTIFD_HEADER.unpack_from(data, at)
            if (magic, version) == (MULTIFD_MAGIC, MULTIFD_VERSION):
                begin = at + MULTIFD_HEADER.size
                found.append(data[begin:begin + size])
    # Version, index, flags
    return sorted(found, key=lambda b: struct.unpack_from('>II', b)[1])


def _migrate(sess, args, multifd):
    """The channels of a migration"""
    keys = dict(pair.split('=') for pair in DEVICE.split(','))
    nodes = [Machine(sess, args.qemu, name, [Device(**keys)], sim=args.sim,
                     incoming=name == 'destination', memory=MEMORY,
                     log_name=name) for name in ('source', 'destination')]
    try:
        for node in nodes if multifd else ():
            node.set_capabilities('multifd')
        wire = record(*nodes)
    finally:
        for node in nodes:
            node.close()
    wire.close()
    return [bytes(c) for c in wire.recorded]


def write(sess, args, path):
    """Write the inputs to PATH"""
    main = list(_sections(_migrate(sess, args, False)[0]))
    channels = _migrate(sess, args, True)
    sections = list(_sections(channels[0]))
    buffers = _buffers(channels[1:])
    inputs = {
        'vfio-load/all': [_record(SECTION, s) for s in main],
        'vfio-load-multifd/all': [
            *(_record(SECTION, s) for s in sections[:-1]), _record(SWITCHOVER),
            *(_record(BUFFER, b) for b in buffers),
            *(_record(SECTION, s) for s in sections[-1:])]}
    for i, section in enumerate(main):
        inputs[f'vfio-load/section-{i}'] = [_record(SECTION, section)]
    for i, buffer in enumerate(buffers):
        inputs[f'vfio-load-multifd/buffer-{i}'] = [
            _record(SWITCHOVER), _record(BUFFER, buffer)]
    with open(path, 'w', encoding='ascii') as f:
        f.write('# Made by scripts/check-fuzz --record: the name of an input, '
                'and its bytes\n')
        for name, records in inputs.items():
            f.write(f'{name} {b"".join(records).hex()}\n')
