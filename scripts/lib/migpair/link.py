# SPDX-License-Identifier: GPL-2.0-or-later
"""A link of a given speed between source and destination"""

import os
import select
import socket
import subprocess
import sys
import threading
import time
from typing import Set

from . import process
from .errors import Failed
from .paths import PACKAGE
from .process import TIMEOUT

LOOPBACK = '127.0.0.1'


class Relay:
    """relay.py, which carries RATE bytes per second to PORT"""

    def __init__(self, sess, port, rate):
        self.session = sess
        self.log = os.path.join(sess.log_dir, 'relay.log')
        try:
            with open(self.log, 'wb') as log:
                self._process = process.start(
                    [sys.executable, os.path.join(PACKAGE, 'relay.py'),
                     f'--to={LOOPBACK}:{port}', f'--rate={rate}'],
                    stdout=subprocess.PIPE, stderr=log)
        except OSError as e:
            raise Failed(f'cannot start the relay: {e}') from None
        sess.parts.append(self)
        ready, _, _ = select.select([self._process.stdout], [], [], TIMEOUT)
        line = self._process.stdout.readline().strip() if ready else b''
        if not line.isdigit():
            self.close()
            with open(self.log, encoding='utf-8', errors='replace') as f:
                raise Failed('the relay does not start: ' + f.read().strip())
        self.port = int(line)

    def close(self):
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()
        if self in self.session.parts:
            self.session.parts.remove(self)


def relay_capacity(sess, seconds: float = 0.4) -> float:
    """Bytes per second that a relay carries on this machine at the moment"""
    with socket.create_server((LOOPBACK, 0)) as listener:
        listener.settimeout(TIMEOUT)
        relay = Relay(sess, listener.getsockname()[1], 1e15)
        try:
            with socket.create_connection((LOOPBACK, relay.port),
                                          TIMEOUT) as out:
                incoming, _ = listener.accept()
                with incoming:
                    incoming.settimeout(TIMEOUT)
                    return _pump(out, incoming, seconds)
        except OSError as e:
            raise Failed(f'the relay does not work: {e}') from None
        finally:
            relay.close()


def _pump(out, incoming, seconds):
    def send():
        data = bytes(1 << 20)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            out.sendall(data)
        out.shutdown(socket.SHUT_WR)

    sender = threading.Thread(target=send)
    buffer = bytearray(1 << 20)
    start = time.monotonic()
    sender.start()
    total = 0
    try:
        while n := incoming.recv_into(buffer):
            total += n
    finally:
        sender.join()
    return total / (time.monotonic() - start)


def backlog(ports: Set[int]) -> int:
    """Bytes that are in the sockets of local TCP connections with PORTS"""
    total = 0
    with open('/proc/net/tcp', encoding='ascii') as f:
        for line in list(f)[1:]:
            local, remote, _, queues = line.split()[1:5]
            if ports & {int(a.rpartition(':')[2], 16)
                        for a in (local, remote)}:
                total += sum(int(q, 16) for q in queues.split(':'))
    return total
