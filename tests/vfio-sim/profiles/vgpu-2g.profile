# SPDX-License-Identifier: GPL-2.0-or-later
#
# A vGPU whose 2 GiB of memory can only be read while it is stopped.
precopy = on
p2p = on
stop-bytes = 2G
