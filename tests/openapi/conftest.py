"""Fixtures of the tests that compare the server with its own description."""

import os
import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/http"))

from server_process import Server, binary  # noqa: E402


def pytest_collection_modifyitems(items):
    if not os.access(binary(), os.X_OK):
        pytest.exit(f"there is no server to test at {binary()}: run make, or set RAGSTORE_SERVER", 4)


def pytest_terminal_summary(terminalreporter):
    for line in getattr(terminalreporter.config, "figures", []):
        terminalreporter.write_line(line)


@pytest.fixture
def server(tmp_path):
    """Strict: fields that the description does not have are refused."""
    running = Server(tmp_path / "data", "--model", "none", "--strict").wait_until_ready()
    yield running
    assert running.process.poll() is None, running.error_text()
    assert running.stop() == 0, running.error_text()
