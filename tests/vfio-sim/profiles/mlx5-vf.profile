# SPDX-License-Identifier: GPL-2.0-or-later
#
# A virtual function of a network card, like one of mlx5: some MiB from which
# the destination learns what to allocate, state that changes all the time but
# stays small, and a remainder that can only be read while the device is
# stopped.  Its state changes take milliseconds.
precopy = on
p2p = on
initial-bytes = 16M
dirty-bytes = 8M
dirty-rate = 4M
dirty-ceiling = 32M
stop-bytes = 12M
latency-pre-copy = 5
latency-running-p2p = 1
latency-pre-copy-p2p = 1
latency-stop-copy = 20
latency-stop = 5
latency-resuming = 10
