"""How labels are printed and read: patterns for AAMVA's numbers and the issuers' words, each matched where a
label may begin.
"""

from __future__ import annotations

import re

from flows.extraction.fronts.vocabulary import DATES, NAMES, STREET_TYPE, VALUES, WORDS, Label, folded

_NUMBER = r"\d{1,2}(?:\s?[.,/&-]\s?\d)?\s?[A-D08]?\s?[.:;)]?\s*"
"""The number before a word."""
_MISREAD_NUMBER = r"[OGQ]A[.:)]?\s*|(?:1[SGZ]|[ILSBOGQ|])(?:[.:)]\s*|\s+)"
"""As text recognition tends to read it: 9a as Oa, 1 as I, 9 as O, 15 as 1s."""
_IN_ANOTHER_LANGUAGE = r"[A-Z][A-Z'.]{2,}(?: [A-Z'.]+){0,3}\s?[/|]\s?"
"""A word before the known one on cards in two languages: CATEGORIA / CLASS."""


_WORDS_AS_VALUES = frozenset((Label.SEX, Label.EYES, Label.HAIR))
"""Labels whose values may run into the second language's word: EYES/YEUXHAZ."""


def _word_pattern(label: Label, words: tuple[str, ...]) -> str:
    """Longest first; a space may be lost, the same in the other language (whose slash may be lost before a
    known word that is no name) or in brackets (End. (End)), `(S)`, and `:`, `#`, also as the letter it is
    read for (IDE:), or `.` may follow."""
    ordered = sorted(words, key=len, reverse=True)
    spellings = "|".join(_as_read(word) for word in ordered)
    other = r"(?:[A-Z][A-Z']{2,}(?: (?:DE|OF|D')\s?[A-Z]{3,})?|N\W)"
    slash = r"[/|]" if label in NAMES else r"[/|]?"
    glued = rf"|(?={VALUES[label]})" if label in _WORDS_AS_VALUES else ""
    twice = rf"\s?{slash}\s?(?:{spellings})(?:\b{glued})|\s?[/|]\s?{other}"
    sign = "(?:[EFHN](?=:))?" if label is Label.NUMBER else ""
    bracketed = rf"\s?\((?:{spellings})\.?\)"
    return rf"(?:{spellings})(?:\s?\(S\))?\.?(?:{bracketed}|{twice})?\s*{sign}[:#.=]*\s*"


def _as_read(word: str) -> str:
    """The word with or without its spaces, and with a zero for an O."""
    return word.replace(" ", r"[\s.]*").replace("O", "[O0]")


_AT_FRONT = r"(?:(?<=9)|(?<=9\s)|^)"
"""Of the line, or behind the number of the class."""
_MISREAD_WORDS: dict[Label, tuple[str, ...]] = {
    Label.LAST: ("SUMAMES?", "[I1]N(?=:)"),
    Label.BORN: (r"DO(?=:?\s?[0-3]?\d[/.-])",),
    Label.ISSUED: ("[L1]SSUED",),
    Label.CLASS: (
        *(r"C1(?=\s?[A-Z]\b)", "C[1IT]?(?=:)"),
        *(rf"{_AT_FRONT}(?:C[IT]|\u0391)(?=\s[A-Z]{{1,2}}\d?\s*$)", rf"{_AT_FRONT}CI(?=[A-Z]M?\s*$)"),
    ),
    Label.RESTRICTIONS: ("[AFKP]STR",),
}
"""Spellings that text recognition makes of the issuers' words: Surname, LN, lssued, Cl, RSTR. Those that may
be words themselves (CT, CIR) only where nothing but a class follows."""
_SPELLINGS = {label: (*words, *_MISREAD_WORDS.get(label, ())) for label, words in WORDS.items()}

BY_WORD = {
    label: re.compile(rf"(?:{_NUMBER}|{_MISREAD_NUMBER})?{_word_pattern(label, words)}")
    for label, words in _SPELLINGS.items()
}
"""Where a line begins."""
BY_WORD_INSIDE = {
    label: re.compile(rf"(?:{_NUMBER})?{_word_pattern(label, words)}") for label, words in _SPELLINGS.items()
}
"""Behind other text, where a single letter belongs to that."""
BY_SECOND_WORD = {
    label: re.compile(rf"(?:{_NUMBER})?{_IN_ANOTHER_LANGUAGE}{_word_pattern(label, words)}")
    for label, words in WORDS.items()
}
"""Where a line begins with a word that is not known."""
_NUMBERED = tuple(label for label in Label if label.value[0].isdigit())
_BOTH_NAMES = r"1\s?[.,&/-]{1,2}\s?2"
_MISREAD = {
    Label.LAST: "[1IL|]",
    Label.NAME: rf"(?:{_BOTH_NAMES}|12(?=\s+[A-Z][A-Z' -]{{2,}},))",
    Label.NUMBER: "4[ADGO0Q]",
    Label.CLASS: r"(?:9|[GQ](?=\s))",
    Label.ENDORSEMENTS: "[9GOQ]A",
    Label.ADDRESS: "[8B&]",
}
_ENDS_NUMBER = r"(?:\s*[.:)][\s.:)]*|\s+|$)"


