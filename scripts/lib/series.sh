# shellcheck shell=bash disable=SC2034,SC2154
# SPDX-License-Identifier: GPL-2.0-or-later
# The series of a base, as patches/BASE/series lists it; to be sourced after
# common.sh and load_base.
#
#   # A comment belongs to the patch that follows
#   topic/name.patch
#       new/file.c          comes with the patch, from this repository
#       new/directory/      and so does all that is tracked below it

# What load_series fills: names without ".patch" in order, and by name the
# new files as they are listed, and the comments before
patch_names=()
declare -gA files_of comments_of
comments_at_end=

load_series()
{
    local line name='' comments='' n=0

    patch_names=()
    files_of=()
    comments_of=()
    [ -f "$patches/series" ] || return 0
    while IFS= read -r line || [ -n "$line" ]; do
        n=$((n + 1))
        case $line in
        '' | '#'*)
            comments+=$line$'\n'
            ;;
        [[:space:]]*)
            [ -n "$name" ] ||
                die "patches/$base/series:$n: a file, but no patch before it"
            files_of[$name]+=$(xargs <<<"$line")$'\n'
            ;;
        *)
            name=${line%.patch}
            [[ $line =~ ^[a-z0-9-]+/[a-z0-9-]+\.patch$ ]] ||
                die "patches/$base/series:$n: '$line' is not of the form" \
                    "topic/name.patch"
            [ "${name%/*}" != files ] ||
                die "patches/$base/series:$n: 'files' is not a topic, but the" \
                    "directory of this base's variants of new files"
            [ -z "${comments_of[$name]+set}" ] ||
                die "patches/$base/series:$n: $line is listed twice"
            patch_names+=("$name")
            comments_of[$name]=$comments
            files_of[$name]=
            comments=
            ;;
        esac
    done <"$patches/series"
    comments_at_end=$comments
}

# Not QEMU's, although beside files that are: the kernel module is built outside
# of QEMU's tree, and of docs/ only docs/devel is QEMU's
not_qemu='^tests/vfio-sim/kernel/|^docs/([^/]*$|images/)'

# tracked PATH...: files of this repository below PATH, new ones included
tracked()
{
    (
        cd "$top" || exit
        if user_git rev-parse --show-toplevel 2>/dev/null |
            grep -qxF "$top"; then
            user_git -c core.quotepath=off ls-files --cached --others \
                --exclude-standard -- "$@"
        else
            find "$@" -type f -o -type l |
                grep -vE '^(\.git|build)/|/__pycache__/|~$'
        fi
    ) | while IFS= read -r f; do
        [ ! -f "$top/$f" ] || printf '%s\n' "$f"
    done | sort -u
}

# new_file PATH: where the new file PATH is; a base may have a variant of it
new_file()
{
    if [ -f "$patches/files/$1" ]; then
        printf '%s\n' "$patches/files/$1"
    else
        printf '%s\n' "$top/$1"
    fi
}

# files_with NAME: the new files that come with a patch
files_with()
{
    local listed found

    [ -n "${files_of[$1]+set}" ] ||
        die "$1 is not in patches/$base/series"
    while IFS= read -r listed; do
        case $listed in
        '') continue ;;
        */)
            found=$({
                tracked "$listed"
                if [ -d "$patches/files/$listed" ]; then
                    (cd "$patches/files" && find "$listed" -type f)
                fi
            } | grep -vE "$not_qemu" | sort -u || true)
            ;;
        *) found=$([ ! -f "$(new_file "$listed")" ] || echo "$listed") ;;
        esac
        [ -n "$found" ] ||
            die "patches/$base/series: $listed, listed with $1.patch, is not" \
                "in this repository"
        printf '%s\n' "$found"
    done <<<"${files_of[$1]}"
}

# All new files of the series
new_files()
{
    local name twice

    load_series
    for name in "${patch_names[@]}"; do
        files_with "$name" || exit
    done | sort >"$build/.listed" || exit
    twice=$(uniq -d "$build/.listed" | xargs)
    [ -z "$twice" ] ||
        die "patches/$base/series lists with more than one patch: $twice"
    cat "$build/.listed"
    rm -f "$build/.listed"
}

# Files at a QEMU path that the series does not list
unlisted_files()
{
    local listed

    listed=$(new_files) || exit
    {
        # shellcheck disable=SC2046
        tracked $(cut -d/ -f1 <<<"$listed" | sort -u)
        if [ -d "$patches/files" ]; then
            (cd "$patches/files" && find . -type f | sed 's,^\./,,')
        fi
    } | grep -vxFf <(printf '%s\n' "$listed") | grep -vE "$not_qemu" || true
}

# A patch is one commit of the prepared tree, whose message ends with its name
patch_name_of()
{
    git -C "$1" log -1 --format=%B "$2" | sed -n 's/^Patch-Name: //p' | tail -n 1
}

# git's part of a commit's message
message_of()
{
    git -C "$1" log -1 --format=%B "$2" | sed '/^Patch-Name: /d' |
        git stripspace
}

# patch_of TREE COMMIT: the text of a patch.  The name is that of its file, and
# index lines would change whenever an earlier patch does.
patch_of()
{
    git -C "$1" "${format_patch[@]}" --stdout -1 "$2" | awk '
        /^diff --git / { body = 1; header = 1 }
        /^@@ / { header = 0 }
        !body && /^Patch-Name: / { blank = ""; next }
        !body && /^$/ { blank = blank "\n"; next }
        header && /^index [0-9a-f]+\.\.[0-9a-f]+( [0-7]+)?$/ { next }
        { printf "%s", blank; blank = ""; print }'
}
