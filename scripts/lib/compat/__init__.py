# SPDX-License-Identifier: GPL-2.0-or-later
"""
What scripts/check-compat does: migrations between the series and other QEMUs.

peers.py    the QEMUs, and the machine types that two of them share
plan.py     which migrations there are between two of them
case.py     run one, and check what arrives
"""
