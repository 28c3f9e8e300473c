"""Work that goes on behind the calls."""

from __future__ import annotations

from typing import Any

from . import _convert
from ._ffi import lib
from ._handle import Handle
from .errors import BusyError, invalid

_SLICE_MS = 200  # between two looks for Ctrl-C


class Job(Handle):
    """A job, as Upload.submit() and Entity.submit_chunks() give it and Store.job() finds it by its id in any process."""

    _kind = "job"
    _free = "ragstore_job_free"

    def __init__(self, pointer: Any, store: Any) -> None:
        super().__init__(pointer)
        self._store = store
        self.id: str = lib.ragstore_job_id(pointer).decode()

    def __repr__(self) -> str:
        return f"<Job {self.id}>"

    def describe(self) -> dict[str, Any]:
        """job_id, kind, entity_id, filename, state, stage, done, total, error, next_try_at, retries,
        result (of an upload the document), created_at, updated_at."""
        with self._use() as pointer:
            return _convert.describe("ragstore_job_describe", pointer)

    def wait(self, timeout: float | None = None) -> Any:
        """Wait until it has ended, at most `timeout` seconds, and return its result.

        What it failed with is raised; CancelledError when it was cancelled, BusyError when it has
        not ended in time.
        """
        if timeout is not None and timeout < 0:
            raise invalid(f"timeout is {timeout}; it must not be negative")
        left = None if timeout is None else int(timeout * 1000)
        with self._use() as pointer:
            while True:
                slice_ms = _SLICE_MS if left is None else min(left, _SLICE_MS)
                try:
                    lib.ragstore_job_wait(pointer, slice_ms)
                    break
                except BusyError:
                    if left is not None:
                        left -= slice_ms
                        if left <= 0:
                            raise
        return self.describe()["result"]

    def cancel(self) -> None:
        """Cancel it: nothing of it stays. Nothing happens when it has ended."""
        with self._use() as pointer:
            lib.ragstore_job_cancel(pointer)
