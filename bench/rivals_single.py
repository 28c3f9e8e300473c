#!/usr/bin/env python3
"""Durable single adds of a vector with its text, beside other libraries, in turns.

    tools/setup.sh bench; python=$(tools/setup.sh print-bench-python)       # the other libraries
    PYTHONPATH=examples/python RAGSTORE_LIBRARY=build/lib/libragstore.so \\
        $python bench/rivals_single.py [--rows 2000] [--rounds 20] [--adds 25]

Each way begins with the same rows in bulk. Then each adds a few rows, one a call, each as durable as the
library offers, and the next has its turn: what else the machine does hits all alike. A bare write and
fdatasync of as many bytes as ragstore's line has, in written space, takes its turn, too. All are called
from Python. One JSON object a way: the median of the rounds in adds a second with minimum and maximum,
and the median of the ratios of ragstore's rate to it in the same round.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from rivals_ingest import DIMENSION, Chroma, Lance, SqliteVec, text_of

LINE = 3400  # bytes of the journal's line of one add


class Ragstore:
    name = "ragstore"

    def __init__(self, folder: Path, rows: int) -> None:
        import ragstore

        self.store = ragstore.Store(str(folder / "store"))
        self.entity = self.store.create_entity("bench")

    def add(self, first: int, rows: np.ndarray, texts: list[str]) -> None:
        self.entity.add_chunks([{"text": text} for text in texts], vectors=rows)


class Bare:
    name = "bare write and fdatasync"

    def __init__(self, folder: Path, rows: int) -> None:
        self.file = os.open(folder / "bare", os.O_RDWR | os.O_CREAT)
        self.at = 0
        self.line = b"x" * LINE
        for _ in range(rows):
            os.write(self.file, self.line)
        os.fsync(self.file)

    def add(self, first: int, rows: np.ndarray, texts: list[str]) -> None:
        if len(rows) > 1:
            return
        os.pwrite(self.file, self.line, self.at)
        os.fdatasync(self.file)
        self.at += LINE


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--adds", type=int, default=25)
    options = parser.parse_args()
    total = options.rows + options.rounds * options.adds
    rows = np.random.default_rng(7).standard_normal((total, DIMENSION)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    texts = [text_of(row) for row in range(total)]
    ways = [Ragstore, Bare, SqliteVec, Lance, Chroma]
    rates: dict[str, list[float]] = {way.name: [] for way in ways}
    with tempfile.TemporaryDirectory() as folder:
        open_ways = []
        for way in ways:
            (Path(folder) / way.__name__).mkdir()
            opened = way(Path(folder) / way.__name__, total)
            opened.add(0, rows[: options.rows], texts[: options.rows])
            open_ways.append(opened)
        for round_ in range(options.rounds):
            first = options.rows + round_ * options.adds
            for way in open_ways:
                begun = time.perf_counter()
                for at in range(first, first + options.adds):
                    way.add(at, rows[at : at + 1], texts[at : at + 1])
                rates[way.name].append(options.adds / (time.perf_counter() - begun))
    ours = rates["ragstore"]
    for name, theirs in rates.items():
        print(json.dumps({"bench": "rivals_single", "way": name,
                          "adds_per_s": round(statistics.median(theirs), 1),
                          "min": round(min(theirs), 1), "max": round(max(theirs), 1),
                          "ragstore_times": round(statistics.median(
                              a / b for a, b in zip(ours, theirs)), 2)}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
