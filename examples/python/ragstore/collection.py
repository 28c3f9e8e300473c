"""JSON documents of the application: queries, updates, aggregation, indexes."""

from __future__ import annotations

import ctypes
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from ctypes import c_char_p, c_uint64
from typing import Any, Union

from . import _convert, _ffi
from ._ffi import lib
from ._handle import Handle
from .errors import NotFoundError

Document = dict[str, Any]
Query = Mapping[str, Any]
# {"year": -1, "title": 1}
Sort = Union[Mapping[str, int], Sequence[tuple[str, int]]]


class Cursor(Handle):
    """Documents, one by one: an iterator. Closed at its end, by close() or by a `with` block."""

    _kind = "cursor"
    _free = "ragstore_cursor_free"

    def __init__(self, pointer: Any) -> None:
        super().__init__(pointer)
        self._turn = threading.Lock()
        self.version = ""  # of the document that came last; "" from an aggregation

    def __iter__(self) -> Iterator[Document]:
        return self

    def __next__(self) -> Document:
        if self.closed:
            raise StopIteration
        text = c_char_p()
        with self._turn, self._use() as pointer:
            lib.ragstore_cursor_next(ctypes.byref(text), None, pointer)
            raw = text.value
            self.version = lib.ragstore_cursor_version(pointer).decode()
        if raw is None:
            self.close()
            raise StopIteration
        return json.loads(raw)


