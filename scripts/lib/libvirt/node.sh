#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# A host of its own for one libvirtd: to be run by node.py, with "unshare --mount
# --uts --pid --fork --kill-child". ROOT is a tree of scripts/debian-libvirt, to which
# nothing but mount points is added; DIR has the directories etc, run, lib, cache and
# log of this host; each SHARED directory or file keeps its path. What is mounted here,
# and all QEMUs that are started here, end with the process.
set -eu
if [ $# -lt 3 ]; then
    echo 'usage: node.sh NAME ROOT DIR SHARED...'
    exit 2
fi
name=$1
root=$2
dir=$3
shift 3

hostname "$name"
mount --make-rprivate /
# A mount of its own, so that the next ones are not seen elsewhere
mount --bind "$root" "$root"
mkdir -p "$root/etc/libvirt" "$root/run" "$root/var/lib/libvirt" \
    "$root/var/cache/libvirt" "$root/var/log/libvirt" "$root/sys"
mount --bind "$dir/etc" "$root/etc/libvirt"
mount --bind "$dir/run" "$root/run"
mount --bind "$dir/lib" "$root/var/lib/libvirt"
mount --bind "$dir/cache" "$root/var/cache/libvirt"
mount --bind "$dir/log" "$root/var/log/libvirt"
mount -t tmpfs tmpfs "$root/tmp"
mount -t sysfs sysfs "$root/sys"
mount -t proc proc "$root/proc"
# Without the machine's own devices, huge pages above all
mount -t tmpfs tmpfs "$root/dev"
for d in null zero full random urandom; do
    : >"$root/dev/$d"
    mount --bind "/dev/$d" "$root/dev/$d"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o ptmxmode=0666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
for d; do
    if [ -d "$d" ]; then
        mkdir -p "$root$d"
    else
        mkdir -p "$(dirname "$root$d")"
        [ -e "$root$d" ] || : >"$root$d"
    fi
    mount --bind "$d" "$root$d"
done
# The shell stays: as the first process it reaps those that lose their parents
chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin HOME=/root \
    /usr/sbin/libvirtd &
wait $!
