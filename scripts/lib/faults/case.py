# SPDX-License-Identifier: GPL-2.0-or-later
"""Run one case"""

import contextlib
import os
import signal
import threading
import time

from migpair import Device, Failed, Machine, tickrom

from . import actions, oracle, postcopy
from .actions import HANDED_OVER, YANK, Hold
from .oracle import (AGAIN, CRASH, ERROR, HANG, LOST, TWO, UNKNOWN,
                     Problem, wait)
from .plan import Case
from .pool import discard_logs
from .wire import Wire

MEMORY = 128 << 20
# Seconds in which a migration ends, and in which it does after a cancel
ENDS, CANCELLED = 30, 10
# ms that a switchover may take, more than any does: over 30 s at 1 Mbit/s.  The
# monitor does not answer in it (s).
LIMIT, ANSWERS = 60000, 90
ENDED = ('completed', 'failed', 'cancelled', postcopy.PAUSED)
# Bytes that the second half of many migrations may take.  What one of them
# allocates is more than a hundredth of it.
LEAK = 8 << 20
ACTIONS = {**actions.ACTIONS, **postcopy.ACTIONS}
# Where the devices do DMA, behind the memory that the guest rewrites
DMA_BASE, DMA_SIZE = 64 << 20, 4 << 20


class Node(Machine):
    """A QEMU of a case"""

    def crashed(self):
        status = self._process and self._process.poll()
        return status is not None and status < 0 and not self.killed

    # It was ended on purpose
    killed = False

    def cmd(self, command, timeout=ANSWERS, **arguments):
        return super().cmd(command, timeout, **arguments)

    def kill(self):
        self.killed = True
        self._process.kill()
        self._process.wait()


class Client:
    """A client that uses a monitor again and again; it ends with its QEMU"""

    def __init__(self, machine):
        self.machine = machine
        self.going = True
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        with contextlib.suppress(Failed, OSError, IndexError):
            while self.going:
                self.use()

    def use(self):
        raise NotImplementedError

    def close(self):
        self.going = False
        self.thread.join(60)


class Hammer(Client):
    """Asks all the time"""

    QUERIES = (b'{"execute": "query-migrate"}\n',
               b'{"execute": "human-monitor-command", "arguments":'
               b' {"command-line": "info migrate"}}\n')

    def use(self):
        for query in self.QUERIES:
            self.machine.raw.round_trip(query)


class Continuer(Client):
    """Continues a migration that pauses before its switchover"""

    def use(self):
        # It may have ended since, or not answer because a device is held
        with contextlib.suppress(Failed):
            if self.machine.cmd('query-migrate').get('status') == \
                    'pre-switchover':
                self.machine.cmd('migrate-continue', state='pre-switchover')
        self.going &= self.machine.alive()
        time.sleep(0.02)


