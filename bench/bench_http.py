#!/usr/bin/env python3
"""Searches over HTTP: ragstore-server beside a FastAPI server that calls the same library.

    apt install wrk; tools/setup.sh bench; python=$(tools/setup.sh print-bench-python)
    $python bench/bench_http.py [--seconds 10] [--connections 16] [--rounds 3] [--memory 100000]

Both serve a store of the same 1,000 documents on loopback and answer POST /api/search with five hits
of a keyword search, as little work as there is, so that what is compared is the way there and back.
The rival is as fast as such a server is written: one uvicorn process with uvloop and httptools, an
async handler that makes the library's two calls through ctypes and returns its JSON text as it is, no
response model, no objects in between; it keeps the entity open. Each server has the first core to
itself and wrk the last one; they take turns, and the medians of the rounds count. Errors and answers
without hits stop the bench.

Beside the rates it measures the processor time of a request, which a busy machine changes less: of a
search, of a path that is not there (what is spent without any search), and of the search alone, called
in a loop through ctypes.

With --memory, so many requests are then sent to ragstore-server, and its memory is read after a tenth
of them and in the end. One JSON object a line.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = 1000
WORDS = ["barley", "ferry", "lantern", "harbour", "granite", "willow", "copper", "meadow"]

RIVAL = '''
import ctypes
import sys

import ragstore
import uvicorn
from ragstore import _ffi
from ragstore._ffi import lib
from fastapi import Body, FastAPI, HTTPException
from fastapi.responses import Response

store = ragstore.Store(sys.argv[1])
app = FastAPI()
entities = {}


@app.post("/api/search")
async def search(entity_id: str = Body(), query: str = Body(), k: int = Body(5, ge=1, le=20)):
    entity = entities.get(entity_id)
    if entity is None:
        try:
            entity = entities[entity_id] = store.entity(entity_id)
        except ragstore.NotFoundError as error:
            raise HTTPException(404, str(error)) from error
    options = _ffi.entity_search_options(k=k)
    result, text = _ffi.result_p(), _ffi.buffer_p()
    with entity._use() as pointer:
        lib.ragstore_entity_search(ctypes.byref(result), pointer, query.encode(), ctypes.byref(options))
    try:
        lib.ragstore_result_json(ctypes.byref(text), result)
        body = ctypes.string_at(lib.ragstore_buffer_data(text), lib.ragstore_buffer_size(text))
    finally:
        lib.ragstore_buffer_free(text)
        lib.ragstore_result_free(result)
    return Response(body, media_type="application/json")


@app.get("/ready")
async def ready():
    return {"ready": True}


uvicorn.run(app, port=int(sys.argv[2]), log_level="error", access_log=False, loop="uvloop", http="httptools")
'''

ALONE = '''
import ctypes
import sys
import time

import ragstore
from ragstore import _ffi
from ragstore._ffi import lib

words = sys.argv[2].split()
with ragstore.Store(sys.argv[1]) as store, store.entity("bench")._use() as entity:
    options, result, text = _ffi.entity_search_options(k=5), _ffi.result_p(), _ffi.buffer_p()
    queries = [f"{words[i % len(words)]} {words[(i * 7 + 3) % len(words)]}".encode() for i in range(len(words))]

    def microseconds(as_json):
        begun = time.process_time()
        for i in range(2000):
            lib.ragstore_entity_search(ctypes.byref(result), entity, queries[i % len(queries)], ctypes.byref(options))
            if as_json:
                lib.ragstore_result_json(ctypes.byref(text), result)
                lib.ragstore_buffer_free(text)
            lib.ragstore_result_free(result)
        return (time.process_time() - begun) / 2000 * 1e6

    times = [[microseconds(as_json) for as_json in (False, True)] for _ in range(7)]
print(*(sorted(one)[3] for one in zip(*times)))
'''

WRK = '''
local words = {%s}
local n = 0
request = function()
  n = n + 1
  local a, b = words[n %% #words + 1], words[(n * 7 + 3) %% #words + 1]
  return wrk.format("POST", "/api/search", {["Content-Type"] = "application/json"},
    '{"entity_id": "bench", "query": "' .. a .. ' ' .. b .. '", "k": 5}')
end
response = function(status, headers, body)
  if status ~= 200 or not string.find(body, '"doc_id"', 1, true) then wrk.thread:stop() end
end
done = function(summary, latency, requests)
  io.write(string.format("FIGURES %%d %%d %%d %%.3f %%.3f\\n", summary.requests, summary.duration,
    summary.errors.status + summary.errors.read + summary.errors.timeout + summary.errors.connect,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000))
end
'''


def say(**figures: object) -> None:
    print(json.dumps({"bench": "bench_http", **figures}), flush=True)


def fill(directory: Path) -> None:
    sys.path.insert(0, str(ROOT / "examples/python"))
    import ragstore

    with ragstore.Store(directory) as store:
        entity = store.create_entity("bench", name="Bench")
        for i in range(DOCUMENTS):
            words = " ".join(WORDS[(i * j) % len(WORDS)] for j in range(1, 40))
            entity.add(f"Report {i}. {words}.", filename=f"{i}.md")


class Side:
    def __init__(self, name: str, command: list[str], port: int, cores: set[int], environment: dict):
        self.name, self.url = name, f"http://127.0.0.1:{port}"
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                        env={**os.environ, **environment},
                                        preexec_fn=lambda: os.sched_setaffinity(0, cores))
        self.rounds: list[tuple[float, float, float, float]] = []
        self.nothing: list[float] = []
        for _ in range(300):
            try:
                urllib.request.urlopen(self.url + "/ready", timeout=5).read()
                return
            except OSError:
                if self.process.poll() is not None:
                    break
                time.sleep(0.1)
        sys.exit(f"bench_http: {name} did not start")

    def processor_seconds(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def run_nothing(self, core: int, options) -> None:
        """Processor microseconds of a request for a path that is not there."""
        before = self.processor_seconds()
        done = subprocess.run(["taskset", "-c", str(core), "wrk", "-t1", f"-c{options.connections}", "-d2s",
                               self.url + "/nowhere"], capture_output=True, text=True, timeout=60)
        count = int(re.search(r"(\d+) requests in", done.stdout)[1])
        self.nothing.append((self.processor_seconds() - before) / count * 1e6)

    def run(self, script: Path, core: int, options) -> None:
        before = self.processor_seconds()
        done = subprocess.run(["taskset", "-c", str(core), "wrk", "-t1", f"-c{options.connections}",
                               f"-d{options.seconds}s", "-s", str(script), self.url],
                              capture_output=True, text=True, timeout=options.seconds + 60)
        found = re.search(r"FIGURES (\d+) (\d+) (\d+) (\S+) (\S+)", done.stdout)
        if not found or int(found[3]) or not int(found[1]):
            sys.exit(f"bench_http: {self.name}: {done.stdout}{done.stderr}")
        self.rounds.append((int(found[1]) / (int(found[2]) / 1e6), float(found[4]), float(found[5]),
                            (self.processor_seconds() - before) / int(found[1]) * 1e6))

    def resident(self) -> int:
        fields = Path(f"/proc/{self.process.pid}/statm").read_text().split()
        return int(fields[1]) * os.sysconf("SC_PAGESIZE")

    def medians(self) -> tuple[float, ...]:
        return tuple(statistics.median(one) for one in zip(*self.rounds))

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(20)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


def measure_library(data: Path, cores: set[int], environment: dict) -> None:
    """What of it is the library's own, whoever calls it."""
    done = subprocess.run([sys.executable, "-c", ALONE, str(data), " ".join(WORDS)], capture_output=True, text=True,
                          check=True, env={**os.environ, **environment},
                          preexec_fn=lambda: os.sched_setaffinity(0, cores))
    search, with_json = map(float, done.stdout.split())
    say(measure="library", search_us=round(search, 1), search_and_json_us=round(with_json, 1))


