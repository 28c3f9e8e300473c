#!/usr/bin/env bash
#
# The campaigns of `make check-long`, in slices that can be resumed: each goes on where
# build/campaigns/<name>.json ends, and stops after MINUTES. Call it again until every line says that
# all its cycles are done; remove build/campaigns to begin anew with another SEED.
#
#   LONG=10 MINUTES=30 SEED=1 make check-long
#
# LONG multiplies the cycles. The last lines are the totals so far.

set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1

long=${LONG:-1} minutes=${MINUTES:-20} seed=${SEED:-1} state=build/campaigns
python=$(tools/setup.sh print-python 2>/dev/null)
[ -x "$python" ] || python=python3
export PYTHONDONTWRITEBYTECODE=1
failed=0

campaign() { # campaign NAME CYCLES OPTION…
    local name=$1 cycles=$2
    shift 2
    printf '%s\n' "$name"
    "$python" "tests/campaigns/$name.py" --cycles "$cycles" --seed "$seed" --minutes "$minutes" \
        --state "$state/$name.json" "$@" || failed=1
}

mkdir -p "$state"
campaign kill $((5000 * long))
campaign kill_turns $((500 * long))
campaign kill_jobs $((500 * long))
campaign damage 80 --stride 80
campaign faiss_files $((20 * long))
campaign tar $((200 * long))
campaign full_disk $((10 * long))
campaign power_cut $((20 * long))
campaign http_kill $((100 * long))
campaign http_load $((5 * long)) --clients 1000 --apart
campaign large_text "$long" --megabytes 1020

# simulated power cuts: a slice is one seed, and the next one is in the state file
next=$(cat "$state/crash-seed" 2>/dev/null || echo "$seed")
printf 'crash, seeds from %d\n' "$next"
end=$(awk -v now="$SECONDS" -v minutes="$minutes" 'BEGIN { print int(now + minutes * 60) }')
while [ "$next" -lt $((seed + 20 * long)) ] && [ "$SECONDS" -lt "$end" ]; do
    RAGSTORE_CRASH_SEED=$next RAGSTORE_CRASH_FACTOR=4 build/release/tests/crash/test_power_cut >"$state/crash.log" 2>&1 ||
        { cat "$state/crash.log"; failed=1; break; }
    grep states "$state/crash.log" >>"$state/crash-states"
    next=$((next + 1))
    printf '%d\n' "$next" >"$state/crash-seed"
done
[ -f "$state/crash-states" ] && awk '{ sum += $1 } END { print sum " states after simulated power cuts were opened" }' "$state/crash-states"
exit $failed
