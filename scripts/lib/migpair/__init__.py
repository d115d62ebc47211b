# SPDX-License-Identifier: GPL-2.0-or-later
"""
Pairs of QEMUs with simulated VFIO devices, and a migration between them.

    with session('build/demo/log') as s:
        with Pair(s, binary, [Device(profile)], sim=simulator) as pair:
            pair.set_parameters({'downtime-limit': 300})
            pair.start()
            pair.wait_completed(60)
            print(pair.downtime())

A thread of its own reads all monitors and guests' consoles, as a QEMU blocks
when the events that it sends are not read.
"""

from .errors import Failed, Interrupted
from .link import Relay, relay_capacity
from .machine import Machine
from .namespace import CONGESTION_CONTROL, Namespace, congestion_control
from .pair import Pair
from .paths import TOP
from .process import executable, run_tool
from .qmp import find_qmp
from .session import Session, session
from .simulator import Control, Device, Simulator

__all__ = ['CONGESTION_CONTROL', 'Control', 'Device', 'Failed', 'Interrupted',
           'Machine', 'Namespace', 'Pair', 'Relay', 'Session', 'Simulator',
           'TOP', 'congestion_control', 'executable', 'find_qmp',
           'relay_capacity', 'run_tool', 'session']
