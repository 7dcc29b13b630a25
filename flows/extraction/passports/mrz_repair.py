"""Put right what text recognition confuses in a machine-readable zone, and say what was changed.

Two strengths of evidence, kept apart. Where a place may hold only letters or only digits, O for 0 is plainly
misread: that is a correction. Where either may stand, changing a character until the check digit passes is a
guess, and a wrong number can pass too: that is a repair, and nothing repaired is accepted without a person.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import product

from flows.extraction.passports.countries import is_code
from flows.extraction.passports.mrz_layout import FILLER, TD3, Layout, Span, checks, text_at

Place = tuple[int, int]
"""Row and column, from zero."""

_TO_DIGIT = dict(zip("OQDILSBZG", "000115826", strict=True))
_TO_LETTER = dict(zip("015826", "OISBZG", strict=True))
_LOOK_ALIKES = {
    **_TO_DIGIT,
    "0": "OQD",
    "1": "I7L",
    "2": "Z",
    "3": "8",
    "5": "S6",
    "6": "G5",
    "7": "1",
    "8": "B3",
}
_LIKE_LETTERS = {
    "O": "QDCG", "Q": "OG", "D": "O", "C": "GO", "G": "CO", "U": "V", "V": "UY", "I": "LJT", "L": "I",
    "J": "I", "T": "I", "M": "NH", "N": "MH", "H": "MN", "E": "F", "F": "EP", "P": "F", "R": "B", "B": "R",
    "K": "X", "X": "K", "W": "VM", "Y": "V",
}  # fmt: skip
_DIGITS_ONLY = ("birth", "expiry")
_LETTERS_ONLY = ("code", "state", "names", "nationality")


def by_position(rows: Sequence[str], layout: Layout) -> tuple[list[str], tuple[Place, ...]]:
    """Letters where only letters may stand, digits where only digits may; and which places changed.

    A document code's second character is a letter or a filler, a check digit a digit or a filler.
    """
    changes: dict[Place, str] = {}
    for name in _LETTERS_ONLY:
        changes |= _changes(rows, layout.spans[name], _TO_LETTER)
    for name in _DIGITS_ONLY:
        changes |= _changes(rows, layout.spans[name], _TO_DIGIT)
    for _, place in layout.guarded.values():
        changes |= _changes(rows, place, _TO_DIGIT)
    found = _changed(rows, changes)
    for name, other in (("state", "nationality"), ("nationality", "state")):
        changes |= _code_changes(found, layout.spans[name], layout.spans[other])
    return _changed(rows, changes), tuple(sorted(changes))


def _code_changes(rows: Sequence[str], span: Span, other: Span) -> dict[Place, str]:
    """A state's code that nobody has, read as Germany's, as the other one in the zone, or as the only one
    there is that looks alike."""
    row, start, _ = span
    code, second = text_at(rows, span), text_at(rows, other)
    if is_code(code.rstrip(FILLER)):
        return {}
    alike = [
        code[:at] + letter + code[at + 1 :]
        for at, read in enumerate(code)
        for letter in _LIKE_LETTERS.get(read, "")
    ]
    known = [own for own in alike if is_code(own.rstrip(FILLER))]
    if re.fullmatch("D[KC<]{2}", code):  # fillers taken for letters
        known = ["D<<"]
    elif second in known:
        known = [second]
    if len(known) != 1:
        return {}
    return {
        (row, start + at): meant
        for at, (read, meant) in enumerate(zip(code, known[0], strict=True))
        if read != meant
    }


def until_it_passes(rows: Sequence[str], layout: Layout) -> tuple[list[str], tuple[Place, ...]]:
    """One character replaced by a look-alike in each part whose check digit fails, if there is exactly one
    way to make all of them pass, and the composite digit too. Otherwise the rows stay as they were read."""
    failing = [name for name, passed in checks(rows, layout).items() if not passed and name != "composite"]
    options = [
        [
            change
            for change in _replacements(rows, layout, name)
            if checks(_changed(rows, dict([change])), layout)[name]
        ]
        for name in failing
    ]
    ways = [
        changes
        for changes in map(dict, product(*options))
        if changes and all(checks(_changed(rows, changes), layout).values())
    ]
    if len(ways) != 1:
        return list(rows), ()
    return _changed(rows, ways[0]), tuple(sorted(ways[0]))


def _changes(rows: Sequence[str], span: Span, table: dict[str, str]) -> dict[Place, str]:
    row, start, end = span
    return {
        (row, column): table[rows[row][column]] for column in range(start, end) if rows[row][column] in table
    }


def _changed(rows: Sequence[str], changes: dict[Place, str]) -> list[str]:
    letters = [list(row) for row in rows]
    for (row, column), letter in changes.items():
        letters[row][column] = letter
    return ["".join(row) for row in letters]


def _replacements(rows: Sequence[str], layout: Layout, name: str) -> Iterator[tuple[Place, str]]:
    """Every look-alike of every character in a part, its check digit included; digits stay digits where only
    digits may stand. A card's long number runs on into the optional data."""
    spans, place = layout.guarded[name]
    spans = (*spans, place)
    if name == "number" and layout is not TD3 and rows[place[0]][place[1]] == FILLER:
        spans = (*spans, layout.spans["optional"])
    for row, start, end in spans:
        digits = name in _DIGITS_ONLY or (row, start, end) == place
        for column in range(start, end):
            for letter in _LOOK_ALIKES.get(rows[row][column], ""):
                if letter.isdigit() or not digits:
                    yield (row, column), letter
