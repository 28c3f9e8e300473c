#!/usr/bin/env python3
"""Attack the HTTP server with clients that are slow, endless, or gone; the others must not notice.

One cycle is one server and one attack after the other, each from a process of its own. All the while
another client searches, and the server's memory is watched:

  - memory stays within 64 MiB above what it was idle
  - the other client's 99th percentile at most doubles, or stays below 50 ms more
  - slow heads and bodies are closed, and told so, after 10 s; readers that stall are dropped
  - event-stream readers that read get their whole answer, whatever the others do
  - no descriptor is left over

    make check-campaigns                        a slice: 150 clients, the attacks at the same time
    tests/campaigns/http_load.py --clients 1000 --seconds 40 --apart
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import resource
import socket
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

from campaign import ROOT, Wrong, count, run

sys.path.insert(0, str(ROOT / "tests/http"))

MEMORY_MAX = 64 * 1024 * 1024
SLOWER_MAX = 2.0
SLOWER_MS_MAX = 50.0
ATTEMPTS = 3
HEAD_SECONDS = 10
PER_ADDRESS = 250  # below what the server allows to one address

TEXT = "The barley of the northern fields was weighed and shipped by the ferry company. "


# ---- the attackers: each is a coroutine of one connection and returns a word for what became of it ----

def connect(port: int, number: int, receive_buffer: int | None = None) -> socket.socket:
    """From one of several loopback addresses, so that the limit of an address is not in the way."""
    client = socket.socket()
    if receive_buffer:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    client.bind((f"127.0.0.{2 + number // PER_ADDRESS}", 0))
    client.settimeout(20)
    client.connect(("127.0.0.1", port))
    client.setblocking(False)
    return client


async def send_slowly(client: socket.socket, first: bytes, until: float) -> str:
    """One byte now and then, until the server has had enough: what it says, and when."""
    loop = asyncio.get_running_loop()
    started = time.monotonic()
    await loop.sock_sendall(client, first)
    while time.monotonic() < until:
        try:
            reply = await asyncio.wait_for(loop.sock_recv(client, 4096), 1)
        except TimeoutError:
            try:
                await loop.sock_sendall(client, b"x")
            except OSError:
                return "closed"
            continue
        except OSError:
            return "closed"
        age = time.monotonic() - started
        if age < HEAD_SECONDS - 1:
            return "closed too early"
        return "told" if reply.startswith(b"HTTP/1.1 408 ") else "closed"
    return "still open"


async def slow_head(client, until, body):
    return await send_slowly(client, b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-Slow: ", until)


async def slow_second_head(client, until, body):
    """Slow in the second request of a connection."""
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(client, b"GET /ready HTTP/1.1\r\nHost: localhost\r\n\r\n")
    if not (await loop.sock_recv(client, 4096)).startswith(b"HTTP/1.1 200 "):
        return "refused"
    await asyncio.sleep(1)
    return await send_slowly(client, b"GET /he", until)


async def slow_body(client, until, body):
    return await send_slowly(client, b"POST /api/search HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
                                     b"application/json\r\nContent-Length: 500000\r\n\r\n{", until)


async def flood(client, head: bytes, piece: bytes, until: float, most: int) -> str:
    """As much as the server takes. The kernel may take all of it before the server has looked, so that
    the end is awaited after the last byte."""
    loop = asyncio.get_running_loop()
    sent = 0
    try:
        await loop.sock_sendall(client, head)
        while time.monotonic() < until and sent < most:
            await asyncio.wait_for(loop.sock_sendall(client, piece), 15)
            sent += len(piece)
            await asyncio.sleep(0)
        while await asyncio.wait_for(loop.sock_recv(client, 65536), until - time.monotonic()):
            pass
    except TimeoutError:  # an OSError too
        return "still open"
    except OSError:
        pass
    return "closed"


async def endless_chunks(client, until, body):
    return await flood(client, b"POST /api/search HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
                               b"application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
                       b"1000\r\n" + b" " * 4096 + b"\r\n", until, 64 << 20)


async def endless_tiny_chunks(client, until, body):
    """A byte of body for each KiB of extension."""
    return await flood(client, b"POST /api/search HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
                               b"application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
                       (b"1;" + b"e" * 1000 + b"\r\n \r\n") * 16, until, 1 << 40)


async def many_headers(client, until, body):
    return await flood(client, b"GET /health HTTP/1.1\r\nHost: localhost\r\n",
                       b"X-Header: value\r\n" * 1000, until, 17 * 100_000)


def question(body: bytes) -> bytes:
    return (b"POST /api/chat HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n"
            b"Content-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
            % len(body) + body)


async def reader(client, until, body):
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(client, question(body))
    reply = b""
    try:
        while piece := await asyncio.wait_for(loop.sock_recv(client, 65536), until - time.monotonic()):
            reply += piece
    except (OSError, TimeoutError):
        pass
    whole = b"event: done" in reply and reply.endswith(b"0\r\n\r\n")
    return "whole answers" if whole else f"broken answer ({reply[:60]!r})"


async def stalled_reader(client, until, body):
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(client, question(body))
    await asyncio.sleep(max(0.0, until - time.monotonic()))
    return "stalled"


ATTACKS = {  # kind: (coroutine, share of the clients, what may become of them)
    "slow heads": (slow_head, 1, {"told", "closed"}),
    "slow second heads": (slow_second_head, 0.2, {"told", "closed"}),
    "slow bodies": (slow_body, 1, {"told", "closed"}),
    "endless chunks": (endless_chunks, 0.02, {"closed"}),
    "endless tiny chunks": (endless_tiny_chunks, 0.02, {"closed"}),
    "100,000 headers": (many_headers, 0.05, {"closed"}),
    "event-stream readers": (reader, 0.5, {"whole answers"}),
    "stalled event-stream readers": (stalled_reader, 0.5, {"stalled"}),
}


async def attack(kind: str, port: int, clients: int, seconds: float, body: bytes) -> dict:
    coroutine, share, _ = ATTACKS[kind]
    until = time.monotonic() + seconds
    sockets = [connect(port, number, 4096 if coroutine is stalled_reader else None)
               for number in range(max(1, round(clients * share)))]
    ends = await asyncio.gather(*(coroutine(client, until, body) for client in sockets))
    for client in sockets:
        client.close()
    return {end: ends.count(end) for end in set(ends)}


# ---- the others, and what is watched ----

class Watch(threading.Thread):
    """A client that searches, and the greatest memory of the server meanwhile."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.server = server
        self.times: list[float] = []
        self.memory = 0
        self.ends = threading.Event()
        self.error: str | None = None

    def run(self):
        try:
            while not self.ends.is_set():
                started = time.monotonic()
                if self.server.search("other", "barley")["total"] == 0:
                    raise RuntimeError("nothing was found")
                self.times.append((time.monotonic() - started) * 1000)
                self.memory = max(self.memory, resident(self.server))
                time.sleep(0.005)
        except Exception as error:  # told by stop()
            self.error = repr(error)

    def stop(self) -> tuple[float, int]:
        self.ends.set()
        self.join(60)
        if self.error:
            raise Wrong(f"the other client: {self.error}")
        return statistics.quantiles(self.times, n=100)[98], self.memory


