# SPDX-License-Identifier: GPL-2.0-or-later
#
# A virtual function of an Intel GPU, as the xe driver presents it: it has the
# P2P states, but none of PRE_COPY, and no dirty page log of its own.  Entering
# RUNNING_P2P pauses the function, which takes long: the device stands still
# from there on.  Its memory is read while it is stopped.
precopy = off
p2p = on
p2p-stops = on
stop-bytes = 256M
dirty-log = iommu
latency-running-p2p = 300
latency-stop-copy = 5
latency-running = 20
latency-resuming = 5
