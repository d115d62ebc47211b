# SPDX-License-Identifier: GPL-2.0-or-later
"""
The demonstration: a migration that waits for a device, and the limits below
and above its prediction.  scripts/demo shows it, scripts/check-demo tests it.
"""
