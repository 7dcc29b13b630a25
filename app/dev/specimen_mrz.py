"""Write machine-readable zones by ICAO 9303: TD1 (part 5), TD2 (part 6) and TD3 (part 4).

Written apart from the parser in flows/extraction on purpose: a misreading of the standard must not cancel
itself out.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

_VALUES = {character: value for value, character in enumerate("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")}
_WEIGHTS = (7, 3, 1)


@dataclass(frozen=True)
class Traveller:
    """What a machine-readable zone tells; `issuer` and `nationality` have three letters."""

    issuer: str
    nationality: str
    last: str
    given: str
    number: str
    born: date
    sex: str
    expires: date
    personal_number: str = ""


def check_digit(text: str) -> str:
    """Weights 7, 3, 1 repeated, modulo 10 (part 3, 4.9); a filler counts nothing."""
    return str(sum(_VALUES.get(c, 0) * _WEIGHTS[at % 3] for at, c in enumerate(text)) % 10)


def td3(holder: Traveller) -> tuple[str, str]:
    """A passport's two lines of 44 characters."""
    number, born, expires = _number(holder), _day(holder.born), _day(holder.expires)
    personal = holder.personal_number.ljust(14, "<")
    personal += check_digit(personal) if holder.personal_number else "<"
    lower = f"{number}{holder.nationality}{born}{_sex(holder)}{expires}{personal}"
    return f"P<{holder.issuer}{_names(holder, 39)}", lower + check_digit(number + born + expires + personal)


def td2(holder: Traveller) -> tuple[str, str]:
    """An identity card's two lines of 36 characters."""
    number, born, expires = _number(holder), _day(holder.born), _day(holder.expires)
    optional = holder.personal_number[:7].ljust(7, "<")
    lower = f"{number}{holder.nationality}{born}{_sex(holder)}{expires}{optional}"
    return f"I<{holder.issuer}{_names(holder, 31)}", lower + check_digit(number + born + expires + optional)


def td1(holder: Traveller) -> tuple[str, str, str]:
    """An identity card's three lines of 30 characters, on its back."""
    number, born, expires = _number(holder), _day(holder.born), _day(holder.expires)
    optional, more = holder.personal_number.ljust(15, "<"), "<" * 11
    whole = check_digit(number + optional + born + expires + more)
    upper = f"I<{holder.issuer}{number}{optional}"
    return upper, f"{born}{_sex(holder)}{expires}{holder.nationality}{more}{whole}", _names(holder, 30)


def transliterated(name: str) -> str:
    """Without apostrophes, and a filler for every hyphen or space (part 3, 4.6)."""
    return name.replace("'", "").replace("-", "<").replace(" ", "<")


def _names(holder: Traveller, width: int) -> str:
    names = f"{transliterated(holder.last)}<<{transliterated(holder.given)}"
    return names[:width].ljust(width, "<")


def _number(holder: Traveller) -> str:
    number = holder.number.ljust(9, "<")
    return number + check_digit(number)


def _day(day: date) -> str:
    text = f"{day:%y%m%d}"
    return text + check_digit(text)


def _sex(holder: Traveller) -> str:
    return "<" if holder.sex == "X" else holder.sex
