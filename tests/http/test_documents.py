"""Real files and hand-made ones of every format, through the server and its extraction helper."""

import json
import os
import pathlib
import zipfile
import io

import pytest

import office_files as made
from server_process import ROOT, binary, ok

HELPER = pathlib.Path(binary()).parent / "ragstore-extract"
DOCUMENTS = pathlib.Path(os.environ.get("RAGSTORE_SHARED_DATA") or ROOT.parent / "shared/data") / "documents"

pytestmark = pytest.mark.skipif(not HELPER.exists(), reason="there is no ragstore-extract: make setup, make")

REFUSED = {"damaged.pdf": "damaged", "empty.txt": "empty", "needs-password.pdf": "encrypted",
           "no-text.pdf": "no text", "truncated.docx": "damaged"}


def folded(text):
    return " ".join(text.split()).lower()


def send(server, entity, name, content):
    return server.post(f"/api/entities/{entity}/files", files={"file": (name, content)}, timeout=600)


def refused(server, entity, name, content, status, *words):
    response = send(server, entity, name, content)
    assert response.status_code == status, response.text
    for word in words:
        assert word in response.json()["detail"]
    assert ok(server.get(f"/api/entities/{entity}/files")) == []
    assert ok(server.get("/health"))["status"] in ("healthy", "degraded")


def found(server, entity, name, content, query, words, page=None):
    """Upload, search, and look at the best hit."""
    ok(send(server, entity, name, content))
    hit = server.search(entity, query, limit=3)["results"][0]
    assert words in hit["content"]
    assert hit["page"] == page
    return hit


# ---- the shared documents ----

@pytest.fixture(scope="module")
def library(server):
    """All shared documents in one entity: (server, {doc_id: name}, {name: error})."""
    if not DOCUMENTS.is_dir():
        pytest.skip("the shared documents are not here: RAGSTORE_SHARED_DATA")
    server.create_entity("library")
    names, errors = {}, {}
    for path in sorted(DOCUMENTS.iterdir()):
        if path.name in ("README.md", "qa.jsonl"):
            continue
        response = send(server, "library", path.name, path.read_bytes())
        if response.status_code == 200:
            names[response.json()["doc_id"]] = path.name
        else:
            errors[path.name] = (response.status_code, response.json()["detail"])
    return server, names, errors


