# shellcheck shell=bash disable=SC2034,SC2154
# SPDX-License-Identifier: GPL-2.0-or-later
# check-kernel, part 3: the jobs that the virtual machine runs; to be sourced.

# Cases of a quick run: one of each kind, so that it takes about a minute
quick=(/ram/idle /precopy/on /two-devices /multifd /wait/changes
    /wait/from-start/no-precopy /decision/stopped/while-waiting
    /decision/pace /decision/max-downtime
    /bad-size/initial/zero /bad-size/stop/late-zero /bad-size/all/error
    '/fault/state/*P2P' /fault/state/STOP_COPY
    /fault/data/multifd /fault/load/precopy /cancel/again /cancel/unplug
    /query/held '/dma/*' '/realize/*' /answer/stale /first/per-device-multifd
    '/stock/*/pc-i440fx-10.2/*' /reinit/pre-copy /reinit/old-kernel
    /reinit/p2p/once '/reinit/p2p/dma-*' /reinit/query/once /reinit/legacy/p2p
    /roll-back/query /too-late/reinit /initial-size/grows/per-device
    /cancel/while-waiting/per-device /final-check/cancel
    /stop/while-waiting/per-device /failure/roll-back /failure/load/per-device)
# Cases that run again with unchanged QEMU as the destination
to_stock=(/multifd /dma/iommu)

# The test programs that use the simulator are known by their names
programs()
{
    (cd "$top/tests/qtest" && printf '%s\n' vfio-*-test.c) | sed 's/\.c$//'
}

