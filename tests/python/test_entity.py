"""Entity, Document and Upload."""

from __future__ import annotations

import hashlib
from array import array

import pytest
from conftest import ROCKS

import ragstore


@pytest.mark.parametrize("id", ["acme", "Acme Corp", "日本", "a.b-c_d", "x" * 128, "%41", "con"])
def test_entity_id__may_be_any_sensible_text(store, id):
    assert store.create_entity(id).id == id
    assert store.entity(id).describe()["entity_id"] == id


@pytest.mark.parametrize(
    "id", ["", ".", "..", "a/b", "../up", "a\\b", " a", "a ", "a\nb", "x" * 129, "a\0b", "\ud800"]
)
def test_entity_id_that_is_no_name__is_refused(store, id):
    with pytest.raises(ragstore.InvalidArgumentError):
        store.create_entity(id)


def test_entity_created_twice__exists(store):
    store.create_entity("a")
    with pytest.raises(ragstore.ExistsError):
        store.create_entity("a")


def test_entity_chunk_sizes__are_taken_for_good(store):
    text = "".join(f"Stone number {i} is made of hard grey granite. " for i in range(40))
    counts = []
    for tokens in (0, 50):
        entity = store.create_entity(f"cut {tokens}", chunk_tokens=tokens)
        entity.add(text.encode(), filename="stones.txt")
        counts.append(entity.describe()["total_chunks"])
    assert counts[1] >= 3 * counts[0]
    with pytest.raises(ragstore.InvalidArgumentError):
        store.create_entity("too short", chunk_tokens=15)


def test_entity_update__changes_what_is_given(entity):
    entity.update(name="Geology", metadata={"a": 1})
    entity.update(description="stones")
    described = entity.describe()
    assert described["entity_name"] == "Geology"
    assert described["description"] == "stones"
    assert described["metadata"] == {"a": 1}
    entity.update(metadata={})
    assert entity.describe()["metadata"] == {}


def test_entity_metadata_over_the_limit__is_too_large(store):
    with pytest.raises(ragstore.TooLargeError):
        store.create_entity("a", metadata={"text": "x" * 17000})


def test_entity_metadata_that_is_no_json__is_refused(store):
    with pytest.raises(ragstore.InvalidArgumentError):
        store.create_entity("a", metadata={"x": float("nan")})
    with pytest.raises(TypeError):
        store.create_entity("a", metadata={"x": object()})


def test_entity_without_a_model__says_that_it_searches_by_keyword(entity):
    described = entity.describe()
    assert described["search_mode"] == "keyword"
    assert described["embedder"] is None
    assert described["notice"]


def test_document_add__is_described(entity, rocks):
    described = rocks.describe()
    raw = ROCKS.encode()
    assert described["doc_id"] == rocks.id
    assert rocks.id.startswith("doc_")
    assert described["entity_id"] == "geology"
    assert described["filename"] == "rocks.md"
    assert described["file_size"] == len(raw)
    assert described["sha256"] == hashlib.sha256(raw).hexdigest()
    assert described["metadata"] == {"year": 2020, "tags": ["stone"]}
    assert described["chunks_count"] >= 1
    assert described["is_duplicate"] is False
    assert described["replaced"] is False
    assert rocks.content() == raw
    assert "Granite forms" in rocks.text()


def test_document_added_twice__is_a_duplicate_of_the_first(entity, rocks):
    again = entity.add(ROCKS, filename="other-name.md")
    assert again.id == rocks.id
    assert again.describe()["is_duplicate"] is True
    assert len(entity.documents()) == 1


def test_document_of_one_key__is_replaced_and_keeps_its_id(entity):
    first = entity.add("The old text about ducks.", key="note", filename="note.txt")
    second = entity.add("The new text about geese.", key="note", filename="note.txt")
    assert second.id == first.id
    assert second.describe()["replaced"] is True
    assert len(entity.search("ducks", mode="keyword")) == 0
    assert len(entity.search("geese", mode="keyword")) == 1
    assert second.content() == b"The new text about geese."


