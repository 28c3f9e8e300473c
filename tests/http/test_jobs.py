"""Jobs: uploads that are not waited for, and what the operator begins."""

import os
import pathlib
import re
import subprocess
import sys

import pytest
import requests

from server_process import ROOT, eventually, ok
from test_tokens import make_token
from test_wire import exchange
from texts import FERRIES, paragraphs

MEMBERS = ["job_id", "kind", "entity_id", "filename", "state", "stage", "done", "total", "error",
           "next_try_at", "retries", "result", "created_at", "updated_at"]


@pytest.fixture
def plain(start):
    return start("--model", "none")


def submit(server, entity, name, content, query="?wait=false", **fields):
    return server.post(f"/api/entities/{entity}/files{query}", files={"file": (name, content)},
                       data=fields)


def ended(server, job_id, seconds=30):
    def look():
        job = ok(server.get(f"/api/jobs/{job_id}"))
        return job if job["state"] not in ("waiting", "running") else None

    job = eventually(look, seconds)
    assert job, "the job has not ended"
    return job


# ---- uploads ----

@pytest.mark.parametrize("word", ["false", "0", "no"])
def test_upload__that_is_not_waited_for_is_a_job(plain, word):
    plain.create_entity("acme")
    job = ok(submit(plain, "acme", "ferries.md", FERRIES, f"?wait={word}", source="The board",
                    metadata='{"year": 2025}'))
    assert list(job) == MEMBERS
    assert re.fullmatch("job_[0-9a-f]{12}", job["job_id"])
    assert (job["kind"], job["entity_id"], job["filename"]) == ("upload", "acme", "ferries.md")
    job = ended(plain, job["job_id"])
    assert job["state"] == "done" and job["error"] is None
    (document,) = ok(plain.get("/api/entities/acme/files"))
    assert job["result"]["doc_id"] == document["doc_id"]
    assert document["metadata"] == {"year": 2025}
    assert plain.search("acme", "Plover")["results"][0]["source"] == "The board"


CHUNKS = [{"text": "The Plover carries 48 people.", "metadata": {"page": 1}, "start": 0, "end": 29},
          {"text": "The Sanderling crosses to Brough."}]


def test_chunks__that_are_not_waited_for_are_a_job(plain):
    plain.create_entity("acme")
    job = ok(plain.post("/api/entities/acme/chunks?wait=false",
                        json={"chunks": CHUNKS, "source": "The board", "key": "boats"}))
    assert list(job) == MEMBERS
    assert (job["kind"], job["entity_id"]) == ("chunks", "acme")
    job = ended(plain, job["job_id"])
    assert job["state"] == "done" and job["error"] is None
    (document,) = ok(plain.get("/api/entities/acme/files"))
    assert job["result"]["doc_id"] == document["doc_id"]
    (hit,) = plain.search("acme", "Plover")["results"]
    assert (hit["content"], hit["source"], hit["metadata"]) == (CHUNKS[0]["text"], "The board", {"page": 1})


def test_chunks__are_waited_for_unless_told_otherwise(plain):
    plain.create_entity("acme")
    for query in ("", "?wait=true"):
        assert ok(plain.post(f"/api/entities/acme/chunks{query}", json={"chunks": CHUNKS}))["doc_id"]
    response = plain.post("/api/entities/acme/chunks?wait=perhaps", json={"chunks": CHUNKS})
    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"] == ["query", "wait"]


@pytest.mark.parametrize("chunks", [[], [{}], [{"text": 7}], [{"text": "a", "vector": [1, 2]}, {"text": "b"}]])
def test_chunks__that_make_no_sense_are_no_job(plain, chunks):
    plain.create_entity("acme")
    response = plain.post("/api/entities/acme/chunks?wait=false", json={"chunks": chunks})
    assert response.status_code == 422
    assert ok(plain.get("/api/jobs"))["jobs"] == []


def test_chunks__of_a_job_are_added_after_a_restart(start):
    first = start("--model", "none")
    first.create_entity("acme")
    jobs = [ok(first.post("/api/entities/acme/chunks?wait=false",
                          json={"chunks": [{"text": f"The Plover, trip {i}."}], "key": str(i)}))
            for i in range(20)]
    first.kill()
    second = start("--model", "none")
    for job in jobs:
        assert ended(second, job["job_id"])["state"] == "done"
    assert len(ok(second.get("/api/entities/acme/files"))) == 20