def resident(server) -> int:
    with open(f"/proc/{server.process.pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def descriptors(server) -> int:
    return len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))


def run_attacks(server, kinds: list[str], options, body: bytes, totals: dict) -> None:
    seconds = max(options.seconds, HEAD_SECONDS + 4)
    port = server.url.rsplit(":", 1)[1]
    children = {kind: subprocess.Popen([sys.executable, __file__, "--attack", kind, "--port", port,
                                        "--clients", str(options.clients), "--seconds", str(seconds),
                                        "--body", body.decode()], stdout=subprocess.PIPE, text=True)
                for kind in kinds}
    for kind, child in children.items():
        out, _ = child.communicate(timeout=seconds + 120)
        if child.returncode != 0:
            raise Wrong(f"{kind}: the attacker failed")
        for end, number in json.loads(out).items():
            if end not in ATTACKS[kind][2]:
                raise Wrong(f"{kind}: {number} ended as: {end}")
            count(totals, f"{kind} {end}", number)


def prepare(server) -> bytes:
    server.create_entity("other")
    server.upload("other", "barley.md", TEXT * 20)
    server.create_entity("chat")
    server.upload("chat", "long.md", "\n\n".join(f"Number {n}. {TEXT * 18}" for n in range(40)))
    session = server.create_session("chat")["session_id"]
    return json.dumps({"session_id": session, "message": "barley ferry"}).encode()


