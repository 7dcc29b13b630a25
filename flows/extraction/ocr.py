"""Text lines out of pixels, with RapidOCR: local, no network, models inside the package."""

from __future__ import annotations

import threading
from functools import cache
from importlib.metadata import version
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from flows.extraction.engine import Line, Text
from flows.extraction.intake.picture import Pixels
from flows.extraction.spacing import gaps
from flows.extraction.transliteration import latin

_LONGEST_SIDE = 1_280
"""Pixels; halves the cost of a 12-megapixel photo with no loss we could measure."""
_SHORTER_SIDE = 640
"""Pixels; smaller pictures are enlarged to it before lines are looked for. The default, 736, costs a tenth of
the CPU time more and finds no more."""
_THREADS = 1
"""Two took half as much CPU time again, and were no faster once several documents are read at a time."""
_NARROWEST = 96
"""Pixels, of a line 48 high; shorter ones are padded. The default is 320, and lines on cards are short: this,
and recognising them one by one, each at its own width, saves a fifth of the CPU time at no measured loss."""

_STRIP_HEIGHT = 48
"""Pixels, the height the recogniser itself works at."""

_one_at_a_time = threading.Lock()
"""The models' working memory is hundreds of megabytes per call, so a process reads one page at a time."""


@cache
def _engine() -> Any:
    """Loaded once per process: two seconds and 0.6 GB."""
    from rapidocr import RapidOCR  # noqa: PLC0415 - a process that never reads a page never pays for it

    return RapidOCR(
        params={
            "Global.log_level": "error",
            "Global.max_side_len": _LONGEST_SIDE,
            "Det.limit_side_len": _SHORTER_SIDE,
            "Global.return_word_box": True,
            "Global.return_single_char_box": True,
            "Rec.rec_batch_num": 1,
            "Rec.rec_img_shape": [3, _STRIP_HEIGHT, _NARROWEST],
            "EngineConfig.onnxruntime.intra_op_num_threads": _THREADS,
        }
    )


class RapidOcr:
    """The engine that needs nothing but this machine."""

    name = "rapidocr"
    reads_any_way_round = False

    def versions(self) -> dict[str, str]:
        return {name: version(name) for name in ("rapidocr", "onnxruntime")}

    def read(self, pixels: Pixels) -> Text:
        """Without the model that judges a line's angle: it takes JOHNSON for an upside-down NOSNHOJ."""
        with _one_at_a_time:
            found = _engine()(np.ascontiguousarray(pixels[:, :, ::-1]), use_det=True, use_cls=False)
        if found.txts is None or found.boxes is None:
            return Text([])
        grey = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
        # Characters' places come for all lines or for none.
        places = found.word_results if len(found.word_results) == len(found.txts) else [()] * len(found.txts)
        lines = []
        for text, score, box, characters in zip(found.txts, found.scores, found.boxes, places, strict=True):
            corners = np.asarray(box, dtype=np.float32)
            lines.append(
                Line(latin(str(text)), float(score) * 100, corners, _gaps(corners, characters, grey))
            )
        return Text(lines)

    def reread(self, pixels: Pixels, line: Line, *, further: float) -> Line:
        """Detection often misses a letter that stands alone after its label; recognition, shown where,
        does not."""
        along = (line.corners[1] - line.corners[0]) / max(
            1.0, float(np.linalg.norm(line.corners[1] - line.corners[0]))
        )
        step = along * further * float(np.linalg.norm(line.corners[3] - line.corners[0]))
        corners = line.corners + np.array([(0, 0), step, step, (0, 0)], dtype=np.float32)
        strip, _ = _strip(pixels, corners)
        with _one_at_a_time:
            found = _engine()(np.ascontiguousarray(strip[:, :, ::-1]), use_det=False, use_cls=False)
        if not found.txts:
            return line
        return Line(latin(str(found.txts[0])), float(found.scores[0]) * 100, corners)


def _gaps(corners: NDArray[np.float32], characters: Any, grey: NDArray[np.uint8]) -> tuple[float, ...]:
    """The gaps of an upright line; others are read again once the page is turned, so they get none."""
    middles = np.array([np.mean(box, axis=0) for _, _, box in characters], dtype=np.float32)
    if len(middles) < 3 or middles[0, 0] > middles[-1, 0]:
        return ()
    strip, matrix = _strip(grey, corners)
    on_strip = cv2.perspectiveTransform(middles[None], matrix)[0, :, 0]
    return gaps([float(x) for x in on_strip], strip)


def _strip(picture: NDArray[np.uint8], corners: NDArray[np.float32]) -> tuple[NDArray[np.uint8], Any]:
    """The line cut out and made level, and the matrix that takes the picture's points there."""
    width, height = (float(np.linalg.norm(corners[k] - corners[0])) for k in (1, 3))
    columns = max(1, int(width * _STRIP_HEIGHT / max(height, 1.0)))
    target = np.array([(0, 0), (columns, 0), (columns, _STRIP_HEIGHT), (0, _STRIP_HEIGHT)], dtype=np.float32)
    matrix = cv2.getPerspectiveTransform(corners.astype(np.float32), target)
    strip = cv2.warpPerspective(
        picture, matrix, (columns, _STRIP_HEIGHT), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(strip, dtype=np.uint8), matrix
