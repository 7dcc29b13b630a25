"""Recognise what is printed before a value: AAMVA's numbers, words, or both, with or without a space.

A line of text is cut into pieces, each a label with the value that follows it on the same line. Numbers are
those of the AAMVA standard's table A.2 (1 family name, 2 given names, 3 birth, 4a issue, 4b expiry, 4d
number, 5 discriminator, 8 address, 9 class, 12 restrictions, 15 sex, 16 height, 18 eyes); words are the
ones issuers print. Text recognition often glues a label to its value (`4dDLN3001`, `LNMULLER`, `SEXF`), so
what follows a label must look like that label's kind of value, and then needs no space.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum


class Label(StrEnum):
    LAST = "1"
    GIVEN = "2"
    MIDDLE = "middle"
    BORN = "3"
    ISSUED = "4a"
    EXPIRES = "4b"
    NUMBER = "4d"
    DISCRIMINATOR = "5"
    ADDRESS = "8"
    CLASS = "9"
    ENDORSEMENTS = "9a"
    RESTRICTIONS = "12"
    SEX = "15"
    HEIGHT = "16"
    WEIGHT = "17"
    EYES = "18"
    HAIR = "19"
    OTHER = "other"


DATE = (
    r"(?:\d{1,2}\D?\d{2}\D?\d{4}|\d{4}\D\d{2}\D\d{2}"
    r"|\d{1,2}[ -]?[A-Z]{3}[ ,.-]*\d{4}|[A-Z]{3}\.? ?\d{1,2},? ?\d{4})\b"
)
_NAME = r"[^\W\d_][^\d_@#%/\\:]*$"
_HAIR = r"(?:BLK|BLN|BAL|BRO|BRN|GRY|RED|SDY|WHI|UNK|BLACK|BLOND\w*|BROWN|GR[AE]Y|WHITE|BALD)\b"
_EYES = r"(?:BLK|BLU|BRO|BRN|DIC|GRY|GRN|HAZ|MAR|PNK|UNK|BLACK|BLUE|BROWN|GR[AE]Y|GREEN|HAZEL)\b"
_CODES = r"(?:NONE|[A-Z0-9](?:[ ,]?[A-Z0-9]){0,7})\b"

CITY = re.compile(
    r"^(?P<city>[^\d,]*[^\W\d_])[\s,.]+(?P<state>[A-Z]{2})[\s,.]*(?P<zip>\d{5}(?:-?\d{4})?|[A-Z]\d[A-Z]\s?\d[A-Z]\d)$"
)
"""A line that ends in state and ZIP code, or in province and postal code: whatever it begins with, that is
no label (IDAHO FALLS)."""

VALUES: dict[Label, str] = {
    Label.LAST: _NAME,
    Label.GIVEN: _NAME,
    Label.MIDDLE: _NAME,
    Label.BORN: DATE,
    Label.ISSUED: DATE,
    Label.EXPIRES: DATE,
    Label.NUMBER: r"(?=(?:[^\d]*\d){4})[A-Z0-9][A-Z0-9* -]{3,24}\b",
    Label.DISCRIMINATOR: r"(?=[^\d]*\d)[A-Z0-9][A-Z0-9/ -]{4,30}",
    Label.ADDRESS: r"(?=.*[A-Z])(?:\d+\S* .+|P\.? ?O\.? BOX.+|\d+[A-Z].+)",
    Label.CLASS: r"(?:NONE|[A-Z]{1,2}|[A-Z]\d|[0-9]{1,2}|[A-Z]{2}\d)\b",
    Label.ENDORSEMENTS: _CODES,
    Label.RESTRICTIONS: _CODES,
    Label.SEX: r"(?:MALE|FEMALE|[MFX])\b",
    Label.HEIGHT: r"(?:[3-8O][ ]?['\u2019-][ '-]*\d{1,2}[ \"']*|\d{2,3} ?(?:IN|CM)\b)",
    Label.WEIGHT: r"\d{2,3} ?(?:LBS?|KG)?\b",
    Label.EYES: _EYES,
    Label.HAIR: _HAIR,
    Label.OTHER: r".*",
}
"""What each label's value looks like, matched from its first character, in upper case."""

