"""Chat with a language model: the server's client against an endpoint that fails in every way."""

import json
import os
import subprocess

import pytest

from fake_llm import FakeLlm
from server_process import ROOT, eventually, ok
from texts import FERRIES

QUESTION = "Which ship of the company is the oldest?"


@pytest.fixture
def chat(start):
    """Start a server with a fake model that goes by a plan: (server, session id, fake)."""
    fakes = []

    def begin(*plan, env=None):
        fake = FakeLlm(*plan)
        fakes.append(fake)
        server = start("--model", "none", "--llm-url", fake.url + "/", "--llm-model", "tiny",
                       env={"RAGSTORE_LLM_API_KEY": "", "OPENAI_API_KEY": "", **(env or {})})
        server.create_entity("e")
        server.upload("e", "ferries.md", FERRIES)
        return server, server.create_session("e")["session_id"], fake

    yield begin
    for fake in fakes:
        fake.close()


def test_llm__answers_whole_with_checked_citations(chat):
    server, session, fake = chat(["The Plover", " is [1", "] and [9] old."])
    reply = server.ask(session, QUESTION)
    message = reply["message"]
    assert message["content"] == "The Plover is [1] and  old."
    assert message["metadata"]["mode"] == "model"
    assert message["metadata"]["dropped_citations"] == 1
    assert [c["n"] for c in message["metadata"]["citations"]] == [1]
    assert "Plover" in reply["sources"][0]["content"]
    path, headers, body = fake.requests[0]
    assert path == "/v1/chat/completions" and body["model"] == "tiny" and body["stream"] is True
    assert "Authorization" not in headers
    assert "The Plover is the oldest" in body["messages"][-1]["content"]
    assert ok(server.get("/health"))["answer_mode"] == "model"


def test_llm__streams_as_it_comes(chat):
    server, session, _ = chat(["Der Plover, ", "ältestes ", "Schiff [1]."])
    body = {"session_id": session, "message": QUESTION}
    with server.post("/api/chat", json=body, stream=True) as response:
        assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert response.content.decode() == "Der Plover, ältestes Schiff [1]."
    response = server.post("/api/chat", json=body, headers={"Accept": "text/event-stream"})
    events = [block.split("\n") for block in response.text.strip().split("\n\n")]
    names = [event[0] for event in events]
    assert names[0] == "event: sources" and names[-1] == "event: done"
    deltas = [json.loads(event[1][6:])["text"] for event in events if event[0] == "event: delta"]
    assert "".join(deltas) == "Der Plover, ältestes Schiff [1]." and len(deltas) >= 3


def test_llm__busy_endpoints_are_asked_again(chat):
    server, session, fake = chat(429, 503, ["Here [1]."])
    assert server.ask(session, QUESTION)["message"]["content"] == "Here [1]."
    assert len(fake.requests) == 3


@pytest.mark.parametrize("plan, calls, says", [
    ([500], 4, "answered 500"), ([401], 1, "answered 401"), ([302], 1, "redirects are not followed"),
    ([["MALFORMED"]], 1, "not JSON"), ([["ERROR"]], 1, "out of breath"),
    ([["NO END"]], 1, "broke off"), ([[]], 1, "said nothing")])
def test_llm__failing_at_once_costs_no_turn(chat, plan, calls, says):
    server, session, fake = chat(*plan)
    message = server.ask(session, QUESTION)["message"]
    assert message["metadata"]["mode"] == "extractive"
    assert says in message["metadata"]["model_error"]
    assert "Plover" in message["content"]
    assert len(fake.requests) == calls
    assert all(path == "/v1/chat/completions" for path, _, _ in fake.requests)
    fake.plan = [["Fine [1]."]]
    assert server.ask(session, QUESTION)["message"]["content"] == "Fine [1]."
    assert [m["role"] for m in server.messages(session)] == ["user", "assistant"] * 2


@pytest.mark.parametrize("trick", ["BREAK", "MALFORMED", "ERROR"])
def test_llm__failing_in_the_middle_keeps_the_part(chat, trick):
    server, session, fake = chat(["The Plover is", trick])
    response = server.post("/api/chat", json={"session_id": session, "message": QUESTION},
                           headers={"Accept": "text/event-stream"})
    assert "event: error" in response.text
    response = server.post("/api/chat", json={"session_id": session, "message": QUESTION, "stream": False})
    assert response.status_code == 502
    stored = server.messages(session)
    assert [m["role"] for m in stored] == ["user", "assistant"] * 2
    assert stored[1]["content"] == "The Plover is"
    assert stored[1]["metadata"]["partial"] is True
    fake.plan = [["Fine [1]."]]
    assert server.ask(session, QUESTION)["message"]["content"] == "Fine [1]."


