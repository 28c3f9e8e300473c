"""Store and Batch."""

from __future__ import annotations

import subprocess
import sys

import pytest
from conftest import ROCKS, ROOT

import ragstore
from ragstore import Store


def test_store__makes_a_missing_directory_and_keeps_what_was_added(directory):
    with Store(directory) as store:
        store.create_entity("acme", name="Acme Corp", metadata={"plan": "gold"})
        store.entity("acme").add("The answer is forty-two.", filename="a.txt")
    with Store(directory, must_exist=True) as store:
        described = store.entity("acme").describe()
        assert described["entity_name"] == "Acme Corp"
        assert described["metadata"] == {"plan": "gold"}
        assert described["total_documents"] == 1
        assert store.entity("acme").search("answer")[0].content.startswith("The answer")


def test_store_must_exist__raises_not_found(directory):
    with pytest.raises(ragstore.NotFoundError):
        Store(directory, must_exist=True)
    assert not directory.exists()


def test_store_must_create__raises_exists(directory):
    Store(directory).close()
    with pytest.raises(ragstore.ExistsError):
        Store(directory, must_create=True)


def test_store_in_a_directory_of_other_things__is_refused_and_leaves_them(tmp_path):
    (tmp_path / "letter.txt").write_text("dear reader")
    with pytest.raises(ragstore.RagstoreError):
        Store(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_store_read_only__refuses_changes_and_searches(directory):
    with Store(directory) as store:
        store.create_entity("geology").add(ROCKS, filename="rocks.md")
    with Store(directory, read_only=True) as store:
        assert store.describe()["read_only"] is True
        assert len(store.entity("geology").search("granite")) > 0
        with pytest.raises(ragstore.ReadOnlyError):
            store.create_entity("other")


def test_store_held_by_another_process__is_shared_and_busy_while_it_writes(directory):
    Store(directory).close()
    program = (
        "import sys, ragstore\n"
        "with ragstore.Store(sys.argv[1]) as store, store.batch():\n"
        "    store.create_entity('theirs')\n"
        "    print('writing', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", program, str(directory)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**__import__("os").environ, "PYTHONPATH": str(ROOT / "examples" / "python")},
    )
    try:
        assert holder.stdout.readline() == b"writing\n"
        for timeout in (0, 0.2):
            with Store(directory, busy_timeout=timeout) as store:
                assert store.entities() == []
                with pytest.raises(ragstore.BusyError):
                    store.create_entity("ours")
    finally:
        holder.communicate(timeout=30)
    assert holder.returncode == 0
    with Store(directory, busy_timeout=0) as store:
        store.create_entity("ours")
        assert {entity["entity_id"] for entity in store.entities()} == {"theirs", "ours"}


def test_store_describe__counts(store):
    assert store.describe()["entities"] == 0
    store.create_entity("a").add("One document.")
    store.entity("a").create_session()
    described = store.describe()
    assert (described["entities"], described["documents"], described["sessions"]) == (1, 1, 1)
    assert described["chunks"] >= 1
    assert described["state"] == "ok"
    assert described["problems"] == []
    assert described["embedder"] is None


def test_store_entities__lists_in_order_with_limit_offset_and_match(store):
    for name in ("b", "a", "C3"):
        store.create_entity(name, name=f"Name of {name}")
    assert [each["entity_id"] for each in store.entities()] == ["b", "a", "C3"]
    assert [each["entity_id"] for each in store.entities(limit=1, offset=1)] == ["a"]
    assert [each["entity_id"] for each in store.entities(match="c3")] == ["C3"]
    assert store.count_entities() == 3
    assert store.count_entities("c3") == 1


def test_store_delete_entity__takes_its_sessions_and_documents(store, directory):
    entity = store.create_entity("gone")
    entity.add("Some text.", filename="text.txt")
    session = entity.create_session()
    entity.create_session()
    assert store.delete_entity("gone") == 2
    with pytest.raises(ragstore.NotFoundError):
        store.entity("gone")
    with pytest.raises(ragstore.NotFoundError):
        entity.describe()
    with pytest.raises(ragstore.NotFoundError):
        store.session(session.id)
    again = store.create_entity("gone")
    assert again.describe()["total_documents"] == 0
    assert len(again.search("text")) == 0
    with pytest.raises(ragstore.NotFoundError):  # the old handle is not the new entity
        entity.describe()


def test_store_export_and_maintain__make_files_that_plain_json_reads(store, directory):
    import json

    store.create_entity("acme").add("A text.", filename="a.txt")
    store.maintain(0.5)
    store.export()
    entities = json.loads((directory / "api_storage" / "entities.json").read_text())
    assert entities["acme"]["documents"][0]["filename"] == "a.txt"
    json.loads((directory / "api_storage" / "chat_sessions.json").read_text())