_WORDS: dict[Label, tuple[str, ...]] = {
    Label.LAST: ("LN", "LAST NAME", "FAMILY NAME", "SURNAME", "LAST"),
    Label.GIVEN: ("FN", "FIRST AND MIDDLE NAMES?", "FIRST NAME", "GIVEN NAMES?", "FIRST", "GIVEN"),
    Label.MIDDLE: ("MN", "MIDDLE NAME", "MIDDLE"),
    Label.BORN: (r"D\.?O\.?B", "DATE OF BIRTH", "BIRTH DATE", "BORN"),
    Label.ISSUED: ("ISS", "ISSUED", "ISSUE DATE", "DATE OF ISSUE", "DATE ISSUED", "ISSUED ON", "ISSUE"),
    Label.EXPIRES: ("EXP", "EXPIRES", "EXPIRY", "EXPIRATION DATE", "EXPIRATION", "EXP DATE", "EXPIRES ON",
                    "DATE OF EXPIRY", "EXPIRY DATE"),
    Label.NUMBER: ("DLN", "DL", "DL NO", "DL NUMBER", "LIC", "LIC NO", "LICEN[SC]E NO", "LICEN[SC]E NUMBER",
                   "LICEN[SC]E", "DRIVER LICEN[SC]E NO", "ID", "IDN", "ID NO", "ID NUMBER", "NUMBER", "NO",
                   "OLN", "CDL", "CUSTOMER ID"),
    Label.DISCRIMINATOR: ("DD", "DOC DISC", "DOCUMENT DISCRIMINATOR", "AUDIT", "REF"),
    Label.ADDRESS: ("ADDRESS", "ADDR", "ADD", "RESIDENCE"),
    Label.CLASS: ("CLASS", "CLS", "CL"),
    Label.ENDORSEMENTS: ("END", "ENDORSEMENTS?", "ENDORSE", "ENDORS"),
    Label.RESTRICTIONS: ("REST", "RESTR", "RSTR", "RESTRICTIONS?", "RES"),
    Label.SEX: ("SEX", "GENDER"),
    Label.HEIGHT: ("HGT", "HT", "HEIGHT"),
    Label.WEIGHT: ("WGT", "WT", "WEIGHT"),
    Label.EYES: ("EYES?", "EYE COLOU?R"),
    Label.HAIR: ("HAIR", "HAIR COLOU?R"),
    Label.OTHER: ("DONOR", "VETERAN", "DUPS?", "REV", "UNDER \\d\\d UNTIL", "TYPE"),
}  # fmt: skip

_ONLY_FIRST = frozenset((Label.LAST, Label.GIVEN, Label.MIDDLE, Label.ADDRESS, Label.OTHER))
"""Labels looked for at a line's start only: LN is also a lane and NO a word in addresses."""

_NAMES = frozenset((Label.LAST, Label.GIVEN))


def _word_pattern(words: tuple[str, ...]) -> str:
    """Longest first; a space may be lost, `:`, `#` or `.` may follow."""
    ordered = sorted(words, key=len, reverse=True)
    return "(?:" + "|".join(word.replace(" ", r"\s*") for word in ordered) + r")\s*[:#.]*\s*"


_BY_WORD = {
    label: re.compile(r"(?:\d{1,2}\s?[ABCDO0]?\s?[.:)]?\s*)?" + _word_pattern(w))
    for label, w in _WORDS.items()
}
_BY_NUMBER = {
    # Glued to letters a number can only be a label; before digits it must stand apart, or it is one of them.
    label: re.compile(
        label.value.upper() + (r"\s*[.:)]?\s*(?!\d)" if label in _NAMES else r"(?:\s*[.:)]\s*|\s+|$)")
    )
    for label in (*sorted(_NAMES), Label.BORN, Label.ISSUED, Label.EXPIRES, Label.NUMBER, Label.ADDRESS)
}


@dataclass(frozen=True)
class Piece:
    """Part of a line: `label` None when nothing known stands before the text; `start` and `end` are
    character positions, which tell where on the line the piece lies."""

    label: Label | None
    text: str
    start: int
    end: int


def uses_numbers(lines: list[str]) -> bool:
    """Whether this card prints AAMVA's numbers, judged by those that stand before their own words."""
    seen = 0
    for text in lines:
        for label, pattern in _BY_WORD.items():
            match = pattern.match(text.upper())
            if match and match[0].upper().startswith(label.value.upper()):
                seen += 1
                break
    return seen >= 2


