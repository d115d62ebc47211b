# SPDX-License-Identifier: GPL-2.0-or-later
"""Which migrations there are between two QEMUs"""

from dataclasses import dataclass

from migpair import Failed

from . import peers

# How the sides acknowledge
OFF, LEGACY, NEW = 'no acks', 'legacy acks', 'acks for each device'
# When a device re-initialises
REINITS = {'while it waits': 'now', 'in the final check': 'pre-copy-p2p'}


@dataclass(frozen=True)
class Case:
    """A migration from one QEMU to another"""
    source: peers.Peer
    destination: peers.Peer
    machine: str
    devices: int
    precopy: bool = True
    multifd: bool = False
    acks: str = OFF
    reinit: str = ''
    # The property has the other value on the destination
    mismatch: bool = False

    def completes(self):
        """
        Whether it must: with a mismatch only where there is no difference, one
        device that requests one ack; None: a source without the series may
        complete, or wait
        """
        if not self.mismatch or self.devices == 1:
            return True
        return False if self.source.of_series() else None

    def pair(self):
        return f'{self.source.text()} to {self.destination.text()}'

    def text(self):
        parts = [self.machine, f'{self.devices} device(s)']
        if self.devices and not self.precopy:
            parts.append('stop-only')
        if self.multifd:
            parts.append('multifd')
        if self.acks != OFF:
            parts.append(self.acks)
        if self.mismatch:
            parts.append('not so on the destination')
        if self.reinit:
            parts.append(f're-initialises {self.reinit}')
        return f'{self.source.name} to {self.destination.name}: ' \
            + ', '.join(parts)


def cases(source, destination, quick):
    """Of the direction from SOURCE to DESTINATION"""
    machines = peers.shared(source, destination)
    if not machines:
        raise Failed(f'{source.text()} and {destination.text()} have no '
                     'machine type in common')
    newest, new = machines[-1], source.new_acks and destination.new_acks
    found = []
    for multifd in (False, True):
        found.append(Case(source, destination, newest, 0, multifd=multifd))
        for devices in (1, 2):
            found += _acks(source, destination, newest, devices, multifd, new)
        found.append(Case(source, destination, newest, 1, precopy=False,
                          multifd=multifd, acks=LEGACY))
    if new:
        found += [Case(source, destination, newest, n, acks=acks,
                       mismatch=True)
                  for n in (1, 2) for acks in (LEGACY, NEW)]
    if quick:
        # The oldest that both have, and every fifth
        others = machines[:1]
        found = [c for i, c in enumerate(found)
                 if i % 3 == 1 or c.reinit or c.mismatch
                 or c.devices and not c.precopy]
    else:
        others = machines[:-1]
    for machine in others:
        found += [Case(source, destination, machine, 0),
                  Case(source, destination, machine, 1, multifd=True,
                       acks=LEGACY)]
    return found


def _acks(source, destination, machine, devices, multifd, new):
    found = [Case(source, destination, machine, devices, multifd=multifd,
                  acks=acks)
             for acks in (OFF, LEGACY, *([NEW] if new else []))]
    if new:
        found += [Case(source, destination, machine, devices, multifd=multifd,
                       acks=NEW, reinit=reinit) for reinit in REINITS]
    return found
