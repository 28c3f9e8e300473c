"""A store, and several changes in one commit."""

from __future__ import annotations

import ctypes
import os
import threading
import weakref
from collections.abc import Callable, Mapping
from ctypes import c_uint64
from types import TracebackType
from typing import Any

from . import _convert, _ffi
from ._convert import Callbacks
from ._ffi import lib
from ._handle import Handle
from .collection import Collection
from .document import Progress
from .entity import Entity, list_options
from .errors import BY_STATUS, WrongStateError, closed, invalid
from .job import Job
from .model import Model
from .session import Session

_DURABILITY = {
    "full": _ffi.RAGSTORE_DURABILITY_FULL,
    "normal": _ffi.RAGSTORE_DURABILITY_NORMAL,
}
_LEVELS = {
    _ffi.RAGSTORE_LOG_ERROR: "error",
    _ffi.RAGSTORE_LOG_WARNING: "warning",
    _ffi.RAGSTORE_LOG_INFO: "info",
    _ffi.RAGSTORE_LOG_DEBUG: "debug",
}


class Store(Handle):
    """One directory with everything: entities, documents, vectors, conversations.

        with Store("data", model=Model()) as store:
            ...

    path            the directory; made when it is missing or empty, its parent must exist
    model           embeds documents and queries: a Model, or the path of one; None searches by
                    keyword only
    must_exist      fail with NotFoundError instead of making a store
    must_create     fail with ExistsError instead of opening one
    read_only       change nothing; what writers commit is seen
    immutable       take no lock and write nothing: nobody changes the directory
    background      False starts no thread; call maintain() now and then
    reembed         False makes no vectors for documents that were added without a model, unless
                    Entity.reembed() asks for them
    durability      "full": what returned survives a power cut; "normal": a power cut may cost the
                    last second
    busy_timeout    seconds to wait for another process or writer; None is 5
    memory_limit    bytes for what is cached; None is 1 GiB
    log             called with a level ("error" to "debug") and a message, on any thread

    Any thread may use it, many at the same time.
    """

    _kind = "store"
    _free = "ragstore_store_close"

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        model: Model | str | os.PathLike[str] | None = None,
        must_exist: bool = False,
        must_create: bool = False,
        read_only: bool = False,
        immutable: bool = False,
        background: bool = True,
        reembed: bool = True,
        durability: str = "full",
        busy_timeout: float | None = None,
        memory_limit: int | None = None,
        log: Callable[[str, str], Any] | None = None,
    ) -> None:
        if durability not in _DURABILITY:
            raise invalid(f'durability is {durability!r}; it must be "full" or "normal"')
        options = _ffi.store_open_options(
            flags=(_ffi.RAGSTORE_OPEN_MUST_EXIST if must_exist else 0)
            | (_ffi.RAGSTORE_OPEN_MUST_CREATE if must_create else 0)
            | (_ffi.RAGSTORE_OPEN_READ_ONLY if read_only else 0)
            | (_ffi.RAGSTORE_OPEN_IMMUTABLE if immutable else 0)
            | (0 if background else _ffi.RAGSTORE_OPEN_NO_BACKGROUND)
            | (0 if reembed else _ffi.RAGSTORE_OPEN_NO_REEMBED),
            durability=_DURABILITY[durability],
            busy_timeout_ms=_milliseconds(busy_timeout),
            memory_limit_bytes=_convert.number(memory_limit, "memory_limit", 1, _convert.U64_MAX),
        )
        log_function = _log_function(log)
        if log_function is not None:
            options.log = log_function
        if model is not None and not isinstance(model, Model):
            model = Model(model)
        pointer = _ffi.store_p()
        raw = _convert.path(path, "path")
        if model is None:
            lib.ragstore_store_open(ctypes.byref(pointer), raw, ctypes.byref(options))
        else:
            with model._use() as options.model:
                lib.ragstore_store_open(ctypes.byref(pointer), raw, ctypes.byref(options))
        super().__init__(pointer, keep=log_function)
        self.path = os.fspath(path)

    def __repr__(self) -> str:
        return f"<Store {self.path!r}{' closed' if self.closed else ''}>"

    def close(self) -> None:
        """Bring the JSON files up to date and release the directory. Waits for running calls.

        Objects of this store may live on; their calls raise ClosedError.
        """
        super().close()

    # ---- the store ----

    def describe(self) -> dict[str, Any]:
        """path, store_id, format, read_only, state, problems, entities, documents, chunks,
        sessions, embedder, journal_bytes."""
        with self._use() as pointer:
            return _convert.describe("ragstore_store_describe", pointer)

    def check(self, *, progress: Progress | None = None) -> dict[str, Any]:
        """Read every file again and tell what is wrong: ok, entities, documents, findings, each
        of which has file, offset, record and problem. Changes nothing.

        progress  called with (stage, done, total) now and then; False cancels
        """
        callbacks = Callbacks()

        def report(stage: bytes | None, done: int, total: int) -> Any:
            # Called without a progress function too, so that Ctrl-C ends a long call.
            return progress((stage or b"").decode(), done, total) if progress else None

        options = _ffi.store_check_options(
            progress=callbacks.wrap(_ffi.progress_callback, report)
        )
        with callbacks, self._use() as pointer:
            return _convert.describe("ragstore_store_check_with", pointer, ctypes.byref(options))

    def export(self) -> None:
        """Bring every JSON file and index.faiss up to date with the journal."""
        with self._use() as pointer:
            lib.ragstore_store_export(pointer)

    def compact(self, *, progress: Progress | None = None) -> dict[str, Any]:
        """Take what was deleted out of every file: bytes_before, bytes_after, quarantine.

        progress  called with (stage, done, total) now and then; False cancels
        """
        callbacks = Callbacks()

        def report(stage: bytes | None, done: int, total: int) -> Any:
            # Called without a progress function too, so that Ctrl-C ends a long call.
            return progress((stage or b"").decode(), done, total) if progress else None

        options = _ffi.store_compact_options(
            progress=callbacks.wrap(_ffi.progress_callback, report)
        )
        with callbacks, self._use() as pointer:
            return _convert.describe("ragstore_store_compact", pointer, ctypes.byref(options))

    def backup(
        self,
        directory: str | os.PathLike[str],
        *,
        check: bool = True,
        progress: Progress | None = None,
    ) -> dict[str, Any]:
        """Copy the store, as it is at one moment, into a new directory, while others write:
        store_id, created_at, files, bytes, held_ms, and what check() tells of the copy.

        check     False compares digests only
        progress  called with (stage, done, total) now and then; False cancels
        """
        callbacks, options = _backup_options(check, progress)
        with callbacks, self._use() as pointer:
            return _convert.describe(
                "ragstore_store_backup",
                pointer,
                _convert.path(directory, "directory"),
                ctypes.byref(options),
            )

    def maintain(self, budget: float = 0.0) -> None:
        """Do waiting background work on this thread for about `budget` seconds; 0: one piece."""
        milliseconds = int(budget * 1000)
        if not 0 <= milliseconds <= _convert.U32_MAX:
            raise invalid(f"budget is {budget}; it must be 0 to 4,294,967 seconds")
        with self._use() as pointer:
            lib.ragstore_store_maintain(pointer, milliseconds)

    def interrupt(self) -> None:
        """Make long calls that run in other threads end soon with CancelledError."""
        with self._use() as pointer:
            lib.ragstore_store_interrupt(pointer)

    def batch(self) -> Batch:
        """Begin a batch: changes by this thread become one commit.

            with store.batch():
                ...
        """
        return Batch(self)

    # ---- entities ----

    def create_entity(
        self,
        id: str,
        *,
        name: str | None = None,
        description: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        metric: str | None = None,
        index: str | None = None,
        language: str | None = None,
        chunk_tokens: int = 0,
        chunk_overlap: int = 0,
    ) -> Entity:
        """Create an entity; its embedding model is the store's, for good.

        metric  how vectors are compared, for good: "cosine" (the default), "inner_product", "l2"
        index   the kind of its index, "auto" by default: see Index.set()
        language  how words are reduced for keyword search, for good: "auto" (the default), "none",
                  or one of Snowball's, such as "german"
        chunk_tokens   how long the chunks of its documents are, for good; 0: the default
        chunk_overlap  tokens that a chunk repeats of the one before where a paragraph had to be cut
        """
        options = _ffi.entity_create_options(
            name=_convert.optional_text(name, "name"),
            description=_convert.optional_text(description, "description"),
            metadata_json=_convert.optional_json(metadata, "metadata"),
            metric=_convert.optional_text(metric, "metric"),
            index_kind=_convert.optional_text(index, "index"),
            language=_convert.optional_text(language, "language"),
            chunk_tokens=_convert.number(chunk_tokens, "chunk_tokens", 0, 2**32 - 1),
            chunk_overlap=_convert.number(chunk_overlap, "chunk_overlap", 0, 2**32 - 1),
        )
        out = _ffi.entity_p()
        with self._use() as pointer:
            lib.ragstore_entity_create(
                ctypes.byref(out), pointer, _convert.text(id, "id"), ctypes.byref(options)
            )
        return Entity(out, self)

    def entity(self, id: str) -> Entity:
        """Look up an entity."""
        out = _ffi.entity_p()
        with self._use() as pointer:
            lib.ragstore_entity_open(ctypes.byref(out), pointer, _convert.text(id, "id"))
        return Entity(out, self)

    def entities(
        self, *, limit: int | None = None, offset: int = 0, match: str | None = None
    ) -> list[dict[str, Any]]:
        """Describe entities, oldest first: as Entity.describe() does."""
        return self._list_entities(limit, offset, match)["entities"]

    def count_entities(self, match: str | None = None) -> int:
        """How many entities there are, or have `match` in their id or name."""
        return int(self._list_entities(1, 0, match)["total"])

    def _list_entities(self, limit: int | None, offset: int, match: str | None) -> Any:
        options = list_options(limit, offset, match)
        with self._use() as pointer:
            return _convert.describe("ragstore_entity_list", pointer, ctypes.byref(options))

    def delete_entity(self, id: str) -> int:
        """Delete an entity with all it has. Returns how many sessions went with it."""
        sessions = c_uint64()
        with self._use() as pointer:
            lib.ragstore_entity_delete(ctypes.byref(sessions), pointer, _convert.text(id, "id"))
        return sessions.value

    # ---- sessions ----

    def session(self, session_id: str) -> Session:
        """Look up a session of any entity."""
        out = _ffi.session_p()
        with self._use() as pointer:
            lib.ragstore_session_open(
                ctypes.byref(out), pointer, _convert.text(session_id, "session_id")
            )
        return Session(out, self)

    def delete_session(self, session_id: str) -> None:
        """Delete a session with its messages."""
        with self._use() as pointer:
            lib.ragstore_session_delete(pointer, _convert.text(session_id, "session_id"))


    # ---- jobs ----

    def job(self, job_id: str) -> Job:
        """Look up a job."""
        out = _ffi.job_p()
        with self._use() as pointer:
            lib.ragstore_job_open(ctypes.byref(out), pointer, _convert.text(job_id, "job_id"))
        return Job(out, self)

    def jobs(
        self, entity_id: str | None = None, *, limit: int | None = None, offset: int = 0
    ) -> list[dict[str, Any]]:
        """Describe jobs, the newest first: as Job.describe() does."""
        options = _ffi.job_list_options(
            entity_id=_convert.optional_text(entity_id, "entity_id"),
            limit=_convert.number(limit, "limit", 1, _convert.U64_MAX),
            offset=_convert.number(offset, "offset", 0, _convert.U64_MAX),
        )
        with self._use() as pointer:
            return _convert.describe("ragstore_job_list", pointer, ctypes.byref(options))["jobs"]

    # ---- collections ----

    def collection(self, name: str) -> Collection:
        """Open a collection of JSON documents; it needs no creation.

        "entities" and "chat_sessions" show the store's own records and can only be read.
        """
        out = _ffi.collection_p()
        with self._use() as pointer:
            lib.ragstore_collection_open(ctypes.byref(out), pointer, _convert.text(name, "name"))
        return Collection(out, self)

    def collections(self) -> list[dict[str, Any]]:
        """name and documents (how many) of each collection that has documents, by name."""
        with self._use() as pointer:
            return _convert.describe("ragstore_collection_list", pointer)


