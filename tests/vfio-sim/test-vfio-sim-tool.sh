#!/bin/bash
#
# Tests of the vfio-sim command.  Usage: test-vfio-sim-tool.sh TOOL LIBRARY
# PROFILES HOST, where HOST --host uses a device until its input ends
#
# SPDX-License-Identifier: GPL-2.0-or-later

tool=$1
library=$2
profiles=$3
host=$4
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
count=0
failures=0

# The command leaves freeing its memory to its end.
export ASAN_OPTIONS=detect_leaks=0${ASAN_OPTIONS:+:$ASAN_OPTIONS}

# check NAME STATUS PATTERN COMMAND...: exit status and a part of the output
check() {
    local name=$1 status=$2 pattern=$3 output result
    shift 3
    output=$("$@" 2>&1)
    result=$?
    count=$((count + 1))
    if [ "$result" = "$status" ] && [[ $output == *"$pattern"* ]]; then
        echo "ok $count - $name"
    else
        echo "not ok $count - $name"
        echo "# status $result instead of $status, output: ${output//$'\n'/ }"
        failures=$((failures + 1))
    fi
}

run=("$tool" run --library "$library")

check "help" 0 "vfio-sim COMMAND" "$tool" --help
check "no command" 2 "vfio-sim COMMAND" "$tool"
check "unknown command" 2 "unknown command 'frob'" "$tool" frob
for command in run ctl check keys; do
    check "$command --help" 0 "usage: vfio-sim $command" \
        "$tool" "$command" --help
done
check "keys" 0 "stop-bytes = SIZE" "$tool" keys
table=$("$tool" keys --rst)
check "keys: as in the README" 0 "$table" cat "$profiles/../README.rst"

check "check: shipped" 0 "" "$tool" check "$profiles"/*.profile
printf 'p2p = on\nstop-bytes = 1X\n' > "$tmp/bad.profile"
check "check: bad" 1 "bad.profile:2: stop-bytes = 1X: unknown suffix" \
    "$tool" check "$tmp/bad.profile"
printf 'p2p = on\nreinit-at = drained\n' > "$tmp/old.profile"
check "check: old value" 1 \
    "old.profile:2: reinit-at = drained: renamed to when-empty" \
    "$tool" check "$tmp/old.profile"
check "check: missing" 1 "$tmp/none: No such file" "$tool" check "$tmp/none"

check "run: no device" 2 "no --device" "${run[@]}" -- true
check "run: no program" 2 "no program" "${run[@]}" --device default
check "run: bad profile" 2 "bad.profile:2:" \
    "${run[@]}" --device "$tmp/bad.profile" -- true
check "run: unknown profile" 2 "nor the name of a shipped profile" \
    "${run[@]}" --device nonsense -- true
check "run: old profile" 2 "liar: renamed to random-sizes" \
    "${run[@]}" --device liar -- true
check "run: old key" 2 "unknown key 'say-stop': renamed to report-stop" \
    "${run[@]}" --device default,say-stop=max -- true
check "run: bad key" 2 "unknown key 'a'" \
    "${run[@]}" --device default,a=b -- true
check "run: no library" 2 "$tmp/none.so: No such file" \
    "$tool" run --library "$tmp/none.so" --device default -- true
check "run: bad program" 2 "No such file" \
    "${run[@]}" --device default -- "$tmp/none"
check "run: bad iommufd" 2 "unknown option 'x=y'" \
    "${run[@]}" --device default --iommufd x=y -- true
check "run: arguments" 0 \
    "a -object iommufd,id=iommufd0,fd=100 -device vfio-pci,id=dev0,fd=101" \
    "${run[@]}" --device vgpu-2g,stop-bytes=1G -- echo a
check "run: two devices" 0 "enable-migration=on,x=1 -device vfio-pci,id=dev1" \
    "${run[@]}" -d default -d mlx5-vf -p x=1 -- echo
check "run: shipped profile" 0 "profile=$profiles/reinit.profile" \
    "${run[@]}" -n -d reinit -- echo
odd="$tmp/a b,c;d:e\\f"
mkdir "$odd"
cp "$profiles/reinit.profile" "$odd/x=y.profile"
cp "$library" "$odd/libvfio-sim.so"
escaped=${odd//\\/\\\\}
escaped=${escaped//,/\\,}
escaped=${escaped//;/\\;}
# shellcheck disable=SC2317 # check calls it
run_odd() {
    { "$tool" ctl "$odd/ctl/dev0.sock" get stop-bytes hold >&2; } |
        "$tool" run -l "$odd/libvfio-sim.so" -c "$odd/ctl" \
            -d "$escaped/x=y.profile,hold=read" -- "$host" --host
}
check "run: any character in a path" 0 $'stop-bytes=12582912\nhold=read' run_odd
check "run: print" 0 "'VFIO_SIM_IOMMUFD=fd=100,change-process=off'" \
    "${run[@]}" -n -d default -i change-process=off -- echo

check "ctl: no socket" 2 "SOCKET and a command" "$tool" ctl
check "ctl: bad command" 2 "wrong command" "$tool" ctl "$tmp/x" frob
check "ctl: bad set" 2 "not of the form" "$tool" ctl "$tmp/x" wait frob

# A device that lives until the input of its program ends
coproc live { "${run[@]}" -c "$tmp/ctl" -d default,stop-bytes=2M \
    -- "$host" --host; }
live_pid=$!
live_in=${live[1]}
ctl=("$tool" ctl "$tmp/ctl/dev0.sock")

check "ctl: get" 0 "stop-bytes=2097152" "${ctl[@]}" get stop-bytes
check "ctl: get all" 0 "hold=none" "${ctl[@]}" get
check "ctl: get unknown" 2 "unknown key 'frob'" "${ctl[@]}" get frob
check "ctl: get old counter" 2 "unknown key 'lulls': renamed to empty-reads" \
    "${ctl[@]}" get lulls
check "ctl: set old key" 2 "unknown key 'say-stop': renamed to report-stop" \
    "${ctl[@]}" set say-stop=max
check "ctl: set" 0 "" "${ctl[@]}" set stop-bytes=3M report-stop=growing
check "ctl: set was done" 0 $'stop-bytes=3145728\nreport-stop=growing' \
    "${ctl[@]}" get stop-bytes report-stop
check "ctl: set: bad value" 2 "p2p = x: must be on or off" \
    "${ctl[@]}" set p2p=x
check "ctl: stats" 0 $'state=running\nholding=0' "${ctl[@]}" stats
check "ctl: wait" 0 "" "${ctl[@]}" wait state=running 20
check "ctl: wait in vain" 1 "sessions is still 0" \
    "${ctl[@]}" wait "sessions>0" 0.1

# shellcheck disable=SC2317 # check calls it
wait_and_set() {
    "${ctl[@]}" wait "stop-bytes>=4194304" 20 &
    sleep 0.1
    "${ctl[@]}" set stop-bytes=4M && wait $!
}
check "ctl: wait for set" 0 "" wait_and_set

exec {live_in}>&-
wait "$live_pid"
check "run: the socket is removed" 1 "" test -e "$tmp/ctl/dev0.sock"
echo precious > "$tmp/ctl/dev0.sock"
check "run: control is a file" 2 \
    "control=$tmp/ctl/dev0.sock exists, and is not a socket" \
    "${run[@]}" -c "$tmp/ctl" -d default -- "$host" --host
check "run: the file is left alone" 0 "precious" cat "$tmp/ctl/dev0.sock"

echo "1..$count"
exit $((failures != 0))
