"""Closing, collecting and sharing: any order, any thread."""

from __future__ import annotations

import gc
import itertools
import os
import pickle
import random
import subprocess
import sys
import threading
import weakref

import pytest
from conftest import ROCKS, ROOT

import ragstore
from ragstore import Store


def everything(directory):
    """A store and one of each of its objects, by name."""
    store = Store(directory)
    entity = store.create_entity("geology")
    return {
        "store": store,
        "entity": entity,
        "document": entity.add(ROCKS, filename="rocks.md"),
        "session": entity.create_session(),
        "upload": entity.upload(filename="x.txt"),
    }


def test_handles__may_be_closed_in_any_order(tmp_path):
    names = ["store", "entity", "document", "session", "upload"]
    for number, order in enumerate(itertools.permutations(names)):
        if number % 5:
            continue
        things = everything(tmp_path / f"store-{number}")
        for name in order:
            things[name].close()
            things[name].close()
            assert things[name].closed


def test_handles__may_be_collected_in_any_order(tmp_path):
    shuffle = random.Random(7)
    for number in range(10):
        things = everything(tmp_path / f"store-{number}")
        if number % 2:
            things["store"].close()
        watched = [weakref.ref(thing) for thing in things.values()]
        names = list(things)
        shuffle.shuffle(names)
        for name in names:
            del things[name]
            gc.collect()
        assert [ref() for ref in watched] == [None] * len(watched)
        Store(tmp_path / f"store-{number}", must_exist=True, busy_timeout=0).close()


def test_handles_in_a_cycle__are_collected(directory):
    things = everything(directory)
    things["self"] = things
    watched = weakref.ref(things["store"])
    del things
    gc.collect()
    assert watched() is None
    Store(directory, must_exist=True, busy_timeout=0).close()


def test_entity__keeps_its_store_open(directory):
    entity = Store(directory).create_entity("kept")
    gc.collect()
    assert entity.describe()["entity_id"] == "kept"


def test_calls_after_the_store_closed__raise_closed(directory):
    things = everything(directory)
    things["store"].close()
    for call in (
        things["store"].describe,
        things["entity"].describe,
        lambda: things["entity"].search("granite"),
        things["document"].content,
        things["session"].messages,
        lambda: things["upload"].write(b"more"),
    ):
        with pytest.raises(ragstore.ClosedError):
            call()
    for name in ("entity", "document", "session", "upload"):
        things[name].close()


def test_objects_left_at_the_end_of_the_program__are_closed(directory):
    program = (
        "import sys, ragstore\n"
        "store = ragstore.Store(sys.argv[1])\n"
        "entity = store.create_entity('left')\n"
        "document = entity.add('Some text.')\n"
        "session = entity.create_session()\n"
        "upload = entity.upload()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(directory)],
        env={**os.environ, "PYTHONPATH": str(ROOT / "examples" / "python")},
        capture_output=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    with Store(directory, must_exist=True, busy_timeout=0) as store:
        assert store.entity("left").describe()["total_documents"] == 1


def test_context_manager_of_a_closed_handle__raises_closed(store):
    entity = store.create_entity("a")
    with entity:
        pass
    with pytest.raises(ragstore.ClosedError), entity:
        pass


def test_threads__search_and_add_at_the_same_time(entity, rocks):
    errors, found = [], []

    def work(number):
        try:
            for i in range(10):
                if number % 2:
                    entity.add(f"Thread {number} writes text {i} about basalt.")
                else:
                    found.append(len(entity.search("granite")))
        except Exception as error:  # shown below
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert all(found)
    assert entity.describe()["total_documents"] == 31
    assert len(entity.search("basalt", k=50)) == 30


def test_close_of_the_store__waits_for_calls_that_run(directory):
    store = Store(directory)
    entity = store.create_entity("a")
    entity.add(ROCKS)
    outcomes = []

    def work():
        while True:
            try:
                entity.search("granite")
                store.describe()
            except ragstore.ClosedError:
                outcomes.append("closed")
                return
            except BaseException as error:
                outcomes.append(error)
                return

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    store.describe()
    store.close()
    for thread in threads:
        thread.join()
    assert outcomes == ["closed"] * 4


def test_error_of_a_thread__is_its_own(store):
    errors = {}

    def work(number):
        for _ in range(50):
            try:
                store.entity(f"missing-{number}")
            except ragstore.NotFoundError as error:
                errors.setdefault(number, set()).add(f"missing-{number}" in str(error))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == {number: {True} for number in range(4)}


def test_batch_of_another_thread__cannot_be_ended(store):
    batch = store.batch()
    caught = []

    def work():
        try:
            batch.commit()
        except ragstore.WrongStateError as error:
            caught.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert len(caught) == 1
    batch.abort()


def test_close_from_a_callback__is_a_wrong_state(entity, rocks):
    session = entity.create_session()
    caught = []

    def close_it(text):
        try:
            session.close()
        except ragstore.WrongStateError as error:
            caught.append(error)

    session.ask("What is granite?", on_text=close_it)
    assert caught
    assert not session.closed


def test_child_of_a_fork__gets_closed_and_the_parent_goes_on(store, entity, rocks):
    child = os.fork()
    if child == 0:
        try:
            store.describe()
            os._exit(1)
        except ragstore.ClosedError:
            entity.close()
            os._exit(0)
        except BaseException:
            os._exit(2)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert len(entity.search("granite")) > 0
    entity.add("The parent can still write.")


def test_error__says_what_went_wrong_and_can_be_pickled(store):
    with pytest.raises(ragstore.NotFoundError) as caught:
        store.entity("nobody")
    error = caught.value
    assert (error.code, error.name) == (-20, "NOT_FOUND")
    assert "nobody" in str(error)
    assert isinstance(error, ragstore.DataError)
    assert isinstance(error, LookupError)
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is ragstore.NotFoundError
    assert (again.code, str(again)) == (error.code, str(error))


def test_library_version__is_the_packages():
    assert ragstore.library_version() == ragstore.__version__
