# SPDX-License-Identifier: GPL-2.0-or-later
"""
The cases of check-libvirt: each has two hosts of its own, and nothing is set but
libvirt's own defaults and what the case is about
"""

import os
import subprocess

from faults.oracle import wait
from migpair import Device, Failed, process

from .hosts import ENDS, Hosts
from .node import GUEST

MIB = 1 << 20
# 1 Gbit/s: what is left fits into no default limit, and takes seconds
RATE = 125_000_000
LARGE_SIZE = 256 * MIB
LARGE = {'stop-bytes': LARGE_SIZE, 'precopy': 'off'}
SMALL = {'stop-bytes': 2 * MIB, 'initial-bytes': MIB, 'dirty-rate': '1M',
         'dirty-ceiling': '256K'}
# Expected downtime against the guest's silence
TOLERANCE = 0.25


def check(condition, text):
    if not condition:
        raise Failed(text)


def arrived(hosts, state='running'):
    """The guest is on the destination only, and its devices are right"""
    node = hosts.destination
    check(wait(lambda: node.state() == state, 10),
          f'the guest is {node.state()} on the destination:\n'
          + node.qemu_log())
    check(not hosts.source.state(), 'the guest is still on the source')
    if state == 'running':
        ticks(hosts)
    for control in node.controls():
        stats = control.stats()
        check(stats['stream-verified'] == 1 and not stats['stream-errors']
              and not stats['dma-mismatched'],
              f'device data did not arrive: {stats}')


def ticks(hosts):
    """The guest continued where it stopped"""
    old, new = hosts.source.ticks, hosts.destination.ticks
    check(wait(lambda: new.count > 20, 10), 'the guest does not tick')
    check(not old.breaks and not new.breaks
          and new.first_value == (old.last_value + 1) & 0xff,
          'the guest did not continue where it stopped')


def stayed(hosts):
    """The guest runs on the source, and nowhere else"""
    count = hosts.source.ticks.count
    check(hosts.source.state() == 'running',
          f'the guest is {hosts.source.state()} on the source')
    check(wait(lambda: hosts.source.ticks.count > count + 20, 10),
          'the guest does not tick')
    check(not hosts.destination.state(),
          'the guest is on the destination as well')


def waiting(hosts):
    """domjobinfo, once all that can be moved has been"""
    return hosts.wait_info(
        lambda i: i.active() and (i.size('Memory remaining') or 0) < MIB
        and int(i.lines.get('Iteration', '0')) > 3
        and i.expected_downtime(), 'the migration waits for the limit')


def expected_downtime(hosts):
    """Expected downtime comes true, and as a limit it lets the guest go"""
    hosts.migrate()
    info = waiting(hosts)
    expected = info.expected_downtime()
    hosts.allow(info)
    arrived(hosts)
    real = hosts.silence()
    check(abs(expected / real - 1) <= TOLERANCE,
          f'expected downtime {expected} ms, and it was {real:.0f} ms')
    return f'expected {expected} ms, real {real:.0f} ms'


def data_remaining(hosts):
    """With patches/libvirt: Data remaining counts what the device has"""
    hosts.migrate()
    info = waiting(hosts)
    left = info.size('Data remaining')
    check(abs(left - LARGE_SIZE) <= 16 * MIB,
          f'Data remaining: {info.lines["Data remaining"]}, and the device has '
          '256 MiB')
    check(info.size('Data total') >= left, 'Data total is less than what is '
          'left')
    hosts.source.virsh('migrate-setmaxdowntime', GUEST, '20000')
    hosts.complete()
    arrived(hosts)
    return f'{info.lines["Data remaining"]} of a device with 256 MiB'


def small_device(hosts):
    """A device that fits into the default limit: it completes by itself"""
    hosts.migrate()
    hosts.complete()
    arrived(hosts)


def abort(hosts):
    """domjobabort while it waits; the next migration completes"""
    hosts.migrate()
    waiting(hosts)
    hosts.source.virsh('domjobabort', GUEST)
    check(not hosts.end()[0], 'virsh migrate succeeded after domjobabort')
    check(wait(lambda: not hosts.destination.state(), 10),
          'the guest is on the destination')
    stayed(hosts)
    hosts.migrate()
    waiting(hosts)
    hosts.source.virsh('migrate-setmaxdowntime', GUEST, '20000')
    hosts.complete()
    arrived(hosts)