def test_llm__is_stopped_when_the_client_leaves(chat):
    server, session, fake = chat(["Begin. ", "SLOW"])
    body = {"session_id": session, "message": QUESTION}
    response = server.post("/api/chat", json=body, stream=True)
    assert next(response.iter_content(7))
    response.close()
    assert eventually(lambda: len(server.messages(session)) == 2, 20)
    stored = server.messages(session)[1]
    assert stored["content"].startswith("Begin.") and stored["metadata"]["partial"] is True
    assert fake.broken.wait(10)


def test_llm__key_goes_to_the_endpoint_and_nowhere_else(chat):
    secret = "sk-very-secret-4711"
    server, session, fake = chat(401, env={"OPENAI_API_KEY": secret})
    server.ask(session, QUESTION)
    assert fake.requests[0][1]["Authorization"] == "Bearer " + secret
    assert server.stop() == 0
    for path in server.data_dir.rglob("*"):
        assert not path.is_file() or secret.encode() not in path.read_bytes(), path
    assert secret not in server.error_text()


def test_llm__turns_are_there_after_a_restart(chat, start):
    server, session, _ = chat(["Old [1]."])
    server.ask(session, QUESTION)
    server.kill()
    again = start("--model", "none")
    assert [m["content"] for m in again.messages(session)] == [QUESTION, "Old [1]."]
    assert again.ask(session, QUESTION)["message"]["metadata"]["mode"] == "extractive"


@pytest.mark.parametrize("options, says", [
    (["--llm-url", "http://127.0.0.1:1/v1"], "together"), (["--llm-model", "x"], "together"),
    (["--llm-url", "file:///etc/passwd", "--llm-model", "x"], "http")])
def test_llm__wrong_options_are_named(start, options, says):
    server = start(*options, wait=False)
    assert server.wait() != 0
    assert says in server.error_text()


def test_llm__whole_answers_are_taken_too(chat):
    server, session, _ = chat({"choices": [{"message": {"role": "assistant", "content": "Whole [1]."}}]})
    assert server.ask(session, QUESTION)["message"]["content"] == "Whole [1]."


# ---- embeddings ----

DRIVER = os.environ.get("RAGSTORE_EMBED_DRIVER") or str(ROOT / "build/release/tests/llm/embed_driver")


def embed(*plan, texts=("one", "two")):
    """(exit status, vectors, message, the fake's requests)"""
    fake = FakeLlm(*plan)
    try:
        done = subprocess.run([DRIVER, fake.url, "tiny", "2", *texts], capture_output=True, text=True,
                              timeout=60)
    finally:
        fake.close()
    vectors = [[float(n) for n in line.split()] for line in done.stdout.splitlines()]
    return done.returncode, vectors, done.stderr, fake.requests


def vectors_of(*items):
    return {"data": [{"index": index, "embedding": vector} for index, vector in items]}


needs_driver = pytest.mark.skipif(not os.access(DRIVER, os.X_OK), reason="make tests")


@needs_driver
def test_embed__gives_vectors_in_the_order_of_the_texts():
    status, vectors, _, requests = embed(429, vectors_of((1, [0.5, 1]), (0, [2, -3])))
    assert (status, vectors) == (0, [[2, -3], [0.5, 1]])
    path, _, body = requests[1]
    assert path == "/v1/embeddings" and body == {"model": "tiny", "input": ["one", "two"]}


@needs_driver
@pytest.mark.parametrize("answer", [
    {}, vectors_of((0, [1, 2])), vectors_of((0, [1, 2]), (0, [1, 2])), vectors_of((0, [1]), (1, [2])),
    vectors_of((0, [1, 2]), (2, [1, 2])), vectors_of((0, [1, "x"]), (1, [1, 2])),
    vectors_of((0, [1, 2]), (1, [1, 2]), (2, [1, 2]))])
def test_embed__wrong_answers_are_refused(answer):
    status, vectors, message, _ = embed(answer)
    assert (status, vectors) == (1, []) and "2 vectors of 2 numbers" in message


@needs_driver
def test_embed__failures_are_told():
    assert "answered 400: made to answer 400" in embed(400)[2]
