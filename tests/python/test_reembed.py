"""Vectors for documents that came without a model, asked for and unasked."""

from __future__ import annotations

import threading

import pytest

import ragstore


def directions(texts, role):
    return [[float("granite" in text), float("marble" in text), 1.0] for text in texts]


def model(embed=directions, fingerprint="rocks/3"):
    return ragstore.Model.callback(embed, fingerprint=fingerprint, dimension=3)


@pytest.fixture
def keyword_only(directory):
    """A store whose entity got its documents without a model."""
    with ragstore.Store(directory) as store:
        entity = store.create_entity("geology")
        for name in ("granite", "marble"):
            entity.add(f"All about {name}.", filename=f"{name}.txt")
    return directory


def nearest(entity, query):
    return entity.search(query, mode="vector", k=1)[0].content


def test_reembed__gives_vectors_in_a_job(keyword_only):
    with ragstore.Store(keyword_only, model=model(), reembed=False) as store:
        entity = store.entity("geology")
        assert entity.describe()["search_mode"] == "keyword"
        job = entity.reembed()
        assert job.wait(30) == {"embedder": "rocks/3", "chunks": 2}
        assert job.describe()["kind"] == "reembed"
        assert entity.describe()["search_mode"] == "hybrid"
        assert nearest(entity, "marble") == "All about marble."


def test_reembed__changes_to_another_model(keyword_only):
    with ragstore.Store(keyword_only, model=model(), reembed=False) as store:
        store.entity("geology").reembed().wait(30)
    with ragstore.Store(keyword_only, model=ragstore.Model.hashing()) as store:
        entity = store.entity("geology")
        assert entity.describe()["search_mode"] == "keyword"
        with pytest.raises(ragstore.EmbedderError, match="reembed"):
            entity.add("All about sand.", filename="sand.txt")
        assert entity.reembed().wait(30)["embedder"] == "hashing/256/1"
        assert nearest(entity, "all about GRANITE") == "All about granite."


def test_reembed__without_a_model_is_refused(keyword_only):
    with ragstore.Store(keyword_only) as store:
        with pytest.raises(ragstore.EmbedderError, match="no embedding model"):
            store.entity("geology").reembed()


def test_reembed__lets_searches_answer_meanwhile(keyword_only):
    reached, goes_on = threading.Event(), threading.Event()

    def embed(texts, role):
        reached.set()
        assert goes_on.wait(30)
        return directions(texts, role)

    with ragstore.Store(keyword_only, model=model(embed), reembed=False) as store:
        entity = store.entity("geology")
        job = entity.reembed()
        assert reached.wait(30)
        found = entity.search("granite")
        assert found.mode == "keyword" and found[0].content == "All about granite."
        goes_on.set()
        job.wait(30)


def test_vectors__come_unasked_when_a_model_is_there(keyword_only):
    with ragstore.Store(keyword_only, model=model(), background=False) as store:
        store.maintain(60)
        assert [job["kind"] for job in store.jobs()] == ["reembed"]
        assert nearest(store.entity("geology"), "granite") == "All about granite."


def test_vectors__do_not_come_when_they_are_not_wanted(keyword_only):
    with ragstore.Store(keyword_only, model=model(), background=False, reembed=False) as store:
        store.maintain(60)
        assert store.jobs() == []
        assert store.entity("geology").describe()["search_mode"] == "keyword"
