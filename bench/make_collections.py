#!/usr/bin/env python3
"""Make test collections of long documents, for choosing how documents are cut.

    bench/make_collections.py FOLDER

writes into FOLDER, each as tests/harness/collection.h reads it:

    cranfield   a link to the collection in $RAGSTORE_SHARED_DATA (default ../shared/data)
    joined      a third of the same abstracts, eight to a document, a heading above each: what
                answers a question is a small part of what it stands in
    manual      manual pages of this system, as text; a question is what a page's NAME section
                says of it, which is taken out of the page

What has the same name in another run is the same, but for manual pages that the system got or lost.
"""
import gzip
import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

ABSTRACTS_A_DOCUMENT = 8
PAGES = 60
PAGE_BYTES = range(3_000, 16_000)
QUESTION_WORDS = 4


def read_lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def write_collection(folder, documents, questions, grades):
    folder.mkdir(parents=True, exist_ok=True)
    for name, objects in (("corpus", documents), ("queries", questions)):
        with open(folder / f"{name}.jsonl", "w") as out:
            out.writelines(json.dumps(o, ensure_ascii=False) + "\n" for o in objects)
    with open(folder / "qrels.tsv", "w") as out:
        out.write("query-id\tdoc-id\tgrade\n")
        out.writelines(f"{q}\t{d}\t{grade}\n" for (q, d), grade in sorted(grades.items()))
    print(f"{folder}: {len(documents)} documents, {len(questions)} questions")


def by_digest(text):
    return hashlib.sha256(text.encode()).digest()


def join_abstracts(cranfield, folder):
    abstracts = sorted(read_lines(cranfield / "corpus.jsonl"), key=lambda a: by_digest(a["id"]))
    abstracts = abstracts[: len(abstracts) // 3]
    documents, place = [], {}
    for at in range(0, len(abstracts), ABSTRACTS_A_DOCUMENT):
        some = abstracts[at : at + ABSTRACTS_A_DOCUMENT]
        number = str(len(documents))
        text = "\n\n".join(f"{a['title']}\n\n{a['text']}" for a in some)
        documents.append({"id": number, "title": "", "text": text})
        place.update((a["id"], number) for a in some)
    grades = {}
    for line in (cranfield / "qrels.tsv").read_text().splitlines()[1:]:
        question, abstract, grade = line.split("\t")
        if int(grade) > 0 and abstract in place:
            grades[question, place[abstract]] = 1
    write_collection(folder, documents, read_lines(cranfield / "queries.jsonl"), grades)


def render(page):
    """A manual page as plain text, without backspaces."""
    source = gzip.open(page).read() if page.suffix == ".gz" else page.read_bytes()
    if source.startswith(b".so "):
        return ""
    done = subprocess.run(
        ["mandoc", "-T", "utf8", "-O", "width=100"], input=source, capture_output=True
    )
    return re.sub(".\b", "", done.stdout.decode("utf-8", "replace"))


def take_apart(text):
    """The question of a page, and the page without its NAME section, head and foot."""
    found = re.search(r"^NAME\n(.*?)(?=^\S)", text, re.M | re.S)
    if found is None:
        return "", ""
    name = " ".join(found.group(1).split())
    question = re.split(r" [-–—] ", name, maxsplit=1)[-1]
    return question, text[found.end() :].rsplit("\n", 2)[0].strip()


def collect_manual(folder):
    pages = [p for n in (1, 3, 5, 7, 8) for p in Path(f"/usr/share/man/man{n}").glob("*")]
    documents, questions, grades, asked = [], [], {}, set()
    for page in sorted(pages, key=lambda p: by_digest(p.name)):
        question, text = take_apart(render(page))
        is_fit = len(text.encode()) in PAGE_BYTES and len(question.split()) >= QUESTION_WORDS
        if not is_fit or page.is_symlink() or question in asked:
            continue
        asked.add(question)
        number = str(len(documents))
        documents.append({"id": number, "title": "", "text": text})
        questions.append({"id": number, "text": question})
        grades[number, number] = 1
        if len(documents) == PAGES:
            break
    if documents:
        write_collection(folder, documents, questions, grades)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder = Path(sys.argv[1])
    shared = Path(os.environ.get("RAGSTORE_SHARED_DATA", "../shared/data")).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    link = folder / "cranfield"
    if not link.exists():
        link.symlink_to(shared / "cranfield")
    join_abstracts(shared / "cranfield", folder / "joined")
    collect_manual(folder / "manual")


if __name__ == "__main__":
    main()
