# SPDX-License-Identifier: GPL-2.0-or-later
"""
Which cases there are.  Case number N of a seed is always the same, as long as
nothing here changes: its kind is the Nth of the list KINDS, again and again, and
all else is drawn from a random generator that seed and number start.
"""

import random
from dataclasses import dataclass, field, replace
from typing import Any, Dict, Optional, Tuple

MIB = 1 << 20

# Where a migration is caught: name -> (side, value of the device's "hold", has
# to have PRE_COPY).  The device waits there until the action is under way.
MOMENTS: Dict[str, Tuple[str, str, bool]] = {
    'setup': ('source', 'pre-copy', True),
    'precopy read': ('source', 'read', True),
    'query': ('source', 'query', False),
    'final check': ('source', 'pre-copy-p2p', True),
    'stop': ('source', 'stop-copy', False),
    'stop-copy read': ('source', 'read', False),
    'resuming': ('destination', 'resuming', False),
    'load': ('destination', 'write', False),
    'start': ('destination', 'running', False),
}
# The monitor works in these, as the lock of QEMU is not held
EASY = ('precopy read', 'waiting')

SOURCE_CALLS = ('set-state', 'precopy-info', 'data-size', 'read', 'log-start',
                'log-stop', 'log-report')
DESTINATION_CALLS = ('set-state', 'write')
ERRNOS = ('EIO', 'EINTR', 'EAGAIN', 'ENOMEM', 'EFAULT', 'EBUSY', 'ENODEV',
          'EINVAL', 'ENOTTY', 'ENOMSG', 'ETIMEDOUT')
SOURCE_STATES = ('pre-copy', 'pre-copy-p2p', 'stop', 'stop-copy')
DESTINATION_STATES = ('stop', 'resuming', 'running-p2p', 'running')
SIZES = ('zero', '1', 'max', 'random', 'error', 'growing', 'shrinking')
REINITS = ('now', 'pre-copy', 'pre-copy-p2p', 'when-empty', 'before-query',
           'after-query')
ACKS = ('off', 'legacy', 'new')


@dataclass(frozen=True)
class Setup:
    """What is migrated, and how"""
    devices: int
    precopy: bool
    multifd: bool
    acks: str
    return_path: bool
    dma: bool
    initial: int
    stop: int
    hammered: bool
    # The capability pause-before-switchover, and a client that continues
    paused: bool = False
    # Of QEMU
    machine: str = 'q35'

    def keys(self) -> Dict[str, Any]:
        """Keys of the simulated devices"""
        keys: Dict[str, Any] = {'stop-bytes': self.stop,
                                'precopy': 'on' if self.precopy else 'off'}
        if self.precopy:
            keys |= {'initial-bytes': self.initial, 'dirty-rate': '4M',
                     'dirty-ceiling': '1M'}
        return keys

    def text(self) -> str:
        parts = [f'{self.devices} device(s)',
                 'PRE_COPY' if self.precopy else 'stop-only']
        parts += [name for name, on in (
            ('multifd', self.multifd), (f'{self.acks} acks',
                                        self.acks != 'off'),
            ('no return path', not self.return_path), ('DMA', self.dma),
            ('monitors hammered', self.hammered),
            ('pause before the switchover', self.paused)) if on]
        return ', '.join(parts)


@dataclass(frozen=True)
class Case:
    """A setup and a fault"""
    seed: int
    number: int
    kind: str
    setup: Setup
    # What the kind needs, see actions.py
    options: Dict[str, Any] = field(default_factory=dict)
    moment: Optional[str] = None

    def text(self) -> str:
        what = ' '.join(f'{k}={v}' for k, v in self.options.items())
        where = f' at "{self.moment}"' if self.moment else ''
        return (f'{self.kind}{" " + what if what else ""}{where}; '
                + self.setup.text())


