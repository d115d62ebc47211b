#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# usage: kernel-conformance.sh PARENT TYPE
# Runs vfio-sim-conformance with a new mediated device; to be run as root.

type=/sys/class/$1/$1/mdev_supported_types/$2
uuid=76666973-696d-4000-8002-000000000001
if [ ! -d "$type" ]; then
    echo "ok - $1 # SKIP Debian's kernels have no $1 (--full builds it)"
    exit 0
fi
echo $uuid >"$type/create" || exit 1
vfio-sim-conformance /sys/bus/mdev/devices/$uuid
rc=$?
echo 1 >/sys/bus/mdev/devices/$uuid/remove || exit 1
exit $rc
