"""One spelling per kind of value, so that a barcode and a printed line can be compared.

Every function returns an empty string for what it cannot understand: a missing value is honest, a guess
is not.
"""

from __future__ import annotations

import re
from datetime import date

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_EYES = {
    "BLACK": "BLK",
    "BLUE": "BLU",
    "BROWN": "BRO",
    "BRN": "BRO",
    "DICHROMATIC": "DIC",
    "GRAY": "GRY",
    "GREY": "GRY",
    "GREEN": "GRN",
    "HAZEL": "HAZ",
    "MAROON": "MAR",
    "PINK": "PNK",
}
_EYE_CODES = frozenset((*_EYES.values(), "UNK"))

STATES = {
    "ALABAMA": "AL", "ALASKA": "AK", "ARIZONA": "AZ", "ARKANSAS": "AR", "CALIFORNIA": "CA", "COLORADO": "CO",
    "CONNECTICUT": "CT", "DELAWARE": "DE", "DISTRICT OF COLUMBIA": "DC", "FLORIDA": "FL", "GEORGIA": "GA",
    "HAWAII": "HI", "IDAHO": "ID", "ILLINOIS": "IL", "INDIANA": "IN", "IOWA": "IA", "KANSAS": "KS",
    "KENTUCKY": "KY", "LOUISIANA": "LA", "MAINE": "ME", "MARYLAND": "MD", "MASSACHUSETTS": "MA",
    "MICHIGAN": "MI", "MINNESOTA": "MN", "MISSISSIPPI": "MS", "MISSOURI": "MO", "MONTANA": "MT",
    "NEBRASKA": "NE", "NEVADA": "NV", "NEW HAMPSHIRE": "NH", "NEW JERSEY": "NJ", "NEW MEXICO": "NM",
    "NEW YORK": "NY", "NORTH CAROLINA": "NC", "NORTH DAKOTA": "ND", "OHIO": "OH", "OKLAHOMA": "OK",
    "OREGON": "OR", "PENNSYLVANIA": "PA", "RHODE ISLAND": "RI", "SOUTH CAROLINA": "SC", "SOUTH DAKOTA": "SD",
    "TENNESSEE": "TN", "TEXAS": "TX", "UTAH": "UT", "VERMONT": "VT", "VIRGINIA": "VA", "WASHINGTON": "WA",
    "WEST VIRGINIA": "WV", "WISCONSIN": "WI", "WYOMING": "WY", "PUERTO RICO": "PR", "GUAM": "GU",
    "ALBERTA": "AB", "BRITISH COLUMBIA": "BC", "MANITOBA": "MB", "NEW BRUNSWICK": "NB",
    "NEWFOUNDLAND AND LABRADOR": "NL", "NORTHWEST TERRITORIES": "NT", "NOVA SCOTIA": "NS", "NUNAVUT": "NU",
    "ONTARIO": "ON", "PRINCE EDWARD ISLAND": "PE", "QUEBEC": "QC", "SASKATCHEWAN": "SK", "YUKON": "YT",
}  # fmt: skip
"""States, territories and provinces that issue licences, and their postal codes."""


def words(text: str) -> str:
    """Upper case, straight apostrophes, single spaces, no stray punctuation at either end."""
    text = text.upper().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'").replace("`", "'")
    return " ".join(text.split()).strip(" ,.;:-*")


def name(text: str) -> str:
    """A person's or a city's name; empty when it holds a digit or no letter at all."""
    text = words(text)
    return text if re.fullmatch(r"[^\W\d_][^\d_@#%/\\:]*", text) else ""


def street(text: str) -> str:
    """An address line with the spaces that must be there: after an ordinal, before a unit's number, and
    before the street types that end few other words."""
    text = words(text)
    text = re.sub(r"(\d(?:ST|ND|RD|TH))(ST|AVE|BLVD|DR|RD|LN|CT|PL|WAY)\b", r"\1 \2", text)
    text = re.sub(r"\b(APT|UNIT|STE|SUITE|LOT)(\d)", r"\1 \2", text)
    return re.sub(r"([A-Z]{3,})(AVE|BLVD)(?= (?:APT|UNIT|STE|SUITE|#)|$)", r"\1 \2", text)


