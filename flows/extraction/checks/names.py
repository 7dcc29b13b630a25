"""Whether two spellings are the same name, and how sure that is."""

from __future__ import annotations

import re

from flows.extraction.checks.check import Status
from flows.extraction.transliteration import spellings

_GENERATION = re.compile(r"[\s,]+(?:JR|SR|II|III|IV|V|VI)\.?$", re.IGNORECASE)


def letters(name: str) -> str:
    """Its letters from A to Z alone: spaces, hyphens and apostrophes are printed in many ways.

    Empty for a name in another script.
    """
    return spellings(name)[0].replace(" ", "")


def without_generation(name: str) -> str:
    """A family name without JR or III at its end, which a barcode has apart (AAMVA's DCU)."""
    return _GENERATION.sub("", name.strip())


def same_name(left: str, right: str) -> Status:
    """Pass when the letters are equal, warn when one slip makes them equal, else fail; `not_run` when empty.

    A slip is one letter added, removed or replaced, or two neighbours swapped. It never passes: text
    recognition makes such slips, but so is LEE made into LEA and MARIA into MARIO. Equal are names that
    differ only in case, accents (also as ICAO 9303 writes them: MUELLER for MÜLLER), spaces, hyphens and
    apostrophes.
    """
    lefts, rights = _spelt(left), _spelt(right)
    if "" in lefts or "" in rights:
        return Status.NOT_RUN
    if lefts & rights:
        return Status.PASS
    near = any(within_one_slip(one, other) for one in lefts for other in rights)
    return Status.WARN if near else Status.FAIL


def begins(whole: str, start: str) -> bool:
    """Whether a name begins with the letters of another, in any of their spellings."""
    return any(one.startswith(other) for one in _spelt(whole) for other in _spelt(start) if other)


def _spelt(name: str) -> set[str]:
    return {spelling.replace(" ", "") for spelling in spellings(name)}


def within_one_slip(left: str, right: str) -> bool:
    """Whether one character added, removed or replaced, or two neighbours swapped, makes the two equal."""
    if len(left) > len(right):
        left, right = right, left
    if len(right) - len(left) > 1:
        return False
    at = next((i for i, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), len(left))
    if len(left) < len(right):
        return left[at:] == right[at + 1 :]
    swapped = left[at : at + 2][::-1] + left[at + 2 :] == right[at:]
    return swapped or left[at + 1 :] == right[at + 1 :]
