#!/usr/bin/env bash
#
# Installs into an empty directory, builds every C example with nothing but
# pkg-config and that copy, shared and static, runs them, and uninstalls:
# nothing may be left.

set -euo pipefail
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() { printf 'install: %s\n' "$*" >&2; exit 1; }

make --no-print-directory install DESTDIR="$work/root" PREFIX=/opt/ragstore >"$work/log" 2>&1 ||
    { cat "$work/log" >&2; fail 'make install failed'; }
prefix=$work/root/opt/ragstore
export PKG_CONFIG_PATH=$prefix/lib/pkgconfig:${PKG_CONFIG_PATH:-}

# the library exports its own symbols and no other
nm -D --defined-only "$prefix/lib/libragstore.so" | awk '$2 != "A" { print $3 }' | sed 's/@.*//' |
    grep -v '^ragstore_' && fail 'it exports symbols that are not its own'

cp examples/c/*.c "$work"
cd "$work"
for source in *.c; do
    name=${source%.c}
    # shellcheck disable=SC2046 # pkg-config prints words
    ${CC:-cc} -std=c11 "$source" -o "$name" $(pkg-config --cflags --libs ragstore) -Wl,-rpath,"$prefix/lib"
    # static: our own archive, everything else as the system has it
    # shellcheck disable=SC2046
    ${CC:-cc} -std=c11 "$source" -o "$name-static" $(pkg-config --cflags ragstore) "$prefix/lib/libragstore.a" \
        $(pkg-config --static --libs ragstore | sed 's/-lragstore//')
    for program in "$name" "$name-static"; do
        "./$program" "$work/store-$program" >"$program.out" || fail "$program failed"
        [ -s "$program.out" ] || fail "$program printed nothing"
        if "./$program" "$work/missing/store" >/dev/null 2>"$program.err"; then
            fail "$program did not notice a missing directory"
        fi
        [ -s "$program.err" ] || fail "$program failed without a message"
    done
    if ldd "$name-static" | grep -q libragstore; then fail "$name-static is not static"; fi
done
[ "$("$prefix/bin/ragstore-server" --version)" ] || fail 'the installed server does not start'
printf 'The installed tool knows walruses.' | "$prefix/bin/ragstore" add --create acme --data-dir "$work/tool" --quiet ||
    fail 'the installed tool cannot add'
"$prefix/bin/ragstore" search acme walruses --data-dir "$work/tool" | grep -q 'installed tool' ||
    fail 'the installed tool cannot search'
bash -n "$prefix/share/bash-completion/completions/ragstore" || fail 'no completion was installed'
if [ -x "$OLDPWD/build/bin/ragstore-extract" ]; then
    said=$(printf 'From: a@example.org\nMIME-Version: 1.0\nSubject: walrus\n\nseen\n' | "$prefix/bin/ragstore-extract") ||
        fail 'the installed extraction helper failed'
    case $said in *walrus*seen*) ;; *) fail "the installed extraction helper said: $said" ;; esac
fi

cd "$OLDPWD"
make --no-print-directory uninstall DESTDIR="$work/root" PREFIX=/opt/ragstore >"$work/log" 2>&1
left=$(find "$work/root" -type f -o -type l)
[ -z "$left" ] || fail "uninstall left: $left"
