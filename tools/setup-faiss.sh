# shellcheck shell=bash disable=SC2154
#
# FAISS with its C API, built from Debian's source package: static, position-
# independent, hidden symbols, to be linked into libragstore. (Debian's own
# binary has the C headers without the code, and no vector instructions.)
# Read by tools/setup.sh.
#
# It is built for x86-64-v3, and libragstore asks the processor before it calls
# FAISS. But FAISS has constructors of global objects, which would run when the
# library is loaded, on any processor. So these are moved out of the loader's
# sight, and one function built for the base level runs them where it can
# (faiss_guard_constructors).

# Raise this when the build below gives another result.
faiss_recipe=2

# The FAISS of each Debian release, and the digest of its archive. A release
# that is not here is named by its code name, and its archive is verified by
# apt alone.
faiss_version_of() {
    case $1 in
    bookworm) echo 1.7.3 ;;
    *) echo "${1:-unknown}" ;;
    esac
}
faiss_digest_of() {
    case $1 in
    1.7.3) echo 3e4fac26d8c9e9008ecea4ae5fc414c658998fce4ba75835058b1a71d3516002 ;;
    esac
}

# Sets faiss_cxx, faiss_compiler (as "gcc12.2.0"), faiss_level and faiss_place.
faiss_identify() {
    local command macros
    for command in "${CXX:-g++}" g++; do
        read -ra faiss_cxx <<<"$command"
        faiss_level=x86-64-v3
        macros=$(faiss_macros -march=x86-64-v3) || {
            faiss_level=
            macros=$(faiss_macros) || macros=
        }
        case $macros in *__clang__*) ;; *) break ;; esac
    done
    read -r faiss_compiler faiss_level < <(awk -v level="$faiss_level" '
        { macro[$2] = $3 }
        END {
            compiler = "nocompiler"
            if ("__GNUC__" in macro)
                compiler = "gcc" macro["__GNUC__"] "." macro["__GNUC_MINOR__"] "." macro["__GNUC_PATCHLEVEL__"]
            if (level == "")
                level = "__aarch64__" in macro ? "aarch64" : "base"
            print compiler, level
        }' <<<"$macros")
    faiss_place=$cache/faiss/$(faiss_version_of "$(debian_release)")
    faiss_place+=-$faiss_compiler-$faiss_level-$faiss_recipe
}

faiss_macros() { "${faiss_cxx[@]}" "$@" -dM -E -x c++ /dev/null 2>/dev/null; }

faiss_prefix() {
    if [ -n "${FAISS_PREFIX:-}" ]; then
        printf '%s\n' "$FAISS_PREFIX"
    else
        faiss_identify
        printf '%s\n' "$faiss_place"
    fi
}

