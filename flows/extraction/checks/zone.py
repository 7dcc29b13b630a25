"""What a machine-readable zone says of itself: its check digits, and whether its names are whole."""

from __future__ import annotations

from app.document_checks import CheckName
from flows.extraction.checks.check import Check, failed, not_run, passed, warned
from flows.extraction.fields import FieldName, Reading, Source
from flows.extraction.passports.mrz_layout import FILLER, LAYOUTS, Layout, checks, text_at


def mrz_check_digits(zone: Reading) -> Check:
    """Fails when a check digit is wrong; warns when all are right only since characters were changed.

    `zone` is what the zone says (`said_by(reading, Source.MRZ)`), its rows as `MRZ_CODE`. Repairing until the
    digits pass can pass a wrong number, so what was repaired is looked at by a person (ICAO 9303-3, 4.9).
    """
    rows = _rows(zone)
    layout = _layout(rows)
    if layout is None:
        return not_run(CheckName.MRZ_CHECK_DIGITS, "No machine-readable zone was read.")
    wrong = [name for name, right in checks(rows, layout).items() if not right]
    if wrong:
        return failed(CheckName.MRZ_CHECK_DIGITS, f"These check digits are wrong: {', '.join(wrong)}.")
    if any(field.repaired for field in zone.values() if field.source is Source.MRZ):
        detail = "The check digits are right, but only with characters changed after the reading."
        return warned(CheckName.MRZ_CHECK_DIGITS, detail)
    return passed(CheckName.MRZ_CHECK_DIGITS)


def names_are_cut(zone: Reading) -> bool:
    """Whether the names fill their places to the end, so that some may be missing or shortened."""
    rows = _rows(zone)
    layout = _layout(rows)
    return layout is not None and not text_at(rows, layout.spans["names"]).endswith(FILLER)


def _rows(zone: Reading) -> list[str]:
    return zone[FieldName.MRZ_CODE].value.split("\n") if FieldName.MRZ_CODE in zone else []


def _layout(rows: list[str]) -> Layout | None:
    return next((own for own in LAYOUTS if [len(row) for row in rows] == [own.width] * own.rows), None)
