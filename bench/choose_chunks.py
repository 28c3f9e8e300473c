#!/usr/bin/env python3
"""Choose how long chunks are by default, from how well they are found.

    bench/make_collections.py FOLDER
    RAGSTORE_SHARED_DATA=FOLDER bench/choose_chunks.py RESULTS [BENCH_QUALITY]

measures each setting on every collection of $RAGSTORE_SHARED_DATA with bench_quality (the model in
8-bit integers), notes each figure in the file RESULTS, which the next run goes on from, and applies
the rule:

    A setting's worth on a collection is its nDCG@10 over the best of any setting there, the mean of
    vector search and hybrid search. Its worth is the mean over the collections. Of the settings
    within half a percent of the best the one with the smallest chunks is taken, then the one with
    the smallest overlap: short chunks are exact citations, and repeated text costs time and room.
"""
import json
import os
import subprocess
import sys
from pathlib import Path

TOKENS = (64, 128, 200, 254)
OVERLAP_PERCENT = (0, 25)
MODES = ("vector", "hybrid, sum")
NEAR_ENOUGH = 0.995


def settings():
    return [f"{t}/{t * percent // 100}" for t in TOKENS for percent in OVERLAP_PERCENT]


def read_results(path):
    """(collection, setting) -> {mode: nDCG@10}"""
    figures = {}
    for line in path.read_text().splitlines() if path.exists() else []:
        one = json.loads(line)
        figures.setdefault((one["collection"], one["chunks"]), {})[one["mode"]] = one["ndcg_10"]
    return figures


def measure(program, collection, missing, results):
    """In one process, because a store embeds no text twice that several settings share."""
    how = ["--json", "--int8", "--collection", collection, "--chunks", ",".join(missing)]
    with open(results, "a") as out:
        done = subprocess.run([program, *how], stdout=out)
    if done.returncode != 0:
        sys.exit("bench_quality failed")


def worth(figures, collections, setting):
    shares = []
    for collection in collections:
        for mode in MODES:
            best = max(figures[collection, other][mode] for other in settings())
            shares.append(figures[collection, setting][mode] / best)
    return sum(shares) / len(shares)


def show(figures, collections):
    worths = {s: worth(figures, collections, s) for s in settings()}
    columns = [f"{c}, {m}" for c in collections for m in MODES]
    print("| tokens/overlap | " + " | ".join(columns) + " | worth |")
    print("| --- |" + " ---: |" * (len(columns) + 1))
    for setting in settings():
        cells = [f"{figures[c, setting][m]:.3f}" for c in collections for m in MODES]
        print(f"| {setting} | " + " | ".join(cells) + f" | {worths[setting]:.4f} |")
    best = max(worths.values())
    near = [s for s in settings() if worths[s] >= best * NEAR_ENOUGH]
    print(f"\nwithin half a percent of the best: {', '.join(near)}; the rule takes {near[0]}")


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    results = Path(sys.argv[1])
    program = sys.argv[2] if len(sys.argv) == 3 else "build/release/bench/bench_quality"
    shared = Path(os.environ.get("RAGSTORE_SHARED_DATA", "../shared/data"))
    collections = sorted(p.parent.name for p in shared.glob("*/corpus.jsonl"))
    for collection in collections:
        found = read_results(results)
        missing = [s for s in settings() if not set(MODES) <= set(found.get((collection, s), {}))]
        if missing:
            measure(program, collection, missing, results)
    show(read_results(results), collections)


if __name__ == "__main__":
    main()
