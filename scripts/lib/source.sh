# shellcheck shell=bash disable=SC2154
# SPDX-License-Identifier: GPL-2.0-or-later
# The sources of a base as a git repository; to be sourced after common.sh and
# load_base, with what scripts/fetch has written (SOURCE_KIND, SOURCE_FILES).

# refuse: these sources are no good: the next run looks for others
refuse()
{
    rm -f "$build/downloads/$base.source"
}

# unpack_source ARCHIVE DIR: all files are as new as now, as what an earlier release
# was built to is newer than the archive
unpack_source()
{
    mkdir -p "$2"
    tar -C "$2" --strip-components=1 --no-same-owner --touch -xf "$1" && return
    not_full 16
    refuse
    die "cannot unpack $1: damaged? Remove it, or give another with" \
        "--tarball=FILE"
}

# commit_sources DIR: make it, a repository with the pristine sources of QEMU
# $VERSION as its only commit, which is the same wherever it is made
commit_sources()
{
    local new=$1 p

    need_space 1500 "QEMU's source tree"
    say "unpacking QEMU $VERSION ($SOURCE_KIND)"
    rm -rf "$new"
    temps+=("$new")
    unpack_source "${SOURCE_FILES[0]}" "$new"
    if [ "$SOURCE_KIND" = debian ]; then
        # Debian's tree lacks what Debian's patches make good for
        unpack_source "${SOURCE_FILES[1]}" "$new/debian"
        while read -r p _; do
            case $p in
            '' | '#'*) continue ;;
            esac
            patch -d "$new" -p1 -s -f --no-backup-if-mismatch \
                <"$new/debian/patches/$p" ||
                die "Debian's patch $p does not apply to Debian's tree"
        done <"$new/debian/patches/series"
        rm -rf "$new/debian"
    fi
    rm -rf "$new/.git"
    git init -q -b series "$new" 2>/dev/null || git init -q "$new"
    git -C "$new" config gc.auto 0
    git -C "$new" config core.autocrlf false
    git -C "$new" config core.fileMode true
    git -C "$new" add -A -f
    GIT_AUTHOR_NAME=$GIT_COMMITTER_NAME GIT_AUTHOR_EMAIL=$GIT_COMMITTER_EMAIL \
        GIT_AUTHOR_DATE='2000-01-01T00:00:00Z' \
        GIT_COMMITTER_DATE='2000-01-01T00:00:00Z' \
        git -C "$new" -c core.looseCompression=1 commit -q --no-verify \
        -m "QEMU $VERSION"
}
