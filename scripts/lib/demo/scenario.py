# SPDX-License-Identifier: GPL-2.0-or-later
"""
The scenario.  First a limit that is too small for the device; then, by the
prediction of the series, one below it and one above.
"""

import os

import units
from migpair import Device, Failed, Pair, relay_capacity

from .run import Run

# QEMU takes no larger one
MAX_LIMIT = 2000 * 1000
MAX_SIZE = 2 ** 64 - 1
# What no device of any size meets
TIGHT_LIMIT = 1

SIZES = ('initial', 'dirty', 'stop')


def add_options(parser, watch, memory):
    parser.add_argument('--limit', type=int, default=300, metavar='MS',
                        help='downtime limit to begin with (default: 300)')
    parser.add_argument('--bandwidth', type=units.size_option, default=10 ** 9,
                        metavar='SIZE', help="the link's bytes per second, "
                        'which QEMU gets as a parameter (default: 1GB); a '
                        'device slower than that sets the speed')
    parser.add_argument('--memory', type=units.size_option, default=memory,
                        metavar='SIZE', help="the guest's, of which it "
                        'touches next to nothing (default: '
                        f'{units.device(memory)})')
    parser.add_argument('--watch', type=float, default=watch,
                        metavar='SECONDS', help='how long to watch it wait '
                        f'(default: {watch})')
    parser.add_argument('--port', type=int, default=0,
                        help='TCP port of the destination (default: a free '
                        'one)')


def check_options(parser, args):
    if not 1 <= args.limit <= MAX_LIMIT:
        parser.error(f'--limit: 1 to {MAX_LIMIT} ms')
    if not 10 ** 6 <= args.bandwidth <= 10 ** 12:
        parser.error('--bandwidth: 1MB to 1TB')
    if not 16 << 20 <= args.memory <= 1 << 40:
        parser.error('--memory: 16M to 1T')
    if not 1 <= args.watch <= 600:
        parser.error('--watch: 1 to 600 seconds')
    if not 0 <= args.port <= 65535:
        parser.error('--port: 0 to 65535')


class View:
    """Called while a scenario runs; this one does nothing"""

    def slow_link(self, scenario):
        """The link is slower than in the options"""

    def sampled(self, run):
        """query-migrate was sampled"""

    def waits(self, scenario, run):
        """The first limit is too small"""

    def enough(self, scenario):
        """The first limit is enough"""

    def limit(self, limit, word):
        """The limit is raised to LIMIT; WORD places it, if anything"""

    def waits_still(self, run):
        """The limit is still too small"""

    def may_raise(self, scenario, limit):
        """QEMU may raise the limit itself, up to LIMIT"""

    def true_sizes(self, limit):
        """From now on the device reports its true sizes"""

    def completed(self, run):
        """The guest runs on the destination"""


