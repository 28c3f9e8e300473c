"""Cases by hand, for where mongomock and mingo differ from each other or from MongoDB's manual.

Each names the page of the manual (https://www.mongodb.com/docs/manual/) that decides. Where the
page says nothing, the case follows what the server is known to do, and says so.
"""

from __future__ import annotations

import json
import os
import subprocess

import pytest

MATCHES = [
    # page, query, document, does it match?
    ("reference/operator/query/all: equivalent to $and", {"a": {"$all": [None]}}, {}, True),
    ("reference/operator/query/all: nested array", {"a": {"$all": [[1, 2]]}}, {"a": [1, 2]}, True),
    ("reference/operator/query/all: nested array", {"a": {"$all": [[1]]}}, {"a": [[1], 2]}, True),
    ("reference/operator/query/not: absent field", {"a.b": {"$not": {"$gt": 0}}}, {"a": [[10]]}, True),
    ("reference/operator/query/ne: absent field", {"a": {"$ne": 1}}, {}, True),
    ("reference/operator/query/nin: absent field", {"a": {"$nin": [1]}}, {}, True),
    ("reference/operator/query/nin: null", {"a": {"$nin": [None]}}, {}, False),
    ("reference/operator/query/in: array value", {"a": {"$in": [[]]}}, {"a": []}, True),
    ("reference/operator/query/type: array elements", {"a": {"$type": "object"}}, {"a": [{}]}, True),
    ("reference/operator/query/type: the array", {"a": {"$type": "array"}}, {"a": []}, True),
    ("reference/operator/query/type: the array", {"a": {"$type": "array"}}, {"a": 1}, False),
    ("reference/operator/query/type: number", {"a": {"$type": "number"}}, {"a": True}, False),
    ("reference/operator/query/exists: null", {"a": {"$exists": True}}, {"a": None}, True),
    ("reference/operator/query/size", {"a": {"$size": 1}}, {"a": [[1, 2]]}, True),
    ("reference/operator/query/mod: rounds towards zero", {"a": {"$mod": [4, 0]}}, {"a": 4.9}, True),
    ("reference/operator/query/mod: negative", {"a": {"$mod": [4, -1]}}, {"a": -5}, True),
    ("reference/operator/query/elemMatch: objects", {"a": {"$elemMatch": {"b": {"$ne": 1}}}},
     {"a": [3]}, False),
    ("reference/operator/query/elemMatch: elements (server)", {"a": {"$elemMatch": {"$lt": 5}}},
     {"a": [[1]]}, False),
    ("reference/bson-type-comparison-order: type bracketing", {"a": {"$gt": 1}}, {"a": "x"}, False),
    ("reference/bson-type-comparison-order: booleans", {"a": {"$gt": False}}, {"a": True}, True),
    ("reference/bson-type-comparison-order: objects by kind before name",
     {"a": {"$lt": {"a": "x"}}}, {"a": {"b": 1}}, True),
    ("reference/bson-type-comparison-order: arrays as a whole", {"a": {"$gt": [1]}}, {"a": [1, 0]},
     True),
    ("tutorial/query-embedded-documents: order of fields", {"a": {"x": 1, "y": 2}},
     {"a": {"y": 2, "x": 1}}, False),
    ("tutorial/query-arrays: different elements", {"a": {"$gt": 15, "$lt": 20}}, {"a": [10, 25]},
     True),
    ("tutorial/query-for-null-fields", {"a": None}, {"a": [1, None]}, True),
    ("tutorial/query-array-of-documents: index", {"a.0.b": 1}, {"a": [{"b": 2}, {"b": 1}]}, False),
    ("reference/operator/query/regex: array elements", {"a": {"$regex": "^y"}}, {"a": ["x", "y"]},
     True),
    ("reference/operator/query/regex: m", {"a": {"$regex": "^b", "$options": "m"}}, {"a": "a\nb"},
     True),
    ("reference/operator/query/nor", {"$nor": [{"a": 1}]}, {}, True),
    ("int64 and double are compared exactly", {"a": 2**53 + 1}, {"a": float(2**53)}, False),
]