faiss_missing() {
    if [ -n "${FAISS_PREFIX:-}" ]; then
        any_of "$FAISS_PREFIX"/include/{faiss/,}c_api/Index_c.h ||
            echo "FAISS: include/faiss/c_api/Index_c.h in FAISS_PREFIX=$FAISS_PREFIX"
        any_of "$FAISS_PREFIX"/{lib,lib64,lib/*-linux-gnu*}/libfaiss_c.{a,so} ||
            echo "FAISS: lib/libfaiss_c.a or .so in FAISS_PREFIX=$FAISS_PREFIX"
    else
        faiss_identify
        faiss_whole same_sizes || echo "FAISS with its C API in $faiss_place"
    fi
}

any_of() {
    local file
    for file in "$@"; do
        [ ! -e "$file" ] || return 0
    done
    return 1
}

# faiss_whole CHECK: whether every file named in BUILT passes the check.
faiss_whole() {
    [ -s "$faiss_place/BUILT" ] &&
        "$1" "$faiss_place" "$(sed -n 's/^file *//p' "$faiss_place/BUILT")"
}

faiss_verify() {
    [ -z "${FAISS_PREFIX:-}" ] || return 0
    faiss_identify
    faiss_whole same_digests ||
        echo "FAISS: other bytes than were built in $faiss_place; remove it and run tools/setup.sh faiss"
}

faiss_setup() {
    local missing began=$SECONDS logs=$cache/logs
    mapfile -t missing < <(faiss_missing)
    [ ${#missing[@]} -gt 0 ] || return 0
    [ -z "${FAISS_PREFIX:-}" ] || fail "missing: $(join "; " "${missing[@]}")" \
        "unset FAISS_PREFIX to have FAISS built from Debian's source package"
    faiss_identify
    faiss_need_tools

    begin faiss 250
    if [ -n "$(faiss_missing)" ]; then
        faiss_get_source
        faiss_step "unpacking FAISS" "$logs/faiss-unpack.log" no_meter faiss_unpack
        faiss_version=$(<"$scratch/version")
        say "FAISS $faiss_version is built once for $faiss_compiler and $faiss_level; on two cores this takes about two minutes"
        faiss_step "building FAISS" "$logs/faiss-build.log" faiss_build_meter faiss_build
        faiss_step "trying FAISS" "$logs/faiss-try.log" no_meter faiss_try
        put "$scratch/out" "$faiss_place"
        done_here+=("built FAISS $faiss_version in $((SECONDS - began)) s")
    fi
    finish
}

faiss_step() {
    run "$@" && return
    end_of "$2"
    case $(tail -n 50 "$2") in
    *"No space left"*) fail "$1 failed: a disk is full" "make room, then try again" ;;
    esac
    fail "$1 failed" "the whole output is in $2"
}

faiss_need_tools() {
    local tool
    [ "$faiss_compiler" != nocompiler ] ||
        fail "the C++ compiler ${CXX:-g++} does not work" "run tools/setup.sh packages, or set CXX"
    for tool in "${CC:-gcc}" cmake make ld objcopy; do
        command -v "${tool%% *}" >/dev/null ||
            fail "building FAISS needs $tool" "run tools/setup.sh packages"
    done
    for tool in apt-get dpkg-source; do
        command -v "$tool" >/dev/null ||
            fail "FAISS comes from Debian's source package, and there is no $tool here" \
                "on Debian run tools/setup.sh packages" \
                "elsewhere set FAISS_PREFIX to an installed FAISS with its C API"
    done
}

# ---- the source: to $scratch/source, then to $scratch/tree

# The archives of a pinned version are kept, so that another compiler's build
# needs no network.
faiss_get_source() {
    local kept
    kept=$cache/downloads/faiss-$(faiss_version_of "$(debian_release)")
    if [ -e "$kept" ]; then
        cp -r "$kept" "$scratch/source"
        return
    fi
    run "fetching the source of FAISS" "$cache/logs/faiss-fetch.log" no_meter \
        debian_source_fetch faiss "$scratch/source" && return
    end_of "$cache/logs/faiss-fetch.log"
    fail "the source package of FAISS could not be fetched" \
        "is the network there, and has this machine a Debian archive in /etc/apt? Then try again" \
        "or set FAISS_PREFIX to an installed FAISS with its C API"
}

faiss_unpack() {
    local archive version expected
    archive=$(echo "$scratch"/source/faiss_*.orig.tar.*)
    version=${archive##*/faiss_}
    version=${version%.orig.tar.*}
    expected=$(faiss_digest_of "$version")
    echo "FAISS $version"
    [ -n "$expected" ] ||
        echo "no digest is pinned for this version: apt's verification is trusted alone"
    # dpkg-source compares the archives with their signed description.
    if { [ -n "$expected" ] && [ "$(digest "$archive")" != "$expected" ]; } ||
        ! dpkg-source -x "$scratch"/source/faiss_*.dsc "$scratch/tree"; then
        echo "these are not the expected archives; they are removed, so that another try fetches them again"
        rm -rf "$cache/downloads/faiss-$version"
        return 1
    fi
    echo "$version" >"$scratch/version"
    [ -n "$expected" ] && [ ! -e "$cache/downloads/faiss-$version" ] || return 0
    mkdir -p "$cache/downloads" && cp -r "$scratch/source" "$scratch/keep" &&
        mv -T "$scratch/keep" "$cache/downloads/faiss-$version"
}

# ---- the build: in $scratch/build, then to $scratch/out

faiss_flags() {
    printf '%s ' -fPIC -fvisibility=hidden -fvisibility-inlines-hidden -ffunction-sections -fdata-sections
    [ "$faiss_level" != x86-64-v3 ] || printf '%s ' -march=x86-64-v3
}

# Each job of the compiler takes up to a gigabyte and a half.
faiss_jobs() {
    awk -v cores="$(nproc)" '
        /^MemAvailable/ { fit = int($2 / 1500000) }
        END { print (fit < 1 ? 1 : fit < cores ? fit : cores) }' /proc/meminfo
}

faiss_build() {
    local tree=$scratch/tree build=$scratch/build flags
    # FAISS puts the names of its source files into its messages.
    flags="$(faiss_flags)'-ffile-prefix-map=$tree=faiss'"
    CC=${CC:-gcc} CXX=${faiss_cxx[*]} LDFLAGS='' cmake -G "Unix Makefiles" -S "$tree" -B "$build" \
        -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_FLAGS_RELEASE="-O3 -DNDEBUG" \
        -DCMAKE_C_FLAGS="$flags" -DCMAKE_CXX_FLAGS="$flags" \
        -DBUILD_SHARED_LIBS=OFF -DBUILD_TESTING=OFF -DBLA_VENDOR=OpenBLAS \
        -DCMAKE_DISABLE_FIND_PACKAGE_MKL=ON -DFAISS_OPT_LEVEL=generic \
        -DFAISS_ENABLE_C_API=ON -DFAISS_ENABLE_GPU=OFF -DFAISS_ENABLE_PYTHON=OFF &&
        cmake --build "$build" --target faiss_c --parallel "$(faiss_jobs)" &&
        faiss_gather
}

faiss_build_meter() {
    tail -c 2000 "$cache/logs/faiss-build.log" | sed -n 's/^\[ *\([0-9]*\)%\].*/\1/p' | tail -n 1
}

# What a user of the C API needs, and BUILT.
faiss_gather() {
    local tree=$scratch/tree build=$scratch/build out=$scratch/out file
    mkdir -p "$out/lib" "$out/include/faiss/c_api" &&
        cp "$build/faiss/libfaiss.a" "$build/c_api/libfaiss_c.a" "$out/lib/" &&
        cp "$tree/LICENSE" "$out/" &&
        faiss_guard_constructors "$out/lib" || return
    (cd "$tree/c_api" && find . -name '*_c.h' ! -path './gpu/*' -exec \
        cp --parents -t "$out/include/faiss/c_api" {} +) || return
    {
        echo "# FAISS with its C API; made by tools/setup.sh faiss"
        sed -n 's/^Version: /version   /p' "$scratch"/source/faiss_*.dsc | head -n 1
        echo "compiler  $faiss_compiler"
        echo "level     $faiss_level"
        echo "flags     -O3 $(faiss_flags)"
        (cd "$scratch/source" && sha256sum -- *) | sed 's/^/source    /'
        (cd "$out" && find . -type f -printf '%P\n' | sort | while read -r file; do
            echo "file      $(stat -c %s "$file") $(digest "$file") $file"
        done)
    } >"$scratch/BUILT" && mv "$scratch/BUILT" "$out/BUILT"
}

# faiss_guard_constructors LIB: renames the section that lists constructors, so
# that only the function below runs them, and ties that function to an object
# which every use of the C API needs.
faiss_guard_constructors() {
    [ "$faiss_level" = x86-64-v3 ] || return 0
    cd "$scratch/build" || return
    cat >guard.c <<'EOF'
typedef void constructor(void);

/* The linker defines these, first and last of the renamed section. */
extern constructor *const __start_faiss_constructors[] __attribute__((weak, visibility("hidden")));
extern constructor *const __stop_faiss_constructors[] __attribute__((weak, visibility("hidden")));

__attribute__((constructor)) static void run_faiss_constructors(void)
{
    constructor *const *each = __start_faiss_constructors;

    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
        __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2"))
        while (each < __stop_faiss_constructors)
            (*each++)();
}
EOF
    objcopy --rename-section .init_array=faiss_constructors "$1/libfaiss.a" &&
        objcopy --rename-section .init_array=faiss_constructors "$1/libfaiss_c.a" &&
        "${faiss_cxx[@]}" -x c -O2 -fPIC -fvisibility=hidden -c guard.c &&
        ar x "$1/libfaiss_c.a" error_impl.cpp.o &&
        ld -r -o guarded.o error_impl.cpp.o guard.o && mv guarded.o error_impl.cpp.o &&
        ar r "$1/libfaiss_c.a" error_impl.cpp.o
}

# ---- the trial: as libragstore does it, a shared library that contains FAISS
# and shows nothing of it, used by a program.

faiss_try() {
    local prefix=$scratch/out cc blas shown
    read -ra cc <<<"${CC:-gcc}"
    read -ra blas < <("${PKG_CONFIG:-pkg-config}" --libs openblas 2>/dev/null || echo -lopenblas)
    mkdir "$scratch/try" && cd "$scratch/try" || return
    cat >probe.c <<'EOF'
#include <faiss/c_api/Index_c.h>
#include <faiss/c_api/error_c.h>
#include <faiss/c_api/index_factory_c.h>
#include <faiss/c_api/index_io_c.h>

/* Adds two rows, writes the index, reads it back, and finds the second. */
const char *probe(const char *path)
{
    const float rows[] = {1, 0, 0, 0, 0, 0, 1, 0};
    const idx_t ids[] = {7, 5000000000};
    FaissIndex *index = NULL, *again = NULL;
    float distance[1];
    idx_t found[1] = {-1};
    FILE *file;
    int failed = faiss_index_factory(&index, 4, "IDMap,Flat", METRIC_INNER_PRODUCT) ||
                 faiss_Index_add_with_ids(index, 2, rows, ids);

    if (!failed) {
        failed = (file = fopen(path, "w+b")) == NULL || faiss_write_index(index, file);
        if (file != NULL) {
            rewind(file);
            failed = failed || faiss_read_index(file, 0, &again);
            failed = fclose(file) || failed;
        }
    }
    failed = failed || faiss_Index_search(again, 1, rows + 4, 1, distance, found);
    faiss_Index_free(index);
    faiss_Index_free(again);
    if (failed)
        return faiss_get_last_error();
    return found[0] == ids[1] && distance[0] == 1 ? NULL : "the wrong row was found";
}
EOF
    cat >program.c <<'EOF'
#include <stdio.h>

const char *probe(const char *path);

int main(void)
{
    const char *error = probe("probe.faiss");

    puts(error == NULL ? "FAISS adds, writes, reads and searches" : error);
    return error != NULL;
}
EOF
    echo "{ global: probe; local: *; };" >probe.map
    "${cc[@]}" -std=c11 -fPIC -I"$prefix/include" -c probe.c &&
        "${cc[@]}" -shared -o libprobe.so probe.o -L"$prefix/lib" \
            -Wl,--whole-archive -lfaiss_c -Wl,--no-whole-archive -lfaiss \
            -Wl,--exclude-libs,ALL -Wl,--gc-sections -Wl,-z,defs \
            -Wl,--version-script=probe.map "${blas[@]}" -lgomp -lstdc++ -lm &&
        "${cc[@]}" -o program program.c -L. -lprobe -Wl,-rpath,"$PWD" || return
    shown=$(nm -D --defined-only libprobe.so | awk '$3 != "probe" { print $3 }')
    if [ -n "$shown" ]; then
        echo "symbols are visible outside:"
        echo "$shown"
        return 1
    fi
    if [ "$faiss_level" = x86-64-v3 ]; then
        if objdump -h "$prefix/lib/libfaiss.a" | grep -q '\.init_array'; then
            echo "libfaiss.a has constructors that run without asking the processor"
            return 1
        fi
        if ! grep -qw avx2 /proc/cpuinfo; then
            echo "this processor is below $faiss_level: the program is not run"
            return
        fi
    fi
    ./program
}
