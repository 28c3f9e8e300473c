"""Calls about entities, row by row of the contract."""

import re

import pytest

from server_process import ok

ENTITY = {
    "entity_id": str, "entity_name": str, "description": str, "metadata": dict,
    "created_at": str, "total_documents": int, "total_chunks": int, "has_vector_store": bool,
}


def check_entity(reply):
    assert list(reply)[:len(ENTITY)] == list(ENTITY)
    for name, kind in ENTITY.items():
        assert type(reply[name]) is kind, name
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}", reply["created_at"])


def test_create__replies_200_with_the_entity(server):
    response = server.post("/api/entities", json={
        "entity_id": "acme", "entity_name": "Acme Corp", "description": "Anvils",
        "metadata": {"tier": 1, "nested": {"list": [1, "zwei", None]}}})
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/json"
    reply = response.json()
    check_entity(reply)
    assert reply["entity_id"] == "acme"
    assert reply["entity_name"] == "Acme Corp"
    assert reply["description"] == "Anvils"
    assert reply["metadata"] == {"tier": 1, "nested": {"list": [1, "zwei", None]}}
    assert (reply["total_documents"], reply["total_chunks"]) == (0, 0)
    assert ok(server.get("/api/entities/acme")) == reply


def test_create__defaults(server):
    reply = server.create_entity("bare", "Bare")
    check_entity(reply)
    assert reply["description"] == ""
    assert reply["metadata"] == {}


def test_create__twice_is_400_and_changes_nothing(server, entity):
    response = server.post("/api/entities", json={"entity_id": entity, "entity_name": "Other"})
    assert response.status_code == 400
    assert set(response.json()) == {"error", "detail"}
    assert entity in response.json()["detail"]
    assert ok(server.get(f"/api/entities/{entity}"))["entity_name"] == "The Kestrel Ferry Company"


def test_get__unknown_is_404(server):
    response = server.get("/api/entities/nobody")
    assert response.status_code == 404
    assert set(response.json()) == {"error", "detail"}
    assert "nobody" in response.json()["detail"]


def test_list__has_all_oldest_first_with_the_total(start):
    server = start("--model", "none")
    for number in range(5):
        server.create_entity(f"e{number}", f"Company {number}")
    reply = ok(server.get("/api/entities"))
    assert list(reply) == ["entities", "total"]
    assert [one["entity_id"] for one in reply["entities"]] == ["e0", "e1", "e2", "e3", "e4"]
    assert reply["total"] == 5
    for one in reply["entities"]:
        check_entity(one)

    page = ok(server.get("/api/entities", params={"limit": 2, "offset": 1}))
    assert [one["entity_id"] for one in page["entities"]] == ["e1", "e2"]
    assert page["total"] == 5

    found = ok(server.get("/api/entities", params={"q": "COMPANY 3"}))
    assert [one["entity_id"] for one in found["entities"]] == ["e3"]
    assert found["total"] == 1


def test_list__empty(start):
    assert ok(start("--model", "none").get("/api/entities")) == {"entities": [], "total": 0}


@pytest.mark.parametrize("query, kind", [
    ({"limit": "0"}, "greater_than_equal"), ({"limit": "many"}, "int_parsing"),
    ({"offset": "-1"}, "greater_than_equal")])
def test_list__wrong_query_is_422(server, query, kind):
    response = server.get("/api/entities", params=query)
    assert response.status_code == 422
    (detail,) = response.json()["detail"]
    assert detail["loc"] == ["query", *query]
    assert detail["type"] == kind


def test_patch__changes_only_what_is_named(server, entity):
    before = ok(server.get(f"/api/entities/{entity}"))
    reply = ok(server.patch(f"/api/entities/{entity}", json={"description": "Ships"}))
    check_entity(reply)
    assert reply == {**before, "description": "Ships"}
    reply = ok(server.patch(f"/api/entities/{entity}",
                            json={"entity_name": "Kestrel", "metadata": {"a": 1}}))
    assert (reply["entity_name"], reply["description"]) == ("Kestrel", "Ships")
    assert reply["metadata"] == {"a": 1}
    assert server.patch("/api/entities/nobody", json={}).status_code == 404
    assert server.patch(f"/api/entities/{entity}", json={"entity_name": 5}).status_code == 422
    assert server.patch(f"/api/entities/{entity}", json={"descripton": "x"}).status_code == 422


def test_delete__takes_the_sessions_along(server, entity):
    sessions = [server.create_session(entity)["session_id"] for _ in range(3)]
    response = server.delete(f"/api/entities/{entity}")
    reply = ok(response)
    assert list(reply) == ["success", "entity_id", "message", "sessions_deleted"]
    assert reply["success"] is True
    assert reply["entity_id"] == entity
    assert isinstance(reply["message"], str)
    assert reply["sessions_deleted"] == 3
    assert server.get(f"/api/entities/{entity}").status_code == 404
    for session in sessions:
        assert server.get(f"/api/chat/sessions/{session}").status_code == 404
    assert server.delete(f"/api/entities/{entity}").status_code == 404


@pytest.mark.parametrize("path", ["", "/files", "/sessions", "/files/doc_1", "/files/doc_1/content"])
def test_every_path_below_an_unknown_entity_is_404(server, path):
    response = server.get("/api/entities/nobody" + path)
    assert response.status_code == 404
    assert set(response.json()) == {"error", "detail"}
