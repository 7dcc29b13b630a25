"""The words of a printed name: which belong together, and which text could be one at all."""

from __future__ import annotations

import re

from flows.extraction import normalise
from flows.extraction.fronts.vocabulary import MARK, STREET, folded

_SUFFIXES = frozenset(("JR", "SR", "II", "III", "IV", "1ST", "2ND", "3RD", "4TH"))
_PARTICLES = frozenset((
    "DA", "DE", "DEL", "DELA", "DEN", "DER", "DES", "DI", "DO", "DOS", "DU", "EL", "LA", "LAS", "LE", "LOS",
    "MAC", "MC", "SAINT", "ST", "ST.", "TEN", "TER", "VAN", "VON",
))  # fmt: skip
"""Words before a family name that belong to it."""


def is_name(text: str) -> bool:
    """Whether free text could be a person's name: no mark, no state, no street, in capitals."""
    plain = folded(normalise.words(text))
    return (
        bool(normalise.name(normalise.letters(text)))
        and len(plain) > 1
        and _in_capitals(text)
        and plain not in normalise.STATES
        and not MARK.fullmatch(plain)
        and not (STREET.search(plain) and " " in plain)
    )


def _in_capitals(text: str) -> bool:
    """Whether most letters are; a small I or L says nothing, since capitals are read so (Li for LI)."""
    telling = [letter for letter in text if not letter.isspace() and letter not in "il"]
    return sum(letter.isupper() for letter in telling) > len(telling) / 2


def name_words(text: str) -> tuple[list[str], str]:
    """The words of a printed name, mended where digits resemble letters, and the suffix at their end."""
    words, suffix = _without_suffix(normalise.words(capital_i(text)).replace(",", " ").split())
    return normalise.name(normalise.letters(" ".join(words))).split(), suffix


def capital_i(text: str) -> str:
    """A small L among capitals as the capital I it resembles."""
    others = [letter for letter in text if letter.isalpha() and letter != "l"]
    return text.replace("l", "I") if others and all(letter.isupper() for letter in others) else text


def _without_suffix(words: list[str]) -> tuple[list[str], str]:
    if len(words) > 1 and words[-1].rstrip(".") in _SUFFIXES:
        return words[:-1], words[-1].rstrip(".")
    if len(words) > 1 and re.fullmatch("I{4,}", words[-1]):  # a number read twice over
        return words[:-1], ""
    if words and (glued := re.fullmatch(r"(\S{3,}[A-Z])([JS]R)", words[-1])):  # no name ends so
        return [*words[:-1], glued[1]], glued[2]
    return words, ""


def family_begins(words: list[str]) -> int:
    """The place of the family name's first word in FIRST MIDDLE LAST: its last word, with the particles
    before that (LE BLANC, DE LA CRUZ, ST. CLAIR)."""
    at = len(words) - 1
    while at > 1 and words[at - 1] in _PARTICLES:
        at -= 1
    return at
