"""Where the text of a page lies: lines made level, cut into spans, and what each span has been taken for."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from statistics import median

from flows.extraction.engine import Line
from flows.extraction.fields import Field, Source
from flows.extraction.fronts.label_patterns import uses_numbers
from flows.extraction.fronts.labels import Piece, cut, numbered_words
from flows.extraction.fronts.vocabulary import Label, folded
from flows.extraction.geometry import Placed, columns, placed, skew
from flows.extraction.spacing import SEEN_SPACE, respace

_RESPACED = 0.88
_GIANT = 3.5
"""Of the usual height of a line; titles are up to thrice as high."""
_LATIN = re.compile(r"[\dA-Z\u00c0-\u024f]")
"""What no field is without; signs of other scripts are strokes of a drawing or of a letter."""
_FLUSH = 0.35
"""Line heights; lines that begin on one edge do so to within this."""

BY_SHAPE = 0.75
"""Belief in a value that no label names: below what `complete` lets pass without a second look."""
LOOKALIKE = 0.78
"""Belief in a value in which a character was taken for the one it resembles, or that the card prints in two
ways: below that too."""
EITHER = 0.88
"""Belief in a value that may be two things, of which the card does not tell which: never certain."""


@dataclass(frozen=True, eq=False)
class Span(Placed):
    """A piece of a line, and the label that stands before it."""

    label: Label | None
    text: str
    spaced: str
    """The text with lost spaces put back: for names and addresses, where spaces matter."""
    confidence: float

    @property
    def sureness(self) -> float:
        """Belief in the spaces: those put back by the picture's gaps are right more often than not."""
        return 1.0 if self.spaced == self.text else _RESPACED

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

    def __init__(self, spans: list[Span], skew: float = 0.0) -> None:
        """`skew` is the angle in radians by which the picture was turned to make the spans level."""
        self.spans = spans
        self.skew = skew
        self.free = [span for span in spans if span.label is None]
        self.claims: dict[Label, list[Claim]] = {}
        self.pairs: list[tuple[Span, Span]] = []
        """Labels that stand alone, each with the value claimed for it."""
        self.unpaired: list[Span] = []
        """Labels that stand alone without one."""

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

    def part(self, span: Span, parts: list[Span]) -> None:
        """What is one or several values, each of them free."""
        at = self.spans.index(span)
        self.spans[at : at + 1] = parts
        at = self.free.index(span) if span in self.free else len(self.free)
        self.free[at : at + 1] = parts

    def join(self, left: Span, right: Span, whole: Span) -> None:
        """Two pieces of text as one, free like them."""
        self.spans[self.spans.index(left)] = whole
        self.free[self.free.index(left)] = whole
        self.spans.remove(right)
        self.free.remove(right)

    def release(self, span: Span) -> None:
        """What looked like a label alone is text after all."""
        text = span.line.text.strip()
        freed = replace(span, label=None, text=text, spaced=text)
        self.spans[self.spans.index(span)] = freed
        self.free.append(freed)

    def begins_like_numbered(self, span: Span) -> bool:
        """Whether the span begins where values behind their own numbers do, as if it had its own."""
        lefts = [
            other.left
            for other in self.spans
            if other.label and other.text and other.line.text[:1] == other.label[:1]
        ]
        return any(abs(span.left - left) < _FLUSH * span.height for left in lefts)

    def first(self, label: Label) -> Claim | None:
        """The claim believed most, the upper one of two alike."""
        return max(self.claims.get(label, []), key=lambda claim: claim.belief, default=None)


def field(value: str, span: Span, belief: float) -> Field:
    return Field(value=value, confidence=round(span.confidence * belief, 1), source=Source.OCR)


def level(lines: list[Line]) -> Page:
    """The lines cut into spans, on a page turned by its skew."""
    lines = [line for line in lines if _LATIN.search(folded(line.text))]
    places = _without_giants(placed(lines))
    texts = [place.line.text for place in places]
    numbers = uses_numbers(texts)
    worded = numbered_words(texts) if numbers else frozenset()
    spans = [span for place in places for span in _spans(place, numbers=numbers, worded=worded)]
    return Page(spans, skew(lines))


def _without_giants(places: list[Placed]) -> list[Placed]:
    """Lines without pieces of an overprint that were read by themselves."""
    most = _GIANT * median(place.height for place in places) if places else 0.0
    return [place for place in places if place.height < most]


def _spans(place: Placed, *, numbers: bool, worded: frozenset[Label]) -> list[Span]:
    line, starts = place.line, place.starts()
    return [
        Span(
            line,
            starts[piece.start],
            starts[piece.end],
            place.top,
            place.bottom,
            piece.label,
            piece.text,
            _respaced(line, piece),
            line.confidence,
        )
        for piece in _pieces(line, numbers=numbers, worded=worded)
    ]


def _pieces(line: Line, *, numbers: bool, worded: frozenset[Label]) -> list[Piece]:
    """The line's pieces. A number that this card prints before its word is no label where it stands alone,
    but a house number or a code (2 BROADWAY beside 2 FIRST NAME)."""
    gaps = columns(line)
    pieces = cut(line.text, numbers=numbers, columns=gaps)
    if not worded.intersection(piece.label for piece in pieces if piece.label):
        return pieces
    by_words = cut(line.text, numbers=False, columns=gaps)
    said = {piece.label for piece in by_words}
    return by_words if any(piece.label in worded - said for piece in pieces) else pieces


def _respaced(line: Line, piece: Piece) -> str:
    """A piece's text with lost spaces put back, by the gaps of its own characters only."""
    before = len("".join(line.text[: line.text.find(piece.text, piece.start)].split()))
    length = len("".join(piece.text.split()))
    behind_label = piece.label is not None and 0 < before < len(line.gaps) and piece.text
    if behind_label and line.gaps[before - 1] < SEEN_SPACE and f" {piece.text}" in line.text:
        return piece.text  # the letters' places are off, or the space before the value would show
    return respace(piece.text, line.gaps[before : before + length - 1])
