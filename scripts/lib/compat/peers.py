# SPDX-License-Identifier: GPL-2.0-or-later
"""The QEMUs that the series must migrate to and from"""

import os
import re
from dataclasses import dataclass

import debian
from migpair import Failed, run_tool
from setup import build_base, other_bases, version

# Names of the command line, and suites of Debian
SUITES = {'debian-stable': 'stable', 'debian-unstable': 'unstable'}
SERIES, UNMODIFIED = 'series', 'unmodified'
# The series on another base
OTHER = 'series-'


def names():
    """Those of all peers"""
    return [UNMODIFIED, *(OTHER + base for base in other_bases()), *SUITES]


# In the output of -machine help
TYPE = re.compile(r'^(pc-(?:i440fx|q35)-\d+\.\d+)\b', re.MULTILINE)
PROPERTY = 'switchover-ack-legacy'


@dataclass(frozen=True)
class Peer:
    """A QEMU"""
    name: str
    binary: str
    version: str
    machines: frozenset
    # Acks that a device can request again
    new_acks: bool

    def text(self):
        return f'{self.name} ({self.version})'

    def of_series(self):
        return self.name == SERIES or self.name.startswith(OTHER)


def look(name, binary):
    """What a binary can do"""
    machines = run_tool([binary, '-machine', 'help'])
    if machines.returncode:
        raise Failed(f'{binary}: -machine help: {machines.stderr.strip()}')
    return Peer(name, binary, version(binary),
                frozenset(TYPE.findall(machines.stdout)),
                has_property(binary))


def has_property(binary):
    """Does the migration object of the binary have the property?"""
    with open(binary_file(binary), 'rb') as f:
        return PROPERTY.encode() in f.read()


def binary_file(binary):
    """The program that a command of scripts/debian-qemu runs"""
    real = os.path.join(os.path.dirname(binary), 'root', 'usr', 'bin',
                        'qemu-system-x86_64')
    return real if os.path.exists(real) else binary


def get(name, update, say, out):
    """The path of a QEMU that is built or of Debian; raises debian.CannotBeHad"""
    if name.startswith(OTHER):
        return build_base(name.removeprefix(OTHER), say, out)
    return debian.get('debian-qemu', *(['--update'] if update else []),
                      SUITES[name])


def order(machine):
    """Machine types sort by their version"""
    kind, number = machine.rsplit('-', 1)
    return [int(n) for n in number.split('.')], kind


def shared(one, other):
    """Machine types of both, the newest one last"""
    return sorted(one.machines & other.machines, key=order)
