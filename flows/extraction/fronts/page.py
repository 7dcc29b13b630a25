"""Where the text of a page lies: lines made level, cut into spans, and what each span has been taken for."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from flows.extraction.engine import Line
from flows.extraction.fields import Field, Source
from flows.extraction.fronts.label_patterns import uses_numbers
from flows.extraction.fronts.labels import Piece, cut
from flows.extraction.fronts.vocabulary import Label
from flows.extraction.geometry import rotation, slope
from flows.extraction.spacing import respace

_COLUMN_GAP = 1.3
"""Letter heights; words of one value stand 0.3 to 0.6 apart, columns that detection ran together more."""
_RESPACED = 0.88
_SEEN_SPACE = 0.15
"""Letter heights; a space that was read and does not show shows that the gaps are not to be trusted."""
_ASLANT = np.radians(12)
"""A line that leans more than this against the others is an overprint, not a field."""
_GIANT = 3.5
"""Of the usual height of a line; titles are up to thrice as high."""
_LONG = 6
"""Characters; shorter lines tell little of the page's angle."""

BY_SHAPE = 0.75
"""Belief in a value that no label names: below what `complete` lets pass without a second look."""


@dataclass(frozen=True, eq=False)
class Span:
    """A piece of text with its place in a level frame: x to the right, y downwards, in pixels."""

    label: Label | None
    text: str
    spaced: str
    """The text with lost spaces put back: for names and addresses, where spaces matter."""
    confidence: float
    left: float
    right: float
    top: float
    bottom: float
    line: Line

    @property
    def height(self) -> float:
        return max(self.bottom - self.top, 1.0)

    @property
    def sureness(self) -> float:
        """Belief in the spaces: those put back by the picture's gaps are right more often than not."""
        return 1.0 if self.spaced == self.text else _RESPACED

    @property
    def middle(self) -> float:
        return (self.top + self.bottom) / 2

    def on_row_of(self, other: Span) -> bool:
        """Whether the two stand beside each other; a small label may stand high or low beside its value."""
        return abs(self.middle - other.middle) < 0.6 * max(self.height, other.height)

    def under(self, other: Span) -> bool:
        """Whether this is one of the next lines below the other and begins about where it does."""
        unit = max(self.height, other.height)
        return 0.4 * unit < self.middle - other.middle < 2.4 * unit and abs(self.left - other.left) < 3 * unit


@dataclass(frozen=True)
class Claim:
    """A span taken for a label's value; `belief` multiplies the confidence of its text."""

    span: Span
    belief: float


class Page:
    """The spans of a page, in reading order, and the values its labels have claimed."""

    def __init__(self, spans: list[Span]) -> None:
        self.spans = spans
        self.free = [span for span in spans if span.label is None]
        self.claims: dict[Label, list[Claim]] = {}

    def claim(self, label: Label, span: Span, belief: float) -> None:
        self.claims.setdefault(label, []).append(Claim(span, belief))
        self.take(span)

    def take(self, span: Span) -> None:
        """A span is used once."""
        if span in self.free:
            self.free.remove(span)

    def replace(self, span: Span, by: Span) -> None:
        """Another understanding of the same text, which is then no value any more."""
        self.spans[self.spans.index(span)] = by
        self.take(span)

    def release(self, span: Span) -> None:
        """What looked like a label alone is text after all."""
        text = span.line.text.strip()
        freed = replace(span, label=None, text=text, spaced=text)
        self.spans[self.spans.index(span)] = freed
        self.free.append(freed)

    def first(self, label: Label) -> Claim | None:
        """The claim believed most, the upper one of two alike."""
        return max(self.claims.get(label, []), key=lambda claim: claim.belief, default=None)


def field(value: str, span: Span, belief: float) -> Field:
    return Field(value=value, confidence=round(span.confidence * belief, 1), source=Source.OCR)


def level(lines: list[Line]) -> Page:
    """The lines cut into spans, on a page turned by its skew."""
    angles = [slope(line.corners) for line in lines]
    long = [angle for angle, line in zip(angles, lines, strict=True) if len(line.text) >= _LONG]
    skew = float(np.median(long)) if long else 0.0
    upright = [
        (line.corners @ rotation(skew), line)
        for angle, line in zip(angles, lines, strict=True)
        if len(line.text) < _LONG or abs(angle - skew) < _ASLANT
    ]
    upright = _without_giants(upright)
    numbers = uses_numbers([line.text for _, line in upright])
    spans = [span for corners, line in upright for span in _spans(line, corners, numbers=numbers)]
    return Page(sorted(spans, key=lambda span: (span.middle, span.left)))


def _without_giants(lines: list[tuple[NDArray[np.float64], Line]]) -> list[tuple[NDArray[np.float64], Line]]:
    """Lines without pieces of an overprint that were read by themselves."""
    heights = [float(np.ptp(corners[:, 1])) for corners, _ in lines]
    most = _GIANT * float(np.median(heights)) if heights else 0.0
    return [each for each, height in zip(lines, heights, strict=True) if height < most]


def _spans(line: Line, corners: NDArray[np.float64], *, numbers: bool) -> list[Span]:
    left, right = float(corners[:, 0].min()), float(corners[:, 0].max())
    # The mean of two corners, so that what skew is left does not make a long line taller.
    ys = np.sort(corners[:, 1])
    top, bottom = float(ys[:2].mean()), float(ys[2:].mean())
    starts = _starts(line, left, right, bottom - top)
    return [
        Span(
            piece.label,
            piece.text,
            _respaced(line, piece),
            line.confidence,
            starts[piece.start],
            starts[piece.end],
            top,
            bottom,
            line,
        )
        for piece in cut(line.text, numbers=numbers, columns=_columns(line))
    ]


def _starts(line: Line, left: float, right: float, height: float) -> list[float]:
    """Where each character of the line begins, and where the last one ends."""
    letters = len("".join(line.text.split()))
    if len(line.gaps) != letters - 1:
        return [float(x) for x in np.linspace(left, right, len(line.text) + 1)]
    # The box has a margin around the letters, whose height the gaps are measured in.
    gaps = [gap * height * 0.7 for gap in line.gaps] + [0.0]
    width = max((right - left - sum(gaps)) / letters, 0.0)
    starts, at, seen = [], left, 0
    for character in line.text:
        starts.append(min(at, right))
        if not character.isspace():
            at += width + gaps[seen]
            seen += 1
    return [*starts, right]


def _columns(line: Line) -> tuple[int, ...]:
    """Positions in the text before which the picture shows a gap as wide as between two columns."""
    places = [at for at, character in enumerate(line.text) if not character.isspace()]
    if len(line.gaps) != len(places) - 1:
        return ()
    parted = zip(places[1:], line.gaps, strict=True)
    return tuple(at for at, gap in parted if gap > _COLUMN_GAP and line.text[at - 1].isspace())


def _respaced(line: Line, piece: Piece) -> str:
    """A piece's text with lost spaces put back, by the gaps of its own characters only."""
    before = len("".join(line.text[: line.text.find(piece.text, piece.start)].split()))
    length = len("".join(piece.text.split()))
    behind_label = piece.label is not None and 0 < before < len(line.gaps) and piece.text
    if behind_label and line.gaps[before - 1] < _SEEN_SPACE and f" {piece.text}" in line.text:
        return piece.text  # the letters' places are off, or the space before the value would show
    return respace(piece.text, line.gaps[before : before + length - 1])
