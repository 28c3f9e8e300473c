"""Tokens: who gets in, and what those who are in can see.

The matrix at the end asks every call of the server's table for what is the client's own, somebody
else's, and nobody's: the last two must be answered alike.
"""

import hashlib
import json
import os
import re
import signal
import subprocess
import threading
import time

import pytest
import requests

from server_process import ROOT, binary, eventually, ok
from texts import FERRIES

NOBODYS_DOCUMENT = "doc_00000000-0000-4000-8000-000000000000"
NOBODYS_SESSION = "session_000000000000"
NOBODYS_JOB = "job_000000000000"


def make_token(*arguments):
    """(the secret, its line)"""
    made = subprocess.run([binary(), "--make-token", *arguments], capture_output=True, text=True,
                          timeout=30, check=True)
    secret = re.search(r"token: (rs_[0-9a-f]{64})\n", made.stderr).group(1)
    return secret, made.stdout


@pytest.fixture(scope="module")
def secrets():
    return {"own": make_token("own", "--entity", "mine", "--entity", "not made yet"),
            "other": make_token("other", "--entity", "theirs"),
            "reader": make_token("reader", "--all-entities"),
            "admin": make_token("operator", "--admin")}


@pytest.fixture
def guarded(start, secrets, tmp_path):
    """A server with tokens, two entities of different owners, and a client for each token."""
    file = tmp_path / "tokens"
    file.write_text("# who may do what\n\n" + "".join(line for _, line in secrets.values()))
    server = start("--model", "none", "--token-file", str(file))
    server.clients = {}
    for name, (secret, _) in secrets.items():
        server.clients[name] = requests.Session()
        server.clients[name].trust_env = False
        server.clients[name].headers["Authorization"] = f"Bearer {secret}"

    def call(name, method, path, **arguments):
        return server.clients[name].request(method, server.url + path, timeout=60, **arguments)

    server.call = call
    server.made = {}
    for owner, entity in (("own", "mine"), ("other", "theirs")):
        ok(call(owner, "POST", "/api/entities", json={"entity_id": entity, "entity_name": entity}))
        document = ok(call(owner, "POST", f"/api/entities/{entity}/files",
                           files={"file": (f"{entity}.md", f"{FERRIES}\n\n{entity}")}))
        session = ok(call(owner, "POST", "/api/chat/sessions", json={"entity_id": entity}))
        job = ok(call(owner, "POST", f"/api/entities/{entity}/files?wait=false",
                      files={"file": (f"{entity}.md", f"{FERRIES}\n\n{entity}")}))
        server.made[owner] = {"entity": entity, "document": document["doc_id"],
                              "session": session["session_id"], "job": job["job_id"]}
    return server


# ---- getting in ----

@pytest.mark.parametrize("header", [
    None, "", "Bearer", "Bearer ", "Bearer wrong", "Basic d3Jvbmc6d3Jvbmc=", "Bearer " + "x" * 4000,
    "bearer rs_" + "0" * 64])
def test_token__that_is_missing_or_unknown_is_401(guarded, header):
    headers = {} if header is None else {"Authorization": header}
    response = guarded.get("/api/entities", headers=headers)
    assert response.status_code == 401
    assert set(response.json()) == {"error", "detail"}
    assert response.headers["WWW-Authenticate"].startswith('Bearer realm="ragstore"')
    assert "mine" not in response.text


def test_token__almost_right_is_401(guarded, secrets):
    secret = secrets["own"][0]
    for wrong in (secret[:-1], secret + "0", secret + " x", secret.upper(), secret[:-1] + "g"):
        assert guarded.get("/api/entities", headers={"Authorization": f"Bearer {wrong}"}
                           ).status_code == 401
    assert guarded.get("/api/entities", headers={"Authorization": f"bearer   {secret}"}
                       ).status_code == 200


def test_token__is_looked_at_before_the_body_is_read(guarded):
    response = guarded.post("/api/entities/mine/files", files={"file": ("a", b"a" * 50_000_000)})
    assert response.status_code == 401
    response = guarded.call("own", "POST", "/api/entities/theirs/files", data=b"no form at all",
                            headers={"Content-Type": "multipart/form-data; boundary=x"})
    assert response.status_code == 404  # and not 422
    response = guarded.post("/api/search", data=b"{")
    assert response.status_code == 401


@pytest.mark.parametrize("path", ["/", "/docs", "/openapi.json", "/health", "/ready", "/web/page.js"])
def test_token__is_not_needed_for_what_tells_nothing(guarded, path):
    assert guarded.get(path).status_code == 200


