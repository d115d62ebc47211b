# SPDX-License-Identifier: GPL-2.0-or-later
#
# A virtio function whose driver reads all of the device's state in each pass
# of PRE_COPY: what was read is dirty again, as a whole, up to once per second.
# The driver answers size queries from a cache that is up to a second old.
precopy = on
p2p = on
initial-bytes = 4M
stop-bytes = 4M
dirty-refill-every = 1000
report-max-age = 1000
latency-stop-copy = 2
latency-resuming = 2
