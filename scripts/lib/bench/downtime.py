# SPDX-License-Identifier: GPL-2.0-or-later
"""Expected downtime against the guest's real downtime"""

import math

import units
from migpair import Device, Failed, relay_capacity

from .judge import Target, describe, medians
from .markdown import table, verdicts
from .stats import median

MIB = 1 << 20
DOWNTIME_ERROR = 0.15


def measure(bench):
    """{device: rounds}"""
    args = bench.args
    sizes = [64, 512] if args.quick else [64, 128, 256, 512, 1024, 2048]
    pairs = bench.pairs(2, 5)
    can = relay_capacity(bench.sess)
    if can < args.bandwidth:
        raise Failed(f'the link cannot be {units.rate(args.bandwidth)}: a '
                     f'relay on this machine carries {units.rate(can)}; try '
                     'a smaller --bandwidth')
    raw = {}
    for size in (m * MIB for m in sizes):
        ideal = size * 1000 / args.bandwidth

        def one(column, size=size, ideal=ideal):
            with bench.pair(column, [Device(stop_bytes=size)],
                            link=args.bandwidth) as pair:
                info = bench.wait_then_raise(
                    pair, args.bandwidth, max(int(ideal / 4), 1), 60000)
                real = bench.completed(pair, 60 + ideal / 100)
                return {'expected': info and info.get('expected-downtime'),
                        'waited': info is not None, 'real': real}

        name = units.device(size)
        raw[name] = bench.rounds(f'downtime, {name}', pairs, pairs, one)
    return raw


def judge(bench, raw):
    data = {}
    worst = 0
    for name, rounds in raw.items():
        columns = {}
        for column in bench.columns:
            real = medians(rounds, column, 'real')
            truth = [r[column]['expected'] / r[column]['real']
                     for r in rounds if column in r
                     and r[column]['expected'] is not None]
            columns[column] = {
                'expected-ms': medians(rounds, column, 'expected'),
                'real-ms': real and round(real, 1),
                'expected-over-real': describe(truth),
                'waited': sum(r[column]['waited'] for r in rounds
                              if column in r)}
            if column == 'series':
                worst = max(worst,
                            abs(median(truth) - 1) if truth else math.inf)
        data[name] = {'pairs': len(rounds), 'columns': columns}
    return {'bandwidth': bench.args.bandwidth, 'devices': data}, [
        Target('series: expected downtime within '
               f'{DOWNTIME_ERROR:.0%} of the real one (worst: {worst:.1%})',
               worst <= DOWNTIME_ERROR)]


def render(bench, numbers, targets):
    rows = []
    for name, entry in numbers['devices'].items():
        row = [name]
        for column in bench.columns:
            c = entry['columns'][column]
            truth = c['expected-over-real']
            row += [units.ms(c['expected-ms']), units.ms(c['real-ms']),
                    units.percent(truth and truth['median'] - 1)]
        rows.append(row)
        pairs = entry['pairs']
    head = ['device']
    for column in bench.columns:
        head += [f'{column}: expected', 'real', 'off by']
    return [
        'Expected and real downtime, link of '
        f'{units.rate(numbers["bandwidth"])}, medians of {pairs} pairs:', '',
        *table(head, rows), '',
        'The limit was a quarter of size / bandwidth, so that every migration '
        'waited.  An', 'expected downtime that equals the limit is no '
        'prediction: it is the initial value.', '', *verdicts(targets)]
