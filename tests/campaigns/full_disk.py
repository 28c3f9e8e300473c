#!/usr/bin/env python3
"""Fill small file systems to the last byte with a store, and go on deleting, closing and opening.

A tmpfs of 8 MiB and ext4, XFS and btrfs images, mounted for the purpose: needs root; what cannot be
mounted here is named as NOT RUN. On each: documents and messages are added until the disk is full,
something else takes the last blocks, then a document, a session and an entity are deleted, the store
is closed, opened again, killed, opened again, and nothing that was acknowledged is missing.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

from campaign import ROOT, Wrong, count, run
from disks import Disk, NotHere

sys.path.insert(0, str(ROOT / "examples/python"))
os.environ.setdefault("RAGSTORE_LIBRARY", str(ROOT / "build/lib/libragstore.so"))
from ragstore import DiskFullError, RagstoreError, Store  # noqa: E402

KINDS = ["tmpfs", "ext4", "xfs"]  # btrfs needs room even to change what is there: see ragstore_format(5)


def fill(store: Store, chance: random.Random) -> dict[str, int]:
    """Add until the disk is full. What each entity has, as acknowledged."""
    held: dict[str, int] = {}
    try:
        for number in range(100000):
            name = f"e{number % 3}"
            if name not in held:
                entity = store.create_entity(name)
                entity.create_session().append("user", "hello")
                held[name] = 0
            text = f"Document {number}. " + "granite " * chance.randrange(10, 8000)
            store.entity(name).add(text, filename=f"{number}.txt")
            held[name] += 1
    except DiskFullError as error:
        if "delete documents" not in str(error):
            raise Wrong(f"no advice in: {error}") from error
        return held
    raise Wrong("the disk does not get full")


def take_the_rest(directory: Path) -> None:
    for size in (65536, 512, 1):
        try:
            with open(directory / f"other-{size}", "wb", buffering=0) as file:
                while file.write(b"x" * size):
                    pass
        except OSError:
            pass


def compare(store: Store, held: dict[str, int]) -> None:
    for name, documents in held.items():
        found = len(store.entity(name).documents())
        if found != documents:
            raise Wrong(f"{name} has {found} documents, {documents} were acknowledged")


def delete_all_kinds(store: Store, held: dict[str, int]) -> None:
    first = store.entity("e0").documents()[0]
    store.entity("e0").delete_document(first["doc_id"])
    held["e0"] -= 1
    store.delete_session(store.entity("e1").sessions()[0]["session_id"])
    store.delete_entity("e2")
    del held["e2"]
    compare(store, held)


def open_and_die(path: Path) -> None:
    """Open in a process that ends without closing."""
    code = ("import os, sys; from ragstore import Store; store = Store(sys.argv[1]); "
            "e = store.entity('e0'); e.delete_document(e.documents()[0]['doc_id']); os._exit(0)")
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, timeout=120,
                          env={**os.environ, "PYTHONPATH": str(ROOT / "examples/python")})
    if done.returncode != 0:
        raise Wrong(f"opening and deleting on a full disk: {done.stderr[-500:]}")


def use(directory: Path, chance: random.Random) -> None:
    path = directory / "store"
    (directory / "other-ballast").write_bytes(b"x" * (2 << 20))  # the room that somebody makes later
    store = Store(path)
    held = fill(store, chance)
    take_the_rest(directory)
    compare(store, held)
    delete_all_kinds(store, held)
    store.close()
    take_the_rest(directory)
    with Store(path) as store:
        compare(store, held)
    take_the_rest(directory)
    open_and_die(path)
    held["e0"] -= 1
    take_the_rest(directory)
    with Store(path) as store:
        compare(store, held)
    for file in directory.glob("other-*"):
        file.unlink()
    with Store(path) as store:  # and it is a store like any other when there is room again
        store.create_entity("new").add("There is room again.")
        report = store.check()
        if not report["ok"]:
            raise Wrong(f"check: {report['findings']}")


def cycle(options, chance: random.Random, directory: Path, totals: dict) -> None:
    for kind in KINDS:
        try:
            with Disk(kind, directory / kind) as disk:
                use(disk.path, chance)
                count(totals, f"{kind} filled")
        except NotHere as reason:
            print(f"NOT RUN on {kind}: {reason}")
        except RagstoreError as error:
            raise Wrong(f"{kind}: {type(error).__name__}: {error}") from error
        except Wrong as wrong:
            raise Wrong(f"{kind}: {wrong}") from wrong
        shutil.rmtree(directory / kind, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(run("full-disk", 1, cycle, __doc__))
