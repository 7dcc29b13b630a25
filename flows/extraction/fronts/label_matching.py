"""Which label, if any, begins at a place in a line, and where its value ends."""

from __future__ import annotations

import re
from collections.abc import Mapping

from flows.extraction.fronts.label_patterns import (
    BY_NUMBER,
    BY_SECOND_WORD,
    BY_WORD,
    BY_WORD_INSIDE,
    GLUED_TO_NUMBER,
    STRICT,
    is_number_of,
)
from flows.extraction.fronts.misread_labels import CODED, Match, behind_remains, behind_word, misread_label
from flows.extraction.fronts.vocabulary import DATES, NAMES, SPELT_DATE, STREET_TYPE, VALUES, Label

_WORD = 3
"""Letters; shorter labels look like codes."""
_ONLY_FIRST = NAMES | {Label.ADDRESS, Label.OTHER_DATE}
"""Labels looked for where a text begins only: LN is also a lane."""
_OPEN = NAMES | {
    *(Label.ADDRESS, Label.DISCRIMINATOR, Label.ISSUER, Label.NUMBER),
    *(Label.CLASS, Label.ENDORSEMENTS, Label.RESTRICTIONS),
}
"""Labels whose values may run on into what stands beside them."""
_UNMISTAKABLE = re.compile(r"(?:LN|FN|MN|DOB|DDN|EXP|EXPIRES|ISS|ISSUED|DLN|DD|HGT|WGT|EYES|SEXE?|RSTR)\b")
_NUMBER_IN_CODE = re.compile(r"\d{2,}[A-Z]|\d[A-Z]{1,2}(?![A-Z])")
"""A number glued to a short word is one code (65DD875776), while 4LIC# has lost its letter."""
_BEGINS_NAMES = re.compile(r"(?:LAST|FIRST|GIVEN|NOM)$")
"""Words that names begin with (LASTER), so that not even a number makes labels of them inside a word."""
_FEW_LETTERS = re.compile(r"[A-Z]{1,3}(?![A-Z])")
_GLUED = {
    Label.NUMBER: (r"[A-Z]{1,3}\d[\d -]{4}", r"[A-Z]{1,3}(?=(?:\d[A-Z]*){5})[A-Z0-9]{6,}$"),
    Label.CLASS: (r"[A-Z]M?(?![A-Z])",),
    Label.ENDORSEMENTS: (r"[HLMNPSTX]{1,3}\s*$",),
    **{label: (VALUES[label],) for label in (*DATES, Label.SEX, Label.EYES, Label.HAIR)},
}
"""Values that leave no doubt when no space parts them from their label's letters. Endorsements are letters
with which no name goes on after END."""
HOUSE = re.compile(rf"\d+\S*\s+\S.*\b{STREET_TYPE}\b|(?!{STREET_TYPE}\b)[A-Z]+\s(?:.*\s)?{STREET_TYPE}\.?$")
"""An address line, whose words are no labels: WEST END AVE."""


def label_at(upper: str, at: int, *, first: bool, numbers: bool) -> Match | None:
    """The label that begins here: the longest by words, or else by its number."""
    found = _worded(upper, at, BY_WORD if first else BY_WORD_INSIDE, first=first)
    if not found and first and "/" in upper[at:]:
        found = _worded(upper, at, BY_SECOND_WORD, first=True)
    if not found:
        numbered = _numbered(upper, at, first=first) if numbers else None
        if numbered is None:
            return misread_label(upper, at) if first else None
        return behind_remains(upper, numbered)
    best = max(found, key=lambda match: (is_number_of(match.label, upper[at:]), match.value - match.start))
    alone = best.value == best.end and not is_number_of(best.label, upper[at:])
    numbered = _numbered(upper, at, first=first) if alone and numbers else None
    # Behind its number a name can be spelt like a label: 1 ENDO.
    return behind_remains(upper, numbered if numbered and numbered.value < numbered.end else best)


