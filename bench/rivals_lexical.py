#!/usr/bin/env python3
"""Keyword search beside bm25s and SQLite FTS5, one after the other in one run.

    tools/setup.sh bench; python=$(tools/setup.sh print-bench-python)       # the other libraries
    $python bench/rivals_lexical.py [--passages 500000] [--ours build/release/bench/bench_lexical]

bench_lexical writes the passages (random stretches of the Cranfield abstracts and some rare words)
and the 225 Cranfield questions; everyone indexes and is asked the same, on one thread, ten hits a
question. A time of a question is the best of three rounds, as in bench_lexical, or of fewer when
they are slow; "whole" asks with all its words, "short" with the first six. All stem English words. bm25s and FTS5 are given what
suits them: bm25s numba kernels, FTS5 an index in memory, one transaction, and questions joined by
OR without their stop words.

One JSON object a line. ragstore is measured before and after the others, so that a machine that
changed its speed shows; the last lines are the ratios to the slower of the two.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

for name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = "1"

K = 10
ROUNDS = 3
SLOW_SECONDS = 0.05  # a round of such a length is not repeated
SHORT_WORDS = 6

OUR_FIGURES = {
    "passages, indexing": "texts_per_s",
    "passages, whole query, k 10, p50": "whole_ms",
    "passages, 6-word query, k 10, p50": "short_ms",
}


def say(**figures: object) -> None:
    print(json.dumps({"bench": "rivals_lexical", **figures}), flush=True)


def measure_ours(program: str, passages: int) -> dict[str, float]:
    figures: dict[str, float] = {}
    output = subprocess.run([program, "--passages", str(passages)], check=True,
                            capture_output=True, text=True).stdout
    for line in output.splitlines():
        figure = json.loads(line)
        if figure["figure"] in OUR_FIGURES:
            figures[OUR_FIGURES[figure["figure"]]] = figure["value"]
    say(way="ragstore", **figures)
    return figures


def ask_all(ask, questions: list[str]) -> float:
    """The median over the questions of the best of the rounds, in milliseconds."""
    times = []
    for question in questions:
        best = float("inf")
        for _ in range(ROUNDS):
            start = time.perf_counter()
            ask(question)
            best = min(best, time.perf_counter() - start)
            if best > SLOW_SECONDS:
                break
        times.append(best * 1e3)
    return statistics.median(times)


def measure(way: str, texts: list[str], questions: list[str], make) -> dict[str, float]:
    start = time.perf_counter()
    ask, version = make(texts)
    seconds = time.perf_counter() - start
    ask(questions[0])  # compiles what is compiled at first use
    short = [" ".join(question.split()[:SHORT_WORDS]) for question in questions]
    figures = {
        "texts_per_s": len(texts) / seconds,
        "whole_ms": ask_all(ask, questions),
        "short_ms": ask_all(ask, short),
    }
    say(way=way, version=version, **{key: round(value, 4) for key, value in figures.items()})
    return figures


def make_bm25s(texts: list[str]):
    import bm25s
    import Stemmer

    stemmer = Stemmer.Stemmer("english")
    options = {"stopwords": "en", "stemmer": stemmer, "show_progress": False}
    index = bm25s.BM25(k1=1.2, b=0.75, backend="numba")
    index.index(bm25s.tokenize(texts, **options), show_progress=False)

    def ask(question: str):
        tokens = bm25s.tokenize([question], return_ids=False, **options)
        return index.retrieve(tokens, k=K, show_progress=False, n_threads=0)

    return ask, bm25s.__version__


def make_fts5(texts: list[str]):
    import sqlite3

    try:
        from bm25s.stopwords import STOPWORDS_EN
    except ImportError:
        STOPWORDS_EN = ()
    base = sqlite3.connect(":memory:")
    base.execute("create virtual table passages using fts5(body, tokenize='porter unicode61')")
    with base:
        base.executemany("insert into passages(body) values (?)", ((text,) for text in texts))
    stop_words = frozenset(STOPWORDS_EN)

    def ask(question: str):
        words = [w for w in re.findall(r"\w+", question.lower()) if w not in stop_words]
        query = " OR ".join(f'"{word}"' for word in words)
        return base.execute("select rowid, rank from passages where passages match ? "
                            "order by rank limit ?", (query, K)).fetchall()

    return ask, sqlite3.sqlite_version


RIVALS = {"bm25s": make_bm25s, "sqlite fts5": make_fts5}


def compare(ours: list[dict[str, float]], rival: str, figures: dict[str, float]) -> None:
    """Above 1: ragstore is faster, also in the slower of its two runs."""
    say(ratio_to=rival,
        index=round(min(own["texts_per_s"] for own in ours) / figures["texts_per_s"], 2),
        whole_query=round(figures["whole_ms"] / max(own["whole_ms"] for own in ours), 2),
        short_query=round(figures["short_ms"] / max(own["short_ms"] for own in ours), 2))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--passages", type=int, default=500000)
    parser.add_argument("--ours", default="build/release/bench/bench_lexical")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([arguments.ours, "--passages", str(arguments.passages), "--write", folder],
                       check=True)
        texts = (Path(folder) / "passages.txt").read_text().splitlines()
        questions = (Path(folder) / "queries.txt").read_text().splitlines()
    ours = [measure_ours(arguments.ours, arguments.passages)]
    rivals = {}
    for name, make in RIVALS.items():
        try:
            rivals[name] = measure(name, texts, questions, make)
        except ImportError as error:
            say(way=name, left_out=str(error))
    ours.append(measure_ours(arguments.ours, arguments.passages))
    for name, figures in rivals.items():
        compare(ours, name, figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
