"""From an uploaded file to everything we can say about the document on it.

The order is the cheapest first: intake, barcode (milliseconds), text (a second), fields, checks. Nothing
here touches a database or a network.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version

import cv2
import numpy as np

from flows.extraction import checks
from flows.extraction.assessment import DocumentRead, check_documents
from flows.extraction.barcodes import aamva, pdf417
from flows.extraction.barcodes.issuers import state_of
from flows.extraction.checks import Check, Policy
from flows.extraction.checks.kinds import sides_shown
from flows.extraction.engine import Engine
from flows.extraction.fields import CORE, FieldName, Reading, merge
from flows.extraction.intake import photo
from flows.extraction.intake.picture import Grey, Picture, Unreadable
from flows.extraction.intake.upload import Upload, open_upload
from flows.extraction.result import Extraction, Kind
from flows.extraction.upright import Printed, read_printed

_LEAST_CORE = 2
"""Core fields; a file with fewer, no barcode and no zone is no document that we know."""


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


@dataclass(frozen=True)
class Page:
    """What one page gave."""

    picture: Picture
    grey: Grey
    card: aamva.Card | None
    """The licence's barcode."""
    encoded: Reading
    printed: Printed


def read_document(data: bytes, engine: Engine, *, today: date, policy: Policy | None = None) -> Extraction:
    """Read one uploaded file: a licence's front, its back or both, a passport, or an identity card.

    Blocking, about a second of CPU time a page: call it in a worker, never on an event loop. Raises
    `picture.Rejected` for a file we do not take and `picture.Unreadable` for one without a document that can
    be read; both carry a sentence for the applicant.
    """
    policy = policy or Policy()
    watch = Stopwatch()
    with watch.step("total"):
        with watch.step("intake"):
            upload = open_upload(data)
        pages = [_read_page(engine, picture, today, watch) for picture in upload.pages]
        with watch.step("checks"):
            fields = merge([page.encoded for page in pages] + [page.printed.fields for page in pages])
            kind = _kind(pages, fields)
            _require_a_document(pages, fields, policy)
            found = DocumentRead(kind=kind, fields=fields, checks=_picture_checks(upload, pages, policy))
            findings = check_documents([found], policy=policy, today=today)
            hashes = tuple(photo.difference_hash(page.grey).hex() for page in pages)
    return Extraction(
        kind=kind,
        fields=fields,
        checks=findings,
        recommendation=checks.recommend(findings),
        engine=engine.name,
        versions={**engine.versions(), "zxing-cpp": version("zxing-cpp")},
        timings=watch.seconds,
        sha256=upload.sha256,
        image_hashes=hashes,
    )


def _read_page(engine: Engine, picture: Picture, today: date, watch: Stopwatch) -> Page:
    with watch.step("barcode"):
        grey = np.asarray(cv2.cvtColor(picture.pixels, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
        symbol = pdf417.read_pdf417(grey)
        card = _card(symbol)
    with watch.step("text"):
        pixels = pdf417.without(picture.pixels, symbol.corners) if symbol else picture.pixels
        part = np.ascontiguousarray(pixels[photo.printed_part(grey)])
        printed = read_printed(engine, part, today=today)
    return Page(picture, grey, card, aamva.fields(card) if card else {}, printed)


def _card(symbol: pdf417.Symbol | None) -> aamva.Card | None:
    """The card the barcode describes; None for a barcode that is not a licence's."""
    if symbol is None:
        return None
    try:
        return aamva.parse(symbol.data)
    except aamva.NotAamva:
        return None


def _kind(pages: Sequence[Page], fields: Reading) -> Kind:
    sides = sides_shown(fields)
    zone = next((page.printed.zone for page in pages if page.printed.zone), None)
    # Some licences bear a zone on their back too; the barcode tells them from passports.
    if zone is not None and "back" not in sides:
        return Kind.PASSPORT if zone.format == "TD3" else Kind.IDENTITY_CARD
    if FieldName.ID_TYPE in fields and "PASSPORT" in fields[FieldName.ID_TYPE].value:
        return Kind.PASSPORT
    if sides == {"front", "back"}:
        return Kind.LICENSE
    return Kind.LICENSE_BACK if "back" in sides else Kind.LICENSE_FRONT


def _picture_checks(upload: Upload, pages: Sequence[Page], policy: Policy) -> tuple[Check, ...]:
    """What the pictures' own properties say. Of two pages the worse one counts."""
    lines = [line.text for page in pages for line in page.printed.lines]
    sharpness = min(photo.sharpness(page.grey) for page in pages)
    glare = max(photo.glare(page.picture.pixels) for page in pages)
    card = next((page.card for page in pages if page.card), None)
    issuer = (state_of(card.issuer), card.elements.get("DAJ")) if card else (None, None)
    return (
        checks.sharpness(sharpness, policy.least_sharpness),
        checks.glare(glare, policy.most_glare),
        checks.specimen_words(lines),
        checks.edited(upload.software),
        checks.trailing_bytes(upload.trailing_bytes),
        checks.barcode_structure(card.warnings if card else None),
        checks.issuer_matches_state(*issuer),
    )


def _require_a_document(pages: Sequence[Page], fields: Reading, policy: Policy) -> None:
    if any(page.card or page.printed.zone for page in pages):
        return
    if sum(name in fields for name in CORE) >= _LEAST_CORE:
        return
    if max(photo.sharpness(page.grey) for page in pages) < policy.least_sharpness:
        raise Unreadable("The photo is too blurred to read; take it again in better light.")
    raise Unreadable(
        "We found no driver's license, ID card or passport on the picture; photograph the whole document, "
        "flat and close."
    )
