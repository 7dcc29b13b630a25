"""Passports and identity cards with a machine-readable zone: the zone first, then what is printed above it.

The zone's number and dates bear check digits; its names, sex and states do not (ICAO Doc 9303 part 4, 4.2.2)
and are believed only as far as the print agrees.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from functools import partial

from flows.extraction import normalise
from flows.extraction.engine import Line
from flows.extraction.fields import Field, FieldName, Reading, Source, merge
from flows.extraction.passports import mrz, visual_zone
from flows.extraction.passports.countries import is_code
from flows.extraction.passports.mrz_layout import (
    FILLER,
    LAYOUTS,
    birth_date,
    check_digit,
    expiry_date,
    text_at,
)
from flows.extraction.passports.passport_dates import date_of
from flows.extraction.passports.passport_names import respelled
from flows.extraction.passports.visual_labels import Label
from flows.extraction.passports.visual_zone import Value, VisualZone
from flows.extraction.transliteration import spellings

_SURE = 99.0
"""Every check digit passes and nothing was repaired; or there is none, and print and zone say the same."""
_UNCONFIRMED = 88.0
"""At most, where neither a check digit nor the print confirms what the zone says, or the print denies it."""
_DOUBTED = 60.0
"""At most, for what was repaired or fails its check digit."""
_BY_ELIMINATION = 0.8
"""How far a date is believed to be that of issue because it is neither of the other two."""

_GUARDED = {
    FieldName.DOCUMENT_NUMBER: "number",
    FieldName.DATE_OF_BIRTH: "birth",
    FieldName.EXPIRATION_DATE: "expiry",
}
_MOST_MISREAD = 2
"""Characters of a number; a text that differs in more is another number."""
_DATES = (FieldName.DATE_OF_BIRTH, FieldName.EXPIRATION_DATE)
_WORDS = (FieldName.LAST_NAME, FieldName.FIRST_NAME, FieldName.MIDDLE_NAME, FieldName.PLACE_OF_BIRTH)
_UNGUARDED = (FieldName.LAST_NAME, FieldName.FIRST_NAME, FieldName.MIDDLE_NAME, FieldName.SEX)


def read_passport(lines: list[Line], *, today: date) -> Reading:
    """Understand the lines of a page that stands upright; fields that are not there are left out.

    `today` decides the century of years written with two digits. Without a zone the print alone is read. The
    zone as a whole (`MRZ_CODE`) is as sure as the least sure of what it says.
    """
    page = visual_zone.read(lines)
    zone = mrz.find(lines)
    if zone is None:
        return _labelled(page, today)
    machine = _machine(zone, page, today)
    labelled, witnesses = _labelled(page, today), _witnesses(machine, page, today)
    if FieldName.FIRST_NAME in witnesses:  # then all given names agree, however the print's spaces were read
        labelled.pop(FieldName.MIDDLE_NAME, None)
    agreeing = {name: _printed(machine[name].value, value.confidence) for name, value in witnesses.items()}
    printed = _issued(machine, page, today) | labelled | agreeing
    rescued = _rescued_number(zone, page) | {
        name: field for name, field in printed.items() if _rescues(zone, name, field)
    }
    merged = merge([rescued, machine, printed])
    judged = {name: _judged(name, field, witnesses.get(name)) for name, field in merged.items()}
    least = min(judged[name].confidence for name in judged if name in machine or name in _UNGUARDED)
    rows = judged[FieldName.MRZ_CODE].model_copy(update={"confidence": least})
    return judged | {FieldName.MRZ_CODE: rows}


def _machine(zone: mrz.Mrz, page: VisualZone, today: date) -> Reading:
    """What the zone says, its names spelled as the print spells them."""
    last, given = _names(zone, page)
    passport = zone.code.startswith("P") and zone.format == "TD3"
    repaired = _repaired(zone)
    values = {
        FieldName.ID_TYPE: "PASSPORT" if passport else "IDENTIFICATION CARD",
        FieldName.LAST_NAME: last,
        FieldName.FIRST_NAME: given.partition(" ")[0],
        FieldName.MIDDLE_NAME: given.partition(" ")[2],
        FieldName.DOCUMENT_NUMBER: zone.number,
        FieldName.DATE_OF_BIRTH: birth_date(zone.birth, today),
        FieldName.EXPIRATION_DATE: expiry_date(zone.expiry, today),
        FieldName.SEX: zone.sex,
        FieldName.NATIONALITY: zone.nationality,
        FieldName.ISSUING_COUNTRY: zone.issuing_state,
        FieldName.MRZ_CODE: "\n".join(zone.rows),
    }
    return {
        name: Field(
            value=value,
            confidence=round(_confidence(zone, name, doubted=name in repaired), 1),
            source=Source.MRZ,
            repaired=name in repaired,
        )
        for name, value in values.items()
        if value
    }


def _names(zone: mrz.Mrz, page: VisualZone) -> tuple[str, str]:
    """Family and given names in the print's spelling, or in the zone's where the print says otherwise."""
    texts = [value.spelled for value in page.texts]
    if zone.secondary:
        last = respelled(zone.primary, texts)
        given = respelled(zone.secondary, texts, cut=zone.truncated)
        return last or zone.primary, given or zone.secondary
    # The two fillers between the names were read as one: the print may know where they part.
    labelled = [page.labelled.get(label) for label in (Label.SURNAME, Label.GIVEN)]
    last, given = (normalise.name(value.spelled) if value else "" for value in labelled)
    if last and given and respelled(zone.primary, [f"{last} {given}"]):
        return last, given
    return respelled(zone.primary, texts) or zone.primary, ""


def _repaired(zone: mrz.Mrz) -> set[FieldName]:
    """The fields with a repaired character in them or in their check digit, and the zone as a whole."""
    layout = next(own for own in LAYOUTS if own.name == zone.format)
    found = {FieldName.MRZ_CODE} if zone.repaired else set()
    for row, column in zone.repaired:
        for name, part in _GUARDED.items():
            spans, place = layout.guarded[part]
            if any(row == own and start <= column < end for own, start, end in (*spans, place)):
                found.add(name)
        optional, start, end = layout.spans["optional"]
        if row == optional and start <= column < end:  # where a card's long number runs on
            found.add(FieldName.DOCUMENT_NUMBER)
    return found


def _confidence(zone: mrz.Mrz, name: FieldName, *, doubted: bool) -> float:
    if doubted:
        return min(zone.confidence, _DOUBTED)
    if name in _GUARDED:
        if zone.right:
            return _SURE
        return min(zone.confidence, _UNCONFIRMED if zone.checks[_GUARDED[name]] else _DOUBTED)
    if name is FieldName.MRZ_CODE:
        return _SURE if zone.right else min(zone.confidence, _DOUBTED)
    if name in {FieldName.NATIONALITY, FieldName.ISSUING_COUNTRY}:
        return _state_confidence(
            zone, zone.nationality if name is FieldName.NATIONALITY else zone.issuing_state
        )
    return _SURE if name is FieldName.ID_TYPE else min(zone.confidence, _UNCONFIRMED)


def _state_confidence(zone: mrz.Mrz, code: str) -> float:
    """Two states that agree confirm each other; a code that nobody has was misread."""
    if not is_code(code):
        return min(zone.confidence, _DOUBTED)
    return max(zone.confidence, _UNCONFIRMED) if zone.nationality == zone.issuing_state else _UNCONFIRMED


def _labelled(page: VisualZone, today: date) -> Reading:
    """What the labelled print says."""
    past, ahead = partial(birth_date, today=today), partial(expiry_date, today=today)
    meanings: tuple[tuple[Label, FieldName, Callable[[Value], str]], ...] = (
        (Label.SURNAME, FieldName.LAST_NAME, lambda value: normalise.name(value.spelled)),
        (Label.GIVEN, FieldName.FIRST_NAME, lambda value: normalise.name(value.spelled).partition(" ")[0]),
        (Label.GIVEN, FieldName.MIDDLE_NAME, lambda value: normalise.name(value.spelled).partition(" ")[2]),
        (Label.NUMBER, FieldName.DOCUMENT_NUMBER, lambda value: normalise.number(value.text)),
        (Label.BIRTH, FieldName.DATE_OF_BIRTH, lambda value: date_of(value.text, past)),
        (Label.ISSUE, FieldName.DATE_OF_ISSUE, lambda value: date_of(value.text, past)),
        (Label.EXPIRY, FieldName.EXPIRATION_DATE, lambda value: date_of(value.text, ahead)),
        (Label.SEX, FieldName.SEX, lambda value: visual_zone.sex(value.text)),
        (Label.PLACE, FieldName.PLACE_OF_BIRTH, lambda value: _place(value.spelled)),
    )
    return {
        name: _printed(text, _belief(name, value))
        for label, name, meaning in meanings
        if (value := page.labelled.get(label)) and (text := meaning(value))
    }


def _place(text: str) -> str:
    """A place as printed: the last of the full stops of `CALIFORNIA, U.S.A.` ends no sentence."""
    return re.sub(r"(\b\w\.\w)$", r"\1.", normalise.words(text))


def _belief(name: FieldName, value: Value) -> float:
    """How sure a printed value is that nothing confirms."""
    return min(value.confidence, _UNCONFIRMED) if name in _WORDS and value.doubtful else value.confidence


def _witnesses(machine: Reading, page: VisualZone, today: date) -> dict[FieldName, Value]:
    """The texts that confirm what the zone says, with a known label or without, since labels come in many
    languages."""
    said = {name: field.value for name, field in machine.items()}
    given = f"{said.get(FieldName.FIRST_NAME, '')} {said.get(FieldName.MIDDLE_NAME, '')}".strip()
    past, ahead = partial(birth_date, today=today), partial(expiry_date, today=today)
    confirms: dict[FieldName, Callable[[Value], bool]] = {
        FieldName.LAST_NAME: lambda value: _names_agree(said[FieldName.LAST_NAME], value),
        FieldName.FIRST_NAME: lambda value: _names_agree(given, value),
        FieldName.MIDDLE_NAME: lambda value: _names_agree(given, value),
        FieldName.DOCUMENT_NUMBER: lambda value: (
            normalise.number(value.text) == said[FieldName.DOCUMENT_NUMBER]
        ),
        FieldName.DATE_OF_BIRTH: lambda value: date_of(value.text, past) == said[FieldName.DATE_OF_BIRTH],
        FieldName.EXPIRATION_DATE: lambda value: (
            date_of(value.text, ahead) == said[FieldName.EXPIRATION_DATE]
        ),
        FieldName.SEX: lambda value: visual_zone.sex(value.text) == said[FieldName.SEX],
    }
    return {
        name: value
        for name, agrees in confirms.items()
        if name in said and (value := next(filter(agrees, page.texts), None))
    }


def _names_agree(name: str, value: Value) -> bool:
    """Whether the text is this name, spelled as it is or as a zone would have it."""
    texts = [normalise.name(value.spelled), normalise.name(value.text)]
    return name in texts or any(respelled(own, texts) for own in spellings(name))


def _issued(machine: Reading, page: VisualZone, today: date) -> Reading:
    """The date of issue where its label is not known: the only one that is neither of the zone's two."""
    known = {machine[name].value for name in _DATES if name in machine}
    found = {date_of(value.text, partial(birth_date, today=today)): value for value in page.texts}
    left = [(day, value) for day, value in found.items() if day and day not in known]
    if len(left) != 1 or len(known) < len(_DATES) or not min(known) < left[0][0] <= today.isoformat():
        return {}
    [(day, value)] = left
    return {FieldName.DATE_OF_ISSUE: _printed(day, value.confidence * _BY_ELIMINATION)}