def test_health__counts_what_the_client_sees(guarded):
    def counts(response):
        body = ok(response)
        return body["entities_loaded"], body["total_documents"]

    assert counts(guarded.get("/health")) == (0, 0)
    assert counts(guarded.call("own", "GET", "/health")) == (1, 1)
    assert counts(guarded.call("admin", "GET", "/health")) == (2, 2)


def test_metrics__need_the_admin_scope(guarded):
    assert guarded.get("/metrics").status_code == 401
    for name in ("own", "reader"):
        response = guarded.call(name, "GET", "/metrics")
        assert response.status_code == 403 and "admin" in response.json()["detail"]
    assert guarded.call("admin", "GET", "/metrics").status_code == 200


def test_token__secret_is_nowhere_on_the_server(guarded, secrets, tmp_path):
    ok(guarded.call("own", "GET", "/api/entities/mine"))
    guarded.get("/api/entities", headers={"Authorization": "Bearer rs_mistyped"})
    log = guarded.data_dir / "logs/app.log"
    assert eventually(lambda: "by own" in log.read_text())
    for secret in [secret for secret, _ in secrets.values()] + ["rs_mistyped"]:
        for path in tmp_path.rglob("*"):
            assert not path.is_file() or secret.encode() not in path.read_bytes(), path
        assert secret not in guarded.error_text()


# ---- the file ----

def test_make_token__prints_the_digest_and_never_the_same_twice():
    secret, line = make_token("ci", "--entity", "acme", "--entity", "acme 2")
    assert json.loads(line) == {"name": "ci", "entities": ["acme", "acme 2"],
                                "sha256": hashlib.sha256(secret.encode()).hexdigest()}
    assert secret not in line
    assert make_token("ci", "--admin")[0] != make_token("ci", "--admin")[0]


@pytest.mark.parametrize("arguments", [
    [], ["ci"], ["ci", "--entity"], ["ci", "--entity", ""], ["ci", "--admin", "--entity", "a"],
    ["ci", "--all-entities", "--admin"], ["ci", "--port", "1", "--admin"], ["", "--admin"]])
def test_make_token__without_a_scope_is_wrong_usage(arguments):
    made = subprocess.run([binary(), "--make-token", *arguments], capture_output=True, text=True,
                          timeout=30)
    assert made.returncode == 2 and "usage" in made.stderr and made.stdout == ""


@pytest.mark.parametrize("text, says", [
    ("", "no token in"), ("# nothing\n", "no token in"), ("nonsense\n", "line 1: it is not JSON"),
    ("\n[]\n", "line 2: it is not a JSON object"),
    ('{"name":"a","sha256":"12","entities":["x"]}', "64 hexadecimal"),
    ('{"name":"a","sha256":"%s"}' % ("0" * 64), 'needs "entities"'),
    ('{"name":"a","sha256":"%s","entities":"some"}' % ("0" * 64), "list of ids"),
    ('{"name":"a","sha256":"%s","entities":[1]}' % ("0" * 64), "list of strings"),
    ('{"name":"a","sha256":"%s","admin":1}' % ("0" * 64), "true or false"),
    ('{"sha256":"%s","admin":true}' % ("0" * 64), 'needs a "name"'),
    ('{"name":"a","sha256":"%s","entites":["x"],"admin":true}' % ("0" * 64), "other than"),
    (('{"name":"a","sha256":"%s","admin":true}\n' % ("0" * 64)) * 2, "line 2: its name"),
    (None, "cannot read the token file")])
def test_token_file__that_is_wrong_stops_the_start(start, tmp_path, text, says):
    file = tmp_path / "tokens"
    if text is not None:
        file.write_text(text)
    server = start("--model", "none", "--token-file", str(file), wait=False)
    assert server.wait() == 1
    assert says in server.error_text()


def test_token_file__is_read_again_on_sighup(guarded, secrets, tmp_path):
    file, log = tmp_path / "tokens", guarded.data_dir / "logs/app.log"
    late, line = make_token("late", "--entity", "mine")

    def send(secret):
        return requests.get(f"{guarded.url}/api/entities/mine", timeout=60,
                            headers={"Authorization": f"Bearer {secret}"}).status_code

    assert send(late) == 401 and send(secrets["own"][0]) == 200
    file.write_text(secrets["admin"][1] + line)
    assert send(late) == 401  # nobody has told the server
    os.kill(guarded.process.pid, signal.SIGHUP)
    assert eventually(lambda: send(late) == 200)
    assert send(secrets["own"][0]) == 401 and send(secrets["admin"][0]) == 200
    assert guarded.call("admin", "GET", "/metrics").status_code == 200
    assert "read 2 tokens from" in log.read_text()
    for wrong, says in (("nonsense\n", "line 1: it is not JSON"), ("", "no token in"), (None, "cannot read")):
        file.unlink() if wrong is None else file.write_text(wrong)
        os.kill(guarded.process.pid, signal.SIGHUP)
        assert eventually(lambda: says in log.read_text())
        assert send(late) == 200 and send("rs_" + "0" * 64) == 401
    assert "the tokens stay as they were" in log.read_text()
    assert guarded.stop() == 0


