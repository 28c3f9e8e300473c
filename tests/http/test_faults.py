"""The faults of the original that must never return, as far as HTTP shows them. Each test's name
begins with the fault's number in the contract's list."""

import concurrent.futures
import json
import shutil
import socket

import pytest

from server_process import eventually, ok
from texts import FERRIES, GARDEN, paragraphs


def in_parallel(calls, threads=8):
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        return [one.result() for one in [pool.submit(call) for call in calls]]


def test_01__a_deleted_sessions_place_is_not_reused(server, entity):
    server.upload(entity, "report.md", FERRIES)
    sessions = [server.create_session(entity)["session_id"] for _ in range(3)]
    for session in sessions:
        server.ask(session, f"Revenue, says {session}")
    ok(server.delete(f"/api/chat/sessions/{sessions[0]}"))
    new = server.create_session(entity)["session_id"]
    server.ask(new, "I am new")
    assert new not in sessions
    for session in sessions[1:]:
        assert server.messages(session)[0]["content"] == f"Revenue, says {session}"
        assert len(server.messages(session)) == 2
    assert len(ok(server.get(f"/api/entities/{entity}/sessions"))) == 3


def test_01__thousands_of_ids_are_distinct(server, entity):
    ids = in_parallel([lambda: server.create_session(entity)["session_id"]] * 300)
    assert len(set(ids)) == 300
    assert len(ok(server.get(f"/api/entities/{entity}/sessions"))) == 300


@pytest.mark.parametrize("name, where", [("entities.json", "/api/entities"),
                                         ("chat_sessions.json", "/api/entities/keep/sessions")])
