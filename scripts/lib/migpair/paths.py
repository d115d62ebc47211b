# SPDX-License-Identifier: GPL-2.0-or-later
"""Directories of this repository and of the machine"""

import os

PACKAGE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(os.path.dirname(PACKAGE)))
FIRMWARE_DIRS = ('/usr/share/seabios', '/usr/share/qemu')
