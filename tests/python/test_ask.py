"""The program examples/python/ask.py, run as a user runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from conftest import ROCKS, ROOT

PROGRAM = ROOT / "examples" / "python" / "ask.py"


def ask(*arguments, stdin=""):
    return subprocess.run(
        [sys.executable, str(PROGRAM), *map(str, arguments)],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": ""},
    )


@pytest.fixture
def rocks_file(tmp_path):
    path = tmp_path / "rocks.md"
    path.write_text(ROCKS)
    return path


def test_ask__answers_a_question_about_files(rocks_file):
    done = ask(rocks_file, "--no-model", "-q", "What is sandstone made of?")
    assert done.returncode == 0, done.stderr
    assert "grains of sand" in done.stdout
    assert "[1]" in done.stdout
    assert "rocks.md" in done.stdout


def test_ask_json__is_one_object_a_line(rocks_file):
    done = ask(rocks_file, "--no-model", "--json", "-q", "What is granite?", "-q", "And marble?")
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer["question"] for answer in answers] == ["What is granite?", "And marble?"]
    assert answers[0]["sources"][0]["doc_name"] == "rocks.md"
    assert "agma" in answers[0]["answer"]


def test_ask_from_standard_input__answers_each_line(rocks_file):
    done = ask(rocks_file, "--no-model", stdin="What is granite?\n\nWhat is marble?\n")
    assert done.returncode == 0, done.stderr
    assert "magma" in done.stdout
    assert "limestone" in done.stdout


def test_ask_with_a_store__keeps_what_was_indexed(rocks_file, tmp_path):
    store = tmp_path / "kept"
    assert ask(rocks_file, "--no-model", "--store", store, "-q", "granite?").returncode == 0
    done = ask("--no-model", "--store", store, "-q", "What is granite?")
    assert done.returncode == 0, done.stderr
    assert "magma" in done.stdout


def test_ask_with_a_file_that_has_no_text__skips_it_and_says_so(rocks_file, tmp_path):
    binary = tmp_path / "thing.bin"
    binary.write_bytes(bytes(range(256)) * 20)
    done = ask(rocks_file, binary, "--no-model", "-q", "What is granite?")
    assert done.returncode == 1
    assert "thing.bin" in done.stderr
    assert "magma" in done.stdout


def test_ask_without_anything_to_read__is_a_wrong_usage():
    done = ask("-q", "What?")
    assert done.returncode == 2
    assert "usage" in done.stderr
