# SPDX-License-Identifier: GPL-2.0-or-later
"""A migration that a rule drives"""

import time
from dataclasses import dataclass
from typing import Optional

from migpair import Device, Failed, Namespace, Pair

from . import rules

GIB = 1 << 30
MEMORY = 1 * GIB
# Bytes per second of the link: 10 Gbit/s
RATE = 1_250_000_000
# Seconds in which a rule should have completed it
SECONDS = 45

DEVICES = {
    'stop-only': {'stop-bytes': 2 * GIB, 'precopy': 'off'},
    'dirties': {'stop-bytes': 2 * GIB, 'initial-bytes': 64 << 20,
                'dirty-rate': '100M', 'dirty-ceiling': '256M'},
}
GUESTS = ('idle', 'dirties')


@dataclass(frozen=True)
class Case:
    """Which rule, which guest"""
    rule: int
    device: str
    guest: str

    def text(self):
        return (f'{make(self.rule).name}, 2 GiB device ({self.device}), guest '
                f'{"is idle" if self.guest == "idle" else "rewrites 64 MiB"}')


@dataclass
class Result:
    """
    Seconds until it completed (None: it did not), and why not; ms of silence;
    the largest limit that was set, or None if the guest was stopped
    """
    seconds: Optional[float] = None
    silence: float = 0
    limit: Optional[int] = None
    problem: str = ''

    def text(self):
        if self.seconds is None:
            return self.problem
        ceiling = 'guest stopped' if self.limit is None else \
            f'limit {self.limit} ms'
        return f'{self.seconds:.0f} s, {self.silence:.0f} ms ({ceiling})'


def make(number):
    return rules.rules(MEMORY)[number]


def cases():
    return [Case(rule, device, guest)
            for rule in range(len(rules.rules(GIB)))
            for device in DEVICES for guest in GUESTS]


def drive(pair, rule, limit):
    """Poll and act until it ends; returns the limit at its end"""
    seen = 0
    while True:
        info = pair.info()
        if info['status'] not in rules.STATUSES:
            raise Failed(f'no status of QEMU 10.2: {info["status"]}')
        if info['status'] in ('completed', 'cancelled'):
            return limit
        if pair.elapsed() > SECONDS:
            raise Failed(f'not within {SECONDS} s')
        passes = len(pair.source.events('MIGRATION_PASS'))
        if 'ram' in info and info['status'] == 'active':
            for action, value in rule.step(pair.elapsed(), info,
                                           passes - seen):
                if action == 'limit':
                    limit = value
                    pair.set_parameters({'downtime-limit': value})
                else:
                    limit = None
                    pair.source.cmd('stop')
        seen = passes
        time.sleep(rule.interval)


def run(sess, binary, sim, case):
    """A Result"""
    rule = make(case.rule)
    namespace = Namespace(sess, RATE)
    rom = sess.rom if case.guest == 'idle' else sess.busy_rom
    try:
        with Pair(sess, binary, [Device(**DEVICES[case.device])], sim=sim,
                  memory=MEMORY, rom=rom, namespace=namespace,
                  label='policies') as pair:
            pair.source.set_capabilities('events')
            return one(pair, rule)
    finally:
        namespace.close()


def one(pair, rule):
    limit = rule.first_limit
    known = pair.source.cmd('query-migrate-parameters')
    if any(name not in known for name in rule.parameters):
        return Result(problem='has no such parameter')
    pair.set_parameters({'downtime-limit': limit, **rule.parameters})
    pair.wait_guest()
    pair.start()
    pair.patience = 60
    try:
        limit = drive(pair, rule, limit)
        seconds = pair.elapsed()
        pair.poll(lambda: pair.destination.cmd('query-status')['status']
                  in ('running', 'paused'), 10, 'the destination is not ready')
        if limit is None:
            pair.destination.cmd('cont')
        pair.wait_completed(10)
    except Failed as e:
        return Result(problem=str(e).splitlines()[0])
    if not pair.streams_verified() or not pair.guest_intact():
        return Result(problem='data is wrong')
    if rule.parameters:
        limit = pair.source.cmd('query-migrate-parameters')[
            'x-max-downtime-limit']
    return Result(seconds, pair.downtime()['silent'], limit)
