"""What was measured on documents: one figure per line, for every degradation and over all of them."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from app.dev.specimen_photos import DEGRADATIONS
from bench.documents.scoring import (
    BOTH,
    CERTAIN,
    SOMEBODY_ELSE,
    Scored,
    is_decoded,
    is_flagged,
)
from bench.documents.shots import BACK, CARD_BACK, FRONT, PASSPORT, SUBJECTS, Shot
from bench.results import percentile
from bench.tables import Aimed
from flows.extraction.checks import Recommendation, Status

_SMALL = "520 px"
_ALWAYS_DECODED = ("clean", "rotated", "phone", "glare", "perspective")


@dataclass(frozen=True)
class Figure(Aimed):
    """A number for each degradation that it is known for, one over all of them, and what it should be."""

    name: str
    unit: str
    overall: float
    by_degradation: Mapping[str, float]

    @property
    def value(self) -> float:
        return self.overall


def of(documents: Sequence[Scored], forgeries: Sequence[Scored], shots: Sequence[Shot]) -> list[Figure]:
    """Every figure of a run."""
    return [
        *_fields(documents),
        *_whole_documents(documents),
        *_barcodes(shots),
        *_confident_errors(documents),
        *_flags(documents, forgeries),
        *_acceptance(documents, forgeries),
        *_cost(shots),
    ]


_AIMS = {BOTH: 99.5, FRONT: 98.0, PASSPORT: 99.5, CARD_BACK: None}


def _fields(documents: Sequence[Scored]) -> list[Figure]:
    return [
        _shares(
            f"fields exactly right, {kind}",
            [one for one in documents if one.kind == kind],
            lambda found: _percent(sum(one.right for one in found), sum(one.fields for one in found)),
            at_least=aim,
        )
        for kind, aim in _AIMS.items()
    ]


def _whole_documents(documents: Sequence[Scored]) -> list[Figure]:
    return [
        _shares(
            f"documents entirely right, {kind}",
            [one for one in documents if one.kind == kind],
            lambda found: _percent(sum(not one.wrong for one in found), len(found)),
        )
        for kind in _AIMS
    ]


def _barcodes(shots: Sequence[Shot]) -> list[Figure]:
    backs = [shot for shot in shots if shot.subject == BACK]

    def decoded(found: Sequence[Shot]) -> float:
        return _percent(sum(is_decoded(shot) for shot in found), len(found))

    every = _shares("barcodes decoded", backs, decoded)
    usual = decoded([shot for shot in backs if shot.degradation in _ALWAYS_DECODED])
    figures = [Figure("barcodes decoded, first five ways", "%", usual, {}, at_least=100)]
    if _SMALL in every.by_degradation:
        small = every.by_degradation[_SMALL]
        figures.append(Figure(f"barcodes decoded, {_SMALL}", "%", small, {}, at_least=95))
    return [every, *figures]


def _confident_errors(documents: Sequence[Scored]) -> list[Figure]:
    def certain(found: Sequence[Scored]) -> float:
        errors = sum(wrong.confidence >= CERTAIN for one in found for wrong in one.wrong if wrong.got)
        return _percent(errors, sum(one.fields for one in found))

    return [
        _shares(
            f"wrong at confidence ≥ {CERTAIN:g}, {kind}",
            [one for one in documents if one.kind == kind],
            certain,
        )
        for kind in _AIMS
    ]


def _flags(documents: Sequence[Scored], forgeries: Sequence[Scored]) -> list[Figure]:
    kinds = dict.fromkeys(one.kind for one in forgeries if one.kind != SOMEBODY_ELSE)
    figures = [
        _shares(
            f"flagged: {kind}",
            [one for one in forgeries if one.kind == kind],
            lambda found: _percent(sum(map(is_flagged, found)), len(found)),
            at_least=100,
        )
        for kind in (*kinds, SOMEBODY_ELSE)
        if any(one.kind == kind for one in forgeries)
    ]
    honest = [one for one in documents if one.kind == BOTH]
    return [
        *figures,
        _shares(
            "honest, yet flagged",
            honest,
            lambda found: _percent(sum(map(is_flagged, found)), len(found)),
        ),
        _shares(
            "honest, yet said to differ",
            honest,
            lambda found: _percent(sum(one.comparison is Status.FAIL for one in found), len(found)),
        ),
    ]


def _acceptance(documents: Sequence[Scored], forgeries: Sequence[Scored]) -> list[Figure]:
    def accepted(found: Iterable[Scored]) -> list[Scored]:
        return [one for one in found if one.recommendation is Recommendation.ACCEPT]

    unchecked = sum(one.unchecked for one in accepted([*documents, *forgeries]))
    wrong = sum(bool(one.wrong) for one in accepted(documents))
    return [
        Figure("accepted with a required check missing", "", unchecked, {}, at_most=0),
        Figure("accepted forgeries", "", len(accepted(forgeries)), {}, at_most=0),
        Figure("accepted with a wrong field", "", wrong, {}),
        _shares(
            "honest, accepted without a look",
            [one for one in documents if one.kind in {BOTH, PASSPORT}],
            lambda found: _percent(len(accepted(found)), len(found)),
        ),
    ]


def _cost(shots: Sequence[Shot]) -> list[Figure]:
    sides = [shot for shot in shots if shot.subject in SUBJECTS]

    def median(found: Sequence[Shot]) -> float:
        return statistics.median(shot.cpu_seconds for shot in found)

    def p95(found: Sequence[Shot]) -> float:
        return percentile([shot.cpu_seconds for shot in found], 95)

    return [
        _shares("CPU per side, median", sides, median, unit="s", at_most=1.2),
        _shares("CPU per side, p95", sides, p95, unit="s"),
        *(
            _shares(
                f"CPU, median, {subject}", [one for one in sides if one.subject == subject], median, unit="s"
            )
            for subject in SUBJECTS
        ),
        Figure("peak memory of a process", "MiB", max(shot.peak_bytes for shot in shots) / 1024**2, {}),
    ]


_Measured = TypeVar("_Measured", Scored, Shot)


def _shares(
    name: str,
    found: Sequence[_Measured],
    measure: Callable[[Sequence[_Measured]], float],
    *,
    unit: str = "%",
    at_least: float | None = None,
    at_most: float | None = None,
) -> Figure:
    """The measure of all, and of those of each degradation."""
    by_degradation = {
        degradation: measure(some)
        for degradation in DEGRADATIONS
        if (some := [one for one in found if one.degradation == degradation])
    }
    return Figure(name, unit, measure(found), by_degradation, at_least=at_least, at_most=at_most)


def _percent(part: float, whole: float) -> float:
    return 100 * part / whole if whole else 0.0


def table(figures: Iterable[Figure]) -> list[tuple[str, ...]]:
    """Rows of cells, the heading first."""
    return [("what", *DEGRADATIONS, "all", "aim", ""), *map(_row, figures)]


def _row(figure: Figure) -> tuple[str, ...]:
    cells = (figure.by_degradation.get(name) for name in DEGRADATIONS)
    unit = f" {figure.unit}" if figure.unit and figure.unit != "%" else figure.unit
    return (
        figure.name,
        *("" if value is None else _shown(value) for value in cells),
        f"{_shown(figure.overall)}{unit}",
        *figure.verdict(),
    )


def _shown(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.2f}"
