# SPDX-License-Identifier: GPL-2.0-or-later
"""Migrations without a device: as fast as before, with as many bytes"""

import os
from typing import Any, Dict, Tuple

from .judge import Target, describe, medians, ratios
from .markdown import plus_minus, table, verdicts
from .stats import median

MIB = 1 << 20
RATIO = 1.03
MEMORY = 1 << 30
# Bytes per second: slow enough to be the same in all runs
LINK = 200_000_000

# name -> (guest that rewrites 64 MiB, capabilities, parameters)
CASES: Dict[str, Tuple[bool, Tuple[str, ...], Dict[str, Any]]] = {
    'idle guest': (False, (), {}),
    'guest rewrites 64 MiB': (True, (), {'downtime-limit': 1000}),
    'the same, multifd': (True, ('multifd',), {'downtime-limit': 1000}),
    'the same, does not converge, auto-converge': (
        True, ('auto-converge',), {'max-bandwidth': 100_000_000,
                                   'downtime-limit': 600,
                                   'cpu-throttle-initial': 50}),
}
KEYS = {'total': 'total time', 'downtime': 'downtime', 'bytes': 'bytes'}


def numbers(info):
    """Of a migration that has completed"""
    return {'total': info['total-time'], 'downtime': info['downtime'],
            'bytes': info['ram']['transferred']}


def one(bench, column, case):
    busy, capabilities, parameters = CASES[case]
    with bench.pair(column, [], memory=MEMORY,
                    rom=bench.sess.busy_rom if busy else None) as pair:
        if capabilities:
            pair.set_capabilities(*capabilities)
        pair.set_parameters({'max-bandwidth': LINK, **parameters})
        pair.wait_guest()
        pair.start()
        return numbers(pair.wait_completed(120))


def to_file(bench, column):
    """A running guest to a file, with mapped-ram"""
    path = os.path.join(bench.sess.tmp, 'mapped-ram')
    with bench.pair(column, [], memory=MEMORY,
                    rom=bench.sess.busy_rom) as pair:
        pair.source.set_capabilities('mapped-ram')
        pair.set_parameters({'max-bandwidth': LINK, 'downtime-limit': 1000})
        pair.wait_guest()
        pair.source.cmd('migrate', uri='file:' + path)
        pair.poll(lambda: pair.info().get('status') == 'completed', 120,
                  'the migration did not complete', 0.02)
        result = numbers(pair.info())
    os.unlink(path)
    return result


def measure(bench):
    pairs = bench.pairs(1, 5)
    raw = {case: bench.rounds(f'RAM, {case}', pairs, pairs,
                              lambda c, case=case: one(bench, c, case))
           for case in CASES}
    raw['guest rewrites 64 MiB, mapped-ram'] = bench.rounds(
        'RAM, mapped-ram', pairs, pairs, lambda c: to_file(bench, c))
    return raw


def judge(bench, raw):
    data, targets = {}, []
    for case, rounds in raw.items():
        columns = {}
        for column in bench.columns:
            columns[column] = {key: medians(rounds, column, key)
                               for key in KEYS}
            for key in KEYS:
                columns[column][f'{key}-ratio'] = describe(
                    ratios(rounds, column, key))
        data[case] = {'pairs': len(rounds), 'columns': columns}
        for key, name in KEYS.items():
            ratio = median(ratios(rounds, 'series', key))
            targets.append(Target(
                f'{case}: {name} series/stock {ratio:.3f}, at most {RATIO}',
                ratio <= RATIO, bench.judged(len(rounds))))
    return {'cases': data}, targets


def render(bench, numbers, targets):
    rows = []
    for case, entry in numbers['cases'].items():
        for column in bench.columns:
            c = entry['columns'][column]
            rows.append([case, column, f'{c["total"]:,.0f} ms',
                         f'{c["downtime"]:,.0f} ms',
                         f'{c["bytes"] / 1e6:,.1f} MB']
                        + [plus_minus(c[f'{key}-ratio'])
                           if column != 'stock' else '' for key in KEYS])
    return ['Migrations without a device, 1 GiB of RAM, nothing set but '
            'max-bandwidth, and a limit of 1 s (0.6 s with auto-converge) for '
            'the guest that rewrites memory:', '',
            *table(['', '', *KEYS.values(),
                    *(f'{k}: ratio' for k in KEYS.values())], rows), '',
            *verdicts(targets)]
