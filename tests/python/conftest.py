"""Fixtures: each test has a store of its own; the model is loaded once.

The library under test is the one that RAGSTORE_LIBRARY names, or else the installed or built one.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "docs"))
sys.path.insert(0, str(ROOT / "examples" / "python"))

import ragstore  # noqa: E402

ROCKS = """# Rocks

## Granite

Granite forms when magma cools slowly below the surface of the earth.

## Sandstone

Sandstone is made of grains of sand that water or wind has carried.

## Marble

Marble is limestone that heat and pressure have changed.
"""


@pytest.fixture(scope="session")
def model():
    """The embedding model of this machine."""
    try:
        found = ragstore.Model()
    except ragstore.NotFoundError:
        pytest.skip("no embedding model is installed (tools/setup.sh model)")
    yield found
    found.close()


@pytest.fixture
def directory(tmp_path):
    return tmp_path / "store"


@pytest.fixture
def store(directory):
    """A store without a model: keyword search."""
    with ragstore.Store(directory) as opened:
        yield opened


@pytest.fixture
def vector_store(directory, model):
    with ragstore.Store(directory, model=model) as opened:
        yield opened


@pytest.fixture
def entity(store):
    return store.create_entity("geology")


@pytest.fixture
def vector_entity(vector_store):
    return vector_store.create_entity("geology")


@pytest.fixture
def rocks(entity):
    return entity.add(ROCKS, filename="rocks.md", metadata={"year": 2020, "tags": ["stone"]})
