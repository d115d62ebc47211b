# SPDX-License-Identifier: GPL-2.0-or-later
#
# A device whose driver reports random sizes, other ones each time.
# Nothing that it reports may lose data or crash a program.
initial-bytes = 4M
dirty-bytes = 4M
dirty-rate = 1M
dirty-ceiling = 8M
stop-bytes = 32M
report-initial = random
report-dirty = random
report-stop = random
