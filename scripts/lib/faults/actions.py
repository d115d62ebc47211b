# SPDX-License-Identifier: GPL-2.0-or-later
"""
What happens in the kinds of cases.  An action is armed before the migration
starts, and acts when its moment has come; both may be nothing.
"""

import contextlib
import os
import random
import signal
import threading
import time
from typing import Any, Dict, Tuple

from migpair import Failed

from .oracle import DEVICE, ERROR, Problem, wait
from .plan import EASY, MIB, MOMENTS


# Of the error of a cancel that comes too late
HANDED_OVER = 'has all of the guest'
YANK = (b'{"exec-oob": "yank", "id": "yank", "arguments": {"instances": '
        b'[{"type": "migration"}]}}\n')


class Action:
    """Nothing happens.  A migration with this completes."""

    # Whose device it happens to
    side = 'source'
    # Whether the migration must end by itself, without a cancel
    ends = True
    # Whether it must complete
    completes = False
    # Whether a device may be broken afterwards, so that it cannot migrate
    breaks = False
    # Seconds in which it must end
    patience = 30
    # The side that was killed
    killed = None
    # Whether the guest is stopped afterwards, by the user's wish
    stops = False
    # How often the guest is reset
    resets = 0
    # Whether memory and device data may be wrong
    damages = False
    # Of which one must be in the reason, if the migration fails; where it happens
    # on the destination, in what that reports
    words: Tuple[str, ...] = ()
    # How many migrations follow in which nothing happens
    more = 1
    # Whether the source may be told something wrong about the destination
    misinforms = False

    def __init__(self, run, case):
        self.run = run
        self.case = case
        self.options = case.options
        # The device that it happens to
        self.rng = random.Random(f'{case.seed}/{case.number}/action')
        self.index = self.rng.randrange(case.setup.devices or 1)

    def machine(self, side):
        return getattr(self.run, side)

    def device(self, side):
        return self.machine(side).controls[self.index]

    def arm(self):
        """Before the migration"""

    def act(self):
        """At the moment; the device is held there"""

    def end(self):
        """Before the migration is cancelled, or has ended"""

    def two_guests(self):
        """May both sides run the guest now?"""
        return False

    def recover(self):
        """If it has paused, in postcopy: let it continue over another link"""

    def check(self, owner):
        """What else must be true of the side that runs the guest"""

    def repair(self):
        """After it: nothing fails any more"""


class Nothing(Action):
    completes = True


class ThreeHops(Nothing):
    more = 2


class DeviceFails(Action):
    def __init__(self, run, case):
        super().__init__(run, case)
        self.words = (f'dev{self.index}: ',)


class CallFails(DeviceFails):
    def arm(self):
        o = self.options
        if o['call'] == 'set-state' and o['count'] == 0:
            self.breaks = True
        if o['call'] == 'data-size' and o['count'] == 0:
            # 100 GiB stand in for a length that is never known
            self.ends = False
        if o['which'] != 'last':
            self._set({'first': 0, 'second': 1}.get(
                o['which'], self.rng.randrange(2, 12)))

    def _set(self, skip):
        device, o = self.device(self.side), self.options
        device.set('fail-errno', o['errno'])
        device.set('fail-call-count', o['count'])
        device.set('fail-call-skip', skip)
        device.set('fail-call', o['call'])

    def act(self):
        if self.options['which'] == 'last':
            self._set(0)

    def repair(self):
        self.device(self.side).set('fail-call', 'none')


class DestinationCallFails(CallFails):
    side = 'destination'


class StateFails(DeviceFails):
    def arm(self):
        o = self.options
        self.breaks = o['into'] == 'error' or o['count'] == 0
        device = self.device(self.side)
        device.set('fail-into', o['into'])
        device.set('fail-count', o['count'])
        device.set('fail-state', o['state'])

    def repair(self):
        self.device(self.side).set('fail-state', 'none')


class DestinationStateFails(StateFails):
    side = 'destination'


class DeviceReset(DeviceFails):
    """
    By the host: QEMU is not told.  With PRE_COPY it loses what the device has
    sent; without, there is nothing to lose before the switchover.
    """

    def __init__(self, run, case):
        super().__init__(run, case)
        self.completes = not case.setup.precopy
        self.lost = False

    def act(self):
        device = self.device('source')
        state = device.get('state')
        if state in ('running', 'pre-copy'):
            device.set('reset', 'now')
            self.lost = state == 'pre-copy'

    def check(self, owner):
        if self.lost and owner is not self.run.source:
            raise Problem(ERROR, 'a device was reset in the middle, and the '
                          'migration has completed')


class Short(Action):
    completes = True

    def arm(self):
        side = self.options['side']
        self.device(side).set('read-max' if side == 'source' else 'write-max',
                              self.options['bytes'])


