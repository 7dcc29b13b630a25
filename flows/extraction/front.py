"""From the lines printed on a licence's front to fields.

Three kinds of evidence, strongest first: a value beside its label on one line (`labels`); a value right of
or beneath a label that stands alone; and the shape of the value itself (a line ending in state and ZIP
code is the address, the earliest date is the birth date).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from flows.extraction import normalise
from flows.extraction.engine import Line
from flows.extraction.fields import Field, FieldName, Reading, Source
from flows.extraction.labels import CITY, DATE, VALUES, Label, Piece, cut, uses_numbers
from flows.extraction.spacing import respace

_BESIDE_LABEL, _NEAR_LABEL, _BY_SHAPE = 1.0, 0.95, 0.8
"""How far each kind of evidence is believed; multiplies the confidence of the text itself."""

_STREET = re.compile(r"(?:\d+\S*\s+\S|P\.?\s?O\.?\s+BOX|\d+[A-Z]{2,})")
_SUFFIXES = frozenset(("JR", "SR", "II", "III", "IV", "V"))


@dataclass(frozen=True)
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

    @property
    def height(self) -> float:
        return self.bottom - self.top

    @property
    def middle(self) -> float:
        return (self.top + self.bottom) / 2


def read_front(lines: list[Line]) -> Reading:
    """Understand the lines of a page that stands upright, give or take some skew. Fields that are not
    there, or not understood, are left out."""
    return _understand(_level(lines, 0))


def quarter_turns(lines: list[Line]) -> int:
    """By how many quarter turns counter-clockwise the page must be turned to stand upright.

    Lines higher than wide leave the two turns that lay them down, other lines the two that keep them so.
    Between those it is tried on the lines' places alone, since each line's letters have been turned already
    by whoever read them; the turn under which most can be understood wins, the lesser one when both do.
    """
    spread = np.array([np.ptp(line.corners, axis=0) for line in lines if len(line.text) >= 6])
    standing = len(spread) > 0 and np.mean(spread[:, 1] > spread[:, 0]) > 0.5
    return max((1, 3) if standing else (0, 2), key=lambda turns: len(_understand(_level(lines, turns))))


def _level(lines: list[Line], quarter_turns: int) -> list[Span]:
    """The lines cut into pieces, on a page turned by quarters and then by its remaining skew."""
    if not lines:
        return []
    turned = [line.corners @ _rotation(np.pi / 2 * quarter_turns) for line in lines]
    angles = [_angle(corners) for corners, line in zip(turned, lines, strict=True) if len(line.text) >= 6]
    skew = float(np.median(angles)) if angles else 0.0
    numbers = uses_numbers([line.text for line in lines])
    spans: list[Span] = []
    for corners, line in zip(turned, lines, strict=True):
        level = corners @ _rotation(skew)
        left, right = float(level[:, 0].min()), float(level[:, 0].max())
        # The mean of two corners, so that what skew is left does not make a long line taller.
        ys = np.sort(level[:, 1])
        top, bottom = float(ys[:2].mean()), float(ys[2:].mean())
        per_character = (right - left) / max(1, len(line.text))
        spans += [
            Span(
                piece.label,
                piece.text,
                _respaced(line, piece),
                line.confidence,
                left + piece.start * per_character,
                left + piece.end * per_character,
                top,
                bottom,
            )
            for piece in cut(line.text, numbers=numbers)
        ]
    return sorted(spans, key=lambda span: (span.middle, span.left))


def _respaced(line: Line, piece: Piece) -> str:
    """A piece's text with lost spaces put back, by the gaps of its own characters only."""
    before = len("".join(line.text[: line.text.find(piece.text, piece.start)].split()))
    length = len("".join(piece.text.split()))
    return respace(piece.text, line.gaps[before : before + length - 1])


def _rotation(radians: float) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Turns rows of x and y counter-clockwise as seen on a screen, where y points down."""
    cosine, sine = np.cos(radians), np.sin(radians)
    return np.array([[cosine, -sine], [sine, cosine]])


def _angle(corners: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> float:
    """The slope of a line's longer edge in radians, from -π/2 to π/2."""
    edge = max((corners[1] - corners[0], corners[2] - corners[1]), key=lambda side: float(np.hypot(*side)))
    if edge[0] < 0:
        edge = -edge
    return float(np.arctan2(edge[1], edge[0]))


def _understand(spans: list[Span]) -> Reading:
    """All fields of one page, in the frame the spans are in."""
    page = _Page(spans)
    page.beside_labels()
    page.near_labels()
    reading = _address(page)
    _names_by_place(page)
    _dates_by_order(page)
    reading |= _labelled(page)
    return reading | _headings(spans)


