# shellcheck shell=bash disable=SC2154
#
# axe-core, which looks for what keeps people with disabilities out of a web
# page. Read by tools/setup.sh. Only its archive is fetched, by npm; one file
# of it is kept. A machine without npm goes without, and the test says so.

axe_version=4.14.1
axe_archive_digest=e6b0ce02b84d892e2e33e403485e7f3d6c29e2be6df65daf44d89ba564139745

axe_file() { printf '%s\n' "${RAGSTORE_AXE:-$cache/axe/$axe_version/axe.min.js}"; }

axe_missing() {
    command -v npm >/dev/null || return 0
    [ -s "$(axe_file)" ] || echo "axe-core $axe_version in $(axe_file)"
}

axe_verify() {
    command -v npm >/dev/null || return 0
    grep -q "axe v$axe_version" "$(axe_file)" ||
        echo "axe-core: $(axe_file) is not version $axe_version; remove it and run tools/setup.sh axe"
}

axe_setup() {
    local log=$cache/logs/axe.log began=$SECONDS directory
    [ -n "$(axe_missing)" ] || return 0

    begin axe 20
    if [ -n "$(axe_missing)" ]; then
        directory=$(axe_file)
        run "fetching axe-core $axe_version (1 MB)" "$log" no_meter axe_fetch || {
            end_of "$log"
            fail "axe-core $axe_version could not be fetched" "is the network there? Then try again"
        }
        put "$scratch/kept" "${directory%/*}"
        done_here+=("fetched axe-core $axe_version in $((SECONDS - began)) s")
    fi
    finish
}

axe_fetch() {
    rm -rf "${scratch:?}"/*
    mkdir "$scratch/unpacked" "$scratch/kept"
    (cd "$scratch" && npm pack --silent --cache "$scratch/npm" "axe-core@$axe_version") || return
    [ "$(digest "$scratch/axe-core-$axe_version.tgz")" = "$axe_archive_digest" ] || {
        echo "axe-core-$axe_version.tgz: the digest is not the expected one"
        return 1
    }
    tar -xzf "$scratch/axe-core-$axe_version.tgz" -C "$scratch/unpacked" || return
    mv "$scratch/unpacked/package/axe.min.js" "$scratch/unpacked/package/LICENSE" "$scratch/kept"
}
