"""Which pictures there are, and what each shows."""

from __future__ import annotations

import pytest

from flows.extraction import checks
from flows.extraction.checks import Status
from flows.extraction.checks.kinds import TRAVEL_CORE
from flows.extraction.fields import CORE, Reading, Source, merge
from tests.unit.readings import LICENSE, PASSPORT, ZONE, reading

FRONT = reading(LICENSE)
BACK = reading(LICENSE, Source.BARCODE)
BOTH = merge([BACK, FRONT])
PAGE = merge([reading({**PASSPORT, "MRZ_CODE": ZONE}, Source.MRZ), reading(PASSPORT)])


@pytest.mark.parametrize(
    ("kind", "read", "status"),
    [
        ("license-front", FRONT, Status.PASS),
        ("license-front", BOTH, Status.PASS),
        ("license-front", BACK, Status.WARN),
        ("license-front", PAGE, Status.WARN),
        ("license-back", BACK, Status.PASS),
        ("license-back", BOTH, Status.PASS),
        ("license-back", FRONT, Status.WARN),
        ("id-back", FRONT, Status.WARN),
        ("passport", PAGE, Status.PASS),
        ("passport", reading({**LICENSE, "ID_TYPE": "DRIVER LICENSE"}), Status.WARN),
        ("passport", FRONT, Status.NOT_RUN),
        ("passport", BACK, Status.WARN),
        ("license-front", reading({"SEX": "F"}), Status.NOT_RUN),
        ("payslip", FRONT, Status.NOT_RUN),
    ],
)
def test_a_picture_shows_what_it_was_uploaded_as(kind: str, read: Reading, status: Status) -> None:
    assert checks.wanted_kind(kind, read).status is status


def test_what_it_shows_instead_is_said() -> None:
    detail = checks.wanted_kind("license-front", BACK).detail
    assert detail == "The picture was uploaded as license-front and shows the back of a license or ID card."


@pytest.mark.parametrize(
    ("pictures", "missing"),
    [
        ([], ("license-back", "license-front")),
        ([("license-front", FRONT)], ("license-back",)),
        ([("license-front", FRONT), ("license-back", BACK)], ()),
        ([("license-front", BOTH)], ()),
        ([("license", BOTH)], ()),
        ([("passport", PAGE)], ("license-back", "license-front")),
    ],
)
def test_a_picture_of_both_sides_stands_for_both(
    pictures: list[tuple[str, Reading]], missing: tuple[str, ...]
) -> None:
    assert checks.missing_kinds(["license-front", "license-back"], pictures) == missing
    found = checks.required_kinds(missing)
    assert found.status is (Status.NOT_RUN if missing else Status.PASS)
    assert all(kind in found.detail for kind in missing)


@pytest.mark.parametrize(
    ("kind", "read", "expected"),
    [
        ("passport", FRONT, True),
        ("identity-card", {}, True),
        ("license-front", PAGE, False),
        ("id-back", PAGE, False),
        ("identity", PAGE, True),
        ("identity", merge([BACK, PAGE]), False),
        ("identity", FRONT, False),
    ],
)
def test_nobody_escapes_a_licences_rules_by_showing_something_else(
    kind: str, read: Reading, expected: bool
) -> None:
    assert checks.is_travel_document(kind, read) is expected


@pytest.mark.parametrize("travel_document", [False, True])
def test_completeness(travel_document: bool) -> None:
    core = TRAVEL_CORE if travel_document else CORE
    everything = dict.fromkeys((name.value for name in core), "1")
    whole = checks.complete(reading(everything), travel_document=travel_document)
    unsure = checks.complete(reading(everything, confidence=79.9), travel_document=travel_document)
    assert (whole.status, unsure.status) == (Status.PASS, Status.WARN)
    del everything["DATE_OF_BIRTH"]
    missing = checks.complete(reading(everything), travel_document=travel_document)
    assert (missing.status, missing.detail) == (Status.FAIL, "Not read: DATE_OF_BIRTH.")


def test_how_sure_is_sure_enough_can_be_set() -> None:
    everything = reading(dict.fromkeys((name.value for name in CORE), "1"), confidence=85)
    assert checks.complete(everything, least_confidence=90).status is Status.WARN
