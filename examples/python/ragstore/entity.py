"""Entities: the tenants of a store, each with documents, vectors and conversations of its own."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable, Mapping, Sequence
from ctypes import POINTER, c_char_p
from pathlib import Path
from typing import Any

from . import _convert, _ffi
from ._convert import Callbacks, Floats
from ._ffi import lib
from ._handle import Handle
from .document import Document, Progress, Upload, add_options
from .errors import invalid
from .job import Job
from .index import Index
from .result import FUSIONS, MODES, Result, read_result
from .session import Session


_SOON_ADDED = 1 << 20  # numbers: adding so many vectors is no call that Ctrl-C would have to end


class Entity(Handle):
    """A tenant. Nothing of another entity is ever seen through it. Any thread may use it.

    When the entity is deleted, calls raise NotFoundError, also if one of the same id is created
    again.
    """

    _kind = "entity"
    _free = "ragstore_entity_free"

    def __init__(self, pointer: Any, store: Any) -> None:
        super().__init__(pointer)
        self._store = store
        self.id: str = lib.ragstore_entity_id(pointer).decode()

    def __repr__(self) -> str:
        return f"<Entity {self.id!r}>"

    def describe(self) -> dict[str, Any]:
        """entity_id, entity_name, description, metadata, created_at, total_documents,
        total_chunks, has_vector_store, embedder, search_mode, notice."""
        with self._use() as pointer:
            return _convert.describe("ragstore_entity_describe", pointer)

    def update(
        self,
        *,
        name: str | None = None,
        description: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """Change what is given; metadata replaces the whole object."""
        options = _ffi.entity_update_options(
            name=_convert.optional_text(name, "name"),
            description=_convert.optional_text(description, "description"),
            metadata_json=_convert.optional_json(metadata, "metadata"),
        )
        with self._use() as pointer:
            lib.ragstore_entity_update(pointer, ctypes.byref(options))

    # ---- documents ----

    def add(self, content: str | bytes | bytearray | memoryview, **options: Any) -> Document:
        """Add a document: text, Markdown or HTML. Returns when it survives a power cut.

        filename     as the user knows it
        media_type   default: told from the content and the file name
        source       what search results name; default: the file name
        description  text
        metadata     a dict
        key          your own identity for it: the same key replaces the document, keeping its id
        progress     called with (stage, done, total) now and then; False cancels

        Bytes that the entity already holds change nothing: describe()["is_duplicate"] tells.
        """
        raw = content.encode() if isinstance(content, str) else bytes(content)
        out = _ffi.document_p()
        callbacks = Callbacks()
        struct = add_options(callbacks, **options)
        with callbacks, self._use() as pointer:
            lib.ragstore_document_add(
                ctypes.byref(out), pointer, raw, len(raw), ctypes.byref(struct)
            )
            return Document(out, self)

    def add_file(self, path: str | os.PathLike[str], **options: Any) -> Document:
        """Add a file; it is not read into memory as a whole. Options as of add()."""
        path = Path(path)
        options.setdefault("filename", path.name)
        with path.open("rb") as file, self.upload(**options) as upload:
            while piece := file.read(1 << 20):
                upload.write(piece)
            return upload.commit()

    def add_chunks(
        self, chunks: Iterable[str | Mapping[str, Any]], vectors: Any = None, **options: Any
    ) -> Document:
        """Add a document of your own chunks, at most 10,000, and of your own vectors if given.

        chunks   texts, or dicts with text and any of metadata, page, start, end, vector
        vectors  one row for each chunk: numpy, buffers or sequences of numbers; missing ones are
                 embedded

        Options as of add().
        """
        json_text, rows = _own_chunks(chunks, vectors)
        out = _ffi.document_p()
        if rows is not None and rows.count * rows.dimension <= _SOON_ADDED and not options:
            with self._use() as pointer:
                lib.ragstore_document_add_chunks(
                    ctypes.byref(out), pointer, json_text, rows.pointer, rows.dimension, None
                )
                return Document(out, self)
        callbacks = Callbacks()
        struct = add_options(callbacks, **options)
        with callbacks, self._use() as pointer:
            lib.ragstore_document_add_chunks(
                ctypes.byref(out),
                pointer,
                json_text,
                rows.pointer if rows else None,
                rows.dimension if rows else 0,
                ctypes.byref(struct),
            )
            return Document(out, self)

    def submit_chunks(
        self,
        chunks: Iterable[str | Mapping[str, Any]],
        vectors: Any = None,
        *,
        filename: str | None = None,
        source: str | None = None,
        description: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        key: str | None = None,
    ) -> Job:
        """Leave chunks, and vectors if given, to a job: returns when they are durable; missing
        vectors are made behind the call. Chunks and vectors as of add_chunks(), options as of
        add()."""
        json_text, rows = _own_chunks(chunks, vectors)
        out = _ffi.job_p()
        callbacks = Callbacks()
        struct = add_options(
            callbacks,
            filename=filename,
            source=source,
            description=description,
            metadata=metadata,
            key=key,
        )
        with callbacks, self._use() as pointer:
            lib.ragstore_document_submit_chunks(
                ctypes.byref(out),
                pointer,
                json_text,
                rows.pointer if rows else None,
                rows.dimension if rows else 0,
                ctypes.byref(struct),
            )
        return Job(out, self._store)

    def import_faiss(
        self,
        path: str | os.PathLike[str],
        chunks: Iterable[str | Mapping[str, Any]] | None = None,
        **options: Any,
    ) -> Document:
        """Add the vectors of a FAISS file (Flat, or IDMap over Flat), a chunk for each.

        chunks   for each vector of the file, in its order, a text, or a dict with text and any of
                 metadata, page, start, end; without them a chunk's text is "vector" and its id

        The id of a vector in the file is the member faiss_id of its chunk's metadata. Options as of
        add().
        """
        json_text = None
        if chunks is not None:
            json_text = _convert.json_text(
                [{"text": one} if isinstance(one, str) else _plain_chunk(one) for one in chunks],
                "chunks",
            )
        out = _ffi.document_p()
        callbacks = Callbacks()
        struct = add_options(callbacks, **options)
        with callbacks, self._use() as pointer:
            lib.ragstore_index_import(
                ctypes.byref(out), pointer, os.fsencode(path), json_text, ctypes.byref(struct)
            )
            return Document(out, self)

    def upload(
        self,
        *,
        filename: str | None = None,
        media_type: str | None = None,
        source: str | None = None,
        description: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        key: str | None = None,
        progress: Progress | None = None,
    ) -> Upload:
        """Begin a document whose bytes come piece by piece. Options as of add()."""
        with self._use() as pointer:
            return Upload(
                self,
                pointer,
                filename=filename,
                media_type=media_type,
                source=source,
                description=description,
                metadata=metadata,
                key=key,
                progress=progress,
            )

    def reembed(self) -> Job:
        """Make vectors of the store's model for all documents, by a job: of an entity that was made
        without a model, or with another one. Searches go by keyword until it is done."""
        out = _ffi.job_p()
        with self._use() as pointer:
            lib.ragstore_entity_reembed(ctypes.byref(out), pointer)
        return Job(out, self._store)

    def document(self, doc_id: str) -> Document:
        """Look up a document."""
        out = _ffi.document_p()
        with self._use() as pointer:
            lib.ragstore_document_open(
                ctypes.byref(out), pointer, _convert.text(doc_id, "doc_id")
            )
        return Document(out, self)

    def documents(
        self, *, limit: int | None = None, offset: int = 0, match: str | None = None
    ) -> list[dict[str, Any]]:
        """Describe documents, oldest first: as Document.describe() does."""
        options = list_options(limit, offset, match)
        with self._use() as pointer:
            return _convert.describe("ragstore_document_list", pointer, ctypes.byref(options))

    def delete_document(self, doc_id: str) -> None:
        """Delete a document with its file, chunks and vectors."""
        with self._use() as pointer:
            lib.ragstore_document_delete(pointer, _convert.text(doc_id, "doc_id"))

    # ---- search ----

    def search(
        self,
        query: str = "",
        *,
        k: int | None = None,
        mode: str | None = None,
        neighbors: int = 0,
        min_score: float = 0.0,
        doc_ids: Iterable[str] | None = None,
        filter: Mapping[str, Any] | None = None,
        vector: Any = None,
        fusion: str | None = None,
        keep_duplicates: bool = False,
    ) -> Result:
        """Find the chunks that best answer a query.

        k          how many at most: 1 to 200; None is 5
        mode       "hybrid" (default), "vector" or "keyword"
        neighbors  chunks before and after each hit to attach to its text: 0 to 10
        min_score  leave out chunks below this score
        doc_ids    only these documents
        filter     a query on metadata, such as {"year": {"$gte": 2020}}
        vector     search by this vector instead of embedding the query
        fusion     how hybrid ranking adds up: "sum" of scores (default) or reciprocal "ranks"
        keep_duplicates  leave what says the same as a better hit in its place
        """
        if fusion is not None and fusion not in FUSIONS:
            raise invalid(f"fusion is {fusion!r}; it must be one of {', '.join(FUSIONS)}")
        if mode is not None and mode not in MODES:
            raise invalid(f"mode is {mode!r}; it must be one of {', '.join(MODES)}")
        ids, ids_count = _convert.texts(doc_ids, "doc_ids")
        options = _ffi.entity_search_options(
            k=_convert.number(k, "k", 1, 200),
            mode=MODES[mode] if mode else 0,
            neighbors=_convert.number(neighbors, "neighbors", 0, 10),
            min_score=min_score,
            doc_ids=_pointer(ids),
            doc_ids_count=ids_count,
            filter_json=_convert.optional_json(filter, "filter"),
            fusion=FUSIONS[fusion] if fusion else 0,
            duplicates=_ffi.RAGSTORE_DUPLICATES_KEEP if keep_duplicates else 0,
        )
        row = None
        if vector is not None:
            row = Floats(vector, "vector")
            if row.count != 1 or row.dimension == 0:
                raise invalid("vector must be one row of numbers")
            options.vector = row.pointer
            options.dimension = row.dimension
        out = _ffi.result_p()
        raw = _convert.text(query, "query")
        with self._use() as pointer:
            lib.ragstore_entity_search(ctypes.byref(out), pointer, raw, ctypes.byref(options))
        try:
            return read_result(out)
        finally:
            lib.ragstore_result_free(out)

    def index(self) -> Index:
        """The vectors of this entity. EmbedderError tells that it has none."""
        out = _ffi.index_p()
        with self._use() as pointer:
            lib.ragstore_index_open(ctypes.byref(out), pointer)
        return Index(out, self)

    # ---- sessions ----

    def create_session(
        self, *, name: str | None = None, metadata: Mapping[str, Any] | None = None
    ) -> Session:
        """Begin a conversation about this entity. Its default name is "Chat N"."""
        options = _ffi.session_create_options(
            name=_convert.optional_text(name, "name"),
            metadata_json=_convert.optional_json(metadata, "metadata"),
        )
        out = _ffi.session_p()
        with self._use() as pointer:
            lib.ragstore_session_create(ctypes.byref(out), pointer, ctypes.byref(options))
        return Session(out, self._store)

    def sessions(
        self,
        *,
        limit: int | None = None,
        offset: int = 0,
        match: str | None = None,
        newest_first: bool = False,
    ) -> list[dict[str, Any]]:
        """Describe sessions as Session.describe() does, oldest first, or by their last activity."""
        options = list_options(limit, offset, match)
        options.flags = _ffi.RAGSTORE_LIST_NEWEST_FIRST if newest_first else 0
        with self._use() as pointer:
            return _convert.describe("ragstore_session_list", pointer, ctypes.byref(options))

    def search_sessions(
        self,
        query: str,
        *,
        session_id: str | None = None,
        limit: int | None = None,
        offset: int = 0,
    ) -> list[dict[str, Any]]:
        """Messages that have each word of the query, the newest first: session_id, session_name,
        number, role, content, timestamp, metadata."""
        options = _ffi.session_search_options(
            session_id=_convert.optional_text(session_id, "session_id"),
            limit=_convert.number(limit, "limit", 1, _convert.U64_MAX),
            offset=_convert.number(offset, "offset", 0, _convert.U64_MAX),
        )
        with self._use() as pointer:
            return _convert.describe(
                "ragstore_session_search",
                pointer,
                _convert.text(query, "query"),
                ctypes.byref(options),
            )


def list_options(limit: int | None, offset: int, match: str | None) -> _ffi.list_options:
    return _ffi.list_options(
        limit=_convert.number(limit, "limit", 1, _convert.U64_MAX),
        offset=_convert.number(offset, "offset", 0, _convert.U64_MAX),
        match=_convert.optional_text(match, "match"),
    )


def _pointer(strings: Any) -> Any:
    return None if strings is None else ctypes.cast(strings, POINTER(c_char_p))


def _own_chunks(
    chunks: Iterable[str | Mapping[str, Any]], vectors: Any
) -> tuple[Any, Floats | None]:
    """Chunks as JSON text, and the vectors beside them, one for each."""
    objects = [
        {"text": chunk} if isinstance(chunk, str) else _plain_chunk(chunk) for chunk in chunks
    ]
    json_text = _convert.json_text(objects, "chunks")
    if vectors is None:
        return json_text, None
    rows = Floats(vectors)
    if rows.single or rows.count != len(objects):
        raise invalid(
            f"there are {1 if rows.single else rows.count} vectors for {len(objects)} chunks; "
            "give one row for each chunk"
        )
    return json_text, rows


def _plain_chunk(chunk: Mapping[str, Any]) -> Mapping[str, Any]:
    """A chunk that can be written as JSON: its vector as a list of numbers."""
    vector: Sequence[float] | Any = chunk.get("vector")
    if vector is None or isinstance(vector, list):
        return dict(chunk)
    return {**chunk, "vector": vector.tolist() if hasattr(vector, "tolist") else list(vector)}
