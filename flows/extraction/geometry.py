"""Which way lines run on a page, and turning them level."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


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
