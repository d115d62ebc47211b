#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Test of the kernel module as such, to be run as root where it is loaded.
# What its devices do is tested by vfio-sim-conformance and by QEMU's tests.

type=/sys/class/vfio_sim/vfio_sim/mdev_supported_types/vfio_sim-pci
devices=/sys/bus/mdev/devices
uuid=76666973-696d-4000-8000-00000000000
failures=0

# result NAME [WHAT]: of what was just run
result()
{
    rc=$?
    if [ $rc -eq 0 ]; then
        echo "ok - $1"
    else
        echo "not ok - $1 (status $rc)"
        failures=$((failures + 1))
    fi
}

refuses()
{
    ! "$@" 2>/dev/null
}

put()
{
    echo "$2" >"$1"
}

[ -d $type ]
result 'the type is there'
put $type/create ${uuid}1
result 'a device is created'
d=$devices/${uuid}1/vfio_sim
refuses put $type/create ${uuid}1
result 'no second one of the same UUID'

put $d/stop-bytes 2G && [ "$(cat $d/stop-bytes)" = 2147483648 ]
result 'a key is set and read'
refuses put $d/reinit-at drained && put $d/reinit-at when-empty &&
    dmesg | grep -q 'reinit-at: renamed to when-empty' &&
    put $d/reinit-at none
result 'an old word is refused, and the log has the new one'
refuses put $d/hold nowhere && [ "$(cat $d/hold)" = none ]
result 'a wrong word is refused'
refuses put $d/dma-base 1 && refuses put $d/dma-size 8G
result 'a wrong number is refused'
refuses put $d/dirty-log device && put $d/dirty-log iommu
result 'what the VFIO core decides cannot be changed'
refuses put $d/state stop
result 'a counter cannot be set'
[ "$(cat $d/state)" = running ] && [ "$(cat $d/stream-error)" = none ] &&
    [ "$(cat $d/sessions)" = 0 ]
result 'state and counters can be read'
for f in "$d"/*; do
    cat "$f" >/dev/null || break
done
result 'all attributes can be read'
refuses put $d/precopy "$(head -c 4000 /dev/zero | tr '\0' x)"
result 'a long value is refused'

# As many as there may be, made and removed while they are being looked at
left=$(cat $type/available_instances)
(while [ -d $devices/${uuid}1 ]; do
    cat $devices/*/vfio_sim/* >/dev/null 2>&1
done) &
n=0
while put $type/create "76666973-696d-4000-8001-$(printf %012d $n)" \
    2>/dev/null; do
    n=$((n + 1))
done
[ $n -eq "$left" ]
result "$left more can be created"
for f in "$devices"/76666973-696d-4000-8001-*; do
    put "$f/remove" 1 || break
done
result 'and removed while they are read'
put $devices/${uuid}1/dma-rate 1M 2>/dev/null
put $devices/${uuid}1/remove 1
result 'the first is removed'
wait
[ "$(cat $type/available_instances)" -eq $((left + 1)) ]
result 'nothing is left'
exit $((failures > 0))
