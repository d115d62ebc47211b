# shellcheck shell=bash disable=SC2034,SC2154
# SPDX-License-Identifier: GPL-2.0-or-later
# check-kernel, part 1: get a kernel, and the tools to build a module for it; to
# be sourced, after lib/debian.sh.

# Kernels of the lists in DIR: version, then its packages
kernels_of()
{
    local dir=$1 v p names

    names=$("$dir/run" apt-cache pkgnames linux- |
        grep -E '^linux-(headers|image|binary|modules|kbuild)-[0-9]') || return 0
    while read -r v; do
        p="linux-headers-$v-common linux-headers-$v-amd64 linux-kbuild-$v"
        # The newer packaging has the kernel and its modules by themselves
        if grep -qxF "linux-modules-$v-amd64" <<<"$names"; then
            p="$p linux-modules-$v-amd64 linux-binary-$v-amd64"
        else
            p="$p linux-image-$v-amd64"
        fi
        # shellcheck disable=SC2086
        if "$dir/run" apt-cache show $p >/dev/null 2>&1; then
            echo "$v $p"
        fi
    done < <(sed -nE 's/^linux-headers-([0-9].*)-common$/\1/p' <<<"$names" |
        grep -v -e '-rt$' | sort -Vr | head -n 3)
}

# Find the newest kernel: sets version, packages, suite and base_suite
choose_kernel()
{
    local s v p c suites=() found=no

    if [ -n "$want_suite" ]; then
        suites=("$want_suite")
    elif read_lists stable; then
        # By its code name: an alias may be out of date in an archive
        c=$(sed -n 's/^Codename: //p' "$debian"/stable/lists/*Release |
            head -n 1)
        if [ -n "$c" ]; then
            suites=("$c-backports")
        fi
        suites+=(unstable)
    fi
    version=0
    for s in "${suites[@]}" backports release; do
        # The machine's own, older ones, only if no other suite has a kernel
        case $s in
        backports | release)
            if [ $found = yes ]; then
                continue
            fi
            if [ -n "$want_suite" ] && [ "$want_suite" != "$s" ]; then
                continue
            fi
            ;;
        esac
        read_lists "$s" || continue
        while read -r v p; do
            found=yes
            if [ "$v" != "$version" ] &&
                [ "$(printf '%s\n' "$v" "$version" | sort -V |
                    tail -n 1)" = "$v" ]; then
                version=$v
                packages=$p
                suite=$s
            fi
        done < <(kernels_of "$debian/$s")
    done
    [ $found = yes ] || die "no Debian suite with a kernel can be reached:" \
        "check the network, or name one with --suite="
    case $suite in
    *-backports) base_suite=${suite%-backports} ;;
    backports) base_suite=release ;;
    *) base_suite=$suite ;;
    esac
}

# build/kernel/VERSION: root/ has the tools and headers to build a module,
# tree/ the kernel and its modules
get_kernel()
{
    local compiler p

    choose_kernel
    dir=$kernels/$version
    if [ -f "$dir/ready" ]; then
        say "Linux $version of $suite is the newest, and is here already"
        return
    fi
    say "getting Linux $version of Debian's $suite," \
        "and the tools to build a module for it (200 MB)"
    need_space 1500 "a kernel and the tools to build a module"
    new=$kernels/.new
    rm -rf "$new" "$dir"
    mkdir -p "$new/kernel"
    [ "$base_suite" = "$suite" ] || read_lists "$base_suite" ||
        die "the package lists of Debian's $base_suite cannot be read"

    # shellcheck disable=SC2086
    (cd "$new/kernel" && download "$suite" "$new" download $packages)
    compiler=$(depends "$suite" "linux-headers-$version-amd64" |
        sed -nE 's/.*(gcc-[0-9]+).*/\1/p' | head -n 1)
    [ -n "$compiler" ] ||
        die "linux-headers-$version-amd64 does not depend on a compiler"
    # shellcheck disable=SC2046
    download "$base_suite" "$new" --download-only install \
        "$compiler" binutils make bash dash coreutils sed grep mawk \
        findutils busybox-static \
        $(depends "$suite" "linux-kbuild-$version" |
            grep -v '^linux-')

    say "unpacking"
    unpack "$new/root" "$new"/debs/*.deb "$new"/kernel/linux-headers-*.deb \
        "$new"/kernel/linux-kbuild-*.deb
    ln -sf mawk "$new/root/usr/bin/awk"
    shopt -s nullglob
    unpack "$new/tree" "$new"/kernel/linux-{image,binary,modules}-*.deb
    shopt -u nullglob
    rm -rf "$new/debs" "$new/kernel"
    # Names by which the headers' makefiles call the compiler
    for p in gcc ld ar nm objcopy objdump readelf strip; do
        [ -e "$new/root/usr/bin/x86_64-linux-gnu-$p" ] ||
            ln -s "$p" "$new/root/usr/bin/x86_64-linux-gnu-$p"
    done
    # Some versions call it with W=1: a Perl program for kernel-doc comments,
    # of which the module has none
    ln -sf /usr/bin/true \
        "$new/root/usr/src/linux-headers-$version-common/scripts/kernel-doc"
    echo "$suite" >"$new/suite"
    : >"$new/ready"
    mv "$new" "$dir"
}
