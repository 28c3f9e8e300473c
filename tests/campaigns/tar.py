#!/usr/bin/env python3
"""Take the guide's tar backups of a store that four threads are writing to, and restore them.

Checkpoints are forced every few hundredths of a second. Each cycle takes one backup in one of the
guide's three forms and restores it as people do:

  whole    data/                     into an empty directory; over the newer one
  api      data/api_storage/         into an empty directory; over the newer one
  entity   one entity's two folders  over the newer one

What opens must be a committed prefix that is no older than the start of the tar: each thread's steps up
to some number, and of the others all that they had acknowledged before that. Or a typed error says which
file is missing or contradicts which; then nothing in the directory may have changed. A mixture is a
defect. Restoring api_storage/ or one entity, and removing entities.json, costs no upload and no vector.

    make check-campaigns                     18 backups
    tests/campaigns/tar.py --cycles 200
"""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

from campaign import Wrong, Writer, count, expect_order, read_store, run, start_writer

THREADS = 4
OURS = (".incoming-", ".tmp-", ".gone-")
NEW, OVER = "into an empty directory", "over the newer one"
FORMS = [("whole", NEW), ("api", NEW), ("entity", OVER), ("whole", OVER), ("api", OVER), ("whole", NEW)]


def latest(writer: Writer) -> list[int]:
    """How many steps of each worker are acknowledged."""
    steps = [0] * THREADS
    for worker, step in writer.acknowledged:
        steps[worker] = step
    return steps


def take(form: str, directory: Path, worker: int) -> Path:
    folder = f"worker%20{worker}"
    what = {"whole": ["data"], "api": ["data/api_storage"],
            "entity": [f"data/uploads/{folder}", f"data/entity_scoped/entities/{folder}"]}[form]
    backup = directory / "backup.tar"
    done = subprocess.run(["tar", "-cf", str(backup), "-C", str(directory), *what], capture_output=True, text=True)
    if done.returncode > 1 and "File removed" not in done.stderr and "No such file" not in done.stderr:
        raise Wrong(f"tar: {done.stderr}")
    return backup


def contents(store: Path) -> dict[str, int]:
    """Uploads and rows of vectors, without what is unfinished."""
    return {str(path.relative_to(store)): path.stat().st_size
            for folder in ("uploads", "entity_scoped") for path in (store / folder).rglob("*")
            if path.is_file() and (folder == "uploads" or path.suffix == ".rsv")
            and not any(part.startswith(OURS) for part in path.parts)}


def judge_message(message: str, what: str, totals: dict) -> None:
    """An error has to say which file; what it says of contents would be a mixture."""
    if "not as it was put there" in message or not any(
            name in message for name in (".json", "journal", "uploads/", "entity_scoped/", "segments/")):
        raise Wrong(f"{what}: {message}")
    count(totals, f"{what}: named")


def judge(answer: dict, what: str, start: list[int], log: list, totals: dict) -> list[int | None]:
    """Each worker's place, or None with a message that names a file."""
    if answer["status"] != "OK":
        if answer["status"] not in ("DAMAGED", "CONFLICT", "NOT_FOUND", "VERSION"):
            raise Wrong(f"{what}: {answer['status']}: {answer['message']}")
        judge_message(answer["message"], what, totals)
        return []
    places = [found["steps"] for found in answer["workers"]]
    for worker, found in enumerate(answer["workers"]):
        if found["steps"] is None and "expected" in found:
            raise Wrong(f"{what}: worker {worker}, {start[worker]} steps at the start: {found}")
    named = [found["problem"] for found in answer["workers"] if found["steps"] is None]
    for message in named:
        # vectors that are not there are not found: the check has to tell
        if not (message.endswith(": (nothing)") and any("vector_store" in each["file"]
                                                        for each in answer["findings"])):
            judge_message(message, what, {})
    if None not in places:  # every thread can be placed
        expect_order(log, places, [found["least"] for found in answer["workers"]])
    count(totals, f"{what}: {'partly named' if named else 'a prefix'}")
    return places


def restore_and_read(backup: Path, store: Path, seed: int, ranges: list[tuple[int, int]]) -> dict:
    done = subprocess.run(["tar", "-xf", str(backup), "-C", str(store.parent)], capture_output=True, text=True)
    if done.returncode != 0:
        raise Wrong(f"tar -x: {done.stderr}")
    before = contents(store)
    answer = read_store(store, seed, "c", ranges)
    if answer["status"] != "OK" and contents(store) != before:
        raise Wrong(f"refused ({answer['message']}), but uploads or vectors have changed")
    return answer


def remove_entities(store: Path, seed: int, ranges: list[tuple[int, int]]) -> None:
    """The guide's last resort must cost nothing."""
    read_store(store, seed, "-", ranges)  # closes it well
    before = contents(store)
    file = store / "api_storage/entities.json"
    kept = file.read_bytes()
    file.unlink()
    answer = read_store(store, seed, "-", ranges)
    if answer["status"] != "DAMAGED" or "entities.json" not in answer["message"] or file.exists():
        raise Wrong(f"without entities.json: {answer['status']}: {answer['message']}")
    if contents(store) != before:
        raise Wrong("without entities.json uploads or vectors were lost")
    file.write_bytes(kept)
    answer = read_store(store, seed, "c", ranges)
    if answer["status"] != "OK" or answer["findings"] or any(found["steps"] is None for found in answer["workers"]):
        raise Wrong(f"with entities.json again: {answer}")


def cycle(options, chance: random.Random, directory: Path, totals: dict) -> None:
    number = sum(totals.get(f"{form} backups", 0) for form in ("whole", "api", "entity"))
    form, where = FORMS[number % len(FORMS)]
    worker = chance.randrange(THREADS)
    seed = chance.randrange(1 << 30)
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    store = directory / "data"
    writer = start_writer(store, seed, 0, [0] * THREADS)
    writer.wait_for_first()
    time.sleep(0.1 + chance.random() * 0.4)
    writer.read()
    start = latest(writer)
    backup = take(form, directory, worker)
    writer.read()
    at_end = latest(writer)
    time.sleep(chance.random() * 0.2)
    writer.kill()
    end = latest(writer)
    newest = [(steps, steps + 1) for steps in end]
    taken = [(low, high + 1) for low, high in zip(start, at_end)]
    count(totals, f"{form} backups")
    if where == NEW:
        target = directory / "restored" / "data"
        target.parent.mkdir()
        answer = restore_and_read(backup, target, seed, taken)
        judge(answer, f"{form} {where}", start, writer.acknowledged, totals)
        remove_entities(store, seed, newest)
        return
    answer = restore_and_read(backup, store, seed, [(low, high + 1) for low, high in zip(start, end)])
    places = judge(answer, f"{form} {where}", start, writer.acknowledged, totals)
    if form == "entity":
        for other, place in enumerate(places):
            if other != worker and place not in (end[other], end[other] + 1):
                raise Wrong(f"the folders of worker {worker} were restored, and worker {other} is at {place} "
                            f"instead of {end[other]}")


if __name__ == "__main__":
    sys.exit(run("tar", 18, cycle, __doc__))
