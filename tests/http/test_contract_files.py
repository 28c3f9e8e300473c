"""Uploads, documents and ready-made chunks, row by row of the contract."""

import json
import re

import pytest

from server_process import ok
from texts import FERRIES, GARDEN

UPLOADED = ["success", "doc_id", "entity_id", "filename", "chunks_count", "is_duplicate", "message"]
DOCUMENT = {"doc_id": str, "doc_name": str, "file_path": str, "indexed_at": str, "file_size": int,
            "metadata": dict}
UUID4 = r"doc_[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"


def check_document(document):
    assert list(document)[:len(DOCUMENT)] == list(DOCUMENT)
    for name, kind in DOCUMENT.items():
        assert type(document[name]) is kind, name
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}", document["indexed_at"])


def test_upload__replies_with_the_document(server, entity):
    reply = server.upload(entity, "report.md", FERRIES)
    assert list(reply)[:len(UPLOADED)] == UPLOADED
    assert reply["success"] is True
    assert re.fullmatch(UUID4, reply["doc_id"])
    assert reply["entity_id"] == entity
    assert reply["filename"] == "report.md"
    assert reply["chunks_count"] >= 1
    assert reply["is_duplicate"] is False
    assert isinstance(reply["message"], str)
    described = ok(server.get(f"/api/entities/{entity}"))
    assert described["total_documents"] == 1
    assert described["total_chunks"] == reply["chunks_count"]


def test_upload__same_bytes_are_a_duplicate(server, entity):
    first = server.upload(entity, "report.md", FERRIES)
    again = server.upload(entity, "report.md", FERRIES)
    assert again["is_duplicate"] is True
    assert again["doc_id"] == first["doc_id"]
    assert len(ok(server.get(f"/api/entities/{entity}/files"))) == 1


def test_list__is_a_bare_array(server, entity):
    assert ok(server.get(f"/api/entities/{entity}/files")) == []
    first = server.upload(entity, "report.md", FERRIES)
    second = server.upload(entity, "garden.md", GARDEN, metadata=json.dumps({"year": 1999}))
    documents = ok(server.get(f"/api/entities/{entity}/files"))
    assert [one["doc_id"] for one in documents] == [first["doc_id"], second["doc_id"]]
    assert [one["doc_name"] for one in documents] == ["report.md", "garden.md"]
    for one in documents:
        check_document(one)
    assert documents[0]["file_size"] == len(FERRIES.encode())
    assert documents[1]["metadata"] == {"year": 1999}
    path = server.data_dir / documents[0]["file_path"]
    assert path.read_bytes() == FERRIES.encode()


def test_upload__source_and_description_in_any_order(server, entity):
    fields = [("file", ("a.txt", FERRIES)), ("source", (None, "Board room")),
              ("description", (None, "The report"))]
    ok(server.post(f"/api/entities/{entity}/files", files=fields))
    fields = [("source", (None, "Castle")), ("file", ("b.txt", GARDEN))]
    ok(server.post(f"/api/entities/{entity}/files", files=fields))
    hits = server.search(entity, "revenue quince", k=20)["results"]
    assert {hit["source"] for hit in hits} == {"Board room", "Castle"}


def test_upload__source_defaults_to_the_file_name(server, entity):
    server.upload(entity, "report.md", FERRIES)
    hits = server.search(entity, "revenue")["results"]
    assert {hit["source"] for hit in hits} == {"report.md"}


def test_upload__key_replaces_and_keeps_the_id(server, entity):
    first = server.upload(entity, "v1.md", FERRIES, key="handbook")
    assert first["replaced"] is False
    second = server.upload(entity, "v2.md", GARDEN, key="handbook")
    assert second["replaced"] is True
    assert second["doc_id"] == first["doc_id"]
    assert len(ok(server.get(f"/api/entities/{entity}/files"))) == 1
    assert server.search(entity, "Lindholm lorries", mode="keyword")["results"] == []


@pytest.mark.parametrize("body, loc, kind", [
    ({}, ["body", "file"], "missing"),
    ({"metadata": (None, "{")}, ["body", "file"], "missing"),
    ({"file": ("a.txt", FERRIES), "metadata": (None, "[1]")}, ["body", "metadata"], "dict_type"),
    ({"file": ("a.txt", FERRIES), "metadata": (None, "{oops")}, ["body", "metadata"],
     "json_invalid"),
    ({"file": ("a.txt", FERRIES), "key": (None, "k"), "sourc": (None, "s")}, ["body", "sourc"],
     "extra_forbidden"),
])
def test_upload__wrong_form_is_422(server, entity, body, loc, kind):
    response = server.post(f"/api/entities/{entity}/files", files=body or {"x": (None, "y")})
    assert response.status_code == 422
    assert {"loc": loc, "type": kind} in [
        {"loc": one["loc"], "type": one["type"]} for one in response.json()["detail"]]
    assert ok(server.get(f"/api/entities/{entity}/files")) == []


