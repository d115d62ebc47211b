# SPDX-License-Identifier: GPL-2.0-or-later
#
# A device without the PRE_COPY states, as most QAT and NVMe functions are:
# everything is read while it is stopped.
precopy = off
p2p = on
stop-bytes = 64M
