# SPDX-License-Identifier: GPL-2.0-or-later
#
# A device that is slower than the link: what limits a migration is how fast
# it gives, and takes, its data.
initial-bytes = 64M
dirty-bytes = 16M
dirty-rate = 8M
dirty-ceiling = 64M
stop-bytes = 128M
read-rate = 256M
write-rate = 192M
latency-stop-copy = 50
latency-resuming = 50
