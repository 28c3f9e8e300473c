#!/usr/bin/env python3
"""The first minutes with ragstore, played through for real.

Starts the server on a free port with a fresh directory, uploads the project's own documents (and
those of DOCS), asks three questions by search and by chat, kills the server without warning,
starts it again, and shows that everything is still there. Exits 0 only if every step worked.

Standard library only. Run by `make quickstart`.
"""

import json
import mimetypes
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid

ROOT = pathlib.Path(__file__).resolve().parent.parent
SERVER = ROOT / "build/bin/ragstore-server"
QUESTIONS = [
    "What survives a power cut?",
    "Which licence does ragstore have?",
    "How do I search only some documents?",
]
SUFFIXES = {".md", ".txt", ".html", ".htm", ".csv", ".json", ".rst", ""}
WIDTH = min(shutil.get_terminal_size((96, 24)).columns, 110)
COLOUR = sys.stdout.isatty() and "NO_COLOR" not in os.environ


def styled(text, code):
    return f"\033[{code}m{text}\033[0m" if COLOUR else text


def step(text):
    print("\n" + styled("▸ " + text, "1;36"), flush=True)


def done(text):
    print("  " + styled("✓", "32") + " " + text, flush=True)


def stop(text):
    print("  " + styled("✗ " + text, "1;31"), file=sys.stderr, flush=True)
    raise SystemExit(1)


class Server:
    """One run of the server; `url` is where it answers."""

    def __init__(self, directory):
        self.log = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")
        self.process = subprocess.Popen(
            [str(SERVER), "--data-dir", str(directory), "--port", "0"],
            stdout=subprocess.PIPE, stderr=self.log, text=True)
        self.greeting = self.process.stdout.readline().strip()
        words = [word.strip("(),") for word in self.greeting.split() if word.startswith("http://")]
        if not words:
            self.process.wait(timeout=10)
            self.log.seek(0)
            stop("the server did not start: " + self.log.read().strip())
        self.url = words[0]

    def end(self, how):
        self.process.send_signal(how)
        return self.process.wait(timeout=15)


def call(server, method, path, body=None, content_type="application/json"):
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
    request = urllib.request.Request(server.url + path, data=body, method=method)
    if body is not None:
        request.add_header("Content-Type", content_type)
    try:
        with urllib.request.urlopen(request, timeout=600) as reply:
            return json.load(reply)
    except urllib.error.HTTPError as error:
        raise RuntimeError(f"{method} {path}: {error.code} {error.read().decode()[:400]}") from None


def upload(server, entity, path, name):
    boundary = uuid.uuid4().hex
    kind = mimetypes.guess_type(name)[0] or "text/plain"
    head = (f'--{boundary}\r\nContent-Disposition: form-data; name="file"; '
            f'filename="{name}"\r\nContent-Type: {kind}\r\n\r\n')
    body = head.encode() + path.read_bytes() + f"\r\n--{boundary}--\r\n".encode()
    return call(server, "POST", f"/api/entities/{entity}/files", body,
                f"multipart/form-data; boundary={boundary}")


def readable_pages(directory):
    """The manual pages as a reader sees them: in Markdown, where mandoc is there to make it."""
    pages = sorted((ROOT / "man").glob("*.[1-8]"))
    mandoc = shutil.which("mandoc")
    if not mandoc:
        return pages
    rendered = []
    for page in pages:
        text = subprocess.run([mandoc, "-T", "markdown", str(page)], capture_output=True,
                              check=True).stdout
        rendered.append(directory / (page.name + ".md"))
        rendered[-1].write_bytes(text)
    return rendered


def documents(directory):
    """The project's own documents, then those of DOCS (a file or a folder)."""
    found = [ROOT / "README.md", ROOT / "LICENSE", ROOT / "lib/README.md"]
    found += readable_pages(directory)
    wanted = os.environ.get("DOCS", "").strip()
    if wanted:
        place = pathlib.Path(wanted).expanduser()
        if not place.exists():
            stop(f"DOCS={wanted}: there is no such file or folder")
        given = [place] if place.is_file() else sorted(p for p in place.rglob("*") if p.is_file())
        found += [path for path in given if path.suffix.lower() in SUFFIXES]
    return found


def name_of(path):
    return str(path.relative_to(ROOT)).replace("/", "-") if ROOT in path.parents else path.name


