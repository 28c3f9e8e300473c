"""Search, health and the front door, row by row of the contract."""

import json

import pytest

from server_process import ok
from texts import FERRIES, GARDEN, paragraphs

RESULT = {"content": str, "doc_id": str, "chunk_order_index": int, "source": str, "score": float}


@pytest.fixture
def documents(server, entity):
    return (server.upload(entity, "report.md", FERRIES, metadata=json.dumps({"year": 2021}))["doc_id"],
            server.upload(entity, "garden.md", GARDEN, metadata=json.dumps({"year": 1999}))["doc_id"])


def test_search__reply(server, entity, documents):
    reply = server.search(entity, "why did revenue rise")
    assert list(reply)[:4] == ["entity_id", "query", "results", "total"]
    assert (reply["entity_id"], reply["query"]) == (entity, "why did revenue rise")
    assert reply["total"] == len(reply["results"]) >= 1
    for hit in reply["results"]:
        assert list(hit)[:len(RESULT)] == list(RESULT)
        for name, kind in RESULT.items():
            assert type(hit[name]) is kind, name
        assert 0 <= hit["score"] <= 1
    best = reply["results"][0]
    assert "lorries" in best["content"]
    assert best["doc_id"] == documents[0]
    assert best["doc_name"] == "report.md"
    assert best["metadata"]["year"] == 2021
    assert FERRIES.encode()[best["start"]:best["end"]].decode().strip()
    assert set(best["scores"]) == {"vector", "keyword"}


def test_search__k_defaults_to_5_and_is_kept(server, entity):
    server.upload(entity, "many.md", paragraphs("barley", 30))
    assert server.search(entity, "barley ledger")["total"] == 5
    assert server.search(entity, "barley ledger", k=7)["total"] == 7
    assert server.search(entity, "barley ledger", k="3")["total"] == 3
    assert server.search(entity, "barley ledger", limit=25)["total"] == 25


def test_search__doc_ids(server, entity, documents):
    for wanted in documents:
        reply = server.search(entity, "revenue of the quince pond", doc_ids=[wanted], k=20)
        assert {hit["doc_id"] for hit in reply["results"]} == {wanted}
    assert server.search(entity, "revenue", doc_ids=[])["results"] == []
    assert server.search(entity, "revenue", doc_ids=["doc_unknown"])["results"] == []
    assert server.search(entity, "revenue", doc_ids=None)["total"] >= 1


def test_search__filter(server, entity, documents):
    reply = server.search(entity, "revenue of the quince pond", filter={"year": {"$lt": 2000}}, k=20)
    assert {hit["doc_id"] for hit in reply["results"]} == {documents[1]}
    assert server.search(entity, "revenue", filter={"year": 1850})["results"] == []


def test_search__min_score(server, entity, documents):
    every = server.search(entity, "revenue lorries", k=20)["results"]
    best = max(hit["score"] for hit in every)
    some = server.search(entity, "revenue lorries", k=20, min_score=best)["results"]
    assert some and all(hit["score"] >= best - 1e-6 for hit in some)


def test_search__keyword_mode(server, entity, documents):
    reply = server.search(entity, "bentonite", mode="keyword")
    assert reply["mode"] == "keyword"
    assert all("bentonite" in hit["content"] for hit in reply["results"])
    assert reply["results"][0]["scores"]["keyword"] is not None


def test_search__vector_mode_finds_other_words(server, entity, documents, has_model):
    reply = server.search(entity, "How much did the firm earn?", mode="vector", k=1)
    assert reply["mode"] == "vector"
    assert "crowns" in reply["results"][0]["content"]
    assert reply["results"][0]["scores"]["vector"] is not None


@pytest.mark.parametrize("precision", ["int16", "int8"])
def test_search__in_whole_numbers(start, has_model, precision):
    server = start("--precision", precision)
    assert ok(server.get("/health"))["embedder"].endswith(f"/{precision}")
    server.create_entity("plain")
    server.upload("plain", "report.md", FERRIES)
    reply = server.search("plain", "boats", mode="vector", k=1)
    assert reply["mode"] == "vector" and reply["total"] >= 1


def test_search__vector_mode_without_a_model_is_an_error(start):
    server = start("--model", "none")
    server.create_entity("plain")
    server.upload("plain", "report.md", FERRIES)
    response = server.post("/api/search", json={"entity_id": "plain", "query": "x", "mode": "vector"})
    assert response.status_code == 409
    assert server.search("plain", "revenue")["mode"] == "keyword"


@pytest.mark.parametrize("change, loc, kind", [
    ({"entity_id": None}, ["body", "entity_id"], "string_type"),
    ({"query": ""}, ["body", "query"], "string_too_short"),
    ({"query": ["x"]}, ["body", "query"], "string_type"),
    ({"k": 0}, ["body", "k"], "greater_than_equal"),
    ({"k": 21}, ["body", "k"], "less_than_equal"),
    ({"k": 1000000}, ["body", "k"], "less_than_equal"),
    ({"k": "five"}, ["body", "k"], "int_parsing"),
    ({"k": 2.5}, ["body", "k"], "int_from_float"),
    ({"k": []}, ["body", "k"], "int_type"),
    ({"doc_ids": "doc_1"}, ["body", "doc_ids"], "list_type"),
    ({"doc_ids": ["doc_1", 2]}, ["body", "doc_ids", 1], "string_type"),
    ({"filter": "x"}, ["body", "filter"], "dict_type"),
    ({"mode": "best"}, ["body", "mode"], "literal_error"),
    ({"limit": 201}, ["body", "limit"], "less_than_equal"),
    ({"min_score": 2}, ["body", "min_score"], "less_than_equal"),
])
def test_search__wrong_body_is_422(server, entity, change, loc, kind):
    body = {"entity_id": entity, "query": "revenue", **change}
    response = server.post("/api/search", json=body)
    assert response.status_code == 422
    (detail,) = response.json()["detail"]
    assert set(detail) >= {"loc", "msg", "type"}
    assert (detail["loc"], detail["type"]) == (loc, kind)


