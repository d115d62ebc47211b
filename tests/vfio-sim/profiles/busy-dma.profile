# SPDX-License-Identifier: GPL-2.0-or-later
#
# A device that keeps writing guest memory, 64 MiB/s into 64 MiB at 64 MiB,
# and reports the written pages both by itself and through its IOMMU.
# Use it with a guest that leaves that memory alone.
stop-bytes = 4M
dma-rate = 64M
dma-base = 64M
dma-size = 64M
dirty-log = both
