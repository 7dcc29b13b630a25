"""Where lines lie on a page, once its remaining skew is taken out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flows.extraction.engine import Line
from flows.extraction.geometry import rotation, slope

_LONG = 6
"""Characters; the slope of a shorter line says little."""


@dataclass(frozen=True)
class Placed:
    """A line in a level frame: x to the right, y downwards, in pixels of the picture."""

    line: Line
    left: float
    right: float
    top: float
    bottom: float

    @property
    def height(self) -> float:
        return max(1.0, self.bottom - self.top)

    @property
    def middle(self) -> float:
        return (self.top + self.bottom) / 2


def placed(lines: Iterable[Line]) -> list[Placed]:
    """The lines from top to bottom, on a page that is levelled first."""
    lines = list(lines)
    slopes = [slope(line.corners) for line in lines if len(line.text) >= _LONG]
    skew = float(np.median(slopes)) if slopes else 0.0
    # Lines that still stand are a page turned by quarters, which is not ours to judge.
    level = rotation(skew if abs(skew) < np.pi / 4 else 0.0)
    found = [_placed(line, line.corners @ level) for line in lines]
    return sorted(found, key=lambda place: (place.middle, place.left))


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
