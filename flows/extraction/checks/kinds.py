"""Which pictures there are, what each shows, and whether that is what was asked for.

A kind is the word of the upload: `license-front`, `license-back`, `id-front`, `passport`. Kinds that differ
in `-front` and `-back` alone are the two sides of one card.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from app.document_checks import CheckName
from flows.extraction.checks.check import Check, failed, not_run, passed, warned
from flows.extraction.fields import CORE, FieldName, Reading, Source, said_by

TRAVEL_CORE = (
    FieldName.FIRST_NAME,
    FieldName.LAST_NAME,
    FieldName.DATE_OF_BIRTH,
    FieldName.DOCUMENT_NUMBER,
    FieldName.EXPIRATION_DATE,
    FieldName.NATIONALITY,
)
"""What an underwriter needs of every passport or identity card; a passport bears no address."""
_LICENSES = frozenset(("license", "id"))
_TRAVEL_DOCUMENTS = frozenset(("passport", "identity-card"))
_LEAST_PRINTED = 4
"""Core fields; print with fewer is no front."""


def card_of(kind: str) -> str:
    """`license` for `license-front` and `license-back`."""
    return kind.removesuffix("-front").removesuffix("-back")


def is_travel_document(kind: str, reading: Reading) -> bool:
    """Whether the rules of machine-readable travel documents apply, which have a zone and no barcode.

    The kind of the upload decides, so that nobody escapes a licence's rules by showing something else. Of a
    kind that does not say it, the picture does.
    """
    card = card_of(kind)
    if card in _LICENSES | _TRAVEL_DOCUMENTS:
        return card in _TRAVEL_DOCUMENTS
    return FieldName.MRZ_CODE in reading and not said_by(reading, Source.BARCODE)


def sides_shown(reading: Reading) -> frozenset[str]:
    """`front` when enough of a licence is printed on the picture, `back` when its barcode is there."""
    printed = {name for source in (Source.OCR, Source.CLOUD) for name in said_by(reading, source)}
    front = sum(name in printed for name in CORE) >= _LEAST_PRINTED
    back = bool(said_by(reading, Source.BARCODE))
    return frozenset(side for side, there in (("front", front), ("back", back)) if there)


def wanted_kind(kind: str, reading: Reading) -> Check:
    """Warns when the picture shows another kind of document, or the other side, than it was uploaded as."""
    shown = {"passport"} if _shows_passport(reading) else sides_shown(reading)
    wanted = "passport" if kind == "passport" else kind.removeprefix(f"{card_of(kind)}-")
    if wanted not in {"passport", "front", "back"}:
        return not_run(CheckName.WANTED_KIND, "What such a picture should show is not known.")
    if not shown or (wanted == "passport" and shown == {"front"} and FieldName.ID_TYPE not in reading):
        return not_run(CheckName.WANTED_KIND, "Too little was read to tell what the picture shows.")
    if wanted in shown:
        return passed(CheckName.WANTED_KIND)
    what = (
        "a passport" if "passport" in shown else f"the {' and '.join(sorted(shown))} of a license or ID card"
    )
    return warned(CheckName.WANTED_KIND, f"The picture was uploaded as {kind} and shows {what}.")


def _shows_passport(reading: Reading) -> bool:
    """By its words, or by its zone, which begins with P (ICAO 9303-4, 4.2.2)."""
    named = FieldName.ID_TYPE in reading and "PASSPORT" in reading[FieldName.ID_TYPE].value.upper()
    return named or (FieldName.MRZ_CODE in reading and reading[FieldName.MRZ_CODE].value.startswith("P"))


def missing_kinds(required: Collection[str], pictures: Iterable[tuple[str, Reading]]) -> tuple[str, ...]:
    """Those required of which there is no picture, out of kind and reading of each that there is.

    A picture that shows both sides of a card stands for both.
    """
    there: set[str] = set()
    for kind, reading in pictures:
        there.add(kind)
        if sides_shown(reading) == {"front", "back"}:
            there |= {f"{card_of(kind)}-front", f"{card_of(kind)}-back"}
    return tuple(sorted(set(required) - there))


def required_kinds(missing: Collection[str]) -> Check:
    """Does not run while a picture is missing."""
    if missing:
        return not_run(CheckName.REQUIRED_KINDS, f"Still missing: {', '.join(missing)}.")
    return passed(CheckName.REQUIRED_KINDS)


def complete(reading: Reading, *, travel_document: bool = False, least_confidence: float = 80.0) -> Check:
    """Whether every core field was read, and with confidence enough to be shown without a second look."""
    core = TRAVEL_CORE if travel_document else CORE
    missing = [name for name in core if name not in reading]
    if missing:
        return failed(CheckName.COMPLETE, f"Not read: {', '.join(missing)}.")
    unsure = [name for name in core if reading[name].confidence < least_confidence]
    if unsure:
        return warned(CheckName.COMPLETE, f"Hard to read: {', '.join(unsure)}.")
    return passed(CheckName.COMPLETE)
