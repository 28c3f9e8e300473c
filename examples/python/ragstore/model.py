"""Embedding models: from texts to vectors."""

from __future__ import annotations

import ctypes
import itertools
import os
from array import array
from collections.abc import Callable, Sequence
from ctypes import c_int32, c_size_t
from typing import Any, Literal

from . import _convert, _ffi
from ._ffi import lib
from ._convert import Floats
from ._handle import Handle
from .errors import BY_STATUS, BusyError, CancelledError, invalid

_PRECISIONS = {
    "float32": _ffi.RAGSTORE_PRECISION_FLOAT32,
    "int16": _ffi.RAGSTORE_PRECISION_INT16,
    "int8": _ffi.RAGSTORE_PRECISION_INT8,
}

# Functions that the library may call, by the number that it knows them by, until it lets them go.
_alive: dict[int, Any] = {}
_numbers = itertools.count(1)


@_ffi.release_callback
def _let_go(user: int | None) -> None:
    _alive.pop(user or 0, None)


class Model(Handle):
    """An embedding model. Any thread may use it; stores that use it keep it alive.

    It is a directory with model.safetensors, config.json and tokenizer.json or vocab.txt, as
    published for all-MiniLM-L6-v2 and its relatives. Without a path it is the one that
    RAGSTORE_MODEL names, or else the one that this machine's set-up made; NotFoundError tells that
    there is none.

    threads: how many one call computes with, at most; 0: the processors at hand.
    precision: "float32"; "int16": faster, half the memory, the same ranking; or "int8": faster still,
    a quarter of the memory, nearly the same vectors. None: what is fastest of the first two on this
    processor, which counts as float32.
    query_prompt, document_prompt: put before each query or document; None: what the model's files
    say; "": nothing. A precision of whole numbers and prompts are part of the fingerprint.
    """

    _kind = "model"
    _free = "ragstore_model_free"

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        threads: int = 0,
        precision: Literal["float32", "int16", "int8"] | None = None,
        query_prompt: str | None = None,
        document_prompt: str | None = None,
    ) -> None:
        if path is None:
            path = self.locate()
        if precision is not None and precision not in _PRECISIONS:
            raise invalid(f'precision must be "float32", "int16" or "int8", not {precision!r}')
        options = _ffi.model_open_options(
            threads=_convert.number(
                threads or None, "threads", 1, _ffi.RAGSTORE_MODEL_THREADS_MAX
            ),
            precision=0 if precision is None else _PRECISIONS[precision],
            query_prompt=_convert.optional_text(query_prompt, "query_prompt"),
            document_prompt=_convert.optional_text(document_prompt, "document_prompt"),
        )
        pointer = _ffi.model_p()
        lib.ragstore_model_open_with(
            ctypes.byref(pointer), _convert.path(path, "path"), ctypes.byref(options)
        )
        super().__init__(pointer)

    @classmethod
    def callback(
        cls,
        embed: Callable[[list[str], str], Any],
        *,
        fingerprint: str,
        dimension: int,
        batch_size: int | None = None,
        max_tokens: int | None = None,
    ) -> Model:
        """A model that is a function of yours.

        embed        called with at most batch_size texts and a role, "document" or "query"; gives a
                     row of `dimension` numbers for each: numpy, buffers or sequences of numbers. What
                     it raises becomes the message of an EmbedderError; after ConnectionError,
                     TimeoutError or BusyError a job waits and tries again instead of failing. On any
                     thread, perhaps on several at once.
        fingerprint  names model, version and whatever else decides about the vectors
        batch_size   1 to 256; None is 32
        max_tokens   about how many words of a document count; None is 256
        """
        number = next(_numbers)
        options = _ffi.model_callback_options(
            fingerprint=_convert.text(fingerprint, "fingerprint"),
            dimension=_convert.number(dimension, "dimension", 1, 65536),
            batch_size=_convert.number(batch_size, "batch_size", 1, 256),
            max_tokens=_convert.number(max_tokens, "max_tokens", 16, _convert.U32_MAX),
            embed=_embed_callback(embed, dimension),
            release=_let_go,
            user=number,
        )
        _alive[number] = options
        pointer = _ffi.model_p()
        try:
            lib.ragstore_model_open_callback(ctypes.byref(pointer), ctypes.byref(options))
        except BaseException:
            _let_go(number)
            raise
        return cls._of(pointer)

    @classmethod
    def hashing(cls, dimension: int | None = None) -> Model:
        """A model for tests of programs: the same words, similar vectors; it knows no meaning."""
        pointer = _ffi.model_p()
        lib.ragstore_model_open_hashing(
            ctypes.byref(pointer), _convert.number(dimension, "dimension", 8, 4096)
        )
        return cls._of(pointer)

    @classmethod
    def _of(cls, pointer: Any) -> Model:
        made = cls.__new__(cls)
        Handle.__init__(made, pointer)
        return made

    @staticmethod
    def locate() -> str:
        """Where the model of this machine is. NotFoundError tells that there is none."""
        buffer = _ffi.buffer_p()
        lib.ragstore_model_locate(ctypes.byref(buffer))
        return os.fsdecode(_ffi.take_bytes(buffer))

    @property
    def dimension(self) -> int:
        """How many numbers a vector has."""
        with self._use() as pointer:
            return int(lib.ragstore_model_dimension(pointer))

    @property
    def fingerprint(self) -> str:
        """Names everything that decides about the vectors: equal fingerprints, equal vectors."""
        with self._use() as pointer:
            return lib.ragstore_model_fingerprint(pointer).decode()

    def tokenize(self, text: str) -> list[int]:
        """The token ids of a text, with the special ones, cut at the model's limit."""
        raw = _convert.text(text, "text")
        count = c_size_t()
        capacity = 512
        with self._use() as pointer:
            while True:
                ids = (c_int32 * capacity)()
                lib.ragstore_model_tokenize(
                    ids, ctypes.byref(count), None, pointer, capacity, raw, len(raw)
                )
                if count.value <= capacity:
                    return list(ids[: count.value])
                capacity = count.value

    def embed(self, texts: Sequence[str]) -> list[array[float]]:
        """One vector of length 1 for each text, as arrays of 32-bit floats.

        They can be handed to Entity.add_chunks() and Index.search() as they are, and numpy.array()
        makes a matrix of them.
        """
        return self._embed(lib.ragstore_model_embed, texts)

    def embed_queries(self, texts: Sequence[str]) -> list[array[float]]:
        """The same for what is searched for. Only models with prompts make a difference."""
        return self._embed(lib.ragstore_model_embed_queries, texts)

    def _embed(self, function: Callable[..., int], texts: Sequence[str]) -> list[array[float]]:
        vectors: list[array[float]] = []
        with self._use() as pointer:
            dimension = lib.ragstore_model_dimension(pointer)
            for start in range(0, len(texts), 1024):
                strings, count = _convert.texts(texts[start : start + 1024], "texts")
                block = array("f", bytes(4 * count * dimension))
                function(_convert.as_floats(block), pointer, strings, count)
                vectors.extend(
                    block[row * dimension : (row + 1) * dimension] for row in range(count)
                )
        return vectors