class Collection(Handle):
    """Documents with an "_id". Any thread may use it.

    Filters, updates and pipelines are those of ragstore_query(7), which follow MongoDB's manual.
    """

    _kind = "collection"
    _free = "ragstore_collection_free"

    def __init__(self, pointer: Any, store: Any) -> None:
        super().__init__(pointer)
        self._store = store
        self.name: str = lib.ragstore_collection_name(pointer).decode()

    def __repr__(self) -> str:
        return f"<Collection {self.name!r}>"

    # ---- new documents ----

    def insert(self, document: Mapping[str, Any]) -> str:
        """Insert a document. Returns its _id: the given one, or a new one of 24 digits."""
        return self._insert(document)[0]

    def insert_many(self, documents: Sequence[Mapping[str, Any]]) -> list[str]:
        """Insert all of the documents or, when one cannot be inserted, none."""
        return self._insert(list(documents))

    def _insert(self, documents: Any) -> list[str]:
        raw = _convert.json_text(documents, "documents")
        out = _ffi.buffer_p()
        with self._use() as pointer:
            lib.ragstore_collection_insert(ctypes.byref(out), pointer, raw)
        return _convert.take_json(out)["inserted_ids"]

    # ---- finding ----

    def find(
        self,
        filter: Query | None = None,
        *,
        sort: Sort | None = None,
        skip: int = 0,
        limit: int | None = None,
        projection: Mapping[str, Any] | None = None,
    ) -> Cursor:
        """Find documents, in the order in which they were inserted unless `sort` says another.

            for document in books.find({"year": {"$gte": 1800}}, sort={"year": -1}, limit=10):

        It reads in batches; what others change in between is seen in its new form, and what is
        there all the time comes once. With `sort`, or in a batch of this thread, all is read at
        once.
        """
        options = _find_options(sort, skip, limit, projection)
        out = _ffi.cursor_p()
        raw = _convert.optional_json(filter, "filter")
        with self._use() as pointer:
            lib.ragstore_collection_find(ctypes.byref(out), pointer, raw, ctypes.byref(options))
        return Cursor(out)

    def find_one(
        self,
        filter: Query | None = None,
        *,
        sort: Sort | None = None,
        skip: int = 0,
        projection: Mapping[str, Any] | None = None,
    ) -> Document | None:
        """The first document, or None."""
        found = self.find_version(filter, sort=sort, skip=skip, projection=projection)
        return None if found is None else found[0]

    def find_version(
        self,
        filter: Query | None = None,
        *,
        sort: Sort | None = None,
        skip: int = 0,
        projection: Mapping[str, Any] | None = None,
    ) -> tuple[Document, str] | None:
        """The first document and its version, for an update that must not meet another one."""
        options = _find_options(sort, skip, None, projection)
        out, version = _ffi.buffer_p(), _ffi.buffer_p()
        raw = _convert.optional_json(filter, "filter")
        try:
            with self._use() as pointer:
                lib.ragstore_collection_find_one(
                    ctypes.byref(out), ctypes.byref(version), pointer, raw, ctypes.byref(options)
                )
        except NotFoundError:
            return None
        return _convert.take_json(out), _ffi.take_bytes(version).decode()

    def count(self, filter: Query | None = None) -> int:
        """How many documents match."""
        out = c_uint64()
        raw = _convert.optional_json(filter, "filter")
        with self._use() as pointer:
            lib.ragstore_collection_count(ctypes.byref(out), pointer, raw)
        return out.value

    def distinct(self, path: str, filter: Query | None = None) -> list[Any]:
        """The different values of a field, in the order of their first appearance."""
        raw = _convert.text(path, "path")
        with self._use() as pointer:
            return _convert.describe(
                "ragstore_collection_distinct",
                pointer,
                raw,
                _convert.optional_json(filter, "filter"),
            )

    def aggregate(self, pipeline: Sequence[Mapping[str, Any]]) -> Cursor:
        """What comes out when all documents pass the stages of a pipeline."""
        out = _ffi.cursor_p()
        raw = _convert.json_text(list(pipeline), "pipeline")
        with self._use() as pointer:
            lib.ragstore_collection_aggregate(ctypes.byref(out), pointer, raw)
        return Cursor(out)

    # ---- changing ----

    def update_one(
        self,
        filter: Query | None,
        update: Mapping[str, Any],
        *,
        upsert: bool = False,
        version: str | None = None,
    ) -> dict[str, Any]:
        """Update the first document that matches; nobody else's change is lost.

        upsert   insert a document when none matches
        version  raise ConflictError unless the document still has this version

        Returns matched_count, modified_count, upserted_id, version.
        """
        return self._apply("update_one", filter, update, upsert, version)

    def update_many(
        self, filter: Query | None, update: Mapping[str, Any], *, upsert: bool = False
    ) -> dict[str, Any]:
        """Update all documents that match, or none when one cannot be updated."""
        return self._apply("update_many", filter, update, upsert, None)

    def replace_one(
        self,
        filter: Query | None,
        document: Mapping[str, Any],
        *,
        upsert: bool = False,
        version: str | None = None,
    ) -> dict[str, Any]:
        """Replace the first document that matches; it keeps its _id."""
        return self._apply("replace_one", filter, document, upsert, version)

    def _apply(
        self,
        name: str,
        filter: Query | None,
        change: Mapping[str, Any],
        upsert: bool,
        version: str | None,
    ) -> dict[str, Any]:
        options = _ffi.collection_update_options(
            flags=_ffi.RAGSTORE_UPDATE_UPSERT if upsert else 0,
            version=_convert.optional_text(version, "version"),
        )
        with self._use() as pointer:
            return _convert.describe(
                "ragstore_collection_" + name,
                pointer,
                _convert.optional_json(filter, "filter"),
                _convert.json_text(change, "update"),
                ctypes.byref(options),
            )

    def delete_one(self, filter: Query | None = None) -> int:
        """Delete the first document that matches. Returns how many that was."""
        return self._delete("ragstore_collection_delete_one", filter)

    def delete_many(self, filter: Query | None = None) -> int:
        """Delete all documents that match. Returns how many that were."""
        return self._delete("ragstore_collection_delete_many", filter)

    def _delete(self, function: str, filter: Query | None) -> int:
        raw = _convert.optional_json(filter, "filter")
        with self._use() as pointer:
            return int(_convert.describe(function, pointer, raw)["deleted_count"])

    # ---- indexes ----

    def create_index(self, path: str) -> None:
        """Make filters on a field fast. The store keeps that there is an index."""
        raw = _convert.text(path, "path")
        with self._use() as pointer:
            lib.ragstore_collection_index_create(pointer, raw)

    def drop_index(self, path: str) -> None:
        """Drop the index of a field."""
        raw = _convert.text(path, "path")
        with self._use() as pointer:
            lib.ragstore_collection_index_drop(pointer, raw)

    def indexes(self) -> list[str]:
        """The paths that have an index."""
        with self._use() as pointer:
            listed = _convert.describe("ragstore_collection_index_list", pointer)
        return [index["path"] for index in listed]

    def explain(self, filter: Query | None = None) -> dict[str, Any]:
        """How a filter would be answered: plan, index, candidates, documents."""
        raw = _convert.optional_json(filter, "filter")
        with self._use() as pointer:
            return _convert.describe("ragstore_collection_explain", pointer, raw)


def _find_options(
    sort: Sort | None, skip: int, limit: int | None, projection: Mapping[str, Any] | None
) -> Any:
    if sort is not None and not isinstance(sort, Mapping):
        sort = dict(sort)
    return _ffi.collection_find_options(
        sort_json=_convert.optional_json(sort, "sort"),
        projection_json=_convert.optional_json(projection, "projection"),
        skip=_convert.number(skip, "skip", 0, _convert.U64_MAX),
        limit=_convert.number(limit, "limit", 1, _convert.U64_MAX),
    )

