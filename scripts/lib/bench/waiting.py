# SPDX-License-Identifier: GPL-2.0-or-later
"""What a migration costs while it waits, and how soon it acts"""

import math
import time
from typing import Any, Dict

from migpair import Device, Failed

from . import client
from .judge import Target, medians, ratios
from .markdown import table, verdicts
from .stats import median

STOP_BYTES = 2 << 30
DEVICES = (1, 16)
# Percent of a processor, of the migration thread
THREAD_PERCENT = {1: 1, 16: 2}
RATE = (1, 10)
BYTES_RATIO = 1 / 20
ACT_MS = 20
NOTICE_MS = 200
CLIENT_SECONDS = 15
LIMIT_MS = 100
CLIENT_LONGEST = 60
# Seconds in which it acts, or never
ACT_LONGEST = 20
PARAMETERS = {'max-bandwidth': 0, 'downtime-limit': LIMIT_MS}

# What is measured while it waits: key -> unit
COSTS = {'passes': '/s', 'queries': '/s', 'thread': '%', 'vcpu': '%',
         'bytes': 'MB/s'}


def thread_ids(source):
    """Of the migration, and of the vCPU"""
    migration = [t['thread-id'] for t in
                 source.cmd('query-migrationthreads')
                 if t['name'].startswith('mig/src/main')]
    vcpu = source.cmd('query-cpus-fast')[0]['thread-id']
    if len(migration) != 1:
        raise Failed('query-migrationthreads does not show the migration: '
                     + str(source.cmd('query-migrationthreads')))
    return migration[0], vcpu


def sample(pair):
    info = pair.info()
    migration, vcpu = thread_ids(pair.source)
    return {'time': time.monotonic(), 'status': info['status'],
            'passes': info['ram']['dirty-sync-count'],
            'queries': pair.source.controls[0].get('data-size-calls'),
            'thread': 100 * pair.source.thread_seconds(migration),
            'vcpu': 100 * pair.source.thread_seconds(vcpu),
            'bytes': client.moved(info) / 1e6}


