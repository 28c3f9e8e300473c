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

bench_setup() { environment_setup bench bench 1600 "the other libraries to compare with"; }

# bench_make PYTHON ENVIRONMENT; hnswlib comes as source alone
bench_make() {
    environment_make "$1" "$2" "$bench_requirements" --no-binary hnswlib && bench_loads "$2"
}

# bench_loads ENVIRONMENT
bench_loads() {
    "$1/bin/python" -c 'import bm25s, chromadb, faiss, fastapi, hnswlib, lancedb, numba, onnxruntime
import pysqlite3, sqlite_vec, usearch, xllamacpp'
}
