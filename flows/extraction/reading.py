"""From an uploaded file to everything we can say about the document on it.

The order is the cheapest first: intake, barcode (milliseconds), text (a second), fields, checks. Nothing
here touches a database or a network.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from importlib.metadata import version

import cv2
import numpy as np
from pydantic import BaseModel, ConfigDict

from flows.extraction import aamva, barcode, checks, front
from flows.extraction.checks import Check, Recommendation
from flows.extraction.engine import Engine, Line
from flows.extraction.fields import CORE, Field, FieldName, Reading, merge
from flows.extraction.intake import Picture, Pixels, Unreadable, open_picture
from flows.extraction.labels import cut, open_label

_LEAST_CORE = 2
"""Core fields; a picture with fewer and no barcode is no document that we know."""
_ENOUGH_CORE = 6
"""Core fields; a page that gives fewer may lie turned."""
_FRONT_LINES = 8
"""Lines of text; a page with fewer is no front, and not worth turning."""
_FURTHER = 1.8
"""Line heights; where a letter that stands after its label is looked for."""


class Extraction(BaseModel):
    """What was read, what was checked, and by what. `model_dump(mode="json")` is the stored form."""

    model_config = ConfigDict(frozen=True)

    fields: dict[FieldName, Field]
    checks: tuple[Check, ...]
    recommendation: Recommendation
    engine: str
    versions: dict[str, str]
    timings: dict[str, float]
    """Seconds by step, and `total`."""
    sha256: str
    """Of the uploaded file."""


class Stopwatch:
    """Seconds per named step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - began
            self.seconds[name] = round(self.seconds.get(name, 0.0) + spent, 4)


def read_document(data: bytes, engine: Engine, *, today: date) -> Extraction:
    """Read one uploaded picture: a licence's front, its back, or both on one sheet.

    Blocking, about a second of CPU time: call it in a worker, never on an event loop. Raises
    `intake.Rejected` for a file we do not take and `intake.Unreadable` for one without a document that can
    be read; both carry a sentence for the applicant.
    """
    watch = Stopwatch()
    with watch.step("total"):
        with watch.step("intake"):
            picture = open_picture(data)
        with watch.step("barcode"):
            grey = np.asarray(cv2.cvtColor(picture.pixels, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
            symbol = barcode.read_pdf417(grey)
            encoded = _card_fields(symbol)
        with watch.step("text"):
            pixels = barcode.without(picture.pixels, symbol.corners) if symbol else picture.pixels
            lines, printed = _read_text(engine, pixels)
        with watch.step("checks"):
            variance = _sharpness(grey)
            fields = merge([encoded, printed])
            _require_a_document(fields, encoded, variance)
            findings = (
                checks.complete(fields),
                checks.expired(fields, today),
                checks.under_age(fields, today),
                checks.barcode_matches_print(encoded, printed),
                checks.sharpness(variance),
                checks.specimen_words(line.text for line in lines),
            )
    return _extraction(engine, picture, fields, findings, watch)


def _extraction(
    engine: Engine, picture: Picture, fields: Reading, findings: tuple[Check, ...], watch: Stopwatch
) -> Extraction:
    return Extraction(
        fields=fields,
        checks=findings,
        recommendation=checks.recommend(findings),
        engine=engine.name,
        versions={**engine.versions(), "zxing-cpp": version("zxing-cpp")},
        timings=watch.seconds,
        sha256=picture.sha256,
    )


def _card_fields(symbol: barcode.Symbol | None) -> Reading:
    """The barcode's fields; none for a barcode that is not a licence's."""
    if symbol is None:
        return {}
    try:
        return aamva.fields(aamva.parse(symbol.data))
    except aamva.NotAamva:
        return {}


def _read_text(engine: Engine, pixels: Pixels) -> tuple[list[Line], Reading]:
    """Lines and fields of the printed side, whichever way round the page lies."""
    lines, printed = _read_upright(engine, pixels)
    if len(lines) < _FRONT_LINES or sum(name in printed for name in CORE) >= _ENOUGH_CORE:
        return lines, printed
    turns = front.quarter_turns(engine.read(pixels, any_way_round=True).lines)
    if not turns:
        return lines, printed
    return _read_upright(engine, np.ascontiguousarray(np.rot90(pixels, turns)))


def _read_upright(engine: Engine, pixels: Pixels) -> tuple[list[Line], Reading]:
    lines = [_completed(engine, pixels, line) for line in engine.read(pixels).lines]
    return lines, front.read_front(lines)


def _completed(engine: Engine, pixels: Pixels, line: Line) -> Line:
    """A line that ends in a label without its letter, looked at again a little further to the right."""
    label = open_label(line.text)
    if label is None:
        return line
    longer = engine.reread(pixels, line, further=_FURTHER)
    last = cut(longer.text, numbers=False)[-1:]
    return longer if last and last[0].label is label and last[0].text else line


def _sharpness(grey: barcode.Grey) -> float:
    """Variance of the Laplacian with the longer side at 1,000 pixels, so that cameras compare."""
    scale = 1_000 / max(grey.shape)
    small = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else grey
    return float(cv2.Laplacian(small, cv2.CV_64F).var())


def _require_a_document(fields: Reading, encoded: Reading, variance: float) -> None:
    if encoded or sum(name in fields for name in CORE) >= _LEAST_CORE:
        return
    if variance < checks.LEAST_SHARPNESS:
        raise Unreadable("The photo is too blurred to read; take it again in better light.")
    raise Unreadable(
        "We found no driver's license on the picture; photograph the whole card, flat and close."
    )
