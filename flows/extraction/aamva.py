"""Parse the PDF417 content of North American licences and ID cards.

Source: AAMVA DL/ID Card Design Standard (2020), Annex D, versions 01 (2000) to 10 (2020). Real cards break
the rules of structure often (wrong offsets, missing separators), so those are warnings; only a header that
is not there at all is an error.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from flows.extraction import normalise
from flows.extraction.fields import Field, FieldName, Reading, Source

_HEADER = re.compile(rb"@.{0,4}?(?:ANSI |AAMVA)(\d{6})(\d{2})", re.DOTALL)
_EMPTY = frozenset(("", "NONE", "UNAVL", "UNAVAIL"))
_MANDATORY = ("DCS", "DAQ", "DBB", "DBA", "DAG", "DAI", "DAJ", "DAK")


class NotAamva(ValueError):
    """The bytes are no AAMVA card: some other PDF417, such as a boarding pass."""


@dataclass(frozen=True)
class Card:
    """The data elements as they stand, by their three-letter identifiers."""

    version: int
    issuer: str
    subfile: str
    """`DL` for a driver's licence, `ID` for an identification card, `EN` for an enhanced licence."""
    elements: dict[str, str]
    warnings: tuple[str, ...] = ()


def parse(data: bytes) -> Card:
    """Read header, subfile designators and data elements (D.12.3 to D.12.5). Raises NotAamva."""
    header = _HEADER.search(data)
    if header is None:
        raise NotAamva("The barcode does not begin with an AAMVA header.")
    data = data[header.start() :]
    version = int(header[2])
    # Version 01 has no jurisdiction version between its own version and the number of entries.
    at = header.end() - header.start() + (0 if version <= 1 else 2)
    entries = int(data[at : at + 2]) if data[at : at + 2].isdigit() else 1
    designators, body = _designators(data, at + 2, entries)
    elements: dict[str, str] = {}
    warnings: list[str] = []
    for kind, offset, length in designators:
        content, warning = _subfile(data, body, kind, offset, length)
        elements |= _elements(content)
        warnings += [warning] if warning else []
    if not designators:
        warnings.append("no subfile designators")
        elements = _elements(data[body:])
    warnings += [f"element {code} is missing" for code in _MANDATORY if version > 1 and code not in elements]
    kinds = [kind for kind, _, _ in designators if not kind.startswith("Z")]
    return Card(version, header[1].decode(), kinds[0] if kinds else "DL", elements, tuple(warnings))


def _designators(data: bytes, at: int, entries: int) -> tuple[list[tuple[str, int, int]], int]:
    """Type, offset and length of each subfile, and where the designators end."""
    found = []
    for _ in range(entries):
        match = re.compile(rb"([A-Z][A-Z0-9])(\d{4})(\d{4})").match(data, at)
        if match is None:
            break
        found.append((match[1].decode(), int(match[2]), int(match[3])))
        at = match.end()
    return found, at


def _subfile(data: bytes, body: int, kind: str, offset: int, length: int) -> tuple[bytes, str]:
    """A subfile without its type, ended by its carriage return whatever the stated length, and a warning."""
    warning = ""
    start = offset
    if data[offset : offset + 2] != kind.encode():
        warning = f"subfile {kind} is not at its offset"
        start = data.find(kind.encode(), body)
        if start < 0:
            return b"", f"subfile {kind} is not there"
    end = data.find(b"\r", start)
    end = len(data) if end < 0 else end
    if not warning and end + 1 - start != length:
        warning = f"subfile {kind} has another length than stated"
    return data[start + 2 : end], warning


def _elements(content: bytes) -> dict[str, str]:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    found: dict[str, str] = {}
    for line in re.split(r"[\n\r\x1e]", text):
        match = re.match(r"(?:DL|ID|EN)?([DZ][A-Z]{2})(.*)", line) if line[:2] in _KINDS else None
        match = match or re.match(r"([DZ][A-Z]{2})(.*)", line)
        if match and match[2].strip():
            found.setdefault(match[1], match[2].strip())
    return found


_KINDS = ("DL", "ID", "EN")


def fields(card: Card) -> Reading:
    """The card's elements as normalised fields; names and addresses also from older cards' elements."""
    first, middle, last = _names(card)
    kind = "IDENTIFICATION CARD" if card.subfile == "ID" else "DRIVER LICENSE"
    values = {
        FieldName.FIRST_NAME: first,
        FieldName.MIDDLE_NAME: middle,
        FieldName.LAST_NAME: last,
        FieldName.SUFFIX: normalise.words(_first(card, "DCU", "DAE")),
        FieldName.ADDRESS: normalise.words(f"{_first(card, 'DAG', 'DAL')} {_first(card, 'DAH', 'DAM')}"),
        FieldName.CITY_IN_ADDRESS: normalise.name(_first(card, "DAI", "DAN")),
        FieldName.STATE_IN_ADDRESS: normalise.state(_first(card, "DAJ", "DAO")),
        FieldName.ZIP_CODE_IN_ADDRESS: normalise.postal_code(_first(card, "DAK", "DAP")),
        FieldName.DOCUMENT_NUMBER: normalise.number(_first(card, "DAQ")),
        FieldName.DATE_OF_BIRTH: normalise.date_of(_first(card, "DBB")),
        FieldName.DATE_OF_ISSUE: normalise.date_of(_first(card, "DBD")),
        FieldName.EXPIRATION_DATE: normalise.date_of(_first(card, "DBA")),
        FieldName.ID_TYPE: kind,
        FieldName.CLASS: normalise.words(_first(card, "DCA", "DAR")),
        FieldName.RESTRICTIONS: normalise.words(_first(card, "DCB", "DAS")),
        FieldName.ENDORSEMENTS: normalise.words(_first(card, "DCD", "DAT")),
        FieldName.SEX: normalise.sex(_first(card, "DBC")),
        FieldName.EYES: normalise.eyes(_first(card, "DAY")),
        FieldName.HEIGHT: normalise.height(_first(card, "DAU")),
        FieldName.ISSUING_COUNTRY: normalise.words(_first(card, "DCG")),
        FieldName.DOCUMENT_DISCRIMINATOR: normalise.words(_first(card, "DCF")),
    }
    return {
        field: Field(value=value, confidence=100.0, source=Source.BARCODE)
        for field, value in values.items()
        if value
    }


def _first(card: Card, *codes: str) -> str:
    """The first of these elements that says something; `NONE` and `unavl` say nothing."""
    for code in codes:
        value = card.elements.get(code, "").strip()
        if value.upper() not in _EMPTY:
            return value
    return ""


def _names(card: Card) -> tuple[str, str, str]:
    """First, middle and last name. Older cards hold one string: `DAA` all names, `DCT` the given ones."""
    last, first, middle = _first(card, "DCS", "DAB"), _first(card, "DAC"), _first(card, "DAD")
    if not last and (whole := _first(card, "DAA")):
        parts = [part.strip() for part in re.split(r"[,@$]", whole)]
        last, first, middle = (*parts, "", "", "")[:3]
    if not first and (given := _first(card, "DCT")):
        first, _, middle = given.replace(",", " ").strip().partition(" ")
    return normalise.name(first), normalise.name(middle), normalise.name(last)
