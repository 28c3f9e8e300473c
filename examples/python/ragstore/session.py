"""Conversations about an entity, and their answers."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterable, Mapping
from ctypes import POINTER, c_char_p, c_uint64
from dataclasses import dataclass
from typing import Any

from . import _convert, _ffi
from ._convert import Callbacks
from ._ffi import lib
from ._handle import Handle
from .result import Result, read_result


@dataclass(frozen=True)
class Answer:
    """An answer with its sources."""

    text: str
    sources: Result  # sources[n - 1] is what [n] in the text cites
    message: dict[str, Any]  # as it is stored: role, content, timestamp, metadata

    def __str__(self) -> str:
        return self.text


class Session(Handle):
    """A conversation about one entity. Any thread may use it."""

    _kind = "session"
    _free = "ragstore_session_free"

    def __init__(self, pointer: Any, store: Any) -> None:
        super().__init__(pointer)
        self._store = store
        self.id: str = lib.ragstore_session_id(pointer).decode()
        self.entity_id: str = lib.ragstore_session_entity_id(pointer).decode()

    def __repr__(self) -> str:
        return f"<Session {self.id} about {self.entity_id!r}>"

    def describe(self) -> dict[str, Any]:
        """session_id, entity_id, entity_name, session_name, created_at, last_activity,
        message_count, metadata."""
        with self._use() as pointer:
            return _convert.describe("ragstore_session_describe", pointer)

    @property
    def version(self) -> str:
        """Another text after each change of the session, messages included; for update()."""
        buffer = _ffi.buffer_p()
        with self._use() as pointer:
            lib.ragstore_session_version(ctypes.byref(buffer), pointer)
            return _ffi.take_bytes(buffer).decode()

    def update(
        self,
        *,
        name: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        version: str | None = None,
    ) -> None:
        """Change the name, or replace the metadata; None keeps.

        version  raise ConflictError unless the session has it
        """
        options = _ffi.session_update_options(
            name=_convert.optional_text(name, "name"),
            metadata_json=_convert.optional_json(metadata, "metadata"),
            version=_convert.optional_text(version, "version"),
        )
        with self._use() as pointer:
            lib.ragstore_session_update(pointer, ctypes.byref(options))

    def append(
        self, role: str, content: str, metadata: Mapping[str, Any] | None = None
    ) -> int:
        """Append a message of role "user", "assistant" or "system". Returns its number, from 0."""
        number = c_uint64()
        with self._use() as pointer:
            lib.ragstore_session_append(
                ctypes.byref(number),
                pointer,
                _convert.text(role, "role"),
                _convert.text(content, "content"),
                _convert.optional_json(metadata, "metadata"),
            )
        return number.value

    def messages(
        self, *, limit: int | None = None, before: int | None = None
    ) -> list[dict[str, Any]]:
        """Messages, oldest first: role, content, timestamp, metadata.

        limit   the newest so many
        before  only messages with a smaller number
        """
        options = _ffi.session_messages_options(
            limit=_convert.number(limit, "limit", 1, _convert.U64_MAX),
            before=_convert.number(before, "before", 0, _convert.U64_MAX),
        )
        if before == 0:  # which would mean the default below
            return []
        with self._use() as pointer:
            return _convert.describe("ragstore_session_messages", pointer, ctypes.byref(options))

    def ask(
        self,
        message: str,
        *,
        doc_ids: Iterable[str] | None = None,
        filter: Mapping[str, Any] | None = None,
        k: int | None = None,
        on_sources: Callable[[Result], Any] | None = None,
        on_text: Callable[[str], Any] | None = None,
    ) -> Answer:
        """Store the message, search the entity, answer with numbered citations, store the answer.

        doc_ids     answer from these documents only
        filter      a query on metadata, as of Entity.search()
        k           passages to draw on: 1 to 50; None is 8
        on_sources  called once with the sources, before any text
        on_text     called with each piece of the answer as it grows

        A callback that returns False cancels: what was said so far is stored, and CancelledError
        is raised.
        """
        ids, ids_count = _convert.texts(doc_ids, "doc_ids")
        options = _ffi.session_ask_options(
            doc_ids=None if ids is None else ctypes.cast(ids, POINTER(c_char_p)),
            doc_ids_count=ids_count,
            filter_json=_convert.optional_json(filter, "filter"),
            k=_convert.number(k, "k", 1, 50),
        )
        callbacks = Callbacks()
        if on_sources is not None:
            options.on_sources = callbacks.wrap(
                _ffi.sources_callback,
                lambda sources: on_sources(read_result(sources)),
            )
        if on_text is not None:
            options.on_text = callbacks.wrap(
                _ffi.text_callback,
                lambda text, size: on_text(ctypes.string_at(text, size).decode()),
            )
        out = _ffi.answer_p()
        raw = _convert.text(message, "message")
        try:
            with callbacks, self._use() as pointer:
                lib.ragstore_session_ask(ctypes.byref(out), pointer, raw, ctypes.byref(options))
            return Answer(
                text=lib.ragstore_answer_text(out).decode(),
                sources=read_result(lib.ragstore_answer_sources(out)),
                message=_convert.describe("ragstore_answer_message", out),
            )
        finally:
            lib.ragstore_answer_free(out)
