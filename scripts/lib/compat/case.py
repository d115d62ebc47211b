# SPDX-License-Identifier: GPL-2.0-or-later
"""Run one migration, and check what arrives"""

import os

from faults import oracle
from faults.oracle import Problem, wait
from faults.pool import discard_logs
from migpair import Device, Failed, Machine, tickrom

from . import plan

MEMORY = 128 << 20
MIB = 1 << 20
# Bytes of initial data after a re-initialisation
REINIT = MIB // 4
# Where the devices do DMA, behind the memory that the guest rewrites
DMA_BASE, DMA_SIZE = 64 << 20, 4 << 20
# Seconds in which a migration ends
ENDS = 30
WAITS, LIMIT = 1, 20000
ENDED = ('completed', 'failed', 'cancelled')
# What may be wrong, besides what oracle.py names
FAILS = 'does not complete'


class Run:
    """A source and a destination"""

    def __init__(self, sess, sim, case, number):
        self.sess = sess
        self.sim = sim
        self.case = case
        self.number = number
        self.nodes = []
        self.rom = os.path.join(sess.tmp, 'compat.rom')
        if not os.path.exists(self.rom):
            with open(self.rom, 'wb') as f:
                f.write(tickrom.image(oracle.REWRITE))

    def devices(self):
        case = self.case
        for i in range(case.devices):
            # More than the limit while it waits allows for
            keys = {'stop-bytes': 32 * MIB, 'dma-rate': '2M',
                    'dma-size': DMA_SIZE, 'dma-base': DMA_BASE + i * DMA_SIZE,
                    'precopy': 'on' if case.precopy else 'off'}
            if case.precopy:
                keys |= {'initial-bytes': MIB, 'dirty-rate': '1M',
                         'dirty-ceiling': '256K'}
            if case.reinit:
                # Until it is seen: one that ends with the data may be missed
                keys |= {'reinit-bytes': REINIT, 'reinit-at': 'none',
                         'reinit-flag': 'once'}
            yield Device(**keys)

    def node(self, peer, name, new_acks, incoming):
        case = self.case
        arguments = ['-global', 'migration.switchover-ack-legacy=off'] \
            if new_acks else []
        node = Machine(self.sess, peer.binary, name, list(self.devices()),
                       sim=self.sim, incoming=incoming, memory=MEMORY,
                       arguments=arguments, rom=self.rom, machine=case.machine,
                       log_name=f'case-{self.number}-{name}')
        self.nodes.append(node)
        node.set_capabilities(*[c for c, on in (
            ('return-path', True), ('events', True), ('multifd', case.multifd),
            ('switchover-ack', case.acks != plan.OFF)) if on])
        return node

    def migrate(self):
        case = self.case
        new = case.acks == plan.NEW
        source = self.node(case.source, 'source', new, False)
        destination = self.node(case.destination, 'destination',
                                new != case.mismatch, True)
        source.cmd('migrate-set-parameters', downtime_limit=LIMIT)
        if not wait(lambda: source.ticks.count > 20, 10):
            raise Problem(oracle.LOST, 'the guest does not start')
        self.reinitialise(source, True)
        destination.cmd('migrate-incoming', uri='tcp:127.0.0.1:0')
        address = destination.cmd('query-migrate')['socket-address'][0]
        source.cmd('migrate', uri=f'tcp:127.0.0.1:{address["port"]}')
        self.reinitialise(source, False)
        if not wait(lambda: self.status(source) in ENDED, ENDS):
            if case.completes() is not None:
                raise Problem(oracle.HANG, 'the migration does not end: '
                              + self.status(source))
            source.cmd('migrate_cancel')
            if not wait(lambda: self.status(source) in ENDED, ENDS):
                raise Problem(oracle.HANG, 'a cancel does not end the '
                              'migration')
        return source, destination

    def reinitialise(self, source, before):
        """Before the migration begins, or while it waits"""
        case = self.case
        if case.reinit not in plan.REINITS:
            return
        control = source.controls[0]
        moment = plan.REINITS[case.reinit]
        if moment == 'now':
            if before:
                # It waits until this is raised
                source.cmd('migrate-set-parameters', downtime_limit=WAITS)
                return
            self.wait_waiting(source)
            control.set('reinit-at', moment)
            if not wait(lambda: control.stats()['read-bytes-initial']
                        >= MIB + REINIT, ENDS):
                raise Problem(oracle.HANG, 'initial data is not read')
            source.cmd('migrate-set-parameters', downtime_limit=LIMIT)
        elif before:
            control.set('reinit-count', 1)
            control.set('reinit-at', moment)

    def wait_waiting(self, source):
        """
        Until the first acks have come: before, they would cover what is new,
        too
        """
        def waits():
            info = source.cmd('query-migrate')
            return info.get('ram', {}).get('dirty-sync-count', 0) > 4 and \
                not info.get('switchover-acks', {}).get('waiting')
        if not wait(waits, ENDS):
            raise Problem(oracle.HANG, 'the migration does not wait')

    def status(self, source):
        if not source.alive():
            source.explain('died')
        return source.cmd('query-migrate').get('status')

    def check(self, source, destination):
        case = self.case
        status = self.status(source)
        if status != 'completed':
            reason = source.cmd('query-migrate').get('error-desc', '')
            if case.completes():
                raise Problem(FAILS, f'the migration was {status}: {reason}'
                              + destination.last_words(3))
            if case.completes() is False and (
                    status != 'failed'
                    or 'migration.switchover-ack-legacy is' not in reason):
                raise Problem(oracle.ERROR, f'the migration was {status}, and '
                              f'the reason "{reason}" does not name the '
                              'property')
            # Another QEMU may have been in its switchover when it was cancelled
            if source.events('STOP') and (case.source.of_series() or
                                          status != 'cancelled'):
                raise Problem(FAILS, 'the guest was stopped before the '
                              'migration failed')
            oracle.check_one_guest(source, [])
            oracle.check_no_guest([destination])
            oracle.check_memory(source, self.sess.tmp)
            return
        if case.completes() is False:
            raise Problem(FAILS, 'the migration completes, although the sides '
                          'do not agree')
        if not wait(lambda: not destination.alive()
                    or oracle.running(destination), 10) \
                or not destination.alive():
            raise Problem(oracle.LOST, 'the guest does not run on the '
                          'destination' + destination.last_words(3))
        oracle.check_one_guest(destination, [source])
        oracle.check_continuity([source, destination])
        oracle.check_devices(destination)
        oracle.check_streams(destination)
        oracle.check_memory(destination, self.sess.tmp)
        if case.reinit and not source.controls[0].get('reinits'):
            raise Problem(FAILS, 'the device has not re-initialised')
        self.check_acks(source)

    def check_acks(self, source):
        """The series: all that re-initialised was loaded before"""
        case = self.case
        if not case.source.of_series() or case.acks != plan.NEW or \
                case.mismatch:
            return
        acks = source.cmd('query-migrate').get('switchover-acks', {})
        wanted = case.devices + bool(case.reinit)
        if acks.get('requests', 0) < wanted or acks.get('waiting'):
            raise Problem(oracle.ERROR, f'switchover-acks: {acks}, and at least '
                          f'{wanted} requests should be there')
        for control in source.controls:
            if control.get('initial-unread-at-stop'):
                raise Problem(oracle.ERROR, 'initial data was loaded in the '
                              'downtime')

    def close(self):
        for node in self.nodes:
            node.close()


def run(sess, sim, case, number):
    """The problem, or None"""
    this = Run(sess, sim, case, number)
    problem = None
    try:
        this.check(*this.migrate())
    except Problem as e:
        problem = e
    except Failed as e:
        problem = Problem(FAILS, str(e))
    finally:
        this.close()
    if not problem:
        discard_logs(this.nodes)
    return problem
