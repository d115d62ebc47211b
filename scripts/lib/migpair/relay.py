#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""
A link of a given speed: a TCP relay with a token bucket, which all of its
connections share.  QEMU removes its own limit for the switchover, so that
only a bottleneck outside of QEMU works there.

Only the direction towards the destination is limited.  The sockets' buffers
are small, so that they hold little data.
"""

import argparse
import os
import socket
import sys
import threading
import time

CHUNK = 256 << 10
BUFFER = 256 << 10
# What may be sent at once after a pause
BURST_SECONDS = 0.004


class Bucket:
    """A token bucket: take(N) waits until N bytes may be sent"""

    def __init__(self, rate):
        self.rate = rate
        self.next = time.monotonic()
        self.credit = BURST_SECONDS
        self.lock = threading.Lock()

    def take(self, n):
        with self.lock:
            now = time.monotonic()
            if self.next >= now - BURST_SECONDS:
                self.credit = BURST_SECONDS
            self.next = max(self.next, now - self.credit) + n / self.rate
            wait = self.next - now
        if wait > 0:
            time.sleep(wait)
            # On a busy machine a sleep takes too long; a link does not
            with self.lock:
                self.credit += max(time.monotonic() - now - wait, 0)


def forward(source, sink, bucket):
    """Copy until the end of the data, then pass the end on"""
    buffer = memoryview(bytearray(CHUNK))
    try:
        while n := source.recv_into(buffer):
            if bucket:
                bucket.take(n)
            sink.sendall(buffer[:n])
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        for s in (source, sink):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def serve(listener, address, bucket):
    while True:
        client, _ = listener.accept()
        server = socket.socket()
        for s in (client, server):
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        try:
            server.connect(address)
        except OSError as e:
            print(f'{address[0]}:{address[1]}: {e}', file=sys.stderr)
            client.close()
            continue
        for args in ((client, server, bucket), (server, client, None)):
            threading.Thread(target=forward, args=args, daemon=True).start()


def main():
    parser = argparse.ArgumentParser(
        description='Relay TCP connections to an address at a given rate. '
        'Prints the port on which it listens.')
    parser.add_argument('--to', required=True, metavar='HOST:PORT')
    parser.add_argument('--rate', required=True, type=float,
                        metavar='BYTES/S')
    args = parser.parse_args()
    host, _, port = args.to.rpartition(':')
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
    listener.bind(('127.0.0.1', 0))
    listener.listen(64)
    print(listener.getsockname()[1], flush=True)
    try:
        serve(listener, (host, int(port)), Bucket(args.rate))
    except KeyboardInterrupt:
        os._exit(130)


if __name__ == '__main__':
    main()
