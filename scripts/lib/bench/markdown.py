# SPDX-License-Identifier: GPL-2.0-or-later
"""Rendering: numbers to Markdown"""


def plus_minus(ratio):
    """What describe() returned, as '0.991 ± 0.027'"""
    if not ratio:
        return '-'
    text = f'{ratio["median"]:.3f}'
    if ratio['low'] is None:
        return text
    noise = (ratio['high'] - ratio['low']) / 2 / ratio['median']
    return f'{text} ± {noise:.3f}'


def table(head, rows):
    lines = ['| ' + ' | '.join(head) + ' |',
             '|' + '|'.join(['---'] + ['---:'] * (len(head) - 1)) + '|']
    return lines + ['| ' + ' | '.join(str(c) for c in row) + ' |'
                    for row in rows]


def verdict(target):
    if target.reached is None:
        return target.text
    word = 'reached' if target.reached else 'MISSED'
    if not target.judged:
        word += ' (not judged: too few pairs)'
    return f'{target.text}: {word}'


def verdicts(targets):
    return [verdict(t) for t in targets]
