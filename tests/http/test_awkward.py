"""Wrong and unusual input by hand: each gives a clear message and loses nothing."""

import os
import shutil
import stat
import subprocess
from urllib.parse import quote

import pytest

from server_process import binary, ok
from texts import FERRIES


def refused(response, status):
    assert response.status_code == status, response.text
    body = response.json()
    if status == 422:
        assert all(set(one) >= {"loc", "msg", "type"} for one in body["detail"])
    else:
        assert set(body) == {"error", "detail"}
        assert body["error"] and body["detail"]
    return response.text


@pytest.mark.parametrize("content, why", [
    (b"", "empty"), (b"   \n\t \n", "blank"), (bytes(range(256)) * 40, "binary"),
    (b"\x89PNG\r\n\x1a\n" + b"\0" * 200, "picture"),
    (b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<<>>\nendobj\n" + b"\0\1\2" * 100, "PDF")])
def test_upload__without_text_is_415(server, entity, content, why):
    response = server.post(f"/api/entities/{entity}/files", files={"file": (why + ".bin", content)})
    refused(response, 415)
    assert ok(server.get(f"/api/entities/{entity}/files")) == []
    assert ok(server.get(f"/api/entities/{entity}"))["total_chunks"] == 0


@pytest.mark.parametrize("entity_id", [
    "Acme Corp", "日本", "a%2Fb", "name.with.dots", "...", "x" * 128, "ä" * 64, "quote\"s", "a?b#c",
    "100%", "+", "a&b=c", "naïve 🙂", "con", "CON", "entities.json"])
def test_entity_id__any_text_works_everywhere(server, entity_id):
    path = "/api/entities/" + quote(entity_id, safe="")
    created = server.create_entity(entity_id)
    assert created["entity_id"] == entity_id
    assert ok(server.get(path)) == created
    doc_id = ok(server.post(path + "/files", files={"file": ("a.md", FERRIES)}))["doc_id"]
    assert server.search(entity_id, "revenue")["total"] >= 1
    session = server.create_session(entity_id)["session_id"]
    assert server.ask(session, "Revenue?")["message"]["content"]
    (document,) = ok(server.get(path + "/files"))
    stored = (server.data_dir / document["file_path"]).resolve()
    assert stored.parent.parent == (server.data_dir / "uploads").resolve()
    assert ok(server.delete(f"{path}/files/{doc_id}"))["success"]
    assert ok(server.delete(path))["sessions_deleted"] == 1
    assert server.get(path).status_code == 404


@pytest.mark.parametrize("entity_id", [
    "../evil", "..", ".", "a/b", "a\\b", "", " leading", "trailing ", "line\nbreak", "nul\u0001",
    "x" * 129, "é" * 65])
def test_entity_id__impossible_ones_are_422(server, entity_id):
    before = ok(server.get("/health"))["entities_loaded"]
    response = server.post("/api/entities", json={"entity_id": entity_id, "entity_name": "x"})
    refused(response, 422)
    assert response.json()["detail"][0]["loc"] == ["body", "entity_id"]
    assert ok(server.get("/health"))["entities_loaded"] == before


@pytest.mark.parametrize("path", [
    "/api/entities/..%2f..%2fetc%2fpasswd", "/api/entities/%2e%2e%2f", "/api/entities/%2e%2e",
    "/api/entities/%252e%252e%252f", "/api/entities/%2e%2e/files", "/api/entities/a%5cb",
    "/api/entities/%ff%fe", "/api/entities/" + "x" * 5000,
    "/api/entities/a/files/..%2f..%2fentities.json/content",
    "/api/chat/sessions/..%2fentities.json", "/api/chat/sessions/..%2fentities.json/messages"])
def test_url__tricks_are_404(server, path):
    status, body = server.raw_get(path)
    assert status == 404
    assert set(body) == {"error", "detail"}


@pytest.mark.parametrize("path", ["/api/entities/%zz", "/api/entities/%", "/api/entities/a%00b"])
def test_url__invalid_escapes_are_400(server, path):
    status, body = server.raw_get(path)
    assert status == 400
    assert set(body) == {"error", "detail"}


@pytest.mark.parametrize("body, kind", [
    (b"", "missing"), (b"{", "json_invalid"), (b"nonsense", "json_invalid"),
    (b'{"entity_id": "a", "entity_id": "b", "entity_name": "c"}', "json_invalid"),
    (b'{"entity_id": "\xff", "entity_name": "c"}', "json_invalid"),
    (b'{"entity_id": "a\\u0000b", "entity_name": "c"}', "json_invalid"),
    (b'{"entity_id": "\\ud800", "entity_name": "c"}', "json_invalid"),
    (b'{"a":' * 33 + b"1" + b"}" * 33, "json_invalid"),
    (b"[" * 100000, "json_invalid"), (b'{"a": 1} x', "json_invalid"),
    (b'{"a": 1e999}', "json_invalid"), (b'{"a": NaN}', "json_invalid"),
    (b"[]", "model_attributes_type"), (b'"text"', "model_attributes_type"),
    (b"null", "model_attributes_type")])
def test_body__that_is_no_proper_json_is_422(server, body, kind):
    response = server.post("/api/entities", data=body, headers={"Content-Type": "application/json"})
    refused(response, 422)
    (detail,) = response.json()["detail"]
    assert detail["type"] == kind
    assert detail["loc"][0] == "body"
    assert "JSON_" not in str(detail)  # what is wrong, not how the server's parser was called


def test_body__deep_metadata_is_kept(server):
    metadata = current = {}
    for _ in range(28):
        current["x"] = {}
        current = current["x"]
    assert server.create_entity("deep", metadata=metadata)["metadata"] == metadata


def test_body__needs_the_json_content_type(server):
    response = server.post("/api/entities", data='{"entity_id": "a", "entity_name": "b"}',
                           headers={"Content-Type": "text/plain"})
    refused(response, 422)
    assert "Content-Type" in response.text


def test_body__over_the_limit_is_413(server):
    refused(server.post("/api/search", data=b" " * 1_100_000,
                        headers={"Content-Type": "application/json"}), 413)
    refused(server.post("/api/search", data=(b" " * 65536 for _ in range(20)),
                        headers={"Content-Type": "application/json"}), 413)


def test_values__over_the_limit_are_refused(server, entity):
    big = "x" * 40000
    session = server.create_session(entity)["session_id"]
    refused(server.post("/api/search", json={"entity_id": entity, "query": big}), 413)
    refused(server.post("/api/chat", json={"session_id": session, "message": big}), 413)
    response = server.post("/api/entities", json={
        "entity_id": "big", "entity_name": "x", "metadata": {"a": big}})
    assert response.status_code in (413, 422)
    assert server.messages(session) == []


def read_only(directory):
    for path in [directory, *directory.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)


@pytest.fixture
def as_somebody(tmp_path):
    """How to start a server that file permissions concern: as another user when we are root."""
    if os.geteuid() != 0:
        return {}
    program = tmp_path / "bin" / "ragstore-server"
    shutil.copytree(os.path.dirname(binary()), program.parent)
    libraries = os.path.join(os.path.dirname(binary()), "..", "lib")
    if os.path.isdir(libraries):
        shutil.copytree(libraries, tmp_path / "lib", symlinks=True)
    for path in (tmp_path, *tmp_path.parents):
        if path.stat().st_uid == os.geteuid() and len(path.parts) > 2:
            path.chmod(path.stat().st_mode | stat.S_IXOTH | stat.S_IROTH)
    arguments = {"user": 65534, "group": 65534, "extra_groups": []}
    try:
        subprocess.run([program, "--version"], check=True, stdout=subprocess.DEVNULL, **arguments)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"cannot run the server as another user: {error}")
    return {"program": str(program), **arguments}


def test_directory__not_writable_is_a_clear_refusal(start, tmp_path, as_somebody):
    server = start("--model", "none")
    server.create_entity("keep")
    server.stop()
    read_only(server.data_dir)
    refusing = start("--model", "none", wait=False, **as_somebody)
    assert refusing.wait() == 1
    assert str(server.data_dir) in refusing.error_text()
    assert "ermission" in refusing.error_text() or "READ_ONLY" in refusing.error_text()
    for path in [server.data_dir, *server.data_dir.rglob("*")]:
        path.chmod(0o700 if path.is_dir() else 0o600)
    assert ok(start("--model", "none").get("/api/entities"))["total"] == 1


def test_directory__its_parent_is_missing(start, tmp_path):
    server = start("--model", "none", data_dir=tmp_path / "no" / "such" / "place", wait=False)
    assert server.wait() == 1
    assert "no/such/place" in server.error_text()


def test_directory__with_other_things_is_left_alone(start, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "thesis.txt").write_text("years of work")
    server = start("--model", "none", wait=False)
    assert server.wait() == 1
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["thesis.txt"]


def test_second_server__on_the_same_directory_sees_what_the_first_one_does(start):
    first = start("--model", "none")
    first.create_entity("keep")
    second = start("--model", "none")
    assert ok(second.get("/api/entities"))["total"] == 1
    assert second.create_entity("more")["entity_id"] == "more"
    assert ok(first.get("/api/entities"))["total"] == 2


@pytest.mark.parametrize("damage", ["", "{", "[]", "null", "not json", '{"a": NaN}', "\0\0"])
def test_entities_json__damaged_is_named_and_kept(start, damage):
    server = start("--model", "none")
    server.create_entity("keep")
    server.upload("keep", "report.md", FERRIES)
    server.stop()
    path = server.data_dir / "api_storage/entities.json"
    whole = path.read_bytes()
    path.write_text(damage)
    damaged = start("--model", "none", wait=False)
    assert damaged.wait() == 1
    assert "entities.json" in damaged.error_text()
    assert path.read_text() == damage
    assert (server.data_dir / "uploads/keep/report.md").read_text() == FERRIES
    path.write_bytes(whole)
    assert start("--model", "none").search("keep", "revenue")["total"] >= 1


def test_entities_json__missing_is_damage(start):
    server = start("--model", "none")
    server.create_entity("keep")
    server.upload("keep", "report.md", FERRIES)
    server.stop()
    (server.data_dir / "api_storage/entities.json").unlink()
    damaged = start("--model", "none", wait=False)
    assert damaged.wait() == 1
    assert "entities.json" in damaged.error_text()
    assert (server.data_dir / "uploads/keep/report.md").exists()


def test_model__missing_means_keyword_everywhere(start, tmp_path):
    nowhere = {"RAGSTORE_MODEL": "", "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    server = start(env=nowhere)
    assert "keyword only" in server.line and "RAGSTORE_MODEL" in server.line
    created = server.create_entity("plain")
    assert created["has_vector_store"] is False
    assert created["search_mode"] == "keyword"
    server.upload("plain", "report.md", FERRIES)
    reply = server.search("plain", "revenue lorries")
    assert reply["mode"] == "keyword" and reply["total"] >= 1
    assert reply["results"][0]["scores"]["vector"] is None
    assert ok(server.get("/health"))["embedder"] is None


def test_model__named_but_not_there_is_an_error(start, tmp_path):
    server = start("--model", str(tmp_path / "nothing"), wait=False)
    assert server.wait() == 1
    assert "nothing" in server.error_text()
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("options, words", [
    (["--colour", "blue"], "--colour"), (["--port", "70000"], "65535"), (["--port"], "--port"),
    (["--log-level", "loud"], "warning"), (["--precision", "float16"], "int16"), (["stray"], "stray"), (["--threads=0"], "threads"),
    (["--host", "0.0.0.0"], "--allow-anonymous"), (["--config", "/nonexistent"], "/nonexistent")])
def test_usage__wrong_is_status_2(start, tmp_path, options, words):
    server = start(*options, wait=False)
    assert server.wait() == 2
    assert words in server.error_text()
    assert not (tmp_path / "data").exists()


def test_usage__version_and_help():
    version = subprocess.run([binary(), "--version"], capture_output=True, text=True, check=True)
    assert version.stdout.startswith("ragstore-server ")
    text = subprocess.run([binary(), "--help"], capture_output=True, text=True, check=True).stdout
    for option in ("--data-dir", "--host", "--port", "--model", "--strict", "--max-upload"):
        assert option in text


def test_usage__sources_of_settings_in_their_order(start, tmp_path):
    config = tmp_path / "ragstore.conf"
    config.write_text("# a comment\n\nstrict = true\n max-upload =  5000\nlog-level=error\n")
    server = start("--config", str(config), "--max-upload", "6000", "--model", "none",
                   env={"LOG_LEVEL": "info"})
    assert server.post("/api/entities", json={
        "entity_id": "a", "entity_name": "b", "x": 1}).status_code == 422
    server.create_entity("a")
    assert server.upload("a", "a.txt", b"word " * 1200)["success"]
    refused(server.post("/api/entities/a/files", files={"file": ("a", b"w" * 6001)}), 413)
    assert "POST /api/entities" in server.error_text()
    config.write_text("colour = blue\n")
    wrong = start("--config", str(config), wait=False)
    assert wrong.wait() == 2
    assert "line 1" in wrong.error_text()
