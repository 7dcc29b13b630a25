"""What an AAMVA card's data elements mean, in the words of every version since 2000.

Source: AAMVA DL/ID Card Design Standard (2020), tables D.3 and D.4, and the standard of 2000, whose elements
DAA, DAB, DAE, DAL to DAP, DAR to DAT and DAV older cards still bear.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from flows.extraction import normalise
from flows.extraction.barcodes.issuers import country_of
from flows.extraction.fields import Field, FieldName, Reading, Source

_EMPTY = frozenset(("", "NONE", "UNAVL", "UNAVAIL"))
_SUFFIX = re.compile(r"(?:JR|SR|I{1,3}|IV|V|VI{0,3}|IX|[1-9](?:ST|ND|RD|TH))\.?")
_TRUNCATED = {FieldName.LAST_NAME: "DDE", FieldName.FIRST_NAME: "DDF", FieldName.MIDDLE_NAME: "DDG"}
"""The elements that say whether a name was cut to fit: T, N, or U for unknown (table D.3)."""
_CUT = 90.0
"""Confidence in a name that the barcode itself says is not whole."""

Elements = Mapping[str, str]


def fields_of(elements: Elements, *, issuer: str, subfile: str) -> Reading:
    """The elements as normalised fields; what says nothing, or cannot be understood, is left out."""
    last, first, middle, suffix = _names(elements)
    values = {
        FieldName.FIRST_NAME: first,
        FieldName.MIDDLE_NAME: middle,
        FieldName.LAST_NAME: last,
        FieldName.SUFFIX: suffix,
        FieldName.ADDRESS: normalise.words(
            f"{_first(elements, 'DAG', 'DAL')} {_first(elements, 'DAH', 'DAM')}"
        ),
        FieldName.CITY_IN_ADDRESS: normalise.name(_first(elements, "DAI", "DAN")),
        FieldName.STATE_IN_ADDRESS: normalise.state(_first(elements, "DAJ", "DAO")),
        FieldName.ZIP_CODE_IN_ADDRESS: normalise.postal_code(_first(elements, "DAK", "DAP")),
        FieldName.DOCUMENT_NUMBER: normalise.number(_first(elements, "DAQ")),
        FieldName.DATE_OF_BIRTH: normalise.date_of(_first(elements, "DBB")),
        FieldName.DATE_OF_ISSUE: normalise.date_of(_first(elements, "DBD")),
        FieldName.EXPIRATION_DATE: normalise.date_of(_first(elements, "DBA")),
        FieldName.ID_TYPE: "IDENTIFICATION CARD" if subfile == "ID" else "DRIVER LICENSE",
        FieldName.CLASS: normalise.words(_first(elements, "DCA", "DAR")),
        FieldName.RESTRICTIONS: normalise.words(_first(elements, "DCB", "DAS")),
        FieldName.ENDORSEMENTS: normalise.words(_first(elements, "DCD", "DAT")),
        FieldName.SEX: normalise.sex(_first(elements, "DBC")),
        FieldName.EYES: normalise.eyes(_first(elements, "DAY")),
        FieldName.HEIGHT: _height(elements),
        FieldName.ISSUING_COUNTRY: normalise.words(_first(elements, "DCG")) or country_of(issuer),
        FieldName.DOCUMENT_DISCRIMINATOR: normalise.words(_first(elements, "DCF")),
    }
    return {
        name: Field(value=value, confidence=_confidence(elements, name), source=Source.BARCODE)
        for name, value in values.items()
        if value
    }


def _confidence(elements: Elements, name: FieldName) -> float:
    cut = name in _TRUNCATED and elements.get(_TRUNCATED[name], "").upper() == "T"
    return _CUT if cut else 100.0


def _first(elements: Elements, *codes: str) -> str:
    """The first of these elements that says something; `NONE` and `unavl` say nothing (D.12.5.1)."""
    for code in codes:
        value = elements.get(code, "").strip()
        if value.upper() not in _EMPTY:
            return value
    return ""


def _names(elements: Elements) -> tuple[str, str, str, str]:
    """Last, first and middle names and suffix. Older cards hold one string: DAA all names, DCT the given
    ones, with commas, dollar signs, at signs or blanks between."""
    last, first, middle = (_first(elements, *own) for own in (("DCS", "DAB"), ("DAC",), ("DAD",)))
    suffix = _first(elements, "DCU", "DAE")
    if not last and (whole := _first(elements, "DAA")):
        last, first, middle, of_name = _whole_name(whole)
        suffix = suffix or of_name
    if not first and (given := _first(elements, "DCT")):
        first, middle = _given(given)
    elif not middle:
        first, middle = _given(first) if "," in first else (first, middle)
    if not suffix:
        last, suffix = _without_suffix(last)
    middle = re.sub(r"[,$@]", " ", middle)
    return normalise.name(last), normalise.name(first), normalise.name(middle), normalise.words(suffix)


def _whole_name(whole: str) -> tuple[str, str, str, str]:
    """Last, first, middle and suffix as the 2000 standard orders them; with blanks alone some issuers write
    first, middle, last instead."""
    parts = [part.strip() for part in re.split(r"[,@$]", whole)]
    suffix = ""
    if len(parts) == 1:
        words = whole.split()
        if len(words) > 2 and _SUFFIX.fullmatch(words[-1].upper()):
            suffix = words.pop()
        return words[-1], " ".join(words[:1]) if len(words) > 1 else "", " ".join(words[1:-1]), suffix
    # A fourth part is the suffix; a third one only when it can be no initial.
    if len(parts) > 2 and _SUFFIX.fullmatch(parts[-1].upper()) and (len(parts) > 3 or len(parts[-1]) > 1):
        suffix = parts.pop()
    first, _, second = parts[1].partition(" ")
    return parts[0], first, " ".join([second, *parts[2:]]).strip(), suffix


def _given(names: str) -> tuple[str, str]:
    first, _, middle = re.sub(r"[,$@]", " ", names).strip().partition(" ")
    return first, middle.strip()


def _without_suffix(last: str) -> tuple[str, str]:
    """A family name with JR, III or the like after it, apart from it; V alone may be anything."""
    name, _, suffix = last.replace(",", " ").strip().rpartition(" ")
    return (
        (name.strip(), suffix)
        if name and len(suffix) > 1 and _SUFFIX.fullmatch(suffix.upper())
        else (last, "")
    )


def _height(elements: Elements) -> str:
    """`67 in` or `170 cm`. Without a unit, three digits are feet and inches (version 01), inches with a
    leading zero, or centimetres; DAV is centimetres."""
    written = _first(elements, "DAU")
    if found := normalise.height(written):
        return found
    digits = written.strip()
    if re.fullmatch(r"0?[4-9]\d", digits):
        return f"{int(digits)} in"
    if not re.fullmatch(r"[12]\d{2}", digits):
        digits = _first(elements, "DAV").upper().removesuffix("CM").strip()
    return f"{int(digits)} cm" if re.fullmatch(r"[12]\d{2}", digits) else ""
