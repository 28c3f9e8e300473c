"""Session and Answer."""

from __future__ import annotations

import pytest

import ragstore


def test_session__is_described_and_found_by_its_id(store, entity):
    session = entity.create_session(metadata={"user": "ann"})
    assert session.entity_id == "geology"
    described = store.session(session.id).describe()
    assert described["session_id"] == session.id
    assert described["session_name"] == "Chat 1"
    assert described["message_count"] == 0
    assert described["metadata"] == {"user": "ann"}
    assert entity.create_session(name="Rocks").describe()["session_name"] == "Rocks"
    assert [each["session_id"] for each in entity.sessions()][0] == session.id
    assert len(entity.sessions(limit=1, offset=1)) == 1


def test_session_append__numbers_messages_from_zero(entity):
    session = entity.create_session()
    assert session.append("user", "Hello") == 0
    assert session.append("assistant", "Good day", {"tone": "polite"}) == 1
    messages = session.messages()
    assert [message["role"] for message in messages] == ["user", "assistant"]
    assert messages[1]["content"] == "Good day"
    assert messages[1]["metadata"] == {"tone": "polite"}
    assert messages[0]["timestamp"]


def test_session_messages__are_paged(entity):
    session = entity.create_session()
    for i in range(10):
        session.append("user", f"message {i}")

    def contents(**options):
        return [message["content"] for message in session.messages(**options)]

    assert contents(limit=2) == ["message 8", "message 9"]
    assert contents(limit=2, before=8) == ["message 6", "message 7"]
    assert contents(before=1) == ["message 0"]
    assert contents(before=0) == []
    with pytest.raises(ragstore.InvalidArgumentError):
        contents(limit=0)


@pytest.mark.parametrize("role", ["", "robot", "User"])
def test_session_append_with_an_unknown_role__is_refused(entity, role):
    session = entity.create_session()
    with pytest.raises(ragstore.RagstoreError) as caught:
        session.append(role, "text")
    assert caught.value.name in ("INVALID_ARGUMENT", "INVALID_DATA")
    assert session.messages() == []


def test_session_delete__deletes_it_only(store, entity):
    one, two = entity.create_session(), entity.create_session()
    two.append("user", "still here")
    store.delete_session(one.id)
    with pytest.raises(ragstore.NotFoundError):
        store.session(one.id)
    with pytest.raises(ragstore.NotFoundError):
        one.append("user", "too late")
    three = entity.create_session()
    three.append("user", "new")
    assert [message["content"] for message in two.messages()] == ["still here"]


def test_ask__answers_with_sources_and_stores_both_messages(entity, rocks):
    session = entity.create_session()
    pieces, seen = [], []
    answer = session.ask(
        "What is sandstone made of?", on_sources=seen.append, on_text=pieces.append
    )
    assert "grains of sand" in answer.text
    assert "[1]" in answer.text
    assert answer.sources[0].doc_id == rocks.id
    assert "".join(pieces) == answer.text == str(answer)
    assert len(seen) == 1
    assert list(seen[0]) == list(answer.sources)
    messages = session.messages()
    assert [message["role"] for message in messages] == ["user", "assistant"]
    assert messages[0]["content"] == "What is sandstone made of?"
    assert messages[1]["content"] == answer.text
    assert answer.message["role"] == "assistant"
    assert answer.message["content"] == answer.text


def test_ask_about_what_is_not_there__says_so(entity, rocks):
    answer = entity.create_session().ask("Zymurgy xylophone quixotic?")
    assert answer.text
    assert len(answer.sources) == 0


def test_ask_about_chosen_documents__cites_no_other(entity, rocks):
    other = entity.add("Sandstone is used for walls.", filename="walls.txt")
    answer = entity.create_session().ask("What is sandstone?", doc_ids=[other.id])
    assert {hit.doc_id for hit in answer.sources} == {other.id}
    with pytest.raises(ragstore.QueryError):
        entity.create_session().ask("What is sandstone?", filter={"a": {"$bad": 1}})


def test_ask_cancelled_by_a_callback__stores_both_messages(entity, rocks):
    session = entity.create_session()
    with pytest.raises(ragstore.CancelledError):
        session.ask("What is sandstone made of?", on_text=lambda text: False)
    assert [message["role"] for message in session.messages()] == ["user", "assistant"]


def test_ask_with_an_exception_in_a_callback__raises_it(entity, rocks):
    session = entity.create_session()

    def fail(sources):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        session.ask("What is sandstone made of?", on_sources=fail)
    assert session.ask("What is sandstone made of?").text


@pytest.mark.parametrize("message,error", [
    ("", ragstore.RagstoreError),
    ("x" * 40000, ragstore.TooLargeError),
])  # fmt: skip
def test_ask_with_a_message_out_of_range__is_refused_and_not_stored(entity, message, error):
    session = entity.create_session()
    with pytest.raises(error):
        session.ask(message)
    assert session.messages() == []


@pytest.mark.parametrize("k", [0, 51])
def test_ask_with_k_out_of_range__is_refused(entity, k):
    with pytest.raises(ragstore.InvalidArgumentError):
        entity.create_session().ask("Hello?", k=k)


def test_update__changes_name_and_metadata_of_the_version_that_was_read(entity):
    session = entity.create_session()
    version = session.version
    session.update(name="Ferries", metadata={"a": 1}, version=version)
    assert session.describe()["session_name"] == "Ferries"
    assert session.describe()["metadata"] == {"a": 1}
    with pytest.raises(ragstore.ConflictError):
        session.update(name="Other", version=version)


def test_search_sessions__finds_messages(entity):
    first, second = entity.create_session(), entity.create_session()
    first.append("user", "When does the ferry leave?")
    second.append("user", "Is there a FERRY on Sunday?")
    assert [hit["session_id"] for hit in entity.search_sessions("ferry")] == [second.id, first.id]
    assert entity.search_sessions("ferry", session_id=first.id, limit=1)[0]["number"] == 0
    assert [s["session_id"] for s in entity.sessions(newest_first=True)] == [second.id, first.id]
