"""Exceptions: one class for each status of the library, in the header's groups.

    RagstoreError
    ├── UsageError      the caller's mistake
    ├── DataError       about what is stored or was given
    ├── ResourceError   memory, time, space
    ├── HostError       the operating system
    └── InternalError   a defect of the library
"""

from __future__ import annotations


class RagstoreError(Exception):
    """A call failed.

    code     the status, such as -20
    name     its name, such as "NOT_FOUND"
    message  what went wrong, where, and what to do where that is known
    errno    the operating system's error behind it, or 0
    room     the part of the library where it arose
    """

    def __init__(
        self, code: int, name: str, message: str, errno: int = 0, room: str = ""
    ) -> None:
        super().__init__(code, name, message, errno, room)
        self.code = code
        self.name = name
        self.message = message
        self.errno = errno
        self.room = room

    def __str__(self) -> str:
        return self.message


class UsageError(RagstoreError):
    """The call does not fit its arguments or the state of things."""


class InvalidArgumentError(UsageError, ValueError):
    """An argument is missing, malformed or out of range."""


class WrongStateError(UsageError):
    """The handle does not allow this call now."""


class ClosedError(UsageError):
    """The handle or its store is closed, or this process is a fork's child."""


class UnsupportedError(UsageError):
    """This build or this processor cannot do it."""


class VersionError(UsageError):
    """Written by a newer library; nothing was touched."""


class DataError(RagstoreError):
    """Something about the data."""


class NotFoundError(DataError, LookupError):
    """No such entity, document, session, …"""


class ExistsError(DataError):
    """An entity, key or directory of that name is there already."""


class ConflictError(DataError):
    """Changed meanwhile, or two truths that contradict each other."""


class DamagedError(DataError):
    """Stored bytes fail their check; the message says which."""


class InvalidDataError(DataError, ValueError):
    """JSON, UTF-8 or a value given by the caller is not valid."""


class NotExtractableError(DataError):
    """No text can be taken from this document."""


class EmbedderError(DataError):
    """No embedding model, or not the one that the entity was made with."""


class QueryError(DataError, ValueError):
    """An operator or value in a query is unknown or malformed."""


class LanguageModelError(DataError, ValueError):
    """The language model failed in the middle of an answer."""


class ResourceError(RagstoreError):
    """Something ran out."""


class NoMemoryError(ResourceError):
    """The library could not get memory."""


class TooLargeError(ResourceError):
    """Over a documented limit."""


class BusyError(ResourceError):
    """Another process or thread holds it; the deadline passed."""


class DiskFullError(ResourceError):
    """No space or quota left; nothing was changed."""


class CancelledError(ResourceError):
    """Stopped by Store.interrupt() or by a callback."""


class HostError(RagstoreError):
    """The operating system failed or refused."""


class IOFailureError(HostError):
    """The operating system failed to read or write."""


class AccessError(HostError):
    """The operating system refused."""


class ReadOnlyError(HostError):
    """The store was opened for reading only."""


class FailedError(HostError):
    """An earlier flush failed; reopen the store to write again."""


class InternalError(RagstoreError):
    """A defect of the library; please report it."""


BY_STATUS: dict[str, tuple[int, type[RagstoreError]]] = {
    "INVALID_ARGUMENT": (-1, InvalidArgumentError),
    "WRONG_STATE": (-2, WrongStateError),
    "CLOSED": (-3, ClosedError),
    "UNSUPPORTED": (-4, UnsupportedError),
    "VERSION": (-5, VersionError),
    "NOT_FOUND": (-20, NotFoundError),
    "EXISTS": (-21, ExistsError),
    "CONFLICT": (-22, ConflictError),
    "DAMAGED": (-23, DamagedError),
    "INVALID_DATA": (-24, InvalidDataError),
    "NOT_EXTRACTABLE": (-25, NotExtractableError),
    "EMBEDDER": (-26, EmbedderError),
    "QUERY": (-27, QueryError),
    "MODEL": (-28, LanguageModelError),
    "NO_MEMORY": (-40, NoMemoryError),
    "TOO_LARGE": (-41, TooLargeError),
    "BUSY": (-42, BusyError),
    "DISK_FULL": (-43, DiskFullError),
    "INTERRUPTED": (-44, CancelledError),
    "IO": (-60, IOFailureError),
    "PERMISSION": (-61, AccessError),
    "READ_ONLY": (-62, ReadOnlyError),
    "FAILED": (-63, FailedError),
    "INTERNAL": (-80, InternalError),
}

_BY_CODE = dict(BY_STATUS.values())


def error_class(code: int) -> type[RagstoreError]:
    """The class for a status; the general one for a status that this package does not know."""
    return _BY_CODE.get(code, RagstoreError)


def closed(what: str) -> ClosedError:
    """The error of a handle that was closed in Python."""
    return ClosedError(BY_STATUS["CLOSED"][0], "CLOSED", f"this {what} is closed")


def invalid(message: str) -> InvalidArgumentError:
    """The error of an argument that cannot be handed to the library."""
    return InvalidArgumentError(BY_STATUS["INVALID_ARGUMENT"][0], "INVALID_ARGUMENT", message)
