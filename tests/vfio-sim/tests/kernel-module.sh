#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Tests of the kernel module as such, to be run as root where it is loaded.
# Its devices are tested by vfio-sim-conformance and by QEMU's tests.

type=/sys/class/vfio_sim/vfio_sim/mdev_supported_types/vfio_sim-pci
devices=/sys/bus/mdev/devices
uuid=76666973-696d-4000-8000-000000000001
more=76666973-696d-4000-8001        # the UUIDs of further devices
d=$devices/$uuid/vfio_sim
failures=0

# result NAME: print the result of the case that has just ended
result()
{
    rc=$?
    if [ $rc -eq 0 ]; then
        echo "ok - module/$1"
    else
        echo "not ok - module/$1 (status $rc)"
        failures=$((failures + 1))
    fi
}

# The command fails
refused()
{
    if "$@" 2>/dev/null; then
        return 1
    fi
}

# refused_with MESSAGE COMMAND...: it fails, with this error message
refused_with()
{
    message=$1
    shift
    if output=$("$@" 2>&1); then
        return 1
    fi
    echo "$output" | grep -q "$message"
}

# put FILE VALUE
put()
{
    echo "$2" >"$1"
}

# is KEY VALUE
is()
{
    [ "$(cat "$d/$1")" = "$2" ]
}

# logged TEXT: is it in the kernel's log?
logged()
{
    dmesg | grep -q "$1"
}

[ -d $type ]
result type-is-there
put $type/create $uuid
result create
refused put $type/create $uuid
result create-same-uuid-twice

put $d/stop-bytes 2G && is stop-bytes 2147483648
result set-and-get
refused_with 'Invalid argument' put $d/reinit-at drained &&
    put $d/reinit-at when-empty &&
    logged 'reinit-at = drained: renamed to when-empty' && put $d/reinit-at none
result former-value-is-refused
refused_with 'Invalid argument' put $d/hold nowhere && is hold none &&
    logged 'hold = nowhere: not one of the words'
result wrong-word-is-refused
refused put $d/dma-base 1 && refused put $d/dma-size 8G
result wrong-number-is-refused
refused_with 'not supported' put $d/dirty-log device &&
    logged 'dirty-log = device: the VFIO core does not allow it' &&
    put $d/dirty-log iommu
result key-of-vfio-core-is-refused
refused put $d/state stop
result counter-cannot-be-set
is state running && is stream-error none && is sessions 0
result state-and-counters
for f in "$d"/*; do
    cat "$f" >/dev/null || break
done
result all-attributes-can-be-read
refused put $d/precopy "$(head -c 4000 /dev/zero | tr '\0' x)"
result long-value-is-refused

# As many devices as there can be, while the attributes of all are read
left=$(cat $type/available_instances)
(while [ -d $devices/$uuid ]; do
    cat $devices/*/vfio_sim/* >/dev/null 2>&1
done) &
n=0
while put $type/create "$more-$(printf %012d $n)" 2>/dev/null; do
    n=$((n + 1))
done
[ $n -eq "$left" ]
result create-all-instances
for f in "$devices/$more"-*; do
    put "$f/remove" 1 || break
done
result remove-while-read
put $d/dma-rate 1M 2>/dev/null
put $devices/$uuid/remove 1
result remove-while-writing-memory
wait
[ "$(cat $type/available_instances)" -eq $((left + 1)) ]
result all-instances-are-free
exit $((failures > 0))
