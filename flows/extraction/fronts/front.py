"""From the lines printed on a licence's front to fields.

No layout is known beforehand. Evidence, strongest first: a value beside its label on one line (`labels`); a
value right of or beneath a label that stands alone (`pairing`); the shape and the place of the value itself
(a line ending in state and ZIP code, names above the address, the order in which three dates can lie). A
value that only the last names is given less than 80 of 100, so that a person looks at it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from flows.extraction import normalise
from flows.extraction.engine import Line
from flows.extraction.fields import CORE, FieldName, Reading
from flows.extraction.fronts.address_columns import join_address_columns
from flows.extraction.fronts.addresses import read_address
from flows.extraction.fronts.card_dates import read_dates
from flows.extraction.fronts.context import settle_labels
from flows.extraction.fronts.lost import Lost, lost_values
from flows.extraction.fronts.names import read_names
from flows.extraction.fronts.page import BY_SHAPE, EITHER, LOOKALIKE, Claim, Page, Span, field, level
from flows.extraction.fronts.pairing import pair
from flows.extraction.fronts.tables import cut_at_headers
from flows.extraction.fronts.titles import join_title, read_title
from flows.extraction.fronts.torn import join_torn
from flows.extraction.fronts.vocabulary import (
    CITY,
    DATES,
    NAMES,
    STATE_AND_CODE,
    VALUES,
    Label,
    folded,
)

_SURE = 80.0
"""Of 100; lines below are worth a second reading when they bear a core field."""

_LOOKALIKES = re.compile(r"(?<=\d)[OISBZ](?=\d)|^O(?=\d)|(?<=\d)O")
_EITHERS = re.compile(r"[OI](?=\d)|(?<=\d)I|\d.*[A-Z].*[OI]|(?<=\d[A-Z])[01]|[01](?=[A-Z])")
_SHORTEST = 6
"""Characters of a number that no label names."""
_LEFT_OVER = 4
"""Characters by which a number that was cut, or run together with something, differs in length."""
_SHORT_DATE = re.compile(r"\d{1,2}-\d{1,2}-\d{2}")
_BARE_NINE = re.compile(r"9 ?A[.:]? ?[A-Z]M?")


_SHOWN = (*NAMES, *DATES, Label.NUMBER, Label.ADDRESS)
"""Labels of core fields."""


@dataclass(frozen=True)
class Front:
    """A licence's front as understood from its lines. Fields that are not there, or not understood, are left
    out."""

    fields: Reading
    page: Page

    def lost(self) -> list[Lost]:
        """The values whose labels were read alone, each with where to look for it again."""
        return lost_values(self.page)

    def doubtful(self, reading: Reading) -> list[Line]:
        """The lines that bear a core field and were read with little confidence, for a second, closer look.

        None when `reading`, what these lines and perhaps other sources gave, is sure of every core field.
        """
        if all(name in reading and reading[name].confidence >= _SURE for name in CORE):
            return []
        bearing = [claim.span.line for label in _SHOWN for claim in self.page.claims.get(label, [])]
        bearing += [span.line for span in self.page.spans if CITY.match(folded(span.text))]
        unsure = {id(line): line for line in bearing if line.confidence < _SURE}
        return list(unsure.values())


def understand(lines: list[Line]) -> Front:
    """The front of a page that stands upright, give or take some skew."""
    page = level(lines)
    return Front(_fields(page), page)


def read_front(lines: list[Line]) -> Reading:
    """The fields alone."""
    return understand(lines).fields


def _fields(page: Page) -> Reading:
    """All fields of one page, in the frame its spans are in."""
    join_title(page)
    join_torn(page)
    join_address_columns(page)
    cut_at_headers(page)
    settle_labels(page)
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
        free = [(_without_four(page, span), span) for span in page.free]
        found = [(normalise.number(text), span, BY_SHAPE) for text, span in free if _like_a_number(text)]
        if len({value for value, _, _ in found}) != 1:
            return {}
    value, span, belief = found[0]
    differs = any(other != value for other, _, _ in found) or _cut_or_lengthened(page, value)
    belief = min(belief, _legibility(value), LOOKALIKE if differs else 1.0)
    return {FieldName.DOCUMENT_NUMBER: field(value, span, belief)}


def _cut_or_lengthened(page: Page, value: str) -> bool:
    """Whether the card repeats the number elsewhere with less or more at either end."""
    others = {normalise.number(span.text) for span in page.free} - {value}
    alike = [
        other for other in others if len(other) >= _SHORTEST and abs(len(other) - len(value)) <= _LEFT_OVER
    ]
    return any(other in value or value in other for other in alike)


def _legibility(value: str) -> float:
    """Belief in a number of letters and digits: some of each are printed alike, and nothing tells them apart
    where both may stand."""
    if _LOOKALIKES.search(value):
        return LOOKALIKE
    return EITHER if _EITHERS.search(value) else 1.0


_WORDS_BEFORE = re.compile(r"^(?:[A-Z]{2,}\.? )+(?=[A-Z]{0,2}\d)|^N(?: ?[*\u00b0\u00ba\"']+ ?| )(?=\d)")


_GLUED_SIGN = re.compile(r"(?:LIC|DL|ID)$")


def _labelled_number(claim: Claim) -> tuple[str, Span, float]:
    """A claimed number without the remains of a label on its line that was misread (4d UC No 3927071,
    N\u00b0 3927071); in doubt also when its first letter may be the label's # (LICFC68352291 for
    LIC#C68352291)."""
    text = folded(claim.span.text)
    cleaned = _WORDS_BEFORE.sub("", text) if claim.span.label else text
    glued = _GLUED_SIGN.search(folded(claim.span.line.text).removesuffix(text))
    doubt = cleaned != text or (glued and text[0] in "EFHN")
    belief = min(claim.belief, LOOKALIKE) if doubt else claim.belief
    return normalise.number(cleaned), claim.span, belief


