# SPDX-License-Identifier: GPL-2.0-or-later
"""Judging: medians and ratios of rounds, and targets"""

import dataclasses
import math
from typing import Optional

from .stats import interval, median

# Half of the 95 % interval of a ratio: below this it is good enough
NOISE = 0.03


@dataclasses.dataclass
class Target:
    """Something that should be reached; or, with None, a remark"""
    text: str
    reached: Optional[bool] = None
    judged: bool = True

    def missed(self) -> bool:
        return self.reached is False and self.judged


def medians(rounds, column, key):
    values = [r[column][key] for r in rounds if column in r]
    values = [v for v in values if v is not None]
    return median(values) if values else None


def ratios(rounds, column, key, base='stock'):
    """Paired: each round's own ratio to its own stock (or BASE) run"""
    return [r[column][key] / r[base][key] for r in rounds
            if column in r and base in r]


def describe(values):
    """A ratio as JSON: median, interval, the pairs' ratios; None: no ratio"""
    if not values:
        return None
    low, high = interval(values)
    return {'median': median(values), 'pairs': len(values),
            'low': None if math.isinf(low) else low,
            'high': None if math.isinf(high) else high,
            'ratios': [round(v, 4) for v in values]}
