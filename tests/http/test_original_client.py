"""A client written for the original API works unchanged: it knows that API's fields and no others, is
as strict about them as its own server made it, and sends what its users sent (defaults left out,
numbers as text, fields that only its own later versions knew)."""

import datetime
import re
from dataclasses import dataclass, field

import pytest
import requests

from texts import FERRIES, GARDEN


class ApiError(Exception):
    def __init__(self, status, body):
        super().__init__(f"{status}: {body}")
        self.status, self.body = status, body


@dataclass
class Result:
    content: str
    doc_id: str
    chunk_order_index: int
    source: str
    score: float


@dataclass
class Client:
    """As people wrote it against the original: one session, raise on anything but 200."""

    base_url: str
    http: requests.Session = field(default_factory=requests.Session)

    def __post_init__(self):
        self.http.trust_env = False

    def call(self, method, path, **arguments):
        reply = self.http.request(method, self.base_url + path, timeout=60, **arguments)
        if reply.status_code != 200:
            body = reply.json()
            raise ApiError(reply.status_code, body["detail"] if reply.status_code == 422 else body["error"])
        return reply

    def create_entity(self, entity_id, entity_name, description="", metadata=None):
        return self.call("POST", "/api/entities", json={
            "entity_id": entity_id, "entity_name": entity_name, "description": description,
            "metadata": metadata or {}}).json()

    def entities(self):
        body = self.call("GET", "/api/entities").json()
        assert body["total"] == len(body["entities"])
        return body["entities"]

    def upload(self, entity_id, name, content, **fields):
        return self.call("POST", f"/api/entities/{entity_id}/files",
                         files={"file": (name, content, "application/octet-stream")}, data=fields).json()

    def files(self, entity_id):
        return self.call("GET", f"/api/entities/{entity_id}/files").json()

    def search(self, entity_id, query, **options):
        body = self.call("POST", "/api/search", json={"entity_id": entity_id, "query": query, **options}).json()
        assert body["total"] == len(body["results"])
        return [Result(**{name: one[name] for name in Result.__dataclass_fields__})
                for one in body["results"]]

    def begin_chat(self, entity_id, **fields):
        return self.call("POST", "/api/chat/sessions", json={"entity_id": entity_id, **fields}).json()

    def ask(self, session_id, message):
        return self.call("POST", "/api/chat", json={
            "session_id": session_id, "message": message, "stream": False}).json()

    def ask_streaming(self, session_id, message):
        """The form in the original's documentation: no stream field, chunks of text."""
        with self.call("POST", "/api/chat", json={"session_id": session_id, "message": message},
                       stream=True) as reply:
            assert reply.headers["Content-Type"] == "text/plain; charset=utf-8"
            reply.encoding = "utf-8"
            for piece in reply.iter_content(chunk_size=None, decode_unicode=True):
                if piece:
                    yield piece

    def history(self, session_id):
        return self.call("GET", f"/api/chat/sessions/{session_id}/messages").json()

    def delete(self, path):
        return self.call("DELETE", path).json()


@pytest.fixture
def client(start):
    return Client(start("--model", "none").url)


def parse(text):
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}", text)
    return datetime.datetime.fromisoformat(text)


def test_client__goes_from_an_entity_to_an_answer_and_back(client):
    entity = client.create_entity("company_123", "Kestrel", metadata={"industry": "ships"})
    assert entity["has_vector_store"] in (True, False)
    assert (entity["total_documents"], entity["total_chunks"]) == (0, 0)
    parse(entity["created_at"])
    uploaded = client.upload("company_123", "report.md", FERRIES.encode(), description="Annual report",
                             source="The board")
    assert uploaded["success"] is True and uploaded["is_duplicate"] is False
    assert uploaded["chunks_count"] > 0
    assert client.upload("company_123", "again.md", FERRIES.encode())["is_duplicate"] is True
    client.upload("company_123", "garden.md", GARDEN.encode())
    (report, garden) = client.files("company_123")
    assert report["doc_name"] == "report.md" and report["file_size"] == len(FERRIES.encode())
    assert client.entities()[0]["total_documents"] == 2

    hits = client.search("company_123", "Which ship is the oldest?")
    assert hits[0].source == "The board" and "Plover" in " ".join(hit.content for hit in hits)
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    only = client.search("company_123", "ships", k="3", doc_ids=[report["doc_id"]])  # a number as text
    assert {hit.doc_id for hit in only} == {report["doc_id"]}

    session = client.begin_chat("company_123")
    assert session["session_name"] == "Chat 1" and session["message_count"] == 0
    whole = client.ask(session["session_id"], "Why did revenue rise?")
    assert whole["message"]["role"] == "assistant" and whole["sources"]
    said = "".join(client.ask_streaming(session["session_id"], "Which ship is the oldest?"))
    history = client.history(session["session_id"])
    assert [one["role"] for one in history] == ["user", "assistant"] * 2
    assert history[1]["content"] == whole["message"]["content"]
    assert history[3]["content"] == said
    assert [parse(one["timestamp"]) for one in history] == sorted(parse(one["timestamp"]) for one in history)

    assert client.delete(f"/api/entities/company_123/files/{garden['doc_id']}")["doc_id"] == garden["doc_id"]
    assert client.delete(f"/api/chat/sessions/{session['session_id']}")["success"] is True
    assert client.delete("/api/entities/company_123")["sessions_deleted"] == 0
    assert client.entities() == []


def test_client__meets_the_errors_that_it_knows(client):
    client.create_entity("a", "A")
    for call, status in [
            (lambda: client.create_entity("a", "A"), 400),
            (lambda: client.files("nobody"), 404),
            (lambda: client.search("nobody", "x"), 404),
            (lambda: client.ask("session_000000000000", "x"), 404),
            (lambda: client.begin_chat("nobody"), 404),
            (lambda: client.search("a", "x", k=0), 422),
            (lambda: client.search("a", "x", k=21), 422),
            (lambda: client.call("POST", "/api/entities", json={"entity_id": "b"}), 422),
            (lambda: client.delete("/api/entities/a/files/doc_unknown"), 404)]:
        with pytest.raises(ApiError) as raised:
            call()
        assert raised.value.status == status
        if status == 422:
            assert {"loc", "msg", "type"} <= set(raised.value.body[0])
    # fields that this server does not know are ignored, as the original ignores them
    reply = client.call("POST", "/api/search", json={"entity_id": "a", "query": "x", "rerank": True})
    assert reply.headers["X-Ragstore-Ignored"] == "rerank"
