"""The command-line tool: what it prints, what it says, and with which status it ends."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import threading
import time

import pytest

import office_files
from conftest import LINES, PROGRAM, ROOT
from fake_llm import FakeLlm

COMMANDS = ["create", "list", "add", "show", "search", "chat", "sessions", "delete", "backup",
            "restore", "check", "compact", "export", "stats"]  # fmt: skip
MODEL = os.environ.get("RAGSTORE_MODEL", "")


# ---- help and the command line ----


@pytest.mark.parametrize("command", COMMANDS)
def test_help__of_each_command_tells_its_options(tool, command):
    text = tool.run(command, "--help").decode()
    assert text.startswith(f"usage: ragstore {command}")
    assert "--json" in text and "--data-dir" in text
    assert f"  {command} " in tool.run("--help").decode()
    page = (ROOT / "man/ragstore.1").read_text()
    assert f".It Cm {command}" in page
    for option in re.findall(r"--([a-z-]+)", text):
        assert f"\\-{option}" in page, option


def test_version__is_that_of_the_library(tool):
    assert re.fullmatch(rb"ragstore \d+\.\d+\.\d+\n", tool.run("--version"))


@pytest.mark.parametrize("words,said", [
    ([], "name a command"),
    (["nonsense"], 'no command "nonsense"'),
    (["create"], "too few arguments"),
    (["list", "a", "b"], "too many arguments"),
    (["list", "--nonsense"], "no option --nonsense"),
    (["list", "-z"], "no option -z"),
    (["list", "--limit"], "--limit needs a value"),
    (["list", "-n"], "-n needs a value"),
    (["list", "--limit=0"], "--limit is"),
    (["list", "--limit", "1x"], "--limit is"),
    (["list", "--limit", "-1"], "--limit is"),
    (["list", "--limit", "99999999999999999999999"], "--limit is"),
    (["list", "--json=yes"], "takes no value"),
    (["list", "--color", "pink"], "--color is"),
    (["search", "acme", "x", "--mode", "best"], "--mode is"),
    (["search", "acme", "x", "--min-score", "2"], "--min-score is"),
    (["search", "acme", "x", "--min-score", "nan"], "--min-score is"),
    (["search", "acme", "x", "-n", "201"], "--limit is"),
    (["search", "acme", "x", "--precision", "float16"], "--precision is"),
    (["chat", "acme", "x", "--llm-model", "m"], "--llm-url"),
    (["chat", "acme", "x", "--llm-url", "http://localhost"], "--llm-model"),
    (["chat", "acme", "x", "--llm-url", "ftp://localhost", "--llm-model", "m"], "ftp"),
    (["add", "acme", "-", "-"], "standard input"),
    (["add", "acme", "a", "b", "--filename", "x"], "one document"),
    (["add", "acme", "a", "--key", "x", "--update"], "--key"),
    (["add", "acme", ""], "empty"),
    (["show", "acme", "--text"], "needs a document"),
    (["sessions", "acme", "--rename", "x"], "needs a session"),
    (["delete", "acme", "doc", "--session", "s"], "either"),
    (["delete", "acme"], "--yes"),
])  # fmt: skip
def test_usage__is_told_with_status_2_and_changes_nothing(shared, words, said):
    assert shared.run(*words, status=2) == b""
    assert said in shared.said and shared.said.startswith("ragstore: ")
    assert len(shared.json("list", "acme")) == 1


def test_words_behind_two_dashes__are_no_options(tool):
    tool.run("create", "--", "-n")
    assert tool.json("list")["entities"][0]["entity_id"] == "-n"
    tool.run("delete", "-y", "--", "-n")


@pytest.mark.parametrize("words", [
    ["list"], ["list", "x"], ["add", "x", "/dev/null"], ["search", "x", "y"], ["chat", "x", "y"],
    ["sessions", "x"], ["delete", "x", "-y"], ["backup", "b"], ["check"], ["compact"], ["export"],
    ["stats"], ["show", "x"],
])  # fmt: skip
def test_missing_store__is_status_3_and_not_made(tool, words):
    tool.run(*words, status=3)
    assert "there is no store in data" in tool.said
    assert not (tool.directory / "data").exists()


def test_what_is_missing__is_status_3(filled):
    filled.run("list", "nobody", status=3)
    assert 'no entity "nobody"' in filled.said
    for words in (["show", "acme", "doc_x"], ["sessions", "acme", "session_x"],
                  ["chat", "acme", "x", "-s", "session_x"], ["delete", "acme", "doc_x"],
                  ["delete", "acme", "-s", "session_x"], ["add", "acme", "nothing.txt"]):
        filled.run(*words, status=3)
    filled.run("create", "acme", status=4)
    filled.run("create", "a/b", status=5)
    filled.run("create", "b", "--metadata", "[]", status=5)
    filled.run("create", "b", "--metric", "miles", status=5)
    filled.run("create", "l", "--metric", "l2", "--index", "exact")
    filled.run("create", "f", "--index", "best", status=5)
    filled.run("stats", "--model", "/nowhere", status=3)
    filled.run("add", "acme", "x", "--extractor", "nowhere", status=2)


# ---- adding ----


def test_add__reads_directories_and_reports_what_failed(tool):
    files = tool.directory / "files"
    (files / "below/deep").mkdir(parents=True)
    (files / "a.txt").write_text("Anteaters eat ants.")
    (files / "below/b.md").write_text("# Badgers\n\nBadgers dig.")
    (files / "below/deep/c.csv").write_text("animal,food\ncow,grass\n")
    (files / ".hidden.txt").write_text("Hidden.")
    (files / "empty.txt").write_text("")
    (files / "noise.bin").write_bytes(bytes(range(256)) * 20)
    (files / "link.txt").symlink_to(files / "a.txt")
    os.mkfifo(files / "pipe.txt")
    report = tool.json("add", "-c", "zoo", "files", status=5)
    assert sorted(d["filename"] for d in report["documents"]) == ["a.txt", "b.md", "c.csv"]
    assert {f["file"]: f["error"] for f in report["failed"]} == {
        "files/empty.txt": "NOT_EXTRACTABLE", "files/noise.bin": "NOT_EXTRACTABLE"}
    assert all(f["message"] for f in report["failed"])
    again = tool.json("add", "zoo", "files", status=5)
    assert all(d["is_duplicate"] for d in again["documents"])
    assert len(tool.json("list", "zoo")) == 3
    said = tool.run("add", "zoo", "files/a.txt", "files/below/b.md").decode()
    assert said.count("unchanged") == 2
    assert "0 added, 0 replaced, 2 unchanged, 0 failed" in tool.said


def test_add_update__replaces_what_came_from_the_same_path(tool):
    path = tool.directory / "note.txt"
    path.write_text("The first ferry leaves at six.")
    first = tool.json("add", "-c", "-u", "acme", "note.txt")["documents"][0]
    path.write_text("The first ferry leaves at seven.")
    second = tool.json("add", "-u", "acme", "note.txt")["documents"][0]
    assert second["doc_id"] == first["doc_id"] and second["replaced"] is True
    assert tool.run("show", "acme", first["doc_id"], "--content") == path.read_bytes()
    assert len(tool.json("list", "acme")) == 1


def test_add__takes_standard_input_and_odd_names(tool):
    tool.run("add", "-c", "acme", given=LINES.encode())
    assert tool.json("list", "acme")[0]["filename"] == "stdin.txt"
    tool.run("add", "acme", "-", "--filename", "Ä\x1b[31m b.txt", "--metadata", '{"year": 2024}',
             given=b"Another text about gulls.")
    names = [d["filename"] for d in tool.json("list", "acme")]
    assert names[1] == "Ä\x1b[31m b.txt"
    assert b"\x1b" not in tool.run("list", "acme")
    assert tool.json("search", "acme", "gulls", "-f", '{"year": 2024}')
    assert not tool.json("search", "acme", "gulls", "-f", '{"year": 2020}')
    tool.run("search", "acme", "gulls", "-f", '{"year": {"$near": 1}}', status=5)
    tool.run("add", "acme", "-", status=5, given=b"")
    weird = tool.directory / "-x\n.txt"
    weird.write_text("A name with a newline.")
    tool.run("add", "acme", "./-x\n.txt")
    tool.run("add", "acme", "--", "-x\n.txt")


def test_add__reads_office_files_by_the_helper(tool):
    if not os.access(os.path.join(os.path.dirname(PROGRAM), "ragstore-extract"), os.X_OK):
        pytest.skip("ragstore-extract was not built")
    (tool.directory / "report.docx").write_bytes(office_files.docx(
        office_files.paragraph("Walruses eat clams.")))
    document = tool.json("add", "-c", "acme", "report.docx")["documents"][0]
    assert "Walruses eat clams." in tool.run("show", "acme", document["doc_id"], "-t").decode()
    tool.run("create", "other")
    report = tool.json("add", "other", "report.docx", "--extractor", "none", status=5)
    assert report["failed"][0]["error"] in ("NOT_EXTRACTABLE", "UNSUPPORTED")


# ---- search and chat ----


def test_search__prints_hits_for_people_and_programs(filled):
    text = filled.run("search", "acme", "lighthouse").decode()
    assert text.startswith("[1] keeper.txt") and "199 steps" in text and "\033" not in text
    assert "\033[1m" in filled.run("search", "acme", "lighthouse", "--color", "always").decode()
    hit = filled.json("search", "acme", "lighthouse", "--mode", "keyword")[0]
    assert hit["doc_name"] == "keeper.txt"
    assert filled.json("search", "acme", "zeppelin") == []
    assert filled.run("search", "acme", "zeppelin") == b"" and "nothing was found" in filled.said
    assert filled.json("search", "acme", "lighthouse", "--document", hit["doc_id"])
    filled.run("search", "acme", "lighthouse", "--mode", "vector", "--model", "none", status=5)


def test_precision__is_the_models_in_every_command(tool):
    if not os.path.isdir(MODEL):
        pytest.skip("no embedding model: RAGSTORE_MODEL names none")
    asked = ["search", "acme", "lighthouse", "--mode", "vector", "--model", MODEL]
    tool.run("add", "-c", "acme", "--filename", "keeper.txt", "--model", MODEL, "--precision", "int16",
             given=b"The lighthouse keeper climbs 199 steps every evening.")
    assert "199 steps" in tool.json(*asked, "--precision", "int16")[0]["content"]
    assert "199 steps" in tool.json(*asked, RAGSTORE_PRECISION="int16")[0]["content"]
    for other in ("float32", "int8"):  # which has other vectors
        tool.run(*asked, "--precision", other, status=5)
    tool.run(*asked, status=2, RAGSTORE_PRECISION="double")
    assert "RAGSTORE_PRECISION is float32, int16 or int8" in tool.said


def test_documents__cannot_drive_the_terminal(tool):
    tool.run("add", "-c", "acme", "--filename", "x.txt",
             given="Gulls \x1b]0;owned\x07 scream \u202egnp\u202c \x9b31m.".encode())
    for words in (["search", "acme", "gulls", "--full"], ["chat", "acme", "What do gulls do?"]):
        shown = tool.run(*words).decode()
        assert not set(shown) & {"\x1b", "\x07", "\u202e", "\x9b"} and "scream" in shown


def test_chat__answers_goes_on_and_is_found_again(filled):
    text = filled.run("chat", "acme", "How many steps does the keeper climb?").decode()
    assert "199 steps" in text and "[1] keeper.txt" in text
    session = re.search(r"--session (session_[0-9a-f]{12})", filled.said).group(1)
    reply = filled.json("chat", "acme", "Is the harbour wall old?", "-s", session)
    assert reply["session_id"] == session and reply["message"]["role"] == "assistant"
    assert reply["sources"][0]["doc_name"] == "keeper.txt"
    messages = filled.json("sessions", "acme", session)
    assert [m["role"] for m in messages] == ["user", "assistant"] * 2
    assert len(filled.json("sessions", "acme", session, "-n", "1")) == 1
    filled.run("sessions", "acme", session, "--rename", "Steps \u2603")
    assert filled.json("sessions", "acme")[0]["session_name"] == "Steps \u2603"
    found = filled.json("sessions", "acme", "--search", "HARBOUR wall")
    assert found[0]["session_id"] == session and found[0]["number"] == 3
    filled.run("create", "other")
    filled.run("chat", "other", "x", "-s", session, status=3)
    filled.run("sessions", "other", session, status=3)
    filled.run("delete", "other", "-s", session, status=3)
    filled.run("delete", "acme", "-s", session)
    assert filled.json("sessions", "acme") == []


def test_chat__reads_questions_from_standard_input(filled):
    out = filled.run("chat", "acme", "--json",
                     given=b"How many steps?\n\n  \nIs the harbour wall old?").splitlines()
    assert len(out) == 2 and len({json.loads(line)["session_id"] for line in out}) == 1
    assert filled.run("chat", "acme", given=b"") == b""


def test_chat__streams_a_models_answer(filled):
    model = FakeLlm(["The keeper ", "climbs 199 steps [1]."])
    words = ["chat", "acme", "How many steps?", "--llm-url", model.url, "--llm-model", "m"]
    reply = filled.json(*words)
    assert reply["message"]["metadata"]["mode"] == "model"
    assert reply["message"]["content"] == "The keeper climbs 199 steps [1]."
    text = filled.run(*words[:3], RAGSTORE_LLM_URL=model.url, RAGSTORE_LLM_MODEL="m").decode()
    assert text.startswith("The keeper climbs 199 steps [1].\n") and "[1] keeper.txt" in text
    model = FakeLlm(400)
    reply = filled.json(*words[:4], model.url, *words[5:])
    assert reply["message"]["metadata"]["mode"] == "extractive"
    assert "made to answer 400" in reply["message"]["metadata"]["model_error"]


# ---- upkeep ----


def test_backup__verifies_restores_and_refuses(filled):
    report = filled.json("backup", "b")
    assert report["ok"] is True and report["documents"] == 1
    filled.run("backup", "b", status=4)
    assert b"verified" in filled.run("backup", "--verify", "b")
    filled.run("restore", "b", status=4)
    filled.run("restore", "b", "-d", "other", "--quiet")
    assert len(filled.json("list", "acme", "-d", "other")) == 1
    filled.run("backup", "nowhere/b", status=3)
    filled.run("backup", "--verify", "data", status=3)
    (filled.directory / "b/data/uploads/acme/keeper.txt").write_text("Changed.")
    filled.run("backup", "--verify", "b", status=6)
    filled.run("restore", "b", "-d", "third", status=6)
    assert not (filled.directory / "third").exists()


def test_check__names_damage_with_status_6(filled):
    assert b"0 findings" in filled.run("check")
    (filled.directory / "data/uploads/acme/keeper.txt").write_text("Changed.")
    assert b"uploads/acme/keeper.txt" in filled.run("check", status=6)
    assert filled.json("check", status=6)["ok"] is False
    assert filled.json("backup", "b", status=6)["ok"] is False


def test_compact_export_and_stats(filled):
    document = filled.json("list", "acme")[0]["doc_id"]
    assert filled.json("stats")["documents"] == 1
    assert b"state" in filled.run("stats")
    filled.run("export")
    entities = json.loads((filled.directory / "data/api_storage/entities.json").read_text())
    assert list(entities) == ["acme"]
    filled.run("delete", "acme", document)
    report = filled.json("compact")
    assert report["bytes_after"] <= report["bytes_before"]
    assert b"after" in filled.run("compact")
    store = filled.directory / "data"
    assert all(b"lighthouse" not in p.read_bytes() for p in store.rglob("*") if p.is_file())


def test_delete__of_an_entity_wants_a_yes(filled):
    filled.run("delete", "acme", status=2)
    assert "1 documents" in filled.said
    assert filled.json("delete", "acme", "-y") == {"entity_id": "acme", "documents": 1, "sessions": 0}
    assert filled.json("list")["entities"] == []


def test_writing_to_a_full_device__is_told(filled):
    with open("/dev/full", "wb") as full:
        done = subprocess.run([PROGRAM, "list"], cwd=filled.directory, env=filled.environment,
                              stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 1 and b"standard output" in done.stderr


# ---- at a terminal, and interrupted ----


def at_terminal(tool, *words, given=b"", **environment):
    """Everything that a person sees, and the exit status."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(tool.directory)
        os.execve(PROGRAM, [PROGRAM, *words], {**tool.environment, "TERM": "xterm", **environment})
    os.write(terminal, given)
    seen, end = b"", time.monotonic() + 60
    while time.monotonic() < end:
        if not select.select([terminal], [], [], 60)[0]:
            break
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # the other side is gone
            break
        if not piece:
            break
        seen += piece
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    return seen.decode(), os.waitstatus_to_exitcode(status)