class WrongSizes(Action):
    # A device may report that it always has more than the limit allows
    ends = False

    def arm(self):
        for which in ('initial', 'dirty', 'stop'):
            self.device('source').set(f'report-{which}', self.options[which])

    def repair(self):
        for which in ('initial', 'dirty', 'stop'):
            self.device('source').set(f'report-{which}', 'truth')


class Reinit(Action):
    completes = True

    def arm(self):
        device, o = self.device('source'), self.options
        device.set('reinit-bytes', MIB)
        device.set('reinit-flag', o['flag'])
        device.set('reinit-count', o['count'])
        device.set('reinit-at', o['at'])

    def repair(self):
        self.device('source').set('reinit-at', 'none')


class Hang(Action):
    completes = True

    def act(self):
        time.sleep(self.options['ms'] / 1000)


def break_at(case):
    """Channel, and number of bytes: anywhere in the migration of CASE"""
    setup, o = case.setup, case.options
    # About what there is on each channel
    total = 5 * MIB + setup.devices * (
        setup.stop + (setup.initial if setup.precopy else 0))
    channels = 2 if o.get('preempt') else 1
    if setup.multifd:
        total //= 2
        channels = 3
    return o['channel'] % channels, int(o['after'] ** 2 * total)


class WireFails(Action):
    def arm(self):
        how = {'link reset': 'reset', 'link closed': 'close',
               'link stalls': 'stall', 'link slow': 'slow'}[self.case.kind]
        if how == 'slow':
            self.run.wire_options = {'how': 'slow',
                                     'rate': self.options['rate']}
            self.completes = True
            self.patience = 240
            return
        self.ends = how != 'stall'
        channel, after = break_at(self.case)
        self.run.wire_options = {'how': how, 'channel': channel, 'after': after}

    def repair(self):
        self.run.wire.release()


class Damaged(Action):
    ends = False
    # The direction: from the destination to the source
    back = False

    def arm(self):
        o = self.options
        self.run.wire_options = {
            'how': 'damage', 'channel': o.get('channel', 0), 'back': self.back,
            'after': o['after'], 'damage': bytes.fromhex(o['damage'])}


class ChannelDamaged(Damaged):
    """
    Nothing protects the data against this, so that the guest's memory may be
    wrong afterwards; but no QEMU may crash or hang.
    """
    damages = True


class ReturnPathDamaged(Damaged):
    """
    The source must survive it.  It believes what it is told, also that a guest
    has not arrived which runs on the destination.
    """
    back = True
    misinforms = True


class Killed(Action):
    def act(self):
        self.machine(self.options['side']).kill()
        self.killed = self.options['side']


class Frozen(Action):
    completes = True

    def act(self):
        pid = self.machine(self.options['side']).pid()
        os.kill(pid, signal.SIGSTOP)
        time.sleep(self.options['ms'] / 1000)
        os.kill(pid, signal.SIGCONT)


class Command(Action):
    """
    A command on the source.  Where a device is held with QEMU's lock, it is
    answered only afterwards: it is sent by another thread.
    """
    commands: Tuple[Tuple[str, Dict[str, Any]], ...] = ()

    def act(self):
        self.error = None
        self.thread = threading.Thread(target=self._send)
        self.thread.start()
        # So that it has reached QEMU before the device goes on, and is over
        # if QEMU can execute it now
        self.thread.join(5 if self.case.moment in EASY else 0.03)

    def _send(self):
        try:
            self.send()
        except Exception as e:      # pylint: disable=broad-except
            self.error = e

    def send(self):
        for command, arguments in self.commands:
            self.run.source.cmd(command, **arguments)

    def end(self):
        if not hasattr(self, 'thread'):
            return
        self.thread.join(60)
        if self.error and self.run.source.alive() and \
                HANDED_OVER not in str(self.error):
            raise self.error


class Cancel(Command):
    commands = (('migrate_cancel', {}),)


class Stop(Command):
    completes = True
    stops = True
    commands = (('stop', {}),)


class StopCont(Command):
    commands = (('stop', {}), ('cont', {}))


class Reset(Command):
    resets = 1
    commands = (('system_reset', {}),)


class LimitCancel(Command):
    commands = (('migrate-set-parameters', {'downtime_limit': 5000}),
                ('migrate_cancel', {}))


class Parameters(Command):
    completes = True

    def send(self):
        for _ in range(10):
            self.run.source.cmd('migrate-set-parameters', **{
                'downtime_limit': self.rng.choice((1, 100, 3000, 20000)),
                'max_bandwidth': self.rng.choice((10 << 20, 1 << 30)),
                'avail_switchover_bandwidth': self.rng.choice((0, 1 << 30))})
        self.run.source.cmd('migrate-set-parameters', downtime_limit=20000,
                            avail_switchover_bandwidth=0)


class Yank(Action):
    """
    It is executed at once, also where QEMU's lock is held and no other command
    is: the device goes on only when it has been answered
    """

    def act(self):
        self.run.source.raw.answered(YANK, b'"id": "yank"')


