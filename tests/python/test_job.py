"""Jobs through the Python package."""

from __future__ import annotations

import time

import pytest

import ragstore


def submit(entity, text, **options):
    upload = entity.upload(**options)
    upload.write(text.encode())
    return upload.submit()


def test_job__gives_the_document_when_it_is_done(store, entity):
    job = submit(entity, "All about granite.", filename="rocks.txt", metadata={"year": 2020})
    document = job.wait(30)
    assert document["filename"] == "rocks.txt"
    assert document["metadata"] == {"year": 2020}
    assert entity.document(document["doc_id"]).text() == "All about granite."
    assert store.job(job.id).describe()["state"] == "done"
    assert [one["job_id"] for one in store.jobs()] == [job.id]
    assert store.jobs("geology", limit=1, offset=1) == []
    assert store.jobs("another") == []


def test_job__takes_own_chunks_and_vectors(store, entity):
    job = entity.submit_chunks(
        ["Granite.", {"text": "Marble.", "metadata": {"page": 7}}],
        [[1, 0], [0, 1]],
        filename="rocks.json",
        key="rocks",
    )
    document = job.wait(30)
    assert document["filename"] == "rocks.json"
    assert document["chunks_count"] == 2
    assert job.describe()["kind"] == "chunks"
    assert list(entity.index().vector(1)) == [0, 1]
    again = entity.submit_chunks(["Granite.", "Marble."], [[1, 0], [0, 1]], key="rocks")
    assert again.wait(30)["doc_id"] == document["doc_id"]
    with pytest.raises(ragstore.InvalidDataError, match="have 2"):
        entity.submit_chunks(["Sand."], [[1, 0, 0]])
    with pytest.raises(ragstore.InvalidArgumentError, match="2 vectors for 1 chunks"):
        entity.submit_chunks(["Sand."], [[1, 0], [0, 1]])


def test_job__waits_while_the_embedder_is_out_of_reach(directory):
    def embed(texts, role):
        if down:
            raise ConnectionError("refused")
        return [[1, 0] for _ in texts]

    down = [True]
    model = ragstore.Model.callback(embed, fingerprint="remote/1", dimension=2)
    with ragstore.Store(directory, model=model) as store:
        job = submit(store.create_entity("geology"), "All about granite.")
        for _ in range(500):
            described = job.describe()
            if described["retries"]:
                break
            time.sleep(0.02)
        assert described["state"] == "waiting"
        assert "refused" in described["error"]["message"]
        assert described["next_try_at"] > described["updated_at"]
        down.clear()
        assert job.wait(30)["chunks_count"] == 1


def test_job__raises_what_it_failed_with(entity):
    job = submit(entity, "%PDF-1.4\n", filename="x.pdf")
    with pytest.raises(ragstore.NotExtractableError, match="x.pdf"):
        job.wait(30)
    assert job.describe()["error"]["status"] == "NOT_EXTRACTABLE"


def test_job__can_be_cancelled(directory):
    with ragstore.Store(directory, background=False) as store:
        entity = store.create_entity("geology")
        job = submit(entity, "All about granite.")
        with pytest.raises(ragstore.BusyError):
            job.wait(0)
        job.cancel()
        with pytest.raises(ragstore.CancelledError):
            job.wait()
        assert not list((directory / "uploads" / "geology").iterdir())
        other = submit(entity, "All about marble.")
        store.maintain(5)
        assert other.wait()["is_duplicate"] is False


def test_job__refuses_what_makes_no_sense(store, entity):
    job = submit(entity, "All about granite.")
    with pytest.raises(ragstore.InvalidArgumentError):
        job.wait(-1)
    with pytest.raises(ragstore.NotFoundError):
        store.job("job_000000000000")
    upload = entity.upload()
    upload.write(b"All about marble.")
    upload.submit().wait(30)
    with pytest.raises(ragstore.ClosedError):
        upload.submit()
