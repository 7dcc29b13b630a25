"""Put back the spaces that text recognition loses.

The recogniser often drops the narrow space of a bold typeface (`AISHAQUINN`, `DE LACRUZ`), and a name or an
address is wrong without it. The gap is still there in the picture: columns without ink between two
characters whose places the recogniser does report.
"""

from __future__ import annotations

import re
from itertools import pairwise
from statistics import median

import cv2
import numpy as np
from numpy.typing import NDArray

Strip = NDArray[np.uint8]
"""One line of text in grey, level and upright."""

_LEAST_GAP = 0.3
"""Of the letters' height. Measured: 0.3 to 0.6 between words, up to 0.3 between letters such as N and D."""
_LEAST_RATIO = 1.7
"""Of a gap between words to the next narrower one, on a line that shows no space: some typefaces are wide."""
_CLEAR_GAP, _CLEAR_RATIO, _ENOUGH_GAPS = 0.24, 2.2, 4
"""A narrower gap parts words too where it stands out more among enough of them."""
_LIKE_KNOWN = 0.75
"""Of the spaces that were read on the same line: a lost one is about as wide."""
_UNLIKE_KNOWN = 1.7
"""A gap so much wider than the spaces beside it belongs elsewhere: the letters' places are off by one or two
where a small label ends and its value begins."""
SEEN_SPACE = 0.15
"""Letter heights; a space that was read and does not show shows that the gaps are not to be trusted."""
_WIDEST = 5.0
"""A wider gap was no gap: glare has eaten the letters, and the measure of them."""


def gaps(centres: list[float], strip: Strip) -> tuple[float, ...]:
    """The blank between each two neighbouring characters, in letter heights; 0.0 where letters touch, and
    empty where letters cannot be told from their ground.

    `centres` holds the horizontal middle of each character that is not a space, in the strip's pixels. A
    blank before the first or behind the last parts the line from what stands beside it, and says nothing.
    """
    found = [0.0] * max(0, len(centres) - 1)
    blanks, height = _blanks(strip)
    for start, end in blanks:
        place = int(np.searchsorted(centres, (start + end) / 2)) - 1
        if 0 <= place < len(found):
            found[place] = max(found[place], (end - start) / height)
    return tuple(found) if max(found, default=0.0) < _WIDEST else ()


def respace(text: str, between: tuple[float, ...]) -> str:
    """The text with a space wherever `between`, the gaps of its characters, shows one. Two digits are never
    parted, because a 1 stands apart by itself."""
    letters = text.split()
    whole = "".join(letters)
    if len(between) != len(whole) - 1:
        return text
    ends = set(np.cumsum([len(word) for word in letters]).tolist())
    known = [between[end - 1] for end in ends if end < len(whole)]
    if min(known, default=SEEN_SPACE) < SEEN_SPACE:
        return text
    least = _least_word_gap(between, known)
    most = _UNLIKE_KNOWN * median(known) if known else _WIDEST
    spaced = whole[:1]
    for place, (left, right, gap) in enumerate(zip(whole, whole[1:], between, strict=False), start=1):
        parted = (
            least < gap < most and left.isalnum() and right.isalnum() and (left.isalpha() or right.isalpha())
        )
        parted = parted and whole[place + 1 : place + 2] != "-"  # no word is one letter before a hyphen
        spaced += (" " if parted or place in ends else "") + right
    return text if _crumbled(text, spaced) else spaced


def _crumbled(text: str, spaced: str) -> bool:
    """Whether single letters came off inside words (CI T Y): where glare has eaten ink, not where spaces were
    lost. The last word of a line may well be an initial."""
    letters = set(re.findall(r"\b\w(?= )", spaced)) - set(re.findall(r"\b\w(?= )", text))
    return bool(letters)


def _least_word_gap(between: tuple[float, ...], known: list[float]) -> float:
    """How wide a gap is at least that parts words: judged by the line's `known` spaces, or else by where its
    gaps fall into two kinds; infinite when they do not."""
    if known:
        return max(_LIKE_KNOWN * median(known), _LEAST_GAP)
    ordered = [0.05, *sorted(gap for gap in between if gap > 0.05)]
    jumps = [
        (upper / lower, (upper + lower) / 2)
        for lower, upper in pairwise(ordered)
        if (upper >= _LEAST_GAP and upper / lower >= _LEAST_RATIO)
        or (upper >= _CLEAR_GAP and upper / lower >= _CLEAR_RATIO and len(between) >= _ENOUGH_GAPS)
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
