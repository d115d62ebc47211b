# SPDX-License-Identifier: GPL-2.0-or-later
#
# A virtual function like that of mlx5-vf which is reconfigured while it is
# migrated: four times, 100 ms apart, it brings another 16 MiB of initial data.
# Loading initial data is expensive, since it allocates and sets up resources.
precopy = on
p2p = on
initial-bytes = 16M
dirty-bytes = 8M
dirty-rate = 4M
dirty-ceiling = 32M
stop-bytes = 12M
write-rate-initial = 256M
reinit-bytes = 16M
reinit-every = 100
reinit-count = 4
latency-pre-copy = 5
latency-running-p2p = 1
latency-pre-copy-p2p = 1
latency-stop-copy = 20
latency-stop = 5
latency-resuming = 10