def index(server, entity, directory):
    total = chunks = refused = 0
    started = time.monotonic()
    paths = documents(directory)
    for number, path in enumerate(paths, 1):
        name = name_of(path)
        try:
            reply = upload(server, entity, path, name)
        except RuntimeError as error:
            refused += 1
            print(f"  [{number:2}/{len(paths)}] {name}: refused: {error}", flush=True)
            continue
        total += 1
        chunks += reply["chunks_count"]
        print(f"  [{number:2}/{len(paths)}] {name:<40} {reply['chunks_count']:4} chunks", flush=True)
    if not total:
        stop("not one document could be added")
    done(f"{total} documents, {chunks} chunks, {time.monotonic() - started:.1f} s"
         + (f", {refused} refused" if refused else ""))
    return total, chunks


def indented(text, by):
    folded = " ".join(text.split())
    return textwrap.fill(folded, WIDTH, initial_indent=by, subsequent_indent=by)


def ask(server, entity, session):
    for question in QUESTIONS:
        print("\n  " + styled("? " + question, "1"))
        found = call(server, "POST", "/api/search",
                     {"entity_id": entity, "query": question, "k": 3})
        if not found["results"]:
            stop("the search found nothing")
        for hit in found["results"]:
            print(f"    {hit['score']:.2f}  {hit['source']}, chunk {hit['chunk_order_index']}")
        reply = call(server, "POST", "/api/chat",
                     {"session_id": session, "message": question, "stream": False})
        content = reply["message"]["content"]
        if not content:
            stop("the chat answered nothing")
        for line in content.splitlines():
            print(indented(line, "    │ "))
        for number, source in enumerate(reply["sources"], 1):
            print(styled(f"    [{number}] {source['source']}, chunk {source['chunk_order_index']}", "2"))


def compare(server, entity, session, total, chunks, before):
    described = call(server, "GET", f"/api/entities/{entity}")
    messages = call(server, "GET", f"/api/chat/sessions/{session}/messages")
    after = call(server, "POST", "/api/search",
                 {"entity_id": entity, "query": QUESTIONS[0], "k": 3})
    if (described["total_documents"], described["total_chunks"]) != (total, chunks):
        stop(f"documents or chunks were lost: {described}")
    if len(messages) != 2 * len(QUESTIONS):
        stop(f"messages were lost: {len(messages)} of {2 * len(QUESTIONS)} are there")
    if [hit["doc_id"] for hit in after["results"]] != before:
        stop("the same search gives another result")
    done(f"{total} documents, {chunks} chunks, {len(messages)} messages, the same search result")


def play(directory):
    entity, data = "quickstart", directory / "data"
    step("Starting the server on a free port, with a fresh directory")
    server = Server(data)
    try:
        done(server.greeting)
        call(server, "POST", "/api/entities", {"entity_id": entity, "entity_name": "Quickstart"})
        step("Adding documents")
        total, chunks = index(server, entity, directory)
        session = call(server, "POST", "/api/chat/sessions", {"entity_id": entity})["session_id"]
        step("Asking, by search and by chat")
        ask(server, entity, session)
        before = [hit["doc_id"] for hit in call(
            server, "POST", "/api/search",
            {"entity_id": entity, "query": QUESTIONS[0], "k": 3})["results"]]
        step("Killing the server (SIGKILL) and starting it again")
        server.end(signal.SIGKILL)
        server = Server(data)
        compare(server, entity, session, total, chunks, before)
        step("Stopping")
        status = server.end(signal.SIGTERM)
        if status != 0:
            stop(f"the server ended with status {status}")
        done("it ended cleanly")
    finally:
        if server.process.poll() is None:
            server.process.kill()


def main():
    directory = pathlib.Path(tempfile.mkdtemp(prefix="ragstore-quickstart-"))
    try:
        play(directory)
    except (RuntimeError, OSError, KeyError, ValueError) as error:
        stop(str(error))
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    step("How to go on")
    print(f"""  build/bin/ragstore-server                      the server, data in ./data, port 8000
  python3 examples/python/ask.py FILE…           ask your own files from Python
  man -l man/ragstore.3                          the library for C programmers
  make quickstart DOCS=PATH                      this again, with your documents
  sudo make install                              library, header, server, manual pages""")


if __name__ == "__main__":
    main()