def test_terminal__shows_colours_progress_and_questions(filled):
    (filled.directory / "big.txt").write_text("Some words about gulls.\n" * 20000)
    seen, status = at_terminal(filled, "add", "acme", "big.txt")
    assert status == 0 and "\r\033[K" in seen and "big.txt" in seen
    seen, status = at_terminal(filled, "add", "acme", "big.txt", "--quiet")
    assert seen == ""
    assert "\033[1m" in at_terminal(filled, "list")[0]
    assert "\033" not in at_terminal(filled, "list", NO_COLOR="1")[0]
    seen, status = at_terminal(filled, "delete", "acme", given=b"n\n")
    assert status == 2 and "[y/N]" in seen and "nothing was deleted" in seen
    assert len(filled.json("list")["entities"]) == 1
    seen, status = at_terminal(filled, "delete", "acme", given=b"y\n")
    assert status == 0 and filled.json("list")["entities"] == []


def test_terminal__holds_a_conversation(filled):
    seen, status = at_terminal(filled, "chat", "acme", given=b"How many steps?\n\x04")
    assert status == 0 and "> " in seen and "199 steps" in seen and "--session" in seen


def test_interrupt__ends_a_command_in_order(filled):
    reader, writer = os.pipe()
    process = filled.spawn("add", "acme", "-", stdin=reader, stderr=subprocess.PIPE,
                           stdout=subprocess.DEVNULL)
    os.write(writer, b"Half of a document " * 1000)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    os.write(writer, b"and more")
    try:
        assert process.wait(30) == 130
        assert b"interrupted" in process.stderr.read()
    finally:
        os.close(writer)
        os.close(reader)
    assert len(filled.json("list", "acme")) == 1
    assert filled.json("check")["ok"] is True


