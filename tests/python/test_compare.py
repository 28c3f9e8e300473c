"""The table of bench/compare.py: what it makes of figures that the benches print."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))

import compare  # noqa: E402
import compare_lines as lines  # noqa: E402


def ours(tier: str, ms: float, recall: float, **more: object) -> dict:
    return {"bench": "vectors", "tier": tier, "rows": 1000, "threads": 2, "ms": ms, "recall": recall, **more}


def theirs(way: str, ms: float, recall: float) -> dict:
    return {"bench": "rivals_vectors", "way": way, "version": "1.2", "ms": ms, "recall": recall}


def test_vectors_compare_the_fastest_settings_that_find_enough() -> None:
    figures = [
        {"bench": "vectors", "tier": "build", "rows": 1000, "rows_per_s": 7},
        ours("exact", 2.0, 1.0), ours("exact", 2.5, 1.0),  # before and after: the slower counts
        ours("partition", 0.1, 0.94, probes=1), ours("partition", 0.2, 0.96, probes=2),
        ours("codes", 0.5, 0.995),
        theirs("faiss-cpu Flat", 5.0, 1.0),
        theirs("hnswlib", 0.15, 0.9), theirs("hnswlib", 0.3, 0.97), theirs("usearch", 0.4, 0.999),
    ]
    table = {line.what: line for line in lines.vectors(figures)}
    where = "1,000 rows, 2 threads"
    assert table[f"exact, {where}"].times == 2.0
    assert table[f"codes, recall 0.99, {where}"].times == 10.0
    loose, strict = table[f"approximate, recall 0.95, {where}"], table[f"approximate, recall 0.99, {where}"]
    assert (loose.ours, loose.theirs, loose.rival) == (0.2, 0.3, "hnswlib 1.2")
    assert (strict.ours, strict.theirs, strict.rival) == (0.5, 0.4, "usearch 1.2")
    assert strict.below and not loose.below


def test_rates_are_better_when_they_are_larger() -> None:
    figures = [{"bench": "ingest", "what": "bulk", "rows_per_s": 900},
               {"bench": "ingest", "what": "bulk", "rows_per_s": 600},
               {"bench": "rivals_ingest", "way": "chroma", "rows_per_s": 10},
               {"bench": "rivals_ingest", "way": "chroma", "rows_per_s": 12}]
    (line,) = lines.ingestion(figures)
    assert (line.ours, line.theirs, line.times) == (600, 12, 50.0)
    assert not line.below


def test_deleting_stands_beside_an_index_in_memory_and_one_that_is_saved() -> None:
    figures = [{"bench": "ingest", "what": "delete", "delete_search_ms": 0.5},
               {"bench": "rivals_vectors", "way": "IDMap2", "rows": 9000, "delete_search_ms": 100.0,
                "durable_ms": 1000.0}]
    memory, saved = lines.deleting(figures)
    assert (memory.what, memory.times, memory.below) == ("delete one and search, 9,000 rows", 200.0, True)
    assert (saved.rival, saved.times, saved.below) == ("IDMap2, saved", 2000.0, False)


def test_a_filter_that_loses_hits_is_no_rival() -> None:
    def figure(way: str, ms: float, recall: float) -> dict:
        return {"bench": "rivals_filter", "way": way, "keeps": 0.01, "filter": "another", "ms": ms,
                "recall": recall}

    table = list(lines.filters([figure("ragstore", 2.0, 1.0), figure("chroma", 0.1, 0.4),
                                figure("lancedb", 6.0, 1.0)]))
    assert [(line.rival, line.times, line.below) for line in table] == [("lancedb", 3.0, True)]


def test_what_is_missing_gives_no_line() -> None:
    for section in (lines.vectors, lines.filters, lines.deleting, lines.ingestion, lines.single_adds,
                    lines.entities, lines.embedding, lines.keywords, lines.commits, lines.records,
                    lines.questions, lines.http):
        assert list(section([])) == []
        assert list(section([{"way": "chroma", "left_out": "No module named 'chromadb'"}])) == []


def test_a_row_of_the_table_says_where_it_is_below() -> None:
    row = compare.row(lines.Line("keyword index", 2000, 1000, "texts/s", "SQLite", 3.0))
    assert row.split() == ["keyword", "index", "2,000", "1,000", "texts/s", "2.00", "×", "3", "below", "SQLite"]
    row = compare.row(lines.Line("a query", 0.25, 1.5, "ms", "Chroma"))
    assert row.split() == ["a", "query", "0.250", "1.5", "ms", "6.00", "×", "Chroma"]
