"""What specimens call things and how they write them: labels by style, dates, heights, titles.

The numbers are those of the AAMVA standard (2020, table A.2); the words are ones issuers do print.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Literal


class LabelStyle(StrEnum):
    """How labels look, from AAMVA's numbers alone to hardly any."""

    NUMBERS = "numbers"
    """Numbers alone."""
    NUMBERED = "numbered"
    """Number and word."""
    DOTTED = "dotted"
    """Number and word with a full stop and a colon."""
    WORDS = "words"
    """Short words."""
    COLONS = "colons"
    """Short words with a colon."""
    TITLES = "titles"
    """Whole words, mostly above their values."""
    BILINGUAL = "bilingual"
    """English and French."""
    BARE = "bare"
    """Short words, and none for name and address."""


NameStyle = Literal["family first", "given first", "three", "family, given", "given family"]
Key = str

NUMBERS: Mapping[Key, str] = {
    "last": "1", "given": "2", "first": "2", "middle": "", "name": "1,2", "born": "3", "issued": "4a",
    "expires": "4b", "number": "4d", "discriminator": "5", "street": "8", "class": "9", "endorsements": "9a",
    "restrictions": "12", "sex": "15", "height": "16", "weight": "17", "eyes": "18", "hair": "19",
}  # fmt: skip

_SHORT: Mapping[Key, tuple[str, ...]] = {
    "last": ("LN", "LAST"), "given": ("FN", "FIRST"), "first": ("FN", "FIRST"), "middle": ("MN", "MIDDLE"),
    "name": ("NAME",), "born": ("DOB", "D.O.B."), "issued": ("ISS", "ISSUED"), "expires": ("EXP", "EXPIRES"),
    "number": ("DL", "DLN", "LIC#", "DL NO", "LIC NO", "DL#"), "discriminator": ("DD",),
    "street": ("ADDR", "ADDRESS", ""), "class": ("CLASS", "CL"), "endorsements": ("END",),
    "restrictions": ("REST", "RSTR", "RESTR"), "sex": ("SEX",), "height": ("HGT", "HT"),
    "weight": ("WGT", "WT"), "eyes": ("EYES",), "hair": ("HAIR",),
}  # fmt: skip
_WHOLE: Mapping[Key, tuple[str, ...]] = {
    "last": ("LAST NAME", "FAMILY NAME", "SURNAME"), "first": ("FIRST NAME",), "middle": ("MIDDLE NAME",),
    "given": ("FIRST AND MIDDLE NAME", "GIVEN NAMES", "FIRST NAME"), "name": ("NAME", "FULL NAME"),
    "born": ("DATE OF BIRTH", "BIRTH DATE"), "issued": ("ISSUE DATE", "ISSUED", "DATE OF ISSUE"),
    "expires": ("EXPIRATION DATE", "EXPIRES", "EXPIRY DATE", "EXP DATE"),
    "number": ("LICENSE NO.", "LICENSE NUMBER", "DRIVER LICENSE NO.", "DL NUMBER", "NUMBER", "CUSTOMER ID"),
    "discriminator": ("DOCUMENT DISCRIMINATOR", "DD"), "street": ("ADDRESS", "RESIDENCE ADDRESS"),
    "class": ("CLASS",), "endorsements": ("ENDORSEMENTS",), "restrictions": ("RESTRICTIONS",),
    "sex": ("SEX",), "height": ("HEIGHT",), "weight": ("WEIGHT",), "eyes": ("EYES", "EYE COLOR"),
    "hair": ("HAIR", "HAIR COLOR"),
}  # fmt: skip
_BILINGUAL: Mapping[Key, tuple[str, ...]] = {
    "last": ("SURNAME/NOM", "LAST NAME/NOM"), "given": ("GIVEN NAMES/PRÉNOMS",), "first": ("FIRST/PRÉNOM",),
    "middle": ("MIDDLE/AUTRE",), "name": ("NAME/NOM",), "born": ("DOB/DDN",), "issued": ("ISS/DÉL",),
    "expires": ("EXP/EXP",), "number": ("NUMBER/NUMÉRO", "NO./N°"), "discriminator": ("DD/RÉF",),
    "street": ("ADDRESS/ADRESSE",), "class": ("CLASS/CATÉG.",), "endorsements": ("END/AUTOR.",),
    "restrictions": ("REST/COND",), "sex": ("SEX/SEXE",), "height": ("HGT/HAUT",), "weight": ("WGT/POIDS",),
    "eyes": ("EYES/YEUX",), "hair": ("HAIR/CHEVEUX",),
}  # fmt: skip
_FOR_IDENTIFICATION = ("ID", "ID NO", "ID#", "IDN")
_WHOLE_FOR_IDENTIFICATION = ("ID NUMBER", "IDENTIFICATION NO.", "ID CARD NUMBER")
_UNLABELLED = frozenset(("last", "given", "name", "street"))