def test_02__a_truncated_file_is_not_read_as_empty(start, name, where):
    server = start()
    server.create_entity("keep")
    server.create_session("keep")
    server.stop()
    path = server.data_dir / "api_storage" / name
    whole = path.read_bytes()
    path.write_bytes(whole[:len(whole) // 2])

    server = start(wait=False)
    assert server.wait() == 1
    assert name in server.error_text()
    assert path.read_bytes() == whole[:len(whole) // 2]

    path.write_bytes(whole)
    server = start()
    assert "keep" in server.get(where).text


def test_03__deletes_beside_adds_lose_nothing(start):
    server = start("--model", "none")
    for number in range(100):
        server.create_entity(f"old_{number}")
    in_parallel([call for number in range(100) for call in (
        lambda number=number: ok(server.delete(f"/api/entities/old_{number}")),
        lambda number=number: server.create_entity(f"new_{number}"))])
    expected = {f"new_{number}" for number in range(100)}
    for running in (server, None):
        if running is None:
            server.kill()
            running = start("--model", "none")
        reply = ok(running.get("/api/entities"))
        assert {one["entity_id"] for one in reply["entities"]} == expected
        assert reply["total"] == 100


def places(found):
    """Which passages were found, and where they stand, whatever their scores."""
    return sorted((hit["doc_id"], hit["chunk_order_index"], hit["start"], hit["end"], hit["content"])
                  for hit in found["results"])


def test_04__two_processes_keep_all_that_both_write(start):
    servers = [start("--model", "none") for _ in range(2)]
    in_parallel([lambda server=server, name=name: server.create_entity(name)
                 for number in range(100) for server, name in
                 ((servers[0], f"first_{number}"), (servers[1], f"second_{number}"))])
    expected = {f"{which}_{number}" for which in ("first", "second") for number in range(100)}
    for server in servers:
        assert {one["entity_id"] for one in ok(server.get("/api/entities"))["entities"]} == expected
    for server in servers:
        server.kill()
    assert {one["entity_id"] for one in ok(start().get("/api/entities"))["entities"]} == expected


def test_05__a_message_costs_the_same_however_many_sessions_there_are(start):
    server = start("--model", "none", "--log-level", "error")
    server.create_entity("e")

    def written():
        with open(f"/proc/{server.process.pid}/io", encoding="ascii") as file:
            return int(next(line for line in file if line.startswith("wchar")).split()[1])

    def bytes_of_a_message():
        session = server.create_session("e")["session_id"]
        before = written()
        for number in range(10):
            server.ask(session, f"Question {number}? " + "x" * 500)
        return (written() - before) / 10

    few = bytes_of_a_message()
    in_parallel([lambda: server.create_session("e", metadata={"pad": "y" * 1000}) for _ in range(600)])
    assert bytes_of_a_message() < 2 * few + 4096  # the sessions have 600 KB


def test_06__after_a_restart_doc_ids_and_counts_and_positions_are_right(start):
    server = start()
    server.create_entity("acme")
    first = server.upload("acme", "report.md", FERRIES)
    before = server.search("acme", "revenue", doc_ids=[first["doc_id"]])
    assert before["total"] >= 1
    for how in ("stop", "kill"):
        getattr(server, how)()
        server = start()
        described = ok(server.get("/api/entities/acme"))
        assert described["total_documents"] == 1
        assert described["total_chunks"] == first["chunks_count"]
        assert ok(server.get("/health"))["total_documents"] == 1
        assert server.search("acme", "revenue", doc_ids=[first["doc_id"]]) == before
    second = server.upload("acme", "garden.md", GARDEN)
    # another document changes how rare words are, and so scores, but not where passages are
    after = server.search("acme", "revenue", doc_ids=[first["doc_id"]])
    assert places(after) == places(before)
    hits = server.search("acme", "quince pond", doc_ids=[second["doc_id"]], k=20)["results"]
    assert hits and {hit["doc_id"] for hit in hits} == {second["doc_id"]}
    assert ok(server.get("/api/entities/acme"))["total_chunks"] == (
        first["chunks_count"] + second["chunks_count"])


def test_07__deleted_text_is_not_found_again(start):
    server = start()
    server.create_entity("acme")
    gone = server.upload("acme", "garden.md", GARDEN)["doc_id"]
    kept = server.upload("acme", "report.md", FERRIES)["doc_id"]
    ok(server.delete(f"/api/entities/acme/files/{gone}"))
    for running in (server, None):
        if running is None:
            server.stop()
            running = start()
        for mode in ("keyword", "hybrid"):
            hits = running.search("acme", "quince bentonite pond", mode=mode, k=20)["results"]
            assert all("quince" not in hit["content"] for hit in hits)
            assert {hit["doc_id"] for hit in hits} <= {kept}
        (document,) = ok(running.get("/api/entities/acme/files"))
        assert document["doc_id"] == kept


def test_08__a_lost_index_is_healed(start, has_model):
    server = start()
    server.create_entity("acme")
    server.upload("acme", "report.md", FERRIES)
    before = server.search("acme", "how much did the firm earn", mode="vector")
    server.stop()
    index = server.data_dir / "entity_scoped/entities/acme/vector_store/index.faiss"
    index.unlink()
    server = start()
    assert server.upload("acme", "report.md", FERRIES)["is_duplicate"] is True
    assert server.search("acme", "how much did the firm earn", mode="vector") == before
    server.stop()
    assert index.exists()


def test_09__two_files_of_one_name_live_side_by_side(server, entity):
    first = server.upload(entity, "notes.md", FERRIES)["doc_id"]
    second = server.upload(entity, "notes.md", GARDEN)["doc_id"]
    assert first != second
    server.upload(entity, "notes.md", FERRIES)
    documents = {one["doc_id"]: one for one in ok(server.get(f"/api/entities/{entity}/files"))}
    assert set(documents) == {first, second}
    assert {one["doc_name"] for one in documents.values()} == {"notes.md"}
    assert documents[first]["file_path"] != documents[second]["file_path"]
    ok(server.delete(f"/api/entities/{entity}/files/{first}"))
    response = server.get(f"/api/entities/{entity}/files/{second}/content")
    assert response.text == GARDEN
    assert (server.data_dir / documents[second]["file_path"]).read_text() == GARDEN
    assert not (server.data_dir / documents[first]["file_path"]).exists()


def test_10__parallel_uploads_and_chats_lose_nothing(server, entity):
    session = server.create_session(entity)["session_id"]
    in_parallel([call for number in range(20) for call in (
        lambda number=number: server.upload(entity, f"{number}.md", f"{FERRIES}\n\nCopy {number}."),
        lambda number=number: server.ask(session, f"Question {number}?"))])
    assert len(ok(server.get(f"/api/entities/{entity}/files"))) == 20
    messages = server.messages(session)
    assert len(messages) == 40
    assert {one["content"] for one in messages if one["role"] == "user"} == {
        f"Question {number}?" for number in range(20)}


@pytest.mark.parametrize("name", ["../../evil.txt", "..\\..\\evil.txt", "/tmp/evil.txt", ".hidden",
                                  "a/b/c.txt", "con\x01trol.txt", "x" * 300 + ".txt", "日本.txt"])
def test_11__file_names_stay_below_uploads(server, entity, name):
    before = {path for path in server.data_dir.parent.rglob("*evil*")}
    reply = server.upload(entity, name, FERRIES)
    (document,) = ok(server.get(f"/api/entities/{entity}/files"))
    path = (server.data_dir / document["file_path"]).resolve()
    assert path.is_relative_to((server.data_dir / "uploads").resolve() / entity)
    assert path.read_text() == FERRIES
    assert {path for path in server.data_dir.parent.rglob("*evil*")} - before <= {path}
    assert ok(server.delete(f"/api/entities/{entity}/files/{reply['doc_id']}"))["success"]


def test_12__a_deleted_entity_is_gone_from_disk_and_does_not_return(start):
    server = start()
    server.create_entity("acme")
    server.upload("acme", "garden.md", GARDEN)
    ok(server.delete("/api/entities/acme"))
    folders = [server.data_dir / "uploads/acme", server.data_dir / "entity_scoped/entities/acme"]
    assert eventually(lambda: not any(folder.exists() for folder in folders))
    server.create_entity("acme")
    for running in (server, None):
        if running is None:
            server.stop()
            running = start()
        described = ok(running.get("/api/entities/acme"))
        assert (described["total_documents"], described["total_chunks"]) == (0, 0)
        assert running.search("acme", "quince pond")["results"] == []
        assert ok(running.get("/api/entities/acme/files")) == []
        assert ok(running.get("/api/entities/acme/sessions")) == []


def test_13__a_client_that_leaves_loses_no_answer(server, entity):
    server.upload(entity, "report.md", FERRIES)
    session = server.create_session(entity)["session_id"]
    body = json.dumps({"session_id": session, "message": "Why did revenue rise?"}).encode()
    host, port = server.url[len("http://"):].split(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(b"POST /api/chat HTTP/1.1\r\nHost: localhost\r\n"
                           b"Content-Type: application/json\r\n"
                           b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
    assert eventually(lambda: len(server.messages(session)) == 2)
    assert "lorries" in server.messages(session)[1]["content"]


def test_14__deleted_vectors_leave_the_saved_index(start, has_model):
    faiss = pytest.importorskip("faiss")
    server = start()
    server.create_entity("acme")
    gone = server.upload("acme", "garden.md", GARDEN)
    kept = server.upload("acme", "report.md", FERRIES)
    ok(server.delete(f"/api/entities/acme/files/{gone['doc_id']}"))
    server.stop()
    folder = server.data_dir / "entity_scoped/entities/acme"
    index = faiss.read_index(str(folder / "vector_store/index.faiss"))
    assert index.ntotal == kept["chunks_count"]
    chunks = json.loads((folder / "doc_to_chunks.json").read_text())
    assert gone["doc_id"] not in chunks
    assert "quince" not in (folder / "chunk_metadata.json").read_text()


def test_15__sessions_of_different_entities_do_not_hide_each_other(start):
    server = start("--model", "none")
    owners = {}
    for entity in ("a", "A", "a b", "a%20b", "aa"):
        server.create_entity(entity)
        for _ in range(3):
            owners[server.create_session(entity)["session_id"]] = entity
    for session, entity in owners.items():
        server.ask(session, f"Mine is {entity}")
    server.stop()
    server = start("--model", "none")
    for session, entity in owners.items():
        assert ok(server.get(f"/api/chat/sessions/{session}"))["entity_id"] == entity
        assert server.messages(session)[0]["content"] == f"Mine is {entity}"
    for entity in set(owners.values()):
        path = "/api/entities/" + entity.replace("%", "%25").replace(" ", "%20") + "/sessions"
        assert {one["session_id"] for one in ok(server.get(path))} == {
            session for session, owner in owners.items() if owner == entity}


@pytest.mark.parametrize("mode", ["keyword", "hybrid", "vector"])
def test_16__a_filter_returns_k_of_k(server, entity, mode):
    if mode == "vector" and server.get("/health").json()["embedder"] is None:
        pytest.skip("no embedding model: tools/setup.sh model")
    for number in range(3):
        server.upload(entity, f"barley_{number}.md",
                      paragraphs("barley", 40) + f"\n\nThe barley list {number} ends.")
    wanted = server.upload(entity, "oats.md", paragraphs("oats and some barley", 12),
                           metadata=json.dumps({"kind": "oats"}))["doc_id"]
    for restriction in ({"doc_ids": [wanted]}, {"filter": {"kind": "oats"}}):
        reply = server.search(entity, "barley", k=10, mode=mode, **restriction)
        assert {hit["doc_id"] for hit in reply["results"]} == {wanted}
        assert reply["total"] == 10


@pytest.mark.parametrize("filter_", [
    {"year": {"$near": 3}}, {"$where": "1"}, {"year": {"$gte": 1, "$bogus": 2}},
    {"$or": [{"year": {"$like": "x"}}]}])
def test_17__unknown_operators_are_refused(server, entity, filter_):
    server.upload(entity, "report.md", FERRIES, metadata=json.dumps({"year": 2021}))
    response = server.post("/api/search", json={
        "entity_id": entity, "query": "revenue", "filter": filter_})
    assert response.status_code == 422
    (detail,) = response.json()["detail"]
    assert detail["loc"] == ["body", "filter"]
    assert "$" in detail["msg"]


def test_a_copy_of_the_directory_serves_the_same(start, tmp_path):
    server = start()
    server.create_entity("acme")
    server.upload("acme", "report.md", FERRIES)
    before = server.search("acme", "revenue")
    server.stop()
    shutil.copytree(server.data_dir, tmp_path / "copy")
    assert start(data_dir=tmp_path / "copy").search("acme", "revenue") == before
