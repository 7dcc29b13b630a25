"""Lines and readings for tests of what is made of them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from flows.extraction.engine import Line
from flows.extraction.fields import Field, FieldName, Reading, Source

LICENSE = {
    "LAST_NAME": "O'NEIL",
    "FIRST_NAME": "ANNA",
    "MIDDLE_NAME": "MARIE",
    "DATE_OF_BIRTH": "1980-01-31",
    "DOCUMENT_NUMBER": "D1234567",
    "DATE_OF_ISSUE": "2024-02-01",
    "EXPIRATION_DATE": "2031-05-14",
    "ADDRESS": "12 MAIN ST",
    "CITY_IN_ADDRESS": "SACRAMENTO",
    "STATE_IN_ADDRESS": "CA",
    "ZIP_CODE_IN_ADDRESS": "95814-1234",
    "SEX": "F",
}
"""What a licence's two sides say."""

ZONE = "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<\nL898902C36UTO7408122F1204159ZE184226B<<<<<10"
"""The specimen of ICAO 9303-4, appendix B."""

PASSPORT = {
    "ID_TYPE": "PASSPORT",
    "LAST_NAME": "ERIKSSON",
    "FIRST_NAME": "ANNA",
    "MIDDLE_NAME": "MARIA",
    "DATE_OF_BIRTH": "1974-08-12",
    "DOCUMENT_NUMBER": "L898902C3",
    "EXPIRATION_DATE": "2012-04-15",
    "NATIONALITY": "UTO",
    "SEX": "F",
}


def line(text: str, x: float, y: float, height: float = 30) -> Line:
    """A line of text at a place; half its height per character."""
    width = len(text) * height / 2
    corners = np.array([(x, y), (x + width, y), (x + width, y + height), (x, y + height)], dtype=np.float32)
    return Line(text, 99.0, corners)


def reading(
    values: Mapping[str, str],
    source: Source = Source.OCR,
    *,
    confidence: float = 99.0,
    repaired: bool = False,
) -> Reading:
    return {
        FieldName(name): Field(value=value, confidence=confidence, source=source, repaired=repaired)
        for name, value in values.items()
    }
