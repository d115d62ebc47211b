# SPDX-License-Identifier: GPL-2.0-or-later
"""Cases in which the migration goes on to postcopy, of RAM or of dirty bitmaps"""

import contextlib
from typing import List

from migpair import Failed

from .actions import Command, break_at
from .oracle import BYTES, HANG, LOST, UNKNOWN, Problem, wait
from .plan import MIB

PAUSED = 'postcopy-paused'
# The message that all but RAM is loaded: MIG_RP_MSG_PONG, its length, the number
ANSWER = bytes.fromhex('0002 0004 00000042')


class Starts(Command):
    """Postcopy is started"""
    patience = 60
    completes = True
    capabilities: List[str] = []
    commands = (('migrate-start-postcopy', {}),)

    def sides(self):
        return self.run.source, self.run.destination

    def set_capabilities(self, state):
        for m in self.sides():
            if m.alive():
                m.set_capabilities(*self.capabilities, state=state)

    def arm(self):
        self.set_capabilities(True)

    def repair(self):
        self.set_capabilities(False)


class Ram(Starts):
    """Of RAM, over a link that may break: then it is recovered"""
    capabilities = ['postcopy-ram']

    def arm(self):
        o = self.options
        if o['preempt']:
            self.capabilities = [*self.capabilities, 'postcopy-preempt']
        try:
            super().arm()
        except Failed as e:
            if 'multifd' not in str(e):
                raise
            # QEMU 10.0 has either of them
            for m in self.sides():
                m.set_capabilities('multifd', state=False)
            super().arm()
        # So that it does not end before
        self.run.source.cmd('migrate-set-parameters', max_bandwidth=20 * MIB,
                            avail_switchover_bandwidth=MIB,
                            max_postcopy_bandwidth=o['bandwidth'])
        self.completes = 'how' not in o

    def act(self):
        if not self.completes:
            self.run.wire.fail(self.options['how'], *break_at(self.case))
        super().act()

    def repair(self):
        super().repair()
        for m in self.sides():
            if m.alive():
                m.cmd('migrate-set-parameters', avail_switchover_bandwidth=0)
                m.set_capabilities('multifd', state=self.case.setup.multifd)

    def _answers(self):
        """Does the destination answer when it has all but RAM?"""
        version = self.run.source.cmd('query-version')['qemu']
        return (version['major'], version['minor']) >= (10, 2)

    def two_guests(self):
        source, destination = self.sides()
        if ANSWER in self.run.wire.given or \
                self.run.status(source) != 'failed':
            return False
        # It may be about to end
        with contextlib.suppress(Failed):
            return self.run.status(destination) == PAUSED
        return False

    def recover(self):
        source, destination = self.sides()
        if not source.alive() or self.run.status(source) != PAUSED:
            return
        try:
            paused = wait(lambda: self.run.status(destination) == PAUSED,
                          self.patience)
        except Failed as e:
            if destination.alive():
                raise
            raise Problem(LOST if self._answers() or destination.ticks.count
                          else UNKNOWN, f'the source has paused: {e}') from None
        if not paused:
            raise Problem(HANG, 'the source has paused, the destination not')
        destination.cmd('migrate-recover', uri='tcp:127.0.0.1:0')
        self.run.connect(source, destination, resume=True)
        if not wait(lambda: self.run.status(source) == 'completed',
                    self.patience):
            raise Problem(HANG, 'postcopy was recovered, and does not end: '
                          + self.run.status(source))


class Bitmaps(Starts):
    """Of dirty bitmaps; they may arrive before postcopy is started"""
    capabilities = ['dirty-bitmaps']

    def arm(self):
        super().arm()
        for m in self.sides():
            m.cmd('blockdev-add', node_name='disk', driver='null-co',
                  size=64 * MIB, read_zeroes=True)
        for i in range(self.options['bitmaps']):
            self.run.source.cmd('block-dirty-bitmap-add', node='disk',
                                name=f'bitmap{i}', granularity=65536 << i)
            for _ in range(10):
                self.run.source.hmp('qemu-io disk "write '
                                    f'{self.rng.randrange(63) * MIB} 300k"')
        self.before = self.bitmaps(self.run.source)

    @staticmethod
    def bitmaps(machine):
        """Bytes that are dirty, by the names of the bitmaps"""
        node = machine.cmd('query-named-block-nodes')[0]
        return {b['name']: b['count'] for b in node.get('dirty-bitmaps', [])}

    def send(self):
        if self.options['postcopy']:
            super().send()

    def check(self, owner):
        if not wait(lambda: self.bitmaps(owner) == self.before, 10):
            raise Problem(BYTES, f'the dirty bitmaps on the {owner.name} are '
                          f'{self.bitmaps(owner)}, and were {self.before}')

    def repair(self):
        super().repair()
        for m in self.sides():
            if m.alive():
                for name in self.bitmaps(m):
                    m.cmd('block-dirty-bitmap-remove', node='disk', name=name)


ACTIONS = {
    'postcopy': Ram,
    'link breaks in postcopy': Ram,
    'dirty bitmaps': Bitmaps,
}