def test_upload__unknown_field_is_ignored_but_named(server, entity):
    response = server.post(f"/api/entities/{entity}/files", files={"file": ("a.txt", FERRIES)},
                           data={"colour": "blue"})
    assert response.status_code == 200
    assert response.headers["X-Ragstore-Ignored"] == "colour"


def test_upload__unknown_entity_is_404(server):
    response = server.post("/api/entities/nobody/files", files={"file": ("a.txt", FERRIES)})
    assert response.status_code == 404


def test_upload__over_the_limit_is_413(start):
    server = start("--model", "none", "--max-upload", "100000")
    server.create_entity("small")
    response = server.post("/api/entities/small/files", files={"file": ("a.txt", b"x" * 100001)})
    assert response.status_code == 413
    response = server.post("/api/entities/small/files",
                           files={"file": ("a.txt", b"x" * 4_000_000)})
    assert response.status_code == 413
    assert set(response.json()) == {"error", "detail"}
    assert ok(server.get("/api/entities/small/files")) == []
    assert server.upload("small", "a.txt", b"word " * 20000)["success"]


def test_upload__bytes_are_kept_exactly(server, entity):
    content = (b"\r\n\r\n--boundary\r\nFirst line after what looks like a form.\r\n"
               + FERRIES.encode() * 300 + b"\r\n--\r\n")
    reply = server.upload(entity, "tricky.txt", content)
    response = server.get(f"/api/entities/{entity}/files/{reply['doc_id']}/content")
    assert response.content == content


def test_document__one(server, entity):
    doc_id = server.upload(entity, "report.md", FERRIES)["doc_id"]
    document = ok(server.get(f"/api/entities/{entity}/files/{doc_id}"))
    check_document(document)
    assert document["doc_id"] == doc_id
    assert document in ok(server.get(f"/api/entities/{entity}/files"))
    assert server.get(f"/api/entities/{entity}/files/doc_missing").status_code == 404


def test_document__content_is_an_attachment(server, entity):
    doc_id = server.upload(entity, "Müller & <b>.html", "<p>A page with a script.</p>" * 3)["doc_id"]
    response = server.get(f"/api/entities/{entity}/files/{doc_id}/content")
    assert response.status_code == 200
    assert response.content == b"<p>A page with a script.</p>" * 3
    assert response.headers["Content-Disposition"].startswith("attachment")
    assert "M%C3%BCller%20%26%20%3Cb%3E.html" in response.headers["Content-Disposition"]
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in response.headers["Content-Security-Policy"]


def test_document__text_is_what_offsets_count_in(server, entity):
    doc_id = server.upload(entity, "page.html",
                           "<h1>Ferries</h1><p>Grüße: revenue rose to 48 million crowns.</p>")["doc_id"]
    response = server.get(f"/api/entities/{entity}/files/{doc_id}/text")
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert response.headers["Content-Disposition"].startswith("attachment")
    assert "<" not in response.text
    for hit in server.search(entity, "revenue crowns")["results"]:
        assert response.content[hit["start"]:hit["end"]].decode() == hit["content"]
    chunks = ok(server.post(f"/api/entities/{entity}/chunks", json={"chunks": [{"text": "An oboe."}]}))
    missing = server.get(f"/api/entities/{entity}/files/{chunks['doc_id']}/text")
    assert missing.status_code == 404
    assert set(missing.json()) == {"error", "detail"}


def test_document__is_not_seen_from_another_entity(server, entity):
    doc_id = server.upload(entity, "report.md", FERRIES)["doc_id"]
    other = entity + "_other"
    server.create_entity(other)
    for path in (f"/files/{doc_id}", f"/files/{doc_id}/content", f"/files/{doc_id}/text"):
        assert server.get(f"/api/entities/{other}{path}").status_code == 404
    assert server.delete(f"/api/entities/{other}/files/{doc_id}").status_code == 404
    assert server.search(other, "revenue", doc_ids=[doc_id])["results"] == []
    assert len(ok(server.get(f"/api/entities/{entity}/files"))) == 1