def withstand(server, kinds: list[str], options, body: bytes, totals: dict, idle: int,
              usual: float) -> tuple[int, str]:
    """Attack, and look how the others are served. One who is slow because of something else that the
    machine does is not so each time; what an attack does comes again."""
    for left in reversed(range(ATTEMPTS)):
        watch = Watch(server)
        watch.start()
        run_attacks(server, kinds, options, body, totals)
        slow, memory = watch.stop()
        said = (f"{', '.join(kinds)}: p99 {usual:.1f} ms, attacked {slow:.1f} ms; "
                f"{(memory - idle) / 2**20:.1f} MiB above idle")
        if memory - idle > MEMORY_MAX:
            raise Wrong(said)
        if slow <= max(usual * SLOWER_MAX, usual + SLOWER_MS_MAX):
            return memory, said
        if left == 0:
            raise Wrong(f"{said}, {ATTEMPTS} times")
        watch = Watch(server)  # it may be a slower machine by now
        watch.start()
        time.sleep(2)
        usual = max(usual, watch.stop()[0])
    raise AssertionError


def cycle(options, chance: random.Random, directory: Path, totals: dict) -> None:
    from server_process import Server, eventually  # needs what the other campaigns do without

    server = Server(directory / f"data{chance.randrange(1 << 30)}", "--model", "none").wait_until_ready()
    try:
        body = prepare(server)
        watch = Watch(server)
        watch.start()
        time.sleep(2 if options.clients < 500 else 8)
        usual, _ = watch.stop()
        idle, open_before = resident(server), descriptors(server)
        groups = [[kind] for kind in ATTACKS] if options.apart else [list(ATTACKS)]
        if options.apart:  # readers that stall are there to disturb those that do not
            groups[-2:] = [groups[-2] + groups[-1]]
        for kinds in groups:
            memory, said = withstand(server, kinds, options, body, totals, idle, usual)
            if options.apart:
                print(said, flush=True)
            totals["MiB above idle at most"] = max(totals.get("MiB above idle at most", 0),
                                                   round((memory - idle) / 2**20))
        if not eventually(lambda: descriptors(server) <= open_before + 4, 45):
            raise Wrong(f"{descriptors(server)} descriptors are open, {open_before} before")
        if server.stop() != 0:
            raise Wrong("the server did not end well: " + server.error_text()[-2000:])
    finally:
        if server.process.poll() is None:
            server.kill()


def attack_as_told() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--attack")
    parser.add_argument("--port", type=int)
    parser.add_argument("--clients", type=int)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--body")
    told = parser.parse_args()
    print(json.dumps(asyncio.run(attack(told.attack, told.port, told.clients, told.seconds,
                                        told.body.encode()))))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--clients", type=int, default=150)
    parser.add_argument("--seconds", type=float, default=0, help="of each attack; at least 14")
    parser.add_argument("--apart", action="store_true", help="one attack after the other")


if __name__ == "__main__":
    if "--attack" in sys.argv:
        attack_as_told()
    else:
        resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
        sys.exit(run("http-load", 1, cycle, __doc__, add_arguments))
