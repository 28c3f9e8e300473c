"""What every class with a handle of the library shares: use, close, and the garbage collector.

    with self._use() as pointer:       the handle cannot be freed meanwhile
        lib.ragstore_…(pointer)

The library wants no handle to be freed while another thread uses it, so close() first refuses new
uses and then waits for those that run. Handles that are never closed are freed when their object
is collected, or at the interpreter's exit, the newest first; the library takes any order.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from types import TracebackType
from typing import Any, TypeVar

from ._ffi import lib
from .errors import BY_STATUS, WrongStateError, closed

T = TypeVar("T", bound="Handle")


class _Use:
    """One call that uses a handle."""

    __slots__ = ("_handle",)

    def __init__(self, handle: Handle) -> None:
        self._handle = handle

    def __enter__(self) -> Any:
        return self._handle._begin_use()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._handle._end_use()


class Handle:
    """An object that owns one handle of the library."""

    _kind = "handle"
    _free = ""  # the function that frees it

    def __init__(self, pointer: Any, keep: Any = None) -> None:
        """Own `pointer`. What `keep` holds (callbacks) stays alive until it has been freed."""
        self._pointer = pointer
        self._users: dict[int, int] = {}  # thread → running calls
        self._lock = threading.Lock()
        self._unused: threading.Event | None = None  # of who waits for the last call to end
        self._finalizer = weakref.finalize(self, _free_quietly, self._free, pointer, keep)

    @property
    def closed(self) -> bool:
        """True when close() was called."""
        return self._pointer is None

    def _use(self) -> _Use:
        return _Use(self)

    def _begin_use(self) -> Any:
        thread = threading.get_ident()
        with self._lock:
            pointer = self._pointer
            if pointer is None:
                raise closed(self._kind)
            self._users[thread] = self._users.get(thread, 0) + 1
        return pointer

    def _end_use(self) -> None:
        thread = threading.get_ident()
        with self._lock:
            left = self._users[thread] - 1
            if left > 0:
                self._users[thread] = left
                return
            del self._users[thread]
            if self._unused is not None and not self._users:
                self._unused.set()

    def _release(self, function: Callable[[Any], Any]) -> Any:
        """Take the handle away from this object and give it to `function`, which frees it.
        Nothing happens when it was taken already."""
        with self._lock:
            if threading.get_ident() in self._users:
                raise WrongStateError(
                    BY_STATUS["WRONG_STATE"][0],
                    "WRONG_STATE",
                    f"a callback cannot close the {self._kind} that called it",
                )
            pointer, self._pointer = self._pointer, None
            if self._users and self._unused is None:
                self._unused = threading.Event()
            unused = self._unused
        if unused is not None:
            unused.wait()
        if pointer is None:
            return None
        taken = self._finalizer.detach()
        if taken is None:  # freed at the interpreter's exit
            return None
        return function(pointer)

    def close(self) -> None:
        """Free the handle. What it stands for stays in the store."""
        self._release(getattr(lib, self._free))

    def __enter__(self: T) -> T:
        if self.closed:
            raise closed(self._kind)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


_UNCHECKED: dict[str, Any] = {}  # functions that free, by name


def _free_quietly(name: str, pointer: Any, keep: Any) -> None:
    """Free without raising: a collector has nobody to tell. `keep` is let go afterwards."""
    function = _UNCHECKED.get(name)
    if function is None:
        function = lib[name]  # another function object than getattr's: one without the check
        function.argtypes = [type(pointer)]
        function.restype = None
        _UNCHECKED[name] = function
    function(pointer)