class Snapshot(Command):
    """It is refused, and the guest is not stopped for it"""
    completes = True

    def arm(self):
        # One disk that both sides use, in a format that can have snapshots
        self.path = os.path.join(self.run.sess.tmp,
                                 f'case-{self.case.number}.qcow2')
        source = self.run.source
        self._create(source, driver='file', filename=self.path, size=0)
        file = {'driver': 'file', 'filename': self.path}
        source.cmd('blockdev-add', node_name='raw', **file)
        self._create(source, driver='qcow2', file='raw', size=MIB)
        source.cmd('blockdev-del', node_name='raw')
        for m in (source, self.run.destination):
            m.cmd('blockdev-add', node_name='disk', driver='qcow2', file=file)

    def _create(self, machine, **options):
        machine.cmd('blockdev-create', job_id='create', options=options)
        if not wait(lambda: machine.cmd('query-jobs')[0]['status'] ==
                    'concluded', 10):
            raise Failed('the disk is not made')
        machine.cmd('job-dismiss', id='create')

    def send(self):
        if not self.run.source.hmp('savevm a').strip():
            raise Problem(ERROR, 'a snapshot was made during a migration')

    def repair(self):
        for m in (self.run.source, self.run.destination):
            with contextlib.suppress(Failed):
                m.cmd('blockdev-del', node_name='disk')
        os.unlink(self.path)


class Eject(Command):
    """
    The guest ejects a device, as it was requested to before the migration.  It
    is the last device, so that the slots of the others stay without gaps.
    """

    # Ports of the hotplug controller of the machine "pc", and where the first
    # device is
    SELECT, EJECT, SLOT = 0xae10, 0xae08, 2
    words = ('was unplugged by the guest',)

    def __init__(self, run, case):
        super().__init__(run, case)
        self.index = case.setup.devices - 1
        self.name = f'dev{self.index}'

    def arm(self):
        self.run.source.cmd('device_del', id=self.name)

    def send(self):
        self.run.source.hmp(f'o /l {self.SELECT:#x} 0')
        self.run.source.hmp(f'o /l {self.EJECT:#x} '
                            f'{1 << self.SLOT + self.index:#x}')

    def _gone(self):
        return any(e['data'].get('device') == self.name
                   for e in self.run.source.events('DEVICE_DELETED'))

    def repair(self):
        source = self.run.source
        if not hasattr(self, 'thread') or self.run.status(source) == \
                'completed':
            return
        if not wait(self._gone, 10):
            raise Problem(DEVICE, f'{self.name} was ejected, and is there')
        source.controls.pop()


ACTIONS = {
    'nothing': Nothing,
    'three hops': ThreeHops,
    'source call fails': CallFails,
    'destination call fails': DestinationCallFails,
    'source state fails': StateFails,
    'destination state fails': DestinationStateFails,
    'short transfers': Short,
    'wrong sizes': WrongSizes,
    're-initialisation': Reinit,
    'device hangs': Hang,
    'link reset': WireFails,
    'link closed': WireFails,
    'link stalls': WireFails,
    'link slow': WireFails,
    'channel damaged': ChannelDamaged,
    'main channel damaged': ChannelDamaged,
    'return path damaged': ReturnPathDamaged,
    'killed': Killed,
    'frozen': Frozen,
    'migrate_cancel': Cancel,
    'stop': Stop,
    'stop and cont': StopCont,
    'system_reset': Reset,
    'limit and cancel': LimitCancel,
    'parameters': Parameters,
    'yank': Yank,
    'savevm': Snapshot,
    'eject': Eject,
    'host resets a device': DeviceReset,
}


class Hold:
    """Hold a device at a moment of the migration, act, and let it go on"""

    # Seconds until the moment has come
    SECONDS = 10

    def __init__(self, action, moment):
        self.action = action
        self.moment = moment
        self.reached = False
        side, self.value, _ = MOMENTS[moment]
        self.device = action.device(side)
        if moment == 'stop-copy read':
            # Held from the stop on, and then again
            self.value = 'stop-copy'

    def arm(self):
        self.device.set('hold', self.value)

    def _held(self, ended):
        def ready():
            return self.device.get('holding') or ended()
        return wait(ready, self.SECONDS) and self.device.get('holding')

    def act(self, ended):
        """ENDED(): has the migration ended, so that it will not come?"""
        # A device that has died with its QEMU holds nothing
        with contextlib.suppress(Failed):
            if self._held(ended) and self.moment == 'stop-copy read':
                self.device.set('hold', 'read')
                wait(lambda: self.device.get('state') == 'stop-copy', 5)
            self.reached = bool(self._held(ended))
        try:
            if self.reached:
                self.action.act()
        finally:
            with contextlib.suppress(Failed):
                self.device.set('hold', 'none')
