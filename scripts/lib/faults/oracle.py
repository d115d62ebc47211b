# SPDX-License-Identifier: GPL-2.0-or-later
"""
What must be true after a case: one guest runs, its memory is right, its
devices are in the state that it needs
"""

import os
import struct
import time
from dataclasses import dataclass

from migpair import Failed, tickrom

# What may be wrong, in the order of the table
LOST, TWO, HANG, CRASH, BYTES, DEVICE, ERROR, AGAIN, LEAK, SCRIPT = (
    'guest lost', 'two guests', 'hang', 'crash', 'wrong bytes',
    'device state', 'unclear error', 'next migration', 'leak', 'script')
# Without the return path no source can know whether all of it was loaded, and
# in postcopy of RAM only since QEMU 10.2
UNKNOWN = 'lost, no answer'
# In postcopy no source can know of an answer that the link has lost
ANSWER = 'two guests, answer lost'
ALLOWED = (UNKNOWN, ANSWER)
CATEGORIES = (LOST, TWO, HANG, CRASH, BYTES, DEVICE, ERROR, AGAIN, LEAK,
              SCRIPT, *ALLOWED)

REWRITE = 4 << 20
PAGE = 4096
# Seconds until a guest that should tick does
TICKS = 10


@dataclass(eq=False)
class Problem(Exception):
    """Something is wrong after a case"""
    category: str
    text: str

    def __str__(self):
        return f'{self.category}: {self.text}'


def wait(condition, seconds):
    """Whether condition() comes true in time"""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def running(machine):
    """Does QEMU run the guest, by its own account?"""
    try:
        return machine.alive() and machine.cmd('query-status')['running']
    except Failed:
        if machine.alive():
            raise
        return False


def resume_if_paused(machine):
    """As the user does who has stopped it; the machine may have ended"""
    try:
        if machine.alive() and \
                machine.cmd('query-status')['status'] == 'paused':
            machine.cmd('cont')
    except Failed:
        if machine.alive():
            raise


def check_one_guest(owner, others):
    """The guest ticks at OWNER, and at none of OTHERS"""
    before = {m: m.ticks.count for m in [owner, *others]}
    if not wait(lambda: owner.ticks.count > before[owner] + 3, TICKS):
        if not owner.alive():
            owner.explain('died')
        raise Problem(LOST, f'the guest does not run on the {owner.name} '
                      f'({owner.cmd("query-status")["status"]})')
    for m in others:
        if running(m) or m.ticks.count != before[m]:
            raise Problem(TWO, f'the guest runs on the {owner.name} and on '
                          f'the {m.name} ({m.cmd("query-status")["status"]}, '
                          f'{m.ticks.count - before[m]} ticks)')


def check_no_guest(others):
    """The guest, which another machine has, runs at none of OTHERS"""
    for m in others:
        if running(m):
            raise Problem(TWO, f'the guest runs on the {m.name}, and has left '
                          'it')


def check_continuity(machines):
    """
    MACHINES: those on which the guest ran, one after the other.  It continued
    in each where it stopped in the one before.
    """
    for m in machines:
        if m.ticks.breaks:
            raise Problem(BYTES, f'{m.ticks.breaks} ticks of the guest were '
                          f'lost or came twice on the {m.name}')
    for old, new in zip(machines, machines[1:]):
        if new.ticks.first_value != (old.ticks.last_value + 1) & 0xff:
            raise Problem(BYTES, 'the guest did not continue where it stopped: '
                          f'tick {old.ticks.last_value} on the {old.name}, '
                          f'{new.ticks.first_value} on the {new.name}')


def check_memory(machine, directory, resets=0):
    """
    The guest counts up a number in each of its pages, one after the other: the
    pages that it has come to in this round have one more than the others.
    """
    path = os.path.join(directory, f'{machine.name}.memory')
    machine.cmd('stop')
    machine.cmd('pmemsave', val=tickrom.REWRITE_START, size=REWRITE,
                filename=path)
    machine.cmd('cont')
    with open(path, 'rb') as f:
        data = f.read()
    os.unlink(path)
    numbers = [struct.unpack_from('<I', data, i)[0]
               for i in range(0, len(data), PAGE)]
    steps = [(a - b) & 0xffffffff for a, b in zip(numbers, numbers[1:])]
    # Each reset begins a round in the middle of another one
    wrong = [i for i, step in enumerate(steps) if step]
    if len(wrong) > 1 + resets or any(steps[i] > 1 + resets for i in wrong):
        raise Problem(BYTES, f'the guest\'s memory on the {machine.name} is '
                      'wrong at pages '
                      + ', '.join(str(i + 1) for i in wrong[:8])
                      + f': {numbers[0]} to {numbers[-1]}')


def check_streams(machine):
    """The devices of a destination have received what was sent"""
    for i, control in enumerate(machine.controls):
        stats = control.stats()
        if stats['dma-mismatched']:
            raise Problem(BYTES, f'device {i}: {stats["dma-mismatched"]} pages '
                          'that it had written are wrong')
        if stats['stream-verified'] != 1 or stats['stream-errors']:
            raise Problem(BYTES, f'device {i}: its stream was not accepted '
                          f'({control.get("stream-error")})')


def check_devices(machine):
    """The guest runs, so its devices do"""
    for i, control in enumerate(machine.controls):
        if not wait(lambda c=control: c.get('state') == 'running', 2):
            raise Problem(DEVICE, f'device {i} of the {machine.name} is in '
                          f'{control.get("state")} while the guest runs')


def resources(machine):
    """(file descriptors, threads) of a QEMU"""
    proc = f'/proc/{machine.pid()}'
    return len(os.listdir(f'{proc}/fd')), len(os.listdir(f'{proc}/task'))


def sanitized(machine):
    """Does AddressSanitizer keep what the QEMU has freed?"""
    with open(f'/proc/{machine.pid()}/maps', encoding='utf-8') as f:
        return 'libasan' in f.read()


def memory(machine):
    """Bytes of memory that a QEMU has allocated for itself"""
    with open(f'/proc/{machine.pid()}/status', encoding='ascii') as f:
        fields = dict(line.split(':', 1) for line in f)
    return int(fields['RssAnon'].split()[0]) << 10


def check_resources(machine, before):
    """As many as before the migration, once it has cleaned up"""
    # A pool of threads may be kept for a while
    if not wait(lambda: resources(machine)[0] <= before[0], 3):
        raise Problem(LEAK, f'the {machine.name} had {before[0]} file '
                      f'descriptors, and has {resources(machine)[0]}')


def check_error(machine, words):
    """A migration that failed reports why, and names one of WORDS"""
    text = machine.cmd('query-migrate').get('error-desc', '')
    if not text:
        raise Problem(ERROR, 'the migration failed without a reason')
    if words and not any(w in text for w in words):
        raise Problem(ERROR, f'the reason "{text}" does not name '
                      + ' or '.join(words))


def check_log(machine, words):
    """The machine, which may have ended, has named one of WORDS"""
    with open(machine.log, encoding='utf-8', errors='replace') as f:
        text = f.read()
    if words and not any(w in text for w in words):
        raise Problem(ERROR, f'the {machine.name} does not name '
                      + ' or '.join(words) + machine.last_words(3))


def from_failed(machines, e):
    """The problem that an unexpected Failed stands for"""
    text = str(e)
    if 'no answer' in text or 'does not answer' in text:
        return Problem(HANG, text)
    if any(m.crashed() for m in machines):
        return Problem(CRASH, text)
    return Problem(SCRIPT, text)
