"""Labels that text recognition has misread: told by their resemblance to the issuers' words, and by what
follows, since names resemble them too."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from operator import ne

from flows.extraction.fronts.label_patterns import STRICT
from flows.extraction.fronts.vocabulary import VALUES, WORDS, Label

_SPELT = 4
"""Letters; a shorter word with one of them misread may be anything."""
_NUMBERED = 3
"""Letters; enough behind the label's own number."""
_BEFORE_CODE = re.compile(r"[A-Z]{5,}[:.]?\s+(?=[A-Z\d]{1,2}$)")
_BEFORE_COLON = re.compile(r"[A-Z]{4,}:\s*")
_BEHIND_NUMBER = re.compile(r"[A-Z]{3,}[.:]?\s*")
CODED = frozenset((Label.CLASS, Label.ENDORSEMENTS, Label.RESTRICTIONS))
"""Labels whose values are codes, which may be spelt like a word."""


@dataclass(frozen=True)
class Match:
    """A label with its value, which is empty when the label stands alone: positions in the line."""

    label: Label
    start: int
    value: int
    end: int


def misread_label(upper: str, at: int) -> Match | None:
    """The label that begins here, where a text begins, with one letter misread: a long one alone
    (ENDARSEMENTS), one before a colon and what could be no other label's value (EYOS: BLU), or RESTR before a
    code. Of those before codes no other is tried, since names resemble them: CLAUS M, ENDERS A."""
    if (coded := _BEFORE_CODE.match(upper, at)) and _resembles(coded[0], Label.RESTRICTIONS, _SPELT + 1):
        return Match(Label.RESTRICTIONS, at, coded.end(), len(upper))
    if pointed := _BEFORE_COLON.match(upper, at):
        for label in STRICT:
            value = re.compile(VALUES[label]).match(upper, pointed.end())
            if value and _resembles(pointed[0], label, _SPELT):
                return Match(label, at, pointed.end(), value.end())
    letters = re.sub(r"^(?:\d{1,2}[A-D]?[.:]?)|[ .:]", "", upper[at:])
    alone = [label for word, label in _LONG_WORDS if _differ_by_one(letters, word)]
    return Match(alone[0], at, len(upper), len(upper)) if alone else None


def behind_remains(upper: str, found: Match) -> Match:
    """The match without what is left of its label's word, when that was misread (12 ASTR B) or torn
    (12 RS TR B), and without a value of signs alone or of one that fits no value (EYES: E)."""
    value = upper[found.value : found.end]
    unfit = found.label in STRICT and not re.match(VALUES[found.label], value)
    if unfit or not any(character.isalnum() for character in value):
        return replace(found, value=found.end)
    words = list(re.finditer(r"[A-Z]+(?![^\s:.])[:.]?\s*", value))[:2]
    if found.label not in CODED or not words or words[0].start():
        return found
    ends = [word.end() for word in words if _resembles(value[: word.end()], found.label, _SPELT)]
    return replace(found, value=found.value + max(ends, default=0))


def behind_word(upper: str, label: Label, at: int) -> int:
    """Where the value of a numbered label begins behind its misread word: 18 EYOS BLK."""
    word = _BEHIND_NUMBER.match(upper, at) if label in STRICT else None
    return word.end() if word and _resembles(word[0], label, _NUMBERED) else at


def _resembles(text: str, label: Label, least: int) -> bool:
    """Whether this is one of the label's own words, of at least so many letters, give or take one of them."""
    letters = re.sub(r"[^A-Z]", "", text)
    words = [word for word in _spelt(label) if len(word) >= least]
    return letters in words or any(_differ_by_one(letters, word) for word in words)


def _differ_by_one(letters: str, word: str) -> bool:
    return len(letters) == len(word) and sum(map(ne, letters, word)) == 1


def _spelt(label: Label) -> Iterator[str]:
    """The label's words that are spelt out, without spaces, with and without an optional last letter."""
    for word in WORDS[label]:
        for spelling in {word.replace("?", ""), re.sub(r".\?$", "", word)}:
            if spelling.replace(" ", "").isalpha():
                yield spelling.replace(" ", "")


_LONG_WORDS = tuple((word, label) for label in WORDS for word in _spelt(label) if len(word) > 8)
"""No name is so long and differs from one of them by a letter, as ANDRESS does from ADDRESS."""
