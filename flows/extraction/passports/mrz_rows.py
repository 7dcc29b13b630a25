"""Rows of a machine-readable zone out of recognised lines, as engines mangle them.

Fillers are what engines read worst: runs of `<` come back shorter or longer, as `«`, as K or C, with spaces
between, or not at all at a row's end, and a long run can part a row in two lines.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from flows.extraction.engine import Line
from flows.extraction.geometry import Placed, placed
from flows.extraction.passports.countries import is_code
from flows.extraction.passports.mrz_layout import FILLER
from flows.extraction.transliteration import latin

ROW = re.compile(r"[A-Z0-9<]+")
"""All that a row may hold (Doc 9303 part 3, 4.3)."""

_FILLERS = {
    **dict.fromkeys("<([{\u2039\u2264\u3008\u304f\uff08\uff1c", FILLER),
    **dict.fromkeys("\u00ab\u226a\u300a", FILLER * 2),
}
"""What engines write for one filler and for two: brackets and quotation marks of several scripts."""
_LETTERS = str.maketrans("|!]$\u20ac\u00a3\u00a5", "IIJSEEY")
"""Signs that a zone cannot hold, and which letters they are."""
_TURNED = ">)]}\u203a\u2265\u3009\uff09\uff1e\u00bb\u226b\u300b"
"""The same upside down."""
_LEAST_FILLERS = 3
"""On a line, to take it for a piece of a zone: names that fill their row have no more."""
_MANY_FILLERS = 6
"""On a line, to say without any other evidence that the page bears a zone."""
_LEAST_LETTERS = 20
"""A zone's row without many fillers is at least this long, and without a space."""
_MOST_MISSING = 12
"""Characters; a row that lacks or exceeds more is not put right."""
_NOISE = "KCLSEX"
"""Letters that a filler is taken for."""


@dataclass(frozen=True)
class Row:
    """The characters of one row that were recognised, and the engine's least confidence in them."""

    text: str
    confidence: float


def bears_fillers(text: str) -> bool:
    """Whether a line holds many fillers, upright or upside down."""
    return sum(character in _FILLERS or character in _TURNED for character in text) >= _MANY_FILLERS


def rows(lines: Sequence[Line]) -> list[Row]:
    """The lines that may be a zone's rows, from top to bottom; pieces on one level are one row."""
    if not any(likely(line.text) for line in lines):
        return []
    found: list[list[Placed]] = []
    pieces = [line for line in lines if likely(line.text) or _possible(line.text)]
    for piece in placed(pieces):
        level = next((row for row in found if _on_one_level(row[0], piece)), None)
        if level is None:
            found.append([piece])
        else:
            level.append(piece)
    return [_joined(row) for row in found if any(likely(piece.line.text) for piece in row)]


def fit(text: str, width: int) -> Iterator[str]:
    """The row at its full width, likeliest first: fillers added to or taken from its runs, then anywhere.

    Nothing is yielded for a row that is off by more than a dozen characters.
    """
    off = width - len(text)
    if off == 0:
        yield text
    elif 0 < off <= _MOST_MISSING:
        runs = sorted(re.finditer(f"{FILLER}+", text), key=lambda run: run.end() - run.start(), reverse=True)
        likely = [run.start() for run in runs]
        for place in dict.fromkeys([*likely, *range(len(text), 0, -1)]):
            yield text[:place] + FILLER * off + text[place:]
    elif -_MOST_MISSING <= off < 0:
        runs = sorted(re.finditer(f"{FILLER}+", text), key=lambda run: run.end() - run.start(), reverse=True)
        for run in runs:
            if run.end() - run.start() > -off:
                yield text[: run.start()] + text[run.start() - off :]
        yield text[:width]
        yield text[-width:]


def fit_names(text: str, width: int, start: int) -> Iterator[str]:
    """The row whose names begin at `start`, with everything after them filler, at its full width."""
    head, names = _head(text, start)
    yield (head + _names(names)).ljust(width, FILLER)[:width]


def likely(text: str) -> bool:
    """Whether a line is a row of a zone or a long piece of one: by its fillers, by its many digits, or by the
    two fillers that part names which fill their row."""
    cleaned = _cleaned(text)
    filled = _filled(text)
    if filled.count(FILLER) >= _LEAST_FILLERS:
        return True
    whole = " " not in text.strip() and ROW.fullmatch(cleaned) is not None
    digits = sum(character.isdigit() for character in cleaned)
    telling = digits >= len(cleaned) // 3 or FILLER * 2 in filled
    return whole and len(cleaned) >= _LEAST_LETTERS and telling


def _possible(text: str) -> bool:
    """Whether a line can be a piece of a row: a few capital letters, digits and fillers."""
    cleaned = _cleaned(text)
    return len(cleaned) >= 1 and not re.search(r"[a-z]{3}", text) and len(cleaned) >= 0.8 * len(text.strip())


def _cleaned(text: str) -> str:
    """Fillers for whatever stands for them, capitals for their look-alikes, and nothing else. Any other sign
    keeps its place as a filler, since a row's columns matter; punctuation and blanks are no characters."""
    text = latin(_filled(text)).translate(_LETTERS)
    text = re.sub(r"(?<=<)[ck]+|[ck]+(?=<)", lambda run: FILLER * len(run[0]), text).upper()
    return "".join(
        character if ROW.fullmatch(character) else FILLER
        for character in text
        if character.isalnum() or character == FILLER or unicodedata.category(character)[0] not in "PZC"
    )


def _filled(text: str) -> str:
    """The text with fillers for all that engines write for them."""
    return "".join(_FILLERS.get(character, character) for character in text)


def _on_one_level(row: Placed, piece: Placed) -> bool:
    return abs(row.middle - piece.middle) < 0.5 * max(row.height, piece.height)


def _joined(pieces: list[Placed]) -> Row:
    """The pieces from left to right, with fillers for the room between them."""
    pieces = sorted(pieces, key=lambda piece: piece.left)
    text = _cleaned(pieces[0].line.text)
    for before, piece in pairwise(pieces):
        step = (before.right - before.left) / max(1, len(_cleaned(before.line.text)))
        missing = round((piece.left - before.right) / max(step, 1.0))
        text += FILLER * min(max(0, missing), _MOST_MISSING) + _cleaned(piece.line.text)
    return Row(text, min(piece.line.confidence for piece in pieces))


def _head(text: str, start: int) -> tuple[str, str]:
    """Document code and state apart from the names; a filler between the two may be lost or doubled."""
    if start == 0:
        return "", text
    for code, state in ((text[:2], 2), (text[:1] + FILLER, 1), (text[:1] + FILLER, 3)):
        if _state(text[state : state + 3]):
            return code + text[state : state + 3], text[state + 3 :]
    return text[:start], text[start:]


def _state(code: str) -> bool:
    """Whether it is a state's code, zeros and ones read as letters; Germany's is one letter and fillers."""
    return is_code(code.replace("0", "O").replace("1", "I").replace("5", "S").rstrip(FILLER))


def _names(text: str) -> str:
    """Names without the letters that fillers were taken for."""
    text = re.sub(r"([KC])\1{2,}", lambda run: FILLER * len(run[0]), text).strip(FILLER)
    primary, _, rest = text.partition(FILLER * 2)
    given = [part for part in re.split(f"{FILLER}{{2,}}", rest) if part]
    # After the given names come fillers only: what stands there is one misread, unless it is long.
    kept = given[:1] + [part for part in given[1:] if len(part) > 2 and set(part) - set(_NOISE + FILLER)]
    secondary = re.sub(r"<([KC])\1$", "", FILLER.join(kept))
    return primary + FILLER * 2 + secondary
