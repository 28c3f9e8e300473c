"""Entity.search, Result, Hit, Index and Model."""

from __future__ import annotations

import json
import math
from array import array

import pytest
from conftest import ROCKS

import ragstore

TEXTS = {
    "2019.txt": ("Copper prices rose in spring.", {"year": 2019, "tags": ["metal", "price"]}),
    "2020.txt": ("Copper mines closed in autumn.", {"year": 2020, "tags": ["metal"]}),
    "2021.txt": ("Copper is recycled from cables.", {"year": 2021}),
}


@pytest.fixture
def copper(entity):
    return {
        name: entity.add(text, filename=name, metadata=metadata).id
        for name, (text, metadata) in TEXTS.items()
    }


def test_search__gives_hits_with_all_their_parts(entity, rocks):
    result = entity.search("sandstone grains", k=1)
    assert result.mode == "keyword"
    assert len(result) == 1
    hit = result[0]
    assert "Sandstone is made" in hit.content
    assert hit.doc_id == rocks.id
    assert hit.doc_name == hit.source == "rocks.md"
    assert hit.metadata == {"year": 2020, "tags": ["stone"]}
    assert "Rocks" in hit.heading
    assert hit.chunk_number >= 0
    assert hit.page is None
    assert hit.vector_score is None
    assert 0 < hit.score <= 1
    assert hit.score == hit.keyword_score
    text = rocks.text().encode()
    assert "Sandstone is made" in text[hit.start : hit.end].decode()


def test_search_result__is_a_sequence_that_outlives_its_store(directory):
    with ragstore.Store(directory) as store:
        entity = store.create_entity("a")
        for name, (text, _) in TEXTS.items():
            entity.add(text, filename=name)
        result = entity.search("copper")
    assert len(result) == 3
    assert list(result) == [result[0], result[1], result[2]]
    assert result[-1] == result[2]
    assert result[1:] == [result[1], result[2]]
    assert {hit.doc_name for hit in result} == set(TEXTS)
    assert json.loads(json.dumps(result.to_list()))[0]["content"] == result[0].content
    with pytest.raises(IndexError):
        result[3]


@pytest.mark.parametrize(
    "filter,names",
    [
        ({"year": 2020}, {"2020.txt"}),
        ({"year": {"$gte": 2020}}, {"2020.txt", "2021.txt"}),
        ({"tags": "price"}, {"2019.txt"}),
        ({"tags": {"$exists": False}}, {"2021.txt"}),
        ({"$or": [{"year": 2019}, {"year": 2021}]}, {"2019.txt", "2021.txt"}),
        ({"year": {"$in": [1, 2]}}, set()),
        ({}, set(TEXTS)),
    ],
)
def test_search_filter__leaves_what_matches(entity, copper, filter, names):
    assert {hit.doc_name for hit in entity.search("copper", filter=filter)} == names


def test_search_filter_with_an_unknown_operator__is_an_error(entity, copper):
    with pytest.raises(ragstore.QueryError):
        entity.search("copper", filter={"year": {"$greater": 1}})


def test_search_doc_ids__applies_before_ranking(entity, copper):
    ids = [copper["2021.txt"]]
    assert [hit.doc_id for hit in entity.search("copper prices", k=1, doc_ids=ids)] == ids
    assert len(entity.search("copper", doc_ids=[])) == 0
    assert len(entity.search("copper", doc_ids=["doc_unknown"])) == 0
    with pytest.raises(TypeError):
        entity.search("copper", doc_ids="doc_unknown")


def test_search_min_score__leaves_out_the_weak(entity, copper):
    query = "copper prices in spring"
    strongest = entity.search(query)[0].score
    left = entity.search(query, min_score=strongest - 0.01)
    assert [hit.doc_name for hit in left] == ["2019.txt"]


@pytest.mark.parametrize("options", [{"k": 0}, {"k": 10**6}, {"k": 10**20}, {"neighbors": 11},
                                     {"mode": "magic"}, {"k": -1}])  # fmt: skip
def test_search_options_out_of_range__are_refused(entity, copper, options):
    with pytest.raises(ragstore.InvalidArgumentError):
        entity.search("copper", **options)


@pytest.mark.parametrize("query,error", [
    ("", ragstore.RagstoreError),
    ("a\0b", ragstore.InvalidArgumentError),
    ("\ud800", ragstore.InvalidArgumentError),
    ("x" * 40000, ragstore.TooLargeError),
])  # fmt: skip
def test_search_query_that_is_not_valid__is_refused(entity, copper, query, error):
    with pytest.raises(error):
        entity.search(query)