def test_document_of_two_files_of_one_name__keeps_both(entity):
    one = entity.add("The first text.", filename="same.txt")
    two = entity.add("The second text.", filename="same.txt")
    assert one.id != two.id
    entity.delete_document(one.id)
    assert two.content() == b"The second text."


def test_document_delete__hides_it(entity, rocks):
    entity.delete_document(rocks.id)
    assert len(entity.search("granite")) == 0
    assert entity.documents() == []
    with pytest.raises(ragstore.NotFoundError):
        entity.document(rocks.id)
    with pytest.raises(ragstore.NotFoundError):
        entity.delete_document(rocks.id)


def test_document_of_another_entity__is_not_found(store, entity, rocks):
    other = store.create_entity("other")
    with pytest.raises(ragstore.NotFoundError):
        other.document(rocks.id)
    with pytest.raises(ragstore.NotFoundError):
        other.delete_document(rocks.id)
    assert len(other.search("granite")) == 0


def test_documents__lists_in_order(entity):
    ids = [entity.add(f"Text number {i}.", filename=f"{i}.txt").id for i in range(3)]
    assert [each["doc_id"] for each in entity.documents()] == ids
    assert [each["doc_id"] for each in entity.documents(limit=1, offset=2)] == ids[2:]
    assert [each["doc_id"] for each in entity.documents(match="1.TXT")] == [ids[1]]


@pytest.mark.parametrize("content", [b"", b"\0\1\2\3" * 500, b"%PDF-1.7\n\xff\xfe"])
def test_document_without_text__is_not_extractable(entity, content):
    with pytest.raises(ragstore.NotExtractableError):
        entity.add(content, filename="thing.bin")
    assert entity.documents() == []


def test_document_add_file__streams_it(entity, tmp_path):
    path = tmp_path / "long.txt"
    path.write_text("".join(f"Sentence number {i} is here.\n\n" for i in range(50000)))
    document = entity.add_file(path, source="the archive")
    described = document.describe()
    assert described["filename"] == "long.txt"
    assert described["file_size"] == path.stat().st_size
    hit = entity.search("sentence 49876", k=3)[0]
    assert hit.source == "the archive"
    assert document.content() == path.read_bytes()


def test_document_add_file_that_is_missing__is_pythons_error(entity, tmp_path):
    with pytest.raises(FileNotFoundError):
        entity.add_file(tmp_path / "none.txt")
    assert entity.documents() == []


def test_document_progress__is_called_and_its_exception_comes_out(entity):
    text = "\n\n".join(f"Paragraph {i} says something of its own." for i in range(3000))
    stages = []
    entity.add(text, progress=lambda stage, done, total: stages.append((stage, done, total)))
    assert stages
    assert all(isinstance(stage, str) for stage, _, _ in stages)

    def fail(stage, done, total):
        raise KeyError("stop")

    with pytest.raises(KeyError):
        entity.add(text + "more", progress=fail)
    with pytest.raises(ragstore.CancelledError):
        entity.add(text + "more", progress=lambda *_: False)
    assert len(entity.documents()) == 1


def test_document_chunks__of_the_callers_own(entity):
    document = entity.add_chunks(
        [
            "The first chunk is about copper.",
            {"text": "The second is about tin.", "metadata": {"metal": "tin"}, "page": 7,
             "start": 33, "end": 57},
        ],
        source="handbook",
        metadata={"metal": "unknown", "year": 1990},
    )  # fmt: skip
    assert document.describe()["chunks_count"] == 2
    hit = entity.search("tin", mode="keyword")[0]
    assert hit.metadata == {"metal": "tin", "year": 1990}
    assert (hit.page, hit.start, hit.end) == (7, 33, 57)
    assert (hit.source, hit.chunk_order) == ("handbook", 1)
    with pytest.raises(ragstore.NotFoundError):
        document.content()


