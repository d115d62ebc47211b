# shellcheck shell=bash disable=SC2034,SC2154
# SPDX-License-Identifier: GPL-2.0-or-later
# Packages of other Debian suites, unpacked into trees of their own and never
# installed; to be sourced. mmdebstrap would make such a tree, too, but not as an
# ordinary user of Debian 12 without entries in /etc/subuid.

debian=$build/debian

# read_lists SUITE: into $debian/SUITE, whose "run" uses them. Backports need their
# release as well.
read_lists()
{
    local suites=("$1")

    case $1 in
    backports) suites+=(release) ;;
    *-backports) suites+=("${1%-backports}") ;;
    esac
    "$top/scripts/apt-private" --dir="$debian/$1" --deb "${suites[@]}"
}

# target SUITE: apt-get's option to prefer its packages: those of backports are not
target()
{
    case $1 in
    *backports) echo "-t=$(head -n 1 "$debian/$1/suites")" ;;
    esac
}

# Names that a package depends on, the first of each choice
depends()
{
    "$debian/$1/run" apt-cache show "$2" | sed -n 's/^Depends: //p' |
        head -n 1 | tr ',' '\n' | sed -E 's/^ *([^ :|]+).*/\1/'
}

# download SUITE NEW ARGUMENT...: apt-get with these; NEW/debs then has what
# packages need that a machine of that suite would install. What apt printed is in
# $debian/download.log.
download()
{
    local suite=$1 new=$2 log=$debian/download.log
    shift 2

    mkdir -p "$new/debs/partial"
    : >"$new/status"
    "$debian/$suite/run" apt-get -q -y -o Dir::State::status="$new/status" \
        -o Dir::Cache::archives="$new/debs" -o Debug::NoLocking=true \
        -o APT::Install-Recommends=false -o APT::Architectures=amd64 \
        "$@" >"$log" 2>&1 9>&- || {
        not_full 16
        die "download failed: $(grep -E '^[EW]:' "$log" | tail -n 1)" \
            "(see $log)"
    }
}

# unpack ROOT DEB...
unpack()
{
    local root=$1 deb
    shift

    mkdir -p "$root"/usr/{bin,sbin,lib,lib64} "$root"/{dev,proc,tmp,src}
    ln -sfn -t "$root" usr/bin usr/sbin usr/lib usr/lib64
    for deb; do
        dpkg-deb --fsys-tarfile "$deb" |
            tar -x -C "$root" --keep-directory-symlink --no-same-owner \
                --exclude='./usr/share/doc/*' --exclude='./usr/share/man/*' \
                --exclude='./usr/share/locale/*' --exclude='./dev/*' ||
            { not_full 16; die "cannot unpack $deb"; }
    done
}

# skip MESSAGE...: packages cannot be had; exit status 3
skip()
{
    say "$@"
    said=yes
    exit 3
}

# need_debian SUITE SIZE WHAT: lock, and read the package lists; 1 if they cannot be
# read. SIZE is what WHAT takes, in MB.
need_debian()
{
    local tool

    [ "$(uname -m)" = x86_64 ] || skip "this needs an x86_64 machine"
    for tool in flock dpkg-deb apt-get; do
        have $tool || skip "$tool is missing: this needs a Debian machine"
    done
    lock_build
    need_space "$2" "$3"
    read_lists "$1"
}

