"""Sessions, messages and chat, row by row of the contract."""

import json
import re

import pytest

from server_process import ok
from texts import FERRIES, GARDEN

SESSION = {"session_id": str, "entity_id": str, "entity_name": str, "session_name": str,
           "created_at": str, "last_activity": str, "message_count": int, "metadata": dict}
MESSAGE = {"role": str, "content": str, "timestamp": str, "metadata": dict}
SOURCE = ["content", "doc_id", "chunk_order_index", "source", "score"]


def check_fields(value, fields):
    assert list(value)[:len(fields)] == list(fields)
    for name, kind in fields.items():
        assert type(value[name]) is kind, name


@pytest.fixture
def session(server, entity):
    server.upload(entity, "report.md", FERRIES)
    return server.create_session(entity)["session_id"]


def test_session__create(server, entity):
    reply = server.create_session(entity, session_name="Talk", metadata={"user": "u1"})
    check_fields(reply, SESSION)
    assert re.fullmatch(r"session_[0-9a-f]{12}", reply["session_id"])
    assert reply["entity_id"] == entity
    assert reply["entity_name"] == "The Kestrel Ferry Company"
    assert reply["session_name"] == "Talk"
    assert reply["message_count"] == 0
    assert reply["metadata"] == {"user": "u1"}
    assert ok(server.get(f"/api/chat/sessions/{reply['session_id']}")) == reply


def test_session__names_are_counted(server, entity):
    names = [server.create_session(entity)["session_name"] for _ in range(3)]
    assert names == ["Chat 1", "Chat 2", "Chat 3"]


def test_session__list_is_a_bare_array(server, entity):
    assert ok(server.get(f"/api/entities/{entity}/sessions")) == []
    made = [server.create_session(entity) for _ in range(2)]
    assert ok(server.get(f"/api/entities/{entity}/sessions")) == made


def test_session__unknown_is_404(server):
    missing = "/api/chat/sessions/session_000000000000"
    assert server.get(missing).status_code == 404
    assert server.get(missing + "/messages").status_code == 404
    assert server.delete(missing).status_code == 404
    assert server.post("/api/chat/sessions", json={"entity_id": "nobody"}).status_code == 404
    response = server.post("/api/chat", json={"session_id": "session_000000000000", "message": "x"})
    assert response.status_code == 404
    assert set(response.json()) == {"error", "detail"}


def test_session__delete(server, session):
    reply = ok(server.delete(f"/api/chat/sessions/{session}"))
    assert list(reply) == ["success", "session_id", "message"]
    assert (reply["success"], reply["session_id"]) == (True, session)
    assert server.get(f"/api/chat/sessions/{session}").status_code == 404


def test_chat__whole_reply(server, session):
    reply = server.ask(session, "Why did revenue rise?")
    assert list(reply) == ["session_id", "message", "sources"]
    assert reply["session_id"] == session
    check_fields(reply["message"], MESSAGE)
    assert reply["message"]["role"] == "assistant"
    assert "lorries" in reply["message"]["content"]
    assert "[1]" in reply["message"]["content"]
    for source in reply["sources"]:
        assert list(source)[:len(SOURCE)] == SOURCE
    cited = {int(n) for n in re.findall(r"\[(\d+)\]", reply["message"]["content"])}
    assert cited <= set(range(1, len(reply["sources"]) + 1))
    assert "lorries" in reply["sources"][min(cited) - 1]["content"]


def test_chat__streams_text_by_default(server, session):
    response = server.post("/api/chat", json={"session_id": session, "message": "Which ship is old?"},
                           stream=True)
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert response.headers["Transfer-Encoding"] == "chunked"
    text = b"".join(response.iter_content(None)).decode()
    assert "Plover" in text
    last = server.messages(session)[-1]
    assert (last["role"], last["content"]) == ("assistant", text)


def test_chat__streams_events_when_asked(server, session):
    response = server.post("/api/chat", headers={"Accept": "text/event-stream"},
                           json={"session_id": session, "message": "How many apprentices?"})
    assert response.headers["Content-Type"].startswith("text/event-stream")
    events = []
    for frame in response.content.decode().split("\n\n")[:-1]:
        name, data = frame.split("\n")
        assert name.startswith("event: ") and data.startswith("data: ")
        events.append((name[7:], json.loads(data[6:])))
    names = [name for name, _ in events]
    assert names[0] == "sources" and names[-1] == "done"
    assert set(names[1:-1]) == {"delta"}
    text = "".join(data["text"] for name, data in events if name == "delta")
    assert "nine apprentices" in text
    assert events[-1][1]["message"]["content"] == text
    assert list(events[0][1][0])[:len(SOURCE)] == SOURCE


