"""The structure of the PDF417 on North American licences and ID cards: header, subfiles, data elements.

Source: AAMVA DL/ID Card Design Standard (2020), Annex D, and its predecessors: versions 01 (2000), 02 (2003),
03 (2005), 04 (2009), 05 (2010), 06 (2011), 07 (2012), 08 (2013), 09 (2016) and 10 (2020). Real cards break
the rules of structure often (wrong offsets, other separators), so those are warnings; only a header that is
not there at all is an error. What the elements mean is in `aamva_fields`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from flows.extraction.barcodes.aamva_fields import fields_of
from flows.extraction.fields import Reading

_HEADER = re.compile(rb"(?:@[^A]{0,8})?(?:ANSI ?|AAMVA)(\d{6})(\d{2})")
_DESIGNATOR = re.compile(rb"([A-Z][A-Z0-9])(\d{4})(\d{4})")
_FIRST_ELEMENT = re.compile(rb"(?:DL|ID|EN)?D[A-D][A-Z]")
_CARD_SUBFILES = (b"DL", b"ID", b"EN")
_SEPARATORS = re.compile(r"[\n\r\t\x1c-\x1f]+")
_ELEMENT = re.compile(r"(?:(?:DL|ID|EN)(?=[DZ][A-Z]{2}))?([DZ][A-Z]{2})(.*)", re.DOTALL)
_OTHER_SEPARATOR = re.compile(r"[^A-Za-z0-9 ]+ *(?=D[A-D][A-Z])")
"""Punctuation before what may be an identifier: some printers put it between elements."""
_LONGEST = 130
"""Characters; version 01 allows 125 for a full name, and what is longer was never parted."""

_SINCE_2009 = "DCS DAC DAD DAQ DBA DBB DBC DBD DAY DAU DAG DAI DAJ DAK DCF DCG DDE DDF DDG"
_SINCE_2003 = "DCS DCT/DAC DAQ DBA DBB DBC DBD DAG DAI DAJ DAK"
_SINCE_2000 = "DAA/DAB DAQ DBA DBB DAG/DAL DAI/DAN DAJ/DAO DAK/DAP"
"""What every card must hold (table D.3 and its predecessors), older elements as alternatives."""


_MISSING = "missing element"


class NotAamva(ValueError):
    """The bytes are no AAMVA card: some other PDF417, such as a boarding pass."""


@dataclass(frozen=True)
class Card:
    """The data elements as they stand, by their three-letter identifiers."""

    version: int
    issuer: str
    """Six digits; `issuers.state_of` knows whose they are."""
    subfile: str
    """`DL` for a driver's licence, `ID` for an identification card, `EN` for an enhanced licence."""
    elements: dict[str, str]
    warnings: tuple[str, ...] = ()
    """Departures from the standard, by the names of elements and subfiles; no personal data."""


@dataclass(frozen=True)
class _Designator:
    kind: bytes
    offset: int
    length: int


def parse(data: bytes) -> Card:
    """Read header, subfile designators and data elements (D.12.3 to D.12.5). Raises NotAamva."""
    header = _HEADER.search(data)
    if header is None:
        raise NotAamva("The barcode does not begin with an AAMVA header.")
    warnings = [] if header[0].startswith(b"@\n\x1e\rA") else ["the header departs from the standard"]
    data = data[header.start() :]
    version = int(header[2])
    designators, body = _designators(data, header.end() - header.start(), version)
    elements: dict[str, str] = {}
    for designator, start, end in _extents(data, body, designators, warnings):
        content = data[start + len(designator.kind) : end]
        found = _elements(content, warnings)
        # A jurisdiction's own subfile never overrules the standard's elements.
        elements = {**found, **elements}
    if not designators:
        warnings.append("no subfile designators")
        first = _FIRST_ELEMENT.search(data, body)
        elements = _elements(data[first.start() if first else body :], warnings)
    subfile = next((own.kind for own in designators if own.kind in _CARD_SUBFILES), b"DL").decode()
    warnings += _missing(version, elements)
    return Card(version, header[1].decode(), subfile, elements, tuple(warnings))


