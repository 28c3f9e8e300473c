#!/usr/bin/env python3
"""ragstore beside what its users could take instead: every comparison of this folder in one table.

    tools/setup.sh bench                      # once: a Python environment with the rivals
    make bench                                # or with BENCH="--only vectors,embedding", and so on
    bench/compare.py [--only SECTION,SECTION] [--sizes N …] [--threads N …] [--rounds N] [--json]

Each line says how many times better ragstore is: rates are ours by theirs, times and sizes theirs by
ours, so that above 1 is always good. What is asked of it stands behind, and "below" where it is missed.
The programs beside this one do the measuring, with both sides in one run; their figures go to --log
as they come, one JSON object a line. Rivals that are not installed are named at the end, and left out.

Graphs of 100,000 rows take two minutes to build, of 1,000,000 half an hour; they are kept. Nothing else
should run meanwhile: the load of the machine is told in the first line.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import compare_lines as lines
from compare_lines import Figures, Line

ROOT = Path(__file__).resolve().parents[1]
BENCH = ROOT / "bench"
PROGRAMS = ROOT / "build/release/bench"
DIMENSION = "384"


class Failed(Exception):
    """A program of this folder ended with an error."""


class Runner:
    """Runs the programs of this folder and gives the figures that they print."""

    def __init__(self, python: str, folder: Path, log) -> None:
        self.python = python
        self.folder = folder
        self.log = log
        self.left_out: set[str] = set()
        self.environment = {
            **os.environ,
            "OMP_WAIT_POLICY": "passive",  # threads that wait must not take the other side's processor
            "PYTHONPATH": str(ROOT / "examples/python"),
            "RAGSTORE_LIBRARY": str(ROOT / "build/lib/libragstore.so"),
        }
        if "RAGSTORE_MODEL" not in os.environ:
            self.environment["RAGSTORE_MODEL"] = printed("print-model")

    def run(self, *command: object) -> Figures:
        words = [str(word) for word in command]
        with tempfile.TemporaryFile("w+") as errors:
            with subprocess.Popen(words, env=self.environment, cwd=ROOT, text=True, stderr=errors,
                                  stdout=subprocess.PIPE) as process:
                figures = [self.read(line) for line in process.stdout if line.startswith("{")]
            if process.returncode != 0:
                errors.seek(0)
                last = errors.read().strip().splitlines()[-1:] or ["no message"]
                raise Failed(f"{Path(words[0]).name} {' '.join(words[1:3])}: {last[0]}")
        return figures

    def read(self, line: str) -> dict:
        self.log.write(line)
        self.log.flush()
        figure = json.loads(line)
        if "left_out" in figure:
            self.left_out.add(figure["left_out"])
        return figure

    def program(self, name: str, *arguments: object) -> Figures:
        return self.run(PROGRAMS / name, *arguments)

    def script(self, name: str, *arguments: object) -> Figures:
        return self.run(self.python, BENCH / f"{name}.py", *arguments)

    def rows(self, count: int) -> Path:
        """A folder with so many rows and the queries, made the first time."""
        folder = self.folder / f"rows-{count}"
        if not (folder / "queries.f32").exists():
            folder.mkdir(parents=True, exist_ok=True)
            self.program("bench_vectors", count, DIMENSION, folder)
        return folder


def printed(what: str) -> str:
    return subprocess.run([ROOT / "tools/setup.sh", what], check=True, text=True,
                          stdout=subprocess.PIPE).stdout.strip()


# ---- the sections ----

def vectors(runner: Runner, options: argparse.Namespace) -> Iterator[Line]:
    for size in options.sizes:
        for threads in options.threads:
            yield from lines.vectors(runner.script(
                "rivals_vectors", runner.rows(size), "--threads", threads, "--rounds", options.rounds,
                "--only", "flat,faiss,hnswlib,usearch", "--ours", PROGRAMS / "bench_vectors"))
    most = max(options.sizes)
    yield from lines.deleting([*runner.program("bench_ingest", runner.rows(most), most),
                               *runner.script("rivals_vectors", runner.rows(most), "--only", "delete")])


def filters(runner: Runner, options: argparse.Namespace) -> Iterator[Line]:
    yield from lines.filters(runner.script("rivals_filter", runner.rows(100000)))


def ingestion(runner: Runner, options: argparse.Namespace) -> Iterator[Line]:
    yield from lines.ingestion(runner.script(
        "rivals_ingest", runner.rows(100000), "--rounds", options.rounds,
        "--only", "sqlite-vec,lancedb,hnswlib,usearch,faiss-cpu HNSW,chroma",
        "--ours", PROGRAMS / "bench_ingest"))


def single(runner: Runner, options: argparse.Namespace) -> Iterator[Line]:
    yield from lines.single_adds(runner.script("rivals_single", "--rounds", 30, "--adds", 10))


def entities(runner: Runner, options: argparse.Namespace) -> Iterator[Line]:
    folder = runner.folder / "entities"
    folder.mkdir(parents=True, exist_ok=True)
    yield from lines.entities(runner.script("rivals_entities", folder, "--entities", options.entities,
                                            "--ours", PROGRAMS / "bench_entities"))


def embedding(runner: Runner, options: argparse.Namespace) -> Iterator[Line]:
    for rival, fewer in (("onnxruntime", ()), ("llama.cpp", ("--texts", 64, "--rounds", 3))):
        yield from lines.embedding(runner.script("rivals_embed", "--rivals", rival, *fewer, "--precisions",
                                                 "float32", "int16", "--threads", *options.threads))


def keywords(runner: Runner, options: argparse.Namespace) -> Iterator[Line]:
    yield from lines.keywords(runner.script("rivals_lexical"))


def commits(runner: Runner, options: argparse.Namespace) -> Iterator[Line]:
    yield from lines.commits(runner.program("bench_append", runner.folder, 7))


def records(runner: Runner, options: argparse.Namespace) -> Iterator[Line]:
    yield from lines.records(runner.program("bench_open"))


def question(runner: Runner, options: argparse.Namespace) -> Iterator[Line]:
    needed = ["-c", "import chromadb, sentence_transformers"]
    if subprocess.run([runner.python, *needed], stderr=subprocess.DEVNULL).returncode != 0:
        runner.left_out.add("sentence-transformers: bench/requirements-question.txt, and --python")
        return
    store = runner.folder / "question"
    if not store.exists():
        runner.program("bench_question", "--store", store)
    yield from lines.questions(runner.script("rivals_question", store, "--rounds", 3, "--ours",
                                             PROGRAMS / "bench_question"))


def http(runner: Runner, options: argparse.Namespace) -> Iterator[Line]:
    yield from lines.http(runner.script("bench_http"))


SECTIONS: dict[str, Callable] = {
    section.__name__: section
    for section in (vectors, filters, ingestion, single, entities, embedding, keywords, commits, records,
                    question, http)
}


# ---- the table ----

def number(value: float) -> str:
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value >= 1 else f"{value:.3f}"


def row(line: Line) -> str:
    asked = f"{line.asked:8,g}" if line.asked is not None else ""
    return (f"{line.what:<52}{number(line.ours):>10}{number(line.theirs):>10} {line.unit:<10}"
            f"{line.times:>8,.2f} ×{asked:>8}{'  below' if line.below else '':<7} {line.rival}")


def machine() -> dict:
    flags = set()
    name = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "flags":
            flags = set(value.split())
        elif key.strip() == "model name":
            name = value.strip()
    return {"processor": name, "processors": os.cpu_count(), "load": round(os.getloadavg()[0], 1),
            "flags": sorted(flags & {"avx2", "avx512f", "avx512_vnni"})}


def show_head(json_wanted: bool) -> None:
    about = machine()
    if json_wanted:
        print(json.dumps({"bench": "compare", **about}), flush=True)
        return
    print(f"{about['processors']} processors, {about['processor']} ({' '.join(about['flags'])}), "
          f"load {about['load']}\n")
    print(f"{'':<52}{'ragstore':>10}{'rival':>10} {'':<10}{'times':>10}{'asked':>8}", flush=True)


def show(line: Line, section: str, json_wanted: bool) -> None:
    if json_wanted:
        print(json.dumps({"bench": "compare", "section": section, **asdict(line),
                          "times": round(line.times, 3), "below": line.below}), flush=True)
    else:
        print(row(line), flush=True)


def progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def measure(runner: Runner, section: str, options: argparse.Namespace) -> bool:
    began = time.monotonic()
    progress(f"measuring {section} …")
    try:
        for line in SECTIONS[section](runner, options):
            progress("")
            show(line, section, options.json)
            progress(f"measuring {section} … {time.monotonic() - began:.0f} s")
    except Failed as error:
        progress("")
        print(f"compare: {section}: {error}", file=sys.stderr, flush=True)
        return False
    finally:
        progress("")
    return True


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default=",".join(SECTIONS), metavar="SECTION,…",
                        help=", ".join(SECTIONS))
    parser.add_argument("--sizes", type=int, nargs="+", default=[10000, 100000], metavar="ROWS")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], metavar="N")
    parser.add_argument("--rounds", type=int, default=1, metavar="N", help="of the slow ones")
    parser.add_argument("--entities", type=int, default=1000, metavar="N")
    parser.add_argument("--folder", type=Path, metavar="DIR", help="where rows and stores are kept")
    parser.add_argument("--python", help="one with the rivals; default: that of tools/setup.sh bench")
    parser.add_argument("--log", type=Path, default=ROOT / "build/compare.jsonl", metavar="FILE")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    options = parser.parse_args()
    unknown = [name for name in options.only.split(",") if name not in SECTIONS]
    if unknown:
        parser.error(f"no section is called {unknown[0]}; there are {', '.join(SECTIONS)}")
    python = options.python or printed("print-bench-python")
    if not Path(python).exists():
        print("compare: there are no rivals yet: run tools/setup.sh bench, or name a --python that has them",
              file=sys.stderr)
        return 1
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = options.folder or cache / "ragstore/bench-data"
    folder.mkdir(parents=True, exist_ok=True)
    show_head(options.json)
    with open(options.log, "w") as log:
        runner = Runner(python, folder.resolve(), log)
        whole = [measure(runner, section, options) for section in options.only.split(",")]
    for missing in sorted(runner.left_out):
        print(f"left out: {missing}", file=sys.stderr)
    return 0 if all(whole) else 1


if __name__ == "__main__":
    sys.exit(main())