class Batch:
    """Changes of one thread that become one commit; others see them when it commits.

    The end of the block commits, an exception in it aborts. Other writers wait meanwhile, so be
    brief. It belongs to the thread that began it: dropped on another one it cannot be ended.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._thread = threading.get_ident()
        pointer = _ffi.batch_p()
        with store._use() as store_pointer:
            lib.ragstore_batch_begin(ctypes.byref(pointer), store_pointer)
        self._finalizer = weakref.finalize(self, _abort, pointer, self._thread)

    @property
    def closed(self) -> bool:
        """True when it was committed or aborted."""
        return not self._finalizer.alive

    def commit(self) -> None:
        """Make all changes durable and visible at once, or none of them."""
        lib.ragstore_batch_commit(self._take())

    def abort(self) -> None:
        """Forget all changes. Nothing happens when the batch has ended already."""
        if not self.closed:
            lib.ragstore_batch_abort(self._take())

    def _take(self) -> Any:
        if threading.get_ident() != self._thread:
            raise WrongStateError(
                BY_STATUS["WRONG_STATE"][0],
                "WRONG_STATE",
                "a batch must be ended by the thread that began it",
            )
        taken = self._finalizer.detach()
        if taken is None:
            raise closed("batch")
        return taken[2][0]

    def __enter__(self) -> Batch:
        if self.closed:
            raise closed("batch")
        return self

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


def _abort(pointer: Any, thread: int) -> None:
    if threading.get_ident() == thread:
        lib.ragstore_batch_abort(pointer)


def verify_backup(
    directory: str | os.PathLike[str], *, check: bool = True, progress: Progress | None = None
) -> dict[str, Any]:
    """Compare each file of a backup with its digest; what Store.backup() told, and findings."""
    callbacks, options = _backup_options(check, progress)
    with callbacks:
        return _convert.describe(
            "ragstore_backup_verify", _convert.path(directory, "directory"), ctypes.byref(options)
        )


def restore_backup(
    backup: str | os.PathLike[str],
    directory: str | os.PathLike[str],
    *,
    check: bool = True,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Make a store of a backup, in a new directory, which appears when it is whole."""
    callbacks, options = _backup_options(check, progress)
    with callbacks:
        return _convert.describe(
            "ragstore_store_restore",
            _convert.path(backup, "backup"),
            _convert.path(directory, "directory"),
            ctypes.byref(options),
        )