def test_token_file__is_read_again_under_load(guarded, secrets, tmp_path):
    """What a request was allowed is there until it ends."""
    file, stop, seen = tmp_path / "tokens", threading.Event(), []

    def ask(name):
        while not stop.is_set():
            seen.append(guarded.call(name, "POST", "/api/search",
                                     json={"entity_id": "mine", "query": "ferry"}).status_code)

    asking = [threading.Thread(target=ask, args=(name,)) for name in ("own", "reader", "admin")]
    for thread in asking:
        thread.start()
    for i in range(40):
        lines = [line for _, line in secrets.values()]
        file.write_text("".join(lines[i % 2:] + lines[:i % 2]))
        os.kill(guarded.process.pid, signal.SIGHUP)
        time.sleep(0.02)
    stop.set()
    for thread in asking:
        thread.join(60)
    assert len(seen) > 10 and set(seen) == {200}


def test_sighup__without_a_token_file_ends_the_server(start):
    server = start("--model", "none")
    os.kill(server.process.pid, signal.SIGHUP)
    assert server.wait() == -signal.SIGHUP


def test_listen__on_any_address_is_allowed_with_tokens(start, tmp_path, secrets):
    server = start("--model", "none", "--host", "0.0.0.0", wait=False)
    assert server.wait() == 2
    assert "--token-file" in server.error_text() and "--allow-anonymous" in server.error_text()
    file = tmp_path / "tokens"
    file.write_text(secrets["admin"][1])
    start("--model", "none", "--host", "0.0.0.0", "--token-file", str(file))


# ---- what is seen ----

def test_entities__in_a_list_are_those_of_the_scope(guarded):
    def listed(name, query=""):
        body = ok(guarded.call(name, "GET", "/api/entities" + query))
        return [one["entity_id"] for one in body["entities"]], body["total"]

    assert listed("own") == (["mine"], 1)
    assert listed("other") == (["theirs"], 1)
    assert listed("reader") == listed("admin") == (["mine", "theirs"], 2)
    ok(guarded.call("own", "POST", "/api/entities",
                    json={"entity_id": "not made yet", "entity_name": "The second"}))
    assert listed("own") == (["mine", "not made yet"], 2)
    assert listed("own", "?limit=1&offset=1") == (["not made yet"], 2)
    assert listed("own", "?q=SECOND") == (["not made yet"], 1)
    assert listed("own", "?q=theirs") == ([], 0)
    same = ok(guarded.call("own", "GET", "/api/entities?q=second"))["entities"][0]
    assert same == ok(guarded.call("admin", "GET", "/api/entities?q=second"))["entities"][0]


def test_create__outside_the_scope_is_403_whether_it_is_there_or_not(guarded):
    replies = [guarded.call("own", "POST", "/api/entities", json={"entity_id": one, "entity_name": "x"})
               for one in ("theirs", "nobody's")]
    assert [reply.status_code for reply in replies] == [403, 403]
    assert replies[0].text == replies[1].text
    again = guarded.call("own", "POST", "/api/entities", json={"entity_id": "mine", "entity_name": "x"})
    assert again.status_code == 400


CHUNKS = {"chunks": [{"text": "a chunk"}]}