class Run:
    """
    A source, a destination, and a migration between them; then another one from
    where the guest is
    """

    def __init__(self, sess, tools, case):
        self.sess = sess
        self.tools = tools
        self.case = case
        self.wire_options = {}
        self.wire = None
        self.hold = None
        self.nodes = []
        self.clients = []
        self.rom = os.path.join(sess.tmp, 'fault.rom')
        if not os.path.exists(self.rom):
            with open(self.rom, 'wb') as f:
                f.write(tickrom.image(oracle.REWRITE))

    def node(self, name, incoming, count=None):
        """A QEMU; COUNT: how many devices it has, if not all of the setup"""
        setup = self.case.setup
        devices = []
        for i in range(setup.devices if count is None else count):
            keys = setup.keys()
            if setup.dma:
                keys |= {'dma-rate': '2M', 'dma-size': DMA_SIZE,
                         'dma-base': DMA_BASE + i * DMA_SIZE}
            devices.append(Device(**keys))
        arguments = []
        if setup.acks == 'new' and not self.tools.unmodified:
            arguments = ['-global', 'migration.switchover-ack-legacy=off']
        node = Node(self.sess, self.tools.qemu, name, devices,
                    sim=self.tools.sim, incoming=incoming, memory=MEMORY,
                    arguments=arguments, raw_monitor=True,
                    rom=self.rom, machine=setup.machine,
                    log_name=f'case-{self.case.number}-{name}')
        self.nodes.append(node)
        node.set_capabilities(*[n for n, on in (
            ('multifd', setup.multifd), ('return-path', setup.return_path),
            ('switchover-ack', setup.acks != 'off'), ('events', True)) if on])
        node.cmd('migrate-set-parameters', downtime_limit=LIMIT)
        return node

    def migrate(self, source, destination, **wire):
        destination.cmd('migrate-incoming', uri='tcp:127.0.0.1:0')
        self.connect(source, destination, wire)

    def connect(self, source, destination, wire=None, **options):
        """Over a link with the options WIRE, to where the destination listens"""
        address = destination.cmd('query-migrate')['socket-address'][-1]
        if self.wire:
            self.wire.close()
        self.wire = Wire(int(address['port']), **(wire or {}))
        source.cmd('migrate', uri=f'tcp:127.0.0.1:{self.wire.port}', **options)

    def status(self, source, **options):
        return source.cmd('query-migrate', **options).get('status')

    def ended(self, source, **options):
        return not source.alive() or self.status(source, **options) in ENDED

    def wait_end(self, source, action):
        """Wait for the end of the migration; cancel one that need not end"""
        if action.ends:
            if not wait(lambda: self.ended(source), action.patience):
                info = source.cmd('query-migrate')
                raise Problem(HANG, 'the migration has not ended after '
                              f'{action.patience} s: {info["status"]}, '
                              f'{info.get("switchover-state")}')
            return
        end = time.monotonic() + 3
        while time.monotonic() < end:
            if self.ended_or_stuck(source):
                return
            time.sleep(0.02)
        self.cancel(source)
        if not wait(lambda: self.ended(source), CANCELLED):
            raise Problem(HANG, 'a cancel did not end the migration within '
                          f'{CANCELLED} s: {self.status(source)}')

    def ended_or_stuck(self, source):
        """
        ended(), for a link that may stall in the switchover: then the source
        answers to nothing but out-of-band commands, and yank ends it
        """
        if not source.alive():
            return True
        try:
            return source.cmd('query-migrate', timeout=5)['status'] in ENDED
        except Failed as e:
            if 'no answer' not in str(e):
                raise
        source.raw.out_of_band(YANK)
        return False

    def cancel(self, source):
        try:
            source.cmd('migrate_cancel', timeout=5)
        except Failed as e:
            if 'no answer' in str(e):
                source.raw.out_of_band(YANK)
                return
            if HANDED_OVER not in str(e):
                raise
            # The destination does not answer: end it, as the error says
            self.destination.kill()

    def first(self):
        """The migration with the fault; returns who has the guest then"""
        case = self.case
        source = self.source = self.node('source', False)
        destination = self.destination = self.node('destination', True)
        action = ACTIONS[case.kind](self, case)
        moment = case.moment
        if case.options.get('which') == 'last':
            moment = 'stop' if action.side == 'source' else 'start'
        if moment and moment != 'waiting':
            self.hold = Hold(action, moment)
            self.hold.arm()
        action.arm()
        if moment == 'waiting':
            source.cmd('migrate-set-parameters', downtime_limit=1)
        if not wait(lambda: source.ticks.count > 20, 10):
            raise Problem(LOST, 'the guest does not start')
        before = oracle.resources(source)
        if case.setup.hammered:
            self.clients += [Hammer(source), Hammer(destination)]
        if case.setup.paused:
            source.set_capabilities('pause-before-switchover')
            self.clients.append(Continuer(source))
        self.migrate(source, destination, **self.wire_options)
        if self.hold:
            self.hold.act(lambda: self.settled(source, destination))
        elif moment == 'waiting':
            wait(lambda: self.waits(source), 10)
            action.act()
            action.end()
            if self.status(source) not in ENDED:
                with contextlib.suppress(Failed):
                    source.cmd('migrate-set-parameters', downtime_limit=LIMIT)
        action.end()
        self.wait_end(source, action)
        action.end()
        action.recover()
        for client in self.clients:
            client.close()
        self.clients = []
        if action.two_guests():
            raise Problem(oracle.ANSWER, 'it was lost when the link broke')
        owner = self.owner(source, destination, action)
        if owner:
            action.check(owner)
        with contextlib.suppress(Failed):
            # What has ended needs no repair
            action.repair()
        self.check_first(action, source, destination, owner, before)
        return action, owner

    def settled(self, source, destination):
        """No moment of the migration will come any more"""
        if not source.alive():
            return True
        if self.hold.device in destination.controls:
            return not destination.alive() or running_quietly(destination)
        # The monitor may not answer while the device is held, as it may be from
        # now on
        if self.hold.device.get('holding'):
            return False
        try:
            return self.ended(source, timeout=1)
        except Failed:
            return not source.alive()

    def waits(self, source):
        info = source.cmd('query-migrate')
        return info['status'] in ENDED or \
            info.get('ram', {}).get('dirty-sync-count', 0) > 4

    def owner(self, source, destination, action):
        """Which of them must run the guest; None: the host that had it died"""
        for m in (source, destination):
            if m.crashed():
                m.explain('crashed')
        if not source.alive():
            # The destination has the guest if it got all of it
            if not wait(lambda: not destination.alive()
                        or oracle.running(destination), 10):
                raise Problem(HANG, 'the source was killed, and the '
                              'destination neither ends nor runs: ' +
                              destination.cmd('query-status')['status'])
            if destination.alive():
                return destination
            if self.case.moment == 'start' and action.killed == 'source':
                raise Problem(LOST, 'the destination had all of the guest, and '
                              'has ended' + destination.last_words(3))
            return None
        status = self.status(source)
        if action.stops:
            for m in (source, destination):
                oracle.resume_if_paused(m)
        if status != 'completed':
            return source
        if self.wire:
            # Without the return path a source completes once all of it is in
            # the link: that must carry it
            self.wire.release()
        if not wait(lambda: not destination.alive()
                    or oracle.running(destination), 10):
            raise Problem(LOST, 'the migration has completed, and the '
                          'destination does not start the guest: '
                          + destination.cmd('query-status')['status'])
        if not destination.alive():
            if destination.killed and not (
                    action.killed and self.case.setup.return_path):
                return None
            text = destination.last_words(3)
            raise Problem(LOST if self.case.setup.return_path else UNKNOWN,
                          'the migration has completed, and the destination '
                          f'has ended{text}')
        return destination

    def check_first(self, action, source, destination, owner, before):
        if not owner:
            if source.alive() and oracle.running(source):
                raise Problem(TWO, 'unexpected owner')
            return
        if owner is source:
            status = self.status(source)
            if action.completes and \
                    (not self.hold or self.hold.reached):
                raise Problem(ERROR, f'the migration was {status}, and should '
                              'have completed: ' + source.cmd(
                                  'query-migrate').get('error-desc', ''))
            if status == 'failed':
                here = action.side == 'source'
                oracle.check_error(source, action.words if here else ())
                if not here:
                    oracle.check_log(destination, action.words)
        other = destination if owner is source else source
        if action.damages and owner is destination:
            # Its memory may be damaged, too
            oracle.check_no_guest([source])
            return
        oracle.check_one_guest(owner, [] if action.misinforms else [other])
        if not action.resets:
            oracle.check_continuity(
                [source] if owner is source else [source, destination])
        if not action.breaks:
            oracle.check_devices(owner)
        if owner is destination:
            self.check_arrived(action, destination)
        else:
            oracle.check_resources(source, before)
        oracle.check_memory(owner, self.sess.tmp, action.resets)

    def check_arrived(self, action, destination):
        try:
            oracle.check_streams(destination)
        except Problem as e:
            if self.case.setup.return_path or action.side != 'destination':
                raise
            # The source has gone: the guest runs on with a device that was reset
            raise Problem(UNKNOWN, e.text) from None

    def again(self, action, owner):
        """More migrations, each to another QEMU, in which nothing fails"""
        if not owner or action.breaks or \
                (action.damages and owner is self.destination):
            return
        owner.set_capabilities('pause-before-switchover', state=False)
        for i in range(action.more):
            owner = self.hop(action, owner, f'node-{i + 3}')

    def hop(self, action, owner, name):
        """One of them; returns who has the guest then"""
        for node in self.nodes:
            if node is not owner:
                node.close()
        new = self.node(name, True, len(owner.controls))
        for control in owner.controls:
            control.set('hold', 'none')
        owner.cmd('migrate-set-parameters', downtime_limit=LIMIT,
                  max_bandwidth=1 << 30)
        try:
            self.migrate(owner, new)
        except Failed as e:
            raise Problem(AGAIN, str(e)) from None
        if not wait(lambda: self.ended(owner), ENDS):
            raise Problem(AGAIN, 'the next migration does not end')
        if not owner.alive():
            owner.explain('died in the next migration')
        if self.status(owner) != 'completed':
            info = owner.cmd('query-migrate')
            raise Problem(AGAIN, f'the next migration was {info["status"]}: '
                          + info.get('error-desc', ''))
        if not wait(lambda: not new.alive() or oracle.running(new), 10) \
                or not new.alive():
            raise Problem(AGAIN, 'the guest does not run after the next '
                          'migration' + new.last_words(3))
        oracle.check_one_guest(new, [owner])
        oracle.check_continuity([owner, new])
        oracle.check_devices(new)
        oracle.check_streams(new)
        oracle.check_memory(new, self.sess.tmp, action.resets)
        return new

    def close(self):
        for node in self.nodes:
            if node.alive():
                node.kill()
        # None of them waits for an answer any more
        for client in self.clients:
            client.close()
        for node in self.nodes:
            node.close()
        if self.wire:
            self.wire.close()


