# SPDX-License-Identifier: GPL-2.0-or-later
"""Throughput of device state, on the main channel and with multifd"""

import units
from migpair import Device, Namespace

from .judge import NOISE, Target, describe, medians, ratios
from .markdown import plus_minus, table, verdicts
from .stats import median, spread

MIB = 1 << 20
GIB = 1 << 30
THROUGHPUT_RATIO = 0.97
MODES = {'main channel': None, 'multifd, 2 channels': 2}


def device_size(bench):
    return (1024 if bench.args.quick else 2048) * MIB


def cpu(pair):
    return pair.source.cpu_seconds() + pair.destination.cpu_seconds()


def one(bench, column, channels, namespace):
    """One migration: MiB/s, and processor time for each GiB"""
    size = device_size(bench)
    fast = 100 * 10 ** 9
    with bench.pair(column, [Device(stop_bytes=size, read_rate='unlimited',
                                    write_rate='unlimited')],
                    namespace=namespace,
                    device_options='x-migration-multifd-transfer='
                    + ('on' if channels else 'off')) as pair:
        pair.set_capabilities('return-path',
                              *(['multifd'] if channels else []))
        if channels:
            pair.set_parameters({'multifd-channels': channels}, both=True)
        before = 0

        def open_up(pair):
            nonlocal before
            pair.set_parameters({'max-bandwidth': fast})
            before = cpu(pair)

        # 1 ms of the first bandwidth is less than the device, and 60 s is
        # more
        if not bench.wait_then_raise(pair, 10 ** 9, 1, 60000,
                                     between=open_up):
            return None
        silent = bench.completed(pair, 120) / 1000
        return {'speed': size / MIB / silent,
                'cpu': (cpu(pair) - before) * 1000 * GIB / size}


def measure(bench):
    """{mode: rounds}"""
    pairs = bench.pairs(2, 15)
    most = pairs if bench.args.quick or bench.args.pairs else 2 * pairs
    namespace = Namespace(bench.sess)
    try:
        return {mode: bench.rounds(
            f'throughput, {mode}', pairs, most,
            lambda c, ch=channels: one(bench, c, ch, namespace),
            lambda r: spread(ratios(r, 'series', 'speed')) < NOISE)
            for mode, channels in MODES.items()}
    finally:
        namespace.close()


def judge(bench, raw):
    data, targets = {}, []
    for mode, rounds in raw.items():
        columns = {}
        for column in bench.columns:
            rate, cost = (medians(rounds, column, k) for k in ('speed', 'cpu'))
            columns[column] = {
                'mib-per-second': rate and round(rate, 1),
                'cpu-ms-per-gib': cost and round(cost, 1)}
            if column == bench.columns[0]:
                continue
            for key, name in (('speed', 'ratio'), ('cpu', 'cpu-ratio')):
                values = ratios(rounds, column, key)
                if values:
                    columns[column][name] = describe(values)
        data[mode] = {'pairs': len(rounds), 'columns': columns}
        values = ratios(rounds, 'series', 'speed')
        judged = bench.judged(len(rounds))
        targets.append(Target(
            f'{mode}: series/stock {median(values):.3f}, at least '
            f'{THROUGHPUT_RATIO}', median(values) >= THROUGHPUT_RATIO, judged))
        if judged and spread(values) >= NOISE:
            targets.append(Target(
                f'{mode}: the noise stayed above {NOISE:.0%}; more --pairs on '
                'a quieter machine give a better number'))
    return {'device-bytes': device_size(bench), 'modes': data}, targets


def render(bench, numbers, targets):
    rows = []
    for mode, entry in numbers['modes'].items():
        columns = entry['columns']
        row = [mode]
        for column in bench.columns:
            rate = columns[column]['mib-per-second']
            row.append('-' if rate is None else f'{rate:,.0f} MiB/s')
        for column in bench.columns[1:]:
            row += [plus_minus(columns[column].get(name))
                    for name in ('ratio', 'cpu-ratio')]
        rows.append(row + [entry['pairs']])
    head = ['device state'] + bench.columns
    for column in bench.columns[1:]:
        head += [f'{column}/stock', 'its CPU time']
    return [
        f'Throughput of device state, {units.device(numbers["device-bytes"])} '
        'over loopback, unlimited device, medians (± half of the 95 % '
        'interval); processor time is that of source and destination '
        'together:', '', *table(head + ['pairs'], rows), '',
        *verdicts(targets)]
