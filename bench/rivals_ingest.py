#!/usr/bin/env python3
"""Bring the rows of bench_vectors, with a text each, into other libraries: the rivals of bench_ingest.

    tools/setup.sh bench; python=$(tools/setup.sh print-bench-python)       # the other libraries
    build/release/bench/bench_vectors 100000 384 /tmp/rows > /dev/null
    $python bench/rivals_ingest.py /tmp/rows [--rows N] [--rounds N] \
        [--only NAME,NAME] [--ours build/release/bench/bench_ingest]

Each library keeps rows and texts in a folder of its own below FOLDER/rivals, which is removed before.
Measured are, as far as a library can do it: all rows in bulk until they are on disk and can be searched
(an index file is written and flushed; graphs are built on one thread), the median time of a query and
recall of the ten nearest, bytes on disk, single adds a second (each as durable as the library offers
by itself), and the median time of deleting one row and searching. One JSON object a line. With
--ours, ragstore is measured before and after the others in each round.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

DIMENSION, K, SINGLE, DELETED = 384, 10, 100, 20


def text_of(row: int) -> str:
    """As in bench_ingest.c."""
    return (f"Passage {row}. The keeper noted wind from {row * 37 % 360} degrees and {row * 11 % 29} "
            f"ships in the bay; the lamp burned {row * 7 % 14 + 1} hours. Nothing else was seen until "
            "the morning watch, when fog came in from the north and the bell was rung every "
            f"{row * 5 % 9 + 1} minutes.")


def flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    os.fsync(handle)
    os.close(handle)


def bytes_below(folder: Path) -> int:
    return sum(p.lstat().st_blocks * 512 for p in folder.rglob("*") if p.is_file())


class Texts:
    """A file of texts beside a library that keeps only vectors, flushed with it."""

    def __init__(self, folder: Path) -> None:
        self.file = open(folder / "texts.jsonl", "w", encoding="utf-8")

    def add(self, texts: list[str]) -> None:
        for text in texts:
            self.file.write(json.dumps(text) + "\n")
        self.file.flush()
        os.fsync(self.file.fileno())


class Hnswlib:
    name, singles = "hnswlib", 5

    def __init__(self, folder: Path, rows: int) -> None:
        import hnswlib

        self.path, self.texts = folder / "index.bin", Texts(folder)
        self.index = hnswlib.Index(space="ip", dim=DIMENSION)
        self.index.init_index(max_elements=rows + SINGLE, ef_construction=200, M=16)
        self.index.set_num_threads(1)
        self.index.set_ef(64)

    def add(self, first: int, rows: np.ndarray, texts: list[str]) -> None:
        self.index.add_items(rows, np.arange(first, first + len(rows)))
        self.texts.add(texts)

    def finish(self) -> None:
        self.index.save_index(str(self.path))
        flush(self.path)

    def search(self, query: np.ndarray) -> list[int]:
        return list(self.index.knn_query(query, K)[0][0])

    def delete(self, row: int) -> None:
        self.index.mark_deleted(row)
        self.finish()


class FaissHnsw:
    name, singles = "faiss-cpu HNSW32", 5

    def __init__(self, folder: Path, rows: int) -> None:
        import faiss

        faiss.omp_set_num_threads(1)
        self.faiss, self.path, self.texts = faiss, folder / "index.faiss", Texts(folder)
        self.index = faiss.IndexHNSWFlat(DIMENSION, 32, faiss.METRIC_INNER_PRODUCT)
        self.index.hnsw.efSearch = 64

    def add(self, first: int, rows: np.ndarray, texts: list[str]) -> None:
        self.index.add(rows)
        self.texts.add(texts)

    def finish(self) -> None:
        self.faiss.write_index(self.index, str(self.path))
        flush(self.path)

    def search(self, query: np.ndarray) -> list[int]:
        return list(self.index.search(query[None], K)[1][0])


class FaissIdMap(FaissHnsw):
    name, singles = "faiss-cpu IDMap2,Flat", 5

    def __init__(self, folder: Path, rows: int) -> None:
        super().__init__(folder, rows)
        self.index = self.faiss.IndexIDMap2(self.faiss.IndexFlatIP(DIMENSION))

    def add(self, first: int, rows: np.ndarray, texts: list[str]) -> None:
        self.index.add_with_ids(rows, np.arange(first, first + len(rows)))
        self.texts.add(texts)

    def delete(self, row: int) -> None:
        self.index.remove_ids(np.array([row]))  # in memory only: the file would be written again


class Usearch:
    name, singles = "usearch", 5

    def __init__(self, folder: Path, rows: int) -> None:
        from usearch.index import Index

        self.path, self.texts = folder / "index.usearch", Texts(folder)
        self.index = Index(ndim=DIMENSION, metric="ip", dtype="f32", expansion_search=128)

    def add(self, first: int, rows: np.ndarray, texts: list[str]) -> None:
        self.index.add(np.arange(first, first + len(rows)), rows, threads=1)
        self.texts.add(texts)

    def finish(self) -> None:
        self.index.save(str(self.path))
        flush(self.path)

    def search(self, query: np.ndarray) -> list[int]:
        return list(self.index.search(query, K, threads=1).keys)


class Chroma:
    name, singles = "chroma", SINGLE

    def __init__(self, folder: Path, rows: int) -> None:
        import chromadb
        from chromadb.api.shared_system_client import SharedSystemClient
        from chromadb.config import Settings

        SharedSystemClient.clear_system_cache()  # it keeps what a folder had in the round before
        client = chromadb.PersistentClient(path=str(folder),
                                           settings=Settings(anonymized_telemetry=False))
        self.items = client.create_collection("bench", metadata={"hnsw:space": "ip"},
                                              embedding_function=None)

    def add(self, first: int, rows: np.ndarray, texts: list[str]) -> None:
        for at in range(0, len(rows), 5000):
            part = rows[at : at + 5000]
            self.items.add(ids=[str(first + at + i) for i in range(len(part))], embeddings=part,
                           documents=texts[at : at + 5000])

    def finish(self) -> None:
        pass

    def search(self, query: np.ndarray) -> list[int]:
        found = self.items.query(query_embeddings=[query], n_results=K, include=["documents"])
        return [int(i) for i in found["ids"][0]]

    def delete(self, row: int) -> None:
        self.items.delete(ids=[str(row)])


class Lance:
    name, singles = "lancedb", SINGLE

    def __init__(self, folder: Path, rows: int) -> None:
        import lancedb
        import pyarrow as pa

        self.pa = pa
        schema = pa.schema([("id", pa.int64()), ("text", pa.string()),
                            ("vector", pa.list_(pa.float32(), DIMENSION))])
        self.table = lancedb.connect(str(folder)).create_table("bench", schema=schema)

    def add(self, first: int, rows: np.ndarray, texts: list[str]) -> None:
        vectors = self.pa.FixedSizeListArray.from_arrays(self.pa.array(rows.reshape(-1)), DIMENSION)
        ids = self.pa.array(np.arange(first, first + len(rows)))
        self.table.add(self.pa.table({"id": ids, "text": texts, "vector": vectors}))

    def finish(self) -> None:
        self.table.create_index(metric="dot", vector_column_name="vector")

    def search(self, query: np.ndarray) -> list[int]:
        return [r["id"] for r in self.table.search(query).metric("dot").limit(K).to_list()]

    def delete(self, row: int) -> None:
        self.table.delete(f"id = {row}")


class SqliteVec:
    name, singles = "sqlite-vec (exact, WAL FULL)", SINGLE

    def __init__(self, folder: Path, rows: int) -> None:
        import sqlite_vec

        try:
            import pysqlite3 as sqlite3  # Python's own may be built without extensions
        except ImportError:
            import sqlite3

        self.db = sqlite3.connect(folder / "bench.db", isolation_level=None)
        self.db.enable_load_extension(True)
        sqlite_vec.load(self.db)
        self.db.execute("PRAGMA journal_mode = WAL")
        self.db.execute("PRAGMA synchronous = FULL")
        self.db.execute(f"CREATE VIRTUAL TABLE v USING vec0(embedding float[{DIMENSION}])")
        self.db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, text TEXT)")

    def add(self, first: int, rows: np.ndarray, texts: list[str]) -> None:
        self.db.execute("BEGIN")
        self.db.executemany("INSERT INTO v (rowid, embedding) VALUES (?, ?)",
                            ((first + i, row.tobytes()) for i, row in enumerate(rows)))
        self.db.executemany("INSERT INTO t VALUES (?, ?)",
                            ((first + i, text) for i, text in enumerate(texts)))
        self.db.execute("COMMIT")

    def finish(self) -> None:
        pass

    def search(self, query: np.ndarray) -> list[int]:
        # unit vectors: the nearest by distance are the nearest by inner product
        return [r[0] for r in self.db.execute(
            "SELECT rowid FROM v WHERE embedding MATCH ? AND k = ?", (query.tobytes(), K))]

    def delete(self, row: int) -> None:
        self.db.execute("BEGIN")
        self.db.execute("DELETE FROM v WHERE rowid = ?", (row,))
        self.db.execute("DELETE FROM t WHERE id = ?", (row,))
        self.db.execute("COMMIT")


RIVALS: list[Callable] = [SqliteVec, Lance, Hnswlib, Usearch, FaissIdMap, FaissHnsw, Chroma]


def truth_of(rows: np.ndarray, queries: np.ndarray) -> list[set[int]]:
    scores = queries.astype(np.float64) @ rows.astype(np.float64).T
    return [set(np.argpartition(-row, K)[:K].tolist()) for row in scores]


def measure(make: Callable, folder: Path, rows: np.ndarray, queries: np.ndarray,
            truth: list[set[int]]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    texts = [text_of(row) for row in range(len(rows) + SINGLE)]
    rival = make(folder, len(rows))
    start = time.perf_counter()
    for first in range(0, len(rows), 10000):
        rival.add(first, rows[first : first + 10000], texts[first : first + len(rows[first : first + 10000])])
    rival.finish()
    seconds = time.perf_counter() - start
    times, hits = [], 0
    for query, right in zip(queries, truth):
        begun = time.perf_counter()
        found = rival.search(query)
        times.append((time.perf_counter() - begun) * 1e3)
        hits += len(right & set(found))
    disk = bytes_below(folder)
    raw = rows.nbytes + sum(len(t) for t in texts[: len(rows)])
    begun = time.perf_counter()
    for i in range(rival.singles):
        at = len(rows) + i
        rival.add(at, rows[i : i + 1], texts[at : at + 1])
        if rival.singles < SINGLE:
            rival.finish()  # a file that is written as a whole
    single = rival.singles / (time.perf_counter() - begun)
    deletes = []
    for i in range(DELETED if hasattr(rival, "delete") else 0):
        begun = time.perf_counter()
        rival.delete(i * 7)
        rival.search(queries[i])
        deletes.append((time.perf_counter() - begun) * 1e3)
    print(json.dumps({"bench": "rivals_ingest", "way": rival.name, "rows": len(rows),
                      "rows_per_s": round(len(rows) / seconds), "ms": round(statistics.median(times), 3),
                      "recall": round(hits / K / len(queries), 4), "mb": round(disk / 1e6),
                      "share": round(disk / raw, 3), "adds_per_s": round(single, 1),
                      "delete_search_ms": round(statistics.median(deletes), 3) if deletes else None}),
          flush=True)
    shutil.rmtree(folder, ignore_errors=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--only", default="")
    parser.add_argument("--ours")
    options = parser.parse_args()
    rows = np.fromfile(options.folder / "rows.f32", dtype=np.float32).reshape(-1, DIMENSION)
    queries = np.fromfile(options.folder / "queries.f32", dtype=np.float32).reshape(-1, DIMENSION)
    rows = rows[: options.rows] if options.rows else rows
    truth = truth_of(rows, queries)
    for _ in range(options.rounds):
        if options.ours:
            subprocess.run([options.ours, str(options.folder), str(len(rows))], check=True)
        for make in RIVALS:
            if options.only and not any(make.name.startswith(n) for n in options.only.split(",")):
                continue
            try:
                measure(make, options.folder / "rivals", rows, queries, truth)
            except ImportError as error:
                print(json.dumps({"way": make.name, "left_out": str(error)}), flush=True)
        if options.ours:
            subprocess.run([options.ours, str(options.folder), str(len(rows))], check=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