def _worded(upper: str, at: int, patterns: Mapping[Label, re.Pattern[str]], *, first: bool) -> list[Match]:
    """The labels whose words stand here."""
    return [
        match
        for label, pattern in patterns.items()
        if (first or label not in _ONLY_FIRST) and (match := _by_word(upper, at, label, pattern, first=first))
    ]


def _numbered(upper: str, at: int, *, first: bool) -> Match | None:
    """The label that begins here by its number alone."""
    house = HOUSE.match(upper, at)  # begins with a house number 1 or 2, not the label of a name
    found = [
        match
        for label, pattern in BY_NUMBER.items()
        if (label is Label.ADDRESS or not house)
        and (first or label in STRICT or label in GLUED_TO_NUMBER)
        and (match := _by_number(upper, at, label, pattern, first=first))
    ]
    return max(found, key=lambda match: match.value - match.start, default=None)


def _by_word(upper: str, at: int, label: Label, pattern: re.Pattern[str], *, first: bool) -> Match | None:
    match = pattern.match(upper, at)
    if match is None or _glued_to_letters(upper, at, match.end(), label):
        return None
    if not _numbered_rightly(label, match[0], first=first):
        return None
    if match[0][0].isdigit() and not is_number_of(label, match[0]) and HOUSE.match(upper, at):
        return None  # 16 CLASS CT is an address
    end = _value_end(upper, label, match.end())
    if end is None or (label is Label.NUMBER and not first and end == match.end()):
        return None  # a title ends in ID or LICENSE and labels nothing
    if label is Label.NAME and (own := _numbered_name(match[0])):
        label = own
    return Match(label, at, match.end(), end)


def _numbered_rightly(label: Label, printed: str, *, first: bool) -> bool:
    """Whether the number printed before a word, if any, may belong to it. Issuers err (15 HGT); but behind
    other text another's number is part of that (APT 4 HGT), and glued to a short word it is all one code
    (65DD875776)."""
    if not printed[0].isdigit() or is_number_of(label, printed):
        return True
    coded = label in {Label.DISCRIMINATOR, Label.NUMBER} and _NUMBER_IN_CODE.match(printed)
    return first and not coded


def _numbered_name(printed: str) -> Label | None:
    """NAME with the number 1 alone is the family name, with 2 the given ones."""
    number = re.match(r"([12])(?!\s?[.,/&-]\s?\d)", printed)
    return Label(number[1]) if number else None


def _by_number(upper: str, at: int, label: Label, pattern: re.Pattern[str], *, first: bool) -> Match | None:
    match = pattern.match(upper, at)
    if match is None:
        return None
    value = behind_word(upper, label, match.end())
    end = _value_end(upper, label, value)
    alone = end == value
    if alone and not re.fullmatch(r"\d[\d.,&/-]*[ABCD]?", match[0].strip(" .:)")):
        return None  # a letter that only looks like the number
    if not first and label not in STRICT and upper[match.end() if end is None else end :].strip():
        return None  # a code in the middle of a line may be anything
    if end is None or (alone and (not first or at + len(match[0].strip()) < len(upper.rstrip()))):
        return None
    return Match(label, at, value, end)


def _glued_to_letters(upper: str, start: int, at: int, label: Label) -> bool:
    """Whether a word label runs into letters without a space, so that it is likely the beginning of another
    word: NORFOLK is not number RFOLK. A printed number before it, letters with which no word begins, or a
    value that could be nothing else make it a label."""
    if at >= len(upper) or not (upper[at - 1].isalpha() and upper[at].isalpha()):
        return False
    printed = upper[start:at]
    if printed in {"LN", "FN", "RSTR"}:
        return False
    if is_number_of(label, printed):
        if label in CODED and _FEW_LETTERS.match(upper, at):
            return False
        if label not in CODED and not _BEGINS_NAMES.search(printed):
            return False
    return not any(re.match(value, upper[at:]) for value in (*_GLUED.get(label, ()), "NONE"))


