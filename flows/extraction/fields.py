"""The shape of what was read: named values, each with its confidence, its source and what disagrees.

Names are those of AWS Textract AnalyzeID's field types, so that a cloud engine's answer needs no
translation, plus a few that AnalyzeID lacks.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from pydantic import BaseModel, ConfigDict


class FieldName(StrEnum):
    FIRST_NAME = "FIRST_NAME"
    LAST_NAME = "LAST_NAME"
    MIDDLE_NAME = "MIDDLE_NAME"
    SUFFIX = "SUFFIX"
    ADDRESS = "ADDRESS"
    CITY_IN_ADDRESS = "CITY_IN_ADDRESS"
    STATE_IN_ADDRESS = "STATE_IN_ADDRESS"
    ZIP_CODE_IN_ADDRESS = "ZIP_CODE_IN_ADDRESS"
    STATE_NAME = "STATE_NAME"
    DOCUMENT_NUMBER = "DOCUMENT_NUMBER"
    DATE_OF_BIRTH = "DATE_OF_BIRTH"
    DATE_OF_ISSUE = "DATE_OF_ISSUE"
    EXPIRATION_DATE = "EXPIRATION_DATE"
    ID_TYPE = "ID_TYPE"
    CLASS = "CLASS"
    RESTRICTIONS = "RESTRICTIONS"
    ENDORSEMENTS = "ENDORSEMENTS"
    PLACE_OF_BIRTH = "PLACE_OF_BIRTH"
    MRZ_CODE = "MRZ_CODE"
    # Not among AnalyzeID's types:
    SEX = "SEX"
    EYES = "EYES"
    HEIGHT = "HEIGHT"
    NATIONALITY = "NATIONALITY"
    ISSUING_COUNTRY = "ISSUING_COUNTRY"
    DOCUMENT_DISCRIMINATOR = "DOCUMENT_DISCRIMINATOR"


class Source(StrEnum):
    BARCODE = "barcode"
    MRZ = "mrz"
    OCR = "ocr"
    CLOUD = "cloud"


class Candidate(BaseModel):
    """One reading of a field. `confidence` runs from 0 to 100; dates are ISO, states two letters."""

    model_config = ConfigDict(frozen=True)

    value: str
    confidence: float
    source: Source
    repaired: bool = False
    """Characters were changed until check digits passed, which a wrong value can do too."""


class Field(Candidate):
    """The reading believed most, and the ones that say something else."""

    agreeing: tuple[Source, ...] = ()
    """Other sources that say the same."""
    alternatives: tuple[Candidate, ...] = ()


Reading = dict[FieldName, Field]

CORE = (
    FieldName.FIRST_NAME,
    FieldName.LAST_NAME,
    FieldName.DATE_OF_BIRTH,
    FieldName.DOCUMENT_NUMBER,
    FieldName.EXPIRATION_DATE,
    FieldName.ADDRESS,
    FieldName.CITY_IN_ADDRESS,
    FieldName.STATE_IN_ADDRESS,
    FieldName.ZIP_CODE_IN_ADDRESS,
)
"""What an underwriter needs of every licence."""


def merge(readings: Iterable[Reading]) -> Reading:
    """One reading out of several, the most trusted first; what differs is kept as an alternative."""
    merged: Reading = {}
    for reading in readings:
        for name, field in reading.items():
            merged[name] = _joined(merged[name], field) if name in merged else field
    return merged


def said_by(reading: Reading, source: Source) -> Reading:
    """What one source says, out of a merged reading, whether it was believed, agreed or was overruled."""
    said: Reading = {}
    for name, field in reading.items():
        if source is field.source or source in field.agreeing:
            repaired = field.repaired and source is field.source
            said[name] = Field(
                value=field.value, confidence=field.confidence, source=source, repaired=repaired
            )
            continue
        own = next((other for other in field.alternatives if other.source is source), None)
        if own is not None:
            said[name] = Field(**own.model_dump())
    return said


def _joined(known: Field, other: Field) -> Field:
    agreeing, alternatives = list(known.agreeing), list(known.alternatives)
    agreeing += other.agreeing if other.value == known.value else ()
    for candidate in (other, *other.alternatives):
        if candidate.value == known.value:
            agreeing.append(candidate.source)
        elif (candidate.value, candidate.source) not in {(own.value, own.source) for own in alternatives}:
            alternatives.append(
                Candidate(
                    value=candidate.value,
                    confidence=candidate.confidence,
                    source=candidate.source,
                    repaired=candidate.repaired,
                )
            )
    others = tuple(dict.fromkeys(source for source in agreeing if source is not known.source))
    return known.model_copy(update={"agreeing": others, "alternatives": tuple(alternatives)})
