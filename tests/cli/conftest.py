"""Fixtures: the tool as people and scripts use it, each test in a directory of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "http"))  # the fake language model, office files
PROGRAM = os.environ.get("RAGSTORE_CLI") or str(ROOT / "build/bin/ragstore")
LINES = "The lighthouse keeper climbs 199 steps every evening.\nThe harbour wall is old.\n"


class Tool:
    def __init__(self, directory: Path):
        self.directory = directory
        self.environment = {
            "PATH": os.environ["PATH"], "HOME": str(directory), "LANG": "C.UTF-8",
            **{name: os.environ[name] for name in ("ASAN_OPTIONS", "OMP_WAIT_POLICY")
               if name in os.environ},
        }

    def run(self, *words, status=0, given=None, **environment):
        """Run it; returns what it printed, and fails when the exit status is another one."""
        done = subprocess.run(
            [PROGRAM, *words], cwd=self.directory, env={**self.environment, **environment},
            input=given if given is not None else b"", capture_output=True, timeout=120, check=False)
        self.said = done.stderr.decode()
        assert done.returncode == status, (words, done.returncode, done.stdout[-500:], self.said)
        return done.stdout

    def json(self, *words, **options):
        return json.loads(self.run(*words, "--json", **options))

    def spawn(self, *words, **options):
        return subprocess.Popen([PROGRAM, *words], cwd=self.directory, env=self.environment, **options)


@pytest.fixture
def tool(tmp_path):
    return Tool(tmp_path)


def fill(tool):
    (tool.directory / "keeper.txt").write_text(LINES)
    tool.run("add", "--create", "acme", "keeper.txt", "--model", "none")
    return tool


@pytest.fixture
def filled(tool):
    """A store with an entity "acme" of one document, searched by keyword."""
    return fill(tool)


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """The same for tests that change nothing."""
    return fill(Tool(tmp_path_factory.mktemp("shared")))