def test_search_by_vector_without_a_model__is_an_embedder_error(entity, copper):
    with pytest.raises(ragstore.EmbedderError):
        entity.search("copper", mode="vector")
    with pytest.raises(ragstore.EmbedderError):
        entity.index()


def test_search_modes__score_as_they_say(vector_entity):
    vector_entity.add(ROCKS, filename="rocks.md")
    hybrid = vector_entity.search("a rock that was transformed by heat")
    assert hybrid.mode == "hybrid"
    for hit in hybrid:
        expected = (max(0.0, hit.vector_score) + (hit.keyword_score or 0.0)) / 2
        assert hit.score == pytest.approx(expected, abs=1e-5)
    vector = vector_entity.search("a rock that was transformed by heat", mode="vector")
    assert vector.mode == "vector"
    assert "Marble" in vector[0].content
    assert vector[0].score == pytest.approx(max(0.0, vector[0].vector_score), abs=1e-6)
    keyword = vector_entity.search("limestone", mode="keyword")
    assert keyword.mode == "keyword"
    assert keyword[0].score == keyword[0].keyword_score


def test_model__embeds_unit_vectors(model):
    vectors = model.embed(["a cat", "a kitten", "an invoice"])
    assert [len(vector) for vector in vectors] == [model.dimension] * 3
    for vector in vectors:
        assert math.sqrt(math.fsum(x * x for x in vector)) == pytest.approx(1.0, abs=1e-5)
    near = math.fsum(a * b for a, b in zip(vectors[0], vectors[1], strict=True))
    far = math.fsum(a * b for a, b in zip(vectors[0], vectors[2], strict=True))
    assert near > far
    assert model.embed([]) == []


@pytest.mark.parametrize(("precision", "cosine"), [("int16", 0.99999), ("int8", 0.99)])
def test_model__in_whole_numbers__is_nearly_the_same(model, precision, cosine):
    small = ragstore.Model(precision=precision, threads=1)
    assert small.fingerprint == f"{model.fingerprint}/{precision}"
    floats = ragstore.Model(precision="float32")
    assert floats.fingerprint == model.fingerprint
    for mine, theirs in zip(small.embed(["a cat"]), floats.embed(["a cat"]), strict=True):
        assert mine != theirs
        assert math.fsum(a * b for a, b in zip(mine, theirs, strict=True)) > cosine


def test_model__with_prompts__tells_queries_from_documents(model):
    asked = ragstore.Model(query_prompt="query: ", document_prompt="passage: ")
    assert asked.fingerprint != model.fingerprint
    assert asked.embed_queries(["a cat"]) == model.embed(["query: a cat"])
    assert asked.embed(["a cat"]) == model.embed(["passage: a cat"])
    assert model.embed_queries(["a cat"]) == model.embed(["a cat"])


@pytest.mark.parametrize("wrong", [{"threads": -1}, {"threads": 65}, {"precision": "int4"}])
def test_model__with_an_option_out_of_range__is_refused(wrong):
    with pytest.raises(ragstore.InvalidArgumentError):
        ragstore.Model(**wrong)


def test_model__tokenizes_as_its_vocabulary_says(model):
    assert model.tokenize("hello world") == [101, 7592, 2088, 102]
    assert len(model.tokenize("word " * 3000)) == 256


def test_model__names_itself(model):
    assert model.fingerprint.count("/") >= 2
    assert str(model.dimension) in model.fingerprint


def test_model_that_is_missing__raises_not_found(tmp_path, monkeypatch):
    with pytest.raises(ragstore.NotFoundError):
        ragstore.Model(tmp_path / "none")
    monkeypatch.setenv("RAGSTORE_MODEL", str(tmp_path / "none"))
    with pytest.raises(ragstore.NotFoundError):
        ragstore.Model()


@pytest.fixture
def axes(vector_entity, model):
    """Chunks 0 … 3 whose vectors are unit axes."""
    size = model.dimension
    rows = [[1.0 if i == j else 0.0 for i in range(size)] for j in range(4)]
    vector_entity.add_chunks([f"axis {i}" for i in range(4)], vectors=rows)
    return rows


def test_index__describes_itself(vector_entity, axes, model):
    with vector_entity.index() as index:
        described = index.describe()
        assert described["count"] == 4
        assert described["dimension"] == model.dimension
        assert described["embedder"] == model.fingerprint


