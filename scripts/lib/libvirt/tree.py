# SPDX-License-Identifier: GPL-2.0-or-later
"""libvirt as Debian's packages, unpacked"""

import os
import subprocess

from migpair import TOP, Failed

# That of scripts/build-libvirt, among the names of suites
PATCHED = 'patched'
# Exit status of both scripts
CANNOT_BE_HAD = 3


class CannotBeHad(Failed):
    """No network, no such suite..."""


def get(suite, update):
    """The directory of a suite's libvirt"""
    command = ['build-libvirt', '--check'] if suite == PATCHED else \
        ['debian-libvirt', *(['--update'] if update else []), suite]
    r = subprocess.run([os.path.join(TOP, 'scripts', command[0]),
                        *command[1:]],
                       check=False, stdout=subprocess.PIPE, text=True)
    if r.returncode == CANNOT_BE_HAD:
        raise CannotBeHad(f'libvirt of {suite} cannot be had')
    if r.returncode:
        raise Failed(f'scripts/{" ".join(command)} failed; see above')
    return r.stdout.strip()


def version(tree):
    """The version of what get() returned"""
    with open(os.path.join(tree, 'version'), encoding='ascii') as f:
        return f.read().strip()
