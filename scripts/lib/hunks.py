# SPDX-License-Identifier: GPL-2.0-or-later
"""
Name the hunks of a patch that are in conflict: hunks.py PATCH FILE, where FILE has
git's conflict markers
"""

import re
import sys
from typing import List, Tuple

MARKER = re.compile(r'(<{7}|\|{7}|={7}|>{7})( |$)')


def conflicts(lines):
    """[(first line, what the patch wants there)]"""
    found: List[Tuple[int, List[str]]] = []
    wanted: List[str] = []
    side, start = '', 0
    for number, line in enumerate(lines, 1):
        m = MARKER.match(line)
        if m:
            side = m[1][0]
            if side == '<':
                start, wanted = number, []
            elif side == '>':
                found.append((start, wanted))
        elif side == '=':
            wanted.append(line)
    return found


def hunks(lines):
    """[(header, the lines that it leaves there)]"""
    found: List[Tuple[str, List[str]]] = []
    for line in lines:
        if line.startswith('@@ '):
            found.append((line, []))
        elif found and line[:1] in ('+', ' '):
            found[-1][1].append(line[1:])
    return found


def main():
    with open(sys.argv[1], encoding='utf-8', errors='replace') as f:
        patch = hunks(f.read().splitlines())
    with open(sys.argv[2], encoding='utf-8', errors='replace') as f:
        for start, wanted in patch and conflicts(f.read().splitlines()):
            # That which has most of its lines in common
            header = max(patch, key=lambda h: len(set(h[1]) & set(wanted)))[0]
            print(f'line {start}: {header}')


main()