def _without_four(page: Page, span: Span) -> str:
    """Free text without the 4 that is left of its label 4d, when it begins where numbered lines begin."""
    rest = span.text[1:].lstrip()
    left_over = span.text.startswith("4") and len(normalise.number(rest)) >= _SHORTEST
    return rest if left_over and page.begins_like_numbered(span) else span.text


def _like_a_number(printed: str) -> bool:
    """Whether free text has the shape of a licence number: at most a few letters before many digits."""
    text = folded(printed)
    digits = sum(character.isdigit() for character in text)
    return (
        bool(re.fullmatch(r"[A-Z]{0,3}[\d -]{6,20}", text))
        and _SHORTEST <= digits <= 15
        and not (normalise.date_of(text) or _SHORT_DATE.fullmatch(text))
        and bool(re.match(VALUES[Label.NUMBER], text))
        and not STATE_AND_CODE.match(text)
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


def _part_nine(page: Page) -> None:
    """Of two values for label 9a the one behind the bare number is the class: 9 Cl D, read as 9aD."""
    claims = page.claims.get(Label.ENDORSEMENTS, [])
    bare = [claim for claim in claims if _BARE_NINE.fullmatch(folded(claim.span.line.text))]
    if len(bare) == 1 and len(claims) > 1 and Label.CLASS not in page.claims:
        claims.remove(bare[0])
        page.claim(Label.CLASS, bare[0].span, LOOKALIKE)


def _described_legibility(label: Label, value: str) -> float:
    """Belief in a value as it is spelt. Of classes that begin with C and another letter only CM is common: CC
    or CD is likely the label CL and the letter. A lone I is a stroke, a 1 or the rest of another letter."""
    if label is Label.DISCRIMINATOR:
        return _legibility(value)
    labelled = label is Label.CLASS and re.fullmatch(r"C[A-LN-Z]", value)
    return LOOKALIKE if labelled or value == "I" else 1.0


def _described(page: Page) -> Reading:
    """The fields that are what their label says, and a height whose shape says it."""
    reading: Reading = {}
    _part_nine(page)
    for label, (name, meaning) in _MEANING.items():
        for claim in sorted(page.claims.get(label, []), key=lambda claim: -claim.belief):
            value = meaning(claim.span.text)
            if value and value not in {"NONE", "UNAVL"}:
                belief = min(claim.belief, _described_legibility(label, value))
                reading.setdefault(name, field(value, claim.span, belief))
    reading |= _glued_discriminator(page) if FieldName.DOCUMENT_DISCRIMINATOR not in reading else {}
    tall = [span for span in page.free if re.fullmatch(r"[3-8] ?['\u2019].*\d.*", span.text)]
    if FieldName.HEIGHT not in reading and len(tall) == 1 and (height := normalise.height(tall[0].text)):
        reading[FieldName.HEIGHT] = field(height, tall[0], BY_SHAPE)
    return reading