class Scenario:
    """A device, a link, and the migrations over it"""

    def __init__(self, args, sess, profile, view):
        self.args = args
        self.sess = sess
        self.profile = profile
        self.view = view
        self.name = os.path.basename(profile).removesuffix('.profile')
        self.first = args.limit
        self.link = args.bandwidth
        self.bandwidth = args.bandwidth     # QEMU's parameter
        self.rates = []         # the device's limits, bytes per second
        self.latency = 0        # of its state changes, ms
        self.dma = False
        self.stop_bytes = 0
        self.wrong = {}         # size -> how the device reports it, if wrong

    def prepare(self):
        """
        Get to know the device and the link.  A device slower than the link
        delays the switchover, and its speed is what an operator would
        configure.
        """
        with Pair(self.sess, self.args.qemu, [Device(self.profile)],
                  sim=self.args.sim, memory=64 << 20, label='probe') as pair:
            control = pair.source.controls[0]
            self.rates = [r for r in (control.get('read-rate'),
                                      control.get('write-rate'))
                          if isinstance(r, int)]
            self.latency = sum(control.get(f'latency-{s}') for s in (
                'stop', 'stop-copy', 'pre-copy-p2p', 'running-p2p',
                'running'))
            self.stop_bytes = control.get('stop-bytes')
            self.dma = bool(control.get('dma-rate'))
            reports = {k: control.get(f'report-{k}') for k in SIZES}
        self.wrong = {k: v for k, v in reports.items() if v != 'truth'}
        can = relay_capacity(self.sess)
        if can < self.link:
            self.link = max(int(can / 2 / 10 ** 8) * 10 ** 8, 10 ** 7)
            self.view.slow_link(self)
        self.bandwidth = min([self.link] + self.rates)

    def pair(self, binary, label):
        pair = Pair(self.sess, binary, [Device(self.profile)],
                    sim=self.args.sim, memory=self.args.memory, label=label,
                    port=self.args.port, link=self.link)
        pair.wait_guest()
        pair.set_parameters({
            'max-bandwidth': self.bandwidth,
            'avail-switchover-bandwidth': self.bandwidth,
            'downtime-limit': self.first})
        return pair

    @staticmethod
    def stats(run):
        return run.pair.source.controls[0].stats()

    def truth(self, run):
        """What the device really has left"""
        stats = self.stats(run)
        return sum(stats[k] for k in SIZES)

    def reported(self, run):
        """What follows from the sizes that it reports; None: nothing"""
        if {'random', 'error'} & set(self.wrong.values()):
            return None
        stats = self.stats(run)
        return min(max(stats['reported-initial'] + stats['reported-dirty'],
                       stats['reported-stop']), MAX_SIZE)

    def report_truth(self, run):
        """Let the device report its true sizes, and allow what these take"""
        limit = max(run.limit, int(self.truth(run) * 1020 / self.bandwidth)
                    + 10)
        self.view.true_sizes(limit)
        run.set_limit(limit)
        for key in self.wrong:
            run.pair.source.controls[0].set(f'report-{key}', 'truth')
        run.expected = None

    def complete(self, run, seconds):
        run.finish(seconds)
        self.view.completed(run)

    def series(self):
        """The series: its own prediction gives the limits to try"""
        run = self._series()
        if not run.waited[self.first] and self.first > TIGHT_LIMIT:
            before = run
            self.view.enough(self)
            self.first = TIGHT_LIMIT
            run = self._series()
            run.before = before
        return run

    def _series(self):
        with self.pair(self.args.qemu, 'series') as pair:
            run = Run(pair, self.first, self.view.sampled)
            pair.start()
            waits = run.watch(self.args.watch)
            run.hmp = pair.source.hmp('info migrate')
            run.at_limit = dict(run.info)
            if waits:
                if run.remaining is None or run.expected is None:
                    raise Failed(
                        'query-migrate has no "remaining": is this a QEMU '
                        f'with the series? ({self.args.qemu})')
                run.truth = self.truth(run)
                run.reported = self.reported(run)
                self.view.waits(self, run)
                self._raise_limit(run)
            else:
                self.complete(run, 60)
                # From while RAM was sent: no prediction
                run.expected = None
        return run

    def _raise_limit(self, run):
        """One limit below the prediction, one slightly above"""
        peak = run.peak
        if peak <= run.limit:
            raise Failed(f'it waits, although {units.ms(run.limit)} are '
                         f'allowed and it expects {units.ms(peak)}')
        if peak * 1.02 + 10 > MAX_LIMIT:
            if not self.wrong:
                raise Failed(f'the prediction is {units.ms(peak)}: QEMU takes '
                             f'no limit above {units.ms(MAX_LIMIT)}')
            self.report_truth(run)
            self.complete(run, 60 + run.limit / 500)
            return
        run.low = peak * 9 // 10 // 10 * 10
        if run.low <= run.limit:
            run.low = (run.limit + peak) // 2
        self.view.limit(run.low, 'below the prediction')
        run.set_limit(run.low)
        if not run.watch(self.args.watch):
            self.complete(run, 60)
            return
        self.view.waits_still(run)
        high = (max(run.peak, run.low) * 102 // 100 + 10) // 10 * 10
        run.high = min(high, MAX_LIMIT)
        self.view.limit(run.high, 'slightly above the prediction')
        run.set_limit(run.high)
        self.complete(run, 60 + run.high / 500)

    def can_finish_by_itself(self, series):
        """Is there a limit that is enough, by true sizes?"""
        return bool(series.high and not self.wrong)

    def by_itself(self, series):
        """
        Once more, with the limit that was too small: QEMU may raise it to the
        one that was enough
        """
        with self.pair(self.args.qemu, 'by-itself') as pair:
            pair.source.set_capabilities('events')
            pair.set_parameters({'x-max-downtime-limit': series.high})
            self.view.may_raise(self, series.high)
            run = Run(pair, self.first, self.view.sampled)
            pair.patience = 60 + series.high / 500
            pair.start()
            if run.watch(60):
                raise Failed('it waits, although x-max-downtime-limit is '
                             f'{series.high} ms and it expects '
                             + units.ms(run.expected))
            run.finish(60)
            for event in pair.source.events('MIGRATION_DOWNTIME_LIMIT_RAISED'):
                run.raised = event['data']['downtime-limit']
            self.view.completed(run)
        return run

    def stock(self, series):
        """Stock QEMU, with the limits that the series' prediction gave"""
        with self.pair(self.args.stock, 'stock') as pair:
            run = Run(pair, self.first, self.view.sampled)
            run.low, run.high = series.low, series.high
            pair.start()
            waits = run.watch(self.args.watch)
            run.at_limit = dict(run.info)
            if waits:
                run.truth = self.truth(run)
                self.view.waits(self, run)
                for limit in filter(None, (run.low, run.high)):
                    self.view.limit(limit, None)
                    run.set_limit(limit)
                    if not run.watch(self.args.watch):
                        break
                    self.view.waits_still(run)
                else:
                    if self.wrong:
                        self.report_truth(run)
                    else:
                        self.view.limit(60000, None)
                        run.set_limit(60000)
            self.complete(run, 120 + run.limit / 500)
            if not waits:
                run.expected = None
        return run