def cycles(sess, tools, setup, count):
    """
    COUNT migrations of one guest that are cancelled or fail, in turn.  Returns
    a problem, or None if the source needs no more for the second half than for
    the first.
    """
    this = Run(sess, tools, Case(0, 0, 'nothing', setup))
    try:
        source = this.node('source', False)
        if not wait(lambda: source.ticks.count > 20, 10):
            return Problem(LOST, 'the guest does not start')
        source.cmd('migrate-set-parameters', downtime_limit=1)
        before = None
        for i in range(count):
            destination = this.node(f'destination-{i}', True)
            if i % 2:
                destination.controls[0].set('fail-call', 'write')
                source.cmd('migrate-set-parameters', downtime_limit=LIMIT)
            this.migrate(source, destination)
            if i % 2:
                wait(lambda: this.ended(source), ENDS)
                source.cmd('migrate-set-parameters', downtime_limit=1)
            else:
                wait(lambda: this.waits(source), ENDS)
                source.cmd('migrate_cancel')
            if not wait(lambda: this.ended(source), CANCELLED):
                return Problem(HANG, f'migration {i} does not end')
            this.wire.close()
            destination.close()
            this.nodes.remove(destination)
            os.unlink(destination.log)
            oracle.check_one_guest(source, [])
            if i == count // 2:
                before = oracle.resources(source), oracle.memory(source)
        oracle.check_resources(source, before[0])
        if not wait(lambda: oracle.resources(source)[1] <= before[0][1], 15):
            return Problem(oracle.LEAK, f'the source had {before[0][1]} threads,'
                           f' and has {oracle.resources(source)[1]}')
        oracle.check_memory(source, sess.tmp)
        grown = oracle.memory(source) - before[1]
        if grown > LEAK and not oracle.sanitized(source):
            return Problem(oracle.LEAK, f'{count // 2} migrations have taken '
                           f'{grown >> 10} KiB')
    except Problem as e:
        return e
    except Failed as e:
        return oracle.from_failed(this.nodes, e)
    finally:
        this.close()
    return None


def running_quietly(machine):
    with contextlib.suppress(Failed):
        return bool(machine.ticks.count)
    return False


def run(sess, tools, case):
    """(the problem or None, seconds, whether its moment came)"""
    start = time.monotonic()
    this = Run(sess, tools, case)
    problem = None
    try:
        action, owner = this.first()
        this.again(action, owner)
    except Problem as e:
        problem = e
    except Failed as e:
        problem = oracle.from_failed(this.nodes, e)
    except Exception as e:      # pylint: disable=broad-except
        problem = Problem(oracle.SCRIPT, repr(e))
    finally:
        # Not in the middle of the clean-up
        signal.alarm(0)
    if (not problem or problem.category in oracle.ALLOWED) and \
            any(n.crashed() for n in this.nodes):
        problem = Problem(CRASH, 'a QEMU has crashed')
    this.close()
    if not problem:
        discard_logs(this.nodes)
    reached = not this.hold or this.hold.reached
    return problem, time.monotonic() - start, reached