def labels(style: LabelStyle, rng: random.Random, *, identification: bool) -> dict[Key, str]:
    """The label of every value in this style; some styles leave some empty."""
    words = {LabelStyle.TITLES: _WHOLE, LabelStyle.BILINGUAL: _BILINGUAL}.get(style, _SHORT)
    chosen = {key: rng.choice(options) for key, options in words.items()}
    if identification and style is not LabelStyle.BILINGUAL:
        chosen["number"] = rng.choice(
            _WHOLE_FOR_IDENTIFICATION if style is LabelStyle.TITLES else _FOR_IDENTIFICATION
        )
    names_have_words = rng.random() < 0.3
    capitals = rng.random() < 0.75 or style is LabelStyle.BILINGUAL
    dot = rng.choice((".", ".", ":"))
    return {
        key: _label(key, word if capitals else _in_lower_case(word), style, dot, words_too=names_have_words)
        for key, word in chosen.items()
    }


def _label(key: Key, word: str, style: LabelStyle, dot: str, *, words_too: bool) -> str:
    number = NUMBERS[key]
    # Most issuers print the bare number before names and address, whose meaning is plain.
    plain = key in {"last", "given", "first", "street"} and not words_too
    numbered = number if plain else f"{number} {word}".strip()
    dotted = f"{number}." if plain else f"{number}{dot} {word.removesuffix('.')}:".lstrip(".: ")
    return {
        LabelStyle.NUMBERS: number or word,
        LabelStyle.NUMBERED: numbered,
        LabelStyle.DOTTED: dotted,
        LabelStyle.BILINGUAL: f"{number} {word}".strip() if words_too else word,
        LabelStyle.COLONS: f"{word}:" if word else "",
        LabelStyle.BARE: "" if key in _UNLABELLED else word,
    }.get(style, word)


_ABBREVIATIONS = frozenset(("DL", "DLN", "DOB", "D.O.B.", "LN", "FN", "MN", "DD", "ID", "IDN", "DL#", "ID#"))


def _in_lower_case(word: str) -> str:
    """`Exp Date`, but `DOB`."""
    return " ".join(part if part in _ABBREVIATIONS else part.title() for part in word.split(" "))


@dataclass(frozen=True)
class Formats:
    """How dates, heights, eyes and the city's line are written on one layout."""

    date: Callable[[date], str]
    feet: Callable[[int, int], str]
    eyes_in_full: bool
    city_comma: bool
    weight_unit: str


_DATES: tuple[Callable[[date], str], ...] = (
    lambda day: f"{day:%m/%d/%Y}",
    lambda day: f"{day:%m/%d/%Y}",
    lambda day: f"{day:%m-%d-%Y}",
    lambda day: f"{day:%d %b %Y}".upper(),
    lambda day: f"{day:%b %d, %Y}".upper(),
)
_YEAR_FIRST: tuple[Callable[[date], str], ...] = (
    lambda day: f"{day:%Y/%m/%d}",
    lambda day: f"{day:%Y-%m-%d}",
    lambda day: f"{day:%Y-%b-%d}".upper(),
)
_FEET: tuple[Callable[[int, int], str], ...] = (
    lambda feet, inches: f"{feet}'-{inches:02d}\"",
    lambda feet, inches: f"{feet}'{inches:02d}\"",
    lambda feet, inches: f"{feet}-{inches:02d}",
    lambda feet, inches: f"{feet}' {inches}\"",
)


def formats(rng: random.Random, *, metric: bool) -> Formats:
    """Formats drawn together: year-first dates where centimetres are."""
    return Formats(
        date=rng.choice(_YEAR_FIRST if metric else _DATES),
        feet=rng.choice(_FEET),
        eyes_in_full=rng.random() < 0.1,
        city_comma=rng.random() < 0.7,
        weight_unit="kg" if metric else rng.choice((" lb", " lbs", "")),
    )


EYES_IN_FULL = {
    "BRO": "BROWN", "BLU": "BLUE", "GRN": "GREEN", "HAZ": "HAZEL", "BLK": "BLACK", "GRY": "GRAY",
}  # fmt: skip

_LICENCE = ("DRIVER LICENSE", "DRIVER LICENSE", "DRIVER'S LICENSE", "Driver License", "Driver's License")
_IDENTIFICATION = ("IDENTIFICATION CARD", "ID CARD", "Identification Card")


def title(style: LabelStyle, rng: random.Random, *, identification: bool) -> str:
    """The card's title; bilingual ones name it twice."""
    if style is LabelStyle.BILINGUAL:
        french = ("IDENTIFICATION CARD / CARTE D'IDENTITÉ", "DRIVER'S LICENCE / PERMIS DE CONDUIRE")
        return french[0 if identification else 1]
    return rng.choice(_IDENTIFICATION if identification else _LICENCE)
