"""Find and decode a PDF417 symbol in a photo.

zxing-cpp alone gives up beyond about 2.5° of skew on a licence's 13-column symbol, at any resolution (its
issues 145 and 826). So the reader climbs a ladder, cheapest step first: as it is; the region dense with
vertical edges, cut out and straightened; small turns around that; enlarged and sharpened.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import zxingcpp
from numpy.typing import NDArray

Grey = NDArray[np.uint8]
Corners = NDArray[np.float32]
"""Four points as rows of x and y, in the picture's pixels."""

_PDF417 = zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.PDF417)
_SEARCH_SIDE = 1_000
"""Pixels of the longer side while looking for the symbol; finer detail only costs time."""
_TURNS = (0.0, -1.0, 1.0, -2.0, 2.0, -3.5, 3.5)
"""Degrees tried around the located angle, which a rounded or shaded edge can pull a little off."""
_WIDEST = 4_200
"""Pixels; enlarging beyond this never decoded anything in our measurements."""


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


def read_pdf417(grey: Grey) -> Symbol | None:
    """The first PDF417 that decodes, or None. Milliseconds when straight, tenths of a second when not."""
    for barcode in zxingcpp.read_barcodes(grey, formats=_PDF417):
        place = barcode.position
        points = (place.top_left, place.top_right, place.bottom_right, place.bottom_left)
        corners = np.array([(point.x, point.y) for point in points], dtype=np.float32)
        return Symbol(barcode.bytes, "direct", corners)
    for region in _regions(grey):
        for stage, candidate in _straightened(grey, region):
            if data := _decode(candidate):
                return Symbol(data, stage, region.corners())
    return None


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
    small = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else grey
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


def _straightened(grey: Grey, region: _Region) -> Iterator[tuple[str, Grey]]:
    """Crops of the region turned level, then turned a little more, enlarged and sharpened."""
    level = _crop(grey, region)
    for turn in _TURNS:
        turned = level if turn == 0 else _turn(level, turn)
        for times in (1, 2, 3):
            if turned.shape[1] * times > _WIDEST:
                break
            enlarged = turned if times == 1 else _enlarge(turned, times)
            yield f"turned {turn:+.1f} x{times}", enlarged
            if times > 1:
                yield f"turned {turn:+.1f} x{times} sharpened", _sharpen(enlarged, 1.65 * times)


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
