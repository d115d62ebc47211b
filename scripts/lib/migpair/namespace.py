# SPDX-License-Identifier: GPL-2.0-or-later
"""Networks of their own, of a given speed"""

import os
import select
import shutil
import subprocess

from . import process
from .errors import Failed
from .process import TIMEOUT, run_tool


# Linux's default, whatever that of the machine is: what is measured depends on it
CONGESTION_CONTROL = 'cubic'
CONGESTION_FILE = '/proc/sys/net/ipv4/tcp_congestion_control'
ALLOWED_FILE = '/proc/sys/net/ipv4/tcp_allowed_congestion_control'


def congestion_control():
    """What namespaces get: that, if the machine allows them to choose it"""
    with open(ALLOWED_FILE, encoding='ascii') as f:
        if CONGESTION_CONTROL in f.read().split():
            return CONGESTION_CONTROL
    with open(CONGESTION_FILE, encoding='ascii') as f:
        return f.read().strip()


class Namespace:
    """
    A network namespace whose loopback carries RATE bytes per second (a token
    bucket of the kernel, tc-tbf(8)), or as much as it can if RATE is None.
    Without privileges in a user namespace: that of OTHER, if the two are to be
    joined.
    """

    def __init__(self, sess, rate=None, other=None):
        self.session = sess
        for tool in ('unshare', 'nsenter', 'ip', 'tc'):
            if not shutil.which(tool, path=process.search_path()):
                raise Failed(f'{tool} is missing: install util-linux and '
                             'iproute2')
        user = os.geteuid() != 0
        self._process = process.start(
            [*(other.prefix if other else []), 'unshare', '--net',
             *(['--map-root-user'] if user and not other else []), 'sh', '-c',
             'ip link set lo up || exit; '
             f'{{ echo {CONGESTION_CONTROL} >{CONGESTION_FILE}; }} 2>/dev/null; '
             'echo; exec sleep infinity'],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        sess.parts.append(self)
        ready, _, _ = select.select([self._process.stdout], [], [], TIMEOUT)
        line = self._process.stdout.readline() if ready else b'no answer'
        if line != b'\n':
            self.close()
            raise Failed('cannot make a network namespace: '
                         + line.decode(errors='replace').strip())
        # What runs a command inside of it
        self.prefix = ['nsenter', f'--target={self._process.pid}', '--net',
                       *(['--user', '--preserve-credentials'] if user else [])]
        self._shaped = set()
        if rate:
            self.set_rate(rate)

    def join(self, other, address, others_address):
        """Make a network with another one, with an IPv4 address on each side"""
        pid = str(other._process.pid)       # pylint: disable=protected-access
        for side, words in (
                (self, ('link', 'add', 'net0', 'type', 'veth', 'peer', 'name',
                        'net0', 'netns', pid)),
                (self, ('address', 'add', f'{address}/24', 'dev', 'net0')),
                (other, ('address', 'add', f'{others_address}/24', 'dev',
                         'net0')),
                (self, ('link', 'set', 'net0', 'up')),
                (other, ('link', 'set', 'net0', 'up'))):
            result = run_tool([*side.prefix, 'ip', *words])
            if result.returncode:
                raise Failed('cannot join two network namespaces: '
                             + result.stderr.strip())

    def set_rate(self, rate, device='lo'):
        """From now on RATE bytes per second leave through DEVICE"""
        # A burst of 1 ms, at least a few times what the kernel hands over at
        # once: with twice as much, the bucket was stuck when it became slower
        burst = max(rate // 1000, 256 << 10)
        result = run_tool([
            *self.prefix, 'tc', 'qdisc',
            'change' if device in self._shaped else 'add',
            'dev', device, 'root', 'tbf', 'rate', f'{rate * 8}bit',
            'burst', f'{burst}b', 'limit', f'{32 * burst}b'])
        if result.returncode:
            raise Failed('cannot limit the speed of the namespace: '
                         + result.stderr.strip())
        self._shaped.add(device)

    def close(self):
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()
        if self in self.session.parts:
            self.session.parts.remove(self)
