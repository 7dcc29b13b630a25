"""The holder's address: found by the one line whose shape is sure, the one with state and ZIP code."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from flows.extraction import normalise
from flows.extraction.fields import FieldName, Reading
from flows.extraction.fronts.page import BY_SHAPE, EITHER, LOOKALIKE, Page, Span, field
from flows.extraction.fronts.pairing import BESIDE
from flows.extraction.fronts.vocabulary import (
    CITY,
    POSTAL_CODE,
    STATE_AND_CODE,
    STREET,
    STREET_TYPE,
    UNIT,
    Label,
    folded,
)

_STREET = re.compile(
    r"\d+\S*\s+\S|\d+[A-Z]{2,}|P\.?\s?O\.?\s?(?:BOX|DRAWER)|C\.?P\.?\s\d"
    r"|(?:RR|R\.R\.|RURAL ROUTE|HC|HWY|STAR RT)\s?#?\d|(?:ONE|TWO|THREE)\s\S"
    r"|[NSEW]\d+(?:\s?[NSEW]\d+\s|\s\S*[A-Z]{2})"
)
"""How an address line begins when no label says so."""
_HOUSE_NUMBER = re.compile(r"^\d[\dO]*\b")
_SECOND_LINE = re.compile(rf"(?:{UNIT}|P\.?\s?O\.?\s?BOX)\b|#|\d+[A-Z]?$|{UNIT}\d")
"""How the second of two address lines begins."""
_GLUED_DIRECTION = re.compile(r"\d+[NSEW]\s")
_ONE_LINE = re.compile(
    rf"^(?P<street>[^,]*\b{STREET_TYPE}\b\.?\s?,|P\.?\s?O\.?\s?BOX\s\w+,?|\d.*?(?:,|\b{STREET_TYPE}\b\.?(?:\s[NSEW]{{1,2}}\b)?(?:,?\s{UNIT}\s?\S+)?),?)\s*"
    r"(?P<rest>[^\d,]*[^\W\d_][ ,.]+[A-Z]{2}[ ,.]*(?:\d{5}(?:-?\d{4})?|[A-Z]\d[A-Z] ?\d[A-Z]\d))$"
)
_ROW_GAP = 1.6
"""Line heights between two boxes that detection made of one line."""


@dataclass(frozen=True)
class _City:
    city: str
    state: str
    code: str
    span: Span
    belief: float
    street: str = ""
    """The street, where it stands on the same line."""


def read_address(page: Page) -> Reading:
    """Street, city, state and ZIP or postal code. The city's line is never a label's value."""
    found = _city(page)
    if found is None:
        return _labelled_street(page)
    page.take(found.span)
    values = {
        FieldName.CITY_IN_ADDRESS: found.city,
        FieldName.STATE_IN_ADDRESS: found.state,
        FieldName.ZIP_CODE_IN_ADDRESS: found.code,
    }
    belief = min(found.belief, found.span.sureness)
    reading = {name: field(value, found.span, belief) for name, value in values.items() if value}
    if found.street:
        reading[FieldName.ADDRESS] = field(normalise.street(found.street), found.span, found.belief)
        page.claim(Label.ADDRESS, found.span, found.belief)
        return reading
    return reading | _street(page, found.span)


def _city(page: Page) -> _City | None:
    """The first line that ends like an address, alone, with its street, or broken in two on its row."""
    for span in page.spans:
        if span.label not in {None, Label.ADDRESS}:
            continue
        if found := _parsed(span, span.spaced) or _parsed(span, span.text):
            return found
    for span in page.free:
        if (before := _before(page, span)) and (found := _parsed(span, f"{before.spaced} {span.text}")):
            page.take(before)
            return replace(found, span=before)
    return None


def _plain(text: str) -> str:
    return folded(normalise.words(text))


def _parsed(span: Span, text: str) -> _City | None:
    text = normalise.words(text)
    street = ""
    if whole := _ONE_LINE.match(folded(text)):
        street, text = text[: whole.end("street")], text[whole.start("rest") :]
    match = CITY.match(folded(text))
    if match is None or match["state"] in {"NO", "DL"}:
        return None
    printed = re.sub(r"^0(?= )", "O", text[: match.end("city")])  # O FALLON
    city = normalise.name(normalise.letters(printed))
    state, code = _state(match["state"]), _code(match["zip"])
    repaired = state != match["state"] and match["state"] not in normalise.STATES
    repaired = repaired or any(character.isdigit() for character in match["city"])
    repaired = repaired or ("O" in match["zip"] and code[1:2].isdigit())
    return _City(city, state, code, span, LOOKALIKE if repaired else BESIDE, street) if city else None


def _state(printed: str) -> str:
    """A code that no issuer has is read again with the letters that its digits stand for."""
    again = printed.replace("0", "O").replace("1", "I")
    return normalise.state(again if again in normalise.STATE_CODES else printed)


def _code(printed: str) -> str:
    """A ZIP code has no letters; a Canadian code has digits in the second, fourth and sixth place."""
    if re.fullmatch(r"[\dO -]+", printed):
        return normalise.postal_code(printed.replace("O", "0"))
    letters = re.sub(r"[ -]", "", printed)
    return normalise.postal_code(
        "".join(letter.replace("O", "0") if at % 2 else letter for at, letter in enumerate(letters))
    )


def _before(page: Page, code: Span) -> Span | None:
    """The city left of its state and code, or else above them; with its state where the code stands alone."""
    alone = POSTAL_CODE.match(_plain(code.text))
    if not (alone or STATE_AND_CODE.match(_plain(code.text))):
        return None
    row = [
        span
        for span in page.free
        if span.on_row_of(code) and 0 <= code.left - span.right + 0.5 * code.height < _ROW_GAP * code.height
    ]
    above = [span for span in page.free if code.under(span)]
    named = [span for span in (*row, *reversed(above)) if normalise.name(span.text)]
    named = [
        span for span in named if not alone or _plain(span.text)[-3:].lstrip(" ,(") in normalise.STATE_CODES
    ]
    return named[0] if named else None


def _street(page: Page, city: Span) -> Reading:
    """The line or two above the city's: as far up as one that begins like an address."""
    lines: list[Span] = []
    anchor = city
    while len(lines) < 3 and (above := _line_above(page, anchor, city)):
        lines.insert(0, above)
        anchor = above
        if above.label is Label.ADDRESS or (_begins(above) and not _may_be_second(page, above, city)):
            break
    labelled = page.first(Label.ADDRESS)
    known = lines and (_begins(lines[0]) or lines[0].label is Label.ADDRESS or _claimed(page, lines[0]))
    if not known and (labelled or not (lines := _unlike_a_name(lines[-1:]))):
        return _labelled_street(page)
    for line in lines:
        page.take(line)
    whole = text = " ".join(_spaced(line) for line in lines)
    text = _without_number(page, text)
    if not labelled or labelled.span is not lines[0]:
        page.claim(Label.ADDRESS, lines[0], BESIDE)
        text = _without_label(page, lines[0], city, text)
    upper = " ".join(text.upper().split())
    house = _HOUSE_NUMBER.sub(lambda digits: digits[0].replace("O", "0"), normalise.street_words(upper))
    belief = min(BESIDE if house == upper else LOOKALIKE, *(line.sureness for line in lines))
    if text != whole or _GLUED_DIRECTION.match(upper):
        belief = min(belief, EITHER)
    if not known or (_SECOND_LINE.match(folded(text)) and not labelled):
        belief = BY_SHAPE
    return {FieldName.ADDRESS: field(normalise.street(house), lines[0], belief)}


