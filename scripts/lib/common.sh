# shellcheck shell=bash disable=SC2034,SC2154
# SPDX-License-Identifier: GPL-2.0-or-later
# What the scripts share; to be sourced.

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
build=$top/build
me=$(basename "$0")

# Nothing here may depend on how the user has set up git, or on the language.
export LC_ALL=C
export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null GIT_TERMINAL_PROMPT=0
unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE

# git with the user's settings, for the user's own repository
user_git()
{
    env -u GIT_CONFIG_GLOBAL -u GIT_CONFIG_NOSYSTEM git "$@"
}

# Commits that are made here are reproducible
export GIT_COMMITTER_NAME='series' GIT_COMMITTER_EMAIL='series@localhost'

# A patch reads the same on every machine and with every version of git
format_patch=(
    -c core.abbrev=40 -c core.quotepath=true -c diff.algorithm=myers
    format-patch --quiet --no-numbered --no-stat --zero-commit --full-index
    --no-signature --no-renames --no-color --no-ext-diff --no-textconv
    --no-attach --no-thread --no-encode-email-headers --no-notes
    --no-cover-letter --subject-prefix=PATCH --unified=3 --binary
    --diff-algorithm=myers --src-prefix=a/ --dst-prefix=b/
)

say()
{
    printf '%s: %s\n' "$me" "$*"
}

# die MESSAGE...: one line that names the culprit and the way out
die()
{
    said=yes
    printf '%s: error: %s\n' "$me" "$*" >&2
    exit 1
}

usage_error()
{
    said=yes
    printf '%s: error: %s (see %s --help)\n' "$me" "$*" "$0" >&2
    exit 2
}

# finish PASSED FAILED SKIPPED [LOGS]: the last line of a check and its status;
# if something failed, the directory of the logs follows
finish()
{
    said=yes
    echo "$1 passed, $2 failed, $3 skipped"
    if [ "$2" -gt 0 ] || [ "$1" -eq 0 ]; then
        if [ $# -gt 3 ]; then
            echo "$4"
        fi
        exit 1
    fi
    exit 0
}

# Whatever ends a script is explained, a full disk above all
said=no
temps=()
at_exit()
{
    local rc=$? free

    trap - EXIT
    free=$(free_mib "$top")
    [ ${#temps[@]} -eq 0 ] || rm -rf -- "${temps[@]}"
    if [ $rc -ne 0 ] && [ $said = no ]; then
        if [ "$free" -lt 16 ]; then
            printf '%s: error: the disk of %s is full: make room, then run this again\n' \
                "$me" "$build" >&2
        else
            printf '%s: error: stopped (status %s); see the messages above\n' \
                "$me" $rc >&2
        fi
    fi
    exit $rc
}
trap at_exit EXIT
# Seen even where the output goes into a log
exec 8>&2
trap 'said=yes; echo "$me: interrupted; run it again to go on" >&8; exit 130' \
    INT TERM HUP

# call SCRIPT ARG...: another script of scripts/, which explains its own failures
call()
{
    local script=$1 rc=0
    shift

    "$top/scripts/$script" "$@" || rc=$?
    [ $rc -eq 0 ] || { said=yes; exit $rc; }
}

have()
{
    command -v "$1" >/dev/null 2>&1
}

free_mib()
{
    local d=$build

    [ -d "$d" ] || d=$1
    df -Pk "$d" | awk 'NR == 2 { print int($4 / 1024) }'
}

# not_full MIB: something failed; if that is because there is no room, say so
not_full()
{
    [ "$(free_mib "$top")" -ge "$1" ] ||
        die "the disk of $build is full: make room, then run this again"
}

# need_space MIB WHAT
need_space()
{
    local free

    free=$(free_mib "$top")
    [ "$free" -ge "$1" ] ||
        die "the disk of $build has $free MiB left, and $2 needs about" \
            "$1 MiB: make room, then run this again"
}

# One run at a time works in build/. Scripts that call one another share the
# lock of the outermost.
lock_build()
{
    mkdir -p "$build" || die "cannot make $build"
    [ "${SERIES_LOCK:-}" != "$top" ] || return 0
    exec 9>>"$build/.lock"
    flock -n 9 ||
        die "another run is working in $build: wait for it to end," \
            "or stop it (fuser $build/.lock tells which)"
    export SERIES_LOCK=$top
}

# Trees that differ in a few files share the rest of the compiler's work: in
# each of them ccache sees the same relative paths
share_ccache()
{
    export CCACHE_BASEDIR=${CCACHE_BASEDIR:-$build}
    export CCACHE_NOHASHDIR=${CCACHE_NOHASHDIR:-1}
    # A file that it does not know is not preprocessed separately
    export CCACHE_DEPEND=${CCACHE_DEPEND:-1}
}

known_bases()
{
    local f

    for f in "$top"/bases/*; do
        f=${f##*/}
        case $f in
        *.sha256) ;;
        *) printf '%s\n' "$f" ;;
        esac
    done | sort -Vr
}

