"""The three layouts of a machine-readable zone, its check digits and its dates.

Source: ICAO Doc 9303, eighth edition: part 3 (check digits, 4.9; dates, 4.8), part 4 (TD3, passports), part 5
(TD1, cards) and part 6 (TD2, larger cards).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

FILLER = "<"
_VALUES = {FILLER: 0} | {letter: value for value, letter in enumerate("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")}
_WEIGHTS = (7, 3, 1)

Span = tuple[int, int, int]
"""Row, first column and the column after the last, all from zero."""


@dataclass(frozen=True)
class Layout:
    """`guarded` names each check digit with what it is computed over and where it stands."""

    name: str
    rows: int
    width: int
    spans: Mapping[str, Span]
    guarded: Mapping[str, tuple[tuple[Span, ...], Span]]


def _two_rows(name: str, width: int, guarded: Mapping[str, tuple[tuple[Span, ...], Span]]) -> Layout:
    """TD2 and TD3 differ in width and in what ends the second row."""
    optional_end = 42 if width == 44 else 35
    spans = {
        "code": (0, 0, 2),
        "state": (0, 2, 5),
        "names": (0, 5, width),
        "number": (1, 0, 9),
        "nationality": (1, 10, 13),
        "birth": (1, 13, 19),
        "sex": (1, 20, 21),
        "expiry": (1, 21, 27),
        "optional": (1, 28, optional_end),
    }
    common = {
        "number": (((1, 0, 9),), (1, 9, 10)),
        "birth": (((1, 13, 19),), (1, 19, 20)),
        "expiry": (((1, 21, 27),), (1, 27, 28)),
    }
    return Layout(name, 2, width, spans, {**common, **guarded})


TD3 = _two_rows(
    "TD3",
    44,
    {
        "optional": (((1, 28, 42),), (1, 42, 43)),
        "composite": (((1, 0, 10), (1, 13, 20), (1, 21, 43)), (1, 43, 44)),
    },
)
TD2 = _two_rows("TD2", 36, {"composite": (((1, 0, 10), (1, 13, 20), (1, 21, 35)), (1, 35, 36))})
TD1 = Layout(
    "TD1",
    3,
    30,
    {
        "code": (0, 0, 2),
        "state": (0, 2, 5),
        "number": (0, 5, 14),
        "optional": (0, 15, 30),
        "birth": (1, 0, 6),
        "sex": (1, 7, 8),
        "expiry": (1, 8, 14),
        "nationality": (1, 15, 18),
        "optional2": (1, 18, 29),
        "names": (2, 0, 30),
    },
    {
        "number": (((0, 5, 14),), (0, 14, 15)),
        "birth": (((1, 0, 6),), (1, 6, 7)),
        "expiry": (((1, 8, 14),), (1, 14, 15)),
        "composite": (((0, 5, 30), (1, 0, 7), (1, 8, 15), (1, 18, 29)), (1, 29, 30)),
    },
)
LAYOUTS = (TD3, TD2, TD1)


def text_at(rows: Sequence[str], span: Span) -> str:
    row, start, end = span
    return rows[row][start:end]


def check_digit(text: str) -> str:
    """The digit for letters, digits and fillers: weights 7, 3, 1 from the left, modulo 10 (part 3, 4.9).

    `<`, 0, A, K and U weigh the same, as do 6, G and Q, and every further pair ten apart: one misread for
    the other leaves every check digit right.
    """
    return str(sum(_VALUES[letter] * _WEIGHTS[at % 3] for at, letter in enumerate(text)) % 10)


def passes(text: str, digit: str) -> bool:
    """Whether the digit is right; an empty optional field may have a filler instead (part 4, 4.2.2)."""
    return digit == check_digit(text) or (digit == FILLER and text != "" and set(text) == {FILLER})


def checks(rows: Sequence[str], layout: Layout) -> dict[str, bool]:
    """Each check digit's outcome: number, birth, expiry, composite, and for TD3 optional."""
    found = {}
    for name, (spans, place) in layout.guarded.items():
        found[name] = passes("".join(text_at(rows, span) for span in spans), text_at(rows, place))
    if (long := long_number(rows, layout)) is not None:
        found["number"] = passes(*long)
    return found


def long_number(rows: Sequence[str], layout: Layout) -> tuple[str, str] | None:
    """A card's number of more than nine characters with its check digit, or None.

    A filler then stands in the check digit's place, and the optional data begin with the number's rest, its
    check digit and a filler (part 5, 4.2.2, and part 6, 4.2.2).
    """
    if layout is TD3 or text_at(rows, layout.guarded["number"][1]) != FILLER:
        return None
    rest, _, _ = text_at(rows, layout.spans["optional"]).partition(FILLER)
    if len(rest) < 2:
        return None
    return text_at(rows, layout.spans["number"]) + rest[:-1], rest[-1]


def birth_date(written: str, today: date) -> str:
    """An ISO date out of YYMMDD: the latest century that is not in the future, so nobody is a hundred.

    Empty when a part is unknown (fillers, part 3, 4.8) or no date.
    """
    found = _in_century(written, today.year // 100 * 100)
    if found and found > today:
        found = _in_century(written, today.year // 100 * 100 - 100)
    return found.isoformat() if found else ""


def expiry_date(written: str, today: date) -> str:
    """An ISO date out of YYMMDD, not more than fifty years away from `today`; empty when it is none."""
    century = today.year // 100 * 100
    for start in (century, century - 100, century + 100):
        found = _in_century(written, start)
        if found and abs(found.year - today.year) <= 50:
            return found.isoformat()
    return ""


def _in_century(written: str, century: int) -> date | None:
    if len(written) != 6 or not written.isascii() or not written.isdigit():
        return None
    try:
        return date(century + int(written[:2]), int(written[2:4]), int(written[4:]))
    except ValueError:
        return None