def begins_as_card(data: bytes) -> bool:
    """Whether there is an AAMVA header at all."""
    return _HEADER.search(data) is not None


def is_whole(data: bytes) -> bool:
    """Whether header, offsets and lengths are as the standard says, which holds of no misread barcode."""
    try:
        warnings = parse(data).warnings
    except NotAamva:
        return False
    return all(warning.startswith(_MISSING) for warning in warnings)


def fields(card: Card) -> Reading:
    """The card's elements as normalised fields; names and addresses also from older cards' elements."""
    return fields_of(card.elements, issuer=card.issuer, subfile=card.subfile)


def _missing(version: int, elements: Collection[str]) -> Iterator[str]:
    mandatory = _SINCE_2009 if version >= 4 else _SINCE_2003 if version >= 2 else _SINCE_2000
    for alternatives in mandatory.split():
        if not any(name in elements for name in alternatives.split("/")):
            yield f"{_MISSING} {alternatives}"


def _designators(data: bytes, at: int, version: int) -> tuple[list[_Designator], int]:
    """The subfile designators and where they end. Version 01 has no jurisdiction version before the number
    of entries, but some cards of it do, and some later ones do not; the number itself is often wrong."""
    for skipped in (2, 4) if version <= 1 else (4, 2):
        found = []
        place = at + skipped
        while match := _DESIGNATOR.match(data, place):
            found.append(_Designator(match[1], int(match[2]), int(match[3])))
            place = match.end()
        if found:
            return found, place
    return [], at


def _extents(
    data: bytes, body: int, designators: list[_Designator], warnings: list[str]
) -> Iterator[tuple[_Designator, int, int]]:
    """Where each subfile begins and ends: at its offset or where it is found instead, up to the next one,
    whatever the stated length."""
    starts: list[tuple[int, _Designator]] = []
    for designator in designators:
        kind = designator.kind.decode()
        start = designator.offset
        if start < body or not data.startswith(designator.kind, start):
            warnings.append(f"subfile {kind} is not at its offset")
            start = _looked_for(data, body, designator.kind)
        if start < 0:
            warnings.append(f"subfile {kind} is not there")
        else:
            starts.append((start, designator))
    starts.sort(key=lambda pair: pair[0])
    ends = [*(start for start, _ in starts), len(data)][1:]
    for (start, designator), end in zip(starts, ends, strict=True):
        stated = start + designator.length
        if stated > end or data[stated:end].strip(b"\r\n\x1e \x00") or data[stated - 1 : stated] != b"\r":
            warnings.append(f"subfile {designator.kind.decode()} has another length than stated")
        yield designator, start, end


def _looked_for(data: bytes, body: int, kind: bytes) -> int:
    """A subfile begins with its type, after the designators or after another one's end; -1 without it."""
    if data.startswith(kind, body):
        return body
    ended = re.search(rb"[\r\n\x1e]" + kind + rb"(?=[DZ][A-Z]{2})", data[body:])
    return body + ended.start() + 1 if ended else data.find(kind, body)


def _elements(content: bytes, warnings: list[str]) -> dict[str, str]:
    """Element by element, with blanks around values removed; the first one that says something counts."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    lines = _SEPARATORS.split(text)
    if any(len(_OTHER_SEPARATOR.findall(line)) > 2 for line in lines):
        warnings.append("elements are not separated as the standard says")
        lines = [part for line in lines for part in _OTHER_SEPARATOR.split(line)]
    found: dict[str, str] = {}
    for line in lines:
        match = _ELEMENT.match(line.lstrip())
        if match and len(match[2]) <= _LONGEST:
            found[match[1]] = found.get(match[1]) or match[2].strip(" \x00")
    return found
