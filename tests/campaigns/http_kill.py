#!/usr/bin/env python3
"""End a loaded server, by SIGKILL and SIGTERM in turn: everything that it has acknowledged must be there.

Eight clients create entities, upload documents, leave uploads to jobs, add chunks, ask, rename and
delete. At a random moment the server is killed, or told to stop, which it has to do within 10 s and
with status 0. Then another one serves the directory:

  - every acknowledged entity, document, message and name is there, and nothing that was deleted
  - every job that was acknowledged ends, and its document is there
  - documents are found, and a check of the whole store finds nothing

    make check-campaigns                       2 cycles
    tests/campaigns/http_kill.py --cycles 500
"""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import time
from pathlib import Path

import requests

from campaign import ROOT, Wrong, count, run

sys.path.insert(0, str(ROOT / "tests/http"))

CLIENTS = 8
CYCLES_TO_A_STORE = 10
STOP_SECONDS = 10


class Ended(Exception):
    """The server is gone."""


class Client(threading.Thread):
    """One thread with an entity of its own, and what was acknowledged to it."""

    def __init__(self, number: int, chance: random.Random):
        super().__init__(daemon=True)
        self.entity = f"entity {number}"
        self.chance = chance
        self.made = False
        self.documents: dict[str, str] = {}  # id: a word that finds it
        self.doubtful: set[str] = set()  # ids whose deletion was not acknowledged
        self.deleted: set[str] = set()
        self.jobs: dict[str, str] = {}  # id: the word of its document
        self.session = ""
        self.asked: list[str] = []
        self.names: list[str] = []  # of the session: the last acknowledged one, then those in flight
        self.done = 0
        self.error: str | None = None
        self.url = ""
        self.serial = 0

    def begin(self, url: str) -> None:
        threading.Thread.__init__(self, daemon=True)
        self.url = url
        self.start()

    def call(self, method: str, path: str, **arguments):
        try:
            reply = requests.request(method, self.url + path, timeout=60, **arguments)
        except requests.RequestException as error:
            raise Ended from error
        if reply.status_code == 503:
            raise Ended  # it is stopping
        if reply.status_code != 200:
            raise Wrong(f"{method} {path}: {reply.status_code} {reply.text[:300]}")
        self.done += 1
        return reply.json()

    def run(self) -> None:
        try:
            while True:
                self.step()
        except Ended:
            pass
        except Exception as error:  # told by the cycle
            self.error = repr(error)

    def word(self) -> str:
        self.serial += 1
        return f"w{self.entity.replace(' ', '')}x{self.serial}"

    def step(self) -> None:
        path = "/api/entities/" + self.entity.replace(" ", "%20")
        if not self.made:
            try:
                self.call("POST", "/api/entities", json={"entity_id": self.entity, "entity_name": "x"})
            except Wrong as wrong:
                if "already" not in str(wrong):  # it came in the moment of the kill
                    raise
            self.made = True
        if not self.session:
            self.session = self.call("POST", "/api/chat/sessions", json={"entity_id": self.entity})["session_id"]
        kind = self.chance.randrange(6)
        word = self.word()
        if kind == 0:
            reply = self.call("POST", path + "/files", files={"file": (f"{word}.md", f"The {word} is here.")})
            self.documents[reply["doc_id"]] = word
        elif kind == 1:
            reply = self.call("POST", path + "/files?wait=false",
                              files={"file": (f"{word}.md", f"The {word} comes later. " * 20)})
            self.jobs[reply["job_id"]] = word
        elif kind == 2:
            reply = self.call("POST", path + "/chunks", json={"chunks": [{"text": f"A chunk of {word}."}]})
            self.documents[reply["doc_id"]] = word
        elif kind == 3:
            self.call("POST", "/api/chat", json={"session_id": self.session, "message": word,
                                                 "stream": False})
            self.asked.append(word)
        elif kind == 4:
            self.names.append(word)
            self.call("PATCH", f"/api/chat/sessions/{self.session}", json={"session_name": word})
            self.names = [word]
        elif self.documents:
            doc_id = self.chance.choice(sorted(self.documents))
            self.doubtful.add(doc_id)
            self.call("DELETE", f"{path}/files/{doc_id}")
            self.doubtful.discard(doc_id)
            del self.documents[doc_id]
            self.deleted.add(doc_id)

    # what a new server must have

    def compare(self, server, totals: dict) -> None:
        if not self.made:
            return
        path = "/api/entities/" + self.entity.replace(" ", "%20")
        stored = {one["doc_id"]: one for one in server.get(path + "/files").json()}
        missing = set(self.documents) - set(stored) - self.doubtful
        back = self.deleted & set(stored)
        if missing or back:
            raise Wrong(f"{self.entity}: missing documents {missing}, deleted ones that are there {back}")
        for doc_id in self.doubtful - set(stored):
            self.documents.pop(doc_id, None)
            self.deleted.add(doc_id)
        self.doubtful.clear()
        for doc_id, word in list(self.documents.items())[-3:]:
            if doc_id not in [hit["doc_id"] for hit in server.search(self.entity, word)["results"]]:
                raise Wrong(f"{self.entity}: {word} is not found")
        if self.session:
            told = [one["content"] for one in server.messages(self.session)]
            if lost := [word for word in self.asked if word not in told]:
                raise Wrong(f"{self.session}: lost questions {lost}")
            name = server.get(f"/api/chat/sessions/{self.session}").json()["session_name"]
            if self.names and name not in self.names:
                raise Wrong(f"{self.session}: is called {name}, not one of {self.names}")
            self.names = [name]
        count(totals, "documents", len(self.documents))
        count(totals, "messages", len(self.asked))

    def compare_jobs(self, server, totals: dict) -> None:
        for job_id, word in self.jobs.items():
            until = time.monotonic() + 60
            while True:
                reply = server.get(f"/api/jobs/{job_id}")
                if reply.status_code != 200:
                    raise Wrong(f"{job_id} is lost: {reply.text}")
                job = reply.json()
                if job["state"] not in ("waiting", "running"):
                    break
                if time.monotonic() > until:
                    raise Wrong(f"{job_id} does not end: {job}")
                time.sleep(0.02)
            if job["state"] != "done":
                raise Wrong(f"{job_id} has not done its work: {job}")
            self.documents[job["result"]["doc_id"]] = word
        count(totals, "jobs", len(self.jobs))
        self.jobs.clear()


