"""Find and decode a PDF417 symbol in a photo.

zxing-cpp alone gives up beyond about 2.5° of skew on a licence's 13-column symbol, at any resolution (its
issues 145 and 826). So the reader climbs a ladder, cheapest step first: as it is; the region dense with
vertical edges, cut out and straightened; small turns around that; enlarged and sharpened. A region without a
symbol's stripes is tried once, so that a front, which has no symbol, costs 20 to 40 ms.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import zxingcpp
from numpy.typing import NDArray

from flows.extraction.barcodes.aamva import begins_as_card, is_whole
from flows.extraction.intake.picture import Corners, Grey, reduced

_PDF417 = zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.PDF417)
_SEARCH_SIDE = 1_000
"""Pixels of the longer side while looking for the symbol; finer detail only costs time."""
_TURNS = (0.0, -1.0, 1.0, -2.0, 2.0, -3.5, 3.5)
"""Degrees tried around the located angle, which a rounded or shaded edge can pull a little off."""
_SCALES = ((1, False), (2, False), (2, True), (3, False), (3, True))
"""How many times a crop is enlarged, and whether it is sharpened then."""
_WIDEST = 4_200
"""Pixels; enlarging beyond this never decoded anything in our measurements."""

_STRIPES_WIDTH = 480
"""Pixels; a licence's symbol still shows its stripes."""
_LEAST_ACROSS = 1.6
"""Edges across the stripes for each along them. Measured: symbols 2.0 to 2.9, print up to 1.8, mostly 1.2."""
_LEAST_CHANGES = 0.2
"""Changes between dark and light per pixel of a row. Measured: symbols 0.29 to 0.34, print up to 0.17."""


@dataclass(frozen=True)
class Symbol:
    """A decoded PDF417: its bytes, the step of the ladder that read it, and where it lies."""

    data: bytes
    stage: str
    corners: Corners


@dataclass(frozen=True)
class _Region:
    """A rotated rectangle as OpenCV describes it: centre, size, angle in degrees."""

    centre: tuple[float, float]
    size: tuple[float, float]
    angle: float

    def corners(self) -> Corners:
        return np.asarray(cv2.boxPoints((self.centre, self.size, self.angle)), dtype=np.float32)


@dataclass(frozen=True)
class _Step:
    """What is done to a level crop: turned by degrees, enlarged, sharpened."""

    turn: float
    times: int
    sharpened: bool

    def apply(self, level: Grey) -> Grey:
        turned = level if self.turn == 0 else _turn(level, self.turn)
        enlarged = turned if self.times == 1 else _enlarge(turned, self.times)
        return _sharpen(enlarged, 1.65 * self.times) if self.sharpened else enlarged

    def __str__(self) -> str:
        return f"turned {self.turn:+.1f} x{self.times}" + (" sharpened" if self.sharpened else "")


_STEPS = tuple(_Step(turn, times, sharpened) for turn in _TURNS for times, sharpened in _SCALES)


def read_pdf417(grey: Grey) -> Symbol | None:
    """The PDF417 on the picture, or None. Milliseconds when straight, tenths of a second when not.

    zxing-cpp now and then decodes a skewed symbol to something else, its error correction notwithstanding. So
    a reading is believed when it is a licence's, whole in its structure, or when two steps of the ladder
    agree; else the most likely of all.
    """
    seen: dict[bytes, Symbol] = {}
    for symbol in _readings(grey):
        if symbol.data in seen or is_whole(symbol.data):
            return symbol
        seen[symbol.data] = symbol
    return max(seen.values(), key=lambda symbol: begins_as_card(symbol.data), default=None)


def _readings(grey: Grey) -> Iterator[Symbol]:
    """Whatever each step of the ladder decodes, cheapest step first."""
    for barcode in zxingcpp.read_barcodes(grey, formats=_PDF417):
        place = barcode.position
        points = (place.top_left, place.top_right, place.bottom_right, place.bottom_left)
        corners = np.array([(point.x, point.y) for point in points], dtype=np.float32)
        yield Symbol(barcode.bytes, "direct", corners)
    levels = [(region, _crop(grey, region)) for region in _regions(grey)]
    striped = [(region, level) for region, level in levels if _is_striped(level)]
    for step in _STEPS:
        # Print is tried once; only what has a symbol's stripes is worth the rest.
        for region, level in levels if step == _STEPS[0] else striped:
            if level.shape[1] * step.times <= _WIDEST and (data := _decode(step.apply(level))):
                yield Symbol(data, str(step), region.corners())


def without(pixels: NDArray[np.uint8], corners: Corners) -> NDArray[np.uint8]:
    """The picture with the symbol painted white, so that text recognition does not chew on it."""
    blank = pixels.copy()
    cv2.fillConvexPoly(blank, corners.astype(np.int32), (255, 255, 255))
    return blank


