"""lib/query beside mongomock and mingo: wherever those two agree, it must say the same.

Questions are random, from a fixed seed, which RAGSTORE_QUERY_SEED replaces. Where the two differ or
refuse, nothing is compared; test_manual.py has cases by hand for that. The few places where both
differ from MongoDB's manual are named in `known`.
"""

from __future__ import annotations

import copy
import json
import os
import random
import subprocess
from pathlib import Path

import generator
import pytest

HERE = Path(__file__).resolve().parent
SEED = int(os.environ.get("RAGSTORE_QUERY_SEED", "20260131"))
COUNTS = {"match": 14000, "update": 9000, "aggregate": 1500, "project": 1500}

mongomock = pytest.importorskip("mongomock", reason="mongomock is missing: tools/setup.sh python")
MINGO = os.environ.get("RAGSTORE_MINGO", "")
if not Path(MINGO, "package.json").is_file():
    pytest.skip("mingo is missing: tools/setup.sh mingo", allow_module_level=True)


def answers(command: list[str], requests: list[dict]) -> list[dict]:
    lines = "".join(json.dumps(request) + "\n" for request in requests)
    run = subprocess.run(command, input=lines, capture_output=True, text=True, timeout=600)
    assert run.returncode == 0, run.stderr
    replies = [json.loads(line) for line in run.stdout.splitlines()]
    assert len(replies) == len(requests)
    return replies


def ask_mongomock(request: dict):
    collection = mongomock.MongoClient().db.collection
    request = copy.deepcopy(request)
    if request["do"] == "match":
        collection.insert_one(request["document"])
        return collection.count_documents(request["query"]) == 1
    if request["do"] == "update":
        collection.insert_one(request["document"])
        collection.update_one({}, request["update"])
        return collection.find_one({})
    if request["do"] == "aggregate":
        collection.insert_many(request["documents"])
        return list(collection.aggregate(request["pipeline"]))
    collection.insert_one(request["document"])
    return collection.find_one({}, request["projection"])


def mongomock_answers(requests: list[dict]) -> list[dict]:
    replies = []
    for request in requests:
        try:
            replies.append({"answer": ask_mongomock(request)})
        except Exception as problem:  # whatever it raises: it has no answer
            replies.append({"error": str(problem)})
    return replies


def plain(value):
    """1 and 1.0 are one value, 1 and true are two; the order of members does not count."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return (type(value).__name__, value)
    if isinstance(value, (int, float)):
        return ("number", round(float(value), 9))
    if isinstance(value, dict):
        return ("object", tuple(sorted((name, plain(member)) for name, member in value.items())))
    return ("array", tuple(plain(element) for element in value))


def has_nested_array(value, inside: bool = False) -> bool:
    if isinstance(value, dict):
        return any(has_nested_array(member) for member in value.values())
    if isinstance(value, list):
        return inside or any(has_nested_array(element, True) for element in value)
    return False


# What the server refuses and the two ignore.
REFUSED = ("goes through a value", "is no array", "is no position in an array")


def known(request: dict, own: dict, both: object) -> str | None:
    """Why the two may agree on something else than MongoDB's manual says, or its server does."""
    text = json.dumps(request.get("query", request.get("update", "")))
    if request["do"] == "update" and any(why in own.get("message", "") for why in REFUSED):
        return "an operator that does not fit the value: a WriteError"
    if '"$addToSet"' in text and '"$each"' in text:
        return "$addToSet: no duplicate is added, also from the list and to a new field"
    if request["do"] == "aggregate" and both == [{"count": 0}]:
        return "$count: an empty input gives no document"
    if '"$all": [' in text and "null" in text:
        return "$all: the same as $and of equalities, and null is equal to what is missing"
    nested = has_nested_array(request.get("document"))
    if nested and '"$not"' in text:
        return "$not: also true of documents without the field; both look into [[…]]"
    if nested and ('"$min"' in text or '"$max"' in text):
        return "$min, $max: BSON's order, in which an array is above a number"
    if '"$elemMatch"' in text:
        return "$elemMatch: the criteria are for the elements: not for their elements, and those "\
            "on members only for objects"
    if ('"$in"' in text or '"$nin"' in text) and "[]" in text:
        return "$in: an empty array is equal to an empty array"
    if '"$type"' in text:
        return "$type: an array matches by its elements; both differ from that, each elsewhere"
    return None


def make(kind: str, rng: random.Random) -> dict:
    if kind == "match":
        return {"do": kind, "query": generator.query(rng), "document": generator.document(rng)}
    if kind == "update":
        return {"do": kind, "update": generator.update(rng), "document": generator.document(rng)}
    if kind == "aggregate":
        stages, documents = generator.aggregation(rng)
        return {"do": kind, "pipeline": stages, "documents": documents}
    return {"do": kind, "projection": generator.projection(rng), "document": generator.document(rng)}


def compare(kind: str) -> tuple[int, list[str]]:
    rng = random.Random(f"{SEED} {kind}")
    requests = [make(kind, rng) for _ in range(COUNTS[kind])]
    ours = answers([os.environ["RAGSTORE_QUERY_DRIVER"]], requests)
    theirs = answers(["node", str(HERE / "mingo_driver.mjs"), MINGO], requests)
    others = mongomock_answers(requests)
    compared, wrong = 0, []
    for request, own, mingo, other in zip(requests, ours, theirs, others, strict=True):
        if "answer" not in mingo or "answer" not in other:
            continue
        if plain(mingo["answer"]) != plain(other["answer"]):
            continue
        compared += 1
        if "answer" not in own or plain(own["answer"]) != plain(mingo["answer"]):
            if known(request, own, mingo["answer"]):
                compared -= 1
                continue
            wrong.append(f"{json.dumps(request)}\n  ours  {own}\n  both  {mingo['answer']}")
    return compared, wrong


@pytest.mark.parametrize(
    ("kind", "least"), [("match", 10000), ("update", 3000), ("aggregate", 800), ("project", 800)]
)
def test_agreement(kind: str, least: int) -> None:
    compared, wrong = compare(kind)
    print(f"{kind}: {compared} of {COUNTS[kind]} compared, {len(wrong)} differ")
    assert not wrong, f"{len(wrong)} of {compared} differ:\n" + "\n".join(wrong[:20])
    assert compared >= least, f"only {compared} of {COUNTS[kind]} could be compared"
