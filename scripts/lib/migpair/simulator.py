# SPDX-License-Identifier: GPL-2.0-or-later
"""Simulated VFIO devices: where they are, what they are, how to control one"""

import os
import re
import socket
from typing import Dict, Union

from .errors import Failed
from .process import TIMEOUT, run_tool


class Simulator:
    """Where the library to preload and the command are"""

    def __init__(self, directory):
        self.library = self.command = None
        wanted = {'libvfio-sim.so': 'library', 'vfio-sim': 'command'}
        for path, dirs, files in os.walk(directory):
            dirs[:] = [d for d in dirs if not d.endswith('.p')]
            for name in files:
                full = os.path.join(path, name)
                if name in wanted and os.access(full, os.X_OK):
                    setattr(self, wanted.pop(name), full)
        if wanted:
            raise Failed(f'the simulator is not built: no {min(wanted)} '
                         f'below {directory}')

    def check(self, profile):
        """Let the simulator check a profile"""
        r = run_tool([self.command, 'check', profile])
        if r.returncode:
            raise Failed((r.stderr or r.stdout).strip()
                         or f'{profile}: not a good profile')

    def run(self, devices, directory, properties=''):
        """
        Controls of the devices, with sockets in DIRECTORY, and the command
        that goes before that of a QEMU to give it the devices
        """
        command = [self.command, 'run', '--library', self.library,
                   '--control', directory]
        if properties:
            command += ['--properties', properties]
        for device in devices:
            command += ['--device', device.spec()]
        return [Control(os.path.join(directory, f'dev{i}.sock'))
                for i in range(len(devices))], command + ['--']


class Device:
    """A simulated device: a profile, and keys that differ from it"""

    def __init__(self, profile=None, **keys):
        self.profile = profile
        self.keys = {k.replace('_', '-'): v for k, v in keys.items()}

    def spec(self) -> str:
        """The device as an option of vfio-sim run"""
        path = 'default'
        if self.profile:
            path = re.sub(r'[,;\\]', r'\\\g<0>', os.path.abspath(self.profile))
        return ','.join([path] + [f'{k}={v}' for k, v in self.keys.items()])


class Control:
    """The control socket of a simulated device"""

    def __init__(self, path):
        self.path = path

    def ask(self, line: str) -> str:
        try:
            with socket.socket(socket.AF_UNIX) as s:
                s.settimeout(TIMEOUT)
                s.connect(self.path)
                s.sendall(line.encode() + b'\n')
                reply = s.makefile(encoding='utf-8').readline().strip()
        except OSError as e:
            raise Failed(f'the simulated device does not answer: {e}') \
                from None
        word, _, rest = reply.partition(' ')
        if word != 'ok':
            raise Failed(f'the simulated device refuses "{line}": {reply}')
        return rest

    def get(self, key: str) -> Union[int, str]:
        value = self.ask(f'get {key}')
        return int(value) if value.lstrip('-').isdigit() else value

    def set(self, key: str, value: Union[int, str]) -> None:
        self.ask(f'set {key} {value}')

    def stats(self) -> Dict[str, Union[int, str]]:
        pairs = (p.partition('=') for p in self.ask('stats').split())
        return {k: int(v) if v.isdigit() else v for k, _, v in pairs}