def start(directory: Path):
    from server_process import Server

    return Server(directory, "--model", "none").wait_until_ready()


def check(server) -> None:
    job = server.post("/api/admin/check").json()
    while job["state"] in ("waiting", "running"):
        time.sleep(0.05)
        job = server.get(f"/api/jobs/{job['job_id']}").json()
    if job["state"] != "done" or not job["result"]["ok"]:
        raise Wrong(f"check: {job}")


def end(server, kill: bool, totals: dict) -> None:
    if kill:
        server.kill()
        count(totals, "killed")
        return
    begun = time.monotonic()
    os.kill(server.process.pid, signal.SIGTERM)
    status = server.wait(STOP_SECONDS + 5)
    if status != 0 or time.monotonic() - begun > STOP_SECONDS:
        raise Wrong(f"SIGTERM: ended with {status} after {time.monotonic() - begun:.1f} s")
    count(totals, "stopped")


def cycle(options, chance: random.Random, directory: Path, totals: dict) -> None:
    state = cycle.state
    if state is None or state["cycles"] == CYCLES_TO_A_STORE:
        state = cycle.state = {"cycles": 0, "path": directory / f"store{chance.randrange(1 << 30)}",
                               "clients": [Client(n, random.Random(chance.random()))
                                           for n in range(CLIENTS)]}
    server = start(state["path"])
    try:
        clients = state["clients"]
        for client in clients:
            client.begin(server.url)
        time.sleep(0.3 + chance.random() * 1.5)
        end(server, state["cycles"] % 2 == 0, totals)
        for client in clients:
            client.join(60)
            if client.is_alive() or client.error:
                raise Wrong(f"{client.entity}: {client.error or 'a call does not end'}")
    finally:
        if server.process.poll() is None:
            server.kill()
    state["cycles"] += 1
    server = start(state["path"])
    try:
        for client in state["clients"]:
            client.compare(server, totals)
            client.compare_jobs(server, totals)
        check(server)
        count(totals, "calls acknowledged", sum(client.done for client in state["clients"]))
        for client in state["clients"]:
            client.done = 0
        if (status := server.stop()) != 0:
            raise Wrong(f"it did not stop well but with {status}: {''.join(server.errors[-5:])}")
    finally:
        if server.process.poll() is None:
            server.kill()


cycle.state = None

if __name__ == "__main__":
    sys.exit(run("http-kill", 2, cycle, __doc__))
