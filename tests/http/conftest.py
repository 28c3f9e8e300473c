"""Fixtures of the HTTP tests.

`server` is one server for all tests that only need some server; each of them takes an entity of its
own from `entity`. Tests that stop, kill or damage start their own with `start`.
"""

import itertools
import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(__file__))

from server_process import Server, binary  # noqa: E402

numbers = itertools.count(1)


def pytest_collection_modifyitems(items):
    if not os.access(binary(), os.X_OK):
        pytest.exit(f"there is no server to test at {binary()}: run make, or set RAGSTORE_SERVER", 4)


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    running = Server(tmp_path_factory.mktemp("shared") / "data").wait_until_ready()
    yield running
    assert running.stop() == 0, running.error_text()


@pytest.fixture
def start(tmp_path):
    """Start servers on tmp_path/data; whatever still runs in the end is killed."""
    running = []

    def start_server(*options, data_dir=tmp_path / "data", wait=True, **arguments):
        started = Server(data_dir, *options, **arguments)
        running.append(started)
        return started.wait_until_ready() if wait else started

    yield start_server
    for one in running:
        if one.process.poll() is None:
            one.kill()


@pytest.fixture
def entity(server):
    """The id of a fresh entity on the shared server."""
    entity_id = f"entity_{next(numbers)}"
    server.create_entity(entity_id, "The Kestrel Ferry Company")
    return entity_id


@pytest.fixture
def has_model(server):
    """Skip a test that needs vectors when the set-up has not made a model."""
    if server.get("/health").json()["embedder"] is None:
        pytest.skip("no embedding model: tools/setup.sh model")
