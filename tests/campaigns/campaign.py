"""What the campaigns share: the writing and reading program, the log of what it acknowledged, and how a
long campaign is cut into slices that can go on another day.

    cycles wanted, seed ──► run one cycle after the other ──► build/campaigns/<name>.json
                                                              (seed, cycles done, totals)

Every campaign takes --cycles, --seed and --state. With --state it goes on where that file ends, and
stops after --minutes: `make check-long` calls it again and again. Without, it runs from the first
cycle to the last. A failed cycle prints what was wrong, keeps the directory, and ends with status 1;
the same seed and cycle repeat it as far as threads and timing allow.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WORKER = ROOT / "build" / os.environ.get("VARIANT", "release") / "tests/campaigns/store_worker"
READ_SECONDS = 120  # a reader that takes longer hangs


class Wrong(Exception):
    """The store is not what it has to be."""


@dataclass
class Writer:
    """A process of writing threads, and what it has acknowledged so far, in order."""

    process: subprocess.Popen
    pipe: int
    acknowledged: list[tuple[int, int]] = field(default_factory=list)
    rest: bytes = b""

    def read(self) -> None:
        """Take what is in the pipe now."""
        try:
            while chunk := os.read(self.pipe, 65536):
                lines = (self.rest + chunk).split(b"\n")
                self.rest = lines.pop()
                self.acknowledged += [tuple(map(int, line.split())) for line in lines]
        except BlockingIOError:
            pass

    def wait_for_first(self, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not self.acknowledged and self.process.poll() is None:
            if time.monotonic() > deadline:
                raise Wrong(f"nothing was acknowledged in {seconds:.0f} s")
            time.sleep(0.001)
            self.read()

    def kill(self) -> None:
        """Kill it, take the last lines, and see that it had not given up before."""
        ended = self.process.poll()
        if ended is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.read()
        os.close(self.pipe)
        errors = self.process.stderr.read().decode(errors="replace")
        self.process.stderr.close()
        if ended is not None:
            raise Wrong(f"the writer ended by itself with {ended}: {errors}")


def start_writer(path: Path, seed: int, first: int, done: list[int]) -> Writer:
    read_end, write_end = os.pipe()
    os.set_blocking(read_end, False)
    command = [str(WORKER), "write", str(path), str(seed), str(first), *map(str, done)]
    process = subprocess.Popen(["/bin/sh", "-c", f'exec "$@" 3>&{write_end}', "sh", *command],
                               pass_fds=[write_end], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    os.close(write_end)
    return Writer(process, read_end)


def read_store(path: Path, seed: int, flags: str, ranges: list[tuple[int, int]]) -> dict:
    """What a reader says of a store; it must not crash or hang."""
    command = [str(WORKER), "read", str(path), str(seed), flags, *(f"{low}:{high}" for low, high in ranges)]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=READ_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise Wrong(f"reading took over {READ_SECONDS} s") from error
    if done.returncode != 0:
        raise Wrong(f"the reader ended with {done.returncode}: {done.stderr.decode(errors='replace')}")
    return json.loads(done.stdout)


def expect_order(log: list[tuple[int, int]], steps: list[int], least: list[int]) -> None:
    """A prefix of the commit order: who has a step has all that was acknowledged before it began.
    Where several numbers of steps leave the same, the one that says less counts."""
    begun_after = {}  # (worker, step) → how long the log was when the step began
    for place, (worker, step) in enumerate(log):
        begun_after[worker, step + 1] = place + 1
    before = max((begun_after.get((worker, step), 0) for worker, step in enumerate(least)), default=0)
    for worker, step in log[:before]:
        if steps[worker] < step:
            raise Wrong(f"step {step} of worker {worker} is missing, but a later step of another one "
                        f"is there: {steps}")


def run(name: str, cycles: int, cycle: Callable, describe: str,
        add_arguments: Callable[[argparse.ArgumentParser], None] = lambda parser: None) -> int:
    """Run cycle(options, random, directory, totals) so often; totals is a dictionary of numbers."""
    parser = argparse.ArgumentParser(description=describe.split("\n")[0])
    parser.add_argument("--cycles", type=int, default=cycles)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--state", type=Path, help="go on where this file ends")
    parser.add_argument("--minutes", type=float, default=1e9, help="stop after this time")
    add_arguments(parser)
    options = parser.parse_args()
    state = {"seed": options.seed, "cycles": 0, "seconds": 0.0, "totals": {}}
    if options.state and options.state.exists():
        state = json.loads(options.state.read_text())
    started = time.monotonic()
    directory = Path(tempfile.mkdtemp(prefix=f"ragstore-{name}-"))
    try:
        while state["cycles"] < options.cycles and time.monotonic() - started < options.minutes * 60:
            cycle(options, random.Random(f"{state['seed']} {state['cycles']}"), directory, state["totals"])
            state["cycles"] += 1
    except Wrong as wrong:
        print(f"cycle {state['cycles']} of seed {state['seed']}: {wrong}\nThe store is in {directory}")
        return 1
    state["seconds"] += time.monotonic() - started
    shutil.rmtree(directory)
    if options.state:
        options.state.parent.mkdir(parents=True, exist_ok=True)
        options.state.write_text(json.dumps(state, indent=1))
    totals = ", ".join(f"{count} {what}" for what, count in state["totals"].items())
    print(f"{state['cycles']} cycles of {options.cycles} (seed {state['seed']}, {state['seconds']:.0f} s): {totals}")
    sys.stdout.flush()
    return 0


def count(totals: dict, what: str, number: int = 1) -> None:
    totals[what] = totals.get(what, 0) + number
