"""Where a value must stand although nothing was read there: beside or beneath a label that was left alone.

Text detection drops letters that stand by themselves and lines that are smudged. Shown where to look,
recognition may still read them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from statistics import median

import numpy as np

from flows.extraction.engine import Line
from flows.extraction.fronts.labels import cut
from flows.extraction.fronts.page import Page, Span
from flows.extraction.fronts.pairing import fits, is_bare_number
from flows.extraction.fronts.vocabulary import Label, folded
from flows.extraction.geometry import rotation

_MOST = 4
"""Values looked for on one page, at some hundredths of a second each."""
_LEAST = 70.0
"""Of 100. Measured: on a strip of the card's ground a letter is read one time in four, but surer than this
one time in a hundred, and then mostly a stroke."""
_STROKE, _LEAST_STROKE = re.compile(r"[1IL|]"), 90.0
_SHORT = frozenset((Label.SEX, Label.CLASS, Label.ENDORSEMENTS, Label.RESTRICTIONS))
_SHORT_REACH, _REACH = 1.8, 9.0
"""Line heights a code or letter takes at most, and any other value."""
_SOUGHT = _SHORT | {
    *(Label.LAST, Label.GIVEN, Label.NAME, Label.MIDDLE, Label.NUMBER),
    *(Label.BORN, Label.ISSUED, Label.EXPIRES, Label.HEIGHT, Label.EYES),
}
_HEIGHT_WORD = r"(?:H[A-Z]?T|HEIGHT)"
_UNFINISHED_HEIGHT = re.compile(rf"(?:16\W*{_HEIGHT_WORD}?|{_HEIGHT_WORD})\W*[3-8] ?['\u00b0]-?$")
"""Feet without inches, at the end of a line that detection has cut short."""


@dataclass(frozen=True)
class Lost:
    """A value to be looked for. `line` is one that was read, to be read anew or `further` by so many times
    its height, or a strip of the picture in which nothing was read, without text."""

    label: Label
    line: Line
    further: float = 0.0

    def is_found(self, again: Line) -> bool:
        """Whether the line, read again, holds such a value; behind its label if that is on the line too."""
        if again.confidence < _LEAST:
            return False
        last = cut(again.text, numbers=True)[-1:]
        stroke = not self.line.text and _STROKE.fullmatch(again.text.upper())
        if stroke and again.confidence < _LEAST_STROKE:
            return False
        labelled = bool(last) and last[0].label is self.label and bool(last[0].text)
        return labelled if self.further else fits(self.label, again.text)


def lost_values(page: Page) -> list[Lost]:
    """What to look for again on a page whose labels have been paired with values."""
    found = [
        lost
        for span in page.unpaired
        if span.label in _SOUGHT and span.label not in page.claims
        if (lost := _beside_or_beneath(page, span, span.label))
    ]
    cut_short = [span.line for span in page.free if _UNFINISHED_HEIGHT.match(folded(span.text))]
    return [*found, *(Lost(Label.HEIGHT, line, _REACH / 3) for line in cut_short)][:_MOST]


def _beside_or_beneath(page: Page, label: Span, kind: Label) -> Lost | None:
    """The side on which the page's other labels of this kind have their values."""
    alike = [pair for pair in page.pairs if is_bare_number(pair[0]) is is_bare_number(label)]
    beneath = [(own, value) for own, value in alike if not value.on_row_of(own)]
    inside = [span for span in page.spans if span.label and span.text]
    if len(beneath) > len(alike) - len(beneath) + len(inside):
        return _beneath(page, label, kind, beneath)
    return _beside(page, label, kind)


def _beside(page: Page, label: Span, kind: Label) -> Lost | None:
    """The label's own line, read on to the right as far as there is room."""
    right = [span for span in page.spans if span.on_row_of(label) and span.left > label.left]
    nearest = min(right, key=lambda span: span.left, default=None)
    reach = _SHORT_REACH if kind in _SHORT else _REACH
    room = (nearest.left - label.right) / label.height if nearest else reach
    if nearest and nearest.line is label.line:
        return None
    if room >= _SHORT_REACH:
        return Lost(kind, label.line, min(reach, room))
    return _again(page, nearest, kind) if nearest else None


def _beneath(page: Page, label: Span, kind: Label, pairs: list[tuple[Span, Span]]) -> Lost | None:
    """The strip beneath the label, as high and as far below as other values stand beneath theirs."""
    height = label.height * median(value.height / own.height for own, value in pairs)
    top = label.bottom + label.height * median((value.top - own.bottom) / own.height for own, value in pairs)
    left = label.left - 0.3 * height
    others = [span for span in page.spans if span is not label]
    row = [span for span in others if abs(span.middle - top - height / 2) < 0.6 * height]
    taken = [span for span in row if span.left < label.left + height and span.right > left]
    if taken:
        return _again(page, taken[0], kind)
    reach = _SHORT_REACH + 1.0 if kind in _SHORT else _REACH
    ends = [span.left - 0.3 * height for span in row if span.left > left]
    right = min([left + reach * height, *ends])
    box = np.array([(left, top), (right, top), (right, top + height), (left, top + height)])
    return Lost(kind, Line("", 0.0, np.asarray(box @ rotation(page.skew).T, dtype=np.float32)))


def _again(page: Page, span: Span, kind: Label) -> Lost | None:
    """A line that stands where the value must and is none as it was read."""
    whole = sum(other.line is span.line for other in page.spans) == 1
    return Lost(kind, span.line) if whole and span in page.free else None
