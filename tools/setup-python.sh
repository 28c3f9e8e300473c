# shellcheck shell=bash disable=SC2154
#
# The Python that the tests run in: a virtual environment with the modules of
# tests/requirements.txt; and what the other parts that are environments share. Read by tools/setup.sh.
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

python_setup() { environment_setup python venv 400 "the Python environment for the tests"; }

# python_make PYTHON ENVIRONMENT
python_make() {
    environment_make "$1" "$2" "$python_requirements" &&
        "$2/bin/python" -c 'import faiss, mongomock, numpy, pytest, requests, schemathesis, selenium'
}

# ---- for each part that is an environment ----

# environment_setup PART ROOM MEGABYTES WHAT: make what PART_environment names by PART_make
environment_setup() {
    local part=$1 what=$4 environment python log=$cache/logs/$1.log began=$SECONDS
    [ -n "$("${part}_missing")" ] || return 0
    python=$(python_usable) || fail "$python_wanted for $what" \
        "run tools/setup.sh packages, or set PYTHON"

    begin "$2" "$3"
    environment=$("${part}_environment")
    if [ -n "$("${part}_missing")" ]; then
        rm -rf "$environment"
        run "installing $what" "$log" no_meter "${part}_make" "$python" "$environment" || {
            rm -rf "$environment"
            end_of "$log"
            fail "$what could not be installed" "is the network there? Then try again"
        }
        : >"$environment/COMPLETE"
        done_here+=("installed $what in $((SECONDS - began)) s")
    fi
    finish
}

# environment_make PYTHON ENVIRONMENT REQUIREMENTS [OPTION OF PIP…]
environment_make() {
    local python=$1 environment=$2 requirements=$3
    shift 3
    "$python" -m venv "$environment" &&
        TMPDIR=$scratch PIP_USER=0 "$environment/bin/python" -m pip install --no-input \
            --disable-pip-version-check --no-cache-dir --progress-bar off \
            --only-binary :all: "$@" --require-hashes -r "$requirements"
}