def test_upload__waits_unless_told_otherwise(plain):
    plain.create_entity("acme")
    for query in ("", "?wait=true", "?wait=1"):
        assert ok(submit(plain, "acme", "a.md", FERRIES + query, query))["success"] is True
    response = submit(plain, "acme", "a.md", FERRIES, "?wait=perhaps")
    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"] == ["query", "wait"]


def test_job__that_fails_says_why(start):
    server = start("--model", "none")
    server.create_entity("acme")
    job = ended(server, ok(submit(server, "acme", "a.bin", b"\0\1\2\3" * 100))["job_id"])
    assert job["state"] == "failed" and job["result"] is None
    assert job["error"]["status"] == "NOT_EXTRACTABLE" and job["error"]["message"]
    assert ok(server.get("/api/entities/acme/files")) == []


def test_job__survives_kill_9(start):
    server = start("--model", "none")
    server.create_entity("acme")
    jobs = [ok(submit(server, "acme", f"{n}.md", paragraphs(f"word{n}", 5)))["job_id"]
            for n in range(10)]
    server.kill()
    server = start("--model", "none")
    assert [ended(server, job)["state"] for job in jobs] == ["done"] * 10
    assert len(ok(server.get("/api/entities/acme/files"))) == 10


def test_job__that_has_ended_is_not_cancelled(plain):
    plain.create_entity("acme")
    job = ok(submit(plain, "acme", "a.md", FERRIES))["job_id"]
    assert ended(plain, job)["state"] == "done"
    assert ok(plain.delete(f"/api/jobs/{job}"))["state"] == "done"
    assert len(ok(plain.get("/api/entities/acme/files"))) == 1


@pytest.mark.parametrize("job_id", ["job_000000000000", "job_", "nonsense", "%2e%2e", "job_00000000000g"])
def test_job__that_is_unknown_is_404(server, job_id):
    for method in ("GET", "DELETE"):
        response = server.request(method, f"/api/jobs/{job_id}")
        assert response.status_code == 404
        assert response.json()["error"] == "Job not found"


def test_jobs__are_listed_newest_first(plain):
    plain.create_entity("acme")
    ids = [ok(submit(plain, "acme", f"{n}.md", f"{FERRIES} {n}"))["job_id"] for n in range(3)]
    ids.append(ok(plain.post("/api/admin/check"))["job_id"])
    listed = ok(plain.get("/api/jobs"))["jobs"]
    assert [job["job_id"] for job in listed] == ids[::-1]
    assert [list(job) for job in listed] == [MEMBERS] * 4
    assert [job["job_id"] for job in ok(plain.get("/api/jobs?limit=2"))["jobs"]] == ids[:1:-1]
    assert plain.get("/api/jobs?limit=0").status_code == 422
    for job in ids:
        ended(plain, job)


# ---- the operator's ----

def test_check__finds_nothing_in_a_good_store_and_damage_in_another(start):
    server = start("--model", "none")
    server.create_entity("acme")
    document = server.upload("acme", "a.md", FERRIES)
    job = ok(server.post("/api/admin/check"))
    assert list(job) == MEMBERS and job["kind"] == "check" and job["entity_id"] is None
    job = ended(server, job["job_id"])
    assert job["state"] == "done" and job["result"]["ok"] is True and job["result"]["documents"] == 1
    (record,) = ok(server.get("/api/entities/acme/files"))
    path = server.data_dir / record["file_path"]
    path = path if path.exists() else next(server.data_dir.rglob(f"*{document['doc_id']}*"))
    path.chmod(0o600)
    path.write_bytes(b"X" + path.read_bytes()[1:])
    job = ended(server, ok(server.post("/api/admin/check"))["job_id"])
    assert job["state"] == "done" and job["result"]["ok"] is False
    assert job["result"]["findings"]


