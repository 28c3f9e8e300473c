"""What a service manager, a log reader and a backup at night see of the server."""

import json
import os
import re
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

from server_process import ROOT, Server, binary, eventually, ok
from test_tokens import make_token
from texts import FERRIES

DEPLOY = ROOT / "examples/server/deploy"


def test_notify__tells_when_it_serves_and_when_it_stops(start, tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(30)
        server = start("--model", "none", env={"NOTIFY_SOCKET": str(tmp_path / "notify")})
        assert manager.recv(100) == b"READY=1"
        assert server.get("/ready").status_code == 200
        assert server.stop() == 0
        assert manager.recv(100) == b"STOPPING=1"


def test_notify__without_a_manager_is_no_matter(start, tmp_path):
    for path in ("", "nonsense", str(tmp_path / "nobody"), "/" + "x" * 200):
        assert start("--model", "none", env={"NOTIFY_SOCKET": path}).stop() == 0


def count_listening_threads(server):
    names = [task.joinpath("comm").read_text() for task in Path(f"/proc/{server.process.pid}/task").iterdir()]
    return sum(name.startswith("MHD-") for name in names)


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="there is one processor only")
def test_threads__listen_on_the_processors_that_the_server_may_use(start, tmp_path):
    mine = sorted(os.sched_getaffinity(0))
    for count in (1, 2):
        server = start("--model", "none", data_dir=tmp_path / str(count),
                       preexec_fn=lambda: os.sched_setaffinity(0, mine[:count]))
        assert server.get("/health").status_code == 200
        # a thread names itself, once it has begun to run
        assert eventually(lambda: count_listening_threads(server) == count)
        assert server.stop() == 0


