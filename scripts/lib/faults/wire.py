# SPDX-License-Identifier: GPL-2.0-or-later
"""A relay between source and destination whose connections fail"""

import contextlib
import socket
import struct
import threading
import time

CHUNK = 64 << 10
BUFFER = 256 << 10


class Wire:
    """
    Relays TCP connections to PORT.  The connection number CHANNEL, in the
    order in which they are made, fails after AFTER bytes towards the
    destination:

    HOW = reset   both sides get a reset
          close   both sides get the end of the data, and then a reset
          stall   nothing is carried any more, until release()
          slow    carries RATE bytes per second from the start
          damage  DAMAGE replaces bytes there; with BACK, in the other direction
          count   carries everything, and counts (in carried)
          record  the same, and keeps what goes to the destination (in recorded)
                  and what the first connection carries back (in answers), with
                  the bytes that had been carried to the destination by then
    """

    def __init__(self, port, how='count', channel=0, after=0, rate=None,
                 damage=b'', back=False):
        self.damage = damage
        self.back = back
        self.port_to = port
        self.how = how
        self.channel = channel
        self.after = after
        self.rate = rate
        self.carried = []
        self.recorded = []
        self.answers = []
        # What the client of the first connection was given
        self.given = bytearray()
        self.happened = threading.Event()
        self._released = threading.Event()
        self._sockets = []
        self._listener = socket.create_server(('127.0.0.1', 0), backlog=64)
        if how == 'slow':
            # Else it takes megabytes at once, which then are on their way for
            # longer than all that follows
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF,
                                      CHUNK)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                try:
                    server = socket.create_connection(('127.0.0.1',
                                                       self.port_to))
                except OSError:
                    # The destination has ended
                    client.close()
                    continue
                for s in (client, server):
                    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
                    self._sockets.append(s)
                number = len(self.carried)
                self.carried.append(0)
                self.recorded.append(bytearray())
                damaged = self.how == 'damage' and number == self.channel
                for args in (
                        (client, server, number, False,
                         damaged and not self.back),
                        (server, client, number, True,
                         damaged and self.back)):
                    threading.Thread(target=self._forward, args=args,
                                     daemon=True).start()

    def _fail(self, pair):
        self.happened.set()
        if self.how == 'stall':
            self._released.wait()
            return
        for s in pair:
            if self.how == 'reset':
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                             struct.pack('ii', 1, 0))
            # shutdown() wakes the other thread; data that comes after close()
            # is answered with a reset
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR if self.how == 'close'
                           else socket.SHUT_RD)
            s.close()

    def _damaged(self, data, position):
        """DATA, which begins at POSITION, with the damage"""
        at = self.after - position
        end = at + len(self.damage)
        if at >= len(data) or end <= 0:
            return data
        self.happened.set()
        data = bytearray(data)
        first, last = max(at, 0), min(end, len(data))
        data[first:last] = self.damage[first - at:last - at]
        return bytes(data)

    def _forward(self, source, sink, number, back, damaged):
        """NUMBER: of the connection; BACK: to its client"""
        position = 0
        failed = False
        try:
            while True:
                room = CHUNK
                if number == self.channel and not back and not failed and \
                        self.how in ('reset', 'close', 'stall'):
                    room = min(room, max(self.after - self.carried[number], 0))
                    if not room:
                        failed = True
                        self._fail((source, sink))
                        continue
                data = source.recv(room)
                if not data:
                    break
                if damaged:
                    data = self._damaged(data, position)
                position += len(data)
                if back:
                    if self.how == 'record' and not number:
                        self.answers.append((self.carried[0], data))
                    sink.sendall(data)
                    if not number:
                        self.given += data
                    continue
                if self.rate:
                    time.sleep(len(data) / self.rate)
                sink.sendall(data)
                self.carried[number] += len(data)
                if self.how == 'record':
                    self.recorded[number] += data
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            # As with a connection between the two: both get a reset
            for s in (source, sink):
                with contextlib.suppress(OSError):
                    s.shutdown(socket.SHUT_RDWR)
                s.close()

    def fail(self, how, channel, more):
        """Fail like that after MORE bytes from now on"""
        carried = self.carried[channel] if channel < len(self.carried) else 0
        self.channel, self.after, self.how = channel, carried + more, how

    def release(self):
        """End a stall"""
        self._released.set()

    def close(self):
        self.release()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for s in self._sockets:
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)
            s.close()