class _Page:
    """The spans of a page and which of them each label has been given; a span is given once."""

    def __init__(self, spans: list[Span]) -> None:
        self.spans = spans
        self.free = [span for span in spans if span.label is None]
        self.values: dict[Label, tuple[Span, float]] = {}

    def give(self, label: Label, span: Span, belief: float) -> None:
        self.values.setdefault(label, (span, belief))
        if span in self.free:
            self.free.remove(span)

    def beside_labels(self) -> None:
        """Values that stand on the same line of text as their label."""
        for span in self.spans:
            if span.label and span.text:
                self.give(span.label, span, _BESIDE_LABEL)

    def near_labels(self) -> None:
        """Labels alone: the nearest fitting text to the right or beneath, closest pairs first."""
        pairs = [
            (distance, label.label, span)
            for label in self.spans
            if label.label and not label.text and label.label not in self.values
            for span in self.free
            if re.match(VALUES[label.label], span.text.upper())
            and (distance := _distance(label, span)) is not None
        ]
        for _, label, span in sorted(pairs, key=lambda pair: pair[0]):
            if label not in self.values and span in self.free:
                self.give(label, span, _NEAR_LABEL)


def _distance(label: Span, value: Span) -> float | None:
    """How far a value lies from its label, in label heights; None when neither beside nor under."""
    unit = max(label.height, 1.0)
    if abs(value.middle - label.middle) < 0.6 * max(unit, value.height):
        gap = (value.left - label.right) / unit
        return max(gap, 0.0) if -1.0 < gap < 8 else None
    drop = (value.top - label.bottom) / unit
    shift = abs(value.left - label.left) / unit
    return drop + shift if -0.5 < drop < 1.6 and shift < 2.5 else None


def _field(value: str, span: Span, belief: float) -> Field:
    return Field(value=value, confidence=round(span.confidence * belief, 1), source=Source.OCR)


def _address(page: _Page) -> Reading:
    """City, state and ZIP code by the shape of their line; the street is the line above it."""
    for span in page.spans:
        match = CITY.match(normalise.words(span.spaced)) if span.label in {None, Label.ADDRESS} else None
        if match is None:
            continue
        if span in page.free:
            page.free.remove(span)
        found = {
            FieldName.CITY_IN_ADDRESS: normalise.name(match["city"]),
            FieldName.STATE_IN_ADDRESS: normalise.state(match["state"]),
            FieldName.ZIP_CODE_IN_ADDRESS: normalise.postal_code(match["zip"]),
        }
        reading = {name: _field(value, span, _BESIDE_LABEL) for name, value in found.items() if value}
        street = _street_above(page, span)
        if street is not None:
            text = street.spaced[1:] if _begins_with_its_label(page, street, span) else street.spaced
            reading[FieldName.ADDRESS] = _field(normalise.street(text), street, _BESIDE_LABEL)
            page.give(Label.ADDRESS, street, _BESIDE_LABEL)
        return reading
    return {}


def _street_above(page: _Page, city: Span) -> Span | None:
    """The nearest line above that begins like an address and about where the city's line begins."""
    above = [
        span
        for span in page.spans
        if span.label in {None, Label.ADDRESS}
        and 0 < city.middle - span.middle < 2.6 * city.height
        and abs(span.left - city.left) < 3 * city.height
        and _STREET.match(span.text.upper())
    ]
    return max(above, key=lambda span: span.middle, default=None)


def _begins_with_its_label(page: _Page, street: Span, city: Span) -> bool:
    """Whether the first digit is AAMVA's label 8 glued to the house number: the line then begins where the
    other numbered labels begin, to the left of the city beneath it."""
    if not re.match(r"8\d", street.text) or any(span.label is Label.ADDRESS for span in page.spans):
        return False
    others = [span.left for span in page.spans if span.label in {Label.LAST, Label.GIVEN, Label.BORN}]
    tolerance = 0.35 * street.height
    return city.left - street.left > tolerance and any(abs(street.left - left) < tolerance for left in others)


def _names_by_place(page: _Page) -> None:
    """Names without labels: the family name stands above the given names, and those above the address."""
    last, given, street = (page.values.get(label) for label in (Label.LAST, Label.GIVEN, Label.ADDRESS))
    if last and not given and (below := _next_name(page, last[0], down=True)):
        page.give(Label.GIVEN, below, _BY_SHAPE)
    if given and not last and (above := _next_name(page, given[0])):
        page.give(Label.LAST, above, _BY_SHAPE)
    if not given and not last and street and (lower := _next_name(page, street[0])):
        upper = _next_name(page, lower)
        if upper:
            page.give(Label.GIVEN, lower, _BY_SHAPE)
            page.give(Label.LAST, upper, _BY_SHAPE)


