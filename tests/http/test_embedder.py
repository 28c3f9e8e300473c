"""Embedding by an endpoint (--embedder): vectors, and what happens without them."""

import re
import threading
import time

import pytest
import requests

from fake_llm import FakeLlm
from server_process import eventually, ok

QUIET = {"RAGSTORE_LLM_API_KEY": "", "OPENAI_API_KEY": "", "RAGSTORE_MODEL": ""}
SHIP = "Each vessel of the fleet is painted blue."
BREAD = "The bakery sells loaves at noon."
KINDS = ({"ship", "vessel", "ferry"}, {"bakery", "bread", "loaves"})


def by_kind(text):
    """Words of one kind mean the same."""
    words = set(re.findall(r"\w+", text.lower()))
    return [len(words & kind) for kind in KINDS] + [0.1]


@pytest.fixture
def endpoint():
    fake = FakeLlm(["Blue [1]."], embeds=by_kind)
    yield fake
    fake.close()


@pytest.fixture
def server(start, endpoint):
    running = start("--llm-url", endpoint.url, "--embedder", "org/kinds", env=QUIET)
    running.create_entity("e")
    running.upload("e", "ship.txt", SHIP)
    running.upload("e", "bread.txt", BREAD)
    return running


def contents(reply):
    return [hit["content"] for hit in reply["results"]]


def upload(server, name, text):
    return server.post("/api/entities/e/files", files={"file": (name, text)})


def test_embedder__finds_by_meaning_what_has_no_word_in_common(server, endpoint):
    assert "hybrid with org/kinds" in server.line
    reply = server.search("e", "ferry", mode="vector", limit=1)
    assert contents(reply) == [SHIP] and reply["mode"] == "vector"
    reply = server.search("e", "bread")
    assert contents(reply)[0] == BREAD and reply["mode"] == "hybrid" and "notice" not in reply
    health = ok(server.get("/health"))
    assert health["embedder"] == "org/kinds/3/endpoint"
    assert (health["search_mode"], health["answer_mode"]) == ("hybrid", "extractive")
    path, _, body = endpoint.requests[-1]
    assert path == "/v1/embeddings" and body == {"model": "org/kinds", "input": ["bread"]}
    session = server.create_session("e")["session_id"]
    assert server.ask(session, "Which ferry?")["message"]["metadata"]["mode"] == "extractive"
    assert all(path == "/v1/embeddings" for path, _, _ in endpoint.requests)


def test_embedder__and_chats_by_a_model_go_together(start, endpoint):
    chats = FakeLlm(["Blue [1]."])
    server = start("--llm-url", chats.url, "--llm-model", "tiny", "--embedder", "kinds",
                   "--embedder-url", endpoint.url + "/", env=QUIET)
    server.create_entity("e")
    server.upload("e", "ship.txt", SHIP)
    session = server.create_session("e")["session_id"]
    assert server.ask(session, "What colour has the ferry?")["message"]["content"] == "Blue [1]."
    chats.close()
    assert {path for path, _, _ in chats.requests} == {"/v1/chat/completions"}
    assert {path for path, _, _ in endpoint.requests} == {"/v1/embeddings"}


def test_embedder__that_is_away_puts_jobs_off(server, endpoint):
    def job():
        return ok(server.get(f"/api/jobs/{job_id}"))

    endpoint.embeds = 503
    job_id, gone = (
        ok(server.post("/api/entities/e/files?wait=false",
                       files={"file": (f"{name}.txt", f"A {name} more.")}))["job_id"]
        for name in ("ferry", "loaf"))
    assert eventually(lambda: job()["retries"] > 0, 30)
    waiting = job()
    assert waiting["state"] in ("waiting", "running")
    if waiting["state"] == "waiting":
        assert "503" in waiting["error"]["message"] and waiting["next_try_at"] > waiting["updated_at"]
    assert ok(server.delete(f"/api/jobs/{gone}"))["state"] == "cancelled"
    endpoint.embeds = by_kind
    assert eventually(lambda: job()["state"] == "done", 60)
    assert job()["error"] is None and job()["next_try_at"] is None
    assert sorted(one["doc_name"] for one in ok(server.get("/api/entities/e/files"))) == [
        "bread.txt", "ferry.txt", "ship.txt"]


