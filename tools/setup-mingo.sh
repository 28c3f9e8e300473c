# shellcheck shell=bash disable=SC2154
#
# mingo, an implementation of MongoDB's query language in JavaScript that the
# tests compare ours with. Read by tools/setup.sh.
#
# Only its archive is fetched, by npm, and unpacked; it needs no other package
# and nothing is installed. A machine without node and npm goes without: the
# comparison is skipped there and says so.

mingo_version=7.2.7
mingo_archive_digest=49902e269eaf7756353101126bde77d8baf88afa69ee5a421db9056e8428c8b8

mingo_directory() { printf '%s\n' "${RAGSTORE_MINGO:-$cache/mingo/$mingo_version}"; }

mingo_missing() {
    command -v node >/dev/null && command -v npm >/dev/null || return 0
    [ -s "$(mingo_directory)/package.json" ] || echo "mingo $mingo_version in $(mingo_directory)"
}

mingo_verify() {
    command -v node >/dev/null || return 0
    node -e 'require(process.argv[1] + "/cjs/index.js")' "$(mingo_directory)" >/dev/null 2>&1 ||
        echo "mingo does not load; remove $(mingo_directory) and run tools/setup.sh mingo"
}

mingo_setup() {
    local log=$cache/logs/mingo.log began=$SECONDS
    [ -n "$(mingo_missing)" ] || return 0

    begin mingo 20
    if [ -n "$(mingo_missing)" ]; then
        run "fetching mingo $mingo_version (0.2 MB)" "$log" no_meter mingo_fetch || {
            end_of "$log"
            fail "mingo $mingo_version could not be fetched" "is the network there? Then try again"
        }
        put "$scratch/unpacked/package" "$(mingo_directory)"
        done_here+=("fetched mingo $mingo_version in $((SECONDS - began)) s")
    fi
    finish
}

mingo_fetch() {
    rm -rf "${scratch:?}"/*
    mkdir "$scratch/unpacked"
    (cd "$scratch" && npm pack --silent --cache "$scratch/npm" "mingo@$mingo_version") || return
    [ "$(digest "$scratch/mingo-$mingo_version.tgz")" = "$mingo_archive_digest" ] || {
        echo "mingo-$mingo_version.tgz: the digest is not the expected one"
        return 1
    }
    tar -xzf "$scratch/mingo-$mingo_version.tgz" -C "$scratch/unpacked"
}
