# SPDX-License-Identifier: GPL-2.0-or-later
"""What must be true of a scenario that was run"""

import os

import units

from .scenario import MAX_LIMIT

# Prediction and downtime may differ by 15 %, and by what each switchover
# costs besides the data
TOLERANCE = 0.15
TOLERANCE_MS = 60


class Checks:
    """A list of (True, False, or None for skipped; text)"""

    def __init__(self, scenario):
        self.scenario = scenario
        self.results = []

    def check(self, good, text):
        self.results.append((bool(good), text))

    def skip(self, text):
        self.results.append((None, text))

    def series(self, run):
        if run.before:
            self.series(run.before)
        first = next(iter(run.waited))
        if run.waited[first]:
            self._report(run, first)
            self._limits(run)
            self._prediction(run)
        else:
            real = run.downtime['silent']
            text = f'limit {first} ms: converges, real downtime ' \
                   f'{units.ms(real)}'
            if self.scenario.wrong:
                self.skip(text + ': from wrong sizes')
            else:
                self.check(real <= first + TOLERANCE_MS, text)
        self.check(run.verified, 'the destination device received exactly what'
                   ' the source gave'
                   + (', and the guest memory that it wrote'
                      if self.scenario.dma else ''))
        self.check(run.intact, 'the guest continues with the next tick')

    def _report(self, run, limit):
        left = run.at_limit['remaining']
        expected = run.at_limit['expected-downtime']
        bandwidth = self.scenario.bandwidth
        wrong = self.scenario.wrong
        should = run.reported if wrong else run.truth
        if should is None:
            self.skip(f'remaining {units.size(left)}: not compared; what the '
                      'device reports is random, or an error')
        else:
            self.check(abs(left - should) <= should / 20 + (16 << 20),
                       f'remaining {units.size(left)}: the device '
                       + ('reports ' if wrong else 'has ')
                       + units.size(should))
        self.check(abs(expected - left * 1000 / bandwidth) < 2,
                   f'expected downtime {units.ms(expected)}: remaining at '
                   f'{units.rate(bandwidth)}')
        self._waits(run, limit)
        self.check('Time (ms):' in run.hmp
                   and 'Remaining (bytes):' in run.hmp,
                   'HMP: info migrate has the lines Time and Remaining')

    def _waits(self, run, limit, word=''):
        _, iterations = run.waited[limit]
        self.check(iterations >= 5, f'limit {limit} ms{word}: waits, over '
                   f'{iterations:,} iterations')

    def _limits(self, run):
        at_once = f'switches over {units.ms(1000 * run.at_once)} later'
        if run.low is None:
            self.skip('limits around the prediction: not tried, as QEMU takes '
                      f'none above {units.ms(MAX_LIMIT)}')
            self.check(run.at_once < 1,
                       f'once the device reports true sizes: {at_once}')
            return
        if not run.waited[run.low]:
            self.check(False, f'limit {run.low} ms, below the prediction: '
                       'waits')
            return
        self._waits(run, run.low, ', below the prediction')
        self.check(run.at_once < 1, f'limit {run.high} ms, slightly above the '
                   f'prediction: {at_once}')

    def _prediction(self, run):
        if run.expected is None:
            return
        s = self.scenario
        real = run.downtime['silent']
        most = run.expected
        if s.bandwidth < s.link:
            # At worst nothing of reading, sending and writing overlaps
            most = sum(run.expected * s.bandwidth / r
                       for r in s.rates + [s.link])
        most += s.latency
        slack = max(TOLERANCE * real, TOLERANCE_MS)
        good = run.expected - slack <= real <= most + slack
        text = f'predicted {units.ms(run.expected)}, real downtime ' \
               f'{units.ms(real)}'
        if s.bandwidth < s.link:
            text += (f' (up to {units.ms(most)}: the device is slower than '
                     'the link)')
        load, processors = os.getloadavg()[0], os.cpu_count()
        if not good and load > 1.5 * processors:
            text += (f' (a busy machine: load {load:.0f}, {processors} '
                     'processors)')
        if s.wrong:
            self.skip(text + ': not judged, as the device reports wrong sizes')
        else:
            self.check(good, text)

    def by_itself(self, run, series):
        """With x-max-downtime-limit, the limit was the one above"""
        limit = run.raised
        self.check(limit is not None and run.limit < limit <= series.high
                   and run.verified and run.intact,
                   'x-max-downtime-limit: completes by itself, with a limit of '
                   + units.ms(limit))
        self._prediction(run)

    def stock(self, run):
        self.check('remaining' not in run.at_limit,
                   'stock: query-migrate has no "remaining"')
        self.check(run.verified and run.intact,
                   'stock: migrates the same device and guest')
