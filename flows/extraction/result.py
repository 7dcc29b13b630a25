"""What reading one file gives: the fields, what can be said of the picture, and how it was done.

It crosses from the reading process to the flow as JSON, and is stored as such. So it is made of plain
values, and this module loads neither pictures nor engines.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

from flows.extraction.checks import Check, Recommendation
from flows.extraction.fields import Field, FieldName

Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
"""256 bits in hexadecimal."""


class Kind(StrEnum):
    """What the file turned out to show, whatever it was uploaded as."""

    LICENSE_FRONT = "license-front"
    LICENSE_BACK = "license-back"
    LICENSE = "license"
    """Front and back, on one picture or on two pages."""
    PASSPORT = "passport"
    IDENTITY_CARD = "identity-card"
    """A card with a machine-readable zone (ICAO 9303 parts 5 and 6)."""


class Extraction(BaseModel):
    """What was read, what was checked, and by what. `model_dump(mode="json")` is the stored form."""

    model_config = ConfigDict(frozen=True)

    kind: Kind
    fields: dict[FieldName, Field]
    checks: tuple[Check, ...]
    recommendation: Recommendation
    engine: str
    versions: dict[str, str]
    timings: dict[str, float]
    """Seconds by step, and `total`."""
    sha256: Digest
    """Of the uploaded file."""
    image_hashes: tuple[Digest, ...] = ()
    """The difference hash of each page, by which a picture is known again that was only stored anew."""
