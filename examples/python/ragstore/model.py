"""Embedding models: from texts to vectors."""

from __future__ import annotations

import ctypes
import os
from array import array
from collections.abc import Callable, Sequence
from ctypes import c_int32, c_size_t
from typing import Literal

from . import _convert, _ffi
from ._ffi import lib
from ._handle import Handle
from .errors import invalid

_PRECISIONS = {"float32": _ffi.RAGSTORE_PRECISION_FLOAT32, "int8": _ffi.RAGSTORE_PRECISION_INT8}


class Model(Handle):
    """An embedding model. Any thread may use it; stores that use it keep it alive.

    It is a directory with model.safetensors, config.json and tokenizer.json or vocab.txt, as
    published for all-MiniLM-L6-v2 and its relatives. Without a path it is the one that
    RAGSTORE_MODEL names, or else the one that this machine's set-up made; NotFoundError tells that
    there is none.

    threads: how many one call computes with, at most; 0: the processors at hand.
    precision: "float32", or "int8": faster, a quarter of the memory, nearly the same vectors.
    query_prompt, document_prompt: put before each query or document; None: what the model's files
    say; "": nothing. Precision and prompts are part of the fingerprint.
    """

    _kind = "model"
    _free = "ragstore_model_free"

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        threads: int = 0,
        precision: Literal["float32", "int8"] = "float32",
        query_prompt: str | None = None,
        document_prompt: str | None = None,
    ) -> None:
        if path is None:
            path = self.locate()
        if precision not in _PRECISIONS:
            raise invalid(f'precision must be "float32" or "int8", not {precision!r}')
        options = _ffi.model_open_options(
            threads=_convert.number(
                threads or None, "threads", 1, _ffi.RAGSTORE_MODEL_THREADS_MAX
            ),
            precision=_PRECISIONS[precision],
            query_prompt=_convert.optional_text(query_prompt, "query_prompt"),
            document_prompt=_convert.optional_text(document_prompt, "document_prompt"),
        )
        pointer = _ffi.model_p()
        lib.ragstore_model_open_with(
            ctypes.byref(pointer), _convert.path(path, "path"), ctypes.byref(options)
        )
        super().__init__(pointer)

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
