"""Values of tight tables: several columns that detection read as one line, under headers that it read alone.

What the values look like does not tell where one ends (NONE AB under END and RESTR is two); where the headers
begin does.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from flows.extraction.fronts.page import Page, Span
from flows.extraction.fronts.pairing import fits
from flows.extraction.fronts.vocabulary import Label
from flows.extraction.geometry import Placed

_DEEPEST = 1.7
"""Line heights between a header's foot and the top of its value at most."""
_OFF = 1.1
"""Line heights that a column's value may begin left or right of its header."""


def cut_at_headers(page: Page) -> None:
    """Part each free text that stands under several headers where the second and further ones begin, when
    every part can be its header's value."""
    for span in list(page.free):
        headers = sorted((label for label in page.spans if _heads(label, span)), key=lambda label: label.left)
        if len(headers) > 1 and " " in span.text:
            ends = _ends(span, headers)
            parts = [part for a, b in pairwise(ends) if (part := _part(span, a, b)).text]
            if len(parts) == len(headers) and all(map(_is_value_of, parts, headers)):
                page.part(span, parts)


def _heads(label: Span, span: Span) -> bool:
    """Whether this is a label alone right above the text."""
    unit = max(label.height, span.height)
    alone = label.label not in {None, Label.OTHER} and not label.text
    near = -0.55 < (span.top - label.bottom) / unit < _DEEPEST and span.middle - label.middle > 0.45 * unit
    return alone and near and span.left - _OFF * unit < label.left < span.right - 0.3 * span.height


def _is_value_of(part: Span, header: Span) -> bool:
    return header.label is not None and fits(header.label, part.text)


def _ends(span: Span, headers: list[Span]) -> list[int]:
    """Positions in the text at which it begins, each further column does, and it ends, by the headers from
    left to right."""
    starts = _starts(span)
    words = [at for at in range(1, len(span.text)) if span.text[at - 1].isspace()]
    found = {0, len(span.text)}
    for header in headers[1:]:
        nearest = min(words, key=lambda at: abs(starts[at] - header.left))
        if abs(starts[nearest] - header.left) < _OFF * span.height:
            found.add(nearest)
    return sorted(found)


def _starts(span: Span) -> list[float]:
    """Where each character of the span begins."""
    before = len("".join(span.line.text[: span.line.text.find(span.text)].split()))
    letters = len("".join(span.text.split()))
    gaps = span.line.gaps[before : before + letters - 1]
    line = replace(span.line, text=span.text, gaps=gaps)
    return Placed(line, left=span.left, right=span.right, top=span.top, bottom=span.bottom).starts()


def _part(span: Span, start: int, end: int) -> Span:
    starts, text = _starts(span), span.text[start:end].strip(" ,")
    return replace(span, text=text, spaced=text, left=starts[start], right=starts[end])
