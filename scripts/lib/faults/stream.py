# SPDX-License-Identifier: GPL-2.0-or-later
"""Streams of real migrations: record them, damage them, send them again"""

import contextlib
import random
import re
import socket
import struct
import threading
from dataclasses import dataclass, field
from typing import List, Tuple

from .wire import CHUNK

# What a damage is aimed at: flags in the sections of VFIO devices, the names of
# sections, headers of multifd packets.  Their lengths and numbers are near.
MULTIFD_MAGIC = b'\x11\x22\x33\x44'
# A packet with no flag but SYNC
SYNC = re.compile(re.escape(MULTIFD_MAGIC) + b'\0\0\0\x01\0\0\0\x01')
MARKS = (re.compile(rb'\xff\xff\xff\xff\xef\x10\x00'), re.compile(rb'/vfio'),
         re.compile(re.escape(MULTIFD_MAGIC)))
NEAR = (-16, 64)
# What a destination answers when it has loaded everything: MIG_RP_MSG_SHUT, its
# length, no error
LOADED = bytes.fromhex('0001 0004 00000000')

NUMBERS = (0, 1, 2, 7, 0x7f, 0xff, 0x7fff, 0xffff, 0x10000, 0x100000,
           0x7fffffff, 0x80000000, 0xffffffff, 1 << 40, (1 << 63) - 1, 1 << 63,
           (1 << 64) - 1)


@dataclass
class Recording:
    """What a source has sent, by channel, the main one first"""
    name: str
    multifd: bool
    precopy: bool
    channels: List[bytes]
    # With the return path, and an ack for each device
    acks: bool = False
    # What the destination has answered: (bytes that it had received, answer)
    answers: List[Tuple[int, bytes]] = field(default_factory=list)
    # The damages that are always made: (what was done, channels, error, or '')
    known: List[Tuple[str, List[bytes], str]] = field(default_factory=list)

    def marks(self, channel):
        """Positions in a channel near which lengths and numbers are"""
        data = self.channels[channel]
        return sorted(m.start() for mark in MARKS
                      for m in mark.finditer(data))


def _position(rng, size, marks):
    if marks and rng.random() < 0.75:
        at = rng.choice(marks) + rng.randrange(*NEAR)
    elif rng.random() < 0.7:
        at = rng.randrange(min(size, 8192))
    else:
        at = rng.randrange(size)
    return max(0, min(at, size - 1))


def _number(rng):
    width = rng.choice((1, 2, 4, 8))
    value = rng.choice(NUMBERS) + rng.choice((0, 0, 0, 1, -1))
    return (value & (1 << 8 * width) - 1).to_bytes(
        width, rng.choice(('big', 'big', 'little')))


def _edit(rng, data, marks):
    """(what was done, the damaged data)"""
    at = _position(rng, len(data), marks)
    length = rng.choice((1, 2, 4, 8, 12, 64, 4096))
    how = rng.choice(('noise', 'noise', 'number', 'number', 'number', 'flip',
                      'cut', 'remove', 'repeat', 'copy'))
    if how == 'noise':
        new = data[:at] + rng.randbytes(min(length, 8)) + data[
            at + min(length, 8):]
    elif how == 'number':
        number = _number(rng)
        new = data[:at] + number + data[at + len(number):]
    elif how == 'flip':
        new = data[:at] + bytes((data[at] ^ 1 << rng.randrange(8),)) + data[
            at + 1:]
    elif how == 'cut':
        new = data[:at]
    elif how == 'remove':
        new = data[:at] + data[at + length:]
    elif how == 'repeat':
        new = data[:at + length] + data[at:]
    else:
        start = _position(rng, len(data), marks)
        new = data[:at] + data[start:start + length] + data[at + length:]
    return f'{how} at {at}', new


def _last_sync_twice(data):
    at = [m.start() for m in SYNC.finditer(data)][-1:]
    for start in at:
        end = data.find(MULTIFD_MAGIC, start + 1)
        data = data[:end] + data[start:] if end > 0 else data + data[start:]
    return data


def special(recording):
    """(what was done, channels) of damages that once were found to do harm"""
    main, *others = recording.channels
    yield 'the main channel ends after 3 bytes', [main[:3], *others]
    yield 'the magic of multifd in the main channel', [
        MULTIFD_MAGIC + main[4:], *others]
    yield 'two main channels', [main, *recording.channels]
    if recording.multifd:
        yield 'the last sync of the channels twice', [
            main, *map(_last_sync_twice, others)]


def damage(recording, seed):
    """(what was done, channels): a few damages of one of the channels"""
    rng = random.Random(seed)
    channels = list(recording.channels)
    number = rng.randrange(len(channels))
    marks = recording.marks(number)
    done = []
    for _ in range(rng.choice((1, 1, 2, 3))):
        if not channels[number]:
            break
        what, channels[number] = _edit(rng, channels[number], marks)
        done.append(what)
    return f'channel {number}: ' + ', '.join(done), channels


def damaged_answers(recording, seed):
    """(what was done, answers): a few damages of what the destination answers"""
    rng = random.Random(seed)
    answers = list(recording.answers)
    done = []
    for _ in range(rng.choice((1, 1, 2, 3))):
        number = rng.randrange(len(answers))
        at, data = answers[number]
        if data:
            what, data = _edit(rng, data, [])
            answers[number] = at, data
            done.append(f'answer {number}: {what}')
    return ', '.join(done), answers


def _send(sock, data):
    with contextlib.suppress(OSError):
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)


def _drain(sock):
    with contextlib.suppress(OSError):
        while sock.recv(CHUNK):
            pass


class Answers:
    """
    A destination that takes all that a source sends, and gives it ANSWERS, each
    once it has received as much as at that time in the recording, or nothing
    for a while; then it ends
    """

    # Seconds
    QUIET = 0.1

    def __init__(self, answers):
        self.answers = list(answers)
        self._listener = socket.create_server(('127.0.0.1', 0))
        self.port = self._listener.getsockname()[1]
        self._sock = None
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        received = 0
        with contextlib.suppress(OSError):
            sock = self._sock = self._listener.accept()[0]
            sock.settimeout(self.QUIET)
            while True:
                try:
                    data = sock.recv(CHUNK)
                    if not data:
                        break
                    received += len(data)
                except socket.timeout:
                    if not self.answers:
                        break
                    received = self.answers[0][0]
                while self.answers and received >= self.answers[0][0]:
                    sock.sendall(self.answers.pop(0)[1])
            sock.close()

    def close(self):
        for s in filter(None, (self._listener, self._sock)):
            # close() alone does not wake the thread
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)
            s.close()


class Replay:
    """Sends channels to a destination, and discards what it answers"""

    def __init__(self, port, channels):
        self.sockets = []
        with contextlib.suppress(OSError):
            for data in channels:
                # In this order: the first one is the main channel
                s = socket.create_connection(('127.0.0.1', port))
                self.sockets.append(s)
                threading.Thread(target=_send, args=(s, data),
                                 daemon=True).start()
                threading.Thread(target=_drain, args=(s,),
                                 daemon=True).start()

    def close(self):
        """As a source that has ended: a reset where data is left"""
        for s in self.sockets:
            with contextlib.suppress(OSError):
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                             struct.pack('ii', 1, 0))
            # close() alone does not wake a thread in recv()
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)
            s.close()
