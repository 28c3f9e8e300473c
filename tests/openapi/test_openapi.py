"""The server beside its own description: every reply must be as /openapi.json says, and whatever
the description rules out must be refused. schemathesis makes the requests.

RAGSTORE_OPENAPI_CASES says how many (700 unless told), RAGSTORE_OPENAPI_SEED repeats a run.
"""

import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile

import pytest

from altering_proxy import AlteringProxy
from server_process import ok

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parents[1]
CASES = int(os.environ.get("RAGSTORE_OPENAPI_CASES") or 700)
SEED = int(os.environ.get("RAGSTORE_OPENAPI_SEED") or random.SystemRandom().randrange(10 ** 9))
RUN_SECONDS = 1200

# what is served and not described: the page's own files
NOT_DESCRIBED = {("GET", "/web/{}")}


def explore(url, seed, *options):
    """One run of schemathesis; returns (whether it found nothing, number of cases, its words)."""
    place = tempfile.TemporaryDirectory()  # it leaves reports where it runs
    environment = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
    done = subprocess.run(
        [sys.executable, "-c", "import sys; from schemathesis.cli import schemathesis; "
                               "sys.exit(schemathesis())",
         "--config-file", str(HERE / "schemathesis.toml"), "run", url + "/openapi.json",
         "--checks", "all", "--no-color", "--seed", str(seed), "--generation-database", "none",
         "--request-timeout", "30", *options],
        capture_output=True, text=True, timeout=RUN_SECONDS, env=environment, cwd=place.name)
    place.cleanup()
    words = done.stdout + done.stderr
    counted = re.search(r"(\d+) generated", words)
    assert done.returncode in (0, 1) and counted, words
    return done.returncode == 0, int(counted.group(1)), words


@pytest.fixture
def stored(server):
    """An entity, a document and a session of the names that the examples have."""
    server.create_entity("acme", "Acme Corp")
    server.upload("acme", "report.md", "# Revenue\n\nRevenue rose to 48 million crowns.")
    session = server.create_session("acme")["session_id"]
    server.ask(session, "Why did revenue rise?")
    return server


def test_openapi__holds_for_generated_requests(stored, request):
    # DELETE cancels a job and does not take it away, which sequences of calls would complain of
    fine, total, words = explore(stored.url, SEED, "--include-operation-id", "cancelJob",
                                 "--phases", "examples,coverage,fuzzing")
    assert fine, f"RAGSTORE_OPENAPI_SEED={SEED}\n{words[-20000:]}"
    for run in range(100):
        fine, cases, words = explore(stored.url, SEED + run, "--max-examples", "15",
                                     "--exclude-operation-id", "cancelJob")
        total += cases
        assert fine, f"RAGSTORE_OPENAPI_SEED={SEED + run}\n{words[-20000:]}"
        if total >= CASES:
            break
    assert total >= CASES
    request.config.figures = [f"{total} cases, all checks, from seed {SEED}"]
    assert stored.get("/health").json()["status"] == "healthy"


def drop_field(method, path, status, value):
    if method == "POST" and path == "/api/entities" and status == 200:
        value.pop("total_chunks")
    return status, value


def change_type(method, path, status, value):
    if path == "/api/search" and status == 200:
        value["total"] = str(value["total"])
    return status, value


def add_field(method, path, status, value):
    if path == "/health":
        value["secret"] = 1
    return status, value


def break_down(method, path, status, value):
    if path == "/api/chat/sessions" and status == 200:
        return 500, {"error": "Internal server error", "detail": "x"}
    return status, value


def accept_wrong(method, path, status, value):
    return (200, {"entity_id": "acme", "query": "x", "results": [], "total": 0, "mode": "keyword"}) \
        if path == "/api/search" and status == 422 else (status, value)


