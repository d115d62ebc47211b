# SPDX-License-Identifier: GPL-2.0-or-later
"""Medians and their intervals"""

import math
import random
from statistics import median

__all__ = ['interval', 'median', 'order', 'spread']


def interval(values, confidence=0.95, rounds=2000):
    """
    Bootstrap interval of the median; reproducible.  It is infinite for a few
    values, as these allow no estimate.
    """
    if len(values) < 5:
        return (-math.inf, math.inf)
    rng = random.Random(len(values))
    medians = sorted(median(rng.choices(values, k=len(values)))
                     for _ in range(rounds))
    cut = int(rounds * (1 - confidence) / 2)
    return (medians[cut], medians[-1 - cut])


def spread(values):
    """Half of that interval, relative to the median"""
    low, high = interval(values)
    return (high - low) / 2 / median(values)


def order(columns, turn):
    """Columns in alternating order, so that drift affects all alike"""
    return list(columns) if turn % 2 == 0 else list(reversed(columns))