def questions():
    with open(DOCUMENTS / "qa.jsonl", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def test_documents__are_taken_or_refused_with_the_reason(library):
    _, names, errors = library
    assert set(errors) == set(REFUSED)
    for name, word in REFUSED.items():
        assert errors[name][0] == 415 and word in errors[name][1]
    assert len(names) == 13


def test_documents__questions_find_their_passages(library, has_model):
    server, names, _ = library
    missed = []
    for one in questions():
        hits = server.search("library", one["question"], limit=3)["results"]
        if not any(names[hit["doc_id"]] == one["file"] and
                   folded(one["answer_contains"]) in folded(hit["content"]) for hit in hits):
            missed.append(one["question"])
    assert missed == []


def test_documents__answers_are_short_right_and_cite_their_words(library, has_model):
    server, names, _ = library
    texts = {doc_id: None for doc_id in names}
    right = 0
    asked = questions()
    for one in asked:
        session = server.create_session("library")["session_id"]
        message = server.ask(session, one["question"])["message"]
        assert len(message["content"]) <= 400
        right += folded(one["answer_contains"]) in folded(message["content"])
        for citation in message["metadata"]["citations"]:
            doc_id = citation["doc_id"]
            if texts[doc_id] is None:
                texts[doc_id] = text_of(server, "library", doc_id)
            quoted = texts[doc_id][citation["start"]:citation["end"]]
            assert quoted.decode() == citation["quote"]
    assert right >= 0.8 * len(asked), f"{right} of {len(asked)}"


def text_of(server, entity, doc_id):
    """The extracted text, read with the Python package from a copy of the directory."""
    import shutil
    import tempfile

    import ragstore

    with tempfile.TemporaryDirectory() as place:
        copy = pathlib.Path(place) / "data"
        shutil.copytree(server.data_dir, copy)
        (copy / "LOCK").unlink(missing_ok=True)
        with ragstore.Store(copy) as store, store.entity(entity) as opened:
            return opened.document(doc_id).text().encode()


# ---- each format ----

def test_docx__headings_lists_and_tables(server, entity):
    body = (made.paragraph("Harbour rules", "Heading1") + made.paragraph("No anchoring near the walrus.") +
            made.table([["Berth", "Depth"], ["North", "seven metres"]]))
    hit = found(server, entity, "rules.docx", made.docx(body), "north berth", "Berth: North; Depth: seven metres")
    assert "Harbour rules" in hit["content"] or hit["content"]


def test_pptx__pages_are_slides(server, entity):
    content = made.pptx([("Beginning", "Words of welcome"), ("Figures", "The walrus weighs a ton")])
    found(server, entity, "talk.pptx", content, "walrus weighs", "The walrus weighs a ton", 2)


def test_xlsx__rows_are_told_with_their_columns(server, entity):
    content = made.xlsx("Animals", [["Name", "Legs"], ["walrus", 4], ["hen", 2]])
    found(server, entity, "animals.xlsx", content, "walrus legs", "Name: walrus; Legs: 4", 1)


def test_pptx__notes_of_the_speaker_belong_to_their_slide(server, entity):
    content = made.pptx([("Beginning", "Words of welcome"), ("Figures", "It weighs a ton")],
                        ["Say good evening.", "Mention that the walrus was weighed twice."])
    hit = found(server, entity, "talk.pptx", content, "walrus weighed twice",
                "Mention that the walrus was weighed twice.", 2)
    assert "Number seventeen" not in hit["content"] and "Today" not in hit["content"]


@pytest.mark.parametrize("value, code, shown", [
    (45351, 14, "2024-02-29"), (45351.6041666667, 22, "2024-02-29 14:30"), (1, 14, "1900-01-01"),
    (59, 14, "1900-02-28"), (61, 14, "1900-03-01"), (0.604166666666667, 20, "14:30"),
    (0.5000115740740741, 21, "12:00:01"), (1.10416666666667, 46, "26:30"), (45351, "d.m.yy", "2024-02-29"),
    (45351, "[$-407]dd\\ mmmm\\ yyyy", "2024-02-29"), (45351.25, "yyyy-mm-dd hh:mm", "2024-02-29 06:00"),
    (1.5, "[h]:mm", "36:00"), (2958465, 14, "9999-12-31"),
    (45351, 0, "45351"), (45351, 2, "45351"), (45351, "0.00", "45351"), (45351, "General", "45351"),
    (45351, "0 &quot;days&quot;", "45351"), (45351, "[Red]0", "45351"), (-1, 14, "-1"),
    (2958466, 14, "2958466"), ("1e400", 14, "1e400"),
])  # fmt: skip
def test_xlsx__dates_are_told_as_dates(server, entity, value, code, shown):
    content = made.xlsx("Births", [["Name", "Born"], ["walrus", (value, 1)]], [code])
    found(server, entity, "births.xlsx", content, "walrus born", f"Name: walrus; Born: {shown}", 1)


def test_xlsx__dates_of_old_macintosh_files_count_from_1904(server, entity):
    content = made.xlsx("Births", [["Name", "Born"], ["walrus", (0, 1)], ["hen", (43889, 1)]], [14],
                        '<workbookPr date1904="1"/>')
    found(server, entity, "old.xlsx", content, "walrus born", "Name: walrus; Born: 1904-01-01", 1)
    found(server, entity, "old.xlsx", content, "hen born", "Name: hen; Born: 2024-02-29", 1)


def test_odt__headings_and_spaces(server, entity):
    content = made.odt('<text:h text:outline-level="1">Walrus</text:h><text:p>It eats<text:s/>clams.</text:p>')
    found(server, entity, "walrus.odt", content, "what does it eat", "It eats clams.")


def test_epub__pages_of_the_spine(server, entity):
    content = made.epub(["<h1>One</h1><p>Nothing here.</p>", "<h1>Two</h1><p>The walrus&nbsp;slept.</p>"])
    found(server, entity, "book.epub", content, "walrus slept", "The walrus slept.")


def test_mail__head_and_the_plain_form(server, entity):
    hit = found(server, entity, "walrus.eml", made.MAIL, "walrus seen", "A walrus was seen near the café at noon.")
    assert "René" in hit["content"] and "picture.bin" in hit["content"]
    assert "not this form" not in hit["content"]


def test_pdf__pages_are_numbered(server, entity):
    content = made.pdf(["Nothing of interest stands here.", "The walrus sleeps on page two."])
    found(server, entity, "walrus.pdf", content, "walrus sleeps", "The walrus sleeps on page two.", 2)


# ---- refusals ----

def test_pdf__of_pictures_needs_text_recognition(server, entity):
    refused(server, entity, "scan.pdf", made.pdf([None, None]), 415, "text recognition (OCR)")


def test_docx__without_text_says_so(server, entity):
    refused(server, entity, "blank.docx", made.docx("<w:p/>"), 415, "no text")


def test_docx__zip_bomb_is_413(server, entity):
    bomb = made.docx(made.paragraph(" " * (64 << 20) + "walrus"))
    assert len(bomb) < 200_000
    refused(server, entity, "bomb.docx", bomb, 413, "over the limit")


def test_docx__many_entries_are_413(server, entity):
    content = io.BytesIO(made.docx(made.paragraph("walrus")))
    with zipfile.ZipFile(content, "a") as more:
        for i in range(10_001):
            more.writestr(f"x/{i}", "")
    refused(server, entity, "many.docx", content.getvalue(), 413, "over the limit")


def test_docx__lying_about_its_size_is_stopped(server, entity):
    bomb = bytearray(made.docx(made.paragraph(" " * (64 << 20) + "walrus")))
    for place in range(len(bomb) - 46):  # the declared size, in the directory and before the bytes
        if bomb[place:place + 4] == b"PK\1\2":
            bomb[place + 24:place + 28] = (100).to_bytes(4, "little")
        elif bomb[place:place + 4] == b"PK\3\4":
            bomb[place + 22:place + 26] = (100).to_bytes(4, "little")
    response = send(server, entity, "liar.docx", bytes(bomb))
    assert response.status_code in (413, 415), response.text


def test_docx__deep_xml_is_refused(server, entity):
    refused(server, entity, "deep.docx", made.docx("<w:x>" * 100_000 + "</w:x>" * 100_000), 415)


def test_docx__entities_are_refused(server, entity):
    head = '<!DOCTYPE w [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">' \
           '<!ENTITY file SYSTEM "file:///etc/passwd">]>'
    for reference in ("&b;", "&file;", "walrus"):
        refused(server, entity, "entities.docx", made.docx(made.paragraph(reference), head), 415, "XML entities")


def test_odt__encrypted_is_refused(server, entity):
    content = made.odt("<text:p>noise</text:p>", "<encryption-data/>")
    refused(server, entity, "secret.odt", content, 415, "encrypted", "without a password")


def test_office__encrypted_container_is_refused(server, entity):
    content = (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504) +
               "EncryptedPackage".encode("utf-16-le") + bytes(1000))
    refused(server, entity, "secret.docx", content, 415, "encrypted")


def test_archive__of_unknown_files_keeps_its_own_refusal(server, entity):
    refused(server, entity, "a.zip", made.archive([("a.txt", "walrus")]), 415, "a ZIP archive")


def test_extractor__none_refuses_and_says_so(start):
    server = start("--extractor", "none")
    server.create_entity("e")
    refused(server, "e", "walrus.pdf", made.pdf(["walrus"]), 415, "this is a PDF")


def test_extractor__that_is_missing_is_named(start):
    server = start("--extractor", "/nowhere/ragstore-extract", wait=False)
    assert server.wait() != 0
    assert "/nowhere/ragstore-extract" in server.error_text()