@pytest.mark.parametrize("alter, call, found", [
    (drop_field, "createEntity", "'total_chunks' is a required property|total_chunks"),
    (change_type, "search", "is not of type|type"),
    (add_field, "getHealth", "Additional properties|secret"),
    (break_down, "createSession", "500|Server error"),
    (accept_wrong, "search", "Schema-violating request accepted"),
], ids=["field dropped", "type changed", "field added", "500", "wrong request accepted"])
def test_openapi__notices_a_server_that(stored, alter, call, found):
    with AlteringProxy(stored.url, alter) as proxy:
        fine, _, words = explore(proxy.url, SEED, "--include-operation-id", call,
                                 "--max-failures", "1", "--phases", "examples,coverage")
    assert not fine, "nothing was noticed:\n" + words
    assert re.search(found, words), words


def test_openapi__notices_nothing_in_a_server_that_is_only_passed_on(stored):
    calls = [option for call in ("createEntity", "search", "getHealth", "createSession")
             for option in ("--include-operation-id", call)]
    with AlteringProxy(stored.url, lambda method, path, status, value: (status, value)) as proxy:
        fine, _, words = explore(proxy.url, SEED, *calls, "--phases", "examples,coverage")
    assert fine, words


def routes():
    """(method, path with {} for what varies) of the server's table."""
    table = (ROOT / "examples/server/routes.c").read_text(encoding="utf-8")
    return set(re.findall(r'^    \{"([A-Z]+)", "([^"]+)", BODY', table, re.M))


def test_openapi__describes_every_call_and_no_other(server):
    described = {(method.upper(), re.sub(r"\{\w+\}", "{}", path))
                 for path, methods in ok(server.get("/openapi.json"))["paths"].items()
                 for method in methods}
    assert described == routes() - NOT_DESCRIBED


def schemas(value, place="#"):
    """Every schema below the components, with its place."""
    for name, one in value.get("properties", {}).items():
        yield f"{place}/{name}", one
        yield from schemas(one, f"{place}/{name}")
    if isinstance(value.get("items"), dict):
        yield f"{place}[]", value["items"]
        yield from schemas(value["items"], f"{place}[]")


def test_openapi__states_types_required_fields_and_examples(server):
    description = ok(server.get("/openapi.json"))
    assert description["openapi"].startswith("3.1")
    assert description["info"]["version"] == ok(server.get("/"))["version"]
    for name, schema in description["components"]["schemas"].items():
        assert schema["type"] == "object" and "required" in schema, name
        assert set(schema["required"]) <= set(schema["properties"]), name
        for place, one in schemas(schema, name):
            assert {"type", "$ref", "anyOf", "enum"} & set(one), f"{place} has no type"
            if "$ref" not in one and not place.endswith("[]"):
                assert one.get("description"), f"{place} has no description"
                assert one.get("examples") or "items" in one or one.get("properties"), \
                    f"{place} has no example"


def test_metrics__count_requests_in_prometheus_text(server):
    for _ in range(3):
        ok(server.get("/health"))
    server.get("/nothing")
    server.create_entity("one")
    response = server.get("/metrics")
    assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    samples = {}
    described = set()
    for line in response.text.splitlines():
        if line.startswith("# TYPE "):
            described.add(line.split()[2])
            assert line.split()[3] in ("counter", "gauge", "histogram")
        elif not line.startswith("#"):
            name, value = line.rsplit(" ", 1)
            assert re.fullmatch(r'[a-z_]+(\{([a-z]+="[^"\\]*",?)*\})?', name), line
            base = re.sub(r"\{.*|_(bucket|sum|count)(?=\{|$).*", "", name)
            assert base in described, line
            samples[name] = float(value)
    count = 'ragstore_http_requests_total{method="%s",path="%s",status="%s"}'
    assert samples[count % ("GET", "/health", "2xx")] == 3
    assert samples[count % ("", "", "4xx")] == 1
    assert samples["ragstore_entities"] == 1
    assert samples["ragstore_http_request_seconds_count"] == 5
    assert samples['ragstore_http_request_seconds_bucket{le="+Inf"}'] == 5
    assert samples["process_resident_memory_bytes"] > 1e6
    assert samples["ragstore_http_active_requests"] == 1
