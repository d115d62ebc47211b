# SPDX-License-Identifier: GPL-2.0-or-later
"""
A QMP monitor, by QEMU's own library qemu.qmp.

QEMU's QEMUMachine is not used: it reads a monitor only while it executes a
command, so that a QEMU with many events blocks in between, and it neither
reads the guest's console meanwhile nor ends its QEMU when the script is killed.
"""

import asyncio
import contextlib
import glob
import importlib
import os
import re
import sys
import time
from typing import List, Optional

from .errors import Failed
from .paths import TOP
from .process import TIMEOUT


def find_qmp(*binaries: Optional[str]) -> None:
    """
    Make QEMU's own qemu.qmp importable: it is in the tree that a binary was
    built from, or else in the prepared one
    """
    trees: List[str] = []
    for binary in filter(None, binaries):
        mak = os.path.join(os.path.dirname(os.path.realpath(binary)),
                           'config-host.mak')
        with contextlib.suppress(OSError), open(mak, encoding='utf-8') as f:
            trees += re.findall(r'^SRC_PATH=(.*)$', f.read(), re.M)
    trees += sorted(glob.glob(os.path.join(TOP, 'build', '*', 'src')))
    for tree in trees:
        python = os.path.join(tree, 'python')
        if os.path.isfile(os.path.join(python, 'qemu', 'qmp',
                                       'qmp_client.py')):
            sys.path.insert(0, python)
            return
    with contextlib.suppress(ImportError):
        importlib.import_module('qemu.qmp')
        return
    raise Failed('QEMU\'s Python library qemu.qmp is missing (looked in '
                 + (', '.join(trees) or 'build') + '): run ./configure first')


class Monitor:
    """A connected monitor; events are collected as they come"""

    def __init__(self, loop, name, sock):
        """Raises TimeoutError, or what qemu.qmp raises"""
        self.loop = loop
        self.events = []
        self._watcher = None
        self._client = None
        self._client = loop.run(self._connect(name, sock), TIMEOUT)

    async def _connect(self, name, sock):
        from qemu.qmp import EventListener, QMPClient

        client = QMPClient(name)
        # The caller reports a QEMU that ends
        client.logger.disabled = True
        listener = EventListener()
        client.register_listener(listener)
        self._watcher = asyncio.ensure_future(self._watch(listener))
        await client.connect(sock)
        return client

    async def _watch(self, listener):
        async for event in listener:
            self.events.append(event)

    def execute(self, command, arguments, timeout):
        """Raises TimeoutError, Failed if QEMU refuses, or what qemu.qmp does"""
        from qemu.qmp import ExecuteError

        try:
            return self.loop.run(
                self._client.execute(command, arguments or None), timeout)
        except ExecuteError as e:
            raise Failed(str(e)) from None

    def close(self):
        async def disconnect():
            self._watcher.cancel()
            with contextlib.suppress(Exception):
                await self._client.disconnect()

        with contextlib.suppress(Exception):
            self.loop.run(disconnect(), TIMEOUT)


class RawMonitor:
    """A second monitor without a library, to measure how long a command takes"""

    def __init__(self, sock, on_close):
        self.sock = sock
        self.on_close = on_close

    def negotiate(self):
        self.sock.settimeout(TIMEOUT)
        self._reply()
        self.round_trip(b'{"execute": "qmp_capabilities", "arguments": '
                        b'{"enable": ["oob"]}}\n')

    def answered(self, command, mark):
        """
        Send a command, and read until what has MARK, which is in its answer;
        what comes before are events and the like
        """
        self.sock.sendall(command)
        self._receive(lambda data: mark in data)

    def out_of_band(self, command):
        """
        Send a command that QEMU executes whatever its main loop does; another
        thread may be in a round trip, and gets the reply
        """
        self.sock.sendall(command)

    def _receive(self, enough):
        """Until ENOUGH() is true of it, in as few steps as can be"""
        data = self.sock.recv(65536)
        while not enough(data):
            more = self.sock.recv(65536)
            if not more:
                self.on_close('the monitor closed')
            data += more

    def _reply(self):
        self._receive(lambda data: data.endswith(b'\n'))

    def round_trip(self, command):
        """Nanoseconds that a command takes"""
        start = time.perf_counter_ns()
        self.sock.sendall(command)
        self._reply()
        return time.perf_counter_ns() - start
