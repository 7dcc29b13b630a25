"""What can be said of a picture as a photo: whether it is sharp, washed out by glare, and seen before."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from flows.extraction.intake.picture import Grey, Pixels, reduced

_SIDE = 1_000
"""Pixels of the longer side at which photos are measured, so that cameras compare."""

_WASHED_OUT = 250
"""Of 255, in every colour: where the lamp's reflection left nothing to read."""
_LEAST_BLOB = 0.002
"""Share of the picture; smaller reflections lie between letters."""
_SOLID = 0.9
"""Share of a blob's outline that is washed out. White paper has letters in it, a reflection has none."""
_RIM = 2
"""Pixels around a blob."""
_FADING = 243
"""Of 255, around a blob: a reflection fades into the card, a white box ends at its edge."""


_OUTLINE_SIDE = 400
"""Pixels of the longer side at which margins are looked for."""
_SOBEL = 8
"""What a Sobel filter's answer is divided by to be a slope."""
_STEEP = 8
"""Of 255, a pixel; the grain of paper and of JPEG stays below."""
_BUSY = 0.05
"""Share of a row or column that is steep; the margins of a page have less."""
_FAINT, _SPECK = 3, 0.004
"""How steep, and what share of a row or column, for what may be print: a letter or two in grey have more."""
_AROUND = 0.03
"""Of a part's longer side, that is kept around it."""
_SMALLEST = 0.1
"""Share of a side; what is smaller is no document, and the whole picture is compared instead."""


def sharpness(grey: Grey) -> float:
    """Variance of the Laplacian: a clean scan about 1,600, a phone's photo 255, unreadable below 100."""
    _, spread = cv2.meanStdDev(cv2.Laplacian(_measured(grey), cv2.CV_16S))
    return float(spread[0, 0] ** 2)


def glare(pixels: Pixels) -> float:
    """Share of the picture, 0 to 1, that reflections have washed out.

    A reflection is a solid blob of white that fades into its surroundings and lies within the picture; paper,
    a white card and a scan's margins are white too.
    """
    red, green, blue = cv2.split(_measured(pixels))
    least = np.asarray(cv2.min(cv2.min(red, green), blue), dtype=np.uint8)
    white = cv2.morphologyEx(
        (least >= _WASHED_OUT).astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), dtype=np.uint8)
    )
    count, labels, boxes, _ = cv2.connectedComponentsWithStats(white)
    blobs = (boxes[number] for number in range(1, count))
    found = 0
    for number, (left, top, width, height, area) in enumerate(blobs, start=1):
        inside = left > 0 and top > 0 and left + width < white.shape[1] and top + height < white.shape[0]
        if inside and area >= _LEAST_BLOB * white.size and _is_reflection(labels == number, area, least):
            found += int(area)
    return found / white.size


def _is_reflection(blob: NDArray[np.bool_], area: int, least: Grey) -> bool:
    mask = blob.astype(np.uint8)
    outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if area < _SOLID * sum(cv2.contourArea(outline) for outline in outlines):
        return False
    around = cv2.dilate(mask, np.ones((2 * _RIM + 1, 2 * _RIM + 1), dtype=np.uint8)) - mask
    return bool(np.median(least[around > 0]) >= _FADING)


def difference_hash(grey: Grey) -> bytes:
    """256 bits: of 16 by 16 spots, whether each is brighter than the one to its left.

    Saving a picture anew, smaller or more compressed changes few of them; a new photo of the same card
    changes about half. Bare margins are left out first: scans of different cards on white pages would
    differ in 5 bits.
    """
    part = _without_margins(grey).astype(np.float32)
    spots = cv2.resize(part, (17, 16), interpolation=cv2.INTER_AREA)
    return np.packbits(np.diff(spots, axis=1) > 0).tobytes()


def printed_part(grey: Grey) -> tuple[slice, slice]:
    """The rows and columns outside of which there is nothing, with a little around them: a card on a page
    that was scanned whole is a thirteenth of it. All of them when there is next to nothing."""
    rows, columns = _bounds(grey, _FAINT, _SPECK)
    around = round(_AROUND * max(rows.stop - rows.start, columns.stop - columns.start))
    return _wider(rows, around), _wider(columns, around)


def _wider(part: slice, by: int) -> slice:
    return slice(max(0, part.start - by), part.stop + by)


def _without_margins(grey: Grey) -> Grey:
    """The part with edges in it; all of it when there are hardly any."""
    return grey[_bounds(grey, _STEEP, _BUSY)]


def _bounds(grey: Grey, steep: float, least: float) -> tuple[slice, slice]:
    """The rows and columns between the first and the last with more than this share of slopes so steep."""
    scale = _OUTLINE_SIDE / max(grey.shape)
    small = cv2.resize(
        grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    )
    soft = cv2.GaussianBlur(small, (0, 0), 1.5).astype(np.float32)
    slope = np.hypot(cv2.Sobel(soft, cv2.CV_32F, 1, 0), cv2.Sobel(soft, cv2.CV_32F, 0, 1)) / _SOBEL
    bounds = []
    for axis in (0, 1):
        busy = np.flatnonzero((slope > steep).mean(axis=1 - axis) > least)
        if busy.size < 2 or busy[-1] - busy[0] < _SMALLEST * slope.shape[axis]:
            return slice(0, grey.shape[0]), slice(0, grey.shape[1])
        bounds.append(slice(int(busy[0] / scale), int((busy[-1] + 1) / scale)))
    return bounds[0], bounds[1]


def distance(one: bytes, other: bytes) -> int:
    """Bits in which two difference hashes differ: up to 24 of 256 for the same picture."""
    return (int.from_bytes(one, "big") ^ int.from_bytes(other, "big")).bit_count()


def _measured(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return reduced(picture, _SIDE / max(picture.shape[:2]))