def peer_to_peer(hosts):
    """The source's libvirtd talks to the destination's"""
    hosts.migrate('--p2p')
    hosts.complete()
    arrived(hosts)


def bandwidth(hosts):
    """--bandwidth does not limit the switchover, nor its prediction"""
    hosts.migrate('--bandwidth', '20')
    info = waiting(hosts)
    # At 20 MiB/s it would be 13 s
    slow = 1000 * LARGE_SIZE / (20 * MIB)
    check(info.expected_downtime() < slow / 2,
          f'expected downtime {info.expected_downtime()} ms')
    hosts.allow(info)
    arrived(hosts)
    check(hosts.silence() < slow / 2,
          f'the guest was silent for {hosts.silence():.0f} ms')


def parallel(hosts):
    """multifd, for RAM and for device state"""
    hosts.migrate('--parallel', '--parallel-connections', '2')
    waiting(hosts)
    text = hosts.source.virsh('qemu-monitor-command', GUEST, '--hmp',
                              'info migrate_capabilities').stdout
    check('multifd: on' in text, 'multifd is not used')
    hosts.source.virsh('migrate-setmaxdowntime', GUEST, '20000')
    hosts.complete()
    arrived(hosts)


def timeout_suspend(hosts):
    """A guest that is suspended as it takes too long completes"""
    hosts.migrate('--timeout', '3', '--timeout-suspend')
    hosts.complete()
    # libvirt resumes a guest that it has suspended for this
    arrived(hosts)


def save(hosts):
    """virsh save ends, and restore brings the guest and its devices back"""
    path = os.path.join(hosts.session.tmp, 'saved')
    hosts.source.virsh('save', GUEST, path)
    check(not hosts.source.state(), 'the guest runs on after virsh save')
    last = hosts.source.ticks.last_value
    hosts.source.virsh('restore', path)
    os.unlink(path)
    check(wait(lambda: hosts.source.ticks.count > 20
               and hosts.source.state() == 'running', 20),
          'the restored guest does not run:\n' + hosts.source.qemu_log())
    check(hosts.source.ticks.first_value == (last + 1) & 0xff,
          'the guest did not continue where it stopped')
    for control in hosts.source.controls():
        check(control.stats()['stream-verified'] == 1,
              'device data was not restored')


def events(hosts):
    """virsh event shows the passes while it waits, and the hand-over"""
    log = os.path.join(hosts.session.tmp, 'events')
    with open(log, 'wb') as f:
        listener = process.start(
            hosts.source.command('event', '--all', '--loop'), stdout=f,
            stderr=subprocess.STDOUT, env=hosts.source.environment())

    def seen(text):
        with open(log, encoding='utf-8') as f:
            return f.read().count(text)
    try:
        hosts.migrate()
        waiting(hosts)
        passes = seen("event 'migration-iteration'")
        check(wait(lambda: seen("event 'migration-iteration'") > passes + 3,
                   ENDS), 'no passes are seen while it waits')
        hosts.source.virsh('migrate-setmaxdowntime', GUEST, '20000')
        hosts.complete()
        arrived(hosts)
        for text in ("event 'lifecycle' for domain 'guest': Suspended "
                     'Migrated', "event 'lifecycle' for domain 'guest': "
                     'Stopped Migrated', "event 'job-completed'"):
            check(wait(lambda t=text: seen(t) == 1, 10),
                  f'the event "{text}" came {seen(text)} times')
    finally:
        listener.kill()
        listener.wait()


# name -> (function, the keys of the guest's devices)
CASES = {
    'expected-downtime': (expected_downtime, [LARGE]),
    'data-remaining': (data_remaining, [LARGE]),
    'small-device': (small_device, [SMALL]),
    'abort': (abort, [LARGE]),
    'p2p': (peer_to_peer, [SMALL, SMALL]),
    'bandwidth': (bandwidth, [LARGE]),
    'parallel': (parallel, [LARGE, SMALL]),
    'timeout-suspend': (timeout_suspend, [LARGE]),
    'save': (save, [LARGE]),
    'events': (events, [LARGE]),
}


# What only libvirt with patches/libvirt passes
PATCHED = ('data-remaining',)


def description(name):
    return CASES[name][0].__doc__.strip()


def run(sess, tools, tree, name):
    """A line about its result, or None; raises Failed"""
    function, devices = CASES[name]
    hosts = Hosts(sess, tree, tools.qemu, tools.sim,
                  [Device(**keys) for keys in devices], RATE)
    hosts.create()
    return function(hosts)
