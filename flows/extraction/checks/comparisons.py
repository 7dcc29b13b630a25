"""What two sources say of one card, field by field: a forger who changes one seldom changes the other.

Every comparison passes only when the fields that make a person and a card were compared and are the same. It
warns when some of these could not be: smearing a name must not be a way around the comparison.

- Names: see `names.same_name`. One slip warns, more fail, so that a changed name never passes. A generation
  (JR, III) after the family name is left out, since a barcode has it apart. Given names agree when the first
  ones do, or all of them written together: issuers draw the line between first and middle names differently.
- Document numbers: equal but for O and 0, I and 1, which no eye tells apart in many typefaces.
- ZIP codes: the first five characters. Dates, sex and everything else: equal.

Street and city are not compared: each issuer abbreviates them differently in print and barcode.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, product

from app.document_checks import CheckName
from flows.extraction.checks.check import Check, Status, failed, not_run, passed, warned, worst
from flows.extraction.checks.names import begins, same_name, without_generation
from flows.extraction.checks.zone import names_are_cut
from flows.extraction.fields import FieldName, Reading

_COMPARED = (
    FieldName.LAST_NAME,
    FieldName.FIRST_NAME,
    FieldName.DATE_OF_BIRTH,
    FieldName.DOCUMENT_NUMBER,
    FieldName.EXPIRATION_DATE,
    FieldName.DATE_OF_ISSUE,
    FieldName.ZIP_CODE_IN_ADDRESS,
    FieldName.SEX,
)
_PERSON = (FieldName.LAST_NAME, FieldName.FIRST_NAME, FieldName.DATE_OF_BIRTH)
_CARD = (*_PERSON, FieldName.DOCUMENT_NUMBER)
_LEAST_COMPARED = 3
"""Two sides that share fewer fields prove nothing about the card: a back bears a few stray words of print."""

_Found = dict[FieldName, Status]


def barcode_matches_print(barcodes: Sequence[Reading], prints: Sequence[Reading]) -> Check:
    """The strongest signal there is offline: a forger changes the print and leaves the barcode.

    One reading for each picture that has the side; every barcode is held against every print, so that a
    back of somebody else shows.
    """
    if not barcodes or not prints:
        side = "print" if barcodes else "barcode"
        return not_run(CheckName.BARCODE_MATCHES_PRINT, f"No {side} was read, so the two were not compared.")
    found = [_compare(barcode, printed) for barcode, printed in product(barcodes, prints)]
    return _judged(CheckName.BARCODE_MATCHES_PRINT, "Barcode and print", found, _CARD)


def mrz_matches_print(zones: Sequence[Reading], prints: Sequence[Reading]) -> Check:
    """The machine-readable zone against what is printed above it, in the same way.

    A zone that is full may have cut names off (ICAO 9303-4, 4.2.3); what is left of them must begin the same.
    """
    if not zones or not prints:
        side = "print" if zones else "machine-readable zone"
        return not_run(CheckName.MRZ_MATCHES_PRINT, f"No {side} was read, so the two were not compared.")
    found = [_compare(zone, printed, cut=names_are_cut(zone)) for zone, printed in product(zones, prints)]
    return _judged(CheckName.MRZ_MATCHES_PRINT, "Zone and print", found, _CARD)


def cards_agree(cards: Sequence[Reading]) -> Check:
    """Whether a licence and a passport of one application are the same person's: names and birth date."""
    found = []
    for left, right in combinations(cards, 2):
        compared = _compare(left, right)
        found.append({name: status for name, status in compared.items() if name in _PERSON})
    return _judged(CheckName.CARDS_AGREE, "The documents", found, _PERSON)


def _judged(check: CheckName, sides: str, pairs: list[_Found], needed: tuple[FieldName, ...]) -> Check:
    found: _Found = {}
    for pair in pairs:
        for name, status in pair.items():
            found[name] = worst((found.get(name, Status.PASS), status))
    different = [name for name, status in found.items() if status is Status.FAIL]
    nearly = [name for name, status in found.items() if status is Status.WARN]
    missing = [name for name in needed if name not in found]
    if different:
        return failed(check, f"{sides} differ in: {', '.join([*different, *nearly])}.")
    if not found:
        return not_run(check, f"{sides} have too few fields in common to be compared.")
    doubts = [f"{sides} differ by one letter in: {', '.join(nearly)}."] if nearly else []
    doubts += [f"{sides} could not be compared in: {', '.join(missing)}."] if missing else []
    if doubts:
        return warned(check, " ".join(doubts))
    return passed(check, f"{sides} agree in {len(found)} fields.")


def _compare(left: Reading, right: Reading, *, cut: bool = False) -> _Found:
    """What became of each field that both sides have; nothing when those are too few."""
    found = {name: _same(name, left, right, cut=cut) for name in _COMPARED if name in left and name in right}
    found = {name: status for name, status in found.items() if status is not Status.NOT_RUN}
    return found if len(found) >= _LEAST_COMPARED else {}


def _same(name: FieldName, left: Reading, right: Reading, *, cut: bool) -> Status:
    one, other = left[name].value, right[name].value
    match name:
        case FieldName.LAST_NAME:
            same = _same_or_cut(one, other, cut=cut)
            return _better(same, same_name(without_generation(one), without_generation(other)))
        case FieldName.FIRST_NAME:
            all_of_them = _same_or_cut(_given(left), _given(right), cut=cut)
            return _better(all_of_them, same_name(one, other))
        case FieldName.DOCUMENT_NUMBER:
            return _equal(_number(one), _number(other))
        case FieldName.ZIP_CODE_IN_ADDRESS:
            return _equal(one[:5], other[:5])
        case _:
            return _equal(one, other)


def _better(one: Status, other: Status) -> Status:
    """The better of two ways of comparing the same thing."""
    order = (Status.PASS, Status.WARN, Status.FAIL, Status.NOT_RUN)
    return min(one, other, key=order.index)


def _same_or_cut(one: str, other: str, *, cut: bool) -> Status:
    return Status.PASS if cut and begins(other, one) else same_name(one, other)


def _given(reading: Reading) -> str:
    middle = reading.get(FieldName.MIDDLE_NAME)
    return f"{reading[FieldName.FIRST_NAME].value} {middle.value if middle else ''}"


def _number(value: str) -> str:
    return value.replace("O", "0").replace("I", "1")


def _equal(one: str, other: str) -> Status:
    return Status.PASS if one == other else Status.FAIL
