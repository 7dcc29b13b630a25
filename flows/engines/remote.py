"""The reading process's engine when a cloud reads: it hands pictures to the flow, which may ask the cloud.

A picture leaves as a JPEG made anew from its pixels, so nothing hidden in the upload (place, camera, a
second file behind the first) goes with it.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from flows.engines.cloud import MAX_PICTURE_BYTES, Jpeg, PageText
from flows.extraction.engine import Line, Text
from flows.extraction.intake.picture import Pixels

_LONGEST_SIDE = 3_000
"""Pixels; a card's smallest print is then some 20 pixels high, above what either cloud asks for."""
_QUALITIES = (92, 80, 60, 40)
"""Of the JPEG, best first: the first that is small enough."""


class RemoteEngine:
    """Reads by asking whoever `ask` reaches. Blocking, as every engine."""

    reads_any_way_round = True

    def __init__(self, name: str, ask: Callable[[Jpeg], PageText]) -> None:
        self.name = name
        self._ask = ask
        self._version = "unknown"

    def versions(self) -> dict[str, str]:
        """As the engine stated it with its last answer."""
        return {self.name: self._version}

    def read(self, pixels: Pixels) -> Text:
        picture, scale = _jpeg(pixels)
        found = self._ask(picture)
        self._version = found.version
        return Text(
            [
                Line(line.text, line.confidence, np.asarray(line.corners, dtype=np.float32) / scale)
                for line in found.lines
            ],
            dict(found.fields),
        )

    def reread(self, pixels: Pixels, line: Line, *, further: float) -> Line:  # noqa: ARG002 - the Protocol's
        """The line as it was: a second question would cost a second price."""
        return line


def _jpeg(pixels: Pixels) -> tuple[Jpeg, float]:
    """The picture as it is sent, and its scale."""
    height, width = pixels.shape[:2]
    scale = min(1.0, _LONGEST_SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    smaller = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA) if scale < 1 else pixels
    blue_first = np.ascontiguousarray(smaller[:, :, ::-1])
    for quality in _QUALITIES:
        _, encoded = cv2.imencode(".jpg", blue_first, [cv2.IMWRITE_JPEG_QUALITY, quality])
        if encoded.size <= MAX_PICTURE_BYTES:
            break
    return Jpeg(encoded.tobytes(), *size), scale
