# SPDX-License-Identifier: GPL-2.0-or-later
"""Cost of query-migrate while a migration waits"""

from typing import Dict, List

from migpair import Device

from .judge import Target, describe, medians, ratios
from .markdown import plus_minus, table, verdicts
from .stats import median

MIB = 1 << 20
QUERY_RATIO = 1.25
DEVICES = (1, 16)


def count(bench):
    return 200 if bench.args.quick else 1000


def one(bench, column, devices):
    """Round trips in µs, or None if the migration did not wait"""
    out: Dict[str, float] = {}

    def ask(pair):
        times: Dict[bytes, List[float]] = {b'query-status': [],
                                           b'query-migrate': []}
        lines = {c: b'{"execute": "%s"}\n' % c for c in times}
        for _ in range(count(bench) + 20):
            for command, line in lines.items():
                times[command].append(pair.source.raw.round_trip(line) / 1000)
        status, migrate = (median(t[20:]) for t in times.values())
        out.update(status=status, migrate=migrate, more=migrate - status)

    with bench.pair(column, [Device(stop_bytes=64 * MIB)
                             for _ in range(devices)],
                    raw_monitor=True) as pair:
        bench.wait_then_raise(pair, 10 ** 9, 1, 60000, between=ask)
        bench.completed(pair, 120)
    return out or None


def measure(bench):
    """{number of devices: rounds}"""
    pairs = bench.pairs(2, 7)
    return {n: bench.rounds(f'query-migrate, {n} device(s)', pairs, pairs,
                            lambda c, n=n: one(bench, c, n))
            for n in DEVICES}


def judge(bench, raw):
    data, targets = {}, []
    for devices, rounds in raw.items():
        columns = {}
        for column in bench.columns:
            columns[column] = {
                'round-trip-us': medians(rounds, column, 'migrate'),
                'query-status-us': medians(rounds, column, 'status'),
                'more-us': medians(rounds, column, 'more')}
            values = ratios(rounds, column, 'migrate')
            if values and column != bench.columns[0]:
                columns[column]['ratio'] = describe(values)
        data[str(devices)] = {'pairs': len(rounds), 'queries': count(bench),
                              'columns': columns}
        ratio = median(ratios(rounds, 'series', 'migrate'))
        targets.append(Target(
            f'{devices} device(s): series/stock {ratio:.3f}, at most '
            f'{QUERY_RATIO}', ratio <= QUERY_RATIO, bench.judged(len(rounds))))
    return {'devices': data}, targets


def render(bench, numbers, targets):
    rows = []
    for devices, entry in numbers['devices'].items():
        row = [devices]
        for column in bench.columns:
            c = entry['columns'][column]
            row += ['-' if c['round-trip-us'] is None
                    else f'{c["round-trip-us"]:.0f} µs',
                    '-' if c['more-us'] is None else f'{c["more-us"]:+.0f} µs']
        rows.append(row + [plus_minus(entry['columns'][column].get('ratio'))
                           for column in bench.columns[1:]])
    head = ['devices']
    for column in bench.columns:
        head += [f'{column}: round trip', 'over query-status']
    head += [f'{c}/stock' for c in bench.columns[1:]]
    return [
        'One query-migrate while the migration waits, medians of '
        f'{entry["queries"]} each in {entry["pairs"]} pairs:', '',
        *table(head, rows), '', *verdicts(targets)]
