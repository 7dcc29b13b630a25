"""Text lines out of pixels, with RapidOCR: local, no network, models inside the package."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from importlib.metadata import version
from typing import Any

import cv2
import numpy as np

from flows.extraction.engine import Line, Text
from flows.extraction.intake.picture import Corners, Pixels, reduced
from flows.extraction.spacing import gaps
from flows.extraction.transliteration import latin

_LONGEST_SIDE = 1_280
"""Pixels in which lines are looked for: halves the cost of a 12-megapixel photo at no loss we could measure.
What stands on them is read from all the pixels there are."""
_SHORTER_SIDE = 640
"""Pixels; smaller pictures are enlarged to it before lines are looked for. The default, 736, costs a tenth of
the CPU time more and finds no more."""
_THREADS = 1
"""Two took half as much CPU time again, and were no faster once several documents are read at a time."""
_NARROWEST = 96
"""Pixels, of a line 48 high; shorter ones are padded. The default is 320, and lines on cards are short: this,
and recognising them one by one, each at its own width, saves a fifth of the CPU time at no measured loss."""

_LEAST = 50.0
"""Of 100; what is read with less confidence is no text."""
_STANDING = 1.5
"""Times its width; a line that is so much higher stands on its end."""

_STRIP_HEIGHT = 48
"""Pixels, the height the recogniser itself works at."""
_COLUMN = 8
"""Pixels of a strip; for each so many the recogniser names a character, or none."""

_one_at_a_time = threading.Lock()
"""The models' working memory is hundreds of megabytes per call, so a process reads one page at a time."""


@cache
def _engine() -> Any:
    """Loaded once per process, with both its models: two seconds and 0.6 GB."""
    from rapidocr import RapidOCR  # noqa: PLC0415 - a process that never reads a page never pays for it

    engine: Any = RapidOCR(
        params={
            "Global.log_level": "error",
            "Global.use_preprocess_img": False,
            "Det.limit_side_len": _SHORTER_SIDE,
            "Rec.rec_batch_num": 1,
            "Rec.rec_img_shape": [3, _STRIP_HEIGHT, _NARROWEST],
            "EngineConfig.onnxruntime.intra_op_num_threads": _THREADS,
        }
    )
    blank = np.zeros((_STRIP_HEIGHT, _STRIP_HEIGHT, 3), dtype=np.uint8)
    # It loads a model when that is first used.
    engine(blank, use_det=True, use_cls=False, use_rec=False)
    engine(blank, use_det=False, use_cls=False, use_rec=True)
    # In double precision, as they come, they would make the whole picture so.
    detector = engine.text_det
    detector.mean, detector.std = np.float32(detector.mean), np.float32(detector.std)
    return engine


class RapidOcr:
    """The engine that needs nothing but this machine."""

    name = "rapidocr"
    reads_any_way_round = False

    def versions(self) -> dict[str, str]:
        return {name: version(name) for name in ("rapidocr", "onnxruntime")}

    def load(self) -> None:
        """Load the models now, before there is a picture."""
        _engine()

    def read(self, pixels: Pixels) -> Text:
        """Without the model that judges a line's angle: it takes JOHNSON for an upside-down NOSNHOJ."""
        scale = min(1.0, _LONGEST_SIDE / max(pixels.shape[:2]))
        with _one_at_a_time:
            found = _engine()(_blue_first(reduced(pixels, scale)), use_det=True, use_cls=False, use_rec=False)
            boxes = [] if found.boxes is None else found.boxes / scale
            lines = _recognised(pixels, [np.asarray(corners, dtype=np.float32) for corners in boxes])
        return Text([line for line in lines if line.text.strip() and line.confidence >= _LEAST])

    def reread(self, pixels: Pixels, line: Line, *, further: float) -> Line:
        """Detection often misses a letter that stands alone after its label; recognition, shown where,
        does not."""
        along = (line.corners[1] - line.corners[0]) / max(
            1.0, float(np.linalg.norm(line.corners[1] - line.corners[0]))
        )
        step = along * further * float(np.linalg.norm(line.corners[3] - line.corners[0]))
        corners = line.corners + np.array([(0, 0), step, step, (0, 0)], dtype=np.float32)
        with _one_at_a_time:
            [again] = _recognised(pixels, [corners])
        return replace(again, gaps=()) if again.text else line


def _recognised(pixels: Pixels, lines: Sequence[Corners]) -> list[Line]:
    """What stands between the corners of each line, from the first to the second; from the second to the
    third when it is higher than wide."""
    from rapidocr.ch_ppocr_rec import TextRecInput  # noqa: PLC0415 - as in `_engine`

    if not lines:
        return []
    standing = [_stands(corners) for corners in lines]
    strips = [
        _strip(pixels, np.roll(corners, -1, axis=0) if stands else corners)
        for corners, stands in zip(lines, standing, strict=True)
    ]
    found = _engine().text_rec(TextRecInput([_blue_first(strip) for strip in strips], return_word_box=True))
    return [
        Line(latin(text), score * 100, corners, () if stands else _gaps(places, strip))
        for text, score, corners, stands, places, strip in zip(
            found.txts, found.scores, lines, standing, found.word_results, strips, strict=True
        )
    ]


def _stands(corners: Corners) -> bool:
    width, height = (float(np.linalg.norm(corners[k] - corners[0])) for k in (1, 3))
    return height >= _STANDING * width


def _gaps(places: Any, strip: Pixels) -> tuple[float, ...]:
    """The gaps of the characters that the recogniser has seen in these places of the strip."""
    columns = [column for word in places.word_cols for column in word]
    if len(columns) < 3:
        return ()
    grey = np.asarray(cv2.cvtColor(strip, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
    return gaps([(column + 0.5) * _COLUMN for column in columns], grey)


def _strip(pixels: Pixels, corners: Corners) -> Pixels:
    """The line cut out, made level, and as high as the recogniser wants it: in two steps, because it has
    learnt on letters that were enlarged so."""
    width, height = (max(1, int(np.linalg.norm(corners[k] - corners[0]))) for k in (1, 3))
    target = np.array([(0, 0), (width, 0), (width, height), (0, height)], dtype=np.float32)
    matrix = cv2.getPerspectiveTransform(corners.astype(np.float32), target)
    level = cv2.warpPerspective(
        pixels, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    columns = max(1, width * _STRIP_HEIGHT // height)
    how = cv2.INTER_AREA if height > _STRIP_HEIGHT else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(level, (columns, _STRIP_HEIGHT), interpolation=how), dtype=np.uint8)


def _blue_first(pixels: Pixels) -> Pixels:
    """In the order of colours that the engine expects."""
    return np.ascontiguousarray(pixels[:, :, ::-1])
