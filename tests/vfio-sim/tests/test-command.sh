#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2317 # some functions are called by check() only

usage()
{
    cat <<END
usage: test-command.sh [--list] [--test=PATTERN]... COMMAND LIBRARY PROFILES
                       USER

Tests of the vfio-sim command.  PROFILES is the directory of the shipped
profiles; USER is a program that has a device open until its input ends.

  --list          list the cases
  --test=PATTERN  run only cases whose name contains this; it may have
                  wildcards
END
}

list=no
patterns=()
arguments=()
for arg; do
    case $arg in
    --help | -h) usage; exit 0 ;;
    --list) list=yes ;;
    --test=*) patterns+=("${arg#*=}") ;;
    -*) usage >&2; exit 2 ;;
    *) arguments+=("$arg") ;;
    esac
done
if [ $list = no ] && [ ${#arguments[@]} -ne 4 ]; then
    usage >&2
    exit 2
fi

vfio_sim=${arguments[0]:-}
library=${arguments[1]:-}
profiles=$(realpath "${arguments[2]:-.}")
user=${arguments[3]:-}
readme=$profiles/../README.rst
man=$profiles/../client/vfio-sim.1
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
count=0
failures=0

# The command frees its memory by ending.
export ASAN_OPTIONS=detect_leaks=0${ASAN_OPTIONS:+:$ASAN_OPTIONS}

selected()
{
    local pattern

    [ ${#patterns[@]} -gt 0 ] || return 0
    for pattern in "${patterns[@]}"; do
        # shellcheck disable=SC2053 # it may have wildcards
        if [[ $1 == *$pattern* ]]; then
            return 0
        fi
    done
    return 1
}

# check NAME STATUS PART COMMAND...: a case; COMMAND's exit status and a part
# of its output
check()
{
    local name=$1 status=$2 part=$3 output result
    shift 3

    selected "$name" || return 0
    if [ $list = yes ]; then
        echo "$name"
        return 0
    fi
    output=$("$@" 2>&1)
    result=$?
    count=$((count + 1))
    if [ "$result" = "$status" ] && [[ $output == *"$part"* ]]; then
        echo "ok $count - $name"
    else
        echo "# status $result instead of $status, output: ${output//$'\n'/ }"
        echo "not ok $count - $name"
        failures=$((failures + 1))
    fi
}

check_help()
{
    local command version

    version=$(sed -n 's/^#define VFIO_SIM_VERSION "\(.*\)"/\1/p' \
        "$profiles/../client/version.h")
    check version 0 "vfio-sim $version" "$vfio_sim" --version
    check help 0 "vfio-sim COMMAND" "$vfio_sim" --help
    check no-command 2 "vfio-sim COMMAND" "$vfio_sim"
    check unknown-command 2 "unknown command 'frob'" "$vfio_sim" frob
    for command in run ctl check keys; do
        check "$command/help" 0 "usage: vfio-sim $command" \
            "$vfio_sim" "$command" --help
    done
}

# has_keys FILE OPTION...: does the manual have what "keys OPTION..." prints?
has_keys()
{
    local file=$1 text
    shift

    text=$("$vfio_sim" keys "$@") && [ -n "$text" ] &&
        [[ $(<"$file") == *"$text"* ]]
}

# Are all options that the help names in the manual page, and the reverse?
man_has_options()
{
    local man=$1 command

    diff <(for command in run ctl check keys; do
            "$vfio_sim" "$command" --help
        done | grep -oE -e '--[a-z]+' | grep -vx -e '--help' | sort -u) \
        <(sed 's/\\-/-/g' "$man" | grep -oE -e '--[a-z]+' |
            grep -vxE -e '--(help|version)' | sort -u)
}

check_keys()
{
    check keys/list 0 "stop-bytes = SIZE" "$vfio_sim" keys
    check keys/as-in-the-manual 0 "" has_keys "$readme" --rst
    check keys/counters-as-in-the-manual 0 "" \
        has_keys "$readme" --counters --rst
    check keys/as-in-the-manual-page 0 "" has_keys "$man" --man
    check keys/counters-as-in-the-manual-page 0 "" \
        has_keys "$man" --counters --man
    check man/options 0 "" man_has_options "$man"
}

check_profiles()
{
    printf 'p2p = on\nstop-bytes = 1X\n' >"$tmp/bad.profile"
    printf 'p2p = on\nreinit-at = drained\n' >"$tmp/old.profile"

    check check/shipped 0 "" "$vfio_sim" check "$profiles"/*.profile
    check check/bad 1 "bad.profile:2: stop-bytes = 1X: unknown suffix" \
        "$vfio_sim" check "$tmp/bad.profile"
    check check/former-value 1 \
        "old.profile:2: reinit-at = drained: renamed to when-empty" \
        "$vfio_sim" check "$tmp/old.profile"
    check check/missing 1 "$tmp/none: No such file" \
        "$vfio_sim" check "$tmp/none"
}

run=("$vfio_sim" run --library "$library")

# Profile, library and socket in a directory whose name has all separators
run_any_path()
{
    local dir="$tmp/a b,c;d:e\\f" escaped

    mkdir "$dir"
    cp "$profiles/reinit.profile" "$dir/x=y.profile"
    cp "$library" "$dir/libvfio-sim.so"
    escaped=${dir//\\/\\\\}
    escaped=${escaped//,/\\,}
    escaped=${escaped//;/\\;}
    { "$vfio_sim" ctl "$dir/ctl/dev0.sock" get stop-bytes hold >&2; } |
        "$vfio_sim" run -l "$dir/libvfio-sim.so" -c "$dir/ctl" \
            -d "$escaped/x=y.profile,hold=read" -- "$user"
}

check_run()
{
    check run/no-device 2 "no --device" "${run[@]}" -- true
    check run/no-program 2 "no program" "${run[@]}" --device default
    check run/bad-profile 2 "bad.profile:2:" \
        "${run[@]}" --device "$tmp/bad.profile" -- true
    check run/unknown-profile 2 "nor the name of a shipped profile" \
        "${run[@]}" --device nonsense -- true
    check run/former-profile 2 "liar: renamed to random-sizes" \
        "${run[@]}" --device liar -- true
    check run/former-key 2 "unknown key 'say-stop': renamed to report-stop" \
        "${run[@]}" --device default,say-stop=max -- true
    check run/bad-key 2 "unknown key 'a'" \
        "${run[@]}" --device default,a=b -- true
    check run/no-library 2 "$tmp/none.so: No such file" \
        "$vfio_sim" run --library "$tmp/none.so" --device default -- true
    check run/missing-program 2 "No such file" \
        "${run[@]}" --device default -- "$tmp/none"
    check run/bad-iommufd 2 "unknown option 'x=y'" \
        "${run[@]}" --device default --iommufd x=y -- true
    check run/arguments 0 \
        "a -object iommufd,id=iommufd0,fd=100 -device vfio-pci,id=dev0,fd=101" \
        "${run[@]}" --device vgpu-2g,stop-bytes=1G -- echo a
    check run/two-devices 0 \
        "enable-migration=on,x=1 -device vfio-pci,id=dev1" \
        "${run[@]}" -d default -d mlx5-vf -p x=1 -- echo
    check run/shipped-profile 0 "profile=$profiles/reinit.profile" \
        "${run[@]}" -n -d reinit -- echo
    check run/any-path 0 $'stop-bytes=12582912\nhold=read' run_any_path
    check run/print 0 "'VFIO_SIM_IOMMUFD=fd=100,change-process=off'" \
        "${run[@]}" -n -d default -i change-process=off -- echo
}

# with_library IOMMUFD DEVICES: start a program with the library by hand
with_library()
{
    LD_PRELOAD=$library VFIO_SIM_IOMMUFD=$1 VFIO_SIM_DEVICES=$2 \
        "$user" </dev/null
}

# The descriptor of the device is open already
with_used_descriptor()
{
    with_library "$@" 101</dev/null
}

check_library()
{
    local longest

    longest=$(printf 'x%.0s' {1..100})
    check library/environment 0 "" with_library fd=100 fd=101
    check library/iommufd-without-fd 2 "VFIO_SIM_IOMMUFD: fd=N is missing" \
        with_library change-process=on fd=101
    check library/iommufd-option 2 "VFIO_SIM_IOMMUFD: unknown option 'x=y'" \
        with_library fd=100,x=y fd=101
    check library/device-without-fd 2 "VFIO_SIM_DEVICES: fd=N is missing" \
        with_library fd=100 "fd=101;stop-bytes=1M"
    check library/bad-fd 2 "fd=1x is not a usable file descriptor" \
        with_library fd=100 fd=1x
    check library/fd-used-twice 2 "file descriptor 101 is used twice" \
        with_library fd=100 "fd=101;fd=101"
    check library/fd-in-use 2 "file descriptor 101 is in use: /dev/null" \
        with_used_descriptor fd=100 fd=101
    check library/bad-key 2 "unknown key 'a'" \
        with_library fd=100 fd=101,a=b
    check library/bad-combination 2 "must be multiples of 4096" \
        with_library fd=100 fd=101,dma-base=1
    check library/bad-profile 2 "bad.profile:2:" \
        with_library fd=100 "fd=101,profile=$tmp/bad.profile"
    check library/long-socket-path 2 "path of a socket is too long" \
        with_library fd=100 "fd=101,control=/$longest$longest"
}

set_and_get()
{
    "${ctl[@]}" set stop-bytes=3M report-stop=growing &&
        "${ctl[@]}" get stop-bytes report-stop
}

wait_and_set()
{
    "${ctl[@]}" wait "stop-bytes>=4194304" 20 &
    sleep 0.1
    "${ctl[@]}" set stop-bytes=4M && wait $!
}

# Sockets that a killed program has left are replaced
replace_sockets()
{
    local dir=$tmp/killed pid

    mkfifo "$tmp/fifo"
    exec 9<>"$tmp/fifo"
    "${run[@]}" -c "$dir" -d default -- "$user" <&9 &
    pid=$!
    "$vfio_sim" ctl "$dir/dev0.sock" wait state=running 20
    kill -KILL "$pid"
    wait "$pid"
    test -S "$dir/dev0.sock" || return
    "${run[@]}" -c "$dir" -d default,stop-bytes=7M -- "$user" <&9 9<&- &
    pid=$!
    until "$vfio_sim" ctl "$dir/dev0.sock" get stop-bytes 2>/dev/null; do
        kill -0 "$pid" || return
        sleep 0.05
    done
    kill "$pid"
    wait "$pid"
    exec 9<&-
}

# With a device whose sockets are there until the input of its program ends
check_control()
{
    local holder_pid=

    ctl=("$vfio_sim" ctl "$tmp/ctl/dev0.sock")
    check ctl/no-socket 2 "SOCKET and a command" "$vfio_sim" ctl
    check ctl/bad-command 2 "wrong command" "$vfio_sim" ctl "$tmp/x" frob
    check ctl/bad-condition 2 "not of the form" \
        "$vfio_sim" ctl "$tmp/x" wait frob

    if [ $list = no ]; then
        coproc holder { "${run[@]}" -c "$tmp/ctl" -d default,stop-bytes=2M \
            -- "$user"; }
        holder_pid=$!
        holder_input=${holder[1]}
    fi
    check ctl/get 0 "stop-bytes=2097152" "${ctl[@]}" get stop-bytes
    check ctl/get-all 0 "hold=none" "${ctl[@]}" get
    check ctl/get-unknown 2 "unknown key 'frob'" "${ctl[@]}" get frob
    check ctl/get-former 2 "unknown key 'lulls': renamed to empty-reads" \
        "${ctl[@]}" get lulls
    check ctl/set-former 2 "unknown key 'say-stop': renamed to report-stop" \
        "${ctl[@]}" set say-stop=max
    check ctl/set 0 "" "${ctl[@]}" set stop-bytes=3M report-stop=growing
    check ctl/set-and-get 0 $'stop-bytes=3145728\nreport-stop=growing' \
        set_and_get
    check ctl/set-bad-value 2 "p2p = x: must be on or off" \
        "${ctl[@]}" set p2p=x
    check ctl/stats 0 $'state=running\nholding=0' "${ctl[@]}" stats
    check ctl/wait 0 "" "${ctl[@]}" wait state=running 20
    check ctl/wait-too-long 1 "sessions is still 0" \
        "${ctl[@]}" wait "sessions>0" 0.1
    check ctl/wait-for-set 0 "" wait_and_set

    if [ -n "$holder_pid" ]; then
        exec {holder_input}>&-
        wait "$holder_pid"
    fi
    check run/socket-is-removed 1 "" test -e "$tmp/ctl/dev0.sock"
    mkdir -p "$tmp/ctl"
    echo precious >"$tmp/ctl/dev0.sock"
    check run/sockets-are-replaced 0 "stop-bytes=7340032" replace_sockets
    check run/control-is-a-file 2 \
        "control=$tmp/ctl/dev0.sock exists, and is not a socket" \
        "${run[@]}" -c "$tmp/ctl" -d default -- "$user"
    check run/file-is-kept 0 "precious" cat "$tmp/ctl/dev0.sock"
}

check_help
check_keys
check_profiles
check_run
check_library
check_control
if [ $list = no ] && [ $count -eq 0 ]; then
    echo "1..0 # SKIP no case has such a name (see --list)"
elif [ $list = no ]; then
    echo "1..$count"
fi
exit $((failures != 0))
