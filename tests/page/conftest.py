"""Fixtures of the page's tests: a server, and Chromium driven through chromedriver.

Screenshots go to RAGSTORE_SCREENSHOTS, or to the test's temporary directory.
"""

import os
import pathlib
import shutil
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [os.path.dirname(__file__), str(ROOT / "tests/http")]

from server_process import Server, binary  # noqa: E402

try:
    from browser import Browser
except ImportError as error:
    Browser = None
    WHY_NOT = f"selenium is missing ({error}): tools/setup.sh python"
else:
    WHY_NOT = None if shutil.which("chromium") and shutil.which("chromedriver") else \
        "there is no Chromium: tools/setup.sh packages (Debian: chromium, chromium-driver)"


def pytest_collection_modifyitems(items):
    if not os.access(binary(), os.X_OK):
        pytest.exit(f"there is no server to test at {binary()}: run make, or set RAGSTORE_SERVER", 4)
    if WHY_NOT:
        for item in items:
            item.add_marker(pytest.mark.skip(reason=WHY_NOT))


def pytest_terminal_summary(terminalreporter):
    if WHY_NOT:
        terminalreporter.write_line("NOT RUN: the page in a browser, because " + WHY_NOT)


@pytest.fixture
def start(tmp_path):
    """Start servers on tmp_path/data; whatever still runs in the end is killed."""
    running = []

    def start_server(*options):
        started = Server(tmp_path / "data", *options)
        running.append(started)
        return started.wait_until_ready()

    yield start_server
    for one in running:
        if one.process.poll() is None:
            one.kill()


@pytest.fixture
def browser(tmp_path):
    """A browser; in the end it must have had nothing to complain about."""
    one = Browser(tmp_path, pathlib.Path(os.environ.get("RAGSTORE_SCREENSHOTS") or tmp_path))
    yield one
    try:
        complaints = one.complaints()
    finally:
        one.quit()
    assert complaints == [], complaints


@pytest.fixture
def axe_source():
    path = pathlib.Path(os.environ.get("RAGSTORE_AXE") or "")
    if not path.is_file():
        pytest.skip("axe-core is missing: tools/setup.sh axe")
    return path.read_text(encoding="utf-8")