def test_closed_pipe__ends_it_quietly(filled):
    done = subprocess.run(f"'{PROGRAM}' show acme --json | true", shell=True, cwd=filled.directory,
                          env=filled.environment, capture_output=True, check=False)
    assert done.stderr == b""


def test_several_at_once__lose_nothing(filled):
    def add(n):
        for i in range(5):
            filled.run("add", "acme", "-", "--filename", f"{n}-{i}.txt",
                       "--busy-timeout", "60000", given=f"Note {n} {i} about terns.".encode())

    threads = [threading.Thread(target=add, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    names = sorted(d["filename"] for d in filled.json("list", "acme"))
    assert names == sorted([f"{n}-{i}.txt" for n in range(4) for i in range(5)] + ["keeper.txt"])


# ---- completion ----


def complete(tool, *words):
    script = f"""
        source {ROOT}/examples/cli/ragstore-completion.bash
        COMP_WORDS=({PROGRAM} "${{@}}"); COMP_CWORD=$(( ${{#COMP_WORDS[@]}} - 1 ))
        _ragstore; printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(["bash", "-c", script, "bash", *words], cwd=tool.directory,
                          env=tool.environment, capture_output=True, text=True, check=True)
    return done.stdout.split("\n")[:-1]


def test_completion__knows_commands_options_and_entities(filled):
    filled.run("create", "Big Corp")
    assert complete(filled, "") == COMMANDS
    assert complete(filled, "se") == ["search", "sessions"]
    assert complete(filled, "search", "") == ["acme", "Big\\ Corp"]
    assert complete(filled, "search", "acme", "q", "--mode", "") == ["hybrid", "vector", "keyword"]
    assert "--min-score" in complete(filled, "search", "--mi")
    document = filled.json("list", "acme")[0]["doc_id"]
    assert complete(filled, "show", "acme", "") == [document]
    assert "keeper.txt" in complete(filled, "add", "acme", "k")