def test_delete__one_document(server, entity):
    doc_id = server.upload(entity, "report.md", FERRIES)["doc_id"]
    reply = ok(server.delete(f"/api/entities/{entity}/files/{doc_id}"))
    assert list(reply) == ["success", "doc_id", "entity_id", "message"]
    assert (reply["success"], reply["doc_id"], reply["entity_id"]) == (True, doc_id, entity)
    assert ok(server.get(f"/api/entities/{entity}/files")) == []
    described = ok(server.get(f"/api/entities/{entity}"))
    assert (described["total_documents"], described["total_chunks"]) == (0, 0)
    assert server.delete(f"/api/entities/{entity}/files/{doc_id}").status_code == 404


def test_chunks__are_stored_as_given(server, entity):
    reply = ok(server.post(f"/api/entities/{entity}/chunks", json={
        "source": "catalogue", "key": "c1", "chunks": [
            {"text": "A zither has thirty strings.", "metadata": {"kind": "string"}, "page": 3,
             "start": 10, "end": 38},
            {"text": "An oboe has a double reed."}]}))
    assert list(reply)[:3] == ["success", "doc_id", "entity_id"]
    assert reply["chunks_count"] == 2
    (hit,) = [one for one in server.search(entity, "zither strings")["results"]
              if "zither" in one["content"]]
    assert hit["content"] == "A zither has thirty strings."
    assert hit["source"] == "catalogue"
    assert hit["metadata"] == {"kind": "string"}
    assert (hit["page"], hit["start"], hit["end"]) == (3, 10, 38)


@pytest.mark.parametrize("chunks, loc", [
    ([], ["body", "chunks"]),
    ([{"metadata": {}}], ["body", "chunks", 0, "text"]),
    ([{"text": "fine"}, {"text": 5}], ["body", "chunks", 1, "text"]),
    ([{"text": "fine", "pages": 1}], ["body", "chunks", 0, "pages"]),
    ([{"text": "fine", "page": "3"}], ["body", "chunks", 0, "page"]),
    ([{"text": "fine", "start": {}}], ["body", "chunks", 0, "start"]),
    ([{"text": "fine", "end": 2.5}], ["body", "chunks", 0, "end"]),
    ("text", ["body", "chunks"]),
])
def test_chunks__wrong_ones_are_422(server, entity, chunks, loc):
    response = server.post(f"/api/entities/{entity}/chunks", json={"chunks": chunks})
    assert response.status_code == 422
    assert loc in [one["loc"] for one in response.json()["detail"]]
    assert ok(server.get(f"/api/entities/{entity}/files")) == []


def test_chunks__wrong_dimension_fails_the_whole_batch(server, entity, has_model):
    response = server.post(f"/api/entities/{entity}/chunks", json={"chunks": [
        {"text": "first"}, {"text": "second", "vector": [0.1, 0.2, 0.3]}]})
    assert response.status_code == 422
    assert ok(server.get(f"/api/entities/{entity}/files")) == []


def test_documents__are_paged_and_found(server, entity):
    made = [server.upload(entity, f"report {n}.md", f"{FERRIES} {n}")["doc_id"] for n in range(5)]

    def listed(query):
        return [one["doc_id"] for one in ok(server.get(f"/api/entities/{entity}/files?{query}"))]

    assert listed("") == made
    assert listed("limit=2&offset=1") == made[1:3]
    assert listed("q=REPORT+4") == [made[4]]
    assert listed("offset=5") == []
    assert server.get(f"/api/entities/{entity}/files?offset=-1").status_code == 422


def test_document__is_changed(server, entity):
    document = server.upload(entity, "ferries.md", FERRIES, metadata='{"year": 2024}')["doc_id"]
    path = f"/api/entities/{entity}/files/{document}"
    before = ok(server.get(path))
    changed = ok(server.patch(path, json={"metadata": {"year": 2025}, "source": "The board"}))
    assert changed == {**before, "metadata": {"year": 2025}, "source": "The board"}
    assert ok(server.get(path)) == changed
    found = server.search(entity, "Plover", filter={"year": 2025})["results"]
    assert found and found[0]["source"] == "The board"
    assert server.search(entity, "Plover", filter={"year": 2024})["results"] == []
    assert ok(server.patch(path, json={})) == changed
    assert server.patch(path, json={"metadata": []}).status_code == 422
    assert server.patch(path, json={"filename": "x"}).status_code == 422
    assert server.patch(path + "0", json={"metadata": {}}).status_code == 404
