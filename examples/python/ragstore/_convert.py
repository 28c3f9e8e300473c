"""Python values to C and back: text, JSON, numbers in range, matrices of floats, callbacks."""

from __future__ import annotations

import ctypes
import json
import numbers
import os
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from ctypes import POINTER, c_char_p, c_float
from types import TracebackType
from typing import Any

from . import _ffi
from ._ffi import lib, take_bytes
from .errors import invalid

# ---- text ----


def text(value: str, what: str) -> bytes:
    """UTF-8, without the NUL that would end it early in C."""
    if not isinstance(value, str):
        raise TypeError(f"{what} must be a str, not {type(value).__name__}")
    if "\0" in value:
        raise invalid(f"{what} contains a NUL character")
    try:
        return value.encode()
    except UnicodeEncodeError as error:
        raise invalid(f"{what} cannot be written as UTF-8: {error.reason}") from None


def optional_text(value: str | None, what: str) -> bytes | None:
    return None if value is None else text(value, what)


def path(value: str | os.PathLike[str], what: str) -> bytes:
    raw = os.fsencode(value)
    if b"\0" in raw:
        raise invalid(f"{what} contains a NUL character")
    return raw


def texts(values: Iterable[str] | None, what: str) -> tuple[Any, int]:
    """An array of C strings and its length; NULL for None. An empty one is not NULL."""
    if values is None:
        return None, 0
    if isinstance(values, (str, bytes)):
        raise TypeError(f"{what} must be several strings, not one")
    encoded = [text(value, what) for value in values]
    # One element more, because ctypes makes no array of none.
    return (c_char_p * (len(encoded) + 1))(*encoded), len(encoded)


# ---- JSON ----


_to_json = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode


def json_text(value: Any, what: str) -> bytes:
    try:
        return text(_to_json(value), what)
    except ValueError as error:
        raise invalid(f"{what} cannot be written as JSON: {error}") from None


def optional_json(value: Mapping[str, Any] | None, what: str) -> bytes | None:
    return None if value is None else json_text(value, what)


def take_json(buffer: _ffi.buffer_p) -> Any:
    return json.loads(take_bytes(buffer))


def describe(function: str, pointer: Any, *more: Any) -> Any:
    """Call a function that gives JSON in a buffer, and read it."""
    buffer = _ffi.buffer_p()
    getattr(lib, function)(ctypes.byref(buffer), pointer, *more)
    return take_json(buffer)


# ---- numbers ----


def number(value: int | None, what: str, least: int, most: int) -> int:
    """A number for a field in which zero means the default, as None does here."""
    if value is None:
        return 0
    if not least <= value <= most:
        raise invalid(f"{what} is {value}; it must be {least} to {most}")
    return int(value)


U32_MAX = 2**32 - 1
U64_MAX = 2**64 - 1


# ---- matrices of floats ----


class Floats:
    """Rows of C floats from whatever holds numbers.

    A numpy array (or what turns into one) of any number type, a buffer such as array.array, a
    sequence of numbers, or a sequence of any of those. float32 arrays of numpy are not copied.
    """

    def __init__(self, values: Any, what: str = "vectors") -> None:
        self.from_numpy = hasattr(values, "__array__")
        self.single = False  # one row was given, not a sequence of rows
        if self.from_numpy:
            self._take_numpy(values, what)
        else:
            self._take_plain(values, what)

    def _take_numpy(self, values: Any, what: str) -> None:
        import numpy

        matrix = numpy.ascontiguousarray(values, dtype=numpy.float32)
        if matrix.ndim == 1:
            self.single = True
            matrix = matrix.reshape(1, -1)
        if matrix.ndim != 2:
            raise invalid(f"{what} must have one or two dimensions, not {matrix.ndim}")
        self.count, self.dimension = matrix.shape
        self._keep = matrix
        self.pointer = ctypes.cast(matrix.__array_interface__["data"][0], POINTER(c_float))

    def _take_plain(self, values: Any, what: str) -> None:
        self.single, given = _plain_rows(values)
        rows = [_plain_row(row, what) for row in given]
        self.count = len(rows)
        self.dimension = len(rows[0]) if rows else 0
        flat = array("f")
        for row in rows:
            if len(row) != self.dimension:
                raise invalid(
                    f"{what} have rows of {self.dimension} and of {len(row)} numbers"
                )
            flat.extend(row)
        self._keep = flat
        self.pointer = as_floats(flat)


def _plain_rows(values: Any) -> tuple[bool, Sequence[Any]]:
    """Was one row given, not several? And the rows."""
    if isinstance(values, (str, bytes, bytearray)):
        raise TypeError("text is not a vector")
    if _is_buffer(values):
        view = memoryview(values)
        return (True, [values]) if view.ndim == 1 else (False, view.tolist())
    values = list(values)
    single = bool(values) and isinstance(values[0], numbers.Real)
    return single, [values] if single else values


def _plain_row(values: Any, what: str) -> array[float]:
    if isinstance(values, array) and values.typecode == "f":
        return values
    try:
        return array("f", memoryview(values).tolist() if _is_buffer(values) else values)
    except (TypeError, OverflowError) as error:
        raise invalid(f"{what} must consist of numbers: {error}") from None


def _is_buffer(values: Any) -> bool:
    try:
        memoryview(values)
    except TypeError:
        return False
    return True


def as_floats(values: array[float]) -> Any:
    """A C pointer to the numbers of an array, which must outlive it and keep its size."""
    address, _ = values.buffer_info()
    return ctypes.cast(address, POINTER(c_float))


# ---- callbacks ----


class Callbacks:
    """Python functions called by the library during one call.

    A function that returns False cancels the call. One that raises cancels it too, and its
    exception comes out of the `with` block instead of the library's.
    """

    def __init__(self) -> None:
        self._error: BaseException | None = None
        self._keep: list[Any] = []

    def wrap(self, prototype: Any, function: Callable[..., Any]) -> Any:
        def call(user: Any, *arguments: Any) -> int:
            try:
                return 1 if function(*arguments) is False else 0
            except BaseException as error:  # nothing may pass through C
                self._error = self._error or error
                return 1

        wrapped = prototype(call)
        self._keep.append(wrapped)
        return wrapped

    def __enter__(self) -> Callbacks:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._error is not None:
            first, self._error = self._error, None
            raise first from None
