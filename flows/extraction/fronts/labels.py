"""Recognise what is printed before a value: AAMVA's numbers, words, or both, with or without a space.

A line of text is cut into pieces, each a label with the value that follows it on the same line. Text
recognition often glues a label to its value (`4dDLN3001`, `LNMULLER`, `SEXF`), so what follows a label must
look like that label's kind of value, and then needs no space.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from flows.extraction.fronts.label_matching import HOUSE, label_at, lone_label, stands_inside
from flows.extraction.fronts.vocabulary import (
    CITY,
    DATE,
    SPELT_DATE,
    STREET_TYPE,
    TITLE,
    UNIT,
    VALUES,
    Label,
    folded,
)


@dataclass(frozen=True)
class Piece:
    """Part of a line: `label` None when nothing known stands before the text; `start` and `end` are
    character positions, which tell where on the line the piece lies."""

    label: Label | None
    text: str
    start: int
    end: int


_LONE = frozenset((Label.SEX, Label.CLASS))
"""Labels whose value is a single letter, which text detection tends to miss when it stands apart."""


_SMALL_CLASS = re.compile(r"(?:9 ?)?c ?([A-Z]M?)")
"""What is left of Cl before the class itself, which is no small letter."""


def open_label(text: str) -> Label | None:
    """The label that ends this line, when its single letter should follow and does not."""
    last = cut(text, numbers=False)[-1:]
    return last[0].label if last and last[0].label in _LONE and not last[0].text else None


def cut(text: str, *, numbers: bool, columns: tuple[int, ...] = ()) -> list[Piece]:
    """The pieces of one line. `numbers` says that a number alone may be a label on this card, `columns`
    before which characters the picture shows a wide gap."""
    if small := _SMALL_CLASS.fullmatch(text.strip()):
        return [Piece(Label.CLASS, small[1], 0, len(text))]
    upper = folded(text)
    if CITY.match(upper) or re.fullmatch(DATE, upper.strip()):
        return [Piece(None, text.strip(), 0, len(text))]
    pieces: list[Piece] = []
    for start, end, title in _segments(upper, columns):
        if title:
            pieces.append(Piece(Label.OTHER, text[start:end].strip(), start, end))
        else:
            pieces += _cut_segment(text, upper, start, end, numbers=numbers)
    return pieces


def numbered_words(lines: list[str]) -> frozenset[Label]:
    """The labels that this card prints as their number before their word. Both names go alike; a 9a without
    its word may be a class."""
    found = frozenset(
        piece.label
        for text in lines
        for piece in cut(text, numbers=False)
        if piece.label
        and re.match(rf"{piece.label}\W*[A-Z]{{2}}", folded(text[piece.start :]), re.IGNORECASE)
    )
    names = frozenset((Label.LAST, Label.GIVEN))
    return (found | names if found & names else found) - {Label.ENDORSEMENTS}


def _segments(upper: str, columns: tuple[int, ...]) -> Iterator[tuple[int, int, bool]]:
    """Start, end and whether it is the card's title, for each part of a line that stands by itself."""
    at = 0
    for title in TITLE.finditer(upper):
        yield from ((start, end, False) for start, end in _parts(upper, at, title.start(), columns))
        yield title.start(), title.end(), True
        at = title.end()
    yield from ((start, end, False) for start, end in _parts(upper, at, len(upper), columns))


_UNPARTED = re.compile(
    rf"(?<![A-Z\d])\d+ (?:[A-Z\d']+ ){{1,4}}?{STREET_TYPE}\b(?: {UNIT} ?\w{{1,6}}$)?"
    rf"|{SPELT_DATE}|[3-8] ?['\u2019\u00b0] ?-?\d"
)
"""Dates, heights and streets, which stand in one column."""


def _parts(upper: str, start: int, end: int, columns: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    """Parts at wide gaps, but for the one between a label and its value, and those that glare has made inside
    a value."""
    whole = [match.span() for match in _UNPARTED.finditer(upper, start, end)]
    for column in columns:
        inside = any(left < column < right for left, right in whole)
        if start < column < end and not inside and not lone_label(upper[start:column]):
            yield start, column
            start = column
    if start < end:
        yield start, end


def _cut_segment(text: str, upper: str, start: int, end: int, *, numbers: bool) -> list[Piece]:
    pieces: list[Piece] = []
    part, at = upper[:end], start
    word_starts = [match.start() for match in re.finditer(r"(?<!\S)\S|(?<=[:;,|(])\w", part)]
    first = next((place for place in word_starts if place >= start), end)
    house = HOUSE.match(part, first)
    for place in word_starts:
        if place < max(at, start):
            continue
        follows = place == first or (bool(pieces) and not part[at:place].strip(" ,"))
        found = label_at(part, place, first=follows, numbers=numbers)
        if found is None or (
            place != first and not stands_inside(found, part, follows=follows, house=bool(house))
        ):
            continue
        pieces += _free(text, part, at, place)
        pieces.append(Piece(found.label, text[found.value : found.end].strip(" ,"), place, found.end))
        at = found.end
    return [*pieces, *_free(text, part, at, end)]


_DATE_BEHIND_NUMBER = re.compile(
    r"(?:4|(?=(?:\D*\d){5})[A-Z0-9-]*)(?=(?:0[1-9]|1[0-2])([/-])(?:[0-2]\d|3[01])\1(?:19|20)\d\d$)"
)
"""The document's number or what is left of a label 4a or 4b, run together with the date beside it."""
_ROW = (VALUES[Label.HEIGHT], VALUES[Label.EYES], VALUES[Label.SEX], r"\d{2,3} ?(?:LBS?|KG)")
_SHAPE_LIKE = re.compile("|".join(rf"(?!\d{{3}}\b(?! ?[CILK]))(?:{pattern})(?![^\s,])" for pattern in _ROW))


def _free(text: str, upper: str, start: int, end: int) -> Iterator[Piece]:
    """Text without a label: dates stand by themselves, and so does each value of a row of short ones."""
    bounds = [start]
    for found in re.finditer(SPELT_DATE, upper[start:end]):
        bounds += [start + found.start(), start + found.end()]
    if glued := _DATE_BEHIND_NUMBER.match(upper[start:end]):
        bounds = [start, start + glued.end()]
    bounds.append(end)
    for left, right in pairwise(bounds):
        row = _row_of_values(upper[left:right])
        cuts = [left + each for each in row] or [left, right]
        for a, b in pairwise(cuts):
            if stripped := text[a:b].lstrip(" ,").strip(" ;:|"):
                yield Piece(None, stripped, a, b)


def _row_of_values(part: str) -> list[int]:
    """Bounds of the values of a row such as `M 5'-08" 150 lb BRO`; empty when it is none."""
    bounds, at = [0], 0
    while at < len(part):
        if part[at] in " ,":
            at += 1
            continue
        match = _SHAPE_LIKE.match(part, at)
        if match is None:
            return []
        at = match.end()
        bounds.append(at)
    return bounds if len(bounds) > 2 else []
