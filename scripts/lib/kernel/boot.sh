# shellcheck shell=bash disable=SC2034,SC2154
# SPDX-License-Identifier: GPL-2.0-or-later
# check-kernel, part 4: boot the virtual machine and count results; to be sourced.

run_machine()
{
    local n args kernel last=$SECONDS count taps=()

    "$top/scripts/lib/kernel/guestimage.py" "$work/image.cpio" <"$work/spec" ||
        die "cannot make the virtual machine's file system"
    kernel=$(find "$dir/tree" -name 'vmlinuz*' -type f | head -n 1)
    args=(-L /usr/share/seabios -L /usr/share/qemu -machine pc
        -accel "tcg,thread=multi" -smp 2 -m 3G -nodefaults -no-reboot
        -display none -serial "file:$logs/console.log"
        -kernel "$kernel" -initrd "$work/image.cpio"
        -append "console=ttyS0 quiet panic=-1 mitigations=off limit=$((limit * 3 / 4))"
        -device "virtio-serial-pci,max_ports=31")
    n=0
    for port in "${jobs[@]}" kernel logs; do
        taps+=("$logs/$port.tap")
        args+=(-chardev "file,id=port$n,path=$logs/$port.tap"
            -device "virtserialport,chardev=port$n,name=$port")
        n=$((n + 1))
    done

    say "running the tests on Linux $version (console: $logs/console.log)"
    timeout --kill-after=5 "$limit" "$qemu" "${args[@]}" \
        >"$logs/qemu.log" 2>&1 9>&- </dev/null &
    machine=$!
    while kill -0 $machine 2>/dev/null; do
        sleep 0.2
        if [ $((SECONDS - last)) -ge 10 ]; then
            last=$SECONDS
            count=$(cat "${taps[@]}" 2>/dev/null |
                grep -acE '^(not )?ok ' || true)
            say "  $count results after $((SECONDS - start)) s"
        fi
    done
    machine_rc=0
    wait $machine || machine_rc=$?
    machine=
}

# Results in the format of meson's log, for tap-count
results()
{
    /usr/bin/python3 - "$logs" "${jobs[@]}" kernel <<'END'
import glob, json, os, sys
logs, *jobs = sys.argv[1:]
for path in sorted(glob.glob(os.path.join(logs, '*.tap'))):
    name = os.path.basename(path)[:-len('.tap')]
    with open(path, encoding='utf-8', errors='replace') as f:
        out = f.read().replace('\r', '')
    done = any(line.startswith(('ok ', 'not ok '))
               for line in out.splitlines())
    print(json.dumps({'name': name, 'stdout': out,
                      'result': 'OK' if done else 'ERROR'}))
END
}

# Count as failures what the jobs did not run
count_missing()
{
    local job tap n why path

    for job in "${jobs[@]}"; do
        tap=$logs/$job.tap
        n=$(grep -acE '^(not )?ok ' "$tap") || true
        why=$(sed -n 's/^job: //p' "$tap" | tail -n 1 | tr -d '\r')
        why=${why:-$stopped}
        if [ -f "$work/$job.list" ]; then
            # The first missing one has started
            tail -n +$((n + 1)) "$work/$job.list" >"$work/missing"
            while read -r path; do
                echo "not ok - $path: ${why:-not run}" >>"$tap"
                why='not run'
            done <"$work/missing"
        elif [ "$n" -eq 0 ] || [ -n "$why" ]; then
            if ! grep -aq '^not ok ' "$tap"; then
                echo "not ok - ${why:-no result}" >>"$tap"
            fi
        fi
    done
}

# check_end: find out why the virtual machine ended early, if it did
check_end()
{
    stopped=
    if [ -s "$logs/kernel.tap" ]; then
        return
    fi
    echo 'not ok - the virtual machine ended before all jobs' \
        >"$logs/kernel.tap"
    case $machine_rc in
    124 | 137)
        stopped="hung, and the virtual machine was stopped after $limit s"
        ;;
    *)
        stopped="the virtual machine crashed"
        say "the virtual machine ended early (status $machine_rc):" \
            "$(tail -n 1 "$logs/console.log" | tr -d '\r')"
        ;;
    esac
}

# get_logs: unpack the logs that the virtual machine sent
get_logs()
{
    if [ -s "$logs/logs.tap" ]; then
        mkdir -p "$logs/guest"
        tar -x -C "$logs/guest" -f "$logs/logs.tap" 2>/dev/null || true
    fi
    rm -f "$logs/logs.tap"
}
