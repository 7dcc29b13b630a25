"""What was measured: one figure per ratio, as a table for people and as JSON for machines."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.load import Sample

FILE = Path(__file__).with_name("results.json")
DOCUMENT = Path(__file__).parents[1] / "docs/benchmarks.md"
_BEGIN, _END = "<!-- results: written by make bench -->", "<!-- end of results -->"


@dataclass(frozen=True)
class Side:
    """One of the two that are compared: rate per second and latencies in milliseconds, where it has them."""

    name: str
    rate: float | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None


@dataclass(frozen=True)
class Figure:
    """A ratio, and what we want it to be. `connections` is None where that means nothing."""

    section: str
    ours: Side
    theirs: Side
    ratio: float
    connections: int | None = None
    at_least: float | None = None
    at_most: float | None = None

    @property
    def aim(self) -> str:
        if self.at_least is not None:
            return f"≥ {self.at_least:g}"
        return f"≤ {self.at_most:g}" if self.at_most is not None else ""

    @property
    def reached(self) -> bool | None:
        """Whether the aim is reached; None where there is none."""
        if self.at_least is not None:
            return self.ratio >= self.at_least
        return self.ratio <= self.at_most if self.at_most is not None else None


def side(name: str, samples: Sequence[Sample]) -> Side:
    """The median rate of several rounds, and the percentiles of all their answers."""
    latencies = [latency for sample in samples for latency in sample.latencies]
    return Side(
        name,
        rate=statistics.median(sample.rate for sample in samples),
        p50_ms=percentile(latencies, 50) * 1000 if latencies else None,
        p99_ms=percentile(latencies, 99) * 1000 if latencies else None,
    )


def ratio_of_rates(ours: Sequence[Sample], theirs: Sequence[Sample]) -> float:
    """The median over the rounds: each compares what was measured right after one another."""
    return statistics.median(a.rate / b.rate for a, b in zip(ours, theirs, strict=True))


def percentile(values: Sequence[float], percent: int) -> float:
    """The smallest value that `percent` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


_COLUMNS = ("what", "conn.", "per s", "p50", "p99", "against", "per s", "p50", "p99", "ratio", "aim", "")


def table(figures: Sequence[Figure]) -> list[tuple[str, ...]]:
    """Rows of cells, the heading first. Latencies in milliseconds."""
    return [_COLUMNS, *(_row(figure) for figure in figures)]


def _row(figure: Figure) -> tuple[str, ...]:
    reached = {True: "yes", False: "no", None: ""}[figure.reached]
    return (
        figure.ours.name,
        str(figure.connections or ""),
        *_numbers(figure.ours),
        figure.theirs.name,
        *_numbers(figure.theirs),
        f"{figure.ratio:.2f}",
        figure.aim,
        reached,
    )


def _numbers(side: Side) -> tuple[str, str, str]:
    def shown(value: float | None) -> str:
        return "" if value is None else f"{value:,.0f}" if value >= 100 else f"{value:.1f}"

    return shown(side.rate), shown(side.p50_ms), shown(side.p99_ms)


def show(figures: Sequence[Figure]) -> str:
    """The table in columns, for a terminal."""
    rows = table(figures)
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def markdown(figures: Sequence[Figure]) -> str:
    """The table for docs/benchmarks.md."""
    heading, *rows = table(figures)
    lines = [heading, tuple("---" for _ in heading), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def write(figures: Sequence[Figure]) -> None:
    """Write bench/results.json, and from it the table in docs/benchmarks.md.

    Sections that were measured take the place of what was there of them: a ratio's two sides are always of
    one run, different sections need not be.
    """
    measured = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
    }
    sections = json.loads(FILE.read_text("utf-8")) if FILE.exists() else {}
    for name in dict.fromkeys(figure.section for figure in figures):
        of_section = [figure for figure in figures if figure.section == name]
        sections[name] = measured | {
            "figures": [{**asdict(figure), "reached": figure.reached} for figure in of_section]
        }
    FILE.write_text(json.dumps(sections, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    DOCUMENT.write_text(documented(DOCUMENT.read_text("utf-8")), encoding="utf-8")


def documented(text: str) -> str:
    """The document's text with the results that were written last."""
    before, begin, rest = text.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    sections = json.loads(FILE.read_text("utf-8"))
    said = "\n".join(_measured(name, content) for name, content in sections.items())
    figures = [_figure(one) for content in sections.values() for one in content["figures"]]
    return f"{before}{begin}\n{said}\n\n{markdown(figures)}\n{end}{after}"


def _measured(name: str, content: dict[str, Any]) -> str:
    return f"- {name}: {content['measured_at']}, {content['cores']} cores, Python {content['python']}"


def _figure(content: dict[str, Any]) -> Figure:
    known = {name: value for name, value in content.items() if name != "reached"}
    return Figure(**known | {"ours": Side(**content["ours"]), "theirs": Side(**content["theirs"])})