# The base to work on: --base, else what configure chose, else the newest
default_base()
{
    if [ -n "${BASE:-}" ]; then
        echo "$BASE"
    elif [ -s "$build/base" ]; then
        cat "$build/base"
    else
        known_bases | head -n 1
    fi
}

load_base()
{
    base=$1
    [ -n "$base" ] && [ -f "$top/bases/$base" ] &&
        [ "${base%.sha256}" = "$base" ] && [ "${base#*/}" = "$base" ] ||
        die "unknown base '$base': known are $(known_bases | xargs)"
    # shellcheck source=bases/10.2
    . "$top/bases/$base"
    src=$build/$base/src
    obj=$build/$base/obj
    patches=$top/patches/$base
    hashes=$top/bases/$base.sha256
    # shellcheck source=scripts/lib/series.sh
    . "$top/scripts/lib/series.sh"
}

# state KEY [VALUE]: what prepare remembers about a tree, kept inside it
state()
{
    if [ $# -eq 1 ]; then
        git -C "$src" config --local --get "series.$1" || true
    else
        git -C "$src" config --local "series.$1" "$2"
    fi
}

# edited TREE: has somebody worked in the prepared tree?
edited()
{
    [ "$(git -C "$src" rev-parse HEAD)" != "$(state head)" ] ||
        [ -n "$(git -C "$src" status --porcelain | head -n 1)" ]
}

# sum_counts N FILE...: "PASSED FAILED SKIPPED" of the last counts of N checks, whose
# output is in the files; one that ends without its count has failed
sum_counts()
{
    local parts=$1 f
    shift

    for f; do
        grep -xE '[0-9]+ passed, [0-9]+ failed(, [0-9]+ skipped)?' "$f" |
            tail -n 1 || true
    done | awk -v parts="$parts" '
        { passed += $1; failed += $3; skipped += $5 }
        END { print passed + 0, failed + parts - NR, skipped + 0 }'
}

# What try shows of the output of a check that failed
excerpt=(head -n 40)

# try NAME COMMAND...: run one check, with its output in $logs, count it in $passed or
# $failed, and say how it went
try()
{
    local name=$1 log=$logs/${1//[^a-zA-Z0-9]/-}.log
    shift

    if "$@" >"$log" 2>&1 </dev/null; then
        passed=$((passed + 1))
        say "ok: $name"
    else
        failed=$((failed + 1))
        say "FAILED: $name"
        "${excerpt[@]}" "$log" | sed 's/^/    /'
    fi
}

# ninja's progress: a line that changes on a terminal, else a line every 10 %.
# A few steps are done before a line about them can be read.
progress()
{
    local line n t last=0 p tty=no

    if [ -t 1 ]; then
        tty=yes
    fi
    while IFS= read -r line; do
        [[ $line =~ ^\[([0-9]+)/([0-9]+)\]\ (.*) ]] || continue
        n=${BASH_REMATCH[1]}
        t=${BASH_REMATCH[2]}
        [ "$t" -ge 20 ] || continue
        p=$((n * 100 / t))
        if [ $tty = yes ]; then
            printf '\r\033[K%3d %% [%d/%d] %.50s' $p "$n" "$t" \
                "${BASH_REMATCH[3]}"
        elif [ $((p / 10)) -gt $last ]; then
            last=$((p / 10))
            printf '  %3d %% of %d steps\n' $p "$t"
        fi
    done
    if [ $tty = yes ]; then
        printf '\r\033[K'
    fi
}
