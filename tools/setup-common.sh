# shellcheck shell=bash
#
# The cache, messages, locks and progress. Read by tools/setup.sh.

# Commands are read by their English output, and a make above us must not
# hand its jobs and flags to the makes below.
export LC_ALL=C
unset MAKEFLAGS MFLAGS MAKELEVEL CDPATH

# What this run did, for its last line.
# shellcheck disable=SC2034
done_here=()
scratch= # temporary directory of the step under way
child=   # process group of the command under way

say() { printf 'setup: %s\n' "$*"; }

# fail WHAT [WHAT TO DO...]
fail() {
    printf 'setup: error: %s\n' "$1" >&2
    shift
    [ $# -eq 0 ] || printf 'setup: %s\n' "$@" >&2
    exit 1
}

# join SEPARATOR WORD...
join() {
    local separator=$1 text=$2
    shift 2
    local word
    for word in "$@"; do text+=$separator$word; done
    printf '%s' "$text"
}

cache_directory() {
    local home=${HOME:-}
    case ${XDG_CACHE_HOME:-} in
    /*) printf '%s/ragstore' "$XDG_CACHE_HOME" && return ;;
    esac
    [ -n "$home" ] || home=$(getent passwd "$(id -u)" | cut -d: -f6) || true
    [ -n "$home" ] || fail "no place for the cache: HOME is not set" \
        "set HOME or XDG_CACHE_HOME to a directory that can be written"
    printf '%s/.cache/ragstore' "$home"
}

cache=$(cache_directory)

# same_sizes DIRECTORY LIST, same_digests DIRECTORY LIST: whether each file of
# LIST (lines of "size sha256 path") is as it should be.
same_sizes() {
    local paths
    mapfile -t paths < <(awk '{ print $3 }' <<<"$2")
    [ ${#paths[@]} -gt 0 ] &&
        [ "$(cd "$1" 2>/dev/null && stat -Lc '%s %n' -- "${paths[@]}" 2>/dev/null)" = \
            "$(awk '{ print $1, $3 }' <<<"$2")" ]
}

same_digests() {
    (cd "$1" 2>/dev/null && awk '{ print $2 "  " $3 }' <<<"$2" |
        sha256sum --check --status --strict 2>/dev/null)
}

digest() { sha256sum <"$1" | cut -d' ' -f1; }

# begin NAME MEGABYTES: takes the lock of $cache/NAME (released when this
# process ends), checks the room on the disk, and makes $scratch inside it.
begin() {
    local room=$cache/$1 free
    if ! mkdir -p "$room" "$cache/logs" 2>/dev/null || [ ! -w "$room" ]; then
        fail "cannot write to $room" \
            "set XDG_CACHE_HOME to a directory that can be written"
    fi
    exec 9>>"$room/.lock"
    if ! flock -n 9; then
        say "waiting for another set-up that is at work in $room"
        flock 9
    fi
    rm -rf "$room"/.tmp.* 2>/dev/null || true # of one that was killed
    free=$(df -Pk "$room" | awk 'NR == 2 { print int($4 / 1024) }')
    [ "$free" -ge "$2" ] || fail "$room: $2 MB needed, $free MB free on its disk" \
        "make room, or set XDG_CACHE_HOME to a directory on another disk"
    scratch=$(mktemp -d "$room/.tmp.XXXXXX")
    trap clean_up EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
}

# put DIRECTORY PLACE: renames a finished directory into its place.
put() {
    [ ! -e "$2" ] || mv -T "$2" "$scratch/replaced"
    mv -T "$1" "$2"
}

# finish: the end of what begin started.
finish() {
    clean_up
    exec 9>&-
}

clean_up() {
    if [ -n "$child" ]; then
        kill -TERM -- "-$child" 2>/dev/null || true
        wait "$child" 2>/dev/null || true
        child=
    fi
    if [ -n "$scratch" ]; then
        rm -rf "$scratch"
        scratch=
    fi
}

# run LABEL LOG METER COMMAND...: runs the command with its output in LOG and
# shows how far it is. METER prints a percentage, or nothing if it cannot tell.
run() {
    local label=$1 log=$2 meter=$3 began=$SECONDS status=0 percent told=0 told_at=$SECONDS
    shift 3
    mkdir -p "${log%/*}"
    set -m # a process group of its own, so that it can be stopped whole
    "$@" >"$log" 2>&1 </dev/null 9>&- &
    child=$!
    set +m
    show "$label"
    while kill -0 "$child" 2>/dev/null; do
        sleep 0.2
        percent=$($meter 2>/dev/null || true)
        if [ -n "$live" ]; then
            show "$label: ${percent:+$percent %, }$((SECONDS - began)) s"
        elif [ "${percent:-0}" -ge $((told + 10)) ] || [ $((SECONDS - told_at)) -ge 15 ]; then
            told=${percent:-0} told_at=$SECONDS
            say "$label: ${percent:+$percent %, }$((SECONDS - began)) s"
        fi
    done
    wait "$child" || status=$?
    child=
    [ -z "$live" ] || printf '\r\033[K'
    return $status
}

# On a terminal one line is written over and over; elsewhere there is a line
# at the start, and one for each tenth or quarter of a minute.
live=
if [ -t 1 ] && [ "${TERM:-dumb}" != dumb ] && [ -z "${CI:-}" ]; then live=yes; fi

show() {
    if [ -n "$live" ]; then printf '\r\033[Ksetup: %s' "$1"; else say "$1 ..."; fi
}

no_meter() { :; }

# end_of LOG: the last lines of a log, after a failure.
end_of() {
    printf 'setup: the end of %s:\n' "$1" >&2
    grep -v 'WARNING: Retrying' "$1" | tail -n 12 | cut -c 1-200 | sed 's/^/    /' >&2
}
