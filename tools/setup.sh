#!/usr/bin/env bash
#
# The set-up step: what has to be on a machine before `make quickstart` and
# `make check` can run. This is the only part of the project that uses the
# network; `make` and `make install` never call it. `--help` tells the rest.
#
# Each part stands in a file of its own and offers three functions,
# <part>_missing (prints what is missing, else nothing; fast), <part>_verify
# (reads everything and compares digests) and <part>_setup (makes it so):
#
#   setup-packages.sh       Debian packages
#   setup-faiss.sh          FAISS with its C API
#   setup-model.sh          the embedding model
#   setup-python.sh         the Python that the tests run in
#   setup-llm.sh            a small language model for one of the tests
#   setup-bench.sh          what the benchmarks compare with
#   setup-mingo.sh          what the tests compare the query language with
#   setup-axe.sh            what the test of the web page is checked by
#
# and two serve them: setup-common.sh has the cache, messages, locks and
# progress, setup-debian-source.sh fetches a Debian source package.
#
# Everything fetched or built is made in a temporary directory beside its
# place and renamed into it when it is whole, under a lock. So an interrupted
# or a second set-up does no harm, and what is in its place is complete.

set -euo pipefail

usage() {
    cat <<'EOF'
usage: tools/setup.sh [COMMAND]

Fetches and builds what ragstore needs, once; says what it does; does nothing
when nothing is missing.

  all                 packages, faiss and model (the default)
  check               all, python, mingo, axe, and the Debian packages of `make check`
  packages            Debian packages, by apt-get install; without root it
                      prints the one command to run, and exits 3
  faiss               FAISS's C API, from Debian's source package, static
  model               the embedding model all-MiniLM-L6-v2
  python              a Python environment for the tests
  llm                 a small language model for tests/http (about 280 MB);
                      nothing needs it
  bench               other libraries, for `make bench` (about 1.4 GB);
                      nothing else needs them
  mingo               mingo, for comparing the query language; needs npm
  axe                 axe-core, for checking the web page; needs npm
  status [--verify] [all|check]
                      exit 0 if all (or check) is complete, else name what is
                      missing and exit 1; --verify also compares the digests
  print-faiss-prefix  the directory with FAISS's include/ and lib/
  print-model         the directory with the model's files
  print-python        the Python interpreter for the tests
  print-llm-python    the Python interpreter with the language model
  print-bench-python  the Python interpreter with the other libraries
  print-mingo         the directory with mingo
  print-axe           the file of axe-core
  --help              this text

Everything is kept in $XDG_CACHE_HOME/ragstore (~/.cache/ragstore):

  faiss/<version>-<compiler>-<level>-<recipe>/   include, lib, BUILT
  models/all-MiniLM-L6-v2/                       the model, SOURCE
  venv/<requirements>-<python>/                  the tests' Python
  llm/<requirements>/                            the language model
  bench/<requirements>/                          other libraries, to compare with
  mingo/<version>/                               mingo
  axe/<version>/                                 axe-core
  downloads/                                     FAISS's source archives
  logs/                                          what each step printed

Environment:

  FAISS_PREFIX    an installed FAISS with its C API: none is built
  RAGSTORE_MODEL  a directory with a model: none is fetched
  CC, CXX         the compilers; CXX builds FAISS (g++ does where CXX is
                  clang, whose OpenMP is another library)
  PYTHON          the Python to begin with (3.11 or newer, with venv)
  PKG_CONFIG_PATH libraries found there need no Debian package

exit status: 0 done or nothing to do, 1 failed or (status) incomplete, 2 wrong
usage, 3 packages are missing and only root can install them
EOF
}

tools=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tools/setup-common.sh
. "$tools/setup-common.sh"
# shellcheck source=tools/setup-packages.sh
. "$tools/setup-packages.sh"
# shellcheck source=tools/setup-debian-source.sh
. "$tools/setup-debian-source.sh"
# shellcheck source=tools/setup-faiss.sh
. "$tools/setup-faiss.sh"
# shellcheck source=tools/setup-model.sh
. "$tools/setup-model.sh"
# shellcheck source=tools/setup-python.sh
. "$tools/setup-python.sh"
# shellcheck source=tools/setup-mingo.sh
. "$tools/setup-mingo.sh"
# shellcheck source=tools/setup-axe.sh
. "$tools/setup-axe.sh"
# shellcheck source=tools/setup-llm.sh
. "$tools/setup-llm.sh"
# shellcheck source=tools/setup-bench.sh
. "$tools/setup-bench.sh"

# status [--verify] [all|check]
status() {
    local verify=no parts="packages faiss model" part found complete=yes
    while [ $# -gt 0 ]; do
        case $1 in
        --verify) verify=yes ;;
        all) ;;
        check)
            parts+=" python mingo axe"
            packages_for_check=yes
            ;;
        *) wrong_usage "status: unknown argument '$1'" ;;
        esac
        shift
    done
    for part in $parts; do
        found=$("${part}_missing")
        if [ -z "$found" ] && [ $verify = yes ]; then
            found=$("${part}_verify")
        fi
        if [ -n "$found" ]; then
            printf '%s\n' "$found"
            complete=no
        fi
    done
    [ $complete = yes ]
}

wrong_usage() {
    printf 'setup: %s\n\n' "$1" >&2
    usage >&2
    exit 2
}

command=${1:-all}
[ $# -eq 0 ] || shift
case $command in
status) ;;
*) [ $# -eq 0 ] || wrong_usage "$command takes no arguments" ;;
esac

case $command in
all) steps="packages faiss model" ;;
check)
    steps="packages faiss model python mingo axe"
    packages_for_check=yes
    ;;
packages | faiss | model | python | mingo | axe | llm | bench) steps=$command ;;
status)
    status "$@" && exit 0
    exit 1
    ;;
print-faiss-prefix)
    faiss_prefix
    exit 0
    ;;
print-model)
    model_directory
    exit 0
    ;;
print-python)
    python_interpreter
    exit 0
    ;;
print-llm-python)
    llm_interpreter
    exit 0
    ;;
print-bench-python)
    bench_interpreter
    exit 0
    ;;
print-mingo)
    mingo_directory
    exit 0
    ;;
print-axe)
    axe_file
    exit 0
    ;;
-h | --help | help)
    usage
    exit 0
    ;;
*) wrong_usage "unknown command '$command'" ;;
esac

for step in $steps; do
    "${step}_setup"
done

if [ ${#done_here[@]} -eq 0 ]; then
    say "nothing to do: ${steps// /, } in place"
else
    say "done: $(join "; " "${done_here[@]}")"
fi