def test_compact__takes_deleted_text_out(start):
    server = start("--model", "none")
    server.create_entity("acme")
    document = server.upload("acme", "a.md", FERRIES + "\n\nA very secret sentence about zirconium.")
    server.upload("acme", "b.md", paragraphs("barley", 3))
    assert server.delete(f"/api/entities/acme/files/{document['doc_id']}").status_code == 200
    job = ended(server, ok(server.post("/api/admin/compact"))["job_id"])
    assert job["state"] == "done", job
    assert job["result"]["bytes_after"] > 0
    assert not any(b"zirconium" in path.read_bytes() for path in server.data_dir.rglob("*")
                   if path.is_file() and "quarantine" not in str(path))


def test_backup__can_be_made_a_store_again(start, tmp_path):
    server = start("--model", "none", "--backup-dir", str(tmp_path / "backups"))
    server.create_entity("acme")
    server.upload("acme", "a.md", FERRIES)
    jobs = []
    for _ in range(2):
        jobs.append(ended(server, ok(server.post("/api/admin/backup"))["job_id"]))
        assert jobs[-1]["state"] == "done", jobs
    places = [pathlib.Path(job["result"]["directory"]) for job in jobs]
    assert len(set(places)) == 2 and {place.parent for place in places} == {tmp_path / "backups"}
    restored = tmp_path / "restored"
    code = "import ragstore, sys; ragstore.restore_backup(sys.argv[1], sys.argv[2])"
    subprocess.run([sys.executable, "-c", code, str(places[1]), str(restored)], check=True, timeout=60,
                   env={**os.environ, "PYTHONPATH": str(ROOT / "examples/python")})
    copy = start("--model", "none", data_dir=restored)
    assert copy.search("acme", "Plover")["total"] > 0


def test_backup__lies_beside_the_store_and_says_why_it_cannot(start, tmp_path):
    server = start("--model", "none")
    job = ended(server, ok(server.post("/api/admin/backup"))["job_id"])
    assert pathlib.Path(job["result"]["directory"]).parent == tmp_path / "data.backups"
    server.stop()
    (tmp_path / "file").write_text("no directory")
    server = start("--model", "none", "--backup-dir", str(tmp_path / "file"))
    job = ended(server, ok(server.post("/api/admin/backup"))["job_id"])
    assert job["state"] == "failed" and job["error"]["message"] and job["result"] is None
    assert server.get("/health").status_code == 200


def test_admin__one_of_each_kind_at_a_time(start):
    server = start("--model", "none")
    server.create_entity("acme")
    for number in range(3):
        server.upload("acme", f"{number}.md", paragraphs(f"word{number}", 300))
    # one behind the other in one packet: there is no time to end a check in between
    one = b"POST /api/admin/check HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n"
    reply = exchange(server, (one + b"\r\n") * 19 + one + b"Connection: close\r\n\r\n")
    answers = [part for part in reply.split(b"HTTP/1.1 ") if part]
    assert len(answers) == 20 and answers[0].startswith(b"200 ")
    refused = [part for part in answers if part.startswith(b"409 ")]
    assert refused and all(b"job_" in part for part in refused)
    assert all(part[:4] in (b"200 ", b"409 ") for part in answers)
    # others wait for it, and can be called off
    backup = ok(server.post("/api/admin/backup"))
    if backup["state"] == "waiting":
        assert ok(server.delete(f"/api/jobs/{backup['job_id']}"))["state"] in ("cancelled", "running")


def test_check__can_be_cancelled_while_it_runs(start):
    server = start("--model", "none")
    server.create_entity("acme")
    for number in range(5):
        server.upload("acme", f"{number}.md", paragraphs(f"word{number}", 100))
    states = []
    for _ in range(20):
        job_id = ok(server.post("/api/admin/check"))["job_id"]
        assert ok(server.delete(f"/api/jobs/{job_id}"))["state"] != "failed"
        states.append(ended(server, job_id)["state"])
    assert set(states) <= {"cancelled", "done"} and "cancelled" in states