@pytest.mark.parametrize("kind", ["list", "array", "memoryview", "numpy", "numpy64"])
def test_index_search__takes_whatever_holds_numbers(vector_entity, axes, kind):
    index = vector_entity.index()
    row = axes[2]
    if kind.startswith("numpy"):
        numpy = pytest.importorskip("numpy")
        query = numpy.array(row, dtype=numpy.float64 if kind == "numpy64" else numpy.float32)
    else:
        query = {
            "list": row,
            "array": array("f", row),
            "memoryview": memoryview(array("d", row)),
        }[kind]
    numbers, scores = index.search(query, k=2)
    assert numbers[0] == 2
    assert scores[0] == pytest.approx(1.0)
    if kind.startswith("numpy"):
        assert numbers.shape == scores.shape == (2,)
    else:
        assert isinstance(numbers, list)


def test_index_search__of_several_queries_has_a_row_for_each(vector_entity, axes):
    index = vector_entity.index()
    numbers, scores = index.search([axes[3], array("f", axes[1])], k=6)
    assert [row[0] for row in numbers] == [3, 1]
    assert numbers[0][4:] == [-1, -1]
    assert all(math.isnan(score) for score in scores[0][4:])
    assert index.search([], k=3) == ([], [])


def test_index_search__of_a_numpy_matrix_is_a_numpy_matrix(vector_entity, axes):
    numpy = pytest.importorskip("numpy")
    index = vector_entity.index()
    matrix = numpy.asarray(axes, dtype=numpy.float32)
    numbers, scores = index.search(matrix, k=1)
    assert numbers.dtype == numpy.int64
    assert scores.dtype == numpy.float32
    assert numbers[:, 0].tolist() == [0, 1, 2, 3]
    strided = numpy.asfortranarray(matrix)[::2]
    assert index.search(strided, k=1)[0][:, 0].tolist() == [0, 2]
    assert index.search(numpy.zeros((0, matrix.shape[1])), k=3)[0].shape == (0, 3)


def test_index_search_that_is_malformed__is_refused(vector_entity, axes):
    index = vector_entity.index()
    with pytest.raises(ragstore.InvalidArgumentError):
        index.search([1.0, 2.0])
    with pytest.raises(ragstore.InvalidArgumentError):
        index.search([axes[0], axes[1][:-1]])
    with pytest.raises(ragstore.InvalidArgumentError):
        index.search([float("nan")] + axes[0][1:])
    with pytest.raises(ragstore.InvalidArgumentError):
        index.search([[["deep"]]])
    for k in (0, 16385, -1):
        with pytest.raises(ragstore.InvalidArgumentError):
            index.search(axes[0], k=k)
    with pytest.raises(TypeError):
        index.search("text")


def test_index_settings__are_text_by_key(vector_entity, axes):
    index = vector_entity.index()
    assert [index.get(key) for key in ("kind", "probes", "candidates")] == ["auto", "0", "0"]
    index.set("kind", "codes")
    index.set("probes", 12)
    assert vector_entity.index().get("kind") == "codes"
    assert index.get("probes") == "12"
    assert index.describe()["kind"] == "codes"
    index.set("probes", None)
    assert index.get("probes") == "0"
    with pytest.raises(ragstore.InvalidArgumentError, match="candidates"):
        index.set("speed", "high")
    with pytest.raises(ragstore.InvalidArgumentError, match="partition"):
        index.set("kind", "fast")
    with pytest.raises(ragstore.InvalidArgumentError):
        index.get("speed")


def test_index_rebuild__tells_how_far_it_is_and_can_be_cancelled(store):
    entity = store.create_entity("plane", index="codes")
    rows = [[math.cos(i), math.sin(i), 1.0] for i in range(4200)]
    entity.add_chunks([str(i) for i in range(4200)], vectors=rows)
    index = entity.index()
    heard = []
    index.rebuild(progress=lambda stage, done, total: heard.append((stage, done, total)))
    assert heard[0][0] == "train"
    assert heard[-1] == ("vectors", 4200, 4200)
    assert index.describe()["tier"] == "codes"
    with pytest.raises(ragstore.CancelledError):
        index.rebuild(progress=lambda *_: False)
    index.rebuild()
    assert index.describe()["coded"] == 4200