def _backup_options(
    check: bool, progress: Progress | None
) -> tuple[Callbacks, _ffi.backup_options]:
    callbacks = Callbacks()

    def report(stage: bytes | None, done: int, total: int) -> Any:
        # Called without a progress function too, so that Ctrl-C ends a long call.
        return progress((stage or b"").decode(), done, total) if progress else None

    return callbacks, _ffi.backup_options(
        flags=0 if check else _ffi.RAGSTORE_BACKUP_UNCHECKED,
        progress=callbacks.wrap(_ffi.progress_callback, report),
    )


def _milliseconds(seconds: float | None) -> int:
    """For busy_timeout_ms, where zero means the default and a constant means no wait."""
    if seconds is None:
        return 0
    milliseconds = int(seconds * 1000)
    if not 0 <= milliseconds < _ffi.RAGSTORE_NO_WAIT:
        raise invalid(f"busy_timeout is {seconds}; it must be 0 to 4,294,967 seconds")
    return milliseconds or _ffi.RAGSTORE_NO_WAIT


def _log_function(log: Callable[[str, str], Any] | None) -> Any:
    if log is None:
        return None

    def call(user: Any, level: int, message: bytes) -> None:
        log(_LEVELS.get(level, str(level)), message.decode("utf-8", "replace"))

    return _ffi.log_callback(call)
