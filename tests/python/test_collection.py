"""Collection and Cursor."""

from __future__ import annotations

import threading

import pytest

import ragstore

BOOKS = [
    {"_id": "emma", "title": "Emma", "year": 1815, "tags": ["novel", "comedy"]},
    {"_id": "persuasion", "title": "Persuasion", "year": 1817, "tags": ["novel"]},
    {"_id": "ulysses", "title": "Ulysses", "year": 1922, "author": {"name": "Joyce"}},
]


@pytest.fixture
def books(store):
    collection = store.collection("books")
    collection.insert_many(BOOKS)
    return collection


def titles(cursor):
    return [document["title"] for document in cursor]


def test_collection__keeps_documents_over_an_opening(directory):
    with ragstore.Store(directory) as store:
        books = store.collection("books")
        assert books.name == "books"
        assert books.insert({"title": "Emma", "price": 1.0}) == books.find_one()["_id"]
        books.insert_many(BOOKS[1:])
    with ragstore.Store(directory) as store:
        books = store.collection("books")
        assert titles(books.find()) == ["Emma", "Persuasion", "Ulysses"]
        assert isinstance(books.find_one({"title": "Emma"})["price"], float)
        assert store.collections() == [{"name": "books", "documents": 3}]


def test_collection_insert__refuses_an_id_twice(books):
    with pytest.raises(ragstore.ExistsError):
        books.insert_many([{"title": "new"}, {"_id": "emma"}])
    assert books.count() == 3
    with pytest.raises(ragstore.InvalidDataError):
        books.insert({"_id": 7})
    with pytest.raises(ragstore.InvalidArgumentError):
        books.insert({"a": float("nan")})


@pytest.mark.parametrize("name", ["", "a b", "_x", "chunks", "x" * 65])
def test_collection__refuses_names(store, name):
    with pytest.raises(ragstore.InvalidArgumentError):
        store.collection(name)


def test_collection_find__filters_sorts_and_projects(books):
    assert titles(books.find({"tags": "novel"})) == ["Emma", "Persuasion"]
    assert titles(books.find(sort={"year": -1}, limit=2)) == ["Ulysses", "Persuasion"]
    assert titles(books.find(sort=[("year", 1)], skip=2)) == ["Ulysses"]
    assert list(books.find({"_id": "emma"}, projection={"_id": 0, "year": 1})) == [{"year": 1815}]
    assert books.find_one({"author.name": "Joyce"})["_id"] == "ulysses"
    assert books.find_one({"year": 0}) is None
    assert books.count({"year": {"$lt": 1900}}) == 2
    with pytest.raises(ragstore.QueryError, match=r"\$foo"):
        books.find({"year": {"$foo": 1}})
    with pytest.raises(ragstore.InvalidArgumentError):
        books.find(limit=0)


def test_cursor__is_closed_at_its_end_or_before(books):
    cursor = books.find()
    assert len(next(cursor)["title"]) == 4
    assert len(cursor.version) == 32
    assert len(list(cursor)) == 2
    assert cursor.closed
    assert list(cursor) == []
    with books.find() as cursor:
        next(cursor)
    assert cursor.closed


def test_collection_changes__tell_what_they_did(books):
    told = books.update_one({"_id": "emma"}, {"$inc": {"read": 1}})
    assert (told["matched_count"], told["modified_count"]) == (1, 1)
    assert books.update_many({}, {"$set": {"shelf": 2}})["modified_count"] == 3
    told = books.update_one({"_id": "new"}, {"$set": {"title": "New"}}, upsert=True)
    assert told["upserted_id"] == "new"
    books.replace_one({"_id": "new"}, {"title": "Newer"})
    assert books.find_one({"_id": "new"}) == {"_id": "new", "title": "Newer"}
    assert books.delete_one({"_id": "new"}) == 1
    assert books.delete_many({"year": {"$lt": 1900}}) == 2
    assert books.count() == 1


def test_collection_update__conflicts_when_somebody_was_faster(books):
    document, version = books.find_version({"_id": "emma"})
    books.update_one({"_id": "emma"}, {"$inc": {"read": 1}}, version=version)
    with pytest.raises(ragstore.ConflictError):
        books.replace_one({"_id": "emma"}, document, version=version)
    assert books.find_one({"_id": "emma"})["read"] == 1


def test_collection_update__loses_nothing_among_threads(store):
    counters = store.collection("counters")

    def count():
        for _ in range(25):
            counters.update_one({"_id": "n"}, {"$inc": {"n": 1}}, upsert=True)

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counters.find_one() == {"_id": "n", "n": 100}


@pytest.mark.parametrize("indexed", [True, False])
def test_collection_upsert__by_a_field_makes_one_document_among_threads(store, indexed):
    counters = store.collection("counters")
    if indexed:
        counters.create_index("name")

    def count():
        for i in range(30):
            counters.update_one({"name": f"n{i % 6}"}, {"$inc": {"n": 1}}, upsert=True)

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert counters.count() == 6
    assert sum(found["n"] for found in counters.find()) == 8 * 30


def test_collection_aggregate__and_distinct(books):
    pipeline = [
        {"$match": {"year": {"$lt": 1900}}},
        {"$group": {"_id": None, "first": {"$min": "$year"}}},
    ]
    assert list(books.aggregate(pipeline)) == [{"_id": None, "first": 1815}]
    assert books.distinct("tags") == ["novel", "comedy"]
    assert books.distinct("year", {"tags": "comedy"}) == [1815]


def test_collection_index__is_used_and_listed(books):
    assert books.explain({"year": 1815})["plan"] == "scan"
    books.create_index("year")
    assert books.indexes() == ["year"]
    told = books.explain({"year": 1815})
    assert (told["plan"], told["index"], told["candidates"]) == ("index", "year", 1)
    assert titles(books.find({"year": {"$gt": 1815, "$lt": 1900}})) == ["Persuasion"]
    with pytest.raises(ragstore.ExistsError):
        books.create_index("year")
    books.drop_index("year")
    with pytest.raises(ragstore.NotFoundError):
        books.drop_index("year")
    assert books.indexes() == []


def test_collection__takes_part_in_a_batch(store, books):
    with pytest.raises(ZeroDivisionError), store.batch():
        books.delete_many()
        assert books.count() == 0
        raise ZeroDivisionError
    assert books.count() == 3


def test_collection_entities__can_only_be_read(store, entity):
    entities = store.collection("entities")
    assert entities.find_one()["entity_id"] == entity.id
    with pytest.raises(ragstore.ReadOnlyError):
        entities.delete_many()


def test_collection__is_closed_with_its_store(directory):
    store = ragstore.Store(directory)
    books = store.collection("books")
    books.insert({})
    cursor = books.find()
    store.close()
    with pytest.raises(ragstore.ClosedError):
        books.count()
    with pytest.raises(ragstore.ClosedError):
        next(cursor)
