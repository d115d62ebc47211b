# shellcheck shell=bash disable=SC2034,SC2154
# SPDX-License-Identifier: GPL-2.0-or-later
# check-kernel, part 2: build the simulator's module; to be sourced.

build_module()
{
    local sources=$dir/root/src/vfio-sim log=$dir/module.log f

    mkdir -p "$sources/kernel" "$sources/model"
    # With their times, so that make builds only what has changed
    cp -u --preserve=timestamps "$top"/tests/vfio-sim/model/*.[ch] \
        "$sources/model/"
    cp -u --preserve=timestamps "$top"/tests/vfio-sim/kernel/* \
        "$sources/kernel/"
    if ! in_root "$dir/root" make -C /src/vfio-sim/kernel W=1 \
        KERNEL="/usr/src/linux-headers-$version-amd64" \
        >"$log" 2>&1 9>&- </dev/null; then
        not_full 16
        grep -E 'error|Error' -A 3 "$log" | head -n 20 >&2 || true
        die "the kernel module cannot be built: see $log"
    fi
    if grep -q 'warning:' "$log"; then
        grep 'warning:' "$log" >&2
        die "the kernel module is built with warnings: see $log"
    fi
    module=$sources/kernel/vfio_sim.ko
}

# The kernel's sample of a device that can be migrated. No Debian kernel package
# has it, but the source package has. Sets mtty, to nothing if it is not
# available.
build_mtty()
{
    local deb

    mtty=
    if [ ! -f "$dir/mtty.c" ]; then
        if [ "$full" = no ] || [ ${#only[@]} -gt 0 ]; then
            return 0
        fi
        say "getting the kernel's sample device from its source (170 MB)"
        new=$kernels/.new
        rm -rf "$new"
        mkdir -p "$new"
        deb=linux-source-$(cut -d. -f1,2 <<<"$version")
        if ! (cd "$new" &&
            "$debian/$(cat "$dir/suite")/run" apt-get -q download "$deb" \
                >"$new/log" 2>&1 9>&- &&
            dpkg-deb --fsys-tarfile "$new/$deb"_*.deb |
            tar -xO --wildcards './usr/src/*.tar.xz' | xz -dc -T0 |
            tar -xO --wildcards '*/samples/vfio-mdev/mtty.c' >"$new/mtty.c"); then
            say "not available: $(tail -n 1 "$new/log")"
            return 0
        fi
        mv "$new/mtty.c" "$dir/mtty.c"
        rm -rf "$new"
    fi
    mkdir -p "$dir/root/src/mtty"
    cp -u --preserve=timestamps "$dir/mtty.c" "$dir/root/src/mtty/"
    echo 'obj-m := mtty.o' >"$dir/root/src/mtty/Kbuild"
    if in_root "$dir/root" make -C "/usr/src/linux-headers-$version-amd64" M=/src/mtty \
        modules >"$dir/mtty.log" 2>&1 9>&- </dev/null; then
        mtty=$dir/root/src/mtty/mtty.ko
    else
        say "the kernel's sample device cannot be built: see $dir/mtty.log"
    fi
}
