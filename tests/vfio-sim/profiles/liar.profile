# SPDX-License-Identifier: GPL-2.0-or-later
#
# A device whose driver says nonsense about its sizes, each time another.
# Nothing that it says may lose data or crash anybody.
initial-bytes = 4M
dirty-bytes = 4M
dirty-rate = 1M
dirty-ceiling = 8M
stop-bytes = 32M
say-initial = random
say-dirty = random
say-stop = random
