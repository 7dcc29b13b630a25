"""What the tables of both benchmarks share: aims, how rows become text, and where results are kept."""

from __future__ import annotations

import json
import os
import platform
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

DOCUMENT = Path(__file__).parents[1] / "docs/benchmarks.md"


@dataclass(frozen=True, kw_only=True)
class Aimed(ABC):
    """A number that was measured, and what it should be: at least this, at most this, or nothing."""

    at_least: float | None = None
    at_most: float | None = None

    @property
    @abstractmethod
    def value(self) -> float:
        """The number."""

    @property
    def reached(self) -> bool | None:
        """Whether the aim is reached; None where there is none."""
        if self.at_least is not None:
            return self.value >= self.at_least
        return self.value <= self.at_most if self.at_most is not None else None

    def verdict(self) -> tuple[str, str]:
        """The last cells of its row: the aim, and whether it is reached."""
        if self.at_least is not None:
            aim = f"≥ {self.at_least:g}"
        else:
            aim = f"≤ {self.at_most:g}" if self.at_most is not None else ""
        return aim, {True: "yes", False: "no", None: ""}[self.reached]

    def kept(self) -> dict[str, Any]:
        """What a file of results holds of it."""
        return {**asdict(self), "reached": self.reached}


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Rows of as many cells each, in columns for a terminal."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """The rows as a table for docs/benchmarks.md; the first is the heading."""
    heading, *rest = rows
    return "\n".join(f"| {' | '.join(row)} |" for row in (heading, ["---"] * len(heading), *rest))


def between(begin: str, end: str, *, text: str, content: str) -> str:
    """The text with this content between its two marks, in place of what stood there."""
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    return f"{before}{begin}\n{content}\n{end}{after}"


def circumstances() -> dict[str, Any]:
    """When and on what is measured; a file of results says so beside its figures."""
    return {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
    }


def keep(content: dict[str, Any], file: Path) -> None:
    """Write a file of results."""
    file.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
