#!/usr/bin/env python3
"""One large text from the upload to the first answers after the next start, in bounded memory.

The program large_text.c says what happens. Pages of files, which the kernel takes away when somebody
else needs the memory, do not count. Of a text that is smaller than 1,000 MiB, less of the keyword index
may be in memory, in proportion, so that a slice tells what the whole would.

    make check-campaigns                                128 MiB
    tests/campaigns/large_text.py --megabytes 1020      the whole: some minutes, 5 GiB of disk
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import subprocess
import sys
from pathlib import Path

from campaign import WORKER, Wrong, count, run

WHOLE = 1000  # MiB of text
BOUND = 256  # MiB of memory for it
FLOOR = 68  # MiB of them for any text: its words, and what is freed and not given back
RUN = 64  # MiB of the keyword index that the library keeps in memory
SECONDS = 3600  # a cycle that takes longer hangs


def cycle(options, chance: random.Random, directory: Path, totals: dict) -> None:
    share = min(1.0, options.megabytes / WHOLE)
    bound = FLOOR + (BOUND - FLOOR) * share
    store = directory / "store"
    command = [str(WORKER.with_name("large_text")), str(store), str(options.megabytes),
               str(0 if share == 1 else int(RUN * 1024 * share)), str(chance.randrange(1, 1 << 32))]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
    except subprocess.TimeoutExpired as error:
        raise Wrong(f"it took over {SECONDS} s") from error
    if done.returncode != 0:
        raise Wrong(f"it ended with {done.returncode}: {' '.join(done.stderr.splitlines()[-2:])}")
    most = json.loads(done.stdout)
    resident = most.pop("resident")
    text = ", ".join(f"{kib / 1024:.0f} MiB {part.removeprefix('KiB ')}" for part, kib in most.items())
    if max(most.values()) > bound * 1024:
        raise Wrong(f"{options.megabytes} MiB of text took more than {bound:.0f} MiB of memory: {text}")
    print(f"{options.megabytes} MiB of text: {text}; with pages of files {resident / 1024:.0f} MiB")
    count(totals, "MiB of text", options.megabytes)
    shutil.rmtree(store)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--megabytes", type=int, default=128)


if __name__ == "__main__":
    sys.exit(run("large_text", 1, cycle, __doc__, add_arguments))
