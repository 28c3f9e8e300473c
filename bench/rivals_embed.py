#!/usr/bin/env python3
"""Embed the same texts with ragstore and with others, taking turns in one run.

    tools/setup.sh bench; python=$(tools/setup.sh print-bench-python)       # the other libraries
    PYTHONPATH=examples/python RAGSTORE_LIBRARY=build/lib/libragstore.so \
        $python bench/rivals_embed.py

--rivals names others than onnxruntime: llama.cpp, sentence-transformers (embed_rivals.py says what
each is given). Texts are tokenized by `tokenizers`, sorted by length and taken 32 at a time. A rival's
vectors and ours are compared with onnxruntime's before anything is timed. int16 of ours stands beside
the rivals' float32, which it is as good as.

One JSON object a line: medians over the rounds with minimum and maximum; `ratio` is the rival's time
over ours, so that above 1 we are faster, `ratio_of_minima` that of the shortest times; `cpu_ratio` is
that of processor time, which other programs on the machine disturb less (with several threads it counts
their waiting in loops, too). "start" is a process from its start to its first vector: a C program on our
side, and a Python program for the rival, whose own share (its imports, opening the model, tokenizing,
one run; without Python's start) is `rival_inner_ms`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
from embed_rivals import RIVALS, tokenizer_of

ROOT = Path(__file__).resolve().parents[1]
QUERY = "which wing gives the most lift at high speed?"  # 12 tokens with both special ones


def say(**figures: object) -> None:
    print(json.dumps({"bench": "rivals_embed", **figures}), flush=True)


# ---- texts ----


def read_texts(count: int) -> list[str]:
    """Questions, titles, half and whole abstracts of the Cranfield collection in turn."""
    folder = Path(os.environ.get("RAGSTORE_SHARED_DATA", ROOT.parent / "shared/data")) / "cranfield"
    if not folder.is_dir():
        sys.exit(f"rivals_embed: no texts: {folder} is missing; RAGSTORE_SHARED_DATA names another place")
    documents = [json.loads(line) for line in (folder / "corpus.jsonl").open()]
    queries = [json.loads(line)["text"] for line in (folder / "queries.jsonl").open()]
    texts = []
    for i, document in enumerate(documents):
        text = document["text"]
        texts += [queries[i % len(queries)], document["title"], text[: len(text) // 2], text]
    return [text for text in texts if text][:count]


# ---- taking turns ----

PAUSE_S = 0.1  # onnxruntime's threads wait in a loop for 40 ms


def series(times: list[float]) -> dict[str, float]:
    return {"median": round(statistics.median(times), 3), "min": round(min(times), 3),
            "max": round(max(times), 3)}


def duel(job: str, ours: Callable[[], object], theirs: Callable[[], object], rounds: int,
         **more: object) -> None:
    """A B B A …, each round once; the ratio is that of the medians.

    A query is measured when the threads of the other side, which wait for more work in a loop, have gone
    to sleep, and after one that is not measured.
    """
    is_short = job.split()[0] == "query"
    times: dict[str, list[float]] = {"ours": [], "rival": []}
    busy: dict[str, list[float]] = {"ours": [], "rival": []}
    sides = [("ours", ours), ("rival", theirs)]
    for _, work in sides:
        work()
    for turn in range(rounds):
        for name, work in sides if turn % 2 == 0 else sides[::-1]:
            if is_short:
                time.sleep(PAUSE_S)
                work()
            start, used = time.perf_counter(), time.process_time()
            work()
            times[name].append((time.perf_counter() - start) * 1e3)
            busy[name].append((time.process_time() - used) * 1e3)
    medians = {name: statistics.median(taken) for name, taken in busy.items()}
    if job.split()[0] != "start":  # which other processes do
        more["cpu_ratio"] = round(medians["rival"] / medians["ours"], 3)
    ratio = statistics.median(times["rival"]) / statistics.median(times["ours"])
    more["ratio_of_minima"] = round(min(times["rival"]) / min(times["ours"]), 3)
    say(job=job, ours_ms=series(times["ours"]), rival_ms=series(times["rival"]),
        ratio=round(ratio, 3), rounds=rounds, **more)


def compare(job: str, mine: np.ndarray, theirs: np.ndarray, least: float) -> None:
    cosine = float((mine * theirs).sum(axis=1).min())
    say(job=job, least_cosine=round(cosine, 7))
    if cosine < least:
        sys.exit(f"rivals_embed: the vectors of {job} differ: cosine {cosine}")


START = """
import sys, time
sys.path.insert(0, {here!r})
from pathlib import Path
begin = time.perf_counter()
from embed_rivals import RIVALS
RIVALS[{rival!r}](Path({model!r}), Path({folder!r}), {precision!r}, 1).embed([{query!r}])
print((time.perf_counter() - begin) * 1e3)
"""


def start_duel(rival, folder: Path, model: Path, program: Path, rounds: int, precision: str) -> None:
    code = START.format(here=str(ROOT / "bench"), rival=rival.name, folder=str(folder),
                        model=str(model), precision=precision, query=QUERY)
    inner: list[float] = []

    def theirs() -> None:
        done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
        inner.append(float(done.stdout))

    def mine() -> None:
        subprocess.run([program, "start", "--precision", precision], check=True, capture_output=True,
                       env={**os.environ, "RAGSTORE_MODEL": str(model)})

    duel(f"start {precision}", mine, theirs, rounds, rival=rival.name)
    say(job=f"start {precision}", rival=rival.name, rival_inner_ms=series(inner))


def measure(rival_kind, model: Path, folder: Path, precision: str, options, truth: np.ndarray) -> None:
    import ragstore

    texts, tokenizer = read_texts(options.texts), tokenizer_of(model)
    tokens = [len(one.ids) for one in tokenizer.encode_batch(texts)]
    rival_kind.prepare(model, folder, precision)
    for threads in options.threads:
        ours = ragstore.Model(model, threads=threads, precision=precision)
        rival = rival_kind(model, folder, precision, threads)
        mine, theirs = np.array(ours.embed(texts)), rival.embed(texts)
        compare(f"{precision}, ours to onnxruntime float32", mine, truth,
                0.98 if precision == "int8" else 0.99999)
        compare(f"{precision}, {rival.name} to onnxruntime float32", theirs, truth,
                0.9 if precision == "int8" else 0.9999)
        more = {"rival": rival.name, "threads": threads}
        if "batch" in options.jobs:
            duel(f"batch {precision}", lambda: ours.embed(texts), lambda: rival.embed(texts),
                 options.rounds, **more, texts=len(texts), tokens=sum(tokens))
        if "query" in options.jobs:
            duel(f"query {precision}", lambda: ours.embed_queries([QUERY]),
                 lambda: rival.embed([QUERY]), options.rounds * 20, **more,
                 tokens=len(tokenizer.encode(QUERY).ids))
    if "start" in options.jobs:
        start_duel(rival_kind, folder, model, options.program, options.rounds, precision)


def main() -> int:
    precisions = ["float32", "int16", "int8"]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--texts", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--jobs", nargs="+", default=["batch", "query", "start"],
                        choices=["batch", "query", "start"])
    parser.add_argument("--rivals", nargs="+", default=["onnxruntime"], choices=list(RIVALS))
    parser.add_argument("--precisions", nargs="+", default=precisions, choices=precisions)
    parser.add_argument("--program", type=Path, default=ROOT / "build/release/bench/bench_embed")
    options = parser.parse_args()

    import ragstore

    model = Path(ragstore.Model.locate())
    cpu = [line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")]
    flags = next(line for line in open("/proc/cpuinfo") if line.startswith("flags")).split()
    say(job="versions", **{name: version(RIVALS[name].package) for name in options.rivals},
        ragstore=ragstore.__version__, model=model.name, cpu=cpu[0], processors=len(cpu),
        load=os.getloadavg(),
        flags=[f for f in ("avx2", "avx512f", "avx512_vnni", "avx_vnni") if f in flags])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        RIVALS["onnxruntime"].prepare(model, folder, "float32")
        truth = RIVALS["onnxruntime"](model, folder, "float32", max(options.threads)).embed(
            read_texts(options.texts))
        for kind in (RIVALS[rival] for rival in options.rivals):
            for precision in options.precisions:
                if precision in kind.precisions:
                    measure(kind, model, folder, precision, options, truth)
    return 0


if __name__ == "__main__":
    sys.exit(main())