def _unlike_a_name(lines: list[Span]) -> list[Span]:
    """Of the lines right above the city those that no name looks like: CARR 2 KM 14, OLD MILL ROAD."""
    return [line for line in lines if re.search(r"\d", line.text) or STREET.search(folded(line.text))]


def _without_number(page: Page, text: str) -> str:
    """The text without the document's number before it, which many cards repeat small beneath the portrait
    and which detection runs into the line beside it."""
    claim = page.first(Label.NUMBER)
    number = normalise.number(claim.span.text) if claim else ""
    return text[len(number) :].lstrip() if number and text.startswith(number) else text


def _spaced(line: Span) -> str:
    """The line with its lost spaces, but none inside a word that is a street's type (TR L)."""
    text = line.spaced
    for word in line.text.upper().split():
        if re.fullmatch(STREET_TYPE, word):
            text = re.sub(rf"\b{' ?'.join(word)}\b", word, text, flags=re.IGNORECASE)
    return text


def _labelled_street(page: Page) -> Reading:
    """A street whose city could not be read."""
    claim = page.first(Label.ADDRESS)
    if claim is None:
        return {}
    text = _without_number(page, claim.span.spaced)
    return {FieldName.ADDRESS: field(normalise.street(text), claim.span, BY_SHAPE)}


def _claimed(page: Page, span: Span) -> bool:
    return any(claim.span is span for claim in page.claims.get(Label.ADDRESS, []))


def _begins(span: Span) -> bool:
    return bool(_STREET.match(folded(span.text)))


def _line_above(page: Page, span: Span, city: Span) -> Span | None:
    """The nearest line above that could belong to the address and begins about where the city does."""
    above = [
        other
        for other in page.spans
        if (other in page.free or other.label is Label.ADDRESS or _claimed(page, other))
        and other.text
        and any(span.under(each) and abs(each.left - city.left) < 3 * city.height for each in _edges(other))
        and (span.middle - other.middle < 2.0 * span.height or _claimed(page, other))
        and not re.fullmatch(r"\W*", other.text)
    ]
    return max(above, key=lambda other: other.middle, default=None)


def _edges(span: Span) -> tuple[Span, Span]:
    """The span as it begins with its label, and as its value alone begins: lines beneath begin at either."""
    whole = span.line.text
    before = (span.right - span.left) * max(whole.find(span.text), 0) / len(whole)
    return span, replace(span, left=span.left + before)


def _may_be_second(page: Page, span: Span, city: Span) -> bool:
    """Whether this line is a unit or a box, with the street itself on the line above."""
    if not _SECOND_LINE.match(folded(span.text)):
        return False
    above = _line_above(page, span, city)
    return above is not None and _begins(above)


def _without_label(page: Page, street: Span, city: Span, text: str) -> str:
    """The text without AAMVA's label 8 before the house number, glued to it or not: such a line begins where
    other numbered lines begin, or to the left of the city beneath it. A digit with a full stop or colon is a
    label whatever it is: no house number is written so."""
    if pointed := re.match(r"\d\s?[.:]+\s?(?=\d)", text):
        return text[pointed.end() :]
    glued = re.match(r"8\s?(?=\d)", text)
    if not glued or any(span.label is Label.ADDRESS for span in page.spans):
        return text
    aligned = page.begins_like_numbered(street)
    outdented = city.left - street.left > 0.35 * street.height
    gaps = street.line.gaps
    apart = len(gaps) > 2 and street.line.text.startswith(street.text) and gaps[0] > 2 * max(gaps[1:3]) + 0.1
    by_itself = bool(re.match(r"8\s\d+\s\D", text))
    return text[glued.end() :] if aligned or (outdented and (apart or by_itself)) else text