build_tests()
{
    local f build_stock=() targets=(qemu-system-x86_64
        tests/vfio-sim/tests/vfio-sim-conformance)

    for f in $(programs); do
        targets+=("tests/qtest/$f")
    done
    if [ -z "$stock" ] && [ "$with_stock" = yes ]; then
        build_stock=(--with-stock)
    fi
    if [ -z "$qemu" ] || [ -z "$tests" ]; then
        call build "${build_stock[@]}" "${targets[@]}"
    elif [ ${#build_stock[@]} -gt 0 ]; then
        call build --with-stock qemu-system-x86_64
    fi
    load_base "$(default_base)"
    qemu=${qemu:-$build/$base/obj/qemu-system-x86_64}
    tests=${tests:-$build/$base/obj/tests}
    if [ ${#build_stock[@]} -gt 0 ]; then
        stock=$build/$base/stock/obj/qemu-system-x86_64
    fi
    for f in "$qemu" $stock "${targets[@]/#tests/$tests}"; do
        [ "$f" = qemu-system-x86_64 ] || [ -x "$f" ] ||
            die "there is no program $f"
    done
}

# select_cases PATTERN...: of the paths on stdin, those that match one of these
select_cases()
{
    local path pattern

    while read -r path; do
        for pattern; do
            # shellcheck disable=SC2053
            if [[ $path == $pattern ]]; then
                echo "$path"
                break
            fi
        done
    done
}

# wanted_only: of the paths on stdin, those that --test selects
wanted_only()
{
    local patterns=("${only[@]/#/*}")

    if [ ${#only[@]} -eq 0 ]; then
        cat
    else
        select_cases "${patterns[@]/%/*}"
    fi
}

# named_cases FILE PATTERN...: the cases in FILE that end as one of the patterns.
# Each pattern has a case, or else a case was renamed and its pattern was not
named_cases()
{
    local file=$1 pattern
    shift

    for pattern; do
        # Not with "grep -q", which ends before its input does
        [ -n "$(select_cases "*$pattern" <"$file")" ] ||
            die "no case is called $pattern: correct" \
                "scripts/lib/kernel/jobs.sh"
    done
    select_cases "${@/#/*}" <"$file"
}

# qtest_job NAME [ENVIRONMENT]: add a job that runs the cases in NAME.list, of
# which each line is a program and a path
qtest_job()
{
    local name=$1 env=${2:-} program

    if [ ! -s "$work/$name.list" ]; then
        return 0
    fi
    cat >"$work/$name.job" <<END
export QTEST_VFIO_SIM=kernel QTEST_QEMU_BINARY=/bin/qemu-system-x86_64
export QTEST_VFIO_SIM_LOGS=/logs/$name $env
${stock:+export QTEST_VFIO_STOCK_QEMU=/stock/qemu-system-x86_64}
mkdir -p /logs/$name
END
    for program in $(cut -d' ' -f1 "$work/$name.list" | uniq); do
        sed -n "s/^$program //p" "$work/$name.list" >"$work/$name.$program"
        echo "file jobs/$name.$program $work/$name.$program" >>"$work/spec"
        echo "sh /bin/guest-qtest /jobs/$name.$program /bin/$program" \
            >>"$work/$name.job"
    done
    add_job "$name"
}

add_job()
{
    jobs+=("$1")
    echo "file jobs/$1.job $work/$1.job" >>"$work/spec"
}

# skip JOB PATH REASON: the result of a case that is not run
skip()
{
    printf 'ok - %s # SKIP %s\n' "$2" "$3" >>"$logs/$1.tap"
}

make_jobs()
{
    local f program path

    jobs=()
    for f in $(programs); do
        QTEST_QEMU_BINARY=$qemu "$tests/qtest/$f" -l 2>"$work/list.log" \
            </dev/null 9>&- | sed -nE "s,^(# )?/,$f /,p" >>"$work/all"
        grep -q "^$f " "$work/all" ||
            die "$f -l lists no cases: see $work/list.log"
    done
    wanted_only <"$work/all" >"$work/run"
    [ -s "$work/run" ] || die "no case matches ${only[*]} (--list prints" \
        "all cases)"
    if [ "$list" = yes ]; then
        cat "$work/run"
        exit 0
    fi

    cat >"$work/spec" <<END
file init $top/scripts/lib/kernel/guest-init
file bin/guest-qtest $top/scripts/lib/kernel/guest-qtest
file bin/busybox $dir/root/usr/bin/busybox
program bin/qemu-system-x86_64 $qemu
program bin/vfio-sim-conformance $tests/vfio-sim/tests/vfio-sim-conformance
module modules.list $dir/tree vfio vfio_iommu_type1 mdev virtio_pci? virtio_console? ${mtty:-mtty?} $module
END
    for f in $(programs); do
        echo "program bin/$f $tests/qtest/$f" >>"$work/spec"
    done
    if [ -n "$stock" ]; then
        echo "program stock/qemu-system-x86_64 $stock" >>"$work/spec"
    fi

    if [ "$full" = no ]; then
        mv "$work/run" "$work/run.all"
        named_cases "$work/run.all" "${quick[@]}" >"$work/run"
        while read -r program path; do
            skip "$program" "$path" 'only with --full'
        done < <(grep -vxFf "$work/run" "$work/run.all")
    fi
    # Two jobs at the same time
    awk 'NR % 2 == 1' "$work/run" >"$work/a.list"
    awk 'NR % 2 == 0' "$work/run" >"$work/b.list"
    qtest_job a
    qtest_job b

    named_cases "$work/all" "${to_stock[@]}" | wanted_only |
        grep '^vfio-migration-test ' >"$work/to-stock.list" || true
    if [ -n "$stock" ]; then
        qtest_job to-stock QTEST_QEMU_BINARY_DST=/stock/qemu-system-x86_64
    else
        while read -r program path; do
            skip to-stock "$path" 'there is no unchanged QEMU (--without-stock)'
        done <"$work/to-stock.list"
    fi

    if [ ${#only[@]} -eq 0 ]; then
        cp "$top/tests/vfio-sim/tests/kernel-module.sh" "$work/0-module.job"
        add_job 0-module
        echo "file bin/test-conformance" \
            "$top/tests/vfio-sim/tests/kernel-conformance.sh" >>"$work/spec"
        echo 'exec sh /bin/test-conformance vfio_sim vfio_sim-pci' \
            >"$work/1-conformance.job"
        add_job 1-conformance
        echo 'exec sh /bin/test-conformance mtty mtty-1' \
            >"$work/2-conformance-mtty.job"
        add_job 2-conformance-mtty
    fi
}
