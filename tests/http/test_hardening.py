"""What HTTP must withstand, as far as it can be told in a moment. Attacks that take their time are in
campaigns/http_load.py."""

import json
import os
import select
import socket
import time

import pytest

from fake_llm import FakeLlm
from server_process import eventually, ok
from test_wire import connect, exchange, status_of
from texts import FERRIES, paragraphs

GET = b"GET /health HTTP/1.1\r\nHost: localhost\r\n"
SECOND = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


# ---- heads ----

@pytest.mark.parametrize("head, status", [
    (b"X: y\r\n" * 62, 200), (b"X: y\r\n" * 64, 431),
    (b"X: " + b"y" * 8180 + b"\r\n", 200), (b"X: " + b"y" * 8200 + b"\r\n", 431),
    (b"X: " + b"y" * 8000 + b"\r\n" + (b"Y: " + b"y" * 7900 + b"\r\n") * 3, 200),
    ((b"X: " + b"y" * 8180 + b"\r\n") * 4, 431)], ids=str)
def test_head__may_have_64_headers_of_8_kib_and_32_kib_in_all(server, head, status):
    assert status_of(exchange(server, GET + b"Connection: close\r\n" + head + b"\r\n")) == status


@pytest.mark.parametrize("size, status", [(8000, 404), (8300, 414)])
def test_target__may_have_8_kib(server, size, status):
    reply = exchange(server, b"GET /" + b"x" * size + b" HTTP/1.1\r\nHost: localhost\r\n"
                             b"Connection: close\r\n\r\n")
    assert status_of(reply) == status


