# SPDX-License-Identifier: GPL-2.0-or-later
"""A migration whose bytes are kept, to make inputs of them"""

from migpair import Failed

from .oracle import running, wait
from .wire import Wire

# Seconds until the destination runs the guest
ENDS = 30


def listen(machine, stays=False):
    """
    Let it wait for a guest, and end with an error unless it STAYS; returns the
    port
    """
    machine.cmd('migrate-incoming', uri='tcp:127.0.0.1:0',
                exit_on_error=not stays)
    return int(machine.cmd('query-migrate')['socket-address'][0]['port'])


def record(source, destination):
    """
    Migrate the guest of SOURCE; returns the wire, with what it has carried.  To
    be closed behind the machines, whose last words it may still carry.
    """
    wire = Wire(listen(destination), 'record')
    try:
        source.cmd('migrate-set-parameters', downtime_limit=20000)
        source.cmd('migrate', uri=f'tcp:127.0.0.1:{wire.port}')
        if not wait(lambda: running(destination), ENDS):
            raise Failed('the migration to record does not end: '
                         + source.cmd('query-migrate')['status'])
    except BaseException:
        wire.close()
        raise
    return wire
