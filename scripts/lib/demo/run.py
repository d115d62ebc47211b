# SPDX-License-Identifier: GPL-2.0-or-later
"""One migration of one QEMU, from beginning to end, and what was seen of it"""

import time
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

# A busy guest's RAM is never sent; iterations may be rare on a slow machine
MAX_RAM_SECONDS = 20
MAX_SLOW_SECONDS = 10


class Sample(NamedTuple):
    """One answer to query-migrate"""
    seconds: float
    remaining: Optional[int]        # bytes
    expected: Optional[int]         # ms
    limit: int                      # ms


class Run:
    """Watches a Pair's migration"""

    def __init__(self, pair, limit, watcher):
        self.pair = pair
        self.limit = limit
        self.watcher = watcher  # called with this run after each sample
        self.before: Optional[Run] = None   # the run with a larger limit
        self.info: Dict[str, Any] = {}
        self.samples: List[Sample] = []
        self.expected = None    # the last one before the switchover
        self.remaining = None
        self.peak = 0           # largest expected downtime, once settled
        self.hmp = ''
        self.at_limit: Dict[str, Any] = {}     # query-migrate at the end of the first watch
        self.truth = None       # then: bytes that the device has
        self.reported = None    # and what follows from those it reports
        self.low = self.high = None
        self.raised = None      # the limit that QEMU has raised itself, ms
        self.set_at = time.time()
        # limit -> (seconds, iterations), or None
        self.waited: Dict[int, Optional[Tuple[float, int]]] = {}
        self.downtime = None
        self.at_once = None     # from setting a limit to the guest's stop
        self.stopped = None     # seconds from the start, as in samples
        self.resumed = None
        self.verified = self.intact = False

    def iterations(self):
        return self.info.get('ram', {}).get('dirty-sync-count', 0)

    def sample(self):
        """query-migrate, now"""
        info = self.pair.info()
        if info.get('status') == 'active':
            self.expected = info.get('expected-downtime')
            self.remaining = info.get('remaining')
            self.peak = max(self.peak, self.expected or 0)
            self.samples.append(Sample(self.pair.elapsed(), self.remaining,
                                       self.expected, self.limit))
        self.info = info
        return info

    def ram_sent(self):
        ram = self.info.get('ram', {})
        return self.iterations() >= 2 and ram.get('remaining', 1) < 4 << 20

    def watch(self, seconds):
        """
        Sample the migration for so long after RAM is sent, and on a slow
        machine for 5 iterations.  True if it still waits then.
        """
        begin = time.monotonic()
        start = first = None
        while True:
            if self.sample().get('status') == 'completed':
                self.waited[self.limit] = None
                return False
            now = time.monotonic()
            if start is None and (self.ram_sent()
                                  or now - begin > MAX_RAM_SECONDS):
                start, first = now, self.iterations()
                # Values from while RAM is sent are no prediction
                self.peak = self.expected or 0
            if start is not None and now - start >= seconds and (
                    self.iterations() - first >= 5
                    or now - start >= seconds + MAX_SLOW_SECONDS):
                break
            self.watcher(self)
            self.pair.check_alive()
            time.sleep(0.05)
        self.waited[self.limit] = (now - start, self.iterations() - first)
        return True

    def set_limit(self, limit):
        self.limit = limit
        self.pair.patience = 60 + limit / 500
        self.set_at = time.time()
        self.pair.set_parameters({'downtime-limit': limit})

    def finish(self, seconds):
        """Wait until the guest runs on the destination"""
        self.info = self.pair.wait_completed(seconds)
        self.downtime = self.pair.downtime()
        stop = self.pair.source.event_time('STOP')
        self.at_once = stop - self.set_at
        began = time.time() - self.pair.elapsed()
        self.stopped = stop - began
        self.resumed = self.stopped + self.downtime['silent'] / 1000
        self.verified = self.pair.streams_verified()
        self.intact = self.pair.guest_intact()
