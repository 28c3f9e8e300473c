#!/usr/bin/env python3
"""Search the rows of bench_vectors with other libraries, one after the other in one run.

    tools/setup.sh bench; python=$(tools/setup.sh print-bench-python)       # the other libraries
    build/release/bench/bench_vectors 100000 384 /tmp/rows > ours.json
    $python bench/rivals_vectors.py /tmp/rows [--threads N] [--only NAME,NAME] [--rounds N] [--build]
                            [--metric cosine|l2] [--ours build/release/bench/bench_vectors]

The folder has rows.f32 and queries.f32 as bench_vectors writes them, of 384 numbers: unit vectors, or
with --metric l2 those of that metric, which are compared by distance. One
JSON object a line: the time of a query in milliseconds, recall of the ten nearest against exact truth in
float64, and rows a second while building. With one thread the time is the median of single queries;
with more, so many threads ask their own queries one by one, and it is the time that has passed for each
query answered; cpu_ms is the median of what a query took of its thread, which others on the machine disturb
less. Libraries that are not installed are named and left out. With --ours, ragstore is measured before
and after them in each round, so that a machine that changed its speed shows; with --only flat, exact
search alone.

Graphs take long to build. They are kept in $XDG_CACHE_HOME/ragstore/rivals, under the digest of the
rows, the library's version and the parameters, and read from there the next time; the rate is that of
the run that built them. --build builds what is not there and measures nothing.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

K = 10
DELETED = 9
SAVED = 3
DIMENSION = 384
NAMES = ("flat", "delete", "faiss", "hnswlib", "usearch")


def say(**figures: object) -> None:
    print(json.dumps({"bench": "rivals_vectors", **figures}), flush=True)


def scores_of(queries: np.ndarray, rows: np.ndarray, metric: str) -> np.ndarray:
    """Inner products, or minus the squared distances."""
    queries, rows = queries.astype(np.float64), rows.astype(np.float64)
    scores = queries @ rows.T
    if metric == "l2":
        scores = 2 * scores - (queries**2).sum(axis=1)[:, None] - (rows**2).sum(axis=1)[None]
    return scores


def truth_of(rows: np.ndarray, queries: np.ndarray, metric: str) -> np.ndarray:
    """The tenth-best score of each query, in float64."""
    best = np.full((len(queries), K), -np.inf)
    for start in range(0, len(rows), 50000):
        scores = scores_of(queries, rows[start : start + 50000], metric)
        both = np.concatenate([best, scores], axis=1)
        best = -np.partition(-both, K - 1, axis=1)[:, :K]
    return best.min(axis=1)


def recall_of(rows: np.ndarray, query: np.ndarray, ids: np.ndarray, least: float, metric: str) -> float:
    ids = np.asarray([i for i in ids if i >= 0], dtype=np.int64)
    scores = scores_of(query[None], rows[ids], metric)[0]
    return float(np.count_nonzero(scores >= least - 1e-6 * max(1, abs(least)))) / K


def digest_of(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Cache:
    """Indexes that are dear to build, by what they were built from."""

    def __init__(self, rows: Path) -> None:
        home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        self.folder = home / "ragstore" / "rivals"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.digest = digest_of(rows)

    def get(self, name: str, build: Callable, save: Callable, load: Callable) -> tuple[object, float]:
        """The index and the seconds that it took to build it."""
        key = hashlib.sha256(f"{self.digest} {name}".encode()).hexdigest()[:32]
        path, note = self.folder / f"{key}.index", self.folder / f"{key}.json"
        if note.exists():
            return load(str(path)), json.loads(note.read_text())["seconds"]
        start = time.perf_counter()
        index = build()
        seconds = time.perf_counter() - start
        save(index, str(path))
        note.write_text(json.dumps({"name": name, "seconds": seconds}))
        return index, seconds


class Bench:
    def __init__(self, folder: Path, threads: int, only_builds: bool, metric: str) -> None:
        self.rows = np.fromfile(folder / "rows.f32", dtype=np.float32).reshape(-1, DIMENSION)
        self.queries = np.fromfile(folder / "queries.f32", dtype=np.float32).reshape(-1, DIMENSION)
        self.threads = threads
        self.metric = metric
        self.only_builds = only_builds
        self.cache = Cache(folder / "rows.f32")
        self.least = None if only_builds else truth_of(self.rows, self.queries, metric)

    def time_queries(self, search: Callable) -> tuple[float, float, list]:
        """Milliseconds a query, those of its thread, and what was found."""
        found: list = [None] * len(self.queries)
        times = [0.0] * len(self.queries)
        own = [0.0] * len(self.queries)

        def ask(first: int) -> None:
            for i in range(first, len(self.queries), self.threads):
                start, own_start = time.perf_counter(), time.thread_time()
                found[i] = search(self.queries[i])
                own[i] = (time.thread_time() - own_start) * 1e3
                times[i] = (time.perf_counter() - start) * 1e3

        if self.threads == 1:
            ask(0)
            return statistics.median(times), statistics.median(own), found
        askers = [threading.Thread(target=ask, args=(i,)) for i in range(self.threads)]
        start = time.perf_counter()
        for asker in askers:
            asker.start()
        for asker in askers:
            asker.join()
        passed = (time.perf_counter() - start) * 1e3 / len(self.queries)
        return passed, statistics.median(own), found

    def searched(self, name: str, search: Callable, build_seconds: float, **more: object) -> None:
        if self.only_builds:
            return
        for query in self.queries[:20]:  # what is read for the first time
            search(query)
        ms, cpu_ms, found = self.time_queries(search)
        recall = sum(recall_of(self.rows, q, ids, least, self.metric)
                     for q, ids, least in zip(self.queries, found, self.least)) / len(self.queries)
        rate = len(self.rows) / build_seconds if build_seconds > 0 else None
        say(way=name, metric=self.metric, rows=len(self.rows), threads=self.threads, ms=round(ms, 4),
            cpu_ms=round(cpu_ms, 4), recall=round(recall, 4), rows_per_s=rate and round(rate), **more)

    def named(self, name: str) -> str:
        return f"{name} l2" if self.metric == "l2" else name

    def metric_of(self, faiss) -> int:
        return faiss.METRIC_L2 if self.metric == "l2" else faiss.METRIC_INNER_PRODUCT

    def flat(self) -> None:
        import faiss

        if self.only_builds:
            return
        faiss.omp_set_num_threads(1)
        start = time.perf_counter()
        index = faiss.IndexFlat(DIMENSION, self.metric_of(faiss))
        index.add(self.rows)
        seconds = time.perf_counter() - start
        self.searched("faiss-cpu Flat", lambda q: index.search(q[None], K)[1][0], seconds,
                      version=faiss.__version__)

    def delete(self) -> None:
        """One row after the other goes, each with a search behind it: in memory, nothing is written. To have
        the deleting outlast a crash, as ours does, FAISS has the whole index to write."""
        import faiss

        if self.only_builds:
            return
        faiss.omp_set_num_threads(1)
        index = faiss.IndexIDMap2(faiss.IndexFlat(DIMENSION, self.metric_of(faiss)))
        index.add_with_ids(self.rows, np.arange(len(self.rows)))
        removing, both = [], []
        for i in range(DELETED):
            start = time.perf_counter()
            index.remove_ids(np.array([i * 97], dtype=np.int64))
            removing.append((time.perf_counter() - start) * 1e3)
            index.search(self.queries[i][None], K)
            both.append((time.perf_counter() - start) * 1e3)
        say(way="faiss-cpu IDMap2,Flat", rows=len(self.rows), delete_ms=round(statistics.median(removing), 3),
            delete_search_ms=round(statistics.median(both), 3),
            durable_ms=round(statistics.median(both) + statistics.median(self.save(index)), 3),
            version=faiss.__version__)

    def save(self, index) -> list[float]:
        import faiss

        times = []
        with tempfile.TemporaryDirectory(dir=self.cache.folder) as folder:
            for _ in range(SAVED):
                path = Path(folder) / "index"
                start = time.perf_counter()
                faiss.write_index(index, str(path))
                with path.open("rb") as file:
                    os.fsync(file.fileno())
                times.append((time.perf_counter() - start) * 1e3)
        return times

    def faiss(self) -> None:
        import faiss

        faiss.omp_set_num_threads(1)
        version = faiss.__version__

        def build():
            index = faiss.IndexHNSWFlat(DIMENSION, 32, self.metric_of(faiss))
            index.add(self.rows)
            return index

        graph, seconds = self.cache.get(self.named(f"faiss {version} HNSW32"), build,
                                        faiss.write_index, faiss.read_index)
        for effort in (16, 32, 64, 128, 256, 512):
            graph.hnsw.efSearch = effort
            self.searched("faiss-cpu HNSW32", lambda q: graph.search(q[None], K)[1][0], seconds,
                          ef=effort, version=version)

    def hnswlib(self) -> None:
        from importlib.metadata import version as version_of

        import hnswlib

        version = version_of("hnswlib")

        def build():
            index = hnswlib.Index(space="l2" if self.metric == "l2" else "ip", dim=DIMENSION)
            index.init_index(max_elements=len(self.rows), ef_construction=200, M=16)
            index.set_num_threads(1)
            index.add_items(self.rows, np.arange(len(self.rows)))
            return index

        def load(path: str):
            index = hnswlib.Index(space="l2" if self.metric == "l2" else "ip", dim=DIMENSION)
            index.load_index(path)
            return index

        index, seconds = self.cache.get(self.named(f"hnswlib {version} M16 ef200"), build,
                                        lambda index, path: index.save_index(path), load)
        index.set_num_threads(1)
        for effort in (16, 32, 64, 128, 256, 512):
            index.set_ef(effort)
            self.searched("hnswlib", lambda q: index.knn_query(q, K)[0][0], seconds, ef=effort,
                          version=version)

    def usearch(self) -> None:
        import usearch
        from usearch.index import Index

        version = usearch.__version__

        def build():
            index = Index(ndim=DIMENSION, metric="l2sq" if self.metric == "l2" else "ip", dtype="f32")
            index.add(np.arange(len(self.rows)), self.rows, threads=1)
            return index

        index, seconds = self.cache.get(self.named(f"usearch {version}"), build,
                                        lambda index, path: index.save(path), Index.restore)
        for effort in (64, 128, 256, 512):
            index.expansion_search = effort
            self.searched("usearch", lambda q: index.search(q, K, threads=1).keys, seconds, ef=effort,
                          version=version)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", default=",".join(NAMES))
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--metric", choices=("cosine", "l2"), default="cosine")
    parser.add_argument("--build", action="store_true")
    parser.add_argument("--ours")
    asked = parser.parse_args()
    bench = Bench(asked.folder, asked.threads, asked.build, asked.metric)
    ourselves = [asked.ours, str(len(bench.rows)), str(DIMENSION), str(asked.folder),
                 str(asked.threads), "exact" if asked.only == "flat" else "all", asked.metric]
    for _ in range(asked.rounds):
        if asked.ours:
            subprocess.run(ourselves, check=True)
        for name in asked.only.split(","):
            try:
                getattr(bench, name)()
            except ImportError as error:
                say(way=name, left_out=str(error))
    if asked.ours:
        subprocess.run(ourselves, check=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