def _valid(year: int, month: int, day: int) -> str:
    if not 1900 <= year <= 2100:
        return ""
    try:
        return date(year, month, day).isoformat()
    except ValueError:
        return ""


def _month(letters: str) -> int:
    return _MONTHS.index(letters) + 1 if letters in _MONTHS else 0


def date_of(text: str) -> str:
    """An ISO date out of the orders issuers use: MMDDCCYY, CCYYMMDD, or with a month's name.

    Eight digits can be a date in one of the two orders only, since no month is 19 or 20.
    """
    text = text.upper()
    if named := re.search(r"(\d{1,2})[\s./-]*([A-Z]{3})[A-Z]*[\s./,-]*(\d{4})", text):
        return _valid(int(named[3]), _month(named[2]), int(named[1]))
    if named := re.search(r"([A-Z]{3})[A-Z]*[\s./-]*(\d{1,2})[\s./,-]+(\d{4})", text):
        return _valid(int(named[3]), _month(named[1]), int(named[2]))
    if year_first := re.search(r"(?<!\d)(\d{4})\D?(\d{2})\D?(\d{2})(?!\d)", text):
        found = _valid(*map(int, year_first.groups()))
        if found:
            return found
    if year_last := re.search(r"(?<!\d)(\d{1,2})\D?(\d{2})\D?(\d{4})(?!\d)", text):
        return _valid(int(year_last[3]), int(year_last[1]), int(year_last[2]))
    return ""


def state(text: str) -> str:
    """Two letters. A code nobody knows passes: issuers add codes, and checks compare them anyway."""
    text = words(text)
    if text in STATES:
        return STATES[text]
    return text if re.fullmatch(r"[A-Z]{2}", text) else ""


def postal_code(text: str) -> str:
    """`12345`, `12345-6789` (an all-zero extension means none), or `A1B 2C3`."""
    text = re.sub(r"[\s-]", "", text.upper())
    if canadian := re.fullmatch(r"([A-Z]\d[A-Z])(\d[A-Z]\d)", text):
        return f"{canadian[1]} {canadian[2]}"
    if american := re.fullmatch(r"(\d{5})(\d{4})?", text):
        extension = american[2] or "0000"
        return american[1] if extension == "0000" else f"{american[1]}-{extension}"
    return ""


def number(text: str) -> str:
    """A document number without the spaces and dashes that only group it."""
    return re.sub(r"[^A-Z0-9*]", "", text.upper())


def sex(text: str) -> str:
    """M, F or X; AAMVA's barcode says 1, 2 and 9 (2020 standard, table D.3)."""
    text = words(text)
    return {"1": "M", "2": "F", "9": "X"}.get(text, text[:1] if text in _SEXES else "")


_SEXES = frozenset(("M", "F", "X", "MALE", "FEMALE"))


def eyes(text: str) -> str:
    """AAMVA's three letters for the colour."""
    text = words(text)
    text = _EYES.get(text, text)
    return text if text in _EYE_CODES else ""


def height(text: str) -> str:
    """`67 in` or `170 cm`, from `5'-07"`, `5-07`, `067 in` or `170 cm`."""
    text = text.upper().replace("O", "0")
    if feet := re.search(
        r"(?<!\d)([3-8])\s*['\N{RIGHT SINGLE QUOTATION MARK}\-][\s'-]*(\d{1,2})(?!\d)", text
    ):
        inches = int(feet[1]) * 12 + int(feet[2])
        return f"{inches} in" if int(feet[2]) < 12 else ""
    if plain := re.search(r"(\d{2,3})\s*(IN|CM)", text):
        return f"{int(plain[1])} {plain[2].lower()}"
    return ""
