"""Random questions about random documents, the same for the same seed."""

from __future__ import annotations

import random

NAMES = ["a", "b", "c"]
WORDS = ["", "x", "y", "xyz", "ä", 'q"\\', "0"]


def scalar(rng: random.Random):
    return rng.choice(
        [0, 1, 2, 3, -1, 5, 1.5, 2.5, 10, *WORDS, None, True, False, 2, 1]
    )


def value(rng: random.Random, depth: int = 0):
    kind = rng.random()
    if depth >= 2 or kind < 0.55:
        return scalar(rng)
    if kind < 0.75:
        return [value(rng, depth + 1) for _ in range(rng.randrange(4))]
    return {rng.choice(NAMES): value(rng, depth + 1) for _ in range(rng.randrange(3))}


def document(rng: random.Random) -> dict:
    return {"_id": 1} | {name: value(rng) for name in NAMES if rng.random() < 0.8}


def path(rng: random.Random) -> str:
    parts = [rng.choice(NAMES)]
    while rng.random() < 0.35 and len(parts) < 3:
        parts.append(rng.choice([*NAMES, "0", "1"]))
    return ".".join(parts)


def operators(rng: random.Random, depth: int) -> dict:
    made = {}
    for _ in range(rng.choice([1, 1, 1, 2])):
        name = rng.choice(
            ["$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin", "$exists", "$type", "$size",
             "$all", "$elemMatch", "$regex", "$not", "$mod"]
        )
        if name in ("$gt", "$gte", "$lt", "$lte"):
            made[name] = rng.choice([0, 1, 2, 1.5, "x", "y", 3])
        elif name in ("$eq", "$ne"):
            made[name] = value(rng, 1)
        elif name in ("$in", "$nin"):
            made[name] = [value(rng, 1) for _ in range(rng.randrange(4))]
        elif name == "$exists":
            made[name] = rng.random() < 0.5
        elif name == "$type":
            made[name] = rng.choice(["string", "object", "array", "bool", "null", "number"])
        elif name == "$size":
            made[name] = rng.randrange(4)
        elif name == "$all":
            made[name] = [value(rng, 2) for _ in range(rng.randrange(1, 3))]
        elif name == "$elemMatch":
            if depth < 2:
                made[name] = operators(rng, 2) if rng.random() < 0.5 else query(rng, 2)
        elif name == "$regex":
            made[name] = rng.choice(["^x", "y", "z$", "^$", "[xä]", "q\""])
        elif name == "$not":
            if depth < 2:
                made[name] = operators(rng, depth + 1)
        elif name == "$mod":
            made[name] = [rng.choice([2, 3]), rng.choice([0, 1])]
    return made or {"$exists": True}


def query(rng: random.Random, depth: int = 0) -> dict:
    made = {}
    for _ in range(rng.choice([1, 1, 2])):
        if depth < 2 and rng.random() < 0.15:
            made[rng.choice(["$and", "$or", "$nor"])] = [
                query(rng, depth + 1) for _ in range(rng.randrange(1, 3))
            ]
        elif rng.random() < 0.3:
            made[path(rng)] = value(rng, 1)
        else:
            made[path(rng)] = operators(rng, depth)
    return made


def update(rng: random.Random) -> dict:
    made: dict = {}
    for _ in range(rng.choice([1, 1, 2])):
        name = rng.choice(
            ["$set", "$unset", "$inc", "$mul", "$min", "$max", "$rename", "$push", "$addToSet",
             "$pull", "$pullAll", "$pop"]
        )
        where = path(rng)
        if name == "$set":
            operand = value(rng)
        elif name == "$unset":
            operand = ""
        elif name in ("$inc", "$mul"):
            operand = rng.choice([1, 2, -1, 1.5])
        elif name in ("$min", "$max"):
            operand = rng.choice([0, 1, 2, 1.5, 7])
        elif name == "$rename":
            operand = rng.choice(["d", "e", "b"])
        elif name == "$push":
            operand = scalar(rng) if rng.random() < 0.5 else push(rng)
        elif name == "$addToSet":
            operand = value(rng, 1) if rng.random() < 0.5 else {"$each": values(rng)}
        elif name == "$pull":
            operand = scalar(rng) if rng.random() < 0.5 else rng.choice(
                [{"$gt": 1}, {"$in": ["x", 1]}, {"a": 1}, {"$gte": 2, "$lt": 5}]
            )
        elif name == "$pullAll":
            operand = values(rng)
        else:
            operand = rng.choice([1, -1])
        made.setdefault(name, {})[where] = operand
    return made


def values(rng: random.Random) -> list:
    return [value(rng, 1) for _ in range(rng.randrange(4))]


def push(rng: random.Random) -> dict:
    made: dict = {"$each": [rng.choice([1, 2, 3, 4, 5]) for _ in range(rng.randrange(4))]}
    if rng.random() < 0.4:
        made["$slice"] = rng.choice([0, 1, 2, -1, -2, 5])
    if rng.random() < 0.4:
        made["$position"] = rng.choice([0, 1, 2, -1])
    return made


def flat_document(rng: random.Random, number: int) -> dict:
    return {
        "_id": number,
        "k": rng.choice(["x", "y", "z"]),
        "n": rng.choice([0, 1, 2, 3, 1.5, 7]),
        "m": rng.choice([1, 2, None, 4]),
        "o": {"p": rng.choice([1, 2]), "q": rng.choice(["s", "t"])},
    }


def aggregation(rng: random.Random) -> tuple[list, list]:
    stages: list = []
    if rng.random() < 0.6:
        stages.append({"$match": {rng.choice(["n", "o.p"]): {"$gte": rng.choice([0, 1, 2])}}})
    if rng.random() < 0.6:
        accumulated = {
            "total": {rng.choice(["$sum", "$avg", "$min", "$max"]): "$n"},
            "all": {rng.choice(["$push", "$min", "$max"]): rng.choice(["$n", "$m", "$o.q"])},
            "number": {"$sum": 1},
        }
        key = rng.choice(["$k", "$o.q", None, {"a": "$k", "b": "$o.p"}])
        stages += [{"$group": {"_id": key} | accumulated}, {"$sort": {"_id": 1}}]
    else:
        stages.append({"$sort": {"k": rng.choice([1, -1]), "n": rng.choice([1, -1]), "_id": 1}})
        if rng.random() < 0.5:
            stages.append({"$project": rng.choice(
                [{"n": 1}, {"o.p": 1, "_id": 0}, {"k": 0}, {"o.q": 0, "n": 0}, {"z": "$o.p"}]
            )})
    if rng.random() < 0.3:
        stages.append({"$skip": rng.choice([1, 2])})
    if rng.random() < 0.3:
        stages.append({"$limit": rng.choice([1, 2, 4])})
    if rng.random() < 0.2:
        stages.append({"$count": "count"})
    return stages, [flat_document(rng, i) for i in range(rng.randrange(1, 9))]


def projection(rng: random.Random) -> dict:
    told = rng.choice([0, 1])
    made = {path(rng).replace(".0", ".a").replace(".1", ".b"): told for _ in range(2)}
    names = sorted(made)
    if len(names) == 2 and (names[1] + ".").startswith(names[0] + "."):
        del made[names[1]]
    return made | ({"_id": 0} if rng.random() < 0.3 else {})
