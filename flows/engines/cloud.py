"""What every cloud engine is to a flow: a picture goes out, lines with their places come back.

Cloud engines are called by the flow, never by the process that reads pictures: that one has neither
network nor secrets (`remote` is what it has instead).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Protocol

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from app.errors import SluiceError, Unavailable
from flows.extraction.fields import Reading

MAX_PICTURE_BYTES = 6 * 1024 * 1024
"""Vision's requests end at 10 MB, in base64 (quotas, "JSON request object size"), Textract's at 10 MiB."""


class EngineUnavailable(Unavailable):
    """Throttled, out of order or too slow: the same picture may be read a little later."""

    slug, title = "engine-unavailable", "The engine cannot be reached"


class EngineRefused(SluiceError):
    """It will not read the picture, now or later: another engine may."""

    slug, title = "engine-refused", "The engine refused the picture"


Coordinate = Annotated[float, Field(ge=-100_000, le=100_000, allow_inf_nan=False)]
Point = tuple[Coordinate, Coordinate]


class PlacedLine(BaseModel):
    """A line of text; `corners` run clockwise from the letters' upper left, in pixels of the picture."""

    model_config = ConfigDict(frozen=True)

    text: Annotated[str, StringConstraints(min_length=1, max_length=1_000)]
    confidence: Annotated[float, Field(ge=0, le=100)]
    corners: tuple[Point, Point, Point, Point]


class PageText(BaseModel):
    """What an engine found on one picture. It crosses to the reading process as JSON."""

    model_config = ConfigDict(frozen=True)

    lines: tuple[PlacedLine, ...] = ()
    fields: Reading = {}
    """Fields that the engine names by itself; their source is `cloud`."""
    version: str
    """Of the engine, as it states it."""


@dataclass(frozen=True)
class Jpeg:
    """A picture on its way to an engine, at most `MAX_PICTURE_BYTES` long."""

    data: bytes
    width: int
    height: int


class CloudEngine(Protocol):
    """Reads text by asking somebody else's computer."""

    name: str
    """The name the setting chooses it by, kept with every extraction."""

    async def read(self, picture: Jpeg) -> PageText:
        """Every line of text, whichever way round it stands. No line at all is an answer too.

        Raises EngineUnavailable when asking again can help, EngineRefused when it cannot. Neither quotes
        what is on the picture.
        """
        ...