def test_embedder__that_is_away_costs_the_vectors_only(server, endpoint):
    endpoint.embeds = 500
    response = upload(server, "more.txt", "A ferry more.")
    assert response.status_code == 503
    assert response.json()["error"] == "Embedding failed"
    assert "org/kinds" in response.json()["detail"] and "answered 500" in response.json()["detail"]
    assert len(ok(server.get("/api/entities/e/files"))) == 2
    reply = server.search("e", "painted blue")
    assert contents(reply) == [SHIP] and reply["mode"] == "keyword"
    assert "answered 500" in reply["notice"]
    assert contents(server.search("e", "ferry")) == []
    body = {"entity_id": "e", "query": "ferry", "mode": "vector"}
    assert server.post("/api/search", json=body).status_code == 503
    assert "notice" not in server.search("e", "painted", mode="keyword")
    session = server.create_session("e")["session_id"]
    assert "painted blue" in server.ask(session, "What is painted?")["message"]["content"]
    health = ok(server.get("/health"))
    assert health["status"] == "degraded" and "answered 500" in health["problems"][0]
    endpoint.embeds = by_kind
    assert contents(server.search("e", "another ferry"))[0] == SHIP
    assert ok(server.get("/health"))["status"] == "healthy"
    ok(upload(server, "more.txt", "A ferry more."))


def test_embedder__that_holds_queries_up_is_left_alone_for_a_while(server, endpoint):
    endpoint.embeds = "SLOW"
    assert server.search("e", "blue sea")["mode"] == "keyword"
    asked, begun = len(endpoint.requests), time.monotonic()
    for word in "painted", "fleet", "each":
        assert contents(server.search("e", word)) == [SHIP]
    assert len(endpoint.requests) == asked and time.monotonic() - begun < 1
    endpoint.embeds = by_kind
    assert eventually(lambda: server.search("e", "one ferry")["mode"] == "hybrid", 10)


def test_embedder__that_holds_queries_up_holds_up_nothing_else(start, endpoint):
    """Searches that have been quick are made on the threads of the connections; but one that has to
    ask the endpoint never is, however quick those before it were."""
    server = start("--llm-url", endpoint.url, "--embedder", "org/kinds", "--threads", "4", env=QUIET)
    server.create_entity("e")
    server.upload("e", "ship.txt", SHIP)
    for _ in range(60):  # embedded once
        server.search("e", "blue sea")
    asked, released = len(endpoint.requests), threading.Event()

    def hang(text):
        released.wait(30)
        return by_kind(text)

    def search(word):
        requests.post(f"{server.url}/api/search", json={"entity_id": "e", "query": word}, timeout=60)

    endpoint.embeds = hang
    searching = [threading.Thread(target=search, args=(word,)) for word in ("one", "two", "three")]
    for thread in searching:
        thread.start()
    assert eventually(lambda: len(endpoint.requests) > asked)
    begun = time.monotonic()
    for _ in range(8):
        assert requests.get(f"{server.url}/openapi.json", timeout=20).status_code == 200
    waited = time.monotonic() - begun
    released.set()
    for thread in searching:
        thread.join(60)
    assert waited < 0.6 * 8


def test_embedder__other_dimension_than_at_the_start_is_refused(server, endpoint):
    endpoint.embeds = lambda text: [1, 2]
    response = upload(server, "more.txt", "A ferry more.")
    assert response.status_code == 503 and "vectors of 3 numbers" in response.json()["detail"]


def test_embedder__silence_does_not_keep_the_server_from_stopping(server, endpoint):
    released = time.monotonic() + 60

    def hang(text):
        while time.monotonic() < released:
            time.sleep(0.1)
        return [1, 1, 1]

    endpoint.embeds = hang
    job = ok(server.post("/api/entities/e/files?wait=false", files={"file": ("m.txt", "A ferry more.")}))
    assert eventually(lambda: "A ferry more." in str(endpoint.requests[-1][2]))
    begun = time.monotonic()
    assert server.stop() == 0 and time.monotonic() - begun < 5
    released = 0
    endpoint.embeds = by_kind
    assert job["job_id"]


# ---- that is away when the server starts ----

