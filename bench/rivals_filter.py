#!/usr/bin/env python3
"""Vector search with a filter on metadata, beside other libraries, in turns.

    tools/setup.sh bench; python=$(tools/setup.sh print-bench-python)       # the other libraries
    build/release/bench/bench_vectors 100000 384 /tmp/rows > /dev/null
    PYTHONPATH=examples/python RAGSTORE_LIBRARY=build/lib/libragstore.so \\
        $python bench/rivals_filter.py /tmp/rows [--rows N] [--rounds N] [--queries N]

Each row has a text and a number `rank` from 0 to 9,999, drawn at random; a filter asks for a stretch of
ranks and so keeps 0.1, 1, 10 or 50 % of the rows. It is "the same" for all queries, or "another" for each.
All are called from Python and keep their rows on disk; for each filter they take turns, a round of queries
each. One JSON object a library and filter: the median time of a query, how many of the ten that exist came
back on average, and the share of the true ten nearest among them, by scores in float64.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from rivals_ingest import DIMENSION, K, text_of

BULK = 5000
RANKS = 10000
SHARES = (0.001, 0.01, 0.1, 0.5)


class Ragstore:
    name = "ragstore"

    def __init__(self, folder: Path, rows: int) -> None:
        import ragstore

        self.store = ragstore.Store(str(folder / "store"))
        self.entity = self.store.create_entity("bench")

    def add(self, first: int, rows: np.ndarray, texts: list[str], ranks: np.ndarray) -> None:
        self.entity.add_chunks([{"text": text, "metadata": {"row": first + i, "rank": int(ranks[i])}}
                                for i, text in enumerate(texts)], vectors=rows)

    def finish(self) -> None:
        self.store.maintain()

    def search(self, query: np.ndarray, low: int, high: int) -> list[int]:
        found = self.entity.search(vector=query, k=K, mode="vector", keep_duplicates=True,
                                   filter={"rank": {"$gte": low, "$lt": high}})
        return [hit.metadata["row"] for hit in found]


class Chroma:
    name = "chroma"

    def __init__(self, folder: Path, rows: int) -> None:
        import chromadb
        from chromadb.config import Settings

        client = chromadb.PersistentClient(path=str(folder), settings=Settings(anonymized_telemetry=False))
        self.items = client.create_collection("bench", metadata={"hnsw:space": "ip"},
                                              embedding_function=None)

    def add(self, first: int, rows: np.ndarray, texts: list[str], ranks: np.ndarray) -> None:
        self.items.add(ids=[str(first + i) for i in range(len(rows))], embeddings=rows, documents=texts,
                       metadatas=[{"rank": int(rank)} for rank in ranks])

    def finish(self) -> None:
        pass

    def search(self, query: np.ndarray, low: int, high: int) -> list[int]:
        found = self.items.query(query_embeddings=[query], n_results=K, include=["documents"],
                                 where={"$and": [{"rank": {"$gte": low}}, {"rank": {"$lt": high}}]})
        return [int(i) for i in found["ids"][0]]


class Lance:
    name = "lancedb"

    def __init__(self, folder: Path, rows: int) -> None:
        import lancedb
        import pyarrow as pa

        self.pa = pa
        schema = pa.schema([("id", pa.int64()), ("rank", pa.int64()), ("text", pa.string()),
                            ("vector", pa.list_(pa.float32(), DIMENSION))])
        self.table = lancedb.connect(str(folder)).create_table("bench", schema=schema)

    def add(self, first: int, rows: np.ndarray, texts: list[str], ranks: np.ndarray) -> None:
        vectors = self.pa.FixedSizeListArray.from_arrays(self.pa.array(rows.reshape(-1)), DIMENSION)
        self.table.add(self.pa.table({"id": self.pa.array(np.arange(first, first + len(rows))),
                                      "rank": self.pa.array(ranks), "text": texts, "vector": vectors}))

    def finish(self) -> None:
        from lancedb.index import BTree

        self.table.create_index("rank", config=BTree())

    def search(self, query: np.ndarray, low: int, high: int) -> list[int]:
        found = self.table.search(query).metric("dot").limit(K)
        found = found.where(f"rank >= {low} and rank < {high}", prefilter=True)
        return [r["id"] for r in found.select(["id", "text", "_distance"]).to_list()]


class SqliteVec:
    name = "sqlite-vec"

    def __init__(self, folder: Path, rows: int) -> None:
        import pysqlite3
        import sqlite_vec

        self.base = pysqlite3.connect(str(folder / "bench.db"), isolation_level=None)
        self.base.enable_load_extension(True)
        sqlite_vec.load(self.base)
        self.base.execute("pragma journal_mode = wal")
        self.base.execute(f"create virtual table items using vec0(rank integer, +text text, "
                          f"vector float[{DIMENSION}] distance_metric=cosine)")

    def add(self, first: int, rows: np.ndarray, texts: list[str], ranks: np.ndarray) -> None:
        self.base.execute("begin")
        self.base.executemany("insert into items(rowid, rank, text, vector) values (?, ?, ?, ?)",
                              [(first + i, int(ranks[i]), texts[i], rows[i].tobytes())
                               for i in range(len(rows))])
        self.base.execute("commit")

    def finish(self) -> None:
        pass

    def search(self, query: np.ndarray, low: int, high: int) -> list[int]:
        return [row[0] for row in self.base.execute(
            "select rowid, text from items where vector match ? and k = ? and rank >= ? and rank < ?",
            (query.tobytes(), K, low, high))]


WAYS = (Ragstore, Chroma, Lance, SqliteVec)


class Turns:
    """A query and a stretch of ranks each, asked of all libraries in turns."""

    def __init__(self, rows: np.ndarray, ranks: np.ndarray, queries: np.ndarray) -> None:
        self.ranks, self.queries = ranks, queries
        self.scores = queries.astype(np.float64) @ rows.astype(np.float64).T
        self.times: dict[str, list[float]] = {}
        self.found: dict[str, list[int]] = {}
        self.right: dict[str, list[int]] = {}

    def set_bounds(self, bounds: list[tuple[int, int]]) -> None:
        self.bounds = bounds
        self.least = [np.sort(scores[self.kept(i)])[-K:][0] for i, scores in enumerate(self.scores)]

    def kept(self, query: int) -> np.ndarray:
        low, high = self.bounds[query]
        return (self.ranks >= low) & (self.ranks < high)

    def ask(self, way) -> None:
        for i, query in enumerate(self.queries):
            began = time.perf_counter()
            ids = way.search(query, *self.bounds[i])
            self.times.setdefault(way.name, []).append((time.perf_counter() - began) * 1e3)
            allowed = self.kept(i)
            ids = [row for row in ids if allowed[row]]
            self.found.setdefault(way.name, []).append(len(ids))
            right = np.count_nonzero(self.scores[i][ids] >= self.least[i] - 1e-6)
            self.right.setdefault(way.name, []).append(int(right))

    def say(self, share: float, filters: str) -> None:
        for name, times in self.times.items():
            print(json.dumps({"bench": "rivals_filter", "way": name, "rows": len(self.ranks),
                              "keeps": share, "filter": filters, "ms": round(statistics.median(times), 3),
                              "min": round(min(times), 3), "max": round(max(times), 3),
                              "found": round(statistics.mean(self.found[name]), 2),
                              "recall": round(statistics.mean(self.right[name]) / K, 4)}), flush=True)


def open_ways(folder: Path, rows: np.ndarray, ranks: np.ndarray) -> list:
    opened = []
    for make in WAYS:
        place = folder / make.__name__
        place.mkdir()
        try:
            way = make(place, len(rows))
        except ImportError as error:
            print(json.dumps({"way": make.name, "left_out": str(error)}), flush=True)
            continue
        for at in range(0, len(rows), BULK):
            end = min(at + BULK, len(rows))
            way.add(at, rows[at:end], [text_of(row) for row in range(at, end)], ranks[at:end])
        way.finish()
        opened.append(way)
    return opened


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--queries", type=int, default=30)
    options = parser.parse_args()
    rows = np.fromfile(options.folder / "rows.f32", dtype=np.float32).reshape(-1, DIMENSION)[: options.rows]
    queries = np.fromfile(options.folder / "queries.f32", dtype=np.float32).reshape(-1, DIMENSION)
    queries = queries[: options.queries]
    ranks = np.random.default_rng(11).integers(0, RANKS, len(rows))
    with tempfile.TemporaryDirectory() as folder:
        ways = open_ways(Path(folder), rows, ranks)
        for share in SHARES:
            width = round(RANKS * share)
            count = len(queries)
            for filters, step in (("the same", 0), ("another", (RANKS - width) // (options.rounds * count))):
                for way in ways:
                    way.search(queries[0], 0, width)  # what is read for the first time
                turns = Turns(rows, ranks, queries)
                for round_ in range(options.rounds):
                    first = round_ * count * step  # nobody is asked the same twice
                    turns.set_bounds([(first + i * step, first + i * step + width) for i in range(count)])
                    for way in ways:
                        turns.ask(way)
                turns.say(share, filters)
    return 0


if __name__ == "__main__":
    sys.exit(main())