def test_document_chunks_with_bad_input__are_refused_whole(entity):
    with pytest.raises(ragstore.InvalidDataError):
        entity.add_chunks(["good", {"metadata": {}}])
    with pytest.raises(ragstore.InvalidDataError):
        entity.add_chunks([])
    with pytest.raises(ragstore.InvalidArgumentError):
        entity.add_chunks(["one", "two"], vectors=[[1.0, 0.0]])
    assert entity.documents() == []


def test_document_chunks_with_vectors__are_found_by_them(vector_entity, model):
    dimension = model.dimension
    rows = [array("f", [1.0 if i == j else 0.0 for i in range(dimension)]) for j in range(3)]
    vector_entity.add_chunks(["axis zero", "axis one", "axis two"], vectors=rows)
    result = vector_entity.search(vector=rows[1], mode="vector", k=1)
    assert result[0].content == "axis one"
    assert result[0].vector_score == pytest.approx(1.0, abs=1e-5)
    query = [0.0] * 3 + [1.0] + [0.0] * (dimension - 4)
    vector_entity.add_chunks([{"text": "axis three", "vector": array("f", query)}])
    assert vector_entity.search(vector=query, mode="vector", k=1)[0].content == "axis three"


def test_document_chunks_with_a_wrong_dimension__are_refused_whole(vector_entity):
    vector_entity.add_chunks(["first"], vectors=[[1.0, 0.0, 0.0]])  # the first ones decide
    with pytest.raises(ragstore.InvalidDataError):
        vector_entity.add_chunks(["one", "two"], vectors=[[1.0, 0.0], [0.0, 1.0]])
    assert len(vector_entity.documents()) == 1
    assert vector_entity.search(vector=[1.0, 0.0, 0.0], mode="vector")[0].content == "first"


def test_upload__commits_at_the_end_of_the_block(entity):
    with entity.upload(filename="pieces.txt", metadata={"n": 1}) as upload:
        assert upload.write(b"One piece and ") == 14
        upload.write(bytearray(b"another "))
        upload.write(memoryview(b"piece."))
        upload.write(b"")
    assert upload.document.content() == b"One piece and another piece."
    assert upload.document.describe()["metadata"] == {"n": 1}
    with pytest.raises(ragstore.ClosedError):
        upload.write(b"more")


def test_upload_with_an_exception__leaves_no_trace(entity, directory):
    with pytest.raises(ZeroDivisionError), entity.upload(filename="x.txt") as upload:
        upload.write(b"text that will be forgotten")
        raise ZeroDivisionError
    assert upload.document is None
    assert entity.documents() == []
    assert [path for path in (directory / "uploads").rglob("*") if path.is_file()] == []


def test_upload_commit__gives_the_document_once(entity):
    upload = entity.upload(filename="a.txt")
    upload.write(b"Some text.")
    assert upload.commit().describe()["filename"] == "a.txt"
    with pytest.raises(ragstore.ClosedError):
        upload.commit()
    upload.abort()


def test_upload_without_text__is_not_extractable_and_forgotten(entity):
    upload = entity.upload(filename="empty.txt")
    with pytest.raises(ragstore.NotExtractableError):
        upload.commit()
    assert upload.closed
    assert entity.documents() == []


def test_document__is_changed_and_found_by_it(store):
    entity = store.create_entity("changed")
    document = entity.add("granite and marble", filename="a.txt", metadata={"year": 1})
    document.update(metadata={"year": 2}, source="The quarry")
    assert document.describe()["metadata"] == {"year": 1}  # as it was
    assert entity.document(document.id).describe()["metadata"] == {"year": 2}
    assert [hit.source for hit in entity.search("granite", filter={"year": 2})] == ["The quarry"]
    with pytest.raises(ragstore.InvalidArgumentError):
        document.update(source="\ud800")
