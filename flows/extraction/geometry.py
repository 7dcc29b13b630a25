"""Where lines and their letters lie on a page, once its remaining skew is taken out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flows.extraction.engine import Line

_LONG = 6
"""Characters; the slope of a shorter line says little."""
_ASLANT = np.radians(12)
"""A line that leans more than this against the others is an overprint, no value."""
_COLUMN_GAP = 1.3
"""Letter heights; words of one value stand 0.3 to 0.6 apart, columns that detection ran together more."""
_MARGIN = 0.7
"""Of a line's box; the height of the letters in it, which gaps are measured in."""


@dataclass(frozen=True, eq=False)
class Placed:
    """A line, or a part of one, in a level frame: x to the right, y downwards, in pixels of the picture."""

    line: Line
    left: float
    right: float
    top: float
    bottom: float

    @property
    def height(self) -> float:
        return max(self.bottom - self.top, 1.0)

    @property
    def middle(self) -> float:
        return (self.top + self.bottom) / 2

    def starts(self) -> list[float]:
        """Where each character of a whole line begins, and where the last one ends."""
        text, gaps = self.line.text, self.line.gaps
        letters = len("".join(text.split()))
        if len(gaps) != letters - 1:
            return [float(x) for x in np.linspace(self.left, self.right, len(text) + 1)]
        blanks = [gap * self.height * _MARGIN for gap in gaps] + [0.0]
        width = max((self.right - self.left - sum(blanks)) / letters, 0.0)
        starts, at, seen = [], self.left, 0
        for character in text:
            starts.append(min(at, self.right))
            if not character.isspace():
                at += width + blanks[seen]
                seen += 1
        return [*starts, self.right]


def placed(lines: Iterable[Line]) -> list[Placed]:
    """The lines from top to bottom, then left to right, on a page that is levelled first; without those that
    run across it."""
    lines = list(lines)
    angle = skew(lines)
    level = rotation(angle)
    found = [
        _placed(line, line.corners @ level)
        for line in lines
        if len(line.text) < _LONG or abs(slope(line.corners) - angle) < _ASLANT
    ]
    return sorted(found, key=lambda place: (place.middle, place.left))


def skew(lines: Iterable[Line]) -> float:
    """The angle in radians that most lines have on the picture."""
    slopes = [slope(line.corners) for line in lines if len(line.text) >= _LONG]
    return float(np.median(slopes)) if slopes else 0.0


def columns(line: Line) -> tuple[int, ...]:
    """Positions in the text before which the picture shows a gap as wide as between two columns."""
    places = [at for at, character in enumerate(line.text) if not character.isspace()]
    if len(line.gaps) != len(places) - 1:
        return ()
    parted = zip(places[1:], line.gaps, strict=True)
    return tuple(at for at, gap in parted if gap > _COLUMN_GAP and line.text[at - 1].isspace())


def rotation(radians: float) -> NDArray[np.float64]:
    """Turns rows of x and y counter-clockwise as seen on a screen, where y points down."""
    cosine, sine = np.cos(radians), np.sin(radians)
    return np.array([[cosine, -sine], [sine, cosine]])


def slope(corners: NDArray[np.floating]) -> float:
    """The slope of a line's longer edge in radians, from -π/2 to π/2."""
    edge = max((corners[1] - corners[0], corners[2] - corners[1]), key=lambda side: float(np.hypot(*side)))
    if edge[0] < 0:
        edge = -edge
    return float(np.arctan2(edge[1], edge[0]))


def _placed(line: Line, corners: NDArray[np.float64]) -> Placed:
    # The mean of two corners, so that what skew is left does not make a long line taller.
    ys = np.sort(corners[:, 1])
    return Placed(
        line,
        left=float(corners[:, 0].min()),
        right=float(corners[:, 0].max()),
        top=float(ys[:2].mean()),
        bottom=float(ys[2:].mean()),
    )
