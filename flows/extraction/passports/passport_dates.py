"""Dates as passports print them: `12 AUG 1974`, `12 AUG/AOÛT 74`, `12.08.1974`.

Source: ICAO Doc 9303 part 3, 3.4.2: day, month, year, the month by name in one or two languages or by number.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date

from flows.extraction.transliteration import plain

_MONTHS = (
    ("JAN", "ENE"), ("FEB", "FEV", "FEBR"), ("MAR", "MARS"), ("APR", "AVR", "ABR"), ("MAY", "MAI"),
    ("JUN", "JUIN"), ("JUL", "JUIL"), ("AUG", "AOU", "AGO"), ("SEP", "SET"), ("OCT",), ("NOV",),
    ("DEC", "DIC"),
)  # fmt: skip
"""English, French and Spanish, by their first letters."""
_NAMED = re.compile(
    r"(?<![A-Z0-9])([0-9OIL]{1,2})[\W_]*([A-Z]{3,}?)(?:[\W_]+([A-Z]{3,}?))?[\W_]*([0-9OIL]{4}|[0-9OIL]{2})\b"
)
_NUMBERED = re.compile(r"(?<!\d)(\d{1,2})[./ -]+(\d{1,2})[./ -]+(\d{4}|\d{2})(?!\d)")


def date_of(text: str, in_century: Callable[[str], str]) -> str:
    """An ISO date, or an empty string. `in_century` takes YYMMDD and knows the century of such a year."""
    upper = plain(text)
    if named := _NAMED.search(upper):
        month = _month(named[2]) or _month(named[3] or "")
        return _iso(named[4], month, named[1], in_century) if month else ""
    if numbered := _NUMBERED.search(upper):
        return _iso(numbered[3], int(numbered[2]), numbered[1], in_century)
    return ""


def _iso(year: str, month: int, day: str, in_century: Callable[[str], str]) -> str:
    year, day = year.translate(_AS_DIGITS), day.translate(_AS_DIGITS)
    if len(year) == 2:
        return in_century(f"{year}{month:02d}{int(day):02d}")
    try:
        return date(int(year), month, int(day)).isoformat()
    except ValueError:
        return ""


_AS_DIGITS = str.maketrans("OIL", "011")


def _month(letters: str) -> int:
    """1 to 12 by a month's name or its beginning, also two languages run together; 0 for no month."""
    return next((at for at, names in enumerate(_MONTHS, start=1) if letters.startswith(names)), 0)
