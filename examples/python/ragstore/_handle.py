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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, TypeVar

from ._ffi import lib
from .errors import BY_STATUS, WrongStateError, closed

T = TypeVar("T", bound="Handle")


class Handle:
    """An object that owns one handle of the library."""

    _kind = "handle"
    _free = ""  # the function that frees it

    def __init__(self, pointer: Any, keep: Any = None) -> None:
        """Own `pointer`. What `keep` holds (callbacks) stays alive until it has been freed."""
        self._pointer = pointer
        self._users: dict[int, int] = {}  # thread → running calls
        self._change = threading.Condition()
        self._finalizer = weakref.finalize(self, _free_quietly, self._free, pointer, keep)

    @property
    def closed(self) -> bool:
        """True when close() was called."""
        return self._pointer is None

    @contextmanager
    def _use(self) -> Iterator[Any]:
        thread = threading.get_ident()
        with self._change:
            pointer = self._pointer
            if pointer is None:
                raise closed(self._kind)
            self._users[thread] = self._users.get(thread, 0) + 1
        try:
            yield pointer
        finally:
            with self._change:
                self._users[thread] -= 1
                if self._users[thread] == 0:
                    del self._users[thread]
                self._change.notify_all()

    def _release(self, function: Callable[[Any], Any]) -> Any:
        """Take the handle away from this object and give it to `function`, which frees it.
        Nothing happens when it was taken already."""
        with self._change:
            if threading.get_ident() in self._users:
                raise WrongStateError(
                    BY_STATUS["WRONG_STATE"][0],
                    "WRONG_STATE",
                    f"a callback cannot close the {self._kind} that called it",
                )
            pointer, self._pointer = self._pointer, None
            while self._users:
                self._change.wait()
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


def _free_quietly(name: str, pointer: Any, keep: Any) -> None:
    """Free without raising: a collector has nobody to tell. `keep` is let go afterwards."""
    function = lib[name]  # another function object than getattr's: one without the check
    function.argtypes = [type(pointer)]
    function.restype = None
    function(pointer)