_STREET = r"[NSEW]?\d|P\.?\s?O|R\.?R|(?:HC|CARR|LOT|APT|UNIT|BOX)\s\d|URB\b|ONE\s|C/O\b"
"""How a street begins that has no house number before it."""
_SHORT_CODE = r"NONE|[A-Z]{1,2}|\d"
GLUED_TO_NUMBER = {
    **{label: VALUES[label] for label in (Label.BORN, Label.SEX, Label.EYES, Label.HAIR)},
    Label.HEIGHT: rf"(?!\d{{3}}$)(?:{VALUES[Label.HEIGHT]})",
    **dict.fromkeys((Label.CLASS, Label.ENDORSEMENTS, Label.RESTRICTIONS), _SHORT_CODE),
}
"""Values to the end of the line that need no space behind the bare number of their label."""


def _number_pattern(label: Label) -> re.Pattern[str]:
    """Before letters a number needs no space, and neither does one that ends in a letter; before digits it
    must stand apart, or it is one of them."""
    number = _MISREAD.get(label, label.value.upper())
    if label in {Label.LAST, Label.GIVEN}:
        apart = rf"{label.value}\s*[.:)]?\s*(?![\s\d.:)])"
        return re.compile(rf"{number}{_ENDS_NUMBER}(?![\s\d])|{apart}|{number}{_ENDS_NUMBER}(?=0')")
    if label is Label.NAME:
        return re.compile(rf"{number}{_ENDS_NUMBER}|{_BOTH_NAMES}(?=[A-Z]{{2}})")
    if label in {Label.ISSUED, Label.EXPIRES, Label.NUMBER}:
        return re.compile(rf"{label.value.upper()}\s*[.:)]?\s*|{number}{_ENDS_NUMBER}")
    if label is Label.ADDRESS:  # 8 12TH AVE begins with its house number
        return re.compile(rf"{number}(?:{_ENDS_NUMBER})(?!\d+(?:ST|ND|RD|TH) {STREET_TYPE}\b)(?={_STREET}|$)")
    if value := GLUED_TO_NUMBER.get(label):
        return re.compile(rf"{number}(?:{_ENDS_NUMBER}|(?=(?:{value})\s*$))")
    return re.compile(number + _ENDS_NUMBER)


BY_NUMBER = {label: _number_pattern(label) for label in _NUMBERED}

STRICT = frozenset((*DATES, Label.OTHER_DATE, Label.SEX, Label.HEIGHT, Label.WEIGHT, Label.EYES, Label.HAIR))
"""Labels whose values look like nothing else."""


_NUMBERED_CARD = 2
"""Numbers with their own words or values; one may be anything."""
_NUMBERED_LINES = tuple(
    re.compile(pattern)
    for pattern in (
        *(r"1[.:)]?\s*[A-Z]{2}[A-Z' -]*$", r"2[.:)]?\s*[A-Z]{2}[A-Z' -]*$", r"8[.:)]?\s+\d+\s+[A-Z]"),
        *(r"4A[.:)]?(?:\s?\d|$)", r"4B[.:)]?(?:\s?\d|$)", r"4D[.:)]?(?:\s?\w{5}|$)"),
        r"1[,.&/]{1,2}2(?=[A-Z]{2}|\b)",
        *(r"15[.:)]?(?:\s?[MFX])?$", r"16[.:)]?(?:\s?\d.*)?$", r"18[.:)]?(?:\s?[A-Z]{3})?$"),
    )
)
"""Values behind their bare numbers; one alone may be anything."""


def uses_numbers(lines: list[str]) -> bool:
    """Whether this card prints AAMVA's numbers: judged by those that stand before their own words, and by
    lines that look like a number with its kind of value, two of which no other card prints."""
    upper_lines = [folded(text) for text in lines]
    seen = sum(any(pattern.match(upper) for upper in upper_lines) for pattern in _NUMBERED_LINES)
    for upper in upper_lines:
        seen += any(
            (match := pattern.match(upper)) and is_number_of(label, match[0])
            for label, pattern in BY_WORD.items()
        )
    return seen >= _NUMBERED_CARD


def is_number_of(label: Label, printed: str) -> bool:
    """Whether what is printed begins with this label's own number."""
    return label.value[0].isdigit() and printed.startswith(label.value.upper())
