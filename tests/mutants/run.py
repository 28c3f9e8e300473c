#!/usr/bin/env python3
"""Break the library on purpose, one place at a time, and expect a test to fail.

    make check-faults                          all of them
    tests/mutants/run.py 'journal-.*' …        those whose names match; -v shows what each test said

A test that cannot fail proves nothing. Each mutant in *.mutants is one change of one file in lib/
which breaks one rule of ragstore_format(5) or of the file system:

    name-of-the-mutant          unit/storage/test_journal
    What is broken, in one line.
    @ lib/storage/journal.c
    -old text
    +new text

A name after a colon chooses tests of crash/test_power_cut, so that a mutant is caught sooner.

The changed copy is compiled and linked in place of the one in the archive; then the named test must
fail. The old text has to be in the file exactly once, white space aside; several -/+ pairs change
several places. A mutant that no test notices is an error, and so is one whose old text is gone: mend
it when the code has moved. The tests are also run without a change, so that "fails" means something.

Two run at a time (-j). Each test is stopped at its first failure, and after 30 s and twice what it
takes without a change in any case: a test that hangs has noticed as well.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path("build/release")
SECONDS = 30
SECONDS_UNCHANGED = 900
TIMES_UNCHANGED = 2
FAILED = b"[  FAILED  ]"


@dataclass
class Mutant:
    name: str
    test: str
    chosen: str  # pattern for the names of the tests in it; "": all
    rule: str
    file: str = ""
    changes: list[tuple[str, str]] = field(default_factory=list)


def parse(path: Path) -> list[Mutant]:
    mutants = []
    for block in re.split(r"\n\s*\n", path.read_text()):
        lines = [line for line in block.splitlines() if line.strip() and not line.startswith("#")]
        if not lines:
            continue
        name, test = lines[0].split()
        test, _, chosen = test.partition(":")
        mutant = Mutant(name, test, chosen, lines[1])
        old: list[str] = []
        new: list[str] = []
        for line in [*lines[2:], "-"]:
            if line.startswith("@"):
                mutant.file = line[1:].strip()
            elif line.startswith("-"):
                if new:
                    mutant.changes.append(("\n".join(old), "\n".join(new)))
                    old, new = [], []
                old.append(line[1:])
            elif line.startswith("+"):
                new.append(line[1:])
            else:
                sys.exit(f"{path.name}: {name}: cannot read {line!r}")
        if not mutant.changes or not mutant.file:
            sys.exit(f"{path.name}: {name}: nothing is changed")
        mutants.append(mutant)
    return mutants


def changed_text(mutant: Mutant) -> str:
    text = (ROOT / mutant.file).read_text()
    for old, new in mutant.changes:
        words = old.split()
        pattern = re.compile(r"\s*".join(re.escape(word) for word in words))
        places = pattern.findall(text)
        if len(places) != 1:
            raise LookupError(f"{len(places)} places have the old text: {' '.join(words)}")
        text = pattern.sub(lambda _: new, text)
    return text


def commands() -> tuple[list[str], list[str]]:
    """How the Makefile compiles a file of the library, and what it links a test with."""
    lines = subprocess.run(["make", "-s", "print-mutant-commands"], cwd=ROOT, check=True,
                           capture_output=True, text=True).stdout.splitlines()
    return lines[0].split(), lines[1].split()


def run_test(program: Path, seconds: float, chosen: str = "") -> tuple[bool, str]:
    """Run until it fails, ends, or takes too long. Did it pass? And what did it say?"""
    deadline = time.monotonic() + seconds
    output = b""
    with tempfile.TemporaryDirectory(
        prefix="ragstore-mutant-",
        ignore_cleanup_errors=True,  # a child of a test that was stopped may still write
    ) as directory:
        os.chmod(directory, 0o755)  # some tests become another user
        environment = {**os.environ, "TMPDIR": directory}
        if chosen:
            environment["RAGSTORE_CRASH_TESTS"] = chosen
        process = subprocess.Popen([program], cwd=ROOT, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL,
                                   stderr=subprocess.STDOUT, env=environment)
        os.set_blocking(process.stdout.fileno(), False)
        while True:
            ended = process.poll() is not None
            output += process.stdout.read() or b""
            if ended or FAILED in output or time.monotonic() > deadline:
                break
            time.sleep(0.02)
        process.kill()
        process.wait()
    passed = ended and process.returncode == 0 and FAILED not in output
    said = [line for line in output.decode(errors="replace").splitlines() if "[ " not in line]
    return passed, " ".join(" ".join(said[-12:]).split())[-300:] or f"ended with {process.returncode}"


def try_mutant(mutant: Mutant, directory: Path, compile_with: list[str], link_with: list[str],
               seconds: float) -> str:
    """"caught", or what is wrong with it."""
    source = directory / Path(mutant.file).name
    program = directory / "test"
    try:
        source.write_text(changed_text(mutant))
    except (LookupError, OSError) as error:
        return f"cannot be made: {error}"
    built = subprocess.run([*compile_with, f"-I{Path(mutant.file).parent}", "-c", str(source), "-o",
                            str(source.with_suffix(".o"))], cwd=ROOT, capture_output=True, text=True)
    if built.returncode == 0:
        built = subprocess.run([compile_with[0], "-o", str(program), str(BUILD / "tests" / f"{mutant.test}.o"),
                                str(source.with_suffix(".o")), *link_with], cwd=ROOT,
                               capture_output=True, text=True)
    if built.returncode != 0:
        return f"cannot be built: {built.stderr[-400:]}"
    passed, said = run_test(program, seconds, mutant.chosen)
    return f"SURVIVES {mutant.test}" if passed else f"caught: {said}"


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*")
    parser.add_argument("-v", "--verbose", action="store_true")
    parser.add_argument("-j", "--jobs", type=int, default=2)
    options = parser.parse_args()
    mutants = [m for path in sorted(Path(__file__).parent.glob("*.mutants")) for m in parse(path)]
    chosen = [m for m in mutants
              if not options.names or any(re.fullmatch(name, m.name) for name in options.names)]
    compile_with, link_with = commands()
    top = Path(tempfile.mkdtemp(prefix="ragstore-mutants-"))
    bad = 0

    limits: dict[str, float] = {}  # how long a test with a fault may take: the machine may be busy

    def control(test: str) -> tuple[str, bool, str]:
        started = time.monotonic()
        passed, said = run_test(ROOT / BUILD / "tests" / test, SECONDS_UNCHANGED)
        limits[test] = SECONDS + TIMES_UNCHANGED * (time.monotonic() - started)
        return test, passed, said

    def attempt(mutant: Mutant) -> tuple[Mutant, str, float]:
        started = time.monotonic()
        directory = top / mutant.name
        directory.mkdir()
        answer = try_mutant(mutant, directory, compile_with, link_with, limits[mutant.test])
        shutil.rmtree(directory)
        return mutant, answer, time.monotonic() - started

    try:
        with ThreadPoolExecutor(options.jobs) as pool:
            for test, passed, said in pool.map(control, sorted({m.test for m in chosen})):
                if not passed:
                    print(f"{test} fails without any change: {said}")
                    bad += 1
            for mutant, answer, seconds in pool.map(attempt, chosen):
                good = answer.startswith("caught")
                bad += not good
                if options.verbose or not good:
                    print(f"{mutant.name} ({mutant.rule}): {answer} ({seconds:.1f} s)")
    finally:
        shutil.rmtree(top)
    print(f"{len(chosen)} faults were put into {len({m.file for m in chosen})} files of the library, "
          f"{len(chosen) - bad if bad <= len(chosen) else 0} were caught")
    return 1 if bad or not chosen else 0


if __name__ == "__main__":
    sys.exit(main())
