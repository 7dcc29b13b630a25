"""One spelling per kind of value, so that a barcode and a printed line can be compared.

Every function returns an empty string for what it cannot understand: a missing value is honest, a guess
is not.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import date

from flows.extraction.fronts.vocabulary import MONTHS, folded

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
    "HZL": "HAZ",
    "NOIR": "BLK",
    "BLEU": "BLU",
    "BRUN": "BRO",
    "GRIS": "GRY",
    "VERT": "GRN",
    "NOISETTE": "HAZ",
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
STATE_CODES = frozenset(STATES.values())
"""States, territories and provinces that issue licences, and their postal codes."""


def words(text: str) -> str:
    """Upper case, straight apostrophes, single spaces, no stray punctuation at either end."""
    text = unicodedata.normalize("NFKC", text).upper()
    text = text.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'").replace("`", "'")
    return " ".join(text.split()).strip(" ,.;:-*")


def name(text: str) -> str:
    """A person's or a city's name; empty when it holds a digit or no letter at all."""
    text = words(text)
    return text if re.fullmatch(r"[^\W\d_][^\d_@#%/\\:]*", text) else ""


def letters(text: str) -> str:
    """Digits between letters as the letters they resemble: text recognition reads J0HNSON and 0'NEIL."""
    return re.sub(
        r"(?<=[A-Z])[0158]{1,2}(?=[A-Z])|\b0(?='?[A-Z])|(?<=[A-Z])0\b",
        lambda digits: digits[0].translate(_RESEMBLES),
        text.upper(),
    )


_RESEMBLES = str.maketrans("0158", "OISB")


def street_words(text: str) -> str:
    """An address line in which a zero inside a word is the letter it resembles (0AK AVE L0T 18)."""
    return " ".join(word.replace("0", "O") if _is_word(word) else word for word in text.split())


def _is_word(text: str) -> bool:
    """Whether letters with some zeros among them are meant as letters."""
    zeros = text.count("0")
    return (
        bool(re.fullmatch(r"[A-Z0]+(?:'[A-Z0]+)?", text))
        and max(zeros, 1) < len(text.replace("'", "")) - zeros
    )


def street(text: str) -> str:
    """An address line with the spaces that must be there: after the house number, also before the direction
    of a numbered street, after an ordinal, before a unit's number, and before the street types that end few
    other words."""
    text = re.sub(r"^(\d+)([A-Z]{3,}|[NSEW](?= ?\d+(?:ST|ND|RD|TH)\b))", r"\1 \2", words(text))
    text = re.sub(r"(\d(?:ST|ND|RD|TH))(ST|AVE|BLVD|DR|RD|LN|CT|PL|WAY)\b", r"\1 \2", text)
    text = re.sub(r"\b(APT|UNIT|STE|SUITE|LOT)(\d)", r"\1 \2", text)
    text = re.sub(r"(?<=[A-Z])#", " #", text)
    text = re.sub(r"([A-Z]{3,})(APT|UNIT)(?= ?[A-Z0-9]{1,4}$)", r"\1 \2", text)
    return re.sub(r"([A-Z]{3,})(AVE|BLVD)(?= (?:APT|UNIT|STE|SUITE|#)|$)", r"\1 \2", text)


def _valid(year: int, month: int, day: int) -> str:
    if not 1900 <= year <= 2100:
        return ""
    try:
        return date(year, month, day).isoformat()
    except ValueError:
        return ""


_BY_MONTH = {name: number for number, names in enumerate(MONTHS, start=1) for name in names}


def _month(letters: str) -> int:
    """1 to 12, or 0: by the first four letters in French and English, or the first three."""
    return next((_BY_MONTH[letters[:size]] for size in (4, 3) if letters[:size] in _BY_MONTH), 0)


_BILINGUAL = re.compile(r"([A-Z]{3,9}\.?) ?/ ?[A-Z]{3,9}\.?")
_LETTERS = r"([A-Z]{3,})\.?"


def date_of(text: str, *, day_first: bool = False) -> str:
    """An ISO date out of the orders issuers use: MM/DD/CCYY, CCYY/MM/DD, either with a month's name or
    without separators, and with `day_first` DD/MM/CCYY.

    Eight digits can be a date in one of the two orders only, since no month is 19 or 20. A year of two
    digits is no date here: see `short_date`.
    """
    text = _BILINGUAL.sub(r"\1", _digits(folded(text)))
    return _named_date(text) or _numeric_date(text, day_first=day_first)


