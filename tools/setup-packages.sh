# shellcheck shell=bash disable=SC2154
#
# Debian packages. Read by tools/setup.sh.
#
# A package counts as there if dpkg says so, or if the thing that it is wanted
# for is found without it (second column): a command, a pkg-config module or a
# header. So a machine that brings its own is left alone.

packages_for_check=no

packages_wanted() {
    cat <<EOF
gcc                command ${CC:-gcc}
g++                command ${CXX:-g++}
make               command make
pkg-config         command ${PKG_CONFIG:-pkg-config}
util-linux         command flock
ca-certificates    file    /etc/ssl/certs/ca-certificates.crt
curl               command curl
libjansson-dev     module  jansson
libopenblas-dev    module  openblas
libstemmer-dev     header  libstemmer.h
libutf8proc-dev    module  libutf8proc
libuchardet-dev    module  uchardet
libpcre2-dev       module  libpcre2-8
libmicrohttpd-dev  module  libmicrohttpd
nettle-dev         module  nettle
libpoppler-glib-dev module poppler-glib
libzip-dev         module  libzip
libxml2-dev        module  libxml-2.0
libgmime-3.0-dev   module  gmime-3.0
libseccomp-dev     module  libseccomp
libcurl4-openssl-dev module libcurl
mandoc             command mandoc
EOF
    if [ -n "$(faiss_missing)" ] && [ -z "${FAISS_PREFIX:-}" ]; then
        cat <<EOF
cmake              command cmake
dpkg-dev           command dpkg-source
EOF
    fi
    if [ -n "$(model_missing)" ] && [ -z "${RAGSTORE_MODEL:-}" ]; then
        echo "python3-venv python -"
    fi
    [ $packages_for_check = yes ] || return 0
    if [ -n "$(python_missing)" ]; then
        echo "python3-venv python -"
    fi
    cat <<EOF
libcmocka-dev      module  cmocka
libsqlite3-dev     module  sqlite3
clang              command clang
libclang-rt-dev    clang   -
valgrind           command valgrind
abigail-tools      command abidiff
strace             command strace
jq                 command jq
chromium           command chromium
chromium-driver    command chromedriver
EOF
    # only root can mount what they make
    [ "$(id -u)" -eq 0 ] || return 0
    cat <<EOF
xfsprogs           file    /usr/sbin/mkfs.xfs
btrfs-progs        file    /usr/sbin/mkfs.btrfs
EOF
}

# there KIND NAME
# shellcheck disable=SC2086 # CC and CPPFLAGS are lists of words
there() {
    case $1 in
    command) command -v "${2%% *}" >/dev/null ;;
    module) "${PKG_CONFIG:-pkg-config}" --exists "$2" 2>/dev/null ;;
    header) echo "#include <$2>" | ${CC:-gcc} ${CPPFLAGS:-} -E -x c - >/dev/null 2>&1 ;;
    file) [ -s "$2" ] ;;
    python) python_usable >/dev/null ;;
    clang) clang -print-file-name=libclang_rt.asan-"$(uname -m)".a 2>/dev/null | grep -q / ;;
    esac
}

# The names of the packages to install, one a line.
packages_to_install() {
    local installed package kind name
    local -A seen=()
    if command -v dpkg-query >/dev/null; then
        # Words, not quoted: the names, and none of them has a space.
        # shellcheck disable=SC2046
        installed=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' \
            $(packages_wanted | awk '{ print $1 }') 2>/dev/null |
            awk '$2 == "installed" { print $1 }') || true
    fi
    while read -r package kind name; do
        case $'\n'${installed:-}$'\n' in *$'\n'"$package"$'\n'*) continue ;; esac
        there "$kind" "$name" && continue
        [ "$package" != libclang-rt-dev ] || package=$(clang_runtime)
        [ -n "${seen[$package]:-}" ] || printf '%s\n' "$package"
        seen[$package]=yes
    done < <(packages_wanted)
}

# The sanitizers of clang are in a package named after its version.
clang_runtime() {
    local version
    version=$(apt-cache depends clang 2>/dev/null |
        sed -n 's/.*Depends: clang-\([0-9][0-9]*\)$/\1/p' | head -n 1)
    echo "libclang-rt-${version:-14}-dev"
}

packages_missing() {
    packages_to_install | sed 's/^/package /'
}

packages_verify() { :; }

packages_setup() {
    local missing log=$cache/logs/packages.log
    mapfile -t missing < <(packages_to_install)
    [ ${#missing[@]} -gt 0 ] || return 0

    command -v apt-get >/dev/null ||
        fail "missing: ${missing[*]} (Debian's names), and there is no apt-get here" \
            "install them by this system's own means"

    local install="apt-get install -y --no-install-recommends ${missing[*]}"
    if [ "$(id -u)" -ne 0 ]; then
        printf 'setup: %s\n' "missing Debian packages; run this once, then try again:" >&2
        if have_package_lists; then
            printf '\n    sudo %s\n\n' "$install" >&2
        else
            printf '\n    sudo sh -c "apt-get update && %s"\n\n' "$install" >&2
        fi
        exit 3
    fi

    say "Debian packages missing: ${missing[*]}"
    if { have_package_lists && run "installing" "$log" no_meter apt_get install "${missing[@]}"; } ||
        { run "fetching the package lists" "$log" no_meter apt_get update &&
            run "installing" "$log" no_meter apt_get install "${missing[@]}"; }; then
        done_here+=("installed ${missing[*]}")
    else
        end_of "$log"
        fail "apt-get could not install ${missing[*]}" \
            "is the network there, and are /etc/apt's sources right? then try again"
    fi
}

have_package_lists() { compgen -G '/var/lib/apt/lists/*_Packages*' >/dev/null; }

# apt_get update, apt_get install PACKAGE...
apt_get() {
    local verb=$1
    shift
    [ "$verb" = update ] || set -- -y --no-install-recommends "$@"
    DEBIAN_FRONTEND=noninteractive apt-get -q -o Dpkg::Use-Pty=0 \
        -o DPkg::Lock::Timeout=300 "$verb" "$@"
}
