"""From the figures that the benches print to lines of a table: what, ours, theirs, how many times better.

A figure is the JSON object of one line that a program of this folder printed. Each function takes all
those of a section and gives its lines, best rival only. Where ragstore was measured before and after its
rivals, the worse of the two counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

Figures = list[dict]


@dataclass(frozen=True)
class Line:
    what: str
    ours: float
    theirs: float
    unit: str  # ends in "/s" where more is better, else less is
    rival: str
    asked: float | None = None  # how many times better it is meant to be at least

    @property
    def times(self) -> float:
        better, worse = (self.ours, self.theirs) if self.unit.endswith("/s") else (self.theirs, self.ours)
        return better / worse if worse else float("inf")

    @property
    def below(self) -> bool:
        return self.asked is not None and round(self.times, 2) < self.asked


def select(figures: Figures, **wanted: object) -> Figures:
    return [f for f in figures if all(f.get(name) == value for name, value in wanted.items())]


def of_rival(figure: dict) -> str:
    return f"{figure['way']} {figure.get('version', '')}".strip()


def compare(what: str, unit: str, key: str, ours: Figures, theirs: Iterable[dict],
            asked: float | None = None, names: Callable[[dict], str] = of_rival) -> Iterator[Line]:
    """One line: the worst of ours beside the best of theirs, or none where one of them is missing."""
    theirs = [f for f in theirs if f.get(key)]
    ours = [f for f in ours if f.get(key)]
    if not ours or not theirs:
        return
    rate = unit.endswith("/s")
    best = (max if rate else min)(theirs, key=lambda f: f[key])
    worst = (min if rate else max)(f[key] for f in ours)
    yield Line(what, worst, best[key], unit, names(best), asked)


def compare_each(what: str, unit: str, key: str, ours: Figures, theirs: Figures,
                 asked: dict[str, float]) -> Iterator[Line]:
    """A line for each rival whose name begins with one of `asked`, which says how much is asked of it."""
    for name, least in asked.items():
        yield from compare(what, unit, key, ours, (f for f in theirs if f["way"].startswith(name)), least)


# ---- vectors ----

GRAPHS = ("faiss-cpu HNSW", "hnswlib", "usearch")
CODED = ("exact", "codes")  # the tiers that look at a code of each row


def settings_of(figure: dict) -> tuple:
    return tuple(figure.get(name) for name in ("tier", "lists", "probes", "candidates"))


def slower_of_turns(figures: Figures) -> Figures:
    """Ours, one for each setting: the slower of the turns before and after the rivals."""
    slowest: dict[tuple, dict] = {}
    for figure in figures:
        kept = slowest.setdefault(settings_of(figure), figure)
        if figure["ms"] > kept["ms"]:
            slowest[settings_of(figure)] = figure
    return list(slowest.values())


def fastest(figures: Iterable[dict], recall: float) -> Figures:
    enough = [f for f in figures if f["recall"] >= recall]
    return [min(enough, key=lambda f: f["ms"])] if enough else []


def vectors(figures: Figures) -> Iterator[Line]:
    own = slower_of_turns([f for f in figures if f.get("bench") == "vectors" and "recall" in f
                           and f["tier"] in (*CODED, "partition")])
    theirs = [f for f in figures if f.get("bench") == "rivals_vectors" and "recall" in f]
    if not own or not theirs:
        return
    threads = own[0]["threads"]
    where = f"{own[0]['rows']:,} rows, {threads} thread{'s' * (threads > 1)}"
    flat = [f for f in theirs if f["way"] == "faiss-cpu Flat"]
    graphs = [f for f in theirs if f["way"].startswith(GRAPHS)]
    yield from compare(f"exact, {where}", "ms", "ms", select(own, tier="exact"), flat, 1.1)
    yield from compare(f"codes, recall 0.99, {where}", "ms", "ms",
                       fastest((f for f in own if f["tier"] in CODED), 0.99), flat, 6.0)
    for recall in (0.95, 0.99):
        yield from compare(f"approximate, recall {recall}, {where}", "ms", "ms", fastest(own, recall),
                           fastest(graphs, recall), 1.0)


def filters(figures: Figures) -> Iterator[Line]:
    for keeps in sorted({f["keeps"] for f in figures if "keeps" in f}):
        for kind in ("the same", "another"):
            turn = select(figures, keeps=keeps, filter=kind)
            what = f"filter that keeps {keeps:.1%}, {kind} each time"
            for rival in ("chroma", "lancedb", "sqlite-vec"):
                yield from compare(what, "ms", "ms", select(turn, way="ragstore"),
                                   fastest(select(turn, way=rival), 0.95),
                                   5.0 if keeps == 0.01 and rival != "sqlite-vec" else None)


def deleting(figures: Figures) -> Iterator[Line]:
    rows = max((f.get("rows", 0) for f in figures), default=0)
    yield from compare(f"delete one and search, {rows:,} rows", "ms", "delete_search_ms",
                       select(figures, bench="ingest"), select(figures, bench="rivals_vectors"), 1000)
    saved = [f | {"delete_search_ms": f["durable_ms"], "way": f"{f['way']}, saved"}
             for f in figures if "durable_ms" in f]
    yield from compare(f"delete one durably and search, {rows:,} rows", "ms", "delete_search_ms",
                       select(figures, bench="ingest"), saved, 1000)


def ingestion(figures: Figures) -> Iterator[Line]:
    own = select(figures, bench="ingest")
    theirs = select(figures, bench="rivals_ingest")
    asked = {"chroma": 50, "hnswlib": 5, "sqlite-vec": 1, "lancedb": 1, "usearch": 1, "faiss-cpu HNSW": 1}
    yield from compare_each("ingest until searchable", "rows/s", "rows_per_s", select(own, what="bulk"),
                            theirs, asked)
    yield from compare("on disk", "MB", "mb", select(own, what="disk"), theirs)


def single_adds(figures: Figures) -> Iterator[Line]:
    def rates(name: str) -> Figures:
        return [{"adds_per_s": f["adds_per_s"], "way": f["way"]} for f in figures if f.get("way") == name]

    theirs = [f for f in figures if f.get("way") not in (None, "ragstore")]
    yield from compare_each("one durable add", "adds/s", "adds_per_s", rates("ragstore"), theirs,
                            {"chroma": 20, "lancedb": 5, "sqlite-vec": 1})


def entities(figures: Figures) -> Iterator[Line]:
    own = select(figures, bench="entities", what="start")
    count = max((f.get("entities", 0) for f in figures), default=0)
    theirs = select(figures, bench="rivals_entities")
    yield from compare(f"{count:,} entities, first answer", "ms", "first_answer_ms", own, theirs, 20)
    yield from compare(f"{count:,} entities, memory", "MiB", "first_mib", own, theirs, 5)


# ---- text ----

def embedding(figures: Figures) -> Iterator[Line]:
    asked = {("batch", "onnxruntime"): 1.0, ("query", "onnxruntime"): 1.5, ("start", "onnxruntime"): 5.0,
             ("batch", "llama.cpp"): 1.0, ("query", "sentence-transformers"): 4.0,
             ("start", "sentence-transformers"): 20.0}
    for figure in figures:
        if "ours_ms" not in figure:
            continue
        job, _, precision = figure["job"].partition(" ")
        threads = figure.get("threads")
        where = f", {threads} thread{'s' * (threads > 1)}" if threads else ""
        yield Line(f"embedding, {job} {precision}{where}", figure["ours_ms"]["median"],
                   figure["rival_ms"]["median"], "ms", figure["rival"],
                   None if precision == "int8" else asked.get((job, figure["rival"])))


def keywords(figures: Figures) -> Iterator[Line]:
    own = select(figures, way="ragstore")
    for rival, index, query in (("bm25s", 1.0, 1.0), ("sqlite fts5", 3.0, 5.0)):
        theirs = select(figures, way=rival)
        yield from compare("keyword index", "texts/s", "texts_per_s", own, theirs, index)
        yield from compare("keyword search, whole question", "ms", "whole_ms", own, theirs, query)
        yield from compare("keyword search, six words", "ms", "short_ms", own, theirs, query)


# ---- records ----

def commits(figures: Figures) -> Iterator[Line]:
    for threads, way, rival, asked in ((1, "full", "SQLite WAL FULL", 1.2),
                                       (8, "full", "SQLite WAL FULL", 3.0),
                                       (1, "normal", "SQLite WAL NORMAL", 2.0),
                                       (1, "full", "pwrite + fdatasync", 0.85)):
        yield from compare(f"commits, {way}, {threads} thread{'s' * (threads > 1)}", "commits/s",
                           "commits_per_s", select(figures, threads=threads, way=f"ragstore {way}"),
                           select(figures, threads=threads, way=rival), asked)


def records(figures: Figures) -> Iterator[Line]:
    opened = [f for f in figures if f.get("bench") == "open_and_get" and "ms" in f]
    own = select(opened, way="ragstore")
    for rival, asked in (("SQLite", 0.5), ("jansson", 100.0)):
        yield from compare(f"open, get one of {own[0]['records']:,}" if own else "", "ms", "ms", own,
                           (f for f in opened if f["way"].startswith(rival)), asked)
    for figure in select(figures, bench="find_in_file"):
        yield Line(f"find by a field of {figure['records']:,}", figure["ragstore_ms"],
                   figure["sqlite_ms"], "ms", "SQLite json_extract", 3.0)


# ---- the whole ----

def questions(figures: Figures) -> Iterator[Line]:
    asked = {"question with filter and history, p50": 5.0, "largest resident memory": 5.0}
    for what, least in asked.items():
        found = [dict(f, way=f.get("rival", "ragstore")) for f in select(figures, figure=what)]
        yield from compare(what, found[0]["unit"] if found else "", "value", select(found, way="ragstore"),
                           (f for f in found if f["way"] != "ragstore"), least)


def http(figures: Figures) -> Iterator[Line]:
    asked = [dict(f, way=f["server"]) for f in figures if f.get("measure") == "search" and "server" in f]
    own, theirs = select(asked, server="ragstore-server"), select(asked, server="fastapi")
    yield from compare("search over HTTP", "requests/s", "requests_per_second", own, theirs, 4.0)
    yield from compare("search over HTTP, p99", "ms", "p99_ms", own, theirs)
