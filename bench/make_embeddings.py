#!/usr/bin/env python3
"""Real embeddings for bench_vectors: passages of this machine's manual pages and documentation.

    bench/make_embeddings.py FOLDER [ROWS]      40,000 rows take minutes
    build/release/bench/bench_vectors ROWS 384 FOLDER

Writes FOLDER/rows.f32 and 200 other passages as FOLDER/queries.f32. Needs examples/python in PYTHONPATH,
numpy, and the model that `ragstore` finds.
"""

from __future__ import annotations

import gzip
import random
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from ragstore import Model

WORDS = 35  # of a passage
MOST = 60  # passages of a text
QUERIES = 200
AT_ONCE = 1000
PLACES = ("/usr/share/man/man*/*.gz", "/usr/share/doc/**/*", "/usr/share/perl/**/*.p[odm]*",
          "/usr/lib/python3*/**/*.py")


def texts() -> Iterator[str]:
    for pattern in PLACES:
        for path in sorted(Path("/").glob(pattern[1:])):
            if not path.is_file() or path.name == "copyright":
                continue
            try:
                bytes_ = gzip.open(path).read() if path.suffix == ".gz" else path.read_bytes()
            except OSError:
                continue
            text = bytes_.decode(errors="ignore")
            yield re.sub(r"^\.\S*|\\f.|\\[-&]|\\\(..", "", text, flags=re.MULTILINE)


def passages() -> list[str]:
    found: dict[str, None] = {}
    for text in texts():
        words = re.findall(r"[A-Za-z][A-Za-z'-]+[.,;:]?", text)
        for start in range(0, min(len(words) - WORDS, MOST * WORDS), WORDS):
            found[" ".join(words[start:start + WORDS])] = None
    chosen = list(found)
    random.Random(5).shuffle(chosen)
    return chosen


def main() -> None:
    folder = Path(sys.argv[1])
    rows = int(sys.argv[2]) if len(sys.argv) > 2 else 40000
    chosen = passages()[:rows + QUERIES]
    if len(chosen) < rows + QUERIES:
        sys.exit(f"make_embeddings.py: this machine has {len(chosen):,} passages only; name fewer rows")
    folder.mkdir(parents=True, exist_ok=True)
    model = Model()
    vectors = np.empty((len(chosen), model.dimension), dtype=np.float32)
    for start in range(0, len(chosen), AT_ONCE):
        part = chosen[start:start + AT_ONCE]
        vectors[start:start + len(part)] = model.embed(part)
        print(f"\r{start + len(part):,} of {len(chosen):,}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    vectors[:rows].tofile(folder / "rows.f32")
    vectors[rows:].tofile(folder / "queries.f32")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main()
