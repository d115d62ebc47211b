# SPDX-License-Identifier: GPL-2.0-or-later
"""
A migration of four VFIO devices, of which one is busy and re-initialises
repeatedly; and what its downtime consists of.

The model is that of a published measurement with a guest of 8 GiB and four
devices, one busy with 1 GiB of state: 2352 ms of downtime, the busy device's
share of it about 1600 ms.  Each number below is from there, or said to be an
assumption.
"""

import re
from typing import Any, Dict, List

from migpair import Device, Failed
from setup import find_profile

MIB = 1 << 20
GIB = 1 << 30

MEMORY = 8 * GIB
QUIET_MEMORY = 64 * MIB
DEVICES = 4
# Neither the first device nor the last
BUSY = 1

# The link, bytes per second, and QEMU's default limit in ms: together more than
# all devices have, so that the migration waits for nothing but acks
LINK = 12_500_000_000
LIMIT = 300
# The limit before that: too low for what only a stopped guest can move
LOW_LIMIT = 1

# The busy device's initial data: all but one re-initialisation come this many ms
# apart while the migration waits, and the last one on the device's change to
# PRE_COPY_P2P.  The data of one of them is read in precopy also where the kernel
# counts it as dirty; that of the others is 1 GiB.
REINITS = 9
PERIOD = 100

# Each device
COMMON: Dict[str, int] = {
    'initial_bytes': 16 * MIB,
    'stop_bytes': 64 * MIB,
    # Assumed: anything is loaded at 1.5 GiB/s, initial data also at the rate
    # at which 1 GiB of it takes 1.1 s in all (measured were 1.6 s, with the
    # busy device's 0.5 s below)
    'write_rate': 1536 * MIB,
    'write_rate_initial': 2363 * MIB,
    # The rest of the 2352 ms, over four devices: what their state changes
    # take, here one on the source and one on the destination
    'latency_stop_copy': 80,
    'latency_running': 75,
    'latency_pre_copy': 5,
    'latency_pre_copy_p2p': 1,
}

# What the busy device has instead.  Assumed: three quarters of its state are
# read again after the stop, and loaded at the fast rate.  That takes 0.5 s,
# close to the 520 ms that were measured where nothing else was left
BUSY_TOO: Dict[str, Any] = {
    'stop_bytes': 768 * MIB,
    'reinit_bytes': GIB // (REINITS - 1),
    'reinit_count': REINITS - 1,
    'reinit_at': 'pre-copy-p2p',
}

# All initial data of the busy device
INITIAL = COMMON['initial_bytes'] + REINITS * BUSY_TOO['reinit_bytes']

ARGUMENTS = ('-trace', 'vmstate_downtime_load',
             '-trace', 'migration_final_check_rolled_back',
             '-msg', 'timestamp=on')


def model_share(reinit):
    """
    The busy device's share in ms, if only the rates took time, with acks that
    the device can request again or without
    """
    seconds = BUSY_TOO['stop_bytes'] / COMMON['write_rate']
    if not reinit:
        seconds += GIB / COMMON['write_rate']
        seconds += GIB / COMMON['write_rate_initial']
    return 1000 * seconds


def protocol(legacy):
    """Arguments for one of the two protocols of switchover-ack"""
    return ('-global', 'migration.switchover-ack-legacy='
            + ('on' if legacy else 'off'))


def devices(reinit):
    """With REINIT, or with a kernel that counts the new data as dirty"""
    keys: Dict[str, Any] = {**COMMON, 'precopy_v2': 'on' if reinit else 'off'}
    return [Device(**{**keys, **(BUSY_TOO if i == BUSY else {})})
            for i in range(DEVICES)]


def quiet_devices():
    """
    Where the final check costs most: next to no data, so that a switchover
    takes little more than the state changes of mlx5-vf; and slow queries
    (assumed: 1 ms each)
    """
    profile = find_profile('mlx5-vf')
    return [Device(profile, latency_query=1, initial_bytes=MIB,
                   dirty_bytes=0, dirty_rate=0, stop_bytes=MIB)
            for _ in range(DEVICES)]


def migrate_quietly(pair):
    """quiet_devices() with switchover-ack"""
    pair.set_capabilities('return-path', 'switchover-ack')
    pair.set_parameters({'downtime-limit': LIMIT,
                         'avail-switchover-bandwidth': LINK})
    pair.wait_guest()
    pair.start()
    pair.wait_completed(60)


def share(pair, index):
    """
    A device's share of the downtime in ms: on the destination, from the end
    of the section before the device's last one to the end of that one.  It
    includes the time in which the source reads the data.  Sections are loaded
    one after the other, so that no time counts twice.
    """
    before = None
    seen: List[float] = []
    for when, text in pair.destination.traced('vmstate_downtime_load'):
        m = re.match(r'type=iterable idstr=(\S+)', text)
        if m and m[1].endswith('/vfio'):
            seen.append(before and 1000 * (when - before))
        before = when
    if len(seen) != len(pair.destination.controls) or None in seen:
        raise Failed('the trace does not show when each device was loaded '
                     '(is this QEMU built with the trace backend "log"?): '
                     + pair.destination.log)
    return seen[index]


def waits(info):
    """For the devices, and long enough to send nothing any more"""
    state = info.get('switchover-state', {})
    return state.get('reason') == 'device-state' and state['since'] > 1000


def migrate(pair):
    """The scenario; pair has devices() and ARGUMENTS"""
    busy = pair.source.controls[BUSY]
    pair.set_capabilities('return-path', 'switchover-ack')
    pair.set_parameters({'max-bandwidth': 0, 'downtime-limit': LOW_LIMIT,
                         'avail-switchover-bandwidth': LINK})
    pair.wait_guest()
    pair.start()
    pair.poll(lambda: waits(pair.info()), 60, 'the migration does not wait')
    busy.set('reinit-every', PERIOD)
    pair.poll(lambda: busy.get('reinits') >= REINITS - 1, 30,
              'the busy device does not re-initialise')
    busy.set('reinit-every', 0)
    busy.set('reinit-count', 1)
    pair.set_parameters({'downtime-limit': LIMIT})
    pair.wait_completed(60)


def measure(pair):
    """
    Results of the finished scenario, in ms, bytes and counts.  guest: how long
    it was silent, and paused for switchovers that were rolled back
    """
    busy = pair.source.controls[BUSY].stats()
    downtime = pair.downtime()
    acks = pair.source.cmd('query-migrate').get('switchover-acks', {})
    pauses = [int(re.search(r'(\d+) us', text)[1]) / 1000 for _, text in
              pair.source.traced('migration_final_check_rolled_back')]
    return {'guest': downtime['silent'] + sum(pauses),
            'devices': pair.device_downtime(), 'qemu': downtime['qemu'],
            'busy': share(pair, BUSY),
            'unread': busy['initial-unread-at-stop'],
            'initial': busy['read-bytes-initial'], 'reinits': busy['reinits'],
            'requests': acks.get('requests', 0),
            'rolled-back': acks.get('rolled-back', 0), 'paused': sum(pauses)}
