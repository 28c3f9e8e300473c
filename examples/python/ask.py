#!/usr/bin/env python3
"""Ask questions about files.

    ask.py report.md notes.txt -q "What was decided?"
    ask.py docs/*.md --store kept            # asks for questions; keeps what was indexed
    ask.py --store kept -q "…" --json        # one JSON object a line
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path

import ragstore


def main() -> int:
    options = parse_arguments()
    with tempfile.TemporaryDirectory() as temporary:
        try:
            with ragstore.Store(options.store or temporary, model=find_model(options)) as store:
                return run(store, options)
        except ragstore.RagstoreError as error:
            print(f"ask: {error}", file=sys.stderr)
            return 1


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Index files and answer questions about them, with sources."
    )
    parser.add_argument("files", nargs="*", metavar="FILE", help="text, Markdown or HTML")
    parser.add_argument(
        "-q", "--question", action="append", metavar="TEXT", help="may be repeated; default: asks"
    )
    parser.add_argument("--store", metavar="DIR", help="keep what is indexed; default: temporary")
    parser.add_argument("--entity", default="ask", metavar="ID", help="default: ask")
    parser.add_argument("--model", metavar="DIR", help="embedding model; default: the installed")
    parser.add_argument("--no-model", action="store_true", help="search by keyword only")
    parser.add_argument("-k", type=int, metavar="N", help="passages to draw on, 1 to 50")
    parser.add_argument("--json", action="store_true", help="one JSON object for each answer")
    options = parser.parse_args()
    if not options.files and not options.store:
        parser.error("name files to read, or a --store that was filled before")
    return options


def find_model(options: argparse.Namespace) -> ragstore.Model | None:
    if options.no_model:
        return None
    try:
        return ragstore.Model(options.model)
    except ragstore.NotFoundError:
        if options.model:
            raise
        print("ask: no embedding model is installed; searching by keyword", file=sys.stderr)
        return None


def run(store: ragstore.Store, options: argparse.Namespace) -> int:
    try:
        entity = store.entity(options.entity)
    except ragstore.NotFoundError:
        entity = store.create_entity(options.entity)
    unread = add_files(entity, options.files)
    session = entity.create_session()
    for question in questions(options):
        answer = session.ask(question, k=options.k)
        if options.json:
            print_json(question, answer)
        else:
            print_answer(question, answer, echo=bool(options.question))
    return 1 if unread else 0


def add_files(entity: ragstore.Entity, files: list[str]) -> int:
    """Index files; those already there cost nothing. Returns how many could not be read."""
    unread = 0
    for name in files:
        path = Path(name)
        try:
            described = entity.add_file(path, key=str(path.resolve())).describe()
        except (ragstore.DataError, OSError) as error:
            print(f"ask: {name} is left out: {error}", file=sys.stderr)
            unread += 1
            continue
        state = "already there" if described["is_duplicate"] else "indexed"
        print(f"{name}: {described['chunks_count']} chunks, {state}", file=sys.stderr)
    return unread


def questions(options: argparse.Namespace) -> Iterator[str]:
    if options.question:
        yield from options.question
        return
    on_terminal = sys.stdin.isatty()
    while True:
        if on_terminal:
            print("\n? ", end="", file=sys.stderr, flush=True)
        line = sys.stdin.readline()
        if not line:
            return
        if line.strip():
            yield line.strip()


def print_answer(question: str, answer: ragstore.Answer, echo: bool) -> None:
    width = min(shutil.get_terminal_size().columns, 100)
    if echo:
        print(f"\n? {question}")
    print()
    for paragraph in answer.text.split("\n"):
        print(textwrap.fill(paragraph, width))
    for number, hit in enumerate(answer.sources, 1):
        place = hit.doc_name
        if hit.page is not None:
            place += f", page {hit.page}"
        if hit.heading:
            place += f", {hit.heading}"
        print(f"  [{number}] {place} ({hit.score:.2f})")


def print_json(question: str, answer: ragstore.Answer) -> None:
    print(
        json.dumps(
            {
                "question": question,
                "answer": answer.text,
                "sources": answer.sources.to_list(),
            },
            ensure_ascii=False,
        ),
        flush=True,
    )


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(141)
