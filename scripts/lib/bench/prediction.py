# SPDX-License-Identifier: GPL-2.0-or-later
"""
Expected downtime with nothing set but the limit, on links of different speed,
against the guest's real downtime; and whether the limit is kept
"""

import itertools
import math
import os
import statistics
import time
from typing import Any, Dict

import units
from migpair import Device, Failed, Namespace, TOP

from . import scatter
from .judge import Target
from .markdown import table, verdicts
from .stats import median

MIB = 1 << 20
GBIT = 125_000_000
MEMORY = 1 << 30
# Within this of the real downtime it is right
RIGHT, RIGHT_MEDIAN, RIGHT_CELLS = 0.25, 0.10, 0.90
# How far the real downtime may exceed the limit, and how often
OVER, OVER_RUNS = 0.10, 0.01
VARIATION = 0.05
# Seconds: until a prediction must be right, until it is used, until one of a
# link that has changed is
FIRST, SETTLED, CHANGED = 1, 3, 36
NEVER = 2_000_000

# name -> (bytes per second at the start, later); None: not limited
LINKS = {'1 Gbit/s': (GBIT, None), '10 Gbit/s': (10 * GBIT, None),
         'loopback': (None, None), '10, then 1 Gbit/s': (10 * GBIT, GBIT)}
SIZES = (64 * MIB, 512 * MIB, 2048 * MIB)
KINDS = ('stop-only', 'PRE_COPY')


def device(kind, size):
    """SIZE is what has to move while the guest is stopped"""
    if kind == 'stop-only':
        return Device(precopy='off', stop_bytes=size)
    return Device(precopy='on', initial_bytes=size // 4, dirty_rate=4 * MIB,
                  dirty_ceiling=4 * MIB, stop_bytes=size)


def prepare(bench, column, namespace, kind, size, multifd, busy):
    pair = bench.pair(column, [device(kind, size)], memory=MEMORY,
                      namespace=namespace,
                      rom=bench.sess.busy_rom if busy else None)
    if multifd:
        # Without the return path stock QEMU loses some guests
        pair.set_capabilities('multifd', 'return-path')
    pair.set_parameters({'downtime-limit': 1})
    pair.wait_guest()
    return pair


def expected(pair):
    return pair.info().get('expected-downtime')


def passed(pair):
    """Has the first pass over all data ended?"""
    info = pair.info()
    return info['status'] == 'completed' or \
        info['ram']['dirty-sync-count'] > 3


def wait_until(pair, seconds):
    while pair.elapsed() < seconds:
        pair.check_alive()
        time.sleep(0.02)


def wait_changed(pair, before):
    """
    Until the prediction has followed a link that is ten times slower.  Where it
    is 0 there is none.
    """
    end = time.monotonic() + CHANGED
    while before and time.monotonic() < end and \
            (expected(pair) or 0) < 5 * before:
        time.sleep(0.1)
    time.sleep(SETTLED)


def finish(bench, pair, limit):
    """(real downtime, whether LIMIT was enough)"""
    pair.set_parameters({'downtime-limit': min(limit, NEVER)})
    end = time.monotonic() + 5
    while time.monotonic() < end and not pair.source.events('STOP'):
        time.sleep(0.02)
    enough = bool(pair.source.events('STOP'))
    if not enough:
        pair.set_parameters({'downtime-limit': NEVER})
    return bench.completed(pair, 300), enough


def cell(bench, column, link, kind, size, multifd, busy):
    rate, later = LINKS[link]
    namespace = Namespace(bench.sess, rate)
    try:
        with prepare(bench, column, namespace, kind, size, multifd,
                     busy) as pair:
            pair.start()
            wait_until(pair, FIRST)
            first = expected(pair)
            wait_until(pair, SETTLED)
            # The first pass over initial data may take longer
            pair.poll(lambda: passed(pair), 60, 'the first pass does not end',
                      0.05)
            if later:
                before = expected(pair)
                namespace.set_rate(later)
                wait_changed(pair, before)
            value = expected(pair)
            limit = math.ceil((value or 1) * 1.02)
            real, enough = finish(bench, pair, limit)
    finally:
        namespace.close()
    return {'first': first, 'expected': value, 'limit': limit,
            'enough': enough, 'real': real}


def cells(args):
    """Name and arguments of each cell"""
    quick = args.quick and not args.cells
    for link, kind, size, multifd, busy in itertools.product(
            LINKS, KINDS, SIZES, (False, True), (False, True)):
        if quick and (size != SIZES[0] or link != '1 Gbit/s' or busy):
            continue
        name = ', '.join((link, kind, units.device(size),
                          'multifd' if multifd else 'main channel',
                          'guest rewrites 64 MiB' if busy else 'empty guest'))
        if args.cells and args.cells not in name:
            continue
        yield name, (link, kind, size, multifd, busy)


def kept(bench, column, run):
    """A limit just above the prediction: (limit, real downtime)"""
    size = (16 + run % 5 * 12) * MIB
    namespace = Namespace(bench.sess, GBIT)
    try:
        with prepare(bench, column, namespace, KINDS[run % 2], size,
                     run % 4 >= 2, run % 3 == 0) as pair:
            pair.start()
            wait_until(pair, SETTLED)
            limit = math.ceil((expected(pair) or 1) * 1.02)
            real, enough = finish(bench, pair, limit)
    finally:
        namespace.close()
    return {'limit': limit, 'real': real, 'enough': enough}


