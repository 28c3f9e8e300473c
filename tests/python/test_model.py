"""Models that are Python functions."""

from __future__ import annotations

import gc
from array import array

import pytest

import ragstore


def directions(texts, role):
    return [[float("granite" in text), float("marble" in text), 1.0] for text in texts]


def make_model(embed=directions, **options):
    return ragstore.Model.callback(embed, fingerprint="rocks/3", dimension=3, **options)


def test_callback__embeds_for_a_store(directory):
    calls = []

    def embed(texts, role):
        calls.append((role, len(texts)))
        return directions(texts, role)

    model = make_model(embed)
    with ragstore.Store(directory, model=model) as store:
        model.close()
        del model
        gc.collect()
        entity = store.create_entity("geology")
        entity.add("All about granite.")
        entity.add("All about marble.")
        assert entity.describe()["embedder"] == "rocks/3"
        assert entity.search("marble", mode="vector", k=1)[0].content == "All about marble."
    assert calls == [("document", 1), ("document", 1), ("query", 1)]


@pytest.mark.parametrize("kind", ["numpy", "array", "tuple"])
def test_callback__may_give_any_rows(kind):
    def embed(texts, role):
        rows = directions(texts, role)
        if kind == "numpy":
            return pytest.importorskip("numpy").array(rows)
        return [array("f", row) if kind == "array" else tuple(row) for row in rows]

    with make_model(embed, batch_size=2) as model:
        vectors = model.embed(["granite", "marble", "sand"])
        assert vectors[2].tolist() == [0, 0, 1]
        assert vectors[0][0] == pytest.approx(0.5**0.5)


def test_callback__that_raises_gives_its_message():
    def embed(texts, role):
        raise RuntimeError("quota is used up: ünusable")

    with make_model(embed) as model:
        with pytest.raises(ragstore.EmbedderError, match="RuntimeError: quota is used up: ünusable"):
            model.embed(["granite"])


@pytest.mark.parametrize("rows", [[[1.0, 2.0]], [[1.0, 2.0, 3.0]] * 2, [], None, "text"])
def test_callback__must_give_rows_of_its_dimension(rows):
    with make_model(lambda texts, role: rows) as model:
        with pytest.raises(ragstore.EmbedderError):
            model.embed(["granite"])


def test_callback__is_let_go_when_nothing_uses_it():
    from ragstore import model as module

    before = len(module._alive)
    model = make_model()
    assert len(module._alive) == before + 1
    model.close()
    assert len(module._alive) == before
    with pytest.raises(ragstore.InvalidArgumentError):
        make_model(batch_size=257)
    with pytest.raises(ragstore.InvalidArgumentError):
        ragstore.Model.callback(directions, fingerprint="", dimension=3)
    assert len(module._alive) == before


def test_hashing__needs_no_file():
    with ragstore.Model.hashing() as model:
        assert model.dimension == 256
        assert model.fingerprint == "hashing/256/1"
        one, other = model.embed(["a b c", "C b a"])
        assert sum(x * y for x, y in zip(one, other)) == pytest.approx(1)