def costs(bench, column, devices, busy):
    """Of some seconds in which it waits; None if it does not"""
    seconds = 3 if bench.args.quick else 6
    out: Dict[str, float] = {}
    rom = bench.sess.busy_rom if busy else None

    def watch(pair):
        # RAM has converged, as far as it does
        time.sleep(1)
        first = sample(pair)
        time.sleep(seconds)
        last = sample(pair)
        if last['status'] != 'active':
            return
        for key in COSTS:
            out[key] = (last[key] - first[key]) / (last['time']
                                                   - first['time'])

    with bench.pair(column, [Device(stop_bytes=STOP_BYTES // devices)
                             for _ in range(devices)],
                    rom=rom) as pair:
        pair.set_parameters(PARAMETERS)
        pair.wait_guest()
        vcpu = pair.source.cmd('query-cpus-fast')[0]['thread-id']
        before = pair.source.thread_seconds(vcpu)
        time.sleep(seconds)
        before = pair.source.thread_seconds(vcpu) - before
        pair.start()
        pair.wait_waiting(60)
        watch(pair)
        if out:
            out['more-vcpu'] = out['vcpu'] - 100 * before / seconds
    return out or None


def delays(bench, column):
    """
    ms until it acts on a limit, on a cancel, on a device that shrinks; infinite
    if it does not
    """
    out: Dict[str, Any] = {}
    for what in ('limit', 'cancel', 'shrink'):
        with bench.pair(column, [Device(stop_bytes=STOP_BYTES)]) as pair:
            pair.set_parameters(PARAMETERS)
            pair.source.set_capabilities('events')
            pair.wait_guest()
            pair.start()
            pair.wait_waiting(60)
            time.sleep(1.2)
            start = time.time()
            event = 'STOP'
            if what == 'limit':
                pair.set_parameters({'downtime-limit': 10000})
            elif what == 'cancel':
                pair.source.cmd('migrate_cancel')
                event = 'MIGRATION'
            else:
                # So little that any estimate of the bandwidth permits it
                pair.source.controls[0].set('stop-bytes', 64 << 10)
            try:
                pair.poll(lambda event=event, start=start:
                          (pair.source.event_time(event) or 0) > start
                          and (what != 'cancel' or pair.source.cmd(
                              'query-migrate')['status'] == 'cancelled'),
                          ACT_LONGEST, 'nothing happens')
            except Failed:
                if column == 'series' or pair.info()['status'] != 'active':
                    raise
                out[what] = math.inf
                continue
            out[what] = 1000 * (pair.source.event_time(event) - start)
    return out


def client_seconds(bench, column):
    """Until a client that knows no prediction has completed it"""
    with bench.pair(column, [Device(stop_bytes=STOP_BYTES)]) as pair:
        pair.set_parameters(PARAMETERS)
        pair.wait_guest()
        pair.start()
        try:
            return {'client': client.complete(pair, LIMIT_MS, CLIENT_LONGEST)}
        except Failed:
            if column == 'series':
                raise
            return {'client': math.inf}


def measure(bench):
    pairs = bench.pairs(1, 5)
    raw: Dict[Any, Any] = {
        n: bench.rounds(f'waiting, {n} device(s)', pairs, pairs,
                        lambda c, n=n: costs(bench, c, n, False))
        for n in DEVICES}
    raw['busy'] = bench.rounds('waiting, busy guest', pairs, pairs,
                               lambda c: costs(bench, c, 1, True))
    raw['delays'] = bench.rounds('acting', pairs, pairs,
                                 lambda c: delays(bench, c))
    raw['client'] = bench.rounds('client', pairs, pairs,
                                 lambda c: client_seconds(bench, c))
    return raw


def judge(bench, raw):
    targets = []

    def target(text, value, reached):
        targets.append(Target(text.format(value), reached,
                              bench.judged(len(raw['busy']))))

    for n in DEVICES:
        rate = medians(raw[n], 'series', 'passes')
        target(f'{n} device(s): {{:.1f}} passes per second, {RATE[0]} to '
               f'{RATE[1]}', rate, RATE[0] <= rate <= RATE[1])
        share = medians(raw[n], 'series', 'thread')
        target(f'{n} device(s): migration thread {{:.2f}} % of a processor, '
               f'at most {THREAD_PERCENT[n]}', share,
               share <= THREAD_PERCENT[n])
        vcpu = medians(raw[n], 'series', 'more-vcpu')
        target(f"{n} device(s): idle guest's vCPU thread {{:+.2f}} % of a "
               'processor, at most +1', vcpu, vcpu <= 1)
    ratio = median(ratios(raw['busy'], 'series', 'bytes'))
    target(f'busy guest: bytes series/stock {{:.4f}}, at most '
           f'{BYTES_RATIO}', ratio, ratio <= BYTES_RATIO)
    for what, most in (('limit', ACT_MS), ('cancel', ACT_MS),
                       ('shrink', NOTICE_MS)):
        ms = medians(raw['delays'], 'series', what)
        target(f'{what}: acts after {{:.0f}} ms, at most {most}', ms,
               ms <= most)
    seconds = medians(raw['client'], 'series', 'client')
    target(f'client that doubles the limit: {{:.1f}} s, at most '
           f'{CLIENT_SECONDS}', seconds, seconds <= CLIENT_SECONDS)
    data = {str(name): {'pairs': len(rounds), 'columns': {
        column: {key: finite(medians(rounds, column, key))
                 for key in rounds[0].get(column, {})}
        for column in bench.columns}} for name, rounds in raw.items()}
    return {'cases': data}, targets


def finite(value):
    """JSON has no infinity"""
    return None if value is None or math.isinf(value) else value


def delay_text(delays_of, what):
    if not delays_of:
        return '-'
    ms = delays_of[what]    # None is for JSON
    return f'not within {ACT_LONGEST} s' if ms is None else f'{ms:.0f} ms'


def render(bench, numbers, targets):
    rows = []
    for name, entry in numbers['cases'].items():
        if name in ('delays', 'client'):
            continue
        what = ('guest rewrites 64 MiB' if name == 'busy'
                else f'{name} device(s), idle guest')
        for column in bench.columns:
            c = entry['columns'][column]
            rows.append([what, column] + [
                '-' if c.get(key) is None else f'{c[key]:,.1f} {unit}'
                for key, unit in COSTS.items()]
                + [f'{c["more-vcpu"]:+.1f} %' if c else '-'])
    delay = numbers['cases']['delays']['columns']
    seconds = numbers['cases']['client']['columns']
    return [
        'While it waits for 2 GiB of stopcopy bytes:', '',
        *table(['', '', 'passes', 'exact queries', 'migration thread',
                'vCPU thread', 'bytes', 'vCPU thread, more than before'],
               rows), '',
        'Until it acts:', '',
        *table(['', 'limit raised', 'cancel', 'device shrinks'],
               [[column] + [delay_text(delay[column], w)
                            for w in ('limit', 'cancel', 'shrink')]
                for column in bench.columns]), '',
        'Until a client has completed it that doubles the limit, as Proxmox '
        'VE does, when six polls',
        'show that bytes have moved and no less RAM is left: '
        + ', '.join(f'{column} {c["client"]:.1f} s' if c["client"] else
                    f'{column} not within {CLIENT_LONGEST} s'
                    for column, c in seconds.items() if c) + '.', '',
        *verdicts(targets)]
