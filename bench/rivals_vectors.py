#!/usr/bin/env python3
"""Search the rows of bench_vectors with other libraries, one after the other in one run.

    pip install numpy faiss-cpu hnswlib usearch
    build/release/bench/bench_vectors 100000 384 /tmp/rows > ours.json
    bench/rivals_vectors.py /tmp/rows [threads] [--ours build/release/bench/bench_vectors]

The folder has rows.f32 and queries.f32 as bench_vectors writes them, unit vectors of 384 numbers. One
JSON object a line: the median time of a query in milliseconds, recall of the ten nearest against exact
truth in float64, and rows a second while building. Libraries that are not installed are named and left
out. With --ours, ragstore is measured before and after them, so that a machine that changed its speed
shows.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

K = 10
DIMENSION = 384


def say(**figures: object) -> None:
    print(json.dumps({"bench": "rivals_vectors", **figures}), flush=True)


def truth_of(rows: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """The tenth-best score of each query, in float64."""
    least = np.empty(len(queries))
    wide = queries.astype(np.float64)
    best = np.full((len(queries), K), -np.inf)
    for start in range(0, len(rows), 50000):
        scores = wide @ rows[start : start + 50000].astype(np.float64).T
        both = np.concatenate([best, scores], axis=1)
        best = -np.partition(-both, K - 1, axis=1)[:, :K]
    least[:] = best.min(axis=1)
    return least


def recall_of(rows: np.ndarray, query: np.ndarray, ids: np.ndarray, least: float) -> float:
    ids = np.asarray([i for i in ids if i >= 0], dtype=np.int64)
    scores = rows[ids].astype(np.float64) @ query.astype(np.float64)
    return float(np.count_nonzero(scores >= least - 1e-6)) / K


class Bench:
    def __init__(self, folder: Path, threads: int) -> None:
        self.rows = np.fromfile(folder / "rows.f32", dtype=np.float32).reshape(-1, DIMENSION)
        self.queries = np.fromfile(folder / "queries.f32", dtype=np.float32).reshape(-1, DIMENSION)
        self.threads = threads
        self.least = truth_of(self.rows, self.queries)

    def searched(self, name: str, search, build_seconds: float, **more: object) -> None:
        times, recall = [], 0.0
        for query, least in zip(self.queries, self.least):
            start = time.perf_counter()
            ids = search(query)
            times.append((time.perf_counter() - start) * 1e3)
            recall += recall_of(self.rows, query, ids, least)
        rate = len(self.rows) / build_seconds if build_seconds > 0 else None
        say(way=name, rows=len(self.rows), threads=self.threads, ms=round(statistics.median(times), 4),
            recall=round(recall / len(self.queries), 4), rows_per_s=rate and round(rate), **more)

    def faiss(self) -> None:
        import faiss

        faiss.omp_set_num_threads(self.threads)
        start = time.perf_counter()
        flat = faiss.IndexFlatIP(DIMENSION)
        flat.add(self.rows)
        seconds = time.perf_counter() - start
        version = faiss.__version__
        self.searched("faiss-cpu Flat", lambda q: flat.search(q[None], K)[1][0], seconds,
                      version=version)
        start = time.perf_counter()
        graph = faiss.IndexHNSWFlat(DIMENSION, 32, faiss.METRIC_INNER_PRODUCT)
        graph.add(self.rows)
        seconds = time.perf_counter() - start
        for effort in (16, 32, 64, 128):
            graph.hnsw.efSearch = effort
            self.searched("faiss-cpu HNSW32", lambda q: graph.search(q[None], K)[1][0], seconds,
                          ef=effort, version=version)

    def hnswlib(self) -> None:
        import hnswlib

        index = hnswlib.Index(space="ip", dim=DIMENSION)
        start = time.perf_counter()
        index.init_index(max_elements=len(self.rows), ef_construction=200, M=16)
        index.set_num_threads(self.threads)
        index.add_items(self.rows, np.arange(len(self.rows)))
        seconds = time.perf_counter() - start
        for effort in (16, 32, 64, 128, 256):
            index.set_ef(effort)
            self.searched("hnswlib", lambda q: index.knn_query(q, K)[0][0], seconds, ef=effort,
                          version=getattr(hnswlib, "__version__", None))

    def usearch(self) -> None:
        import usearch
        from usearch.index import Index

        start = time.perf_counter()
        index = Index(ndim=DIMENSION, metric="ip", dtype="f32")
        index.add(np.arange(len(self.rows)), self.rows, threads=self.threads)
        seconds = time.perf_counter() - start
        for effort in (64, 128, 256):
            index.expansion_search = effort
            self.searched("usearch", lambda q: index.search(q, K, threads=self.threads).keys, seconds,
                          ef=effort, version=usearch.__version__)


def main(arguments: list[str]) -> int:
    ours = None
    if "--ours" in arguments:
        at = arguments.index("--ours")
        ours = arguments[at + 1]
        del arguments[at : at + 2]
    if not arguments:
        print(__doc__, file=sys.stderr)
        return 2
    folder = Path(arguments[0])
    bench = Bench(folder, int(arguments[1]) if len(arguments) > 1 else 1)
    ourselves = [ours, str(len(bench.rows)), str(DIMENSION)]
    if ours:
        subprocess.run(ourselves, check=True)
    for name in ("faiss", "hnswlib", "usearch"):
        try:
            getattr(bench, name)()
        except ImportError as error:
            say(way=name, left_out=str(error))
    if ours:
        subprocess.run(ourselves, check=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