def _named_date(text: str) -> str:
    if named := re.search(rf"(?<!\d)(\d{{1,2}})[\s./-]*{_LETTERS}[\s./,-]*(\d{{4}})(?!\d)", text):
        return _valid(int(named[3]), _month(named[2]), int(named[1]))
    if named := re.search(rf"{_LETTERS}[\s./-]*(\d{{1,2}})[\s./,-]+(\d{{4}})(?!\d)", text):
        return _valid(int(named[3]), _month(named[1]), int(named[2]))
    if named := re.search(rf"(?<!\d)(\d{{4}})[\s./,-]*{_LETTERS}[\s./-]*(\d{{1,2}})(?!\d)", text):
        return _valid(int(named[1]), _month(named[2]), int(named[3]))
    return ""


def _numeric_date(text: str, *, day_first: bool) -> str:
    if year_first := re.search(r"(?<!\d)(\d{4})\D{0,3}(\d{2})\D{0,3}(\d{2})(?!\d)", text):
        found = _valid(*map(int, year_first.groups()))
        if found:
            return found
    year_last = re.search(r"(?<!\d)(\d{1,2})\D{0,3}(\d{2})\D{0,3}(\d{4})(?!\d)", text)
    year_last = year_last or re.search(r"(?<!\d)(\d{1,2})\D{1,3}(\d{1,2})\D{1,3}(\d{4})(?!\d)", text)
    if year_last is None:
        return ""
    first, second, year = (int(number) for number in year_last.groups())
    return _valid(year, second, first) if day_first else _valid(year, first, second)


def short_date(text: str, *, latest: date) -> str:
    """An ISO date out of MM/DD/YY or DD MMM YY: the last one that is not after `latest`."""
    text = _digits(folded(text))
    if numbers := re.search(r"(?<!\d)(\d{1,2})[/.-](\d{1,2})[/.-](\d{2})(?!\d)", text):
        month, day, year = (int(number) for number in numbers.groups())
    elif named := re.search(rf"(?<!\d)(\d{{1,2}})[\s./-]{_LETTERS}[\s./-](\d{{2}})(?!\d)", text):
        month, day, year = _month(named[2]), int(named[1]), int(named[3])
    else:
        return ""
    centuries = (_valid(century + year, month, day) for century in (2000, 1900))
    return next((found for found in centuries if found and found <= latest.isoformat()), "")


_MONTH_LETTERS = str.maketrans("051", "OSL")


def _digits(text: str) -> str:
    """The letter O beside a digit or a separator is a zero, and a digit in a month's name a letter."""
    text = re.sub(r"(?<![A-Z])(?:0CT|N0V|5EP|JU1)", lambda month: month[0].translate(_MONTH_LETTERS), text)
    return re.sub(r"(?<=[\d/.-])O(?=[\dO/.-]|$)|(?<![A-Z])O(?=[\dO/.-])", "0", text)


def state(text: str) -> str:
    """Two letters. A code nobody knows passes: issuers add codes, and checks compare them anyway."""
    text = folded(words(text))
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
    """AAMVA's three letters for the colour, from English or French."""
    text = folded(words(text)).partition("/")[0].strip().removesuffix("S").replace("0", "O")
    text = _EYES.get(text, text)
    return text if text in _EYE_CODES else ""


def height(text: str) -> str:
    """`67 in` or `170 cm`, from `5'-07"`, `5-07`, `5 FT 07`, `507`, `067 in`, `170 cm` or `1.70 m`."""
    text = text.upper().replace("O", "0")
    marks = r"['\-\N{RIGHT SINGLE QUOTATION MARK}\N{PRIME}\N{DEGREE SIGN}]"
    if feet := re.search(rf"(?<!\d)([3-8])(?:\s*(?:{marks}|FT)[\s'-]*|\s(?=\d+\"))(\d{{1,2}})(?!\d)", text):
        return _inches(int(feet[1]), int(feet[2]))
    if plain := re.search(r"(\d{2,3})\s*(IN|CM)", text):
        return f"{int(plain[1])} {plain[2].lower()}"
    if metres := re.search(r"(?<!\d)([12])[.,](\d{2})\s*M\b", text):
        return f"{metres[1]}{metres[2]} cm"
    if bare := re.fullmatch(r"\s*([3-8])(\d{2})\s*", text):
        return _inches(int(bare[1]), int(bare[2]))
    return ""


def _inches(feet: int, inches: int) -> str:
    return f"{feet * 12 + inches} in" if inches < 12 else ""
