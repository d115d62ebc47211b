# SPDX-License-Identifier: GPL-2.0-or-later
"""
The rules by which management software lets a migration converge, as far as they
are known from its documentation and behaviour; none of its code is here.

A rule is given what query-migrate reports (of that only what the software reads:
RAM, device bytes, the status), the events, and a clock; it returns actions.  Its
times are divided by SCALE, or else a run takes minutes.
"""

from typing import Any, Dict, List, Optional, Tuple

from bench.client import moved

# Times of KubeVirt, Nova and vdsm are divided by this
SCALE = 10
# Statuses of QEMU 10.2: some software takes others for errors
STATUSES = ('none', 'setup', 'cancelling', 'cancelled', 'active',
            'postcopy-device', 'postcopy-active', 'postcopy-paused',
            'postcopy-recover-setup', 'postcopy-recover', 'completed',
            'failed', 'colo', 'pre-switchover', 'device', 'wait-unplug')

# What a rule wants: a limit in ms, or that the guest is stopped
Action = Tuple[str, Optional[int]]
Info = Dict[str, Any]


class Rule:
    """A rule that does nothing"""

    name = ''
    # ms, before the migration
    first_limit = 300
    # Parameters that are set once
    parameters: Dict[str, Any] = {}
    # Seconds between two polls
    interval = 0.1

    def step(self, now: float, info: Info, passes: int) -> List[Action]:
        """
        NOW: seconds since the start; PASSES: MIGRATION_PASS events since the
        last call
        """
        return []


def remaining(info):
    """Bytes of RAM that are left, as libvirt reports them in 'Data remaining'"""
    return info['ram']['remaining']


class Proxmox(Rule):
    """
    Doubles the limit after some polls in which bytes moved and no less RAM was
    left
    """

    name = 'Proxmox VE'
    first_limit = 100
    polls = 6

    def __init__(self):
        self.limit = self.first_limit
        self.count = 0
        self.last = None

    def step(self, now, info, passes):
        last, self.last = self.last, info
        if last is None or moved(info) == moved(last):
            return []
        if not remaining(info) or remaining(info) >= remaining(last):
            self.count += 1
        if self.count < self.polls:
            return []
        self.count = 0
        self.limit *= 2
        return [('limit', self.limit)]


class KubeVirt(Rule):
    """
    Finds a stall at each pass: what is left is not 4 % less than the best of
    before 40 s.  Then it stops the guest as soon as what is left is at a
    minimum; without a stall, after a time that depends on the size.
    """

    name = 'KubeVirt'
    gain = 0.04
    window = 40 / SCALE
    # Passes that wait to be looked at; others are dropped
    queue = 16
    seconds_per_gib = 150 / SCALE
    longest = 2000 / SCALE

    def __init__(self, memory):
        self.seen = []
        self.stopped = False
        self.timeout = min(self.seconds_per_gib * memory / (1 << 30),
                           self.longest)

    def step(self, now, info, passes):
        if self.stopped:
            return []
        for _ in range(min(passes, self.queue)):
            left = remaining(info)
            old = [n for t, n in self.seen if t <= now - self.window]
            lowest = min((n for _, n in self.seen), default=left)
            self.seen.append((now, left))
            stalled = old and left >= min(old) * (1 - self.gain)
            if stalled and left <= lowest * (1 + self.gain):
                return self._stop()
        return self._stop() if now > self.timeout else []

    def _stop(self):
        self.stopped = True
        return [('stop', None)]


class Nova(Rule):
    """Raises the limit in equal steps, to the largest one that is configured"""

    name = 'OpenStack Nova'
    steps = 10
    # Of a deployment with such devices, ms; the default is 500
    largest = 5000
    # Between two steps, for each GiB of RAM
    delay_per_gib = 75 / SCALE

    def __init__(self, memory):
        self.delay = self.delay_per_gib * memory / (1 << 30)
        self.step_number = 1

    @property
    def first_limit(self):
        return self.largest // self.steps

    def step(self, now, info, passes):
        if self.step_number >= self.steps or \
                now < self.step_number * self.delay:
            return []
        self.step_number += 1
        return [('limit', self.largest * self.step_number // self.steps)]


class Vdsm(Rule):
    """
    Counts the passes since what is left had its lowest mark, and raises the limit
    by a list, whose last entry stands for "suspend the guest if needed"
    """

    name = 'oVirt vdsm'
    first_limit = 100
    # Passes without a new lowest mark -> ms
    stalling = ((1, 150), (2, 200), (3, 300), (4, 400), (6, 500), (8, 5000))

    def __init__(self):
        self.lowest = None
        self.pass_of_lowest = 0
        self.next = 0

    def step(self, now, info, passes):
        number = info['ram']['dirty-sync-count']
        if self.lowest is None or remaining(info) < self.lowest:
            self.lowest, self.pass_of_lowest = remaining(info), number
        actions = []
        while self.next < len(self.stalling) and \
                number - self.pass_of_lowest > self.stalling[self.next][0]:
            actions = [('limit', self.stalling[self.next][1])]
            self.next += 1
        return actions


class Automatic(Rule):
    """x-max-downtime-limit of this series: QEMU raises the limit by itself"""

    name = 'x-max-downtime-limit'
    parameters = {'x-max-downtime-limit': 5000}


def rules(memory):
    """New ones, for a guest with MEMORY bytes of RAM"""
    return [Proxmox(), KubeVirt(memory), Nova(memory), Vdsm(), Automatic()]