def _setup(rng, precopy=None):
    if precopy is None:
        precopy = rng.random() < 0.7
    acks = rng.choice(ACKS) if precopy else rng.choice(('off', 'new'))
    return_path = acks != 'off' or rng.random() < 0.75
    return Setup(devices=rng.choice((1, 1, 2, 4)), precopy=precopy,
                 multifd=rng.random() < 0.5, acks=acks,
                 return_path=return_path, dma=rng.random() < 0.3,
                 initial=rng.randrange(1, 5) * MIB,
                 stop=rng.randrange(1, 9) * MIB, hammered=rng.random() < 0.2,
                 paused=rng.random() < 0.15)


def _moment(rng, setup, names=None):
    return rng.choice([m for m in names or MOMENTS
                       if m not in MOMENTS or setup.precopy
                       or not MOMENTS[m][2]])


# ---------------------------------------------------------------- the kinds --

def _source_call(rng):
    setup = _setup(rng)
    call = rng.choice(SOURCE_CALLS)
    return setup, {'call': call, 'errno': rng.choice(ERRNOS),
                   'which': rng.choice(('first', 'second', 'any', 'last')),
                   'count': rng.choice((1, 1, 0))}, None


def _destination_call(rng):
    return _setup(rng), {'call': rng.choice(DESTINATION_CALLS),
                         'errno': rng.choice(ERRNOS),
                         'which': rng.choice(('first', 'second', 'any',
                                              'last')),
                         'count': rng.choice((1, 1, 0))}, None


def _source_state(rng):
    return _setup(rng), {'state': rng.choice(SOURCE_STATES),
                         'into': rng.choice(('stay', 'error')),
                         'count': rng.choice((0, 1))}, None


def _destination_state(rng):
    return _setup(rng), {'state': rng.choice(DESTINATION_STATES),
                         'into': rng.choice(('stay', 'error')),
                         'count': rng.choice((0, 1))}, None


def _short(rng):
    return _setup(rng), {'side': rng.choice(('source', 'destination')),
                         'bytes': rng.choice((4096, 65536, 100001, 65521)),
                         }, None


def _sizes(rng):
    return _setup(rng), {'initial': rng.choice(('truth',) + SIZES),
                         'dirty': rng.choice(('truth',) + SIZES),
                         'stop': rng.choice(('truth',) + SIZES)}, None


def _reinit(rng):
    setup = _setup(rng, precopy=True)
    return setup, {'at': rng.choice(REINITS), 'count': rng.randrange(1, 6),
                   'flag': rng.choice(('once', 'until-read'))}, None


def _hang(rng):
    setup = _setup(rng)
    return setup, {'ms': rng.choice((50, 300, 1000))}, _moment(rng, setup)


