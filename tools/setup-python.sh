# shellcheck shell=bash disable=SC2154
#
# The Python that the tests run in: a virtual environment with the modules of
# tests/requirements.txt. Read by tools/setup.sh.
#
# A virtual environment cannot be renamed (its scripts name their place), so
# it is made where it stays, under the lock, and the file COMPLETE comes last.

python_wanted="Python 3.11 or newer with its venv module is needed"
python_requirements=$tools/../tests/requirements.txt

# Prints the first usable Python.
python_usable() {
    local python
    for python in "${PYTHON:-}" python3 /usr/bin/python3; do
        [ -n "$python" ] || continue
        if "$python" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' \
            >/dev/null 2>&1; then
            printf '%s\n' "$python"
            return
        fi
    done
    return 1
}

python_environment() {
    local found hash version
    hash=$(digest "$python_requirements")
    hash=$cache/venv/${hash:0:12}
    # One that is there serves, without asking each Python for its version.
    if [ -z "${PYTHON:-}" ]; then
        for found in "$hash"-*/COMPLETE; do
            if [ -x "${found%/*}/bin/python" ]; then
                printf '%s\n' "${found%/*}"
                return
            fi
        done
    fi
    version=$("$(python_usable || echo python3)" -c \
        'import sys; print("python%d.%d" % sys.version_info[:2])' 2>/dev/null) || version=python3
    printf '%s-%s\n' "$hash" "$version"
}

python_interpreter() { printf '%s/bin/python\n' "$(python_environment)"; }

python_missing() {
    local environment
    environment=$(python_environment)
    { [ -e "$environment/COMPLETE" ] && [ -x "$environment/bin/python" ]; } ||
        echo "python environment for the tests in $environment"
}

python_verify() {
    "$(python_interpreter)" -c 'import faiss, mongomock, numpy, pytest, requests, schemathesis, selenium' >/dev/null 2>&1 ||
        echo "python environment for the tests: its modules do not load; remove $(python_environment)"
}

python_setup() {
    local environment python log=$cache/logs/python.log began=$SECONDS
    [ -n "$(python_missing)" ] || return 0
    python=$(python_usable) || fail "$python_wanted for the tests" \
        "run tools/setup.sh packages, or set PYTHON"

    begin venv 400
    environment=$(python_environment)
    if [ -n "$(python_missing)" ]; then
        rm -rf "$environment"
        run "making a Python environment for the tests" "$log" no_meter \
            python_make "$python" "$environment" || {
            rm -rf "$environment"
            end_of "$log"
            fail "the Python environment for the tests could not be made" \
                "is the network there? Then try again"
        }
        done_here+=("made the tests' Python environment in $((SECONDS - began)) s")
    fi
    finish
}

# python_make PYTHON ENVIRONMENT
python_make() {
    "$1" -m venv "$2" || return
    TMPDIR=$scratch PIP_USER=0 "$2/bin/python" -m pip install --no-input \
        --disable-pip-version-check --no-cache-dir --progress-bar off \
        --only-binary :all: --require-hashes -r "$python_requirements" || return
    "$2/bin/python" -c 'import faiss, mongomock, numpy, pytest, requests, schemathesis, selenium' || return
    : >"$2/COMPLETE"
}
