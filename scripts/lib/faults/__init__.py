# SPDX-License-Identifier: GPL-2.0-or-later
"""
What scripts/check-faults does: migrations with a fault in each, and checks of
what is left.

plan.py     which cases there are: a setup, a fault and a moment from a seed
wire.py     a relay between source and destination that fails
actions.py  what happens to the devices, the link and the processes
postcopy.py what happens in postcopy
case.py     run one case
oracle.py   what must be true after it
report.py   the table of results
pool.py     run cases beside each other

What scripts/check-streams sends, and scripts/check-fuzz begins with:

recording.py     the bytes of a real migration
stream.py        damages of them
device_state.py  what no source may say of device state over multifd
seeds.py         inputs of the fuzz targets
"""
