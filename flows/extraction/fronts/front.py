"""From the lines printed on a licence's front to fields.

No layout is known beforehand. Evidence, strongest first: a value beside its label on one line (`labels`); a
value right of or beneath a label that stands alone (`pairing`); the shape and the place of the value itself
(a line ending in state and ZIP code, names above the address, the order in which three dates can lie). A
value that only the last names is given less than 80 of 100, so that a person looks at it.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from flows.extraction import normalise
from flows.extraction.engine import Line
from flows.extraction.fields import CORE, FieldName, Reading
from flows.extraction.fronts.addresses import read_address
from flows.extraction.fronts.card_dates import read_dates
from flows.extraction.fronts.names import read_names
from flows.extraction.fronts.page import BY_SHAPE, Claim, Page, Span, field, level
from flows.extraction.fronts.pairing import pair
from flows.extraction.fronts.titles import join_title, read_title
from flows.extraction.fronts.vocabulary import CITY, DATES, NAMES, VALUES, Label, folded

_SURE = 80.0
"""Of 100; lines below are worth a second reading when they bear a core field."""
_LOOKALIKE = 0.78
"""Belief in a number with a letter among digits that it resembles, or that the card prints in two ways."""


_LOOKALIKES = re.compile(r"(?<=\d)[OISBZ](?=\d)|^O(?=\d)")


def read_front(lines: list[Line]) -> Reading:
    """Understand the lines of a page that stands upright, give or take some skew. Fields that are not
    there, or not understood, are left out."""
    return _understand(level(lines))


_SHOWN = (*NAMES, *DATES, Label.NUMBER, Label.ADDRESS)
"""Labels of core fields."""


def doubtful(lines: list[Line], reading: Reading) -> list[Line]:
    """The lines that bear a core field and were read with little confidence, for a second, closer look.

    None when `reading`, what these lines and perhaps other sources gave, is sure of every core field.
    """
    if all(name in reading and reading[name].confidence >= _SURE for name in CORE):
        return []
    page = level(lines)
    _understand(page)
    bearing = {id(claim.span.line) for label in _SHOWN for claim in page.claims.get(label, [])}
    bearing |= {id(span.line) for span in page.spans if CITY.match(folded(span.text))}
    return [line for line in lines if line.confidence < _SURE and id(line) in bearing]


def _understand(page: Page) -> Reading:
    """All fields of one page, in the frame its spans are in."""
    join_title(page)
    pair(page)
    title = read_title(page)
    reading = read_address(page)
    reading |= read_names(page)
    reading |= read_dates(page)
    reading |= _number(page)
    reading |= _described(page)
    return reading | title


def _number(page: Page) -> Reading:
    """The document number: labelled, or the only text on the page that could be one."""
    claims = sorted(page.claims.get(Label.NUMBER, []), key=lambda claim: -claim.belief)
    found = [_labelled_number(claim) for claim in claims]
    if not found:
        free = [span for span in page.free if _like_a_number(span)]
        found = [(normalise.number(span.text), span, BY_SHAPE) for span in free]
        if len({value for value, _, _ in found}) != 1:
            return {}
    value, span, belief = found[0]
    differs = any(other != value for other, _, _ in found)
    if differs or _LOOKALIKES.search(value):
        belief = min(belief, _LOOKALIKE)
    return {FieldName.DOCUMENT_NUMBER: field(value, span, belief)}


_WORDS_BEFORE = re.compile(r"^(?:[A-Z]{2,}\.? )+(?=[A-Z]{0,2}\d)")


def _labelled_number(claim: Claim) -> tuple[str, Span, float]:
    """A claimed number without the remains of a label that was misread (4d UC No 3927071)."""
    text = folded(claim.span.text)
    cleaned = _WORDS_BEFORE.sub("", text)
    belief = claim.belief if cleaned == text else min(claim.belief, _LOOKALIKE)
    return normalise.number(cleaned), claim.span, belief


def _like_a_number(span: Span) -> bool:
    """Whether free text has the shape of a licence number: at most a few letters before many digits."""
    text = folded(span.text)
    digits = sum(character.isdigit() for character in text)
    return (
        bool(re.fullmatch(r"[A-Z]{0,3}[\d -]{6,20}", text))
        and 6 <= digits <= 15
        and not normalise.date_of(text)
        and bool(re.match(VALUES[Label.NUMBER], text))
    )


def _glued_discriminator(page: Page) -> Reading:
    """A discriminator run together with its label 5, on a card whose other labels are numbers too."""
    if not any(span.label is Label.BORN and span.line.text.startswith("3") for span in page.spans):
        return {}
    found = [span for span in page.free if re.fullmatch(r"5(?=(?:[A-Z/]*\d){5})[A-Z0-9/]{8,}", span.text)]
    if len(found) != 1:
        return {}
    return {FieldName.DOCUMENT_DISCRIMINATOR: field(found[0].text[1:], found[0], BY_SHAPE)}


_MEANING: dict[Label, tuple[FieldName, Callable[[str], str]]] = {
    Label.DISCRIMINATOR: (FieldName.DOCUMENT_DISCRIMINATOR, normalise.words),
    Label.CLASS: (FieldName.CLASS, normalise.words),
    Label.ENDORSEMENTS: (FieldName.ENDORSEMENTS, normalise.words),
    Label.RESTRICTIONS: (FieldName.RESTRICTIONS, normalise.words),
    Label.SEX: (FieldName.SEX, normalise.sex),
    Label.HEIGHT: (FieldName.HEIGHT, normalise.height),
    Label.EYES: (FieldName.EYES, normalise.eyes),
}


def _described(page: Page) -> Reading:
    """The fields that are what their label says, and a height whose shape says it."""
    reading: Reading = {}
    for label, (name, meaning) in _MEANING.items():
        for claim in sorted(page.claims.get(label, []), key=lambda claim: -claim.belief):
            value = meaning(claim.span.text)
            doubt = label is Label.DISCRIMINATOR and _LOOKALIKES.search(value)
            if value and value not in {"NONE", "UNAVL"}:
                belief = min(claim.belief, _LOOKALIKE) if doubt else claim.belief
                reading.setdefault(name, field(value, claim.span, belief))
    reading |= _glued_discriminator(page) if FieldName.DOCUMENT_DISCRIMINATOR not in reading else {}
    tall = [span for span in page.free if re.fullmatch(r"[3-8] ?['\u2019].*\d.*", span.text)]
    if FieldName.HEIGHT not in reading and len(tall) == 1 and (height := normalise.height(tall[0].text)):
        reading[FieldName.HEIGHT] = field(height, tall[0], BY_SHAPE)
    return reading
