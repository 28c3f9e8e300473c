"""The real server as a child process, for tests.

Each server has a directory of its own, listens on a free port, and is ended by its process id. What
it prints is kept, so that tests can look at messages and a failed start says why.
"""

import http.client
import json
import os
import pathlib
import re
import signal
import subprocess
import threading
import time

import requests

ROOT = pathlib.Path(__file__).resolve().parents[2]
START_SECONDS = 60
STOP_SECONDS = 12


def binary():
    """The program to test: RAGSTORE_SERVER, or the one that `make` builds."""
    return os.environ.get("RAGSTORE_SERVER") or str(ROOT / "build/bin/ragstore-server")


class Server:
    """A running server. Its calls return requests.Response; paths begin with a slash."""

    def __init__(self, data_dir, *options, env=None, cwd=None, program=None, **popen):
        self.data_dir = pathlib.Path(data_dir)
        environment = {k: v for k, v in os.environ.items() if k not in ("HOST", "PORT", "DATA_DIR")}
        environment.update(env or {})
        command = [program or binary(), "--port", "0", "--data-dir", str(data_dir), *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        env=environment, cwd=cwd, text=True, **popen)
        self.errors = []
        self.reader = threading.Thread(target=self._keep_errors, daemon=True)
        self.reader.start()
        self.line = ""
        self.url = None
        self.http = requests.Session()
        self.http.trust_env = False

    def _keep_errors(self):
        for line in self.process.stderr:
            self.errors.append(line)

    def wait_until_ready(self):
        """Wait for the line on standard output; raise if the server ends instead."""
        killer = threading.Timer(START_SECONDS, self.process.kill)
        killer.start()
        self.line = self.process.stdout.readline()
        killer.cancel()
        found = re.search(r"listening on (http://\S+)", self.line)
        if not found:
            self.wait()
            raise RuntimeError(f"the server did not start ({self.process.returncode}): "
                               f"{self.line}{self.error_text()}")
        self.url = found.group(1)
        return self

    def wait(self, timeout=START_SECONDS):
        """Wait until it ends by itself; returns the exit status."""
        status = self.process.wait(timeout)
        self.reader.join(5)
        return status

    def error_text(self):
        return "".join(self.errors)

    def stop(self):
        """End it as an operator does; returns the exit status."""
        return self._end(signal.SIGTERM)

    def kill(self):
        """End it as a crash does."""
        return self._end(signal.SIGKILL)

    def _end(self, number):
        if self.process.poll() is None:
            os.kill(self.process.pid, number)
        self.http.close()
        try:
            return self.wait(STOP_SECONDS)
        finally:
            if self.process.poll() is None:
                os.kill(self.process.pid, signal.SIGKILL)
                self.wait()
            self.process.stdout.close()

    def request(self, method, path, **arguments):
        arguments.setdefault("timeout", 60)
        return self.http.request(method, self.url + path, **arguments)

    def raw_get(self, path):
        """GET exactly these bytes, which other clients would mend; returns status and body."""
        connection = http.client.HTTPConnection(self.url[len("http://"):], timeout=60)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    def get(self, path, **arguments):
        return self.request("GET", path, **arguments)

    def post(self, path, **arguments):
        return self.request("POST", path, **arguments)

    def patch(self, path, **arguments):
        return self.request("PATCH", path, **arguments)

    def delete(self, path, **arguments):
        return self.request("DELETE", path, **arguments)

    # What most tests need, checked, in one line each.

    def create_entity(self, entity_id, name="A name", **fields):
        body = {"entity_id": entity_id, "entity_name": name, **fields}
        return ok(self.post("/api/entities", json=body))

    def upload(self, entity_id, filename, content, **fields):
        return ok(self.post(f"/api/entities/{entity_id}/files",
                            files={"file": (filename, content)}, data=fields))

    def create_session(self, entity_id, **fields):
        return ok(self.post("/api/chat/sessions", json={"entity_id": entity_id, **fields}))

    def ask(self, session_id, message, **fields):
        body = {"session_id": session_id, "message": message, "stream": False, **fields}
        return ok(self.post("/api/chat", json=body))

    def search(self, entity_id, query, **fields):
        return ok(self.post("/api/search", json={"entity_id": entity_id, "query": query, **fields}))

    def messages(self, session_id):
        return ok(self.get(f"/api/chat/sessions/{session_id}/messages"))


def ok(response):
    """The body of a reply that must be 200."""
    assert response.status_code == 200, f"{response.status_code}: {response.text}"
    return response.json()


def eventually(check, seconds=10):
    """Call `check` until it returns something true; for what happens after a reply."""
    until = time.monotonic() + seconds
    while True:
        result = check()
        if result or time.monotonic() > until:
            return result
        time.sleep(0.05)