def _next_name(page: _Page, anchor: Span, *, down: bool = False) -> Span | None:
    """The nearest free line above (or below) the anchor that reads like a name and is aligned with it."""
    direction = 1 if down else -1
    near = [
        span
        for span in page.free
        if 0 < direction * (span.middle - anchor.middle) < 2.6 * anchor.height
        and abs(span.left - anchor.left) < 3 * anchor.height
        and normalise.name(span.text)
    ]
    return min(near, key=lambda span: abs(span.middle - anchor.middle), default=None)


def _dates_by_order(page: _Page) -> None:
    """Dates without labels, when all three are there: birth comes first, expiry last."""
    wanted = (Label.BORN, Label.ISSUED, Label.EXPIRES)
    missing = [label for label in wanted if label not in page.values]
    found = [
        (normalise.date_of(span.text), span) for span in page.free if re.fullmatch(DATE, span.text.upper())
    ]
    dates = sorted(found, key=lambda pair: pair[0])
    if len(dates) != len(missing):
        return
    for label, (value, span) in zip(missing, dates, strict=True):
        if value:
            page.give(label, span, _BY_SHAPE)


_MEANING: dict[Label, tuple[FieldName, Callable[[str], str]]] = {
    Label.BORN: (FieldName.DATE_OF_BIRTH, normalise.date_of),
    Label.ISSUED: (FieldName.DATE_OF_ISSUE, normalise.date_of),
    Label.EXPIRES: (FieldName.EXPIRATION_DATE, normalise.date_of),
    Label.NUMBER: (FieldName.DOCUMENT_NUMBER, normalise.number),
    Label.DISCRIMINATOR: (FieldName.DOCUMENT_DISCRIMINATOR, normalise.words),
    Label.CLASS: (FieldName.CLASS, normalise.words),
    Label.ENDORSEMENTS: (FieldName.ENDORSEMENTS, normalise.words),
    Label.RESTRICTIONS: (FieldName.RESTRICTIONS, normalise.words),
    Label.SEX: (FieldName.SEX, normalise.sex),
    Label.HEIGHT: (FieldName.HEIGHT, normalise.height),
    Label.EYES: (FieldName.EYES, normalise.eyes),
    Label.MIDDLE: (FieldName.MIDDLE_NAME, normalise.name),
}


def _labelled(page: _Page) -> Reading:
    """The fields of all labels that have been given a value."""
    reading: Reading = {}
    for label, (span, belief) in page.values.items():
        if label in _MEANING:
            name, meaning = _MEANING[label]
            parts: Iterable[tuple[FieldName, str]] = [(name, meaning(span.text))]
        else:
            parts = _name_parts(label, span.spaced)
        for name, value in parts:
            if value and value not in {"NONE", "UNAVL"}:
                reading[name] = _field(value, span, belief)
    return reading


def _name_parts(label: Label, text: str) -> list[tuple[FieldName, str]]:
    """Family name and suffix, or first and middle names, out of one printed line."""
    words = normalise.name(text).replace(",", " ").split()
    suffix = words.pop() if len(words) > 1 and words[-1].rstrip(".") in _SUFFIXES else ""
    parts = [(FieldName.SUFFIX, suffix.rstrip("."))]
    if label is Label.LAST:
        return [*parts, (FieldName.LAST_NAME, " ".join(words))]
    if label is Label.GIVEN and words:
        return [*parts, (FieldName.FIRST_NAME, words[0]), (FieldName.MIDDLE_NAME, " ".join(words[1:]))]
    return []


def _headings(spans: list[Span]) -> Reading:
    """The issuing state and the kind of card, from its title."""
    reading: Reading = {}
    for span in spans:
        text = normalise.words(span.text)
        if text in normalise.STATES or re.fullmatch(r"STATE OF [A-Z ]+", text):
            reading.setdefault(FieldName.STATE_NAME, _field(text.removeprefix("STATE OF "), span, _BY_SHAPE))
        if re.search(r"DRIV(?:ER'?S?|ING)\s*LICEN[SC]E", text):
            reading.setdefault(FieldName.ID_TYPE, _field("DRIVER LICENSE", span, _BY_SHAPE))
        elif re.search(r"IDENTIFICATION\s*CARD|\bID\s*CARD", text):
            reading.setdefault(FieldName.ID_TYPE, _field("IDENTIFICATION CARD", span, _BY_SHAPE))
    return reading