@pytest.mark.parametrize("how", ["stopped", "killed"])
def test_embedder__may_be_away_at_the_start(start, endpoint, how):
    server = start("--llm-url", endpoint.url, "--embedder", "org/kinds", env=QUIET)
    server.create_entity("e")
    server.upload("e", "ship.txt", SHIP)
    server.stop() if how == "stopped" else server.kill()
    endpoint.embeds = 503
    server = start("--llm-url", endpoint.url, "--embedder", "org/kinds", env=QUIET)
    assert "hybrid with org/kinds/3/endpoint, by keyword until it answers" in server.line
    reply = server.search("e", "painted blue")
    assert contents(reply) == [SHIP] and reply["mode"] == "keyword" and "503" in reply["notice"]
    health = ok(server.get("/health"))
    assert health["status"] == "degraded" and "503" in health["problems"][0]
    assert ok(server.get("/ready")) == {"ready": True}
    log = (server.data_dir / "logs/app.log").read_text() + server.error_text()
    assert "the embedding endpoint fails" in log and "uploads that are jobs wait for it" in log
    assert upload(server, "more.txt", "A ferry more.").status_code == 503
    job = ok(server.post("/api/entities/e/files?wait=false", files={"file": ("bread.txt", BREAD)}))

    endpoint.embeds = by_kind
    assert eventually(lambda: ok(server.get(f"/api/jobs/{job['job_id']}"))["state"] == "done", 60)
    assert eventually(lambda: server.search("e", "ferry")["mode"] == "hybrid", 30)
    assert contents(server.search("e", "ferry", mode="vector", limit=1)) == [SHIP]
    assert contents(server.search("e", "bread", mode="vector", limit=1)) == [BREAD]
    assert ok(server.get("/health"))["status"] == "healthy"


def test_embedder__that_was_never_there_leaves_keyword_search(start, endpoint):
    server = start("--model", "none", env=QUIET)
    server.create_entity("e")
    server.upload("e", "ship.txt", SHIP)
    server.stop()
    options = ("--llm-url", endpoint.url, "--embedder", "org/kinds")
    endpoint.embeds = 503
    server = start(*options, env=QUIET)
    assert "keyword only, the embedding endpoint does not answer" in server.line
    assert contents(server.search("e", "painted blue")) == [SHIP]
    health = ok(server.get("/health"))
    assert health["status"] == "degraded"
    assert "503" in health["problems"][0] and "Start the server again" in health["problems"][0]
    ok(upload(server, "bread.txt", BREAD))
    server.stop()

    endpoint.embeds = by_kind
    server = start(*options, env=QUIET)  # gives all documents their vectors
    assert eventually(lambda: server.search("e", "bakery")["mode"] == "hybrid", 30)
    assert contents(server.search("e", "ferry", mode="vector", limit=1)) == [SHIP]


def test_embedder__that_answers_wrongly_at_the_start_is_refused_with_documents_too(start, endpoint):
    server = start("--llm-url", endpoint.url, "--embedder", "org/kinds", env=QUIET)
    server.create_entity("e")
    server.stop()
    endpoint.embeds = 404
    server = start("--llm-url", endpoint.url, "--embedder", "org/kinds", wait=False, env=QUIET)
    assert server.wait() == 1 and "check the URL" in server.error_text()


def test_embedder__hashing_needs_no_endpoint(start):
    server = start("--embedder", "hashing", env=QUIET)
    server.create_entity("e")
    server.upload("e", "ship.txt", SHIP)
    assert server.search("e", "painted vessel")["mode"] == "hybrid"
    assert "hash" in ok(server.get("/health"))["embedder"]


@pytest.mark.parametrize("options, status, says", [
    (["--embedder", "x"], 2, "--embedder-url"),
    (["--embedder", "x", "--model", "none"], 2, "two embedding models"),
    (["--embedder-url", "http://127.0.0.1:1/v1"], 2, "needs --embedder"),
    (["--embedder", "hashing", "--llm-url", "http://127.0.0.1:1/v1"], 2, "together"),
    (["--embedder", "x", "--llm-url", "http://127.0.0.1:1/v1", "--embedder-url", "http://127.0.0.1:1/v1"],
     2, "together"),
    (["--embedder", "x", "--embedder-url", "file:///etc/passwd"], 1, "http"),
    (["--embedder", "x", "--llm-url", "http://127.0.0.1:1/v1"], 1, "cannot be reached")])
def test_embedder__wrong_options_are_named(start, options, status, says):
    server = start(*options, wait=False, env=QUIET)
    assert server.wait() == status
    assert says in server.error_text()


@pytest.mark.parametrize("embeds, says", [
    (404, "check the URL and the model's name"), (401, "RAGSTORE_LLM_API_KEY"),
    (lambda text: [], "did not send a vector"), (lambda text: "x", "did not send a vector"),
    (lambda text: [0] * 65537, "65,536")])
def test_embedder__must_give_a_vector_at_the_start(start, endpoint, embeds, says):
    endpoint.embeds = embeds
    server = start("--llm-url", endpoint.url, "--embedder", "kinds", wait=False, env=QUIET)
    assert server.wait() == 1
    assert says in server.error_text()