UPDATES = [
    # page, update, document, result; None: it is refused
    ("reference/operator/update/addToSet: no duplicates", {"$addToSet": {"a": {"$each": [1, 1]}}},
     {}, {"a": [1]}),
    ("reference/operator/update/addToSet: order of fields", {"$addToSet": {"a": {"x": 1, "y": 1}}},
     {"a": [{"y": 1, "x": 1}]}, {"a": [{"y": 1, "x": 1}, {"x": 1, "y": 1}]}),
    ("reference/operator/update/addToSet: not an array", {"$addToSet": {"a": 1}}, {"a": 1}, None),
    ("reference/operator/update/pop: not an array", {"$pop": {"a": 1}}, {"a": 1}, None),
    ("reference/operator/update/push: not an array", {"$push": {"a": 1}}, {"a": None}, None),
    ("reference/operator/update/position: negative", {"$push": {"a": {"$each": [9], "$position": -2}}},
     {"a": [1, 2, 3]}, {"a": [1, 9, 2, 3]}),
    ("reference/operator/update/slice: zero", {"$push": {"a": {"$each": [9], "$slice": 0}}},
     {"a": [1]}, {"a": []}),
    ("reference/operator/update/sort", {"$push": {"a": {"$each": [2], "$sort": -1}}}, {"a": [1, 3]},
     {"a": [3, 2, 1]}),
    ("reference/operator/update/push: order of processing",
     {"$push": {"a": {"$each": [0], "$slice": 2, "$sort": 1}}}, {"a": [5, 1]}, {"a": [0, 1]}),
    ("reference/operator/update/pull: exact array", {"$pull": {"a": [1]}}, {"a": [[1], 1]},
     {"a": [1]}),
    ("reference/operator/update/pull: each element as a document",
     {"$pull": {"a": {"b": {"$elemMatch": {"q": 2}}}}}, {"a": [{"b": [{"q": 2}]}, {"b": []}]},
     {"a": [{"b": []}]}),
    ("reference/operator/update/pull: not an array (server)", {"$pull": {"a": 1}}, {"a": 1}, None),
    ("reference/operator/update/unset: array element", {"$unset": {"a.0": ""}}, {"a": [1, 2]},
     {"a": [None, 2]}),
    ("reference/operator/update/mul: absent field", {"$mul": {"a": 3}}, {}, {"a": 0}),
    ("reference/operator/update/inc: null", {"$inc": {"a": 1}}, {"a": None}, None),
    ("reference/operator/update/min: BSON order", {"$min": {"a": 7}}, {"a": [1]}, {"a": 7}),
    ("reference/operator/update/max: BSON order", {"$max": {"a": 7}}, {"a": [1]}, {"a": [1]}),
    ("reference/operator/update/rename: existing target", {"$rename": {"a": "b"}}, {"b": 1, "a": 2},
     {"b": 2}),
    ("reference/operator/update/rename: absent field", {"$rename": {"x": "y"}}, {"y": 1}, {"y": 1}),
    ("reference/operator/update/set: through a scalar (server)", {"$set": {"a.b": 1}}, {"a": 1}, None),
    ("reference/operator/update/set: numeric names", {"$set": {"n.10": 1, "n.2": 1}}, {},
     {"n": {"2": 1, "10": 1}}),
    ("reference/method/db.collection.updateOne: _id", {"$set": {"_id": 2}}, {"_id": 1}, None),
    ("core/document: conflicting paths (server)", {"$set": {"a": 1, "a.b": 2}}, {}, None),
]

AGGREGATIONS = [
    ("reference/operator/aggregation/count: empty input", [{"$count": "n"}], [], []),
    ("reference/operator/aggregation/avg: nothing numeric",
     [{"$group": {"_id": None, "v": {"$avg": "$a"}}}], [{"a": "x"}], [{"_id": None, "v": None}]),
    ("reference/operator/aggregation/sum: other kinds are ignored",
     [{"$group": {"_id": None, "v": {"$sum": "$a"}}}], [{"a": 1}, {"a": "x"}, {}],
     [{"_id": None, "v": 1}]),
    ("reference/operator/aggregation/min: null is ignored",
     [{"$group": {"_id": None, "v": {"$min": "$a"}}}], [{"a": None}, {"a": 3}],
     [{"_id": None, "v": 3}]),
    ("reference/operator/aggregation/max: BSON order",
     [{"$group": {"_id": None, "v": {"$max": "$a"}}}], [{"a": "x"}, {"a": 3}],
     [{"_id": None, "v": "x"}]),
    ("reference/operator/aggregation/group: absent field is null",
     [{"$group": {"_id": "$a", "n": {"$sum": 1}}}], [{}, {"a": None}], [{"_id": None, "n": 2}]),
    ("reference/operator/aggregation/sort: array by its least element", [{"$sort": {"a": 1}}],
     [{"_id": 1, "a": [2, 9]}, {"_id": 2, "a": 1}, {"_id": 3}],
     [{"_id": 3}, {"_id": 2, "a": 1}, {"_id": 1, "a": [2, 9]}]),
    ("reference/operator/aggregation/sort: array by its greatest element", [{"$sort": {"a": -1}}],
     [{"_id": 1, "a": 5}, {"_id": 2, "a": [2, 9]}], [{"_id": 2, "a": [2, 9]}, {"_id": 1, "a": 5}]),
    ("reference/operator/aggregation/project: embedded arrays", [{"$project": {"a.b": 1, "_id": 0}}],
     [{"a": [{"b": 1, "c": 2}, 5]}], [{"a": [{"b": 1}]}]),
]


def ask(request: dict) -> dict:
    run = subprocess.run([os.environ["RAGSTORE_QUERY_DRIVER"]], input=json.dumps(request) + "\n",
                         capture_output=True, text=True, timeout=60, check=True)
    return json.loads(run.stdout)


@pytest.mark.parametrize(("page", "query", "document", "wanted"), MATCHES)
def test_query(page: str, query: dict, document: dict, wanted: bool) -> None:
    assert ask({"do": "match", "query": query, "document": document}) == {"answer": wanted}, page


@pytest.mark.parametrize(("page", "update", "document", "wanted"), UPDATES)
def test_update(page: str, update: dict, document: dict, wanted: dict | None) -> None:
    reply = ask({"do": "update", "update": update, "document": document})
    if wanted is None:
        assert reply.get("error") == "QUERY", page
    else:
        assert json.dumps(reply.get("answer")) == json.dumps(wanted), page


@pytest.mark.parametrize(("page", "pipeline", "documents", "wanted"), AGGREGATIONS)
def test_aggregation(page: str, pipeline: list, documents: list, wanted: list) -> None:
    reply = ask({"do": "aggregate", "pipeline": pipeline, "documents": documents})
    assert reply == {"answer": wanted}, page
