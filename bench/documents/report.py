"""The figures on documents as a table for people and as JSON for machines, and what was missed as a list."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import tables
from bench.documents.figures import Figure, table
from bench.documents.scoring import Scored

FILE = Path(__file__).parents[1] / "documents.json"
_BEGIN, _END = "<!-- documents: written by make bench-documents -->", "<!-- end of documents -->"


@dataclass(frozen=True)
class Run:
    """What was measured on, and what came out."""

    seed: int
    people: int
    pictures: int
    versions: dict[str, str]
    figures: Sequence[Figure]


def show(figures: Sequence[Figure]) -> str:
    """The table in columns, for a terminal."""
    return tables.columns(table(figures))


def write(run: Run) -> None:
    """Write bench/documents.json, and from it the table in docs/benchmarks.md."""
    content = tables.circumstances() | {
        "seed": run.seed,
        "people": run.people,
        "pictures": run.pictures,
        "versions": run.versions,
        "figures": [figure.kept() for figure in run.figures],
    }
    tables.keep(content, FILE)
    tables.DOCUMENT.write_text(documented(tables.DOCUMENT.read_text("utf-8")), encoding="utf-8")


def documented(text: str) -> str:
    """The document's text with the results that were written last."""
    content = json.loads(FILE.read_text("utf-8"))
    versions = ", ".join(f"{name} {version}" for name, version in content["versions"].items())
    said = (
        f"Measured at {content['measured_at']} with seed {content['seed']}: {content['people']} people, "
        f"{content['pictures']:,} pictures; Python {content['python']}, {versions}."
    )
    figures = [_figure(figure) for figure in content["figures"]]
    return tables.between(_BEGIN, _END, text=text, content=f"{said}\n\n{tables.markdown(table(figures))}")


def misses(documents: Iterable[Scored]) -> str:
    """A line for every wrong value, with what it takes to draw it again and every way that gave it."""
    ways: dict[tuple[str, ...], list[str]] = {}
    for one in sorted(documents, key=lambda one: (one.kind, one.layout, one.seed)):
        for wrong in one.wrong:
            key = (one.kind, str(one.seed), one.layout, wrong.field, repr(wrong.expected), repr(wrong.got))
            ways.setdefault(key, []).append(f"{one.degradation} ({wrong.confidence:.0f})")
    lines = ["\t".join((*key, ", ".join(found))) for key, found in ways.items()]
    return "\n".join(("kind\tseed\tlayout\tfield\texpected\tgot\tways (confidence)", *lines)) + "\n"


def unflagged(forgeries: Iterable[Scored]) -> str:
    """A line for every forgery that the comparison did not show, with what became of it."""
    return "".join(
        f"not flagged: {one.kind}\t{one.seed}\t{one.degradation}\t{one.layout}\t"
        f"{one.comparison}\t{one.recommendation}\n"
        for one in forgeries
    )


def _figure(content: dict[str, Any]) -> Figure:
    return Figure(**{name: value for name, value in content.items() if name != "reached"})