def test_admin__jobs_outlive_the_server(start):
    server = start("--model", "none")
    server.create_entity("acme")
    server.upload("acme", "a.md", FERRIES)
    checked = ended(server, ok(server.post("/api/admin/check"))["job_id"])
    for _ in range(10):
        job_id = ok(server.post("/api/admin/backup"))["job_id"]
        server.kill()
        server = start("--model", "none", data_dir=server.data_dir)
        backup = ok(server.get(f"/api/jobs/{job_id}"))
        if backup["state"] != "done":
            break
    assert list(backup) == MEMBERS and backup["state"] == "failed"
    assert backup["error"]["status"] == "INTERRUPTED"
    assert "begin another one" in backup["error"]["message"]
    assert ".backups/" in backup["error"]["message"]
    assert ok(server.get(f"/api/jobs/{checked['job_id']}")) == checked
    listed = [job["job_id"] for job in ok(server.get("/api/jobs"))["jobs"]]
    assert {checked["job_id"], job_id} <= set(listed)
    assert ok(server.delete(f"/api/jobs/{job_id}"))["state"] == "failed"
    server.stop()
    server = start("--model", "none", data_dir=server.data_dir)
    assert ok(server.get(f"/api/jobs/{job_id}")) == backup
    assert ended(server, ok(server.post("/api/admin/backup"))["job_id"])["state"] == "done"


def test_admin__jobs_are_for_the_admin_scope(start, tmp_path):
    tokens = {"own": make_token("own", "--entity", "mine"), "all": make_token("all", "--all-entities"),
              "admin": make_token("admin", "--admin")}
    (tmp_path / "tokens").write_text("".join(line for _, line in tokens.values()))
    server = start("--model", "none", "--token-file", str(tmp_path / "tokens"))

    def call(name, method, path, **arguments):
        return requests.request(method, server.url + path, timeout=60, **arguments,
                                headers={"Authorization": f"Bearer {tokens[name][0]}"})

    for kind in ("backup", "check", "compact"):
        assert server.post(f"/api/admin/{kind}").status_code == 401
        for name in ("own", "all"):
            assert call(name, "POST", f"/api/admin/{kind}").status_code == 403
    check = ok(call("admin", "POST", "/api/admin/check"))["job_id"]
    for name in ("own", "all"):
        for method in ("GET", "DELETE"):
            other = call(name, method, f"/api/jobs/{check}")
            nobody = call(name, method, "/api/jobs/job_000000000000")
            assert other.status_code == nobody.status_code == 404
            assert other.text.replace(check, "X") == nobody.text.replace("job_000000000000", "X")
        assert ok(call(name, "GET", "/api/jobs"))["jobs"] == []
    assert ok(call("admin", "GET", f"/api/jobs/{check}"))["kind"] == "check"
    for entity in ("mine", "theirs"):
        ok(call("admin", "POST", "/api/entities", json={"entity_id": entity, "entity_name": "x"}))
        ok(call("admin", "POST", f"/api/entities/{entity}/files?wait=false",
                files={"file": (f"{entity}.md", FERRIES)}))
    listed = {name: {job["entity_id"] for job in ok(call(name, "GET", "/api/jobs"))["jobs"]}
              for name in tokens}
    assert listed == {"own": {"mine"}, "all": {"mine", "theirs"}, "admin": {"mine", "theirs", None}}


def test_stop__ends_jobs_in_time(start):
    server = start("--model", "none")
    server.create_entity("acme")
    for number in range(20):
        ok(submit(server, "acme", f"{number}.md", paragraphs(f"word{number}", 30)))
    for kind in ("check", "compact", "backup"):
        ok(server.post(f"/api/admin/{kind}"))
    assert server.stop() == 0
    server = start("--model", "none")
    assert eventually(lambda: len(ok(server.get("/api/entities/acme/files"))) == 20, 30)


# ---- vectors for documents that came without a model ----

def test_reembed__comes_unasked_with_a_model_unless_it_is_switched_off(start):
    first = start("--model", "none")
    first.create_entity("acme")
    first.upload("acme", "ferries.txt", FERRIES)
    first.stop()
    off = start("--embedder", "hashing", "--no-reembed")
    assert "reembed" in ok(off.get("/api/entities/acme"))["notice"]
    off.stop()
    second = start("--embedder", "hashing")
    job = eventually(lambda: ok(second.get("/api/jobs"))["jobs"], 30)[0]
    assert job["kind"] == "reembed" and job["entity_id"] == "acme"
    assert ended(second, job["job_id"])["state"] == "done"
    assert ok(second.get("/api/entities/acme"))["search_mode"] == "hybrid"
