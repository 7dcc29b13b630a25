"""What was measured: one figure per ratio, as a table for people and as JSON for machines."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import tables
from bench.load import Sample

FILE = Path(__file__).with_name("results.json")
_BEGIN, _END = "<!-- results: written by make bench -->", "<!-- end of results -->"


@dataclass(frozen=True)
class Side:
    """One of the two that are compared: rate per second and latencies in milliseconds, where it has them."""

    name: str
    rate: float | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None


@dataclass(frozen=True)
class Figure(tables.Aimed):
    """A ratio, and what we want it to be. `connections` is None where that means nothing."""

    section: str
    ours: Side
    theirs: Side
    ratio: float
    connections: int | None = None

    @property
    def value(self) -> float:
        return self.ratio


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
    return (
        figure.ours.name,
        str(figure.connections or ""),
        *_numbers(figure.ours),
        figure.theirs.name,
        *_numbers(figure.theirs),
        f"{figure.ratio:.2f}",
        *figure.verdict(),
    )


def _numbers(side: Side) -> tuple[str, str, str]:
    def shown(value: float | None) -> str:
        return "" if value is None else f"{value:,.0f}" if value >= 100 else f"{value:.1f}"

    return shown(side.rate), shown(side.p50_ms), shown(side.p99_ms)


def show(figures: Sequence[Figure]) -> str:
    """The table in columns, for a terminal."""
    return tables.columns(table(figures))


def write(figures: Sequence[Figure]) -> None:
    """Write bench/results.json, and from it the table in docs/benchmarks.md.

    Sections that were measured take the place of what was there of them: a ratio's two sides are always of
    one run, different sections need not be.
    """
    measured = tables.circumstances()
    sections = json.loads(FILE.read_text("utf-8")) if FILE.exists() else {}
    for name in dict.fromkeys(figure.section for figure in figures):
        of_section = [figure.kept() for figure in figures if figure.section == name]
        sections[name] = measured | {"figures": of_section}
    tables.keep(sections, FILE)
    tables.DOCUMENT.write_text(documented(tables.DOCUMENT.read_text("utf-8")), encoding="utf-8")


def documented(text: str) -> str:
    """The document's text with the results that were written last."""
    sections = json.loads(FILE.read_text("utf-8"))
    said = "\n".join(_measured(name, content) for name, content in sections.items())
    figures = [_figure(one) for content in sections.values() for one in content["figures"]]
    content = f"{said}\n\n{tables.markdown(table(figures))}"
    return tables.between(_BEGIN, _END, text=text, content=content)


def _measured(name: str, content: dict[str, Any]) -> str:
    return f"- {name}: {content['measured_at']}, {content['cores']} cores, Python {content['python']}"


def _figure(content: dict[str, Any]) -> Figure:
    known = {name: value for name, value in content.items() if name != "reached"}
    return Figure(**known | {"ours": Side(**content["ours"]), "theirs": Side(**content["theirs"])})