def test_socket__may_be_the_managers(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        # the shell becomes the server, so that its process id is the one that is named
        script = tmp_path / "activate"
        script.write_text(f'#!/bin/bash\nexec 3<&{listener.fileno()}\n'
                          f'LISTEN_FDS=1 LISTEN_PID=$$ exec {binary()} "$@"\n')
        script.chmod(0o755)
        server = Server(tmp_path / "data", "--model", "none", program=str(script),
                        pass_fds=[listener.fileno()])
        try:
            assert server.wait_until_ready().url == f"http://127.0.0.1:{port}"
            assert server.get("/ready").status_code == 200
            assert server.stop() == 0
        finally:
            if server.process.poll() is None:
                server.kill()


def test_log__is_an_object_to_a_line_when_asked(start, tmp_path):
    file = tmp_path / "tokens"
    secret, line = make_token("ci", "--all-entities")
    file.write_text(line)
    server = start("--model", "none", "--log-format", "json", "--token-file", str(file))
    request = server.get("/api/entities/x%0Ay", headers={"Authorization": f"Bearer {secret}"})
    log = server.data_dir / "logs/app.log"

    def find():
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        return [one for one in lines if one.get("request") == request.headers["X-Request-Id"]
                and "status" in one]

    (entry,) = eventually(find)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", entry.pop("time"))
    assert entry.pop("ms") >= 0 and entry.pop("bytes") > 0
    assert entry == {"level": "INFO", "request": request.headers["X-Request-Id"], "method": "GET",
                     "path": "/api/entities/x%0Ay", "status": 404, "token": "ci",
                     "client_left": False}
    assert "listening on" in json.loads(log.read_text().splitlines()[0])["message"]


def test_log__is_rotated_and_keeps_four(start):
    server = start("--model", "none")
    server.stop()
    log = server.data_dir / "logs/app.log"
    for age in range(1, 5):
        log.with_name(f"app.log.{age}").write_text(f"age {age}\n")
    with open(log, "a", encoding="ascii") as file:
        file.write("full\n" * (10 * 1024 * 1024 // 5 + 1))
    server = start("--model", "none")
    assert server.get("/health").status_code == 200
    assert eventually(lambda: (log.parent / "app.log.1").stat().st_size > 10_000_000)
    assert [log.with_name(f"app.log.{age}").read_text() for age in (2, 3, 4)] == [
        "age 1\n", "age 2\n", "age 3\n"]
    server.get("/api/entities/behind-the-rotation")
    assert eventually(lambda: log.exists() and "behind-the-rotation" in log.read_text())
    assert log.stat().st_size < 100_000
    assert len(list(log.parent.iterdir())) == 5


def test_options__of_the_sample_file_are_known(start, tmp_path):
    text = (DEPLOY / "server.conf").read_text()
    # everything that is commented out, too, with what is there on this machine
    text = re.sub(r"^# ([a-z-]+ = )", r"\1", text, flags=re.M)
    for name, value in {"data-dir": tmp_path / "data", "backup-dir": tmp_path / "backups", "port": 0,
                        "model": "none", "token-file": tmp_path / "tokens"}.items():
        text, count = re.subn(rf"^{name} = .*$", f"{name} = {value}", text, flags=re.M)
        assert count == 1, name
    text = re.sub(r"^llm-.*$", "", text, flags=re.M)
    (tmp_path / "tokens").write_text(make_token("ci", "--admin")[1])
    (tmp_path / "server.conf").write_text(text)
    assert start("--config", str(tmp_path / "server.conf")).get("/ready").status_code == 200


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze")
def test_unit__is_understood_by_systemd(tmp_path):
    unit = (DEPLOY / "ragstore-server.service.in").read_text()
    unit = unit.replace("@BINDIR@/ragstore-server", binary()).replace("@DOCDIR@", "/usr/share/doc/ragstore")
    (tmp_path / "ragstore-server.service").write_text(unit)
    shutil.copy(DEPLOY / "ragstore-server.socket", tmp_path)
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(tmp_path / "ragstore-server.service"),
                           str(tmp_path / "ragstore-server.socket")], capture_output=True, text=True,
                          timeout=60)
    assert done.returncode == 0 and "ragstore" not in done.stderr, done.stderr


def run_backup(server, **environment):
    return subprocess.run([str(DEPLOY / "ragstore-backup")], capture_output=True, text=True, timeout=60,
                          env={"PATH": os.environ["PATH"], "RAGSTORE_URL": server.url, **environment})


def test_backup_script__keeps_seven_days(start, tmp_path):
    secret, line = make_token("backup", "--admin")
    (tmp_path / "tokens").write_text(line)
    (tmp_path / "secret").write_text(secret + "\n")
    backups = tmp_path / "backups"
    server = start("--model", "none", "--token-file", str(tmp_path / "tokens"),
                   "--backup-dir", str(backups))
    token = {"RAGSTORE_TOKEN_FILE": str(tmp_path / "secret")}
    done = run_backup(server, **token)
    assert done.returncode == 0, done.stderr
    first = done.stdout.removeprefix("Backup completed: ").strip()
    assert os.path.isfile(f"{first}/backup.json")
    for name, days, is_backup in (("20260101T020000.000000Z", 9, True), ("20260105T020000.000000Z", 3, True),
                                  ("20260102T020000.000000Z", 9, False), ("mine", 9, True)):
        (backups / name).mkdir()
        if is_backup:
            (backups / name / "backup.json").write_text("{}")
        then = time.time() - days * 86400
        os.utime(backups / name, (then, then))
    os.utime(first, (time.time() - 8.5 * 86400,) * 2)
    done = run_backup(server, **token)
    assert done.returncode == 0, done.stderr
    second = done.stdout.removeprefix("Backup completed: ").strip()
    assert {one.name for one in backups.iterdir()} == {
        os.path.basename(second), "20260105T020000.000000Z", "20260102T020000.000000Z", "mine"}


def test_backup_script__says_why_it_failed(start, tmp_path):
    (tmp_path / "tokens").write_text(make_token("own", "--entity", "a")[1])
    server = start("--model", "none", "--token-file", str(tmp_path / "tokens"))
    done = run_backup(server)
    assert done.returncode == 1 and "Unauthorized" in done.stderr
    server.stop()
    done = run_backup(server)
    assert done.returncode == 1 and "cannot reach" in done.stderr


def test_backup_script__is_checked():
    if shutil.which("shellcheck") is None:
        pytest.skip("no shellcheck")
    subprocess.run(["shellcheck", str(DEPLOY / "ragstore-backup")], check=True, timeout=60)
