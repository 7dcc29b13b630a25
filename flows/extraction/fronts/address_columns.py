"""City, state and ZIP code that stand apart, each under its own word, as on forms."""

from __future__ import annotations

import re
from dataclasses import replace

from flows.extraction import normalise
from flows.extraction.fronts.page import Page, Span
from flows.extraction.fronts.vocabulary import POSTAL_CODE, folded

_WORDS = (
    re.compile(r"CITY|TOWN|CITY/TOWN|MUNICIPALITY"),
    re.compile(r"STATE|ST|PROV(?:INCE)?"),
    re.compile(r"ZIP(?: ?CODE)?|POSTAL ?CODE"),
)
_OFF = 1.5
"""Line heights that a value may begin left or right of its word."""


def join_address_columns(page: Page) -> None:
    """Put the three together as the one line other cards print. All three words must stand above a value of
    their kind: each alone may be anything."""
    words = [_only(page, pattern) for pattern in _WORDS]
    values = [_beneath(page, word) for word in words]
    city, state, code = values
    if not (city and state and code) or not _are_an_address(city, state, code):
        return
    text = f"{city.spaced}, {folded(state.text)} {code.text}"
    sureness = min(city.confidence, state.confidence, code.confidence)
    whole = replace(city, text=text, spaced=text, confidence=sureness, right=max(city.right, code.right))
    page.join(city, state, whole)
    page.join(whole, code, whole)
    for word in filter(None, words):
        page.take(word)


def _only(page: Page, pattern: re.Pattern[str]) -> Span | None:
    """The one free text that is this word."""
    found = [span for span in page.free if pattern.fullmatch(folded(span.text).rstrip(" .:"))]
    return found[0] if len(found) == 1 else None


def _beneath(page: Page, word: Span | None) -> Span | None:
    """The nearest text beneath the word that begins where it does."""
    under = [
        span
        for span in page.free
        if word and span.under(word) and abs(span.left - word.left) < _OFF * max(span.height, word.height)
    ]
    return min(under, key=lambda span: span.middle, default=None)


def _are_an_address(city: Span, state: Span, code: Span) -> bool:
    named = len({id(city), id(state), id(code)}) == len(_WORDS) and bool(normalise.name(city.text))
    return (
        named and folded(state.text) in normalise.STATE_CODES and bool(POSTAL_CODE.match(folded(code.text)))
    )
