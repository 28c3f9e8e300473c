"""The guide's own scenarios, with its commands as written.

Only what must differ differs: the address (http://localhost:8000), the program that is started
(`python main.py`), and the ids that a reply gives. Every scenario runs twice: the server is stopped
as the guide says, and killed with SIGKILL. The server runs in a directory with the guide's `data/`
below it, and each command in a shell in that directory.
"""

import json
import re
import subprocess
import sys

import pytest

from server_process import Server, eventually
from texts import FERRIES

pytestmark = pytest.mark.parametrize("end", ["stop", "kill"])


class Place:
    """A directory with a server and a shell, as the guide's reader has it."""

    def __init__(self, directory, end):
        self.directory = directory
        self.end = end
        self.server = None
        (directory / "document.txt").write_text(FERRIES)
        # The scenario wants a report.pdf. Its bytes are plain text, which is what counts.
        (directory / "report.pdf").write_text(FERRIES)
        self.start()

    def start(self):
        self.server = Server(self.directory / "data", cwd=self.directory).wait_until_ready()

    def end_server(self):
        status = getattr(self.server, self.end)()
        assert status == (0 if self.end == "stop" else -9), self.server.error_text()

    def restart(self):
        self.end_server()
        self.start()

    def shell(self, command):
        """Run a command of the guide; returns what it printed."""
        address = self.server.url.replace("127.0.0.1", "localhost")
        command = command.replace("http://localhost:8000", address)
        command = command.replace("python -m", f"{sys.executable} -m")
        command = command.replace("curl -X", "curl -sS -X").replace("curl http", "curl -sS http")
        done = subprocess.run(["bash", "-c", command], cwd=self.directory, text=True, timeout=60,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout

    def json(self, command):
        return json.loads(self.shell(command))


@pytest.fixture
def place(tmp_path, end):
    made = Place(tmp_path, end)
    yield made
    if made.server.process.poll() is None:
        made.server.kill()


CREATE = """curl -X POST http://localhost:8000/api/entities \\
  -H "Content-Type: application/json" \\
  -d '{"entity_id": "%s", "entity_name": "%s"}'"""
UPLOAD = """curl -X POST http://localhost:8000/api/entities/%s/files \\
  -F "file=@%s\""""
SEARCH = """curl -X POST http://localhost:8000/api/search \\
  -H "Content-Type: application/json" \\
  -d '{"entity_id": "test_001", "query": "revenue", "k": 5}'"""
CHAT = """curl -X POST http://localhost:8000/api/chat \\
  -H "Content-Type: application/json" \\
  -d '{"session_id": "%s", "message": "%s", "stream": false}'"""


def test_scenario_1__entity_persistence(place):
    created = place.json(CREATE % ("test_001", "Test Corp"))
    place.restart()
    found = place.json("curl http://localhost:8000/api/entities/test_001")
    assert found == created
    assert (found["entity_id"], found["entity_name"]) == ("test_001", "Test Corp")


def test_scenario_2__chat_session_persistence(place):
    place.json(CREATE % ("test_002", "Test2"))
    place.json(UPLOAD % ("test_002", "document.txt"))
    session = place.json("""curl -X POST http://localhost:8000/api/chat/sessions \\
  -H "Content-Type: application/json" \\
  -d '{"entity_id": "test_002", "session_name": "Test Chat"}'""")["session_id"]
    answer = place.json(CHAT % (session, "Hello"))
    place.restart()
    history = place.json(f"curl http://localhost:8000/api/chat/sessions/{session}/messages")
    assert [(one["role"], one["content"]) for one in history] == [
        ("user", "Hello"), ("assistant", answer["message"]["content"])]
    again = place.json(CHAT % (session, "Continue"))
    assert again["message"]["role"] == "assistant"
    history = place.json(f"curl http://localhost:8000/api/chat/sessions/{session}/messages")
    assert [one["content"] for one in history if one["role"] == "user"] == ["Hello", "Continue"]
    assert len(history) == 4


def test_scenario_3__file_upload_persistence(place):
    place.json(CREATE % ("test_001", "Test Corp"))
    uploaded = place.json(UPLOAD % ("test_001", "report.pdf"))
    assert re.match(r"doc_", uploaded["doc_id"])
    before = place.json(SEARCH)
    place.end_server()
    assert place.shell("ls data/uploads/test_001/").split() == ["report.pdf"]
    assert "vector_store" in place.shell("ls data/entity_scoped/entities/test_001/").split()
    place.start()
    after = place.json(SEARCH)
    assert after == before
    assert "48 million crowns" in after["results"][0]["content"]
    (listed,) = place.json("curl http://localhost:8000/api/entities/test_001/files")
    assert (listed["doc_name"], listed["doc_id"]) == ("report.pdf", uploaded["doc_id"])


def fill(place):
    place.json(CREATE % ("company_123", "Company"))
    place.json(UPLOAD % ("company_123", "document.txt"))
    session = place.server.create_session("company_123")["session_id"]
    place.server.ask(session, "What is the revenue?")
    return session


def contents(place, session):
    server = place.server
    return (server.get("/api/entities").json(), server.get("/api/entities/company_123/files").json(),
            server.messages(session), server.search("company_123", "revenue"))


def test_backup__of_a_live_directory_restores(place):
    session = fill(place)
    before = contents(place, session)
    place.shell("tar -czf backup-$(date +%Y%m%d).tar.gz data/")
    place.shell("tar -czf api-backup-$(date +%Y%m%d).tar.gz data/api_storage/")
    place.shell("""tar -czf entity-company_123-$(date +%Y%m%d).tar.gz \\
    data/uploads/company_123/ \\
    data/entity_scoped/entities/company_123/""")
    place.server.delete("/api/entities/company_123")
    place.end_server()
    place.shell("rm -r data && tar -xzf backup-$(date +%Y%m%d).tar.gz")
    place.start()
    assert contents(place, session) == before


def test_backup__script_and_retention(place):
    fill(place)
    script = """BACKUP_DIR="$PWD/backups/rag-api"
DATE=$(date +%Y%m%d_%H%M%S)
mkdir -p "$BACKUP_DIR"
touch -d "8 days ago" "$BACKUP_DIR/data_old.tar.gz"
tar -czf "$BACKUP_DIR/data_$DATE.tar.gz" data/
find "$BACKUP_DIR" -name "data_*.tar.gz" -mtime +7 -delete
echo "Backup completed: $BACKUP_DIR/data_$DATE.tar.gz\""""
    assert "Backup completed" in place.shell(script)
    assert len(place.shell("ls backups/rag-api").split()) == 1
    assert "entities.json" in place.shell("tar -tzf backups/rag-api/data_*.tar.gz")


def test_troubleshooting__storage_can_be_looked_at(place):
    fill(place)
    place.restart()
    place.shell("ls -la data/api_storage/")
    place.shell("ls -l data/api_storage/entities.json")
    place.shell("ls -l data/api_storage/chat_sessions.json")
    entities = place.json("python -m json.tool data/api_storage/entities.json")
    assert "company_123" in json.dumps(entities)
    place.json("python -m json.tool data/api_storage/chat_sessions.json")
    assert "/api/chat" in place.shell("tail -n 100 data/logs/app.log")
    place.shell("mkdir -p data/api_storage && chmod 755 data/api_storage")
    place.restart()
    assert place.server.get("/api/entities/company_123").status_code == 200


def test_troubleshooting__missing_index_rebuilds_itself(place):
    session = fill(place)
    before = contents(place, session)
    place.end_server()
    place.shell("rm -f data/entity_scoped/entities/company_123/vector_store/index.faiss "
                "data/entity_scoped/entities/company_123/lexical.rsl")
    place.start()
    assert contents(place, session) == before
    again = place.json(UPLOAD % ("company_123", "document.txt"))
    assert again["is_duplicate"] is True
    assert contents(place, session) == before


def test_entities_json__has_what_was_created(place):
    """The guide reads entities.json while the server runs; the file follows soon after."""
    place.json(CREATE % ("test_001", "Test Corp"))
    path = place.directory / "data/api_storage/entities.json"
    assert eventually(lambda: path.exists() and "test_001" in path.read_text(), seconds=20)