def test_store_log__gets_levels_and_texts(directory):
    lines = []
    with Store(directory, log=lambda level, message: lines.append((level, message))) as store:
        store.create_entity("a").add("text")
        store.export()
    for level, message in lines:
        assert level in ("error", "warning", "info", "debug")
        assert isinstance(message, str)


def test_store_interrupt__concerns_no_later_call(store):
    store.interrupt()
    store.create_entity("after")


@pytest.mark.parametrize(
    "options",
    [{"durability": "none"}, {"busy_timeout": -1}, {"busy_timeout": 1e9}, {"memory_limit": 0}],
)
def test_store_with_options_out_of_range__is_refused(directory, options):
    with pytest.raises(ragstore.InvalidArgumentError):
        Store(directory, **options)


def test_store_path_with_nul__is_refused(tmp_path):
    with pytest.raises(ragstore.InvalidArgumentError):
        Store(f"{tmp_path}/a\0b")


def test_batch__commits_all_at_the_end_of_the_block(store):
    with store.batch():
        entity = store.create_entity("batched")
        entity.add("First text.", filename="1.txt")
        entity.add("Second text.", filename="2.txt")
    assert store.entity("batched").describe()["total_documents"] == 2
    assert len(entity.search("second")) == 1


def test_batch_with_an_exception__leaves_no_trace(store):
    with pytest.raises(ZeroDivisionError), store.batch():
        store.create_entity("never")
        raise ZeroDivisionError
    with pytest.raises(ragstore.NotFoundError):
        store.entity("never")


def test_batch_that_ended__raises_closed(store):
    batch = store.batch()
    batch.commit()
    assert batch.closed
    batch.abort()
    with pytest.raises(ragstore.ClosedError):
        batch.commit()


def test_batch_in_a_batch__is_a_wrong_state(store):
    with store.batch(), pytest.raises(ragstore.WrongStateError):
        store.batch()


def test_batch_that_is_dropped__is_aborted(store):
    batch = store.batch()
    store.create_entity("dropped")
    del batch
    with pytest.raises(ragstore.NotFoundError):
        store.entity("dropped")
    store.create_entity("next")


def test_check__names_a_changed_upload(store, directory):
    entity = store.create_entity("acme")
    entity.add(b"The keeper climbs 199 steps.", filename="keeper.txt")
    assert store.check()["ok"] is True
    seen = []
    assert store.check(progress=lambda *told: seen.append(told))["ok"] is True
    assert seen[0][:2] == ("check", 0)
    with pytest.raises(ragstore.CancelledError):
        store.check(progress=lambda *told: False)
    (upload,) = (path for path in directory.rglob("keeper.txt"))
    upload.write_bytes(b"The keeper climbs 198 steps.")
    (finding,) = store.check()["findings"]
    assert finding["file"] == "uploads/acme/keeper.txt"
    assert "not the" in finding["problem"]


def test_compact__takes_deleted_text_out_of_every_file(store, directory):
    entity = store.create_entity("acme")
    document = entity.add("SECRETWORD is in this text", filename="secret.txt")
    entity.delete_document(document.id)
    stages = []
    report = store.compact(progress=lambda stage, done, total: stages.append(stage))
    assert report["bytes_after"] < report["bytes_before"]
    assert report["quarantine"] == []
    assert stages == ["entities", "files"]
    files = [path for path in directory.rglob("*") if path.is_file()]
    assert files and all(b"SECRETWORD" not in path.read_bytes() for path in files)


def test_backup__restores_what_it_was_made_of(store, tmp_path):
    entity = store.create_entity("acme")
    entity.add("The keeper climbs 199 steps.", filename="keeper.txt")
    stages = set()
    report = store.backup(tmp_path / "b", progress=lambda stage, done, total: stages.add(stage))
    assert report["ok"] is True and report["documents"] == 1 and report["findings"] == []
    assert stages == {"copy", "verify", "check"}
    assert ragstore.verify_backup(tmp_path / "b")["files"] == report["files"]
    with pytest.raises(ragstore.ExistsError):
        store.backup(tmp_path / "b")
    with pytest.raises(ragstore.CancelledError):
        store.backup(tmp_path / "c", progress=lambda *_: False)
    ragstore.restore_backup(tmp_path / "b", tmp_path / "r")
    with ragstore.Store(tmp_path / "r", must_exist=True) as restored:
        assert restored.entity("acme").search("keeper")[0].doc_name == "keeper.txt"
    (tmp_path / "b" / "data" / "ragstore.json").unlink()
    with pytest.raises(ragstore.DamagedError):
        ragstore.restore_backup(tmp_path / "b", tmp_path / "s", check=False)