def measure_memory(side: Side, script: Path, core: int, options) -> None:
    """Memory after a tenth of the requests, when all is warm, and in the end."""
    seconds = max(2, round(options.memory / side.medians()[0] / 10))
    sent, figures = 0.0, []
    options.seconds = seconds
    while sent < options.memory:
        side.run(script, core, options)
        sent += side.rounds[-1][0] * seconds
        figures.append(side.resident())
    say(measure="memory", requests=round(sent), mib_after_a_tenth=round(figures[0] / 2**20, 1),
        mib=round(figures[-1] / 2**20, 1), grown_mib=round((figures[-1] - figures[0]) / 2**20, 2))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory", type=int, default=100_000)
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        print("NOT RUN bench_http: wrk is not installed")
        return
    cores = sorted(os.sched_getaffinity(0))
    client, server_core = cores[-1], {cores[0]}
    with tempfile.TemporaryDirectory(prefix="ragstore-bench-http-") as place:
        directory = Path(place)
        os.environ.setdefault("RAGSTORE_LIBRARY", str(ROOT / "build/lib/libragstore.so"))
        fill(directory / "data")
        (directory / "rival.py").write_text(RIVAL)
        (directory / "search.lua").write_text(WRK % ", ".join(f'"{word}"' for word in WORDS))
        ports = [free_port(), free_port()]
        python = {"PYTHONPATH": str(ROOT / "examples/python")}
        ours = Side("ragstore-server", [str(ROOT / "build/bin/ragstore-server"), "--model", "none",
                                        "--data-dir", str(directory / "data"), "--log-level", "warning",
                                        "--port", str(ports[0])], ports[0], server_core, {})
        rival = Side("fastapi", [sys.executable, str(directory / "rival.py"), str(directory / "data"),
                                 str(ports[1])], ports[1], server_core, python)
        try:
            for _ in range(options.rounds):
                for side in (ours, rival):
                    side.run(directory / "search.lua", client, options)
                    side.run_nothing(client, options)
            for side in (ours, rival):
                rate, p50, p99, processor = side.medians()
                say(measure="search", server=side.name, requests_per_second=round(rate),
                    p50_ms=round(p50, 2), p99_ms=round(p99, 2), processor_us=round(processor, 1),
                    processor_us_for_nothing=round(statistics.median(side.nothing), 1),
                    connections=options.connections)
            say(measure="search", ratio=round(ours.medians()[0] / rival.medians()[0], 2),
                processor_ratio=round(rival.medians()[3] / ours.medians()[3], 2),
                p99_ratio=round(rival.medians()[2] / ours.medians()[2], 2))
            measure_library(directory / "data", server_core, python)
            if options.memory:
                measure_memory(ours, directory / "search.lua", client, options)
        finally:
            ours.stop()
            rival.stop()


if __name__ == "__main__":
    main()