def _decode(grey: Grey) -> bytes | None:
    found = zxingcpp.read_barcodes(grey, formats=_PDF417)
    return found[0].bytes if found else None


def _regions(grey: Grey) -> list[_Region]:
    """Where edges of one direction crowd together: up to three places, most crowded first."""
    longer = max(grey.shape)
    scale = min(1.0, _SEARCH_SIDE / longer)
    small = reduced(grey, scale)
    across = np.abs(cv2.Sobel(small, cv2.CV_32F, 1, 0, ksize=3))
    along = np.abs(cv2.Sobel(small, cv2.CV_32F, 0, 1, ksize=3))
    found: list[tuple[float, _Region]] = []
    for strong, weak, joint in ((across, along, (25, 11)), (along, across, (11, 25))):
        found.extend(_crowded(np.asarray(strong - 0.5 * weak, dtype=np.float32), joint))
    found.sort(key=lambda pair: pair[0], reverse=True)
    return [
        _Region((r.centre[0] / scale, r.centre[1] / scale), (r.size[0] / scale, r.size[1] / scale), r.angle)
        for _, r in found[:3]
    ]


def _crowded(edges: NDArray[np.float32], joint: tuple[int, int]) -> Iterator[tuple[float, _Region]]:
    """Blobs of an edge map with their area, the size of a barcode or larger; `joint` bridges the gaps."""
    smooth = cv2.blur(cv2.convertScaleAbs(np.clip(edges, 0, None)), (9, 9))
    _, mask = cv2.threshold(smooth, 0, 255, cv2.THRESH_OTSU)
    mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((joint[1], joint[0]), np.uint8))
    mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((15, 15), np.uint8))
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    for contour in contours:
        (x, y), (width, height), angle = cv2.minAreaRect(contour)
        area = float(cv2.contourArea(contour))
        # A PDF417 fills its rectangle and is wider than high; a text block or a portrait rarely is both.
        if max(width, height) < 120 or min(width, height) < 25 or area < 0.6 * width * height:
            continue
        yield area, _Region((x, y), (width, height), angle)


def _is_striped(level: Grey) -> bool:
    """Whether a level crop is full of upright stripes, as a PDF417 is and print is not."""
    small = reduced(level, _STRIPES_WIDTH / level.shape[1])
    rows, columns = small.shape
    inner = small[rows // 5 : rows - rows // 5, columns // 12 : columns - columns // 12]
    across = float(np.abs(cv2.Sobel(inner, cv2.CV_32F, 1, 0, ksize=3)).sum())
    along = float(np.abs(cv2.Sobel(inner, cv2.CV_32F, 0, 1, ksize=3)).sum())
    dark = inner.astype(np.int16) < cv2.blur(inner, (31, 31)).astype(np.int16) - 4
    changes = float(np.median((dark[:, 1:] != dark[:, :-1]).mean(axis=1)))
    return across > _LEAST_ACROSS * along or changes > _LEAST_CHANGES


def _crop(grey: Grey, region: _Region) -> Grey:
    """The region turned so that its longer side lies level, with a margin for the quiet zone."""
    width, height = region.size
    angle = region.angle
    if width < height:
        width, height, angle = height, width, angle - 90
    columns, rows = int(width * 1.12) + 40, int(height * 1.12) + 60
    matrix = cv2.getRotationMatrix2D(region.centre, angle, 1.0)
    matrix[0, 2] += columns / 2 - region.centre[0]
    matrix[1, 2] += rows / 2 - region.centre[1]
    return np.asarray(
        cv2.warpAffine(grey, matrix, (columns, rows), flags=cv2.INTER_CUBIC, borderValue=255), dtype=np.uint8
    )


def _turn(grey: Grey, degrees: float) -> Grey:
    rows, columns = grey.shape
    matrix = cv2.getRotationMatrix2D((columns / 2, rows / 2), degrees, 1)
    return np.asarray(
        cv2.warpAffine(grey, matrix, (columns, rows), flags=cv2.INTER_CUBIC, borderValue=255), dtype=np.uint8
    )


def _enlarge(grey: Grey, times: int) -> Grey:
    larger = cv2.resize(grey, None, fx=times, fy=times, interpolation=cv2.INTER_CUBIC)
    return np.asarray(larger, dtype=np.uint8)


def _sharpen(grey: Grey, sigma: float) -> Grey:
    soft = cv2.GaussianBlur(grey, (0, 0), sigma)
    return np.asarray(cv2.addWeighted(grey, 3.0, soft, -2.0, 0), dtype=np.uint8)