def test_chat__messages_are_kept_in_order(server, session):
    for question in ("Revenue?", "The fleet?", "Staff?"):
        server.ask(session, question)
    messages = server.messages(session)
    for message in messages:
        check_fields(message, MESSAGE)
    assert [one["role"] for one in messages] == ["user", "assistant"] * 3
    assert [one["content"] for one in messages[::2]] == ["Revenue?", "The fleet?", "Staff?"]
    assert ok(server.get(f"/api/chat/sessions/{session}"))["message_count"] == 6
    url = f"/api/chat/sessions/{session}/messages"
    assert ok(server.get(url, params={"limit": 2})) == messages[-2:]
    assert ok(server.get(url, params={"limit": 2, "before": 4})) == messages[2:4]
    assert ok(server.get(url, params={"before": 0})) == []
    assert server.get(url, params={"limit": 0}).status_code == 422


def test_chat__filters_by_document(server, entity, session):
    garden = server.upload(entity, "garden.md", GARDEN)["doc_id"]
    reply = server.ask(session, "What was pruned, and why did revenue rise?", doc_ids=[garden])
    assert {source["doc_id"] for source in reply["sources"]} == {garden}
    response = server.post("/api/chat", json={
        "session_id": session, "message": "x", "filter": {"year": {"$near": 1}}})
    assert response.status_code == 422


def test_chat__says_when_nothing_answers(server, entity):
    session = server.create_session(entity)["session_id"]
    reply = server.ask(session, "What is the airspeed of a swallow?")
    assert reply["message"]["content"].strip()
    assert reply["sources"] == []


@pytest.mark.parametrize("body, loc, kind", [
    ({"message": "x"}, ["body", "session_id"], "missing"),
    ({"session_id": "s"}, ["body", "message"], "missing"),
    ({"session_id": "s", "message": 5}, ["body", "message"], "string_type"),
    ({"session_id": "s", "message": ""}, ["body", "message"], "string_too_short"),
    ({"session_id": "s", "message": "x", "stream": "perhaps"}, ["body", "stream"], "bool_parsing"),
    ({"session_id": "s", "message": "x", "stream": None}, ["body", "stream"], "bool_type"),
])
def test_chat__wrong_body_is_422(server, body, loc, kind):
    response = server.post("/api/chat", json=body)
    assert response.status_code == 422
    (detail,) = response.json()["detail"]
    assert (detail["loc"], detail["type"]) == (loc, kind)


def test_session__is_renamed(server, entity):
    session = server.create_session(entity, metadata={"a": 1})
    path = f"/api/chat/sessions/{session['session_id']}"
    changed = ok(server.patch(path, json={"session_name": "About ferries"}))
    assert changed == {**session, "session_name": "About ferries"}
    changed = ok(server.patch(path, json={"metadata": {"b": 2}}))
    assert changed["metadata"] == {"b": 2} and changed["session_name"] == "About ferries"
    assert ok(server.get(path)) == changed
    assert server.patch(path, json={"session_name": ""}).status_code == 422
    assert server.patch(path, json={"name": "x"}).status_code == 422  # no such field
    assert server.patch("/api/chat/sessions/session_000000000000", json={}).status_code == 404


def test_sessions__are_paged_and_found(server, entity):
    made = [server.create_session(entity, session_name=f"Topic {n}")["session_id"] for n in range(5)]

    def listed(query):
        return [one["session_id"] for one in ok(server.get(f"/api/entities/{entity}/sessions?{query}"))]

    assert listed("") == made
    assert listed("limit=2") == made[:2]
    assert listed("limit=2&offset=4") == made[4:]
    assert listed("q=topic+3") == [made[3]]
    assert server.get(f"/api/entities/{entity}/sessions?limit=x").status_code == 422


def test_messages__are_found_by_their_words(server, entity):
    server.upload(entity, "ferries.md", FERRIES)
    one, other = (server.create_session(entity)["session_id"] for _ in range(2))
    server.ask(one, "Which ship is the oldest?")
    server.ask(other, "What about the CRANES?")
    path = f"/api/entities/{entity}/messages"
    found = ok(server.get(path, params={"q": "oldest ship"}))
    assert (found[0]["session_id"], found[-1]["content"]) == (one, "Which ship is the oldest?")
    assert [one["session_id"] for one in ok(server.get(path, params={"q": "cranes", "limit": 1}))] == [other]
    assert ok(server.get(path, params={"q": "cranes", "session_id": one, "limit": 1})) == []
    assert ok(server.get(path, params={"q": "zirconium"})) == []
    assert server.get(path).status_code == 422
    assert server.get("/api/entities/nobody/messages?q=x").status_code == 404
