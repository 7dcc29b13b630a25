"""What a layout is made of: cells in rows, rows in regions, and how they look."""

from __future__ import annotations

from dataclasses import dataclass

from app.dev.specimen_fonts import Face
from app.dev.specimen_people import Colour
from app.dev.specimen_wording import Key

CARD = (1012, 638)
"""An ID-1 card (ISO/IEC 7810: 85.60 by 53.98 mm) at 300 dots per inch."""


@dataclass(frozen=True)
class Cell:
    """One value and its label; `stacked` puts the label above the value."""

    key: Key
    label: str
    size: int
    accent: bool = False
    stacked: bool = False


Row = tuple[Cell, ...]
Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Region:
    """A rectangle of the card, in pixels, and the rows that are set in it from its top."""

    left: int
    top: int
    right: int
    bottom: int
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Look:
    """Typefaces, colours and sizes in pixels."""

    face: Face
    bold: bool
    label_face: Face
    label_size: int
    ink: Colour
    accent: Colour
    label: Colour
    header: int
    """Height of the band that bears the jurisdiction and the title; 0 when they stand on the card itself."""
    beside: int
    """Pixels between a label and its value."""
    pitch: float
    """Blank between rows, of the height of a value."""
    largest: float
    """How far sizes may grow where there is room."""
