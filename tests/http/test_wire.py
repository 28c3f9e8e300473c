"""What happens below the calls: headers, connections, signals."""

import concurrent.futures
import os
import signal
import socket
import time

import pytest

from server_process import eventually, ok
from texts import FERRIES, paragraphs


def connect(server):
    host, port = server.url[len("http://"):].split(":")
    return socket.create_connection((host, int(port)), timeout=20)


def exchange(server, request):
    """Send raw bytes; returns all bytes of the reply, read until the server closes."""
    with connect(server) as connection:
        connection.sendall(request)
        reply = b""
        while True:
            piece = connection.recv(65536)
            if not piece:
                return reply
            reply += piece


def status_of(reply):
    return int(reply.split(b" ", 2)[1]) if reply.startswith(b"HTTP/1.1 ") else None


@pytest.mark.parametrize("host, status", [
    ("localhost", 200), ("LOCALHOST:1234", 200), ("127.0.0.1", 200), ("[::1]:80", 200),
    ("evil.example", 403), ("127.0.0.1.evil.example", 403), ("", 403)])
def test_host__other_names_are_403(server, host, status):
    response = server.get("/health", headers={"Host": host})
    assert response.status_code == status
    if status == 403:
        assert "--public-host" in response.json()["detail"]


def test_host__a_public_name_can_be_allowed(start):
    server = start("--model", "none", "--public-host", "docs.example")
    assert server.get("/health", headers={"Host": "docs.example:443"}).status_code == 200
    assert server.get("/health", headers={"Host": "other.example"}).status_code == 403


def test_origin__other_sites_may_not_change_anything(start):
    server = start("--model", "none", "--cors-origin", "https://app.example")
    body = {"entity_id": "a", "entity_name": "b"}
    for origin in ("https://evil.example", "null"):
        response = server.post("/api/entities", json=body, headers={"Origin": origin})
        assert response.status_code == 403
        assert "--cors-origin" in response.json()["detail"]
    assert ok(server.get("/api/entities"))["total"] == 0
    response = server.post("/api/entities", json=body, headers={"Origin": "https://app.example"})
    assert response.status_code == 200
    assert response.headers["Access-Control-Allow-Origin"] == "https://app.example"
    same = server.delete("/api/entities/a", headers={"Origin": server.url})
    assert same.status_code == 200
    preflight = server.request("OPTIONS", "/api/entities", headers={
        "Origin": "https://app.example", "Access-Control-Request-Method": "POST"})
    assert preflight.status_code == 200
    assert "POST" in preflight.headers["Access-Control-Allow-Methods"]


