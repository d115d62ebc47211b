# SPDX-License-Identifier: GPL-2.0-or-later
"""libvirt as Debian's packages, unpacked"""

import os
import subprocess

from migpair import TOP, Failed

# Exit status of scripts/debian-libvirt
CANNOT_BE_HAD = 3


class CannotBeHad(Failed):
    """No network, no such suite..."""


def get(suite, update):
    """The directory of a suite's libvirt"""
    script = os.path.join(TOP, 'scripts', 'debian-libvirt')
    r = subprocess.run([script, *(['--update'] if update else []), suite],
                       check=False, stdout=subprocess.PIPE, text=True)
    if r.returncode == CANNOT_BE_HAD:
        raise CannotBeHad(f'libvirt of {suite} cannot be had')
    if r.returncode:
        raise Failed(f'scripts/debian-libvirt {suite} failed; see above')
    return r.stdout.strip()


def version(tree):
    """The version of what get() returned"""
    with open(os.path.join(tree, 'version'), encoding='ascii') as f:
        return f.read().strip()
