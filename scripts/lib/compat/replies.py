# SPDX-License-Identifier: GPL-2.0-or-later
"""What the series adds to the replies of QEMU's monitors, on each base"""

from faults.oracle import Problem, wait
from migpair import Failed

from . import peers, plan
from .case import ENDED, ENDS, FAILS, LIMIT, WAITS, Run

# Bytes per second; and ms in which all that is measured is there
SLOW, FAST = 1 << 20, 1 << 30
MEASURED = 400


def members(value, path=''):
    """Paths of all members of a reply"""
    found = set()
    if isinstance(value, dict):
        for key, inner in value.items():
            found |= {f'{path}.{key}'} | members(inner, f'{path}.{key}')
    elif isinstance(value, list):
        for inner in value:
            found |= members(inner, path + '[]')
    return found


def labels(text):
    """Of the lines that a monitor prints"""
    found = {line.split(':')[0].strip() for line in text.splitlines()
             if ':' in line}
    # QEMU 10.0 prints properties of the migration object there, and 10.2 not
    return found - {peers.PROPERTY}


def collect(source, moment):
    found = {f'query-migrate, {moment}': members(source.cmd('query-migrate')),
             f'info migrate, {moment}': labels(source.hmp('info migrate'))}
    return {f'{what}: {name}' for what, names in found.items()
            for name in names}


def replies(sess, sim, peer, machine, number):
    """What one QEMU replies in a migration, and when it has completed"""
    run = Run(sess, sim, plan.Case(peer, peer, machine, 1, acks=plan.LEGACY),
              number)
    try:
        source = run.node(peer, 'source', False, False)
        destination = run.node(peer, 'destination', False, True)
        found = {f'query-migrate-parameters: {name}' for name in members(
            source.cmd('query-migrate-parameters'))}
        # So slow that it is still in its first pass when it is asked
        source.cmd('migrate-set-parameters', downtime_limit=WAITS,
                   max_bandwidth=SLOW)
        destination.cmd('migrate-incoming', uri='tcp:127.0.0.1:0')
        address = destination.cmd('query-migrate')['socket-address'][0]
        source.cmd('migrate', uri=f'tcp:127.0.0.1:{address["port"]}')
        if not wait(lambda: source.cmd('query-migrate').get('total-time', 0)
                    > MEASURED, ENDS):
            raise Problem(FAILS, f'{peer.text()}: the migration does not begin')
        found |= collect(source, 'active')
        source.cmd('migrate-set-parameters', downtime_limit=LIMIT,
                   max_bandwidth=FAST)
        if not wait(lambda: run.status(source) in ENDED, ENDS):
            raise Problem(FAILS, f'{peer.text()}: the migration does not end')
        return found | collect(source, 'it has ended')
    finally:
        run.close()


def compare(sess, sim, bases):
    """
    BASES: [(the series on a base, that base unmodified)].  Returns what is wrong, or
    None
    """
    machine = sorted(frozenset.intersection(
        *(p.machines for pair in bases for p in pair)), key=peers.order)[-1]
    added = []
    try:
        for number, (series, unmodified) in enumerate(bases):
            added.append(replies(sess, sim, series, machine, f'replies-{number}')
                         - replies(sess, sim, unmodified, machine,
                                   f'replies-{number}-unmodified'))
    except (Failed, Problem) as e:
        return str(e)
    if not added[0]:
        return 'the series adds nothing'
    wrong = [f'{bases[i][0].text()} lacks "{name}"'
             for i in range(len(bases))
             for name in sorted(set().union(*added) - added[i])]
    return '\n'.join(wrong) or None
