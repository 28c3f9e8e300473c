#!/usr/bin/env python3
"""Kill eight clients of one entity at random moments of uploads, replacements, deletions and chats.

Two processes with four threads each share one entity. Each thread has documents and a conversation of
its own, and tells every acknowledged call through a pipe before the next one. Some uploads are left to
jobs, which the next process takes up. The processes are killed with SIGKILL; then the store is opened,
which recovers it, its jobs are waited for, and it is compared with what was acknowledged:

  - each document is there, byte for byte, found by its own word, and by its id under one key; or it is
    gone, as was acknowledged; the one call of a thread that was under way is whole or absent
  - uploads/ has one file for each record and nothing else
  - each turn of a conversation is there in order; of the one under way nothing, the question, or both
  - the entity's chunks are those of its documents, numbered from 0 in each; a check finds nothing

    tests/campaigns/kill_turns.py --cycles 500
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import select
import shutil
import signal
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

PROCESSES, THREADS = 2, 4
CYCLES_TO_A_STORE = 50


def word(thread: int, number: int) -> str:
    """One that no other document has."""
    return "q" + hashlib.sha256(f"{thread} {number}".encode()).hexdigest()[:12].translate(
        str.maketrans("0123456789", "ghijklmnop"))


def text_of(thread: int, number: int) -> str:
    chance = random.Random(f"{thread} {number}")
    lines = 1 if chance.random() < 0.7 else chance.randrange(20, 2500)  # some need a segment
    own = word(thread, number)
    return "".join(f"Line {line} of note {own} is about gulls and granite.\n" for line in range(lines))


def kind_of(seed: int, thread: int, number: int) -> str:
    return random.Random(f"{seed} {thread} {number}").choice(
        ["add", "add", "replace", "delete", "ask", "submit"])


# ---- the clients: a process that is killed ----


def client(store, thread: int, number: int, seed: int, say) -> None:
    entity = store.entity("acme")
    name = f"thread {thread}"
    found = [s for s in entity.sessions() if s["session_name"] == name]
    session = store.session(found[0]["session_id"]) if found else entity.create_session(name=name)
    own = [d for d in entity.documents() if d["filename"].startswith(f"{thread}-")]
    live = [d["doc_id"] for d in own if not d["key"]]
    while True:
        number += 1
        kind = kind_of(seed, thread, number)
        if kind == "delete" and not live:
            kind = "add"
        if kind in ("add", "replace"):
            text = text_of(thread, number).encode()
            with entity.upload(filename=f"{thread}-{number}.txt",
                               key=f"key {thread}" if kind == "replace" else None) as upload:
                for at in range(0, len(text), 30000):
                    upload.write(text[at:at + 30000])
                document = upload.commit()
            if kind == "add":
                live.append(document.id)
        elif kind == "submit":
            with entity.upload(filename=f"{thread}+{number}.txt") as upload:
                upload.write(text_of(thread, number).encode())
                upload.submit()
        elif kind == "delete":
            entity.delete_document(live.pop(0))
        else:
            session.ask(f"What is note {word(thread, number)} about?")
        say({"thread": thread, "number": number, "kind": kind})


def clients(path: str, seed: str, first: str, *numbers: str) -> None:
    lock = threading.Lock()

    def say(line) -> None:
        with lock:
            os.write(3, json.dumps(line).encode() + b"\n")

    def live(thread: int, number: int) -> None:
        try:
            client(store, thread, number, int(seed), say)
        except BaseException as error:  # a client must not end by itself
            print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
            os._exit(3)

    store = ragstore.Store(path, busy_timeout=60)
    threads = [threading.Thread(target=live, args=(int(first) + i, int(number)))
               for i, number in enumerate(numbers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


# ---- what must be there ----


class Expected:
    """What a thread was told, and what it may have done besides."""

    def __init__(self, thread: int):
        self.thread, self.number = thread, 0
        self.live: list[int] = []  # numbers of the documents without a key, in order
        self.keyed: int | None = None  # number of the document with one
        self.submitted: list[int] = []  # numbers of the documents that were left to jobs
        self.questions: list[str] = []
        self.messages: list[tuple[str, str]] = []  # as last seen

    def acknowledge(self, number: int, kind: str) -> None:
        if number != self.number + 1:
            raise Wrong(f"thread {self.thread} acknowledged {number} after {self.number}")
        self.number = number
        if kind == "add":
            self.live.append(number)
        elif kind == "replace":
            self.keyed = number
        elif kind == "submit":
            self.submitted.append(number)
        elif kind == "delete":
            self.live.pop(0)
        else:
            self.questions.append(f"What is note {word(self.thread, number)} about?")


def start(path: Path, seed: int, first: int, expected: list[Expected]) -> tuple:
    read_end, write_end = os.pipe()
    os.set_blocking(read_end, False)
    command = [sys.executable, __file__, "clients", str(path), str(seed), str(first),
               *(str(one.number) for one in expected[first:first + THREADS])]
    process = subprocess.Popen(["/bin/sh", "-c", f'exec "$@" 3>&{write_end}', "sh", *command],
                               pass_fds=[write_end], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    os.close(write_end)
    return process, read_end


def kill(process, pipe) -> list[dict]:
    ended = process.poll()
    if ended is None:
        process.send_signal(signal.SIGKILL)
    process.wait()
    said = b""
    try:
        while piece := os.read(pipe, 1 << 20):
            said += piece
    except BlockingIOError:
        pass
    os.close(pipe)
    errors = process.stderr.read().decode(errors="replace")
    process.stderr.close()
    if ended is not None:
        raise Wrong(f"a client ended by itself with {ended}: {errors[-500:]}")
    return [json.loads(line) for line in said.split(b"\n")[:-1]]


def compare_documents(entity, one: Expected, documents: list[dict], under_way: str) -> None:
    mine = {int(d["filename"].split("-")[1][:-4]): d for d in documents
            if d["filename"].startswith(f"{one.thread}-")}
    found = sorted(n for n, d in mine.items() if not d["key"])
    keyed = [n for n, d in mine.items() if d["key"]]
    following = one.number + 1
    allowed = [one.live]
    if under_way == "delete" and one.live:
        allowed.append(one.live[1:])
    elif under_way in ("add", "delete"):
        allowed.append([*one.live, following])
    if found not in allowed:
        raise Wrong(f"thread {one.thread} has {found}, of {allowed}")
    may_be_keyed = [[one.keyed] if one.keyed else []] + ([[following]] if under_way == "replace" else [])
    if keyed not in may_be_keyed:
        raise Wrong(f"thread {one.thread} has {keyed} under its key, of {may_be_keyed}")
    for number, described in mine.items():
        document = entity.document(described["doc_id"])
        if document.content() != text_of(one.thread, number).encode():
            raise Wrong(f"{described['filename']} is not what was sent")
    for number in random.Random(one.number).sample(sorted(mine), min(2, len(mine))):
        hits = entity.search(word(one.thread, number), k=3)
        if not len(hits) or hits[0].doc_id != mine[number]["doc_id"]:
            raise Wrong(f"{mine[number]['filename']} is not found by its word")
    moved = found != one.live or keyed != may_be_keyed[0]
    one.live, one.keyed = found, keyed[0] if keyed else None
    if moved:
        one.number = following


def compare_submitted(entity, one: Expected, documents: list[dict], under_way: str) -> None:
    mine = {int(d["filename"].split("+")[1][:-4]): d for d in documents
            if d["filename"].startswith(f"{one.thread}+")}
    following = one.number + 1
    if sorted(mine) == [*one.submitted, following] and under_way == "submit":
        one.number, one.submitted = following, sorted(mine)
    elif sorted(mine) != one.submitted:
        raise Wrong(f"thread {one.thread} submitted {one.submitted}, and has {sorted(mine)}")
    for number, described in mine.items():
        if entity.document(described["doc_id"]).content() != text_of(one.thread, number).encode():
            raise Wrong(f"{described['filename']} is not what was sent")


def wait_for_jobs(store) -> None:
    until = time.monotonic() + 120
    while left := [job for job in store.jobs() if job["state"] in ("waiting", "running")]:
        if time.monotonic() > until:
            raise Wrong(f"jobs do not end: {left}")
        time.sleep(0.01)
    if failed := [job for job in store.jobs() if job["state"] != "done"]:
        raise Wrong(f"jobs have failed: {failed}")


def compare_messages(store, entity, one: Expected, under_way: str) -> None:
    sessions = [s for s in entity.sessions() if s["session_name"] == f"thread {one.thread}"]
    if len(sessions) > 1 or (not sessions and one.number > 0):
        raise Wrong(f"thread {one.thread} has {len(sessions)} sessions")
    if not sessions:
        return
    messages = [(m["role"], m["content"])
                for m in store.session(sessions[0]["session_id"]).messages()]
    if len(messages) != sessions[0]["message_count"]:
        raise Wrong(f"thread {one.thread}: {len(messages)} messages are counted as "
                    f"{sessions[0]['message_count']}")
    at = len(one.messages)
    if messages[:at] != one.messages:
        raise Wrong(f"thread {one.thread}: earlier messages have changed")
    for question in one.questions:
        if [m[0] for m in messages[at:at + 2]] != ["user", "assistant"] or messages[at][1] != question:
            raise Wrong(f"thread {one.thread}: the turn \"{question}\" is {messages[at:at + 2]}")
        at += 2
    rest = messages[at:]
    question = f"What is note {word(one.thread, one.number + 1)} about?"
    if rest and (under_way != "ask" or rest[0] != ("user", question) or
                 [m[0] for m in rest] not in (["user"], ["user", "assistant"])):
        raise Wrong(f"thread {one.thread}: unknown messages {rest}")
    one.messages, one.questions = messages, []
    if rest:
        one.number += 1


def compare(path: Path, seed: int, expected: list[Expected], totals: dict) -> None:
    with ragstore.Store(path, must_exist=True, busy_timeout=60) as store:
        entity = store.entity("acme")
        wait_for_jobs(store)
        documents = entity.documents()
        for one in expected:
            begun, under_way = one.number, kind_of(seed, one.thread, one.number + 1)
            compare_submitted(entity, one, documents, under_way)
            compare_documents(entity, one, documents, under_way if one.number == begun else "nothing")
            compare_messages(store, entity, one, under_way if one.number == begun else "nothing")
        records = sorted(Path(d["file_path"]).name for d in documents)
        files = sorted(os.listdir(path / "uploads/acme"))
        if records != files:
            raise Wrong(f"records and files differ: {set(records) ^ set(files)}")
        if entity.describe()["total_chunks"] != sum(d["chunks_count"] for d in documents):
            raise Wrong("the entity's chunks are not those of its documents")
        report = store.check()
        if not report["ok"]:
            raise Wrong(f"check: {report['findings']}")
        count(totals, "documents compared", len(documents))


def cycle(options, chance: random.Random, directory: Path, totals: dict) -> None:
    path = directory / "store"
    state = cycle.state
    if state is None or state["cycles"] == CYCLES_TO_A_STORE:
        shutil.rmtree(path, ignore_errors=True)
        with ragstore.Store(path) as store:
            store.create_entity("acme")
        state = cycle.state = {"seed": chance.randrange(1 << 30), "cycles": 0,
                               "expected": [Expected(t) for t in range(PROCESSES * THREADS)]}
    expected = state["expected"]
    running = [start(path, state["seed"], first, expected)
               for first in range(0, PROCESSES * THREADS, THREADS)]
    if chance.random() < 0.8:
        for _, pipe in running:
            select.select([pipe], [], [], 60)  # its first acknowledgement
        time.sleep(chance.random() ** 2 * 0.4)
    else:
        time.sleep(chance.random())  # perhaps it has not even opened the store
    for process, pipe in running:
        for line in kill(process, pipe):
            expected[line["thread"]].acknowledge(line["number"], line["kind"])
            count(totals, f"{line['kind']} acknowledged")
    state["cycles"] += 1
    compare(path, state["seed"], expected, totals)


cycle.state = None


if __name__ == "__main__":
    if sys.argv[1:2] == ["clients"]:
        clients(*sys.argv[2:])
    sys.exit(run("kill_turns", 5, cycle, __doc__))
