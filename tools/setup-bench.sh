# shellcheck shell=bash disable=SC2154
#
# What bench/compare.py measures ragstore beside: a virtual environment with the modules of
# bench/requirements.txt. Read by tools/setup.sh. Nothing else needs it.

bench_requirements=$tools/../bench/requirements.txt

bench_environment() {
    local hash
    hash=$(digest "$bench_requirements")
    printf '%s\n' "$cache/bench/${hash:0:12}"
}

bench_interpreter() { printf '%s/bin/python\n' "$(bench_environment)"; }

bench_missing() {
    [ -e "$(bench_environment)/COMPLETE" ] || echo "rivals of the benchmarks in $(bench_environment)"
}

bench_verify() {
    bench_loads "$(bench_environment)" >/dev/null 2>&1 ||
        echo "rivals of the benchmarks: their modules do not load; remove $(bench_environment)"
}

bench_setup() {
    local environment python log=$cache/logs/bench.log began=$SECONDS
    [ -n "$(bench_missing)" ] || return 0
    python=$(python_usable) || fail "$python_wanted for the benchmarks" \
        "run tools/setup.sh packages, or set PYTHON"

    begin bench 900
    environment=$(bench_environment)
    if [ -n "$(bench_missing)" ]; then
        rm -rf "$environment"
        run "installing the rivals of the benchmarks" "$log" no_meter \
            bench_make "$python" "$environment" || {
            rm -rf "$environment"
            end_of "$log"
            fail "the rivals of the benchmarks could not be installed" \
                "is the network there? Then try again"
        }
        done_here+=("installed the rivals of the benchmarks in $((SECONDS - began)) s")
    fi
    finish
}

# bench_make PYTHON ENVIRONMENT; hnswlib comes as source alone
bench_make() {
    "$1" -m venv "$2" || return
    TMPDIR=$scratch PIP_USER=0 "$2/bin/python" -m pip install --no-input \
        --disable-pip-version-check --no-cache-dir --progress-bar off \
        --only-binary :all: --no-binary hnswlib --require-hashes -r "$bench_requirements" || return
    bench_loads "$2" || return
    : >"$2/COMPLETE"
}

# bench_loads ENVIRONMENT
bench_loads() {
    "$1/bin/python" -c 'import bm25s, chromadb, faiss, fastapi, hnswlib, lancedb, numba, onnxruntime
import pysqlite3, sqlite_vec, usearch, xllamacpp'
}
