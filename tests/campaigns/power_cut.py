#!/usr/bin/env python3
"""Cut the power of real file systems: copy the image of a mounted one in use, and mount the copy.

A store is written to by four threads on an ext4, XFS or btrfs image. The writer is stopped, the image is
copied as the block device has it then (what the kernel still keeps in memory is not in it), and the
copy is mounted, which makes the file system recover as after a power cut. Every acknowledged call has
to be there, at most one more of each thread, and a check finds nothing. Needs root; what cannot be
mounted here is named as NOT RUN. A cycle cuts each kind once.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from pathlib import Path

from campaign import Wrong, count, read_store, run, start_writer
from disks import Disk, NotHere

THREADS = 4
KINDS = ["ext4", "xfs", "btrfs"]


def stop(pid: int) -> None:
    """Stop a process, and wait until each of its threads stands still: a flush is not interrupted."""
    os.kill(pid, signal.SIGSTOP)
    for _ in range(10_000):
        states = [stat.read_text().rpartition(")")[2].split()[0] for stat in Path(f"/proc/{pid}/task").glob("*/stat")]
        if all(state == "T" for state in states):
            return
        time.sleep(0.001)
    raise Wrong(f"process {pid} does not stop: {states}")


def cut(kind: str, chance: random.Random, directory: Path, totals: dict) -> None:
    seed = chance.randrange(1 << 30)
    copy = directory / f"cut-{kind}"
    done = [0] * THREADS
    with Disk(kind, directory) as disk:
        writer = start_writer(disk.path / "store", seed, 0, done)
        writer.wait_for_first()
        time.sleep(chance.random() * 0.6)
        stop(writer.process.pid)
        writer.read()
        for worker, step in writer.acknowledged:
            done[worker] = step
        disk.copy(copy)
        writer.kill()
    with Disk(kind, directory, image=copy) as after:
        answer = read_store(after.path / "store", seed, "c", [(steps, steps + 1) for steps in done])
    copy.unlink()
    if answer["status"] != "OK" or answer["findings"]:
        raise Wrong(f"{kind}: {answer['status']}: {answer['message']} {answer.get('findings')}")
    for worker, found in enumerate(answer["workers"]):
        if found["steps"] is None:
            raise Wrong(f"{kind}: worker {worker}, {done[worker]} steps acknowledged: {found}")
    count(totals, f"{kind} cut")
    count(totals, "calls acknowledged", sum(done))


def cycle(options, chance: random.Random, directory: Path, totals: dict) -> None:
    for kind in KINDS:
        try:
            cut(kind, chance, directory, totals)
        except NotHere as reason:
            if totals.get(f"{kind} not run", 0) == 0:
                print(f"NOT RUN on {kind}: {reason}")
            count(totals, f"{kind} not run")


if __name__ == "__main__":
    sys.exit(run("power-cut", 3, cycle, __doc__))
