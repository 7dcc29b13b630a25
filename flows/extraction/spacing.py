"""Put back the spaces that text recognition loses.

The recogniser often drops the narrow space of a bold typeface (`AISHAQUINN`, `DE LACRUZ`), and a name or an
address is wrong without it. The gap is still there in the picture: columns without ink between two
characters whose places the recogniser does report.
"""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

Strip = NDArray[np.uint8]
"""One line of text in grey, level and upright."""

_LEAST_GAP = 0.25
"""Of the letters' height. Measured: 0.3 to 0.6 between words, up to 0.23 between letters such as M and I."""
_LEAST_JUMP = 0.08
"""Gaps between words must stand clear of the gaps between letters, which are wide in some typefaces."""


def gaps(centres: list[float], strip: Strip) -> tuple[float, ...]:
    """The blank between each two neighbouring characters, in letter heights; 0.0 where letters touch.

    `centres` holds the horizontal middle of each character that is not a space, in the strip's pixels.
    """
    found = [0.0] * max(0, len(centres) - 1)
    blanks, height = _blanks(strip)
    middles = (np.array(centres[:-1]) + np.array(centres[1:])) / 2
    for start, end in blanks:
        nearest = int(np.argmin(np.abs(middles - (start + end) / 2)))
        found[nearest] = max(found[nearest], (end - start) / height)
    return tuple(found)


def respace(text: str, between: tuple[float, ...]) -> str:
    """The text with a space wherever `between`, the gaps of its characters, shows one. Two digits are never
    parted, because a 1 stands apart by itself."""
    letters = text.split()
    whole = "".join(letters)
    if len(between) != len(whole) - 1:
        return text
    least = _least_word_gap(between)
    spaced = whole[:1]
    ends = set(np.cumsum([len(word) for word in letters]).tolist())
    for place, (left, right, gap) in enumerate(zip(whole, whole[1:], between, strict=False), start=1):
        parted = gap > least and left.isalnum() and right.isalnum() and (left.isalpha() or right.isalpha())
        spaced += (" " if parted or place in ends else "") + right
    return spaced


def _least_word_gap(between: tuple[float, ...]) -> float:
    """Where the line's gaps fall into two kinds: the widest jump among them, sorted; infinite without one."""
    ordered = [0.0, *sorted(gap for gap in between if gap > 0)]
    jumps = [
        (upper - lower, (upper + lower) / 2)
        for lower, upper in pairwise(ordered)
        if upper >= _LEAST_GAP and upper - lower >= _LEAST_JUMP
    ]
    return max(jumps, default=(0.0, float("inf")))[1]


def _blanks(strip: Strip) -> tuple[list[tuple[int, int]], int]:
    """Runs of columns without ink between the first letter and the last, and the letters' height."""
    threshold, _ = cv2.threshold(strip, 0, 255, cv2.THRESH_OTSU)
    ink = strip < threshold
    if ink.mean() > 0.5:  # light letters on a dark ground
        ink = ~ink
    rows = np.flatnonzero(ink.sum(axis=1) > 0.02 * ink.shape[1])
    columns = np.flatnonzero(ink.any(axis=0))
    if len(rows) == 0 or len(columns) == 0:
        return [], 1
    steps = zip(columns[:-1].tolist(), columns[1:].tolist(), strict=True)
    return [(left + 1, right) for left, right in steps if right - left > 1], int(rows[-1] - rows[0] + 1)
