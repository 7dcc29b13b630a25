"""Values that text detection found in two boxes, where a wide space parts them."""

from __future__ import annotations

import re
from dataclasses import replace

from flows.extraction.fronts.page import Page, Span
from flows.extraction.fronts.vocabulary import folded

_HALVES = (
    (re.compile(r"[3-8] ?['\u2019\u00b0]-?"), re.compile(r"\d{1,2} ?(?:\"|\u201d|'')?")),
    (re.compile(r"(?:[A-Z]{3,9}\.? \d{1,2}|\d{1,2}[ -][A-Z]{3,9})[,-]?"), re.compile(r"(?:19|20)\d\d")),
)
"""Feet and inches; month and day and the year."""
_APART = 1.6
"""Line heights between two halves at most."""


def join_torn(page: Page) -> None:
    """Put the halves of heights and dates together."""
    for left in list(page.free):
        for first, second in _HALVES:
            if first.fullmatch(folded(left.text)):
                right = next((span for span in page.free if _continues(left, span, second)), None)
                if right:
                    page.join(left, right, _joined(left, right))


def _continues(left: Span, right: Span, shape: re.Pattern[str]) -> bool:
    near = 0 <= right.left - left.right + 0.5 * left.height < _APART * left.height
    return near and right.on_row_of(left) and bool(shape.fullmatch(folded(right.text)))


def _joined(left: Span, right: Span) -> Span:
    text = f"{left.text} {right.text}"
    return replace(
        left,
        text=text,
        spaced=text,
        confidence=min(left.confidence, right.confidence),
        right=right.right,
        top=min(left.top, right.top),
        bottom=max(left.bottom, right.bottom),
    )
