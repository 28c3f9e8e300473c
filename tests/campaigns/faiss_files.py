#!/usr/bin/env python3
"""Damaged FAISS files in the place of an index, and given to be imported; and damaged indexes of
FAISS's kinds, which are read back.

How they are made and what must come of it is written in faiss_files.c and faiss_saved.c. A cycle tries
9,000 files and 9,000 indexes, other ones than the cycles before, in some seconds.

    make check-campaigns                           one cycle
    tests/campaigns/faiss_files.py --cycles 20     180,000 files
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

from campaign import WORKER, Wrong, count, run

FILES = 9000  # in a cycle
SECONDS = 300  # a cycle that takes longer hangs


def try_files(program: str, options, directory: Path, totals: dict) -> None:
    offset = totals.get("slices", 0)
    memory = Path("/dev/shm")
    place = (memory if os.access(memory, os.W_OK) else directory.parent) / (directory.name + "-store")
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    command = [str(WORKER.with_name(program)), str(place), str(options.seed), str(offset * FILES),
               str(FILES)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS,
                              env={**os.environ, "OMP_NUM_THREADS": "1"})
    except subprocess.TimeoutExpired as error:
        last = (error.stderr or b"").decode(errors="replace").splitlines()[-1:]
        raise Wrong(f"{program} took over {SECONDS} s; the last file was {last}") from error
    if done.returncode != 0:
        raise Wrong(f"{program} ended with {done.returncode}; "
                    f"{' '.join(done.stderr.splitlines()[-2:])}; its store is in {place}")
    shutil.rmtree(place)
    if done.stdout.startswith("NOT RUN"):
        print(done.stdout, end="")
        return
    for what, number in json.loads(done.stdout).items():
        count(totals, what, number)


def cycle(options, chance: random.Random, directory: Path, totals: dict) -> None:
    try_files("faiss_files", options, directory, totals)
    try_files("faiss_saved", options, directory, totals)
    count(totals, "slices")


if __name__ == "__main__":
    sys.exit(run("faiss_files", 1, cycle, __doc__))