def _value_end(upper: str, label: Label, at: int) -> int | None:
    """Where the value that begins here ends; `at` itself when nothing or another label follows; None when
    what follows is no value of this kind, so that the label was no label."""
    rest = upper[at:]
    if not any(character.isalnum() for character in rest):
        return len(upper)
    if label in STRICT and (match := re.match(VALUES[label], rest)):
        return at + match.end()
    if label in STRICT and len(rest.strip()) == 1 and upper[:at].rstrip().endswith(":"):
        return len(upper)
    glued = at > 0 and upper[at - 1].isalnum()
    another = "NAME" in rest and lone_label(rest) if label in NAMES else _begins_with_label(rest)
    if another and not glued:
        return at
    if label in _OPEN:
        rest = rest[: _next_label(rest, label)]
    if match := re.match(VALUES[label], rest.rstrip(" ,")):
        return at + match.end()
    return at if not glued and _begins_with_label(rest) else None


def _begins_with_label(rest: str) -> bool:
    """Whether a label stands here whose value is elsewhere, or fits."""
    for label, pattern in BY_WORD_INSIDE.items():
        match = pattern.match(rest)
        if match is None or len(match[0].strip()) < 2:
            continue
        follows = rest[match.end() :]
        if not follows.strip() or (follows != rest and re.match(VALUES[label] or "$", follows)):
            return not _glued_to_letters(rest, 0, match.end(), label)
        if rest[match.end() - 1 : match.end()] in {" ", ":"} and _worded_label(follows, 0):
            return True
    return False


def _next_label(rest: str, label: Label) -> int:
    """Where in the rest of a line the next label surely begins, after the first word of this one's value.
    Only names and addresses hold words, so that elsewhere any word that is a label is one."""
    short = label not in {*NAMES, Label.ADDRESS}
    for word in re.finditer(r"(?<=[\s,])\S", rest):
        at = word.start()
        lane = label is Label.ADDRESS and rest.startswith("LN", at)
        unmistakable = _UNMISTAKABLE.match(rest, at) and not lane
        spelt = label is Label.ADDRESS and re.match(SPELT_DATE, rest[at:])
        if spelt or unmistakable or _valued_label(rest, at) or (short and _worded_label(rest, at)):
            return at
    return len(rest)


def _worded_label(rest: str, at: int) -> bool:
    """Whether a label of at least three letters stands here."""
    return any(
        (match := pattern.match(rest, at))
        and len(re.findall("[A-Z]", match[0])) >= _WORD
        and not _glued_to_letters(rest, at, match.end(), label)
        for label, pattern in BY_WORD_INSIDE.items()
    )


def _valued_label(rest: str, at: int) -> bool:
    """Whether a label with its own number or an unmistakable value stands here."""
    for label, pattern in BY_WORD_INSIDE.items():
        if (match := pattern.match(rest, at)) is None:
            continue
        numbered = is_number_of(label, match[0]) and re.match(r"\S*\s?[A-Z]{2}", match[0])
        value = label in STRICT and re.match(VALUES[label], rest[match.end() :])
        glued = _glued_to_letters(rest, at, match.end(), label)
        if (numbered or value) and not glued:
            return True
    return False


def stands_inside(found: Match, part: str, *, follows: bool, house: bool) -> bool:
    """Whether a label may stand there, in the middle of a line: in an address only one with an unmistakable
    value, behind free text only one that is no word of a name (WILLIAM ENDO)."""
    if house:
        return found.label in STRICT
    alone = found.value == found.end
    sure = is_number_of(found.label, part[found.start :]) or _UNMISTAKABLE.match(part, found.start)
    return follows or not alone or bool(sure)


def lone_label(text: str) -> bool:
    """Whether the text is a label and nothing else."""
    return any(pattern.fullmatch(text) for pattern in (*BY_WORD.values(), *BY_NUMBER.values()))