@pytest.mark.parametrize("head", [
    b"Content-Length: 5\r\nTransfer-Encoding: chunked", b"Content-Length: 5\r\nContent-Length: 6",
    b"Content-Length: +5", b"Content-Length: 5, 5", b"Content-Length: -1",
    b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x"])
def test_framing__that_is_ambiguous_is_400_and_closes(server, head):
    reply = exchange(server, b"POST /api/search HTTP/1.1\r\nHost: localhost\r\n" + head
                     + b"\r\n\r\n0\r\n\r\nGET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert status_of(reply) == 400
    assert b"200 OK" not in reply  # what followed is not taken for a request


@pytest.mark.parametrize("request_, statuses", [
    (b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", {414}),
    (b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 100 + b"\r\n", {431}),
    (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 9000 + b"\r\n\r\n", {431}),
    (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 200000 + b"\r\n\r\n", {431, 413, 414}),
    (b"GET / HTTP/1.1\r\n\r\n", {400}),
    (b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", {400})])
def test_sizes__of_heads_are_limited(server, request_, statuses):
    try:
        assert status_of(exchange(server, request_)) in statuses
    except OSError:
        pass  # cut off in the middle of a head that is far too large
    assert server.get("/health").status_code == 200


@pytest.mark.parametrize("noise", [b"\r\n\r\n", b"\0" * 100, b"GET\r\n\r\n", b"\x16\x03\x01\x02",
                                   b"POST /api/search HTTP/1.1\r\nHost: localhost\r\n"
                                   b"Content-Length: 100\r\n\r\n{"])
def test_noise__does_no_harm(server, noise):
    for _ in range(5):
        with connect(server) as connection:
            connection.sendall(noise)
    assert server.get("/health").status_code == 200


@pytest.mark.parametrize("body", [
    b"", b"--x\r\n", b"--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nabc",
    b"no boundary at all", b"--x\r\nContent-Disposition: nonsense\r\n\r\nabc\r\n--x--\r\n"])
def test_form__cut_off_or_malformed_is_422(server, entity, body):
    response = server.post(f"/api/entities/{entity}/files", data=body,
                           headers={"Content-Type": "multipart/form-data; boundary=x"})
    assert response.status_code == 422
    assert response.json()["detail"]
    assert ok(server.get(f"/api/entities/{entity}/files")) == []


def test_upload__by_a_client_that_leaves_stores_nothing(server, entity):
    with connect(server) as connection:
        connection.sendall(
            f"POST /api/entities/{entity}/files HTTP/1.1\r\nHost: localhost\r\n"
            "Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 100000\r\n\r\n"
            '--x\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n'
            "the beginning of a text".encode())
    assert server.get("/health").status_code == 200
    assert ok(server.get(f"/api/entities/{entity}/files")) == []
    assert [path for path in server.data_dir.rglob("*") if "upload-" in path.name] == []


def test_upload__is_not_held_in_memory(start):
    server = start("--model", "none")

    def peak_kib():
        with open(f"/proc/{server.process.pid}/status", encoding="ascii") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))

    before = peak_kib()
    # to an entity that does not exist, so that only the server handles the bytes
    response = server.post("/api/entities/nobody/files", files={"file": ("a", b"a" * 100_000_000)})
    assert response.status_code == 404
    assert peak_kib() - before < 20_000


def test_connection__is_kept_and_pipelines(server):
    request = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
    last = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    assert exchange(server, request * 4 + last).count(b"HTTP/1.1 200 OK") == 5


@pytest.mark.parametrize("method, path, takes", [
    ("GET", "/api/entities?lmit=1", "limit, offset, q"),
    ("GET", "/api/entities?limit=1&Offset=1", "limit, offset, q"),
    ("GET", "/api/entities/{}?q=x", "nothing"),
    ("GET", "/api/entities/{}/files?page=2", "limit, offset, q"),
    ("GET", "/api/entities/{}/sessions?before=2", "limit, offset, q"),
    ("GET", "/api/entities/{}/messages?q=x&session=y", "q, session_id, limit, offset"),
    ("GET", "/api/chat/sessions/session_000000000000/messages?offset=1", "limit, before"),
    ("GET", "/api/jobs?state=done", "limit"),
    ("POST", "/api/entities/{}/files?wiat=false", "wait"),
    ("POST", "/api/search?k=3", "nothing"),
    ("DELETE", "/api/entities/{}?=", "nothing")])
def test_query__with_a_name_that_the_call_does_not_know_is_refused(server, entity, method, path, takes):
    response = server.request(method, path.format(entity))
    assert response.status_code == 400 and response.json()["error"] == "Bad Request"
    wrong = path.split("?")[1].split("&")[-1].split("=")[0]
    assert f'has "{wrong}"' in response.json()["detail"]
    assert f"takes only {takes}." in response.json()["detail"] or takes == "nothing"
    assert ("takes nothing there" in response.json()["detail"]) == (takes == "nothing")


def test_query__of_a_call_that_takes_it_and_of_pages_may_be_there(server, entity):
    for path in (f"/api/entities/{entity}/files?limit=1&offset=0&q=x", f"/api/entities?q={entity}&",
                 f"/api/entities/{entity}/messages?q=x&session_id=s&limit=1&offset=0", "/api/jobs?limit=2",
                 "/?utm_source=mail", "/health?probe=1", "/ready?x", "/docs?a=b", "/openapi.json?v=2"):
        assert server.get(path).status_code in (200, 404), path


def test_request_id__is_in_the_reply_and_the_log(server):
    response = server.get("/api/entities/nobody?token=geheim")
    assert response.status_code == 400 and "token" in response.json()["detail"]
    request_id = response.headers["X-Request-Id"]
    log = server.data_dir / "logs/app.log"

    def logged():
        return [line for line in log.read_text().splitlines() if request_id in line]

    (line,) = eventually(logged)
    assert "GET /api/entities/nobody 400" in line
    assert "geheim" not in log.read_text()


def test_log__holds_no_bodies(server, entity):
    server.upload(entity, "report.md", FERRIES, description="strictly-confidential")
    server.search(entity, "lorries-in-the-query")
    server.search(entity, "revenue")
    text = (server.data_dir / "logs/app.log").read_text()
    assert "strictly-confidential" not in text
    assert "lorries" not in text


def test_stream__many_slow_readers_do_not_stop_the_others(server, entity):
    server.upload(entity, "many.md", paragraphs("barley", 20))
    session = server.create_session(entity)["session_id"]
    body = b'{"session_id": "%s", "message": "barley"}' % session.encode()
    readers = [connect(server) for _ in range(20)]
    try:
        for reader in readers:
            reader.sendall(b"POST /api/chat HTTP/1.1\r\nHost: localhost\r\n"
                           b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n"
                           % len(body) + body)
        assert server.search(entity, "barley")["total"] == 5  # while nobody reads what was asked
        assert eventually(lambda: len(server.messages(session)) == 40, seconds=60)
    finally:
        for reader in readers:
            reader.close()
    assert server.get("/health").status_code == 200


def test_stop__finishes_what_runs_and_loses_nothing(start):
    server = start("--model", "none")
    server.create_entity("acme")
    acknowledged = []

    def upload(number):
        try:
            response = server.post("/api/entities/acme/files",
                                   files={"file": (f"{number}.md", f"{FERRIES}\n\nCopy {number}")})
        except OSError:
            return
        if response.status_code == 200:
            acknowledged.append(response.json()["doc_id"])

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for number in range(200):
            pool.submit(upload, number)
        assert eventually(lambda: len(acknowledged) > 20, seconds=30)
        begun = time.monotonic()
        os.kill(server.process.pid, signal.SIGTERM)
        assert server.wait(15) == 0
        assert time.monotonic() - begun < 10
    server = start("--model", "none")
    stored = {one["doc_id"] for one in ok(server.get("/api/entities/acme/files"))}
    assert set(acknowledged) <= stored


def test_kill__under_load_loses_nothing_acknowledged(start):
    server = start("--model", "none")
    server.create_entity("acme")
    session = server.create_session("acme")["session_id"]
    acknowledged = []

    def ask(number):
        try:
            response = server.post("/api/chat", json={
                "session_id": session, "message": f"Question {number}", "stream": False})
        except OSError:
            return
        if response.status_code == 200:
            acknowledged.append(f"Question {number}")

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for number in range(400):
            pool.submit(ask, number)
        assert eventually(lambda: len(acknowledged) > 50, seconds=30)
        server.kill()
    server = start("--model", "none")
    stored = [one["content"] for one in server.messages(session)]
    assert set(acknowledged) <= set(stored)


def test_stop__with_idle_and_stalled_clients_ends_in_time(start):
    server = start("--model", "none")
    idle = [connect(server) for _ in range(20)]
    for connection in idle[:10]:
        connection.sendall(b"POST /api/search HTTP/1.1\r\nHost: localhost\r\n"
                           b"Content-Length: 50\r\n\r\n{")
    assert server.get("/health").status_code == 200
    begun = time.monotonic()
    os.kill(server.process.pid, signal.SIGTERM)
    assert server.wait(12) == 0
    assert time.monotonic() - begun < 5  # the stalled ones are not waited for to the end
    for connection in idle:
        connection.close()


def test_descriptors__do_not_leak(start):
    server = start("--model", "none")
    server.create_entity("acme")

    def count():
        return len(os.listdir(f"/proc/{server.process.pid}/fd"))

    def once(number):
        server.upload("acme", f"{number}.md", f"{FERRIES} {number}")
        server.post("/api/entities/acme/files", files={"file": ("x", b"")})
        server.post("/api/search", data=b"{")
        server.search("acme", "revenue")

    for number in range(5):
        once(number)
    before = count()
    for number in range(5, 40):
        once(number)
    assert count() <= before + 4
