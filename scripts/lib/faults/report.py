# SPDX-License-Identifier: GPL-2.0-or-later
"""The table of results"""

from collections import Counter
from typing import Dict

from . import oracle
from .plan import KINDS, REPEATED


class Results:
    """Numbers of cases, by kind and problem"""

    def __init__(self):
        self.cases: Counter = Counter()
        self.missed: Counter = Counter()
        self.problems: Dict[str, Counter] = {
            k: Counter() for k in [*KINDS, REPEATED]}

    def add(self, kind, category, reached):
        self.cases[kind] += 1
        if not reached:
            self.missed[kind] += 1
        if category:
            self.problems[kind][category] += 1

    def total(self, category=None):
        """Problems of a category, or of all that must not be"""
        names = [category] if category else [
            c for c in oracle.CATEGORIES if c not in oracle.ALLOWED]
        return sum(p[c] for p in self.problems.values() for c in names)

    def table(self):
        """Lines of Markdown: kinds, and the problems that there were"""
        shown = [c for c in oracle.CATEGORIES
                 if self.total(c) or c in oracle.CATEGORIES[:5]]
        lines = ['| fault | cases | ' + ' | '.join(shown) + ' |',
                 '|---|---:|' + '---:|' * len(shown)]
        for kind, count in self.cases.items():
            lines.append(f'| {kind} | {count} | ' + ' | '.join(
                str(self.problems[kind][c]) for c in shown) + ' |')
        lines.append(f'| all | {sum(self.cases.values())} | ' + ' | '.join(
            str(self.total(c)) for c in shown) + ' |')
        return lines
