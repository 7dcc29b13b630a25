"""The figures on documents as a table for people and as JSON for machines, and what was missed as a list."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.documents.figures import Figure, heading, row
from bench.documents.scoring import Scored
from bench.results import DOCUMENT

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
    rows = [heading(), *map(row, figures)]
    widths = [max(len(line[column]) for line in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in rows
    )


def write(run: Run) -> None:
    """Write bench/documents.json, and from it the table in docs/benchmarks.md."""
    content = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "seed": run.seed,
        "people": run.people,
        "pictures": run.pictures,
        "versions": run.versions,
        "figures": [{**asdict(figure), "reached": figure.reached} for figure in run.figures],
    }
    FILE.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    DOCUMENT.write_text(documented(DOCUMENT.read_text("utf-8")), encoding="utf-8")


def documented(text: str) -> str:
    """The document's text with the results that were written last."""
    before, begin, rest = text.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    content = json.loads(FILE.read_text("utf-8"))
    versions = ", ".join(f"{name} {version}" for name, version in content["versions"].items())
    said = (
        f"Measured at {content['measured_at']} with seed {content['seed']}: {content['people']} people, "
        f"{content['pictures']:,} pictures; Python {content['python']}, {versions}."
    )
    rows = [heading(), tuple("---" for _ in heading())]
    rows += [row(_figure(figure)) for figure in content["figures"]]
    table = "\n".join(f"| {' | '.join(line)} |" for line in rows)
    return f"{before}{begin}\n{said}\n\n{table}\n{end}{after}"


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
