"""Draw one person's documents, photograph each in every way, and read all of them."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import partial

from PIL import Image

from app.dev import specimen_passports, specimens
from app.dev.specimen_photos import photograph
from flows.extraction.intake.picture import NotAccepted
from flows.extraction.ocr import RapidOcr
from flows.extraction.reading import read_document
from flows.extraction.result import Extraction

FRONT, BACK, PASSPORT, CARD_BACK = "front", "back", "passport", "id card's zone"
SUBJECTS = (FRONT, BACK, PASSPORT, CARD_BACK)
_ZONE_ALONE = ("clean", "phone", "520 px")
"""The ways an identity card's back is taken: its zone is like a passport's, which is taken in all."""
_ENGINE = RapidOcr()


@dataclass(frozen=True)
class Shot:
    """One picture of one subject, and what was read on it; `extraction` is None when nothing was."""

    seed: int
    subject: str
    degradation: str
    extraction: Extraction | None
    cpu_seconds: float
    """Of the reading alone, all threads together."""
    peak_bytes: int
    """The most memory the process has held until then, the drawing included."""


def shots(seed: int, today: date, degradations: tuple[str, ...]) -> list[Shot]:
    """Every shot of one person: all subjects in all ways, and each forged front in one of them."""
    taken = []
    for subject, draw in _subjects(seed, today).items():
        picture = draw()
        ways = _ZONE_ALONE if subject == CARD_BACK else degradations
        taken += [_shot(seed, subject, way, picture, today) for way in ways]
    forged = _forged(seed, today)
    for place, (subject, draw) in enumerate(forged.items()):
        # Every forgery meets every degradation over the people, at a fraction of the cost of all pairs.
        degradation = degradations[(seed + 3 * place) % len(degradations)]
        taken.append(_shot(seed, subject, degradation, draw(), today))
    return taken


def _subjects(seed: int, today: date) -> Mapping[str, Callable[[], Image.Image]]:
    somebody, holder = specimens.person(seed, today), specimen_passports.holder(seed, today)
    return {
        FRONT: partial(specimens.front, somebody),
        BACK: partial(specimens.back, somebody),
        PASSPORT: partial(specimen_passports.page, holder),
        CARD_BACK: partial(specimen_passports.td1_back, holder),
    }


def _forged(seed: int, today: date) -> Mapping[str, Callable[[], Image.Image]]:
    somebody = specimens.person(seed, today)
    return {
        what: partial(specimens.front, specimens.altered(somebody, what)) for what in specimens.ALTERATIONS
    }


def _shot(seed: int, subject: str, degradation: str, picture: Image.Image, today: date) -> Shot:
    data = photograph(picture, degradation, seed)
    began = time.process_time()
    try:
        extraction = read_document(data, _ENGINE, today=today)
    except NotAccepted:
        extraction = None
    spent = time.process_time() - began
    return Shot(seed, subject, degradation, extraction, spent, _peak_bytes())


def _peak_bytes() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def prepare() -> None:
    """Load the models, so that no picture pays for them."""
    day = date(2026, 1, 1)
    for draw in _subjects(1, day).values():
        _shot(1, "", "clean", draw(), day)
