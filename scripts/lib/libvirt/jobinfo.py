# SPDX-License-Identifier: GPL-2.0-or-later
"""What "virsh domjobinfo" prints"""

import re

LINE = re.compile(r'^([A-Z][^:]*):\s+(.*\S)\s*$', re.MULTILINE)
UNITS = {'B': 1, 'KiB': 1 << 10, 'MiB': 1 << 20, 'GiB': 1 << 30,
         'TiB': 1 << 40}


class JobInfo:
    """The lines of one reply"""

    def __init__(self, text):
        self.lines = dict(LINE.findall(text))

    def active(self):
        return self.lines.get('Job type') == 'Unbounded'

    def expected_downtime(self):
        """Milliseconds, or None"""
        text = self.lines.get('Expected downtime')
        return int(text.split()[0]) if text else None

    def size(self, name):
        """Bytes of a line like "Data remaining: 1.500 GiB", or None"""
        words = self.lines.get(name, '').split()
        if len(words) != 2 or words[1] not in UNITS:
            return None
        return int(float(words[0]) * UNITS[words[1]])


def get(node, guest):
    """The job of a host's guest; an empty one if there is no such guest"""
    return JobInfo(node.virsh('domjobinfo', guest, check=False).stdout)
