# SPDX-License-Identifier: GPL-2.0-or-later
"""A client that raises the downtime limit by the rule of Proxmox VE"""

import time

from migpair import Failed

# Polls without progress after which the limit is doubled
POLLS = 5
INTERVAL = 0.1


def moved(info):
    """Bytes that were sent, of RAM and of devices"""
    return (info['ram']['transferred']
            + info.get('vfio', {}).get('transferred', 0))


def complete(pair, limit, seconds):
    """
    Poll a migration that was started, and double its limit, which is LIMIT ms
    now, when several polls show that bytes moved but that no less is left.
    Returns the seconds that it takes to complete.
    """
    start = time.monotonic()
    polls, last = 0, None
    while True:
        info = pair.info()
        if info['status'] == 'completed':
            return time.monotonic() - start
        if info['status'] == 'cancelled':
            raise Failed('the migration was cancelled')
        if time.monotonic() - start > seconds:
            raise Failed(f'not completed within {seconds} s, with a limit of '
                         f'{limit} ms')
        if 'ram' in info and last and moved(info) != moved(last):
            if info['ram']['remaining'] >= last['ram']['remaining']:
                polls += 1
            if polls > POLLS:
                polls, limit = 0, 2 * limit
                pair.set_parameters({'downtime-limit': limit})
        last = info if 'ram' in info else None
        time.sleep(INTERVAL)
