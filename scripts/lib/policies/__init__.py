# SPDX-License-Identifier: GPL-2.0-or-later
"""
What scripts/check-policies does: migrations that are driven by the rules of
management software.

rules.py    the rules: numbers in, actions out
case.py     a migration that one of them drives
"""
