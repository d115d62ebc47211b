# SPDX-License-Identifier: GPL-2.0-or-later
"""libvirt as Debian's packages, unpacked"""

import os

import debian

# That of scripts/build-libvirt, among the names of suites
PATCHED = 'patched'


def get(suite, update):
    """The directory of a suite's libvirt; raises debian.CannotBeHad"""
    if suite == PATCHED:
        return debian.get('build-libvirt', '--check')
    return debian.get('debian-libvirt', *(['--update'] if update else []),
                      suite)


def version(tree):
    """The version of what get() returned"""
    with open(os.path.join(tree, 'version'), encoding='ascii') as f:
        return f.read().strip()