def calls():
    """Every call that names something of an entity: method, path or body with what it names."""
    e, d, s, j = "{entity}", "{document}", "{session}", "{job}"
    yield "GET", f"/api/entities/{e}", {}
    yield "PATCH", f"/api/entities/{e}", {"json": {"description": "changed"}}
    yield "POST", f"/api/entities/{e}/files", {"files": {"file": ("a.md", b"Ferries and cranes.")}}
    yield "GET", f"/api/entities/{e}/files", {}
    yield "GET", f"/api/entities/{e}/files/{d}", {}
    yield "PATCH", f"/api/entities/{e}/files/{d}", {"json": {"metadata": {"changed": True}}}
    yield "GET", f"/api/entities/{e}/files/{d}/content", {}
    yield "GET", f"/api/entities/{e}/files/{d}/text", {}
    yield "POST", f"/api/entities/{e}/chunks", {"json": CHUNKS}
    yield "GET", f"/api/jobs/{j}", {}
    yield "DELETE", f"/api/jobs/{j}", {}
    yield "GET", f"/api/entities/{e}/sessions", {}
    yield "POST", "/api/chat/sessions", {"json": {"entity_id": e}}
    yield "GET", f"/api/chat/sessions/{s}", {}
    yield "PATCH", f"/api/chat/sessions/{s}", {"json": {"session_name": "changed"}}
    yield "GET", f"/api/entities/{e}/messages?q=ferry", {}
    yield "GET", f"/api/chat/sessions/{s}/messages", {}
    yield "POST", "/api/chat", {"json": {"session_id": s, "message": "ferry", "stream": False}}
    yield "POST", "/api/chat", {"json": {"session_id": s, "message": "ferry"}}
    yield "POST", "/api/search", {"json": {"entity_id": e, "query": "ferry"}}
    yield "DELETE", f"/api/entities/{e}/files/{d}", {}
    yield "DELETE", f"/api/chat/sessions/{s}", {}
    yield "DELETE", f"/api/entities/{e}", {}


def fill(value, names):
    if isinstance(value, str):
        for name, text in names.items():
            value = value.replace("{%s}" % name, text)
        return value
    if isinstance(value, dict):
        return {key: fill(one, names) for key, one in value.items()}
    return value


def answer(guarded, name, call, names):
    """Status, headers and body, with the names taken out and what differs from call to call."""
    method, path, arguments = call
    response = guarded.call(name, method, fill(path, names), **fill(arguments, names))
    text = response.text
    for word, one in names.items():
        text = text.replace(one, word)
    kept = {key: value for key, value in response.headers.items()
            if key not in ("X-Request-Id", "Date", "Content-Length")}
    return response.status_code, kept, text


def everything_of(guarded, owner):
    entity, session = guarded.made[owner]["entity"], guarded.made[owner]["session"]
    return [ok(guarded.call(owner, "GET", path)) for path in (
        f"/api/entities/{entity}", f"/api/entities/{entity}/files",
        f"/api/entities/{entity}/sessions", f"/api/chat/sessions/{session}/messages")]


def test_isolation__every_call_answers_for_others_as_for_nobody(guarded):
    nobody = {"entity": "nobody", "document": NOBODYS_DOCUMENT, "session": NOBODYS_SESSION,
              "job": NOBODYS_JOB}
    own, theirs = guarded.made["own"], guarded.made["other"]
    before = everything_of(guarded, "other")
    for call in calls():
        about = f"{call[0]} {call[1]} {call[2]}"
        missing = answer(guarded, "own", call, nobody)
        assert missing[0] == 404, about
        assert answer(guarded, "own", call, theirs) == missing, about
        # one's own entity does not open somebody else's document
        if "{document}" in call[1]:
            mixed = answer(guarded, "own", call, {**own, "document": theirs["document"]})
            assert mixed == answer(guarded, "own", call, {**own, "document": NOBODYS_DOCUMENT}), about
            assert mixed[0] == 404, about
        # nor does another's entity open one's own
        assert answer(guarded, "own", call, {**nobody, "entity": theirs["entity"],
                                             "document": own["document"]}) == missing, about
        assert answer(guarded, "admin", call, nobody) == missing, about
    assert everything_of(guarded, "other") == before
    for call in calls():  # and all of them work on what is one's own
        assert answer(guarded, "own", call, own)[0] == 200, call
    # a search in one's own cannot be told to look into somebody else's documents
    ok(guarded.call("own", "POST", "/api/entities", json={"entity_id": "mine", "entity_name": "x"}))
    found = ok(guarded.call("own", "POST", "/api/search", json={
        "entity_id": "mine", "query": "ferry", "doc_ids": [theirs["document"]]}))
    assert found["results"] == []


def test_isolation__the_matrix_has_every_call_of_the_table():
    table = (ROOT / "examples/server/routes.c").read_text(encoding="utf-8")
    scoped = {(method, path) for method, path, access in
              re.findall(r'\{"([A-Z]+)", "([^"]+)", BODY\w+, \w+, (ACCESS_\w+)', table)
              if access == "ACCESS_TOKEN"}
    asked = {(method, re.sub(r"\{\w+\}", "{}", path.partition("?")[0])) for method, path, _ in calls()}
    # tested by themselves: what lists show, and making an entity
    assert scoped - asked == {("GET", "/api/entities"), ("POST", "/api/entities"), ("GET", "/api/jobs")}