@pytest.mark.parametrize("metric", ["cosine", "inner_product", "l2"])
def test_entity_metric__ranks_by_it(store, metric):
    rows = [[1.0, 0.0], [3.0, 3.0], [0.0, 2.0]]
    entity = store.create_entity("plane", metric=metric, index="exact")
    entity.add_chunks(["a", "b", "c"], vectors=rows)
    index = entity.index()
    assert index.describe()["metric"] == metric
    assert index.get("kind") == "exact"
    numbers, scores = index.search([2.0, 1.0], k=3)
    expected = {
        "cosine": ([1, 0, 2], [0.94868, 0.89443, 0.44721]),
        "inner_product": ([1, 0, 2], [9, 2, 2]),
        "l2": ([0, 1, 2], [-2, -5, -5]),
    }[metric]
    assert numbers == expected[0]
    assert scores == pytest.approx(expected[1], abs=1e-4)


def test_index_vector__is_what_was_given(vector_entity, axes):
    index = vector_entity.index()
    assert list(index.vector(3)) == axes[3]
    with pytest.raises(ragstore.NotFoundError):
        index.vector(4)
    with pytest.raises(ragstore.RagstoreError):
        index.vector(-1)


def test_index_export__is_read_by_faiss(vector_entity, axes, directory):
    numpy = pytest.importorskip("numpy")
    faiss = pytest.importorskip("faiss")
    index = vector_entity.index()
    index.export()
    read = faiss.read_index(str(directory / index.describe()["file"]))
    assert read.ntotal == 4
    query = numpy.asarray(axes[1:2], dtype=numpy.float32)
    scores, numbers = read.search(query, 3)
    ours = index.search(query, k=3)
    assert numbers[0][0] == ours[0][0][0] == 1
    assert numpy.allclose(scores, ours[1])


def test_import_faiss__takes_vectors_texts_and_ids(vector_store, vector_entity, axes, directory):
    exported = vector_entity.index()
    exported.export()
    path = directory / exported.describe()["file"]
    for number, chunks in enumerate([None, ["zero", "one", {"text": "two"}, "three"]]):
        entity = vector_store.create_entity(f"imported{number}")
        document = entity.import_faiss(path, chunks, source="elsewhere")
        assert document.describe()["chunks_count"] == 4
        assert document.describe()["filename"] == "index.faiss"
        hit = entity.search("", vector=exported.vector(2), mode="vector", k=1)[0]
        assert hit.content == ("vector 2" if chunks is None else "two")
        assert hit.metadata["faiss_id"] == 2
    with pytest.raises(ragstore.NotFoundError):
        vector_entity.import_faiss(directory / "nothing.faiss")
    with pytest.raises(ragstore.InvalidDataError):
        vector_entity.import_faiss(directory / "ragstore.json")


@pytest.mark.parametrize("kind", ["Flat", "IDMap,Flat", "IDMap2,Flat"])
@pytest.mark.parametrize("metric", ["METRIC_INNER_PRODUCT", "METRIC_L2"])
def test_import_faiss__reads_what_a_newer_faiss_writes(vector_store, directory, kind, metric):
    numpy = pytest.importorskip("numpy")
    faiss = pytest.importorskip("faiss")
    rows = numpy.random.default_rng(3).standard_normal((50, 12)).astype(numpy.float32)
    rows /= numpy.linalg.norm(rows, axis=1, keepdims=True)
    made = faiss.index_factory(12, kind, getattr(faiss, metric))
    ids = numpy.arange(50, dtype=numpy.int64)
    if kind != "Flat":
        ids = ids * 7 + 3
        made.add_with_ids(rows, ids)
    else:
        made.add(rows)
    path = directory.parent / "made.faiss"
    faiss.write_index(made, str(path))
    entity = vector_store.create_entity("imported")
    entity.import_faiss(path)
    for query in rows[:5]:
        theirs = made.search(query[None], 10)[1][0]
        ours = entity.search("", vector=query, mode="vector", k=10)
        assert [hit.metadata["faiss_id"] for hit in ours] == list(theirs)


def test_import_faiss__names_a_kind_that_it_does_not_read(vector_store, directory):
    numpy = pytest.importorskip("numpy")
    faiss = pytest.importorskip("faiss")
    made = faiss.index_factory(8, "HNSW8")
    made.add(numpy.ones((5, 8), dtype=numpy.float32))
    path = directory.parent / "made.faiss"
    faiss.write_index(made, str(path))
    entity = vector_store.create_entity("imported")
    with pytest.raises(ragstore.UnsupportedError, match="IHNf"):
        entity.import_faiss(path)
