# SPDX-License-Identifier: GPL-2.0-or-later
"""Measuring: QEMUs in turn, repeatedly, and one migration of each"""

import sys
import time
from typing import Any, Dict, List

from migpair import Failed, Pair

from .stats import order

# RAM that keeps a migration busy for longer than the 100 ms in which stock
# QEMU has no threshold yet; the guest touches next to nothing of it
MEMORY = 4 << 30


class Progress:
    """One line on stderr that changes, or one line for each step"""

    def __init__(self):
        self.tty = sys.stderr.isatty()
        self.start = time.monotonic()

    def say(self, text):
        line = f'[{time.monotonic() - self.start:5.0f} s] {text}'
        if self.tty:
            print('\r' + line[:79].ljust(79), end='', file=sys.stderr,
                  flush=True)
        else:
            print(line, file=sys.stderr, flush=True)

    def done(self):
        if self.tty:
            print('\r' + ' ' * 79 + '\r', end='', file=sys.stderr, flush=True)


class Bench:
    """The columns, and what all groups need to measure"""

    def __init__(self, args, sess, progress):
        self.args = args
        self.sess = sess
        self.progress = progress
        self.columns = ['stock', 'series']
        self.binaries = {'stock': args.stock, 'series': args.qemu}
        if args.peer:
            self.columns.append('peer')
            self.binaries['peer'] = args.peer
        self.broken = {}        # what the peer could not do -> why

    def pairs(self, quick, usual):
        """How many pairs of runs to measure"""
        return self.args.pairs or (quick if self.args.quick else usual)

    def judged(self, pairs):
        """Whether there are enough pairs to miss a target"""
        return not self.args.quick and pairs >= 5

    def pair(self, column, devices, **options):
        options.setdefault('memory', MEMORY)
        options.setdefault('label', f'bench-{column}')
        return Pair(self.sess, self.binaries[column], devices,
                    sim=self.args.sim, **options)

    def round(self, turn, what, measure, columns=None):
        """{column: measure(column)}, for all columns once"""
        result = {}
        for column in order(columns or self.columns, turn):
            if column == 'peer' and what in self.broken:
                continue
            self.progress.say(f'{what}, pair {turn + 1}: {column}')
            try:
                value = measure(column)
            except Failed as e:
                if column != 'peer':
                    raise Failed(f'{what}, {column}: {e}') from None
                self.broken[what] = str(e)
                continue
            if value is not None or column != 'peer':
                result[column] = value
        return result

    def rounds(self, what, pairs, most, measure, enough=lambda _: True,
               columns=None):
        """
        A list of rounds: so many pairs, and more of them until there are
        enough.  A migration that did not wait (None: the device was not
        measured alone) does not count.
        """
        rounds: List[Dict[str, Any]] = []
        lost = 0
        while len(rounds) < most:
            one = self.round(len(rounds), what, measure, columns)
            if None in one.values():
                lost += 1
                if lost > 10:
                    raise Failed(f'{what}: the migration does not wait')
                continue
            rounds.append(one)
            if len(rounds) >= pairs and enough(rounds):
                break
        return rounds

    def wait_then_raise(self, pair, bandwidth, low, high, between=None):
        """
        Start a migration that has to wait; once nothing but the device is
        left, raise the limit, so that only the switchover is measured.
        Returns the last query-migrate before it, or None if the migration
        did not wait.
        """
        pair.set_parameters({'max-bandwidth': bandwidth,
                             'avail-switchover-bandwidth': bandwidth,
                             'downtime-limit': low})
        pair.wait_guest()
        pair.start()
        info = pair.wait_waiting(60)
        if info['status'] == 'active':
            info = pair.wait_settled(60)
        if info['status'] == 'active':
            if between:
                between(pair)
            pair.set_parameters({'downtime-limit': high})
        return info if info['status'] == 'active' else None

    def completed(self, pair, seconds):
        pair.wait_completed(seconds)
        return self.proved(pair)

    @staticmethod
    def proved(pair):
        """
        How long the guest was silent in a migration that has completed and
        lost nothing
        """
        if not pair.streams_verified():
            raise Failed('the destination device did not receive what the '
                         'source gave, or not the guest memory that it wrote')
        if not pair.guest_intact():
            raise Failed('the guest did not continue where it stopped')
        return pair.downtime()['silent']
