# SPDX-License-Identifier: GPL-2.0-or-later
"""
The series compared with itself: what switchover acks that a device can request
again save, and what they cost
"""

from typing import Any, Callable, Dict, Tuple

import units
from migpair import Failed

from . import scenario
from .judge import NOISE, Target, describe, medians, ratios
from .markdown import plus_minus, table, verdicts
from .stats import median, spread

REINIT_DOWNTIME = 0.43
REINIT_BUSY = 0.67
FINAL_CHECK_RATIO = 1.10
# ms by which query-migrate may be wrong about the guest's silence
DOWNTIME_OFF = 60

# What is compared -> (its name, by how much it should be less)
VALUES = {
    'guest': ('downtime: the guest was silent or paused', REINIT_DOWNTIME),
    'devices': ('from the first device stopped to the last one running',
                REINIT_DOWNTIME),
    'qemu': ("query-migrate's downtime", REINIT_DOWNTIME),
    'busy': ("the busy device's share", REINIT_BUSY),
}
SWITCH = ('off', 'on')
PROTOCOLS = ('legacy', 'new')


def measure_busy(bench):
    """REINIT off and on"""
    args = bench.args
    pairs = bench.pairs(1, 7)

    def one(column):
        with bench.pair('series', scenario.devices(column == 'on'),
                        memory=scenario.MEMORY, label=f'bench-reinit-{column}',
                        arguments=scenario.ARGUMENTS
                        + scenario.protocol(False)) as pair:
            scenario.migrate(pair)
            bench.proved(pair)
            return scenario.measure(pair)

    def steady(rounds):
        return all(spread(ratios(rounds, 'on', key, 'off')) < NOISE
                   for key in VALUES)

    rounds = bench.rounds('re-initialisation', pairs,
                          pairs if args.quick or args.pairs else 2 * pairs,
                          one, steady, SWITCH)
    same_initial(rounds)
    return rounds


def same_initial(rounds):
    """Check that the busy device had the same initial data in all runs"""
    seen = {(v['reinits'], v['initial']) for r in rounds for v in r.values()}
    if seen != {(scenario.REINITS, scenario.INITIAL)}:
        raise Failed('the busy device did not have the same initial data each '
                     f'time (number of times, bytes): {sorted(seen)}')


def measure_final_check(bench):
    """
    Both protocols, where neither has anything to do.  Over a Unix socket:
    TCP may add 40 ms to a downtime, which is more than the difference.
    """
    pairs = bench.pairs(1, 15)

    def one(column):
        with bench.pair('series', scenario.quiet_devices(),
                        memory=scenario.QUIET_MEMORY, unix=True,
                        label=f'bench-last-look-{column}',
                        arguments=scenario.protocol(column == 'legacy')
                        ) as pair:
            scenario.migrate_quietly(pair)
            return {'guest': bench.proved(pair)}

    return bench.rounds('final check', pairs, pairs, one, columns=PROTOCOLS)


def measure(bench):
    return {'busy-device': measure_busy(bench),
            'last-look': measure_final_check(bench)}


def judge_busy(bench, rounds):
    columns: Dict[str, Dict[str, Any]] = {
        c: {k: round(medians(rounds, c, k), 1) for k in rounds[0][c]}
        for c in SWITCH}
    targets = []
    for key, (name, least) in VALUES.items():
        values = ratios(rounds, 'on', key, 'off')
        columns['on'][f'{key}-ratio'] = describe(values)
        down = 1 - median(values)
        targets.append(Target(
            f'REINIT, {name}: down by {down:.1%}, at least {least:.0%}',
            down >= least, bench.judged(len(rounds))))
    left = max(r['on']['unread'] for r in rounds)
    targets.append(Target('REINIT on: initial data that was unread at the '
                          f'stop: {units.size(left)} at most, none', not left))
    if {r['off']['unread'] for r in rounds} != {scenario.GIB}:
        targets.append(Target('REINIT off: not 1 GiB of initial data was '
                              'unread at each stop, which is what the gain '
                              'comes from'))
    off = max(abs(v['guest'] - v['paused'] - v['qemu'])
              for r in rounds for v in r.values())
    targets.append(Target("query-migrate's downtime: off by "
                          f'{off:.0f} ms at most, at most {DOWNTIME_OFF}',
                          off <= DOWNTIME_OFF, bench.judged(len(rounds))))
    for column in SWITCH:
        share = medians(rounds, column, 'busy')
        model = scenario.model_share(column == 'on')
        columns[column]['model-busy'] = round(model, 1)
        if share > 1.1 * model:
            targets.append(Target(
                f'REINIT {column}: the busy device took {share:.0f} ms, and '
                f'its rates allow for {model:.0f}: this machine is too slow '
                'or too busy'))
    return {'pairs': len(rounds), 'columns': columns}, targets


def judge_final_check(bench, rounds):
    values = ratios(rounds, 'new', 'guest', 'legacy')
    more = median([r['new']['guest'] - r['legacy']['guest'] for r in rounds])
    return {'pairs': len(rounds), 'more-ms': round(more, 1),
            'ms': {c: round(medians(rounds, c, 'guest'), 1)
                   for c in PROTOCOLS},
            'ratio': describe(values)}, [
        Target(f'final check: new/legacy {median(values):.3f}, at most '
               f'{FINAL_CHECK_RATIO}', median(values) <= FINAL_CHECK_RATIO,
               bench.judged(len(rounds)))]


def judge(bench, raw):
    busy, busy_targets = judge_busy(bench, raw['busy-device'])
    check, check_targets = judge_final_check(bench, raw['last-look'])
    return ({'busy-device': busy, 'last-look': check},
            busy_targets + check_targets)


def render(_bench, numbers, targets):
    # The last target is that of the final check
    return (render_busy(numbers['busy-device'], targets[:-1]) + ['']
            + render_final_check(numbers['last-look'], targets[-1:]))


def render_busy(numbers, targets):
    columns = numbers['columns']
    rows = [[name] + [units.ms(columns[c][key]) for c in SWITCH]
            + [plus_minus(columns['on'][f'{key}-ratio'])]
            for key, (name, _) in VALUES.items()]
    counts: Tuple[Tuple[str, str, Callable[[Any], str]], ...] = (
        ('unread', 'initial data that was unread at the stop',
         lambda n: units.size(int(n))),
        ('requests', 'acks requested', '{:.0f}'.format),
        ('rolled-back', 'switchovers rolled back', '{:.0f}'.format),
        ('paused', 'the guest was paused for these', units.ms))
    for key, name, text in counts:
        rows.append([name] + [text(columns[c][key]) for c in SWITCH] + [''])
    return [
        f'{scenario.DEVICES} VFIO devices, one of which gets '
        f'{units.device(scenario.GIB)} of new initial data that nothing but '
        f'REINIT moves before the stop, guest of '
        f'{units.device(scenario.MEMORY)}, medians of {numbers["pairs"]} '
        'pairs:', '',
        *table(['', 'REINIT off', 'on', 'on/off'], rows), '',
        *verdicts(targets)]


def render_final_check(numbers, targets):
    return [
        'The same protocol where no device re-initialises, '
        f'{scenario.DEVICES} devices with next to no data and with queries of '
        f'1 ms, Unix socket, medians of {numbers["pairs"]} pairs:', '',
        *table(['', 'legacy', 'new', 'new/legacy', 'new - legacy'],
               [['downtime: the guest was silent',
                 *(units.ms(numbers['ms'][c]) for c in PROTOCOLS),
                 plus_minus(numbers['ratio']),
                 f'{numbers["more-ms"]:+.1f} ms']]), '',
        *verdicts(targets)]
