# SPDX-License-Identifier: GPL-2.0-or-later
"""Trees of Debian's packages: scripts/debian-qemu and others"""

import os
import subprocess

from migpair import TOP, Failed

# Exit status of these scripts
CANNOT_BE_HAD = 3


class CannotBeHad(Failed):
    """No network, no such suite..."""


def get(script, *options):
    """The path that one of the scripts prints; its messages go to stderr"""
    r = subprocess.run([os.path.join(TOP, 'scripts', script), *options],
                       check=False, stdout=subprocess.PIPE, text=True)
    what = ' '.join(['scripts/' + script, *options])
    if r.returncode == CANNOT_BE_HAD:
        raise CannotBeHad(f'{what} cannot get it')
    if r.returncode:
        raise Failed(f'{what} failed; see above')
    return r.stdout.strip()