def _rescues(zone: mrz.Mrz, name: FieldName, field: Field) -> bool:
    """Whether the print is believed before the zone: where the zone's part was repaired or fails, and the
    printed value passes the check digit that the zone bears for it."""
    part = _GUARDED.get(name)
    if part is None or (zone.checks[part] and name not in _repaired(zone)):
        return False
    layout = next(own for own in LAYOUTS if own.name == zone.format)
    [(row, start, end)], place = layout.guarded[part]
    text = field.value if part == "number" else field.value[2:].replace("-", "")
    fits = len(text) <= end - start and (row, place[1]) not in zone.repaired
    return fits and check_digit(text.ljust(end - start, FILLER)) == text_at(zone.rows, place)


def _rescued_number(zone: mrz.Mrz, page: VisualZone) -> Reading:
    """The printed text that passes the zone's check digit where the zone's own number does not, if it is
    nearly the same."""
    name = FieldName.DOCUMENT_NUMBER
    for value in page.texts:
        field = _printed(normalise.number(value.text), value.confidence)
        same = sum(a == b for a, b in zip(field.value, zone.number, strict=False))
        if len(field.value) == len(zone.number) <= same + _MOST_MISREAD and _rescues(zone, name, field):
            return {name: field}
    return {}


def _judged(name: FieldName, field: Field, witness: Value | None) -> Field:
    """The field with the confidence it has once zone and print have been held against each other."""
    lacking = field.source is Source.OCR and name in _UNGUARDED  # the zone should say it and does not
    accents = witness is not None and witness.accented
    if Source.OCR in field.agreeing and name in _UNGUARDED and not field.repaired and not accents:
        return field.model_copy(update={"confidence": _SURE})
    if field.alternatives or lacking:
        return field.model_copy(update={"confidence": min(field.confidence, _UNCONFIRMED)})
    return field


def _printed(value: str, confidence: float) -> Field:
    return Field(value=value, confidence=round(confidence, 1), source=Source.OCR)
