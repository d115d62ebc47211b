# SPDX-License-Identifier: GPL-2.0-or-later
"""
What a source may not say about device state over multifd, each with a part of
the error that the destination must report, where there is only one
"""

import dataclasses
import re
import struct
from typing import Optional

from .stream import MULTIFD_MAGIC

# MultiFDInit_t, the first bytes of a channel
INIT_SIZE = 64
# MultiFDPacketDeviceState_t without its magic and version: flags, the section's
# name and instance, bytes that follow
PACKET = struct.Struct('>I256sII')
PACKET_START = MULTIFD_MAGIC + b'\0\0\0\x01'
DEVICE_STATE = 32 << 1
# VFIODeviceStatePacket, the beginning of these bytes: version, number, flags
BUFFER = struct.Struct('>III')
LAST = 1
# The header of the main channel: magic and version
MAIN_HEADER = 8
# QEMU_VM_COMMAND, MIG_CMD_SWITCHOVER_START, no arguments
SWITCHOVER_START = bytes.fromhex('08 000b 0000')
# Bytes that a packet of device state may have
MOST = 64 << 20


@dataclasses.dataclass(frozen=True)
class Buffer:
    """A buffer of a device's state, and the packet around it"""
    name: bytes
    instance: int
    version: int
    number: int
    flags: int
    data: bytes
    # Bytes that the packet announces, if not all that it has
    size: Optional[int] = None

    def pack(self):
        """The bytes in the channel"""
        data = BUFFER.pack(self.version, self.number, self.flags) + self.data
        size = len(data) if self.size is None else self.size
        return PACKET_START + PACKET.pack(
            DEVICE_STATE, self.name, self.instance, size) + data[:size]

    def but(self, **changes):
        """The same with CHANGES"""
        return dataclasses.replace(self, **changes)


def _take(channel):
    """(the buffers in a channel, where each begins and ends)"""
    buffers, places = [], []
    start = re.compile(re.escape(PACKET_START + DEVICE_STATE.to_bytes(4, 'big')))
    for found in start.finditer(channel):
        at = found.start() + len(PACKET_START)
        _, name, instance, size = PACKET.unpack_from(channel, at)
        at += PACKET.size
        version, number, flags = BUFFER.unpack_from(channel, at)
        buffers.append(Buffer(name.rstrip(b'\0'), instance, version, number,
                              flags, channel[at + BUFFER.size:at + size]))
        places.append((found.start(), at + size))
    return buffers, places


def _split(recording):
    """(the buffers by device and number, the channels without them)"""
    buffers, channels = [], [recording.channels[0]]
    for channel in recording.channels[1:]:
        taken, places = _take(channel)
        buffers += taken
        for start, end in reversed(places):
            channel = channel[:start] + channel[end:]
        channels.append(channel)
    return sorted(buffers, key=lambda b: (b.name, b.number)), channels


def damages(recording):
    """(what was done, channels, error) of a recording with two devices"""
    buffers, channels = _split(recording)
    # The data of the first device, its configuration, and the other one's
    data, config, *rest = buffers
    assert (data.number, config.number, config.flags) == (0, 1, LAST)
    main, first, *others = channels

    def sent(*changed):
        return [main, first + b''.join(b.pack() for b in (*changed, *rest)),
                *others]

    # It may have been loaded by then
    yield 'a buffer twice', sent(data, data, config), 'state buffer 0'
    yield ('a buffer far ahead of the others', sent(data.but(number=1 << 31)),
           f'unexpected state buffer {1 << 31} while')
    yield ('two last buffers', sent(config, data.but(flags=LAST)),
           'state buffer 0 should be the last one, and is not')
    yield ('a buffer behind the last one', sent(config, data.but(number=2)),
           'unexpected state buffer 2 while')
    yield ('a last buffer that is not', sent(data.but(number=5), config),
           'state buffer 1 should be the last one, and is not')
    yield ('a number for none', sent(data.but(number=0xffffffff)),
           'packet index is invalid')
    yield ('another version', sent(data.but(version=7)),
           'packet has unknown version 7')
    yield ('less than a header', sent(data.but(size=BUFFER.size - 1)),
           'packet too short at 11')
    yield ('more than a packet may have', sent(data.but(size=MOST + 1)),
           f'device state packet of {MOST + 1} bytes')
    yield ('a device that is not there', sent(data.but(name=b'0000:00:1f.0/vfio')),
           'Unknown idstr 0000:00:1f.0/vfio')
    yield ('another instance', sent(data.but(instance=9)), 'instance id 9')
    yield ('a name that does not end', sent(data.but(name=b'v' * 256)),
           'unterminated multifd device state idstr')
    yield ('a section without buffers', sent(data.but(name=b'ram')),
           'has no load state buffer operation')
    yield ('no last buffer', sent(data),
           'the channels have ended before state buffer 1 arrived')
    yield ('a configuration that is none', sent(data, config.but(data=bytes(64))),
           'expected FLAG_DEV_CONFIG_STATE')
    # Or the end of the main channel is noticed first
    yield ('device state before the devices', [
        main[:MAIN_HEADER], first[:INIT_SIZE] + data.pack(),
        *(c[:INIT_SIZE] for c in others)],
        '')
    at = main.rindex(SWITCHOVER_START)
    yield ('a second start of the switchover', [
        main[:at] + SWITCHOVER_START + main[at:], *sent(data, config)[1:]],
        'Switchover start failed')