def test_search__messages_are_those_of_the_original(server):
    response = server.post("/api/search", json={"k": 50})
    assert response.json() == {"detail": [
        {"loc": ["body", "entity_id"], "msg": "Field required", "type": "missing"},
        {"loc": ["body", "query"], "msg": "Field required", "type": "missing"},
        {"loc": ["body", "k"], "msg": "Input should be less than or equal to 20",
         "type": "less_than_equal"}]}


def test_search__unknown_entity_is_404(server):
    response = server.post("/api/search", json={"entity_id": "nobody", "query": "x"})
    assert response.status_code == 404


def test_search__of_an_entity_that_went_and_came_again_finds_what_is_there(server):
    """Also for a server that has just searched the old one, on whichever of its threads."""
    def search(**fields):
        return server.post("/api/search", json={"entity_id": "again", "query": "oboe", **fields})

    for text, asks_between in ("An oboe.", False), ("Another oboe.", True), ("The third oboe.", True):
        server.create_entity("again")
        ok(server.post("/api/entities/again/chunks", json={"chunks": [{"text": text}]}))
        for _ in range(40):
            assert [hit["content"] for hit in ok(search())["results"]] == [text]
        assert ok(search(doc_ids=[]))["results"] == []
        ok(server.delete("/api/entities/again"))
        for _ in range(5 if asks_between else 0):
            assert search().status_code == 404
            assert search(doc_ids=[]).status_code == 404
            assert search().json()["error"] == "Entity not found"


def test_search__gives_back_every_character(server, entity):
    """Wherever it stands: what needs an escape, and what does not."""
    odd = ["\n", "\t", '"', "\\", "\x01", "\x1f", "\x7f", "é", "€", "😀", "\u2028", "/", "\ufffd"]
    texts = ["oboe " + "a" * before + one + "b" * (9 - before) + one * 2 for before in range(9) for one in odd]
    ok(server.post(f"/api/entities/{entity}/chunks",
                   json={"chunks": [{"text": text} for text in texts]}))
    found = server.search(entity, "oboe", limit=200)["results"]
    assert sorted(hit["content"] for hit in found) == sorted(texts)


def test_unknown_fields__are_ignored_but_named(server, entity):
    response = server.post("/api/search", json={
        "entity_id": entity, "query": "x", "top_n": 3, "ev il\r\n": 1})
    assert response.status_code == 200
    assert response.headers["X-Ragstore-Ignored"] == "top_n, ev%20il%0D%0A"


def test_unknown_fields__are_refused_beside_an_added_one(server, entity):
    response = server.post("/api/search", json={
        "entity_id": entity, "query": "x", "mode": "keyword", "fliter": {}})
    assert response.status_code == 422
    (detail,) = response.json()["detail"]
    assert (detail["loc"], detail["type"]) == (["body", "fliter"], "extra_forbidden")


def test_unknown_fields__are_refused_when_strict(start):
    server = start("--model", "none", "--strict")
    response = server.post("/api/entities", json={
        "entity_id": "a", "entity_name": "b", "colour": "blue"})
    assert response.status_code == 422
    assert server.get("/api/entities/a").status_code == 404


def test_health(start):
    server = start()
    reply = ok(server.get("/health"))
    assert list(reply)[:4] == ["status", "version", "entities_loaded", "total_documents"]
    assert reply["status"] == "healthy"
    assert (reply["entities_loaded"], reply["total_documents"]) == (0, 0)
    assert reply["problems"] == []
    server.create_entity("one")
    server.upload("one", "report.md", FERRIES)
    reply = ok(server.get("/health"))
    assert (reply["entities_loaded"], reply["total_documents"]) == (1, 1)
    assert reply["answer_mode"] == "extractive"
    assert server.get("/ready").status_code == 200


def test_health__says_when_there_is_no_model(start):
    server = start("--model", "none")
    assert "keyword only" in server.line
    reply = ok(server.get("/health"))
    assert reply["embedder"] is None
    assert reply["search_mode"] == "keyword"


def test_root(server):
    reply = ok(server.get("/"))
    assert list(reply) == ["message", "version", "docs", "health"]
    assert server.get(reply["health"]).status_code == 200
    assert server.get(reply["docs"]).status_code == 200
    page = server.get("/", headers={"Accept": "text/html,*/*"})
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert 'href="/health"' in page.text
    assert "Content-Security-Policy" in page.headers


def test_paths__unknown_is_404_and_wrong_method_405(server):
    response = server.get("/api/nothing")
    assert response.status_code == 404
    assert set(response.json()) == {"error", "detail"}
    response = server.delete("/api/entities")
    assert response.status_code == 405
    assert response.headers["Allow"] == "POST, GET"
    assert set(response.json()) == {"error", "detail"}
    assert server.request("PUT", "/api/search").status_code == 405
    assert server.request("HEAD", "/health").status_code == 200
