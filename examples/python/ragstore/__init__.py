"""ragstore: documents, vectors and conversations in one directory.

    from ragstore import Model, Store

    with Store("data", model=Model()) as store:
        entity = store.create_entity("acme", name="Acme Corp")
        entity.add_file("report.md", metadata={"year": 2024})
        for hit in entity.search("What was the revenue?"):
            print(f"{hit.score:.2f}  {hit.doc_name}: {hit.content}")
        answer = entity.create_session().ask("What was the revenue?")
        print(answer.text)
        for number, hit in enumerate(answer.sources, 1):
            print(f"[{number}] {hit.doc_name}")
        store.collection("visits").update_one({"_id": "acme"}, {"$inc": {"n": 1}}, upsert=True)

It is a thin layer over the C library libragstore, whose manual pages say what each call promises.
It needs nothing but Python; numpy arrays are taken and given where vectors are.
Failures are exceptions below RagstoreError.
"""

from __future__ import annotations

from ._ffi import lib as _lib
from .collection import Collection, Cursor
from .document import Document, Upload
from .entity import Entity
from .errors import (
    AccessError,
    BusyError,
    CancelledError,
    ClosedError,
    ConflictError,
    DamagedError,
    DataError,
    DiskFullError,
    EmbedderError,
    ExistsError,
    FailedError,
    HostError,
    InternalError,
    InvalidArgumentError,
    InvalidDataError,
    IOFailureError,
    NoMemoryError,
    NotExtractableError,
    NotFoundError,
    LanguageModelError,
    QueryError,
    RagstoreError,
    ReadOnlyError,
    ResourceError,
    TooLargeError,
    UnsupportedError,
    UsageError,
    VersionError,
    WrongStateError,
)
from .index import Index
from .job import Job
from .model import Model
from .result import Hit, Result
from .session import Answer, Session
from .store import Batch, Store, restore_backup, verify_backup

__version__ = "0.1.0"


def library_version() -> str:
    """The version of the C library that is loaded."""
    return _lib.ragstore_version_text().decode()


__all__ = [
    "AccessError",
    "Answer",
    "Batch",
    "BusyError",
    "CancelledError",
    "ClosedError",
    "Collection",
    "ConflictError",
    "Cursor",
    "DamagedError",
    "DataError",
    "DiskFullError",
    "Document",
    "EmbedderError",
    "Entity",
    "ExistsError",
    "FailedError",
    "Hit",
    "HostError",
    "IOFailureError",
    "Index",
    "InternalError",
    "InvalidArgumentError",
    "InvalidDataError",
    "Job",
    "Model",
    "NoMemoryError",
    "NotExtractableError",
    "NotFoundError",
    "LanguageModelError",
    "QueryError",
    "RagstoreError",
    "ReadOnlyError",
    "ResourceError",
    "Result",
    "Session",
    "Store",
    "TooLargeError",
    "UnsupportedError",
    "Upload",
    "UsageError",
    "VersionError",
    "WrongStateError",
    "library_version",
    "restore_backup",
    "verify_backup",
]
