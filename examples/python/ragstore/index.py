"""The vectors of an entity."""

from __future__ import annotations

import ctypes
from array import array
from ctypes import POINTER, c_int64, cast
from typing import Any

from . import _convert, _ffi
from ._ffi import lib
from ._handle import Handle
from .document import Progress
from .errors import invalid


class Index(Handle):
    """The vectors of an entity: search by vector, without texts; how they are searched."""

    _kind = "index"
    _free = "ragstore_index_free"

    def __init__(self, pointer: Any, entity: Any) -> None:
        super().__init__(pointer)
        self._entity = entity

    def describe(self) -> dict[str, Any]:
        """kind, tier, problem, state, metric, dimension, count, coded, rows, dead, bytes, memory,
        embedder, file."""
        with self._use() as pointer:
            return _convert.describe("ragstore_index_describe", pointer)

    def set(self, key: str, value: str | int | None) -> None:
        """Change a setting; None is the default again.

        kind        "auto", "exact", "codes", "partition", or "faiss:" and a factory string, such
                    as "faiss:HNSW32": how vectors are searched
        probes      lists of a partition, or of FAISS's, that a search looks into
        candidates  vectors that a search by codes or FAISS compares
        """
        raw = None if value is None else _convert.text(str(value), "value")
        with self._use() as pointer:
            lib.ragstore_index_set(pointer, _convert.text(key, "key"), raw)

    def get(self, key: str) -> str:
        """The value of a setting."""
        out = _ffi.buffer_p()
        with self._use() as pointer:
            lib.ragstore_index_get(ctypes.byref(out), pointer, _convert.text(key, "key"))
        return _ffi.take_bytes(out).decode()

    def rebuild(self, *, progress: Progress | None = None) -> None:
        """Make what the entity is searched by anew from its vectors, now; searches go on meanwhile.

        progress  called with (stage, done, total) now and then; False cancels
        """
        callbacks = _convert.Callbacks()

        def report(stage: bytes | None, done: int, total: int) -> Any:
            # Called without a progress function too, so that Ctrl-C ends a long call.
            return progress((stage or b"").decode(), done, total) if progress else None

        options = _ffi.index_rebuild_options(
            progress=callbacks.wrap(_ffi.progress_callback, report)
        )
        with callbacks, self._use() as pointer:
            lib.ragstore_index_rebuild(pointer, ctypes.byref(options))

    def search(self, queries: Any, k: int = 5) -> tuple[Any, Any]:
        """The k nearest vectors to each query: (chunk numbers, scores), best first.

        queries  one vector or several: numpy, buffers or plain sequences of numbers
        k        1 to 16,384

        Scores are cosines, inner products, or minus squared distances, by the entity's metric. Where there are fewer than k vectors, the number is -1 and the
        score NaN. For numpy queries the results are numpy arrays, otherwise lists; for several
        queries there is one row for each, for a single vector just its row.
        """
        if not 1 <= k <= 16384:
            raise invalid(f"k is {k}; it must be 1 to 16384")
        rows = _convert.Floats(queries, "queries")
        if rows.count * k > 2**28:
            raise invalid(f"{rows.count} queries of {k} results are too many for one call")
        numbers = array("q", bytes(8 * rows.count * k))
        scores = array("f", bytes(4 * rows.count * k))
        with self._use() as pointer:
            if rows.count > 0:
                lib.ragstore_index_search(
                    cast(numbers.buffer_info()[0], POINTER(c_int64)),
                    _convert.as_floats(scores),
                    pointer,
                    rows.pointer,
                    rows.count,
                    rows.dimension,
                    k,
                )
        if rows.from_numpy:
            import numpy

            shape = (k,) if rows.single else (rows.count, k)
            return (
                numpy.asarray(numbers, dtype=numpy.int64).reshape(shape),
                numpy.asarray(scores, dtype=numpy.float32).reshape(shape),
            )
        if rows.single:
            return numbers.tolist(), scores.tolist()
        cut = [slice(row * k, (row + 1) * k) for row in range(rows.count)]
        return [numbers[part].tolist() for part in cut], [scores[part].tolist() for part in cut]

    def vector(self, chunk_number: int) -> array[float]:
        """The vector of a chunk; numpy.asarray() takes it without a copy."""
        if not -(2**63) <= chunk_number < 2**63:
            raise invalid(f"chunk number {chunk_number} is out of range")
        dimension = self.describe()["dimension"]
        vector = array("f", bytes(4 * dimension))
        with self._use() as pointer:
            lib.ragstore_index_vector(
                _convert.as_floats(vector), pointer, chunk_number, dimension
            )
        return vector

    def export(self) -> None:
        """Write vector_store/index.faiss anew, so that it is exact now."""
        with self._use() as pointer:
            lib.ragstore_index_export(pointer)
