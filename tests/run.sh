#!/usr/bin/env bash
#
# Runs the tests and counts them. `tests/run.sh` runs all kinds; words on the
# command line choose: unit fuzz crash faults campaigns api query extract server layers docs install python
# cli http page openapi; llm is run only by its name. VARIANT chooses the build whose programs are run. RAGSTORE_CRASH_SEED: see tests/crash.
#
# Each kind prints its own lines; a program's output is shown only when it
# fails, but for its figures: lines that begin with a number, a seed or "NOT RUN".
# The last line is the count: "N passed, N failed".

set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

variant=${VARIANT:-release}
build=build/$variant
if [ "$variant" = release ]; then bin=build/bin lib=build/lib; else bin=$build/bin lib=$build/lib; fi
python=$(tools/setup.sh print-python 2>/dev/null)
[ -x "$python" ] || python=python3
export RAGSTORE_SHARED_DATA=${RAGSTORE_SHARED_DATA:-$PWD/../shared/data}
export RAGSTORE_MODEL=${RAGSTORE_MODEL:-$(tools/setup.sh print-model 2>/dev/null)}
export RAGSTORE_LIBRARY=$PWD/$lib/libragstore.so RAGSTORE_SERVER=$PWD/$bin/ragstore-server RAGSTORE_CLI=$PWD/$bin/ragstore
export RAGSTORE_QUERY_DRIVER=$PWD/$build/tests/query/query_driver
export RAGSTORE_EMBED_DRIVER=$PWD/$build/tests/llm/embed_driver
export RAGSTORE_MINGO=${RAGSTORE_MINGO:-$(tools/setup.sh print-mingo 2>/dev/null)}
export RAGSTORE_AXE=${RAGSTORE_AXE:-$(tools/setup.sh print-axe 2>/dev/null)}
export PYTHONPATH=$PWD/examples/python PYTHONDONTWRITEBYTECODE=1
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1} OMP_WAIT_POLICY=passive
export LSAN_OPTIONS=${LSAN_OPTIONS:-suppressions=$PWD/tests/leaks.supp:print_suppressions=0}

passed=0 failed=0 skipped=0
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT

# count NUMBER-PATTERN: the sum of the numbers that stand before the pattern in the log
count() { grep -oE "[0-9]+ $1" "$log" | awk '{ sum += $1 } END { print sum + 0 }'; }

report() { # report STATUS NAME PASSED FAILED SKIPPED SECONDS
    local mark=ok
    [ "$1" -eq 0 ] || mark=FAILED
    if [ "$1" -ne 0 ] && [ "$4" -eq 0 ]; then set -- "$1" "$2" "$3" 1 "$5" "$6"; fi
    printf '  %-6s %-44s %4d passed' "$mark" "$2" "$3"
    [ "$5" -eq 0 ] || printf ', %d skipped' "$5"
    printf '  (%ds)\n' "$6"
    [ "$1" -eq 0 ] || sed 's/^/      /' "$log" | tail -n 60
    passed=$((passed + $3)) failed=$((failed + $4)) skipped=$((skipped + $5))
}

figures() { grep -E '^(RAGSTORE_[A-Z]+_SEED=|known defect|NOT RUN|[0-9]+ [a-z])' "$log" | sed 's/^/         /'; }

run_cmocka() { # programs of one kind
    local program status from
    for program in "$build"/tests/"$1"/test_* "$build"/tests/"$1"/*/test_*; do
        case $program in *.o | *.d) continue ;; esac
        [ -x "$program" ] || continue
        from=$SECONDS
        timeout 600 "$program" >"$log" 2>&1 </dev/null
        status=$?
        report $status "${program#"$build"/tests/}" \
            "$(sed -n 's/^\[  PASSED  \] \([0-9]*\) test.*/\1/p' "$log" | tail -n 1 | sed 's/^$/0/' | grep . || echo 0)" \
            "$(sed -n 's/^\[  FAILED  \] \([0-9]*\) test(s).*/\1/p' "$log" | head -n 1 | grep . || echo 0)" \
            "$(sed -n 's/^\[  SKIPPED \] \([0-9]*\) test(s).*/\1/p' "$log" | head -n 1 | grep . || echo 0)" \
            $((SECONDS - from))
        figures
    done
}

run_script() { # run_script NAME COMMAND…: one test
    local name=$1 from=$SECONDS status
    shift
    timeout 900 "$@" >"$log" 2>&1 </dev/null
    status=$?
    report $status "$name" $((status == 0)) 0 0 $((SECONDS - from))
    figures
}

run_pytest() { # a folder of pytest files
    local from=$SECONDS status
    timeout 1500 "$python" -m pytest -q -p no:cacheprovider "tests/$1" >"$log" 2>&1 </dev/null
    status=$?
    report $status "tests/$1" "$(count passed)" "$(count failed)" "$(count skipped)" $((SECONDS - from))
    figures
}

kinds=("$@")
[ ${#kinds[@]} -gt 0 ] || kinds=(layers unit fuzz crash faults campaigns api query extract server docs install python cli http page openapi)
for kind in "${kinds[@]}"; do
    printf '%s\n' "$kind"
    case $kind in
    unit | fuzz | crash | api | extract | server) run_cmocka "$kind" ;;
    layers)
        run_script layers "$python" tests/layers/check_layers.py
        run_cmocka layers
        ;;
    faults) run_script faults "$python" tests/mutants/run.py ;;
    campaigns)
        for campaign in tests/campaigns/*.py; do
            [ -x "$campaign" ] && run_script "${campaign#tests/}" "$python" "$campaign"
        done
        ;;
    docs) run_script docs "$python" tests/docs/check_docs.py ;;
    install) run_script install tests/install/check_install.sh ;;
    query | python | cli | http | page | openapi) run_pytest "$kind" ;;
    llm) # a real language model: minutes, and only when asked for
        RAGSTORE_LLM_PYTHON=${RAGSTORE_LLM_PYTHON:-$(tools/setup.sh print-llm-python)}
        export RAGSTORE_LLM_PYTHON
        run_pytest http/test_llm_real.py
        ;;
    *) printf 'tests/run.sh: no kind of test is called "%s"\n' "$kind" >&2; exit 2 ;;
    esac
done

[ "$skipped" -eq 0 ] || printf '%d skipped: a known defect, or what they need is not on this machine\n' "$skipped"
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