# debian_tree SUITE NAME PACKAGE...: sets $tree to a directory, whose root/ has
# the packages of a suite and all that they need, and whose file "version" has the
# version of the first. One that is here is kept, unless $update is "yes" and there
# is a newer version.
debian_tree()
{
    local suite=$1 name=$2 version new
    shift 2

    tree=$debian/$suite-$name
    if [ "${update:-no}" = no ] && [ -s "$tree/version" ]; then
        return
    fi
    if ! need_debian "$suite" 1500 "$1 of Debian's $suite"; then
        if [ -s "$tree/version" ]; then
            say "$1 stays as it is: $(cat "$tree/version")"
            return
        fi
        skip "the package lists of Debian's $suite cannot be read"
    fi
    # Of all suites in the lists, the newest one comes first
    version=$("$debian/$suite/run" apt-cache show "$1" 2>/dev/null |
        sed -n 's/^Version: //p' | sort -Vr | head -n 1) || true
    [ -n "$version" ] || skip "Debian's $suite has no $1"
    if [ -s "$tree/version" ] && [ "$(cat "$tree/version")" = "$version" ]; then
        return
    fi

    say "getting $1 $version of Debian's $suite, and what it needs"
    new=$tree.new
    temps+=("$new")
    rm -rf "$new"
    mkdir -p "$new"
    # shellcheck disable=SC2046
    download "$suite" "$new" $(target "$suite") --download-only install "$@"
    unpack "$new/root" "$new"/debs/*.deb
    rm -rf "$new/debs"
    # A package makes them when it is installed
    cat >"$new/root/etc/passwd" <<END
root:x:0:0:root:/root:/bin/sh
libvirt-qemu:x:64055:64055::/var/lib/libvirt:/bin/false
END
    cat >"$new/root/etc/group" <<END
root:x:0:
kvm:x:64054:
libvirt-qemu:x:64055:
END
    echo "$version" >"$new/version"
    rm -rf "$tree"
    mv "$new" "$tree"
}

# qemu_command TREE: sets $command to one that runs the QEMU of TREE/root from outside
qemu_command()
{
    local lib=/usr/lib/x86_64-linux-gnu

    command=$1/qemu-system-x86_64
    # The loader of that suite, as this machine's may be older than the program
    cat >"$command" <<END
#!/bin/sh
root=$1/root
export QEMU_MODULE_DIR="\${QEMU_MODULE_DIR:-\$root$lib/qemu}"
exec "\$root/lib64/ld-linux-x86-64.so.2" \\
    --library-path "\$root$lib" "\$root/usr/bin/qemu-system-x86_64" \\
    -L "\$root/usr/share/qemu" -L "\$root/usr/share/seabios" "\$@"
END
    chmod +x "$command"
}

# debian_root SUITE NAME DEPENDENCY...: sets $tree to a directory whose root/ is an
# installed Debian: the essential packages and what satisfies the dependencies,
# configured, with dpkg's database. One that is here is kept, if it was made for the
# same dependencies. In it, in_root works as after full_namespace.
debian_root()
{
    local suite=$1 name=$2 new log
    shift 2

    tree=$debian/$suite-$name
    full_namespace
    if [ "$(cat "$tree/dependencies" 2>/dev/null)" = "$*" ]; then
        return
    fi
    need_debian "$suite" 3000 "a root of Debian's $suite" ||
        skip "the package lists of Debian's $suite cannot be read"

    say "making a root of Debian's $suite, $name"
    new=$tree.new
    log=$debian/$suite-$name.log
    temps+=("$new")
    remove_root "$new"
    mkdir -p "$new"
    # shellcheck disable=SC2046
    download "$suite" "$new" $(target "$suite") --download-only install \
        '?essential' apt
    # shellcheck disable=SC2046
    download "$suite" "$new" $(target "$suite") --download-only satisfy "$@"
    # shellcheck disable=SC2016
    # Enough for dpkg to run there, which then unpacks all of it once more
    "${namespace[@]}" bash -c '. "$0"; shift; unpack "$@"' \
        "$top/scripts/lib/debian.sh" - "$new/root" "$new"/debs/*.deb \
        >"$log" 2>&1 || die "cannot unpack the packages (see $log)"
    printf '#!/bin/sh\nexit 101\n' >"$new/root/usr/sbin/policy-rc.d"
    chmod +x "$new/root/usr/sbin/policy-rc.d"
    mkdir -p "$new/root/var/lib/dpkg/info" "$new/root/var/tmp/debs"
    : >"$new/root/var/lib/dpkg/status"
    mv "$new"/debs/*.deb "$new/root/var/tmp/debs"
    # shellcheck disable=SC2016
    in_root "$new/root" DEBIAN_FRONTEND=noninteractive sh -c '
        dpkg="dpkg --force-depends --force-unsafe-io"
        rm -f /usr/share/doc/*/changelog*
        $dpkg --unpack /var/tmp/debs/base-files_*.deb /var/tmp/debs/base-passwd_*.deb &&
        $dpkg --configure base-passwd base-files
        $dpkg --unpack /var/tmp/debs/*.deb && dpkg --force-unsafe-io --configure -a &&
        dpkg --audit' >>"$log" 2>&1 </dev/null ||
        die "cannot install the packages: $(tail -n 1 "$log") (see $log)"
    rm -rf "$new/root/var/tmp/debs" "$new/debs"
    printf '%s' "$*" >"$new/dependencies"
    remove_root "$tree"
    mv "$new" "$tree"
}

# remove_root DIR: its files may belong to other users of a namespace
remove_root()
{
    [ ! -e "$1" ] || "${namespace[@]}" rm -rf "$1"
}

# full_namespace: as check_namespace, but with all users and groups that packages
# have, for in_root in a tree of debian_root
full_namespace()
{
    if [ "$(id -u)" = 0 ]; then
        namespace=(unshare --mount)
    else
        namespace=(unshare --user --map-root-user --map-auto --mount)
    fi
    "${namespace[@]}" true 2>/dev/null ||
        die "this user may not make namespaces with several users: run this as" \
            "root, or install uidmap and give the user a range in /etc/subuid" \
            "and /etc/subgid"
}

# check_namespace: find out how in_root works for this user
check_namespace()
{
    namespace=(unshare --user --map-root-user --mount)
    if "${namespace[@]}" true 2>/dev/null; then
        return
    fi
    namespace=(unshare --mount)
    "${namespace[@]}" true 2>/dev/null ||
        die "this user may not make namespaces: run this as root, or" \
            "allow it with 'sysctl kernel.unprivileged_userns_clone=1'"
}

# in_root ROOT COMMAND...: run it in a tree; as root of a user namespace where that
# is possible, so that no privileges are needed
in_root()
{
    # shellcheck disable=SC2016
    local script='mount --rbind /dev "$0/dev" && mount --rbind /proc "$0/proc" &&
        exec chroot "$0" /usr/bin/env -i PATH=/usr/bin:/usr/sbin HOME=/tmp "$@"'

    "${namespace[@]}" sh -c "$script" "$@"
}
