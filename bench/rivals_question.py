#!/usr/bin/env python3
"""Ask Chroma, with sentence-transformers, what bench_question asks.

    pip install -r bench/requirements-question.txt      # into an environment of its own: gigabytes
    build/release/bench/bench_question --store STORE
    PYTHONPATH=examples/python RAGSTORE_LIBRARY=build/lib/libragstore.so RAGSTORE_MODEL=MODEL \\
        bench/rivals_question.py STORE [--rounds N] [--ours build/release/bench/bench_question]

The chunks of STORE with their texts, vectors and years are put into a Chroma collection beside it
(STORE.chroma, kept for the next run). A question there is: embed it (the same MiniLM, float32), query
for 5 chunks from 1970 on, and store question and answer in SQLite (WAL, NORMAL) as history. It does
less than ours: Chroma has no keyword ranking, so its search is by vector alone, and nothing is chosen
from the texts for an answer. Both have the processors that the machine has. They take turns; each
turn is a process of its own, whose largest resident memory is told. One JSON object a line.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

K, QUESTIONS, BATCH = 5, 100, 2000
ENTITY = "bench"


def report(figure: str, unit: str, value: float, **more: object) -> None:
    print(json.dumps({"bench": "question", "rival": "chroma", "figure": figure,
                      "value": round(value, 3), "unit": unit, **more}), flush=True)


def open_collection(place: Path):
    import chromadb
    from chromadb.config import Settings

    client = chromadb.PersistentClient(str(place), Settings(anonymized_telemetry=False))
    return client.get_or_create_collection(ENTITY, configuration={"hnsw": {"space": "cosine"}})


def chunks_of(store: Path):
    """(number, text, document) of each chunk, in order."""
    with open(store / "entity_scoped/entities" / ENTITY / "chunk_metadata.json") as lines:
        for number, chunk in json.load(lines).items():
            yield int(number), chunk["content"], chunk["doc_id"]


def fill(store: Path, place: Path) -> None:
    import ragstore

    collection = open_collection(place)
    start = time.monotonic()
    with ragstore.Store(store, read_only=True) as opened, opened.entity(ENTITY) as entity:
        index = entity.index()
        years = {d["doc_id"]: d["metadata"]["year"] for d in entity.documents()}
        chunks = list(chunks_of(store))
        for at in range(collection.count(), len(chunks), BATCH):
            some = chunks[at : at + BATCH]
            collection.add(
                ids=[str(number) for number, _, _ in some],
                embeddings=[list(index.vector(number)) for number, _, _ in some],
                documents=[text for _, text, _ in some],
                metadatas=[{"year": years[doc]} for _, _, doc in some],
            )
    report("adding", "s", time.monotonic() - start)


def read_questions() -> list[str]:
    shared = Path(os.environ.get("RAGSTORE_SHARED_DATA", "../shared/data"))
    lines = (shared / "cranfield/queries.jsonl").read_text().splitlines()
    return [json.loads(line)["text"] for line in lines][: QUESTIONS + 1]


def ask_all(place: Path) -> None:
    """One turn, in a process of its own."""
    from sentence_transformers import SentenceTransformer

    start = time.monotonic()
    model = SentenceTransformer(os.environ["RAGSTORE_MODEL"], device="cpu")
    collection = open_collection(place)
    times = []
    with tempfile.TemporaryDirectory() as folder:
        history = sqlite3.connect(f"{folder}/history.db", isolation_level=None)
        history.execute("pragma journal_mode = wal")
        history.execute("pragma synchronous = normal")
        history.execute("create table messages (role text, content text)")
        for question in read_questions():
            begun = time.monotonic()
            history.execute("insert into messages values ('user', ?)", (question,))
            vector = model.encode(question, normalize_embeddings=True)
            found = collection.query(query_embeddings=[vector], n_results=K,
                                     where={"year": {"$gte": 1970}})
            history.execute("insert into messages values ('assistant', ?)",
                            (found["documents"][0][0],))
            if not times:
                report("start to first answer", "ms", (time.monotonic() - start) * 1000)
            times.append((time.monotonic() - begun) * 1000)
        history.close()
    report("question with filter and history, p50", "ms", statistics.median(times[1:]))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    report("largest resident memory", "MiB", memory)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__,
                                        formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("store", type=Path)
    arguments.add_argument("--rounds", type=int, default=7)
    arguments.add_argument("--ours")
    arguments.add_argument("--turn", action="store_true", help=argparse.SUPPRESS)
    given = arguments.parse_args()
    place = given.store.with_name(given.store.name + ".chroma")
    if given.turn:
        ask_all(place)
        return
    fill(given.store, place)
    theirs = [sys.executable, __file__, str(given.store), "--turn"]
    ours = [given.ours, "--store", str(given.store)] if given.ours else None
    for number in range(given.rounds):
        for turn in (theirs, ours) if number % 2 == 0 else (ours, theirs):
            if turn is not None:
                subprocess.run(turn, check=True)


if __name__ == "__main__":
    main()
