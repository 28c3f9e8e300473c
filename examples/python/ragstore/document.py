"""Documents, and documents on their way in."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

from . import _convert, _ffi
from ._convert import Callbacks
from ._ffi import lib
from ._handle import Handle
from .errors import closed
from .job import Job

Progress = Callable[[str, int, int], Any]


def add_options(
    callbacks: Callbacks,
    *,
    filename: str | None = None,
    media_type: str | None = None,
    source: str | None = None,
    description: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    key: str | None = None,
    progress: Progress | None = None,
) -> _ffi.document_add_options:
    """The options that every way to add a document shares; see Entity.add()."""

    def report(stage: bytes | None, done: int, total: int) -> Any:
        # Called without a progress function too, so that Ctrl-C ends a long call.
        return progress((stage or b"").decode(), done, total) if progress else None

    return _ffi.document_add_options(
        filename=_convert.optional_text(filename, "filename"),
        media_type=_convert.optional_text(media_type, "media_type"),
        source=_convert.optional_text(source, "source"),
        description=_convert.optional_text(description, "description"),
        metadata_json=_convert.optional_json(metadata, "metadata"),
        key=_convert.optional_text(key, "key"),
        progress=callbacks.wrap(_ffi.progress_callback, report),
    )


class Document(Handle):
    """A document as it was when it was added or looked up."""

    _kind = "document"
    _free = "ragstore_document_free"

    def __init__(self, pointer: Any, entity: Any) -> None:
        super().__init__(pointer)
        self._entity = entity
        self.id: str = lib.ragstore_document_id(pointer).decode()

    def __repr__(self) -> str:
        return f"<Document {self.id}>"

    def describe(self) -> dict[str, Any]:
        """doc_id, entity_id, filename, file_path, file_size, media_type, sha256, key, source,
        description, metadata, uploaded_at, chunks_count; of one just added also is_duplicate,
        replaced and notice."""
        with self._use() as pointer:
            return _convert.describe("ragstore_document_describe", pointer)

    def update(
        self,
        *,
        metadata: Mapping[str, Any] | None = None,
        source: str | None = None,
        description: str | None = None,
    ) -> None:
        """Change what is known about it; None keeps. describe() goes on telling what was, until
        the document is looked up again."""
        options = _ffi.document_update_options(
            source=_convert.optional_text(source, "source"),
            description=_convert.optional_text(description, "description"),
            metadata_json=_convert.optional_json(metadata, "metadata"),
        )
        with self._use() as pointer:
            lib.ragstore_document_update(pointer, ctypes.byref(options))

    def content(self) -> bytes:
        """The bytes as they were sent."""
        buffer = _ffi.buffer_p()
        with self._use() as pointer:
            lib.ragstore_document_content(ctypes.byref(buffer), pointer)
        return _ffi.take_bytes(buffer)

    def text(self) -> str:
        """The text that was taken from it. Offsets of hits count the bytes of its UTF-8 form."""
        buffer = _ffi.buffer_p()
        with self._use() as pointer:
            lib.ragstore_document_text(ctypes.byref(buffer), pointer)
        return _ffi.take_bytes(buffer).decode()


class Upload(Handle):
    """A document whose bytes come piece by piece. One thread at a time.

        with entity.upload(filename="big.txt") as upload:
            for piece in pieces:
                upload.write(piece)
        upload.document.describe()

    The end of the block commits; an exception in it aborts.
    """

    _kind = "upload"
    _free = "ragstore_upload_abort"

    def __init__(self, entity: Any, entity_pointer: Any, **options: Any) -> None:
        self._entity = entity
        self._callbacks = Callbacks()
        self._thread_lock = threading.Lock()
        self.document: Document | None = None
        pointer = _ffi.upload_p()
        struct = add_options(self._callbacks, **options)
        lib.ragstore_upload_begin(ctypes.byref(pointer), entity_pointer, ctypes.byref(struct))
        super().__init__(pointer, keep=self._callbacks)

    def write(self, data: bytes | bytearray | memoryview) -> int:
        """Add bytes. Returns how many."""
        raw = bytes(data)
        with self._thread_lock, self._callbacks, self._use() as pointer:
            lib.ragstore_upload_write(pointer, raw, len(raw))
        return len(raw)

    def commit(self) -> Document:
        """Add what was written as a document."""
        out = _ffi.document_p()
        if self.closed:
            raise closed(self._kind)
        with self._callbacks:
            self._release(lambda pointer: lib.ragstore_upload_commit(ctypes.byref(out), pointer))
            if not out:  # another thread was first
                raise closed(self._kind)
            self.document = Document(out, self._entity)
        return self.document

    def submit(self) -> Job:
        """Leave it to a job: returns when the bytes are durable; the rest happens behind the call.
        `progress` is not called."""
        out = _ffi.job_p()
        if self.closed:
            raise closed(self._kind)
        self._release(lambda pointer: lib.ragstore_upload_submit(ctypes.byref(out), pointer))
        if not out:  # another thread was first
            raise closed(self._kind)
        return Job(out, self._entity._store)

    def abort(self) -> None:
        """Forget it."""
        self.close()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.closed:
            return
        if kind is None:
            self.commit()
        else:
            self.abort()