@pytest.mark.parametrize("head", [
    b"Content-Length : 5", b"Content-Length\t: 5", b"Transfer-Encoding : chunked",
    b"Transfer-Encoding: \x0bchunked", b"X: y\rContent-Length: 5", b"X: y\rTransfer-Encoding: chunked",
    b"Content Length: 5", b"Content-Length: 0x5", b"Content-Length: 5 5", b"Content-Length: \x0b5",
    b"Content-Length: 99999999999999999999", b"Content-Length: 5\r\nContent-Length: 5",
    b"Transfer-Encoding: chunked, identity", b"Transfer-Encoding: xchunked",
    b"Transfer-Encoding: identity\r\nContent-Length: 5", b"Transfer-Encoding:", b"X\x01Y: z",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"], ids=repr)
def test_smuggling__a_second_request_in_the_body_is_never_answered(server, head):
    reply = exchange(server, b"POST /api/search HTTP/1.1\r\nHost: localhost\r\n" + head
                     + b"\r\n\r\n0\r\n\r\n" + SECOND)
    assert status_of(reply) in (400, 413)
    assert b"200 OK" not in reply
    assert b"\r\nConnection: close\r\n" in reply


@pytest.mark.parametrize("chunk", [b"0x5\r\nabcde\r\n", b"-5\r\nabcde\r\n", b"+5\r\nabcde\r\n",
                                   b"5\r\nabcdeX\r\n", b"fffffffffffffffff\r\n", b"\r\n", b" 5\r\nabcde\r\n"])
def test_chunks__that_are_malformed_end_the_connection(server, chunk):
    try:
        reply = exchange(server, b"POST /api/search HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
                                 b"application/json\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk
                         + b"0\r\n\r\n" + SECOND)
    except ConnectionResetError:
        reply = b""
    assert b"200 OK" not in reply


# ---- bodies ----

@pytest.mark.parametrize("depth, status", [(32, 200), (33, 422)])
def test_json__may_be_32_levels_deep(server, depth, status):
    nested = "[" * (depth - 2) + "]" * (depth - 2)
    body = '{"entity_id": "deep%d", "entity_name": "x", "metadata": {"a": %s}}' % (depth, nested)
    response = server.post("/api/entities", data=body, headers={"Content-Type": "application/json"})
    assert response.status_code == status, response.text
    if status == 422:
        assert "32 levels" in response.text


def test_body__in_chunks_is_counted_against_the_same_limit(server):
    def pieces(size):
        yield b'{"entity_id": "nobody", "query": "'
        yield from (b"x" * 1024 for _ in range(size // 1024))
        yield b'"}'

    headers = {"Content-Type": "application/json"}
    assert server.post("/api/search", data=pieces(1024), headers=headers).status_code == 404
    assert server.post("/api/search", data=pieces(1100 * 1024), headers=headers).status_code == 413


def test_url__is_decoded_once(server):
    server.create_entity("50%25")
    assert server.raw_get("/api/entities/50%2525")[0] == 200
    assert server.raw_get("/api/entities/50%25")[0] == 404  # the entity "50%"
    assert server.raw_get("/api/entities/%2565ntity")[1]["detail"] == 'There is no entity "%65ntity".'


@pytest.mark.parametrize("path", ["/api%2Fentities", "/api/entities%2F%7B%7D", "/api/entities%2Fx/files",
                                  "/api/entities%2F%7B%7D%2Ffiles", "/%2F", "/api/%7B%7D"])
def test_url__has_no_slashes_but_those_that_are_sent(server, path):
    assert server.raw_get(path)[0] == 404


def test_bodies__of_all_clients_together_have_a_limit(start):
    server = start("--model", "none")
    head = (b"POST /api/entities/x/chunks HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
            b"application/json\r\nContent-Length: 30000000\r\n\r\n")
    waiting = [connect(server) for _ in range(3)]
    try:
        for connection in waiting:
            connection.sendall(head + b" " * 29_999_999)
        assert eventually(lambda: memory_mib(server) > 40)
        time.sleep(0.2)
        peak = memory_mib(server)
        waiting[2].sendall(b" ")
        replies = [waiting[2].recv(4096)]
        for connection in waiting[:2]:
            connection.sendall(b" ")
            replies.append(connection.recv(4096))
        statuses = sorted(status_of(reply) for reply in replies)
        assert statuses[-1] == 503 and statuses[0] == 404  # one of them was refused
        refused = next(reply for reply in replies if status_of(reply) == 503)
        assert b"Retry-After: 1" in refused
        assert peak < 120
    finally:
        for connection in waiting:
            connection.close()
    assert server.post("/api/entities/x/chunks", json={"chunks": [{"text": "x" * 1_000_000}]}
                       ).status_code == 404


def memory_mib(server):
    with open(f"/proc/{server.process.pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE") / 2**20


# ---- replies ----

def test_replies__that_nobody_takes_have_a_limit(start):
    server = start("--model", "none")
    server.create_entity("acme")
    document = server.upload("acme", "large.txt", "A line of forty bytes for the archive.\n" * 100_000)
    path = f"/api/entities/acme/files/{document['doc_id']}/content"
    before = memory_mib(server)
    waiting = []
    try:
        for _ in range(40):
            client = socket.socket()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.settimeout(20)
            client.connect(("127.0.0.1", int(server.url.rsplit(":", 1)[1])))
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            waiting.append(client)
        statuses = sorted(status_of(client.recv(1024)) for client in waiting)
        assert 30 <= statuses.count(200) < 40 and statuses.count(503) == 40 - statuses.count(200)
        assert memory_mib(server) - before < 170
    finally:
        for client in waiting:
            client.close()
    assert eventually(lambda: server.get(path).status_code == 200)


@pytest.fixture
def silent(start):
    """A server whose model says nothing for a long time: (server, session, fake)."""
    fakes = []

    def begin(*plan):
        fake = FakeLlm(*plan)
        fakes.append(fake)
        server = start("--model", "none", "--llm-url", fake.url, "--llm-model", "tiny")
        server.create_entity("e")
        server.upload("e", "ferries.md", FERRIES)
        return server, server.create_session("e")["session_id"], fake

    yield begin
    for fake in fakes:
        fake.close()


@pytest.mark.parametrize("stream", [True, False])
def test_generation__is_stopped_when_the_client_leaves_before_the_first_word(silent, stream):
    server, session, fake = silent(["SILENT"])
    body = json.dumps({"session_id": session, "message": "Which ship?", "stream": stream}).encode()
    with connect(server) as client:
        client.sendall(b"POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json"
                       b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        assert eventually(lambda: fake.requests)
    assert fake.broken.wait(10)


def test_generation__is_stopped_and_kept_when_the_client_leaves_in_a_pause(silent):
    server, session, fake = silent(["The Plover ", "SILENT"])
    response = server.post("/api/chat", json={"session_id": session, "message": "Which?"}, stream=True)
    assert next(response.iter_content(4))
    response.close()
    assert fake.broken.wait(10)
    assert eventually(lambda: len(server.messages(session)) == 2)
    stored = server.messages(session)[1]
    assert stored["content"] == "The Plover" or stored["content"] == "The Plover "
    assert stored["metadata"]["partial"] is True


def test_chat__with_a_slow_model_holds_up_nobody(silent):
    server, session, fake = silent(["SILENT"])
    body = json.dumps({"session_id": session, "message": "Which ship?"}).encode()
    clients = [connect(server) for _ in range(20)]
    try:
        for client in clients:
            client.sendall(b"POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json"
                           b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        assert eventually(lambda: len(fake.requests) == 20)
        begun = time.monotonic()
        assert server.search("e", "Plover")["total"] > 0
        server.upload("e", "more.md", paragraphs("barley", 2))
        assert time.monotonic() - begun < 5
    finally:
        for client in clients:
            client.close()


def test_connections__of_one_address_have_a_limit(start):
    server = start("--model", "none", "--max-connections-per-address", "20")
    clients = [connect(server) for _ in range(30)]
    answered = 0
    for client in clients:
        try:
            client.sendall(SECOND)
            answered += client.recv(4096).startswith(b"HTTP/1.1 200")
        except OSError:
            pass
        client.close()
    assert answered == 20
    assert eventually(lambda: server.get("/health").status_code == 200)


def test_connections__of_all_addresses_have_a_limit(start):
    server = start("--model", "none", "--max-connections", "20", "--max-connections-per-address", "200")
    clients = [connect(server) for _ in range(40)]
    try:
        for client in clients:
            client.sendall(GET + b"\r\n")
        answered = set()
        until = time.monotonic() + 3
        while time.monotonic() < until:
            answered |= set(select.select(clients, [], [], 0.1)[0])
            time.sleep(0.1)
        assert len(answered) == 20
    finally:
        for client in clients:
            client.close()
    assert eventually(lambda: server.get("/health").status_code == 200)


def test_connections__that_say_nothing_are_closed(server):
    """10 s before the first request, 30 s behind a reply."""
    fresh, kept, begun = connect(server), connect(server), time.monotonic()
    with fresh, kept:
        kept.sendall(GET + b"\r\n")
        assert kept.recv(4096).startswith(b"HTTP/1.1 200")
        for client, least, most in ((fresh, 8, 20), (kept, 25, 50)):
            client.settimeout(60)
            while client.recv(4096):
                pass
            assert least < time.monotonic() - begun < most


def test_cors__is_off_unless_configured(server):
    for method, path in (("GET", "/api/entities"), ("OPTIONS", "/api/entities"), ("GET", "/openapi.json")):
        response = server.request(method, path, headers={
            "Origin": "https://app.example", "Access-Control-Request-Method": "POST"})
        assert not [name for name in response.headers if name.lower().startswith("access-control")]
        assert (response.status_code == 200) == (method == "GET")


@pytest.mark.parametrize("path", ["/", "/docs", "/api/entities", "/nothing", "/openapi.json"])
def test_replies__are_never_sniffed_or_kept(server, path):
    for accept in ("text/html", "*/*"):
        headers = server.get(path, headers={"Accept": accept}).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"
