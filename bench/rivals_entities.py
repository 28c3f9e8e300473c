#!/usr/bin/env python3
"""Many small tenants in other libraries: the rivals of bench_entities.

    tools/setup.sh bench; python=$(tools/setup.sh print-bench-python)       # the other libraries
    $python bench/rivals_entities.py FOLDER [--entities N] [--ours build/release/bench/bench_entities]

Each tenant is a collection of Chroma, or a table of LanceDB, with 100 rows of 384 numbers and texts; they
are made once, in FOLDER/chroma-N and FOLDER/lance-N, which takes minutes. Then a new process is
started a few times and measured: the time from its start to the first right answer, the most memory it
took, and the median time of 20 tenants that are asked for the first time. With --ours, bench_entities
measures ragstore with the same number before and after.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

CHUNKS, DIMENSION, ROUNDS, ASKED = 100, 384, 3, 20


def name_of(tenant: int) -> str:
    return f"tenant-{tenant:05d}"


def rows_of(tenant: int):
    import numpy as np

    return np.random.default_rng(tenant).standard_normal((CHUNKS, DIMENSION)).astype(np.float32)


def texts_of(tenant: int) -> list[str]:
    return [f"Note {i} of tenant {tenant} about the harbour." for i in range(CHUNKS)]


class Chroma:
    name = "chroma"

    def __init__(self, folder: Path) -> None:
        import chromadb
        from chromadb.config import Settings

        self.client = chromadb.PersistentClient(path=str(folder),
                                                settings=Settings(anonymized_telemetry=False))

    def make(self, tenant: int) -> None:
        made = self.client.create_collection(name_of(tenant), embedding_function=None)
        made.add(ids=[str(i) for i in range(CHUNKS)], embeddings=rows_of(tenant),
                 documents=texts_of(tenant))

    def ask(self, tenant: int, query) -> int:
        found = self.client.get_collection(name_of(tenant), embedding_function=None).query(
            query_embeddings=[query], n_results=1, include=["documents"])
        return int(found["ids"][0][0])


class Lance:
    name = "lance"

    def __init__(self, folder: Path) -> None:
        import lancedb

        self.db = lancedb.connect(str(folder))

    def make(self, tenant: int) -> None:
        rows = rows_of(tenant)
        self.db.create_table(name_of(tenant), [
            {"id": i, "text": text, "vector": rows[i]} for i, text in enumerate(texts_of(tenant))])

    def ask(self, tenant: int, query) -> int:
        return self.db.open_table(name_of(tenant)).search(query).limit(1).to_list()[0]["id"]


def most_mib() -> float:
    """Of this program, without that of the one that was there before exec()."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024


def ask_as_child(name: str, folder: Path, entities: int, started: float) -> None:
    query = rows_of(entities // 2)[42]
    rival = {r.name: r for r in (Chroma, Lance)}[name](folder)
    if rival.ask(entities // 2, query) != 42:
        raise SystemExit(f"{name}: the wrong answer")
    first = (time.clock_gettime(time.CLOCK_MONOTONIC) - started) * 1e3
    mib = most_mib()
    times = []
    for i in range(ASKED):
        tenant = (i * 7919 + 13) % entities
        query = rows_of(tenant)[42]
        begun = time.perf_counter()
        rival.ask(tenant, query)
        times.append((time.perf_counter() - begun) * 1e3)
    print(json.dumps({"bench": "rivals_entities", "way": name, "entities": entities,
                      "first_answer_ms": round(first, 1), "first_mib": round(mib, 1),
                      "new_entity_ms": round(statistics.median(times), 2),
                      "mib": round(most_mib(), 1)}),
          flush=True)


def measure(rival: type, folder: Path, entities: int) -> None:
    path = folder / f"{rival.name}-{entities}"
    if not (path / "made").exists():
        begun = time.perf_counter()
        made = rival(path)
        for tenant in range(entities):
            made.make(tenant)
        (path / "made").touch()
        print(json.dumps({"bench": "rivals_entities", "way": rival.name, "entities": entities,
                          "make_s": round(time.perf_counter() - begun, 1)}), flush=True)
    for _ in range(ROUNDS):
        started = time.clock_gettime(time.CLOCK_MONOTONIC)
        subprocess.run([sys.executable, __file__, "--ask", rival.name, str(path), str(entities),
                        repr(started)], check=True)


def main() -> int:
    if sys.argv[1:2] == ["--ask"]:
        ask_as_child(sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5]))
        return 0
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--entities", type=int, default=1000)
    parser.add_argument("--ours")
    options = parser.parse_args()
    ours = [options.ours, str(options.folder), str(options.entities)]
    if options.ours:
        subprocess.run(ours, check=True)
    for rival in (Lance, Chroma):
        try:
            measure(rival, options.folder, options.entities)
        except ImportError as error:
            print(json.dumps({"way": rival.name, "left_out": str(error)}), flush=True)
    if options.ours:
        subprocess.run(ours, check=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