def variation(bench, column, seconds):
    """Coefficient of variation of the prediction while the guest waits"""
    namespace = Namespace(bench.sess, GBIT)
    try:
        with prepare(bench, column, namespace, 'stop-only', SIZES[1], False,
                     True) as pair:
            pair.start()
            wait_until(pair, SETTLED)
            values = []
            while pair.elapsed() < SETTLED + seconds:
                values.append(expected(pair))
                time.sleep(0.2)
            finish(bench, pair, NEVER)
    finally:
        namespace.close()
    return statistics.pstdev(values) / statistics.mean(values)


def measure(bench):
    args = bench.args
    raw: Dict[str, Any] = {'cells': {}, 'kept': [], 'variation': None}
    runs = args.limit_runs if args.limit_runs is not None else \
        4 if args.quick else 300
    for name, arguments in cells(args):
        # What the others predict does not depend on the size
        columns = bench.columns if arguments[2] == SIZES[0] else ['series']
        raw['cells'][name] = bench.round(
            0, name, lambda c, a=arguments: cell(bench, c, *a), columns)
    if not raw['cells']:
        raise Failed(f'no cell has "{args.cells}" in its name')
    if args.cells:
        return raw
    for run in range(runs):
        raw['kept'].append(bench.round(
            run, f'limit kept, {runs} runs',
            lambda c, r=run: kept(bench, c, r), ['series'])['series'])
    raw['variation'] = bench.round(
        0, 'variation', lambda c: variation(bench, c, 5 if args.quick else 60),
        ['series'])['series']
    return raw


def off(entry, key='expected'):
    """Error relative to the real downtime"""
    value = entry.get(key)
    return math.inf if value is None else value / max(entry['real'], 1) - 1


def judge(bench, raw):
    judged = not (bench.args.quick or bench.args.cells)
    summary = {}
    for column in bench.columns:
        mine = [r[column] for r in raw['cells'].values() if column in r]
        # A link that changes says nothing about the first second
        first = [abs(off(r[column], 'first')) for n, r in raw['cells'].items()
                 if column in r and 'then' not in n]
        errors = [abs(off(e)) for e in mine]
        summary[column] = {
            'cells': len(mine),
            'right': sum(e <= RIGHT for e in errors) / max(len(mine), 1),
            'median-error': median(errors) if errors else math.inf,
            'first-right': sum(e <= RIGHT for e in first) / max(len(first), 1)}
    s = summary['series']
    targets = [
        Target(f'series: within {RIGHT:.0%} in {s["right"]:.1%} of '
               f'{s["cells"]} cells, at least {RIGHT_CELLS:.0%}',
               s['right'] >= RIGHT_CELLS, judged),
        Target(f'series: median error {s["median-error"]:.1%}, at most '
               f'{RIGHT_MEDIAN:.0%}', s['median-error'] <= RIGHT_MEDIAN,
               judged),
        Target(f'series: within {RIGHT:.0%} {FIRST} s after the start in '
               f'{s["first-right"]:.1%} of cells, at least {RIGHT_CELLS:.0%}',
               s['first-right'] >= RIGHT_CELLS, judged)]
    if raw['variation'] is not None:
        targets.append(Target(
            f'variation over 60 s of waiting: {raw["variation"]:.1%}, at most '
            f'{VARIATION:.0%}', raw['variation'] <= VARIATION, judged))
    # Where the prediction was too low, the limit was not enough and was raised
    runs = [r for r in raw['kept'] if r['enough']]
    over = [r for r in runs if r['real'] > r['limit'] * (1 + OVER)]
    if runs:
        share = len(over) / len(runs)
        targets.append(Target(
            f'limit exceeded by more than {OVER:.0%} in {len(over)} of '
            f'{len(runs)} runs ({share:.1%}), at most {OVER_RUNS:.0%}; not '
            f'enough in {len(raw["kept"]) - len(runs)} more',
            share <= OVER_RUNS, judged))
    return {'cells': raw['cells'], 'kept': raw['kept'], 'summary': summary,
            'variation': raw['variation']}, targets


def draw(bench, numbers):
    points = {column: [(r[column]['real'], r[column]['expected'] or 0)
                       for r in numbers['cells'].values() if column in r]
              for column in bench.columns}
    path = os.path.join(TOP, 'build', 'bench', 'prediction.svg')
    try:
        with open(path, 'w', encoding='utf-8') as f:
            f.write(scatter.draw(points, RIGHT))
    except OSError as e:
        raise Failed(f'cannot write the picture: {e}') from None
    return os.path.relpath(path)


def render(bench, numbers, targets):
    rows = []
    for name, entry in numbers['cells'].items():
        row = [name]
        for column in bench.columns:
            c = entry.get(column)
            row += [units.ms(c['first']), units.ms(c['expected']),
                    units.ms(c['real']), units.percent(off(c))
                    if c['expected'] is not None else '-'] if c else ['-'] * 4
        rows.append(row)
    head = ['']
    for column in bench.columns:
        head += [f'{column}: expected after {FIRST} s', 'expected', 'real',
                 'off by']
    return ['Expected downtime with nothing set but the limit, and the real '
            'one:', '', *table(head, rows), '', *verdicts(targets), '',
            f'The picture: {draw(bench, numbers)}']