_LONE = frozenset((Label.SEX, Label.CLASS))
"""Labels whose value is a single letter, which text detection tends to miss when it stands apart."""


def open_label(text: str) -> Label | None:
    """The label that ends this line, when its single letter should follow and does not."""
    last = cut(text, numbers=False)[-1:]
    return last[0].label if last and last[0].label in _LONE and not last[0].text else None


def cut(text: str, *, numbers: bool) -> list[Piece]:
    """The pieces of one line. `numbers` says that a number alone may be a label on this card."""
    upper = text.upper()
    if CITY.match(upper):
        return [Piece(None, text, 0, len(text))]
    starts = [match.start() for match in re.finditer(r"(?<!\S)\S", upper)]
    street = _STREET_END.search(upper)  # whose words are no labels: WEST END AVE
    pieces: list[Piece] = []
    at = 0
    for start in starts:
        if start < at or (street and start != starts[0]):
            continue
        found = _label_at(upper, start, first=start == starts[0], numbers=numbers)
        if found is None:
            continue
        label, value_start, value_end = found
        if upper[at:start].strip():
            pieces.append(Piece(None, text[at:start].strip(), at, start))
        pieces.append(Piece(label, text[value_start:value_end].strip(), start, value_end))
        at = value_end
    if upper[at:].strip():
        pieces.append(Piece(None, text[at:].strip(), at, len(text)))
    return pieces


def _label_at(upper: str, at: int, *, first: bool, numbers: bool) -> tuple[Label, int, int] | None:
    """The label that begins here with the span of its value, which is empty when the label ends the line."""
    candidates: list[tuple[int, Label, int, int]] = []
    for label, pattern in _BY_WORD.items():
        if not first and label in _ONLY_FIRST:
            continue
        if (match := pattern.match(upper, at)) and (end := _value_end(upper, label, match.end())) is not None:
            # The card's title ends in LICENSE or ID and labels nothing.
            title = label is Label.NUMBER and not first and end == match.end()
            if not title and not _glued_to_letters(upper, at, match.end(), label):
                candidates.append((match.end() - at, label, match.end(), end))
    if first and numbers and not candidates:
        street = _STREET_END.search(upper)
        for label, pattern in _BY_NUMBER.items():
            if street and label in _NAMES:  # a house number 1 or 2, not the label of a name
                continue
            if (match := pattern.match(upper, at)) and (
                end := _value_end(upper, label, match.end())
            ) is not None:
                candidates.append((match.end() - at, label, match.end(), end))
    if not candidates:
        return None
    _, label, value_start, value_end = max(candidates, key=lambda candidate: candidate[0])
    return label, value_start, value_end


_MAY_GLUE = frozenset((Label.CLASS, Label.SEX, Label.EYES, Label.HAIR))
"""Labels whose few values leave no doubt when no space follows."""


def _glued_to_letters(upper: str, start: int, at: int, label: Label) -> bool:
    """Whether a word label runs into letters without a space, so that it is likely the beginning of another
    word: NORFOLK is not number RFOLK. Only a printed number before it, or LN and FN, make it a label."""
    runs_on = at < len(upper) and upper[at - 1].isalpha() and upper[at].isalpha()
    vouched = upper[start].isdigit() or upper[start:at] in {"LN", "FN"} or label in _MAY_GLUE
    return runs_on and not vouched


_STREET_END = re.compile(r"\b(?:ST|AVE|RD|DR|LN|BLVD|CT|PL|HWY|TER|CIR)\b(?: (?:APT|UNIT|STE|LOT|#).*)?$")


def _value_end(upper: str, label: Label, at: int) -> int | None:
    """Where the value that begins here ends; `at` itself when nothing or another label follows; None when
    what follows is no value of this kind, so that the label was no label."""
    rest = upper[at:]
    if not rest.strip():
        return at
    if match := re.match(VALUES[label], rest):
        return at + match.end()
    glued = at > 0 and upper[at - 1].isalnum()
    another = any(pattern.fullmatch(rest) for pattern in _BY_WORD.values())
    return at if another and not glued else None
