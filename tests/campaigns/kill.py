#!/usr/bin/env python3
"""Kill writing processes at random moments; nothing that they acknowledged may be lost.

Two processes with four writing threads each tell every acknowledged call through a pipe before the next one. They
are killed with SIGKILL: while the store is opened and recovered, or some time after their first
acknowledgement. Then the store is opened and compared with what was acknowledged, which the killed
processes cannot influence any more:

  - each thread's calls up to the last acknowledged one are there, complete, and at most the one that
    was under way; nothing else
  - a check of the whole store finds nothing

Every third time the store is only opened for reading, so that the next writers recover it, and may be
killed at that.

    make check-campaigns                       200 cycles
    tests/campaigns/kill.py --cycles 100000 --processes 4
"""

from __future__ import annotations

import random
import shutil
import sys
import time
from pathlib import Path

from campaign import Wrong, Writer, count, read_store, run, start_writer

THREADS = 4
CYCLES_TO_A_STORE = 40


def start_all(options, store: Path, seed: int, done: list[int]) -> list[Writer]:
    return [start_writer(store, seed, first, done[first:first + THREADS])
            for first in range(0, options.processes * THREADS, THREADS)]


def cycle(options, chance: random.Random, directory: Path, totals: dict) -> None:
    store = directory / "store"
    progress = cycle.progress
    if progress is None or progress["cycles"] == CYCLES_TO_A_STORE:
        shutil.rmtree(store, ignore_errors=True)
        progress = cycle.progress = {"seed": chance.randrange(1 << 30), "cycles": 0,
                                     "done": [0] * (options.processes * THREADS)}
    done, seed = progress["done"], progress["seed"]
    writers = start_all(options, store, seed, done)
    if chance.random() < 0.2 and progress["cycles"] > 0:
        time.sleep(chance.random() * 0.05)  # perhaps the store is not even open
        count(totals, "killed at once")
    else:
        for writer in writers:
            writer.wait_for_first()
        time.sleep(chance.random() ** 2 * 0.12)
    for writer in writers:
        writer.kill()
        for worker, step in writer.acknowledged:
            if step != done[worker] + 1:
                raise Wrong(f"worker {worker} acknowledged {step} after {done[worker]}")
            done[worker] = step
        count(totals, "calls acknowledged", len(writer.acknowledged))
    progress["cycles"] += 1
    compare(store, seed, done, "r" if progress["cycles"] % 3 == 0 else "c", totals)


cycle.progress = None


def compare(store: Path, seed: int, done: list[int], flags: str, totals: dict) -> None:
    if not (store / "ragstore.json").exists() and not any(done):
        return  # killed before there was a store
    answer = read_store(store, seed, flags, [(steps, steps + 1) for steps in done])
    if answer["status"] != "OK":
        raise Wrong(f"opening: {answer['status']}: {answer['message']}")
    for worker, found in enumerate(answer["workers"]):
        if found["steps"] is None:
            raise Wrong(f"worker {worker}, {done[worker]} steps acknowledged: {found}")
        count(totals, "calls in flight kept", found["steps"] - done[worker])
        done[worker] = found["steps"]
    if answer.get("findings") or "close" in answer:
        raise Wrong(f"check: {answer.get('findings')} {answer.get('close', '')}")


if __name__ == "__main__":
    sys.exit(run("kill", 200, cycle, __doc__,
                 lambda parser: parser.add_argument("--processes", type=int, default=2)))
