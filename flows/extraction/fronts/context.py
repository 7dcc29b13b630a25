"""Labels that only the rest of the card makes, or unmakes, before values are looked for."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace

from flows.extraction.fronts.page import Page, Span
from flows.extraction.fronts.pairing import CODES, is_bare_number
from flows.extraction.fronts.vocabulary import CITY, Label, folded

_INITIALS = {"E": Label.ENDORSEMENTS, "R": Label.RESTRICTIONS}
_BY_INITIAL = 0.85
"""Belief in a code behind the initial of its label."""


def settle_labels(page: Page) -> None:
    """Free what looks like a label and is none on this card, and claim the values behind mere initials."""
    _release_streets(page)
    _release_other_numbers(page)
    _bare_initials(page)
    _claim_initials(page)


def _release_streets(page: Page) -> None:
    """What looks like a second name behind its number, right above the city, is a house number and a street:
    1 BROADWAY."""
    cities = [span for span in page.free if CITY.match(folded(span.text))]
    labels = Counter(span.label for span in page.spans)
    for span in list(page.spans):
        twice = span.label in {Label.LAST, Label.GIVEN} and labels[span.label] > 1
        if twice and is_bare_number(span, span.text) and any(city.under(span) for city in cities):
            page.release(span)


def _release_other_numbers(page: Page) -> None:
    """A mere NO behind a word that says of what, and that is not known, is no document number: FOLIO NO."""
    for span in list(page.spans):
        before = [other for other in page.spans if other.line is span.line and other.left < span.left]
        if span.label is Label.NUMBER and span.text and before and before[-1].label is None:
            said = re.escape(folded(before[-1].text))
            if re.search(rf"{said}\W*N(?:O|UM|UMBER|UMERO)\b", folded(span.line.text)):
                page.part(span, [replace(span, label=None)])


def _bare_initials(page: Page) -> None:
    """What looks like the value of a numbered label is its own initial (9a E, 12 R), when a code stands right
    beneath: the label has its value there. Restriction E exists, so the code must be there."""
    for initial, label in _INITIALS.items():
        for span in page.spans:
            own = span.label is label and folded(span.text) == initial and is_bare_number(span, span.text)
            if own and any(_code_beneath(span, other) for other in page.free):
                page.replace(span, replace(span, text="", spaced=""))


def _code_beneath(label: Span, value: Span) -> bool:
    """Whether a code stands on the next row, where the label begins."""
    begins = abs(value.left - label.left) < 1.5 * label.height
    return begins and value.under(label) and bool(re.fullmatch(CODES, folded(value.text)))


def _claim_initials(page: Page) -> None:
    """Endorsements and restrictions behind their initials, which are labels where both stand in one row and
    not both without a space: E NONE, R B."""
    found = {
        label: (span, match)
        for span in page.free
        for initial, label in _INITIALS.items()
        if (match := re.fullmatch(rf"{initial}[ :.]*({CODES})", folded(span.text)))
    }
    spaced = any(match.start(1) > 1 for _, match in found.values())
    if len(found) == len(_INITIALS) and spaced and _on_one_row([span for span, _ in found.values()]):
        for label, (span, match) in found.items():
            page.take(span)
            page.claim(label, replace(span, text=span.text[match.start(1) :]), _BY_INITIAL)


def _on_one_row(spans: list[Span]) -> bool:
    return all(span.on_row_of(spans[0]) for span in spans)
