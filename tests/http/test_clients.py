"""Eight clients upload to one entity and chat with it at once: nothing is lost, nothing doubled, and
numbers have no gaps."""

import collections
import concurrent.futures
import json

from server_process import ok

CLIENTS, ROUNDS = 8, 6


def client(server, entity, shared, number):
    """Uploads a document and asks in the conversation of all and in its own, time and again."""
    own = server.create_session(entity)["session_id"]
    for i in range(ROUNDS):
        text = f"Note {number}-{i}: the gull of client {number} has seen {i} ferries.\n" * (1 + 40 * i)
        server.upload(entity, f"{number}-{i}.txt", text)
        server.ask(shared, f"What has the gull of client {number} seen, asks {number}-{i}?")
        server.ask(own, f"Question {i} of {number}?")
    return own


def test_clients__lose_and_double_nothing_in_one_entity(start):
    server = start("--model", "none")
    entity = "gulls"
    server.create_entity(entity)
    shared = server.create_session(entity)["session_id"]
    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        sessions = list(pool.map(lambda n: client(server, entity, shared, n), range(CLIENTS)))

    for running in (server, None):  # as the server says, and after it was killed
        if running is None:
            server.kill()
            running = server = start("--model", "none")
        files = ok(running.get(f"/api/entities/{entity}/files"))
        names = [document["doc_name"] for document in files]
        assert sorted(names) == sorted(f"{n}-{i}.txt" for n in range(CLIENTS) for i in range(ROUNDS))
        messages = running.messages(shared)
        asked = collections.Counter(m["content"] for m in messages if m["role"] == "user")
        assert set(asked.values()) == {1} and len(asked) == CLIENTS * ROUNDS
        assert len(messages) == 2 * CLIENTS * ROUNDS
        for number, own in enumerate(sessions):
            turns = running.messages(own)
            assert [m["role"] for m in turns] == ["user", "assistant"] * ROUNDS
            assert [m["content"] for m in turns[::2]] == [f"Question {i} of {number}?"
                                                          for i in range(ROUNDS)]
    server.stop()

    folder = server.data_dir / "entity_scoped/entities" / entity
    chunks = json.loads((folder / "chunk_metadata.json").read_text())
    assert sorted(map(int, chunks)) == list(range(len(chunks)))  # nothing was deleted: no gap
    of_document = collections.defaultdict(list)
    for number in sorted(map(int, chunks)):
        chunk = chunks[str(number)]
        of_document[chunk["doc_id"]].append(chunk["chunk_order_index"])
    assert len(of_document) == CLIENTS * ROUNDS
    assert all(orders == list(range(len(orders))) for orders in of_document.values())
    assert len(list((server.data_dir / "uploads" / entity).iterdir())) == CLIENTS * ROUNDS