# What may be over when a job tries again.
_PASSING = (BusyError, ConnectionError, TimeoutError)


def _embed_callback(embed: Callable[[list[str], str], Any], dimension: int) -> Any:
    """The C function that calls a Python one, and turns what it raises into a reason."""

    def call(
        user: Any, vectors: Any, texts: Any, count: int, role: int, reason: int, size: int
    ) -> int:
        try:
            name = "query" if role == _ffi.RAGSTORE_ROLE_QUERY else "document"
            rows = Floats(embed([texts[i].decode() for i in range(count)], name))
            if (rows.count, rows.dimension) != (count, dimension):
                raise ValueError(
                    f"{rows.count} rows of {rows.dimension} numbers for {count} texts; "
                    f"{count} of {dimension} were expected"
                )
            ctypes.memmove(vectors, rows.pointer, 4 * count * dimension)
            return 0
        except CancelledError:
            return BY_STATUS["INTERRUPTED"][0]
        except BaseException as error:  # nothing may pass through C
            raw = f"{type(error).__name__}: {error}".encode()[: size - 1]
            ctypes.memmove(reason, raw + b"\0", len(raw) + 1)
            return BY_STATUS["BUSY"][0] if isinstance(error, _PASSING) else 1

    return _ffi.embed_callback(call)
