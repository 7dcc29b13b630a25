"""A page as pixels, the limits on it, and the two ways in which a file gives none."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

MAX_PIXELS = 40_000_000
MIN_SIDE = 200
"""Pixels; a card smaller than this has letters of three pixels."""
MAX_ASPECT = 4
"""Longer side to shorter; two cards side by side have 3.2. Text recognition enlarges what is narrower."""
WORKING_SIDE = 4_000
"""Pixels of the longer side that are kept: enough for the finest barcode, and a bound on memory."""

Pixels = NDArray[np.uint8]
"""Rows by columns by red, green and blue."""
Grey = NDArray[np.uint8]
"""Rows by columns of luminance."""
Corners = NDArray[np.float32]
"""Four points as rows of x and y, clockwise, in the picture's pixels."""


def reduced(picture: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    """The picture made smaller by this factor, its pixels averaged; itself when that is 1 or more."""
    if scale >= 1:
        return picture
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return np.asarray(small, dtype=np.uint8)


@dataclass(frozen=True)
class Picture:
    """One decoded page, upright as its camera meant it, at most `WORKING_SIDE` pixels long."""

    pixels: Pixels

    @property
    def width(self) -> int:
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        return int(self.pixels.shape[0])


class NotAccepted(Exception):
    """The file gives no document. `sentence` is for the applicant and holds no personal data."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class Rejected(NotAccepted):
    """Not something we take: wrong kind of file, too large, empty."""


class Unreadable(NotAccepted):
    """The right kind of file, with nothing in it that can be read."""


def too_many_pixels() -> Rejected:
    return Rejected(
        f"The picture has more than {MAX_PIXELS // 1_000_000} megapixels; upload an ordinary photo."
    )


def too_much_memory() -> Rejected:
    return Rejected("The file needs far more memory than a photo; take a new photo and upload that.")


def damaged() -> Unreadable:
    return Unreadable("The file is damaged or incomplete; take the photo again.")


def check_proportions(width: float, height: float) -> None:
    """Raises Unreadable for a strip, or for sides that are no sizes at all."""
    shorter, longer = sorted((width, height))
    if not 0 < shorter <= longer < float("inf"):
        raise damaged()
    if longer > MAX_ASPECT * shorter:
        raise Unreadable("The picture is a narrow strip; photograph the whole document.")


def check_dimensions(width: int, height: int) -> None:
    """For what a file declares, before a pixel of it is decoded. Raises Rejected or Unreadable."""
    if width * height > MAX_PIXELS:
        raise too_many_pixels()
    if min(width, height) < MIN_SIDE:
        raise Unreadable("The picture is too small to read; take a photo that the document fills.")
    check_proportions(width, height)
