"""Results of a search: plain Python values, independent of the store."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, overload

from . import _ffi
from ._ffi import lib

MODES = {
    "hybrid": _ffi.RAGSTORE_MODE_HYBRID,
    "vector": _ffi.RAGSTORE_MODE_VECTOR,
    "keyword": _ffi.RAGSTORE_MODE_KEYWORD,
}
FUSIONS = {"sum": _ffi.RAGSTORE_FUSION_SUM, "ranks": _ffi.RAGSTORE_FUSION_RANKS}
_MODE_NAMES = {number: name for name, number in MODES.items()}


@dataclass(frozen=True)
class Hit:
    """One chunk that answers a query."""

    content: str  # its text, with neighbours when they were asked for
    doc_id: str
    doc_name: str  # the file name of its document
    source: str  # what was named as the source, or else the file name
    metadata: dict[str, Any]  # the document's, overlaid by the chunk's
    heading: str  # the headings above it, joined by " > "; "" when there are none
    chunk_number: int  # unique in the entity, never used again
    chunk_order: int  # its place in the document, from 0
    page: int | None  # from 1
    start: int | None  # byte offset into Document.text()
    end: int | None  # behind the last byte
    score: float  # 0 to 1
    vector_score: float | None  # cosine, when it was computed
    keyword_score: float | None  # 0 to 1, when it was computed


class Result(Sequence[Hit]):
    """Ranked hits, best first.

    mode  how they were ranked: "hybrid", "vector" or "keyword"
    """

    def __init__(self, hits: Sequence[Hit], mode: str) -> None:
        self._hits = list(hits)
        self.mode = mode

    @overload
    def __getitem__(self, position: int) -> Hit: ...

    @overload
    def __getitem__(self, position: slice) -> list[Hit]: ...

    def __getitem__(self, position: int | slice) -> Hit | list[Hit]:
        return self._hits[position]

    def __len__(self) -> int:
        return len(self._hits)

    def __iter__(self) -> Iterator[Hit]:
        return iter(self._hits)

    def __repr__(self) -> str:
        return f"<Result of {len(self)} hits, {self.mode}>"

    def to_list(self) -> list[dict[str, Any]]:
        """The hits as dicts, ready for JSON."""
        return [asdict(hit) for hit in self._hits]


def read_result(pointer: Any) -> Result:
    """Copy everything out of a result of the library, which the caller still frees."""
    hits = [_read_hit(pointer, position) for position in range(lib.ragstore_result_count(pointer))]
    return Result(hits, _MODE_NAMES.get(lib.ragstore_result_mode(pointer), "unknown"))


def _read_hit(pointer: Any, position: int) -> Hit:
    def text(function: str) -> str:
        return (getattr(lib, function)(pointer, position) or b"").decode("utf-8", "replace")

    def known(value: int, unknown: int) -> int | None:
        return None if value == unknown else value

    def computed(value: float) -> float | None:
        return None if math.isnan(value) else value

    return Hit(
        content=text("ragstore_result_content"),
        doc_id=text("ragstore_result_doc_id"),
        doc_name=text("ragstore_result_doc_name"),
        source=text("ragstore_result_source"),
        metadata=json.loads(text("ragstore_result_metadata") or "{}"),
        heading=text("ragstore_result_heading"),
        chunk_number=lib.ragstore_result_chunk_number(pointer, position),
        chunk_order=lib.ragstore_result_chunk_order(pointer, position),
        page=known(lib.ragstore_result_page(pointer, position), 0),
        start=known(lib.ragstore_result_start(pointer, position), -1),
        end=known(lib.ragstore_result_end(pointer, position), -1),
        score=lib.ragstore_result_score(pointer, position),
        vector_score=computed(lib.ragstore_result_vector_score(pointer, position)),
        keyword_score=computed(lib.ragstore_result_keyword_score(pointer, position)),
    )
