#!/usr/bin/env python3
"""Flip bits and cut ends in every file of a small store, and open and read it each time.

What must come of it is written in damage.c. A cycle tries one bit of each --stride and one length of
each --stride / 8, other ones than the cycles before: as many cycles as the stride try every bit and
every length.

    make check-campaigns                                        one cycle of 83
    tests/campaigns/damage.py --stride 80 --cycles 80           everything, about 15 minutes
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

from campaign import WORKER, Wrong, count, run


def cycle(options, chance: random.Random, directory: Path, totals: dict) -> None:
    offset = totals.get("slices", 0)
    environment = dict(os.environ)
    if not os.access("/dev/shm", os.W_OK):
        environment["TMPDIR"] = str(directory)
    done = subprocess.run([str(WORKER.with_name("damage")), str(options.stride), str(offset)],
                          capture_output=True, text=True, timeout=3600, env=environment)
    if done.returncode != 0:
        raise Wrong(done.stdout + done.stderr)
    for what, number in json.loads(done.stdout).items():
        count(totals, what, number)
    count(totals, "slices")


if __name__ == "__main__":
    sys.exit(run("damage", 1, cycle, __doc__,
                 lambda parser: parser.add_argument("--stride", type=int, default=83)))