def _wire(how):
    def draw(rng):
        options = {'after': rng.random(), 'channel': rng.randrange(3)}
        if how == 'slow':
            rate = rng.choice((125_000, *[1_000_000] * 7, *[20_000_000] * 8))
            # Else a case takes minutes
            small = replace(_setup(rng), devices=1, initial=MIB // 4,
                            stop=MIB // 4, dma=False)
            return small, {'rate': rate}, None
        return _setup(rng), options, None
    return draw


def _damage(rng):
    """Bytes of a few kinds: small and large numbers, noise"""
    length = rng.choice((1, 1, 2, 4, 8))
    return rng.choice((bytes(length), b'\xff' * length, rng.randbytes(length)))


def _damaged_offset(rng):
    """The start, the first headers, or anywhere"""
    return rng.choice((rng.randrange(200), rng.randrange(8192),
                       rng.randrange(4 * MIB)))


def _damaged_channel(rng):
    setup = replace(_setup(rng), multifd=True)
    # Packets have 64 KiB and more: most offsets are in data, so aim at headers
    return setup, {'channel': 1 + rng.randrange(2),
                   'after': _damaged_offset(rng),
                   'damage': _damage(rng).hex()}, None


def _damaged_main(rng):
    # The first pages of RAM, and what comes behind all of it
    return _setup(rng), {'channel': 0,
                         'after': _damaged_offset(rng),
                         'damage': _damage(rng).hex()}, None


def _damaged_return(rng):
    setup = replace(_setup(rng), return_path=True)
    return setup, {'after': rng.randrange(64), 'damage': _damage(rng).hex(),
                   }, None


def _killed(rng):
    setup = _setup(rng)
    return setup, {'side': rng.choice(('source', 'destination'))}, \
        _moment(rng, setup)


def _frozen(rng):
    setup = _setup(rng)
    return setup, {'side': rng.choice(('source', 'destination')),
                   'ms': rng.choice((20, 200, 1000))}, _moment(rng, setup)


def _command(moments=None):
    def draw(rng):
        setup = _setup(rng)
        return setup, {}, _moment(rng, setup,
                                  moments or [*MOMENTS, 'waiting'])
    return draw


def _stop_cont(rng):
    """
    A migration of a stopped guest completes, and then a cont would start the
    guest on the source as well: only where the migration stands still
    """
    return _setup(rng, precopy=True), {}, 'precopy read'


def _yank(rng):
    """Before the destination has all of the guest: the source runs on"""
    setup = replace(_setup(rng), hammered=False)
    return setup, {}, _moment(rng, setup, [name for name, (side, *_) in
                                           MOMENTS.items()
                                           if side == 'source'])


def _eject(rng):
    setup = replace(_setup(rng), machine='pc')
    return setup, {}, _moment(rng, setup, [*MOMENTS, 'waiting'])


def _postcopy(breaks):
    def draw(rng):
        # QEMU refuses it where there are VFIO devices
        setup = replace(_setup(rng), devices=0, acks='off', return_path=True,
                        dma=False, paused=False)
        options = {'preempt': not setup.multifd and rng.random() < 0.4,
                   'bandwidth': rng.choice((0, 1 * MIB, 8 * MIB))}
        if breaks:
            options |= {'how': rng.choice(('reset', 'close')),
                        'after': rng.random(), 'channel': rng.randrange(3)}
        return setup, options, 'waiting'
    return draw


def _bitmaps(rng):
    setup = replace(_setup(rng, precopy=True), paused=False)
    return setup, {'bitmaps': rng.randrange(1, 4),
                   'postcopy': rng.random() < 0.7}, rng.choice(EASY)


def _device_reset(rng):
    """While the guest runs; QEMU finds it with the next query or read"""
    setup = _setup(rng)
    return setup, {}, _moment(rng, setup, ['query', *EASY])


def _none(rng):
    return _setup(rng), {}, None


KINDS = {
    'nothing': _none,
    'three hops': _none,
    'source call fails': _source_call,
    'destination call fails': _destination_call,
    'source state fails': _source_state,
    'destination state fails': _destination_state,
    'short transfers': _short,
    'wrong sizes': _sizes,
    're-initialisation': _reinit,
    'device hangs': _hang,
    'link reset': _wire('reset'),
    'link closed': _wire('close'),
    'link stalls': _wire('stall'),
    'link slow': _wire('slow'),
    'channel damaged': _damaged_channel,
    'main channel damaged': _damaged_main,
    'return path damaged': _damaged_return,
    'killed': _killed,
    'frozen': _frozen,
    'migrate_cancel': _command(),
    'stop': _command(),
    'stop and cont': _stop_cont,
    'system_reset': _command(),
    'limit and cancel': _command(EASY),
    'parameters': _command(EASY),
    'savevm': _command(),
    'eject': _eject,
    'postcopy': _postcopy(False),
    'link breaks in postcopy': _postcopy(True),
    'dirty bitmaps': _bitmaps,
    'yank': _yank,
    'host resets a device': _device_reset,
}


def case(seed: int, number: int) -> Case:
    kinds = list(KINDS)
    kind = kinds[number % len(kinds)]
    rng = random.Random(f'{seed}/{number}')
    setup, options, moment = KINDS[kind](rng)
    return Case(seed, number, kind, setup, options, moment)


# The guests that are migrated many times
REPEATED = 'the same guest again and again'
CYCLES = (
    Setup(devices=1, precopy=True, multifd=False, acks='new', return_path=True,
          dma=False, initial=MIB, stop=8 * MIB, hammered=False),
    Setup(devices=2, precopy=True, multifd=True, acks='off', return_path=True,
          dma=True, initial=MIB, stop=8 * MIB, hammered=False),
)
