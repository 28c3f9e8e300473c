#!/usr/bin/env python3
"""Kill a process at random moments of jobs of every kind: uploads, own chunks with and without vectors,
new vectors for all by another model, some of them cancelled.

Threads leave work to jobs and tell each acknowledged call through a pipe; the library's threads work
meanwhile. The process is killed with SIGKILL, most often in the midst of a job. Then the store is
opened, its jobs are waited for, and it is compared with what was acknowledged:

  - each job that was acknowledged is there and done, or cancelled if that was asked for; each has made
    its document once, and nothing else has made one
  - uploads/ has one file for each uploaded document and nothing else
  - after a reembed that was acknowledged the entity has vectors of that model, one for each chunk, and
    each text finds its own document by them
  - a check finds nothing

    tests/campaigns/kill_jobs.py --cycles 500
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import select
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
os.environ.setdefault("RAGSTORE_LIBRARY", str(ROOT / "build/lib/libragstore.so"))
sys.path.insert(0, str(ROOT / "examples/python"))

import ragstore  # noqa: E402
from campaign import Wrong, count, run  # noqa: E402
from kill_turns import kill  # noqa: E402

THREADS, DIMENSION = 3, 16
CYCLES_TO_A_STORE = 5  # the store keeps a thousand jobs


def vector_of(text: str, model: int) -> list[float]:
    chance = random.Random(f"{model} {text}")
    return [chance.uniform(-1, 1) for _ in range(DIMENSION)]


def make_model(number: int, pause: float = 0) -> ragstore.Model:
    def embed(texts, role):
        time.sleep(pause)  # so that a kill meets jobs at work
        return [vector_of(text, number) for text in texts]

    return ragstore.Model.callback(embed, fingerprint=f"chance/{number}", dimension=DIMENSION,
                                   batch_size=8)


def texts_of(name: str) -> list[str]:
    """One chunk each."""
    chance = random.Random(name)
    own = hashlib.sha256(name.encode()).hexdigest()[:16].translate(
        str.maketrans("0123456789", "ghijklmnop"))
    pieces = 1 if chance.random() < 0.6 else chance.randrange(2, 120)
    return [f"Piece {i} of {own} is about granite." for i in range(pieces)]


# ---- the client: a process that is killed ----


def client(store, thread: int, number: int, model: int, say) -> None:
    entity = store.entity("acme")
    chance = random.Random(f"{thread} {number} {time.time_ns()}")
    while True:
        number += 1
        kind = chance.choice(["upload", "chunks", "vectors", "cancelled"])
        name = f"{thread}-{number}-{kind}"
        texts = texts_of(name)
        if kind in ("upload", "cancelled"):
            with entity.upload(filename=name) as upload:
                upload.write(texts[0].encode())
                job = upload.submit()
        else:
            own = kind == "vectors" and entity.describe()["embedder"] == f"chance/{model}"
            try:
                job = entity.submit_chunks(
                    texts, [vector_of(text, model) for text in texts] if own else None, filename=name)
            except ragstore.EmbedderError:
                if not own:
                    raise
                continue  # it is being embedded again
        say({"name": name, "job": job.id})
        if kind == "cancelled":
            time.sleep(chance.random() * 0.02)
            say({"cancels": job.id})
            job.cancel()
        if chance.random() < 0.3:
            time.sleep(0.01)


def clients(path: str, model: str, number: str) -> None:
    lock = threading.Lock()

    def say(line) -> None:
        with lock:
            os.write(3, json.dumps(line).encode() + b"\n")

    def live(thread: int) -> None:
        try:
            client(store, thread, int(number), int(model), say)
        except BaseException as error:  # a client must not end by itself
            print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
            os._exit(3)

    store = ragstore.Store(path, model=make_model(int(model), 0.002), busy_timeout=60)
    say({"reembed": store.entity("acme").reembed().id})
    threads = [threading.Thread(target=live, args=(i,)) for i in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def start(path: Path, model: int, number: int) -> tuple:
    read_end, write_end = os.pipe()
    os.set_blocking(read_end, False)
    command = [sys.executable, __file__, "clients", str(path), str(model), str(number)]
    process = subprocess.Popen(["/bin/sh", "-c", f'exec "$@" 3>&{write_end}', "sh", *command],
                               pass_fds=[write_end], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    os.close(write_end)
    return process, read_end


# ---- what must be there ----


class Expected:
    """What was acknowledged of a store."""

    def __init__(self):
        self.names: dict[str, str] = {}  # of jobs that bring a document: its name
        self.cancels: set[str] = set()
        self.reembed: str | None = None  # of the last process
        self.number = 0
        self.seen: set[str] = set()  # jobs that were compared

    def take(self, line: dict) -> str:
        if "name" in line:
            self.names[line["job"]] = line["name"]
            return line["name"].split("-")[2]
        if "cancels" in line:
            self.cancels.add(line["cancels"])
            return "cancel"
        self.reembed = line["reembed"]
        return "reembed"


def wait_for_jobs(store) -> list[dict]:
    until = time.monotonic() + 120
    while left := [job for job in store.jobs() if job["state"] in ("waiting", "running")]:
        if time.monotonic() > until:
            raise Wrong(f"jobs do not end: {left}")
        time.sleep(0.01)
    return store.jobs()


def compare_jobs(expected: Expected, jobs: list[dict]) -> dict[str, str]:
    """The names of the documents that must be there, by the id that their jobs tell."""
    found = {job["job_id"]: job for job in jobs}
    if lost := (set(expected.names) | {expected.reembed} - {None}) - set(found):
        raise Wrong(f"jobs are lost: {lost}")
    made: dict[str, str] = {}
    strange = [job for job in jobs if job["job_id"] not in expected.names and job["kind"] != "reembed"
               and job["job_id"] not in expected.seen]
    if len(strange) > THREADS:
        raise Wrong(f"jobs that nobody submitted: {strange}")
    for job in jobs:
        if job["state"] == "done" and job["kind"] != "reembed":
            if job["result"]["doc_id"] in made:
                raise Wrong(f"two jobs made one document: {job}")
            made[job["result"]["doc_id"]] = job["filename"]
        elif job["state"] != "done" and job["job_id"] not in expected.cancels:
            raise Wrong(f"a job has not done its work: {job}")
    expected.seen = set(found)
    return made


def compare_documents(entity, made: dict[str, str], chance: random.Random, model: int) -> list[dict]:
    documents = entity.documents()
    names = {d["doc_id"]: d["filename"] for d in documents}
    if names != made or len(set(names.values())) != len(names):
        raise Wrong(f"documents and jobs differ: {set(names.items()) ^ set(made.items())}")
    for described in documents:
        texts = texts_of(described["filename"])
        if described["filename"].split("-")[2] in ("upload", "cancelled"):
            texts = texts[:1]
        if described["chunks_count"] != len(texts):
            raise Wrong(f"{described['filename']} has {described['chunks_count']} chunks, not "
                        f"{len(texts)}")
    if entity.describe()["embedder"] != f"chance/{model}" and documents:
        raise Wrong(f"the vectors are of {entity.describe()['embedder']}, not of model {model}")
    for described in chance.sample(documents, min(5, len(documents))):
        text = texts_of(described["filename"])[0]
        (hit,) = entity.search(text, k=1, mode="vector")
        if hit.doc_id != described["doc_id"] or hit.vector_score < 0.999:
            raise Wrong(f"{described['filename']} is not found by its own vector")
    return documents


def compare(path: Path, expected: Expected, model: int, chance: random.Random, totals: dict) -> None:
    with ragstore.Store(path, must_exist=True, busy_timeout=60, model=make_model(model)) as store:
        entity = store.entity("acme")
        made = compare_jobs(expected, wait_for_jobs(store))
        if expected.reembed is None:  # it was killed before that
            entity.reembed().wait(60)
        documents = compare_documents(entity, made, chance, model)
        files = sorted(os.listdir(path / "uploads/acme")) if (path / "uploads/acme").exists() else []
        records = sorted(Path(d["file_path"]).name for d in documents if d["file_path"])
        if records != files:
            raise Wrong(f"records and files differ: {set(records) ^ set(files)}")
        report = store.check()
        if not report["ok"]:
            raise Wrong(f"check: {report['findings']}")
        expected.reembed = None
        count(totals, "documents compared", len(documents))


def cycle(options, chance: random.Random, directory: Path, totals: dict) -> None:
    path = directory / "store"
    state = cycle.state
    if state is None or state["cycles"] == CYCLES_TO_A_STORE:
        shutil.rmtree(path, ignore_errors=True)
        with ragstore.Store(path) as store:
            store.create_entity("acme")
        state = cycle.state = {"cycles": 0, "expected": Expected()}
    expected, model = state["expected"], chance.randrange(2)
    process, pipe = start(path, model, expected.number)
    select.select([pipe], [], [], 60)  # its reembed
    time.sleep(chance.random() ** 2 * 0.6)
    for line in kill(process, pipe):
        count(totals, f"{expected.take(line)} acknowledged")
    expected.number += 1000
    state["cycles"] += 1
    compare(path, expected, model, chance, totals)


cycle.state = None


if __name__ == "__main__":
    if sys.argv[1:2] == ["clients"]:
        clients(*sys.argv[2:])
    sys.exit(run("kill_jobs", 5, cycle, __doc__))
