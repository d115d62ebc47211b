# SPDX-License-Identifier: GPL-2.0-or-later
"""Source and destination of a migration"""

import os
import time

from .errors import Failed
from .link import LOOPBACK, Relay, backlog
from .machine import Machine
from .process import TIMEOUT


class Pair:
    """
    Two QEMUs, and the migration from one to the other: over TCP, with LINK
    through a relay of so many bytes per second; or, with UNIX, over a Unix
    socket.  TCP may delay a packet by 40 ms until an earlier one is
    acknowledged; a Unix socket never does.
    """

    def __init__(self, sess, binary, devices=(), *, sim=None, link=None,
                 port=0, unix=False, label='qemu', **options):
        self.session = sess
        self.link = link
        self.port = port
        self.unix = unix
        # QEMU does not answer during a switchover
        self.patience = TIMEOUT
        self.relay = None
        self.source = self.destination = None
        try:
            self.destination = Machine(
                sess, binary, 'destination', devices, sim=sim, incoming=True,
                log_name=f'{label}-destination', **options)
            self.source = Machine(
                sess, binary, 'source', devices, sim=sim,
                log_name=f'{label}-source', **options)
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        for part in (self.relay, self.source, self.destination):
            if part:
                part.close()
        self.relay = self.source = self.destination = None

    def set_capabilities(self, *names):
        for m in (self.destination, self.source):
            m.set_capabilities(*names)

    def set_parameters(self, parameters, both=False):
        for m in (self.destination, self.source) if both else (self.source,):
            m.cmd('migrate-set-parameters', **parameters)

    def wait_guest(self, seconds=10):
        """Wait until the guest ticks"""
        self.poll(lambda: self.source.ticks.count > 50, seconds,
                  'the guest does not tick')

    def start(self):
        """Connect and start the migration"""
        if self.unix:
            uri = 'unix:' + os.path.join(self.session.tmp, 'migration')
            self.destination.cmd('migrate-incoming', uri=uri)
            self.started = time.monotonic()
            self.source.cmd('migrate', uri=uri)
            return
        self.destination.cmd('migrate-incoming',
                             uri=f'tcp:{LOOPBACK}:{self.port}')
        address = self.destination.cmd('query-migrate')['socket-address'][0]
        port = self.destination_port = int(address['port'])
        if self.link:
            self.relay = Relay(self.session, port, self.link)
            port = self.relay.port
        self.started = time.monotonic()
        self.source.cmd('migrate', uri=f'tcp:{LOOPBACK}:{port}')

    def elapsed(self):
        return time.monotonic() - self.started

    def check_alive(self):
        if not self.source.alive():
            self.source.explain('died')
        if not self.destination.alive():
            # Often because the source ended before
            self.explain_source()
            self.destination.explain('died')

    def explain_source(self):
        """Raise Failed if the source reports the failure soon"""
        end = time.monotonic() + 2
        while time.monotonic() < end:
            if self.source.cmd('query-migrate').get('status') == 'failed':
                self.explain_failure()
            time.sleep(0.05)

    def explain_failure(self):
        """Raise Failed, with the messages of both sides"""
        info = self.source.cmd('query-migrate')
        text = 'the migration failed: ' + info.get('error-desc',
                                                   'no reason given')
        for m in (self.source, self.destination):
            text += f'\n  {m.name}{m.last_words(4)}'
        raise Failed(text)

    def info(self):
        """query-migrate on the source; a migration that failed raises"""
        info = self.source.cmd('query-migrate', timeout=self.patience)
        if info.get('status') == 'failed':
            self.explain_failure()
        return info

    def poll(self, condition, seconds, what, interval=0.01):
        """Wait for condition(); raise Failed when it does not come true"""
        end = time.monotonic() + seconds
        while not condition():
            self.check_alive()
            if time.monotonic() > end:
                raise Failed(f'{what} within {seconds:g} s'
                             + self.source.last_words())
            time.sleep(interval)

    def wait_waiting(self, seconds):
        """
        Wait until RAM is sent, so that only the limit delays the switchover.
        Returns query-migrate, also if the migration has completed.
        """
        last = {}

        def settled():
            nonlocal last
            last = self.info()
            ram = last.get('ram', {})
            return last.get('status') == 'completed' or (
                last.get('status') == 'active'
                and ram.get('dirty-sync-count', 0) >= 5
                and ram.get('remaining', 1) < 4 << 20)
        self.poll(settled, seconds, 'the migration does not make progress', 0.05)
        return last

    def backlog(self):
        """Bytes that are between source and destination, in sockets"""
        ports = {self.destination_port}
        if self.relay:
            ports.add(self.relay.port)
        return backlog(ports)

    def wait_settled(self, seconds):
        """
        After wait_waiting(): wait until the destination has read everything,
        and QEMU has measured two of its periods of 100 ms without other data.
        Returns query-migrate, also if the migration has completed.
        """
        last = self.info()
        begin = last['total-time']

        def settled():
            nonlocal last
            last = self.info()
            return last.get('status') == 'completed' or (
                last['total-time'] - begin >= 200
                and self.backlog() < 64 << 10)
        self.poll(settled, seconds, 'the destination does not keep up', 0.02)
        return last

    def wait_completed(self, seconds):
        """Wait until the guest runs on the destination; returns query-migrate"""
        self.patience = max(seconds, TIMEOUT)
        self.poll(lambda: self.info().get('status') == 'completed', seconds,
                  'the migration did not complete', 0.02)
        self.poll(lambda: self.destination.ticks.count > 20, TIMEOUT,
                  'the guest does not run on the destination')
        return self.source.cmd('query-migrate')

    def downtime(self):
        """
        Milliseconds, measured in three ways: how long the guest was silent,
        from its last tick on the source to its first on the destination; from
        event STOP to event RESUME (QEMU's own time stamps, same clock); and as
        the source's query-migrate reports it
        """
        silent = self.destination.ticks.first - self.source.ticks.last
        stop = self.source.event_time('STOP')
        resume = self.destination.event_time('RESUME')
        info = self.source.cmd('query-migrate')
        return {'silent': 1000 * silent,
                'events': None if stop is None or resume is None
                else 1000 * (resume - stop),
                'qemu': info.get('downtime')}

    def device_downtime(self):
        """
        Milliseconds from when the first of the source's devices is stopped to
        when the last of the destination's devices is running
        """
        stopped = [c.get('stopped-at-us') for c in self.source.controls]
        running = [c.get('running-at-us') for c in self.destination.controls]
        return (max(running) - min(stopped)) / 1000

    def guest_intact(self):
        """Whether the guest continued exactly where it stopped"""
        old, new = self.source.ticks, self.destination.ticks
        return (old.breaks == new.breaks == 0 and new.count > 0
                and new.first_value == (old.last_value + 1) & 0xff)

    def streams_verified(self):
        """
        Whether every destination device received exactly what was sent, and
        found in guest memory exactly what its DMA had written there
        """
        for control in self.destination.controls:
            stats = control.stats()
            if stats.get('stream-verified') != 1 \
                    or stats.get('stream-errors') \
                    or stats.get('dma-mismatched') != 0:
                return False
        return True
