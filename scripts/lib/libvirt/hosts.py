# SPDX-License-Identifier: GPL-2.0-or-later
"""Two hosts, a guest, and its migration"""

import subprocess
import time

from faults.oracle import wait
from migpair import Failed, process, run_tool

from . import jobinfo
from .link import DESTINATION, Link
from .node import GUEST, Node

# Seconds in which a migration that may end does
ENDS = 60
# A limit, in relation to the estimate, which is in the middle of what may happen
ALLOWANCE = 1.1
MEMORY = 256


def cannot_run(sess):
    """Why there can be no hosts on this machine, or None"""
    try:
        link = Link(sess, 125_000_000)
    except Failed as e:
        return str(e)
    r = run_tool([*link.source.prefix, 'unshare', '--mount', '--uts', '--pid',
                  '--fork', 'sh', '-c', 'mount -t tmpfs tmpfs /mnt && '
                  'mount -t proc proc /mnt && mount -t sysfs sysfs /mnt'])
    link.close()
    if r.returncode:
        return 'no namespaces can be made: ' + r.stderr.strip()
    return None


class Hosts:
    """
    DEVICES: of the guest; RATE: of the network, in bytes per second; TREE: of
    scripts/debian-libvirt
    """

    def __init__(self, sess, tree, qemu, sim, devices, rate):
        self.session = sess
        self.link = Link(sess, rate)
        common = {'tree': tree, 'qemu': qemu, 'sim': sim, 'devices': devices}
        self.source = Node(sess, name='source', number=1,
                           namespace=self.link.source, **common)
        self.destination = Node(sess, name='destination', number=2,
                                namespace=self.link.destination, **common)
        self._migration = None

    def create(self, memory=MEMORY):
        """Start the guest, and wait until it ticks"""
        self.source.create(self.session.rom, memory)
        if not wait(lambda: self.source.ticks.count > 50, 20):
            raise Failed('the guest does not tick:\n'
                         + self.source.qemu_log())

    def migrate(self, *options):
        """Start "virsh migrate" with these options"""
        words = ['migrate', GUEST, self.destination.uri, '--migrateuri',
                 f'tcp://{DESTINATION}', '--live', *options]
        self.started = time.monotonic()
        self._migration = process.start(
            self.source.command(*words), stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, env=self.source.environment())

    def elapsed(self):
        return time.monotonic() - self.started

    def migrating(self):
        return self._migration.poll() is None

    def end(self, seconds=ENDS):
        """Wait for its end: (whether virsh succeeded, what it printed)"""
        try:
            output, _ = self._migration.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            raise Failed(f'virsh migrate does not end within {seconds} s: '
                         + str(self.info().lines)) from None
        return (self._migration.returncode == 0,
                output.decode(errors='replace').strip())

    def complete(self, seconds=ENDS):
        """Wait until it completes; raises Failed if it does not"""
        succeeded, text = self.end(seconds)
        if not succeeded:
            raise Failed(f'virsh migrate: {text}\n'
                         + self.destination.qemu_log())

    def allow(self, info):
        """
        Set the limit that INFO, a domjobinfo, calls for; a higher one later, if
        the estimate rises.  Then wait until the migration completes.
        """
        limit = 0
        end = time.monotonic() + ENDS
        while self.migrating() and time.monotonic() < end:
            expected = info.expected_downtime() or 0
            if expected > limit:
                limit = int(expected * ALLOWANCE)
                self.source.virsh('migrate-setmaxdowntime', GUEST, str(limit),
                                  check=False)
            time.sleep(1)
            info = self.info()
        self.complete()

    def info(self):
        """domjobinfo of the guest on the source"""
        return jobinfo.get(self.source, GUEST)

    def wait_info(self, condition, what, seconds=ENDS):
        """domjobinfo, once condition(it) is true"""
        last = None

        def found():
            nonlocal last
            last = self.info()
            if not self.migrating():
                raise Failed('virsh migrate has ended before ' + what + ': '
                             + self.end()[1])
            return condition(last)
        if not wait(found, seconds):
            raise Failed(f'not within {seconds} s: {what}: {last.lines}')
        return last

    def silence(self):
        """Milliseconds for which the guest was silent"""
        return 1000 * (self.destination.ticks.first - self.source.ticks.last)
