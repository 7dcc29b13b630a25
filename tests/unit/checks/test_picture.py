"""What a picture's own properties say."""

from __future__ import annotations

import pytest

from flows.extraction import checks
from flows.extraction.checks import Status


@pytest.mark.parametrize(
    ("variance", "status"),
    [(1_600.0, Status.PASS), (100.0, Status.PASS), (99.0, Status.WARN), (None, Status.NOT_RUN)],
)
def test_a_blurred_picture_is_to_be_taken_again(variance: float | None, status: Status) -> None:
    assert checks.sharpness(variance).status is status


def test_how_sharp_is_sharp_enough_can_be_set() -> None:
    assert checks.sharpness(255.0, least=300.0).status is Status.WARN


@pytest.mark.parametrize(
    ("share", "status"),
    [(0.0, Status.PASS), (0.02, Status.PASS), (0.03, Status.WARN), (None, Status.NOT_RUN)],
)
def test_a_reflection_hides_part_of_the_card(share: float | None, status: Status) -> None:
    assert checks.glare(share).status is status


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (["LN MULLER", "12 SAMPLETON RD", "AVOID"], Status.PASS),
        (["SPECIMEN- NOT A VALID ID"], Status.WARN),
        (["Sample"], Status.WARN),
        (["VOID"], Status.WARN),
        ([], Status.PASS),
        (None, Status.NOT_RUN),
    ],
)
def test_words_that_no_valid_card_bears(lines: list[str] | None, status: Status) -> None:
    assert checks.specimen_words(lines).status is status


@pytest.mark.parametrize(
    ("software", "status"),
    [
        ("", Status.PASS),
        ("17.5.1", Status.PASS),
        ("HDR+ 1.0.345618096z", Status.PASS),
        ("Adobe Photoshop 25.0 (Macintosh)", Status.WARN),
        ("Picasa; GIMP 2.10.36", Status.WARN),
        (None, Status.NOT_RUN),
    ],
)
def test_programs_for_changing_pictures_are_known_by_name(software: str | None, status: Status) -> None:
    assert checks.edited(software).status is status


@pytest.mark.parametrize(("count", "status"), [(0, Status.PASS), (1, Status.WARN), (None, Status.NOT_RUN)])
def test_nothing_should_follow_the_picture_in_its_file(count: int | None, status: Status) -> None:
    assert checks.trailing_bytes(count).status is status


def test_departures_of_the_barcode_are_counted() -> None:
    assert checks.barcode_structure(()).status is Status.PASS
    assert checks.barcode_structure(None).status is Status.NOT_RUN
    one, two = checks.barcode_structure(["a"]), checks.barcode_structure(["a", "b"])
    assert (one.status, two.status) == (Status.WARN, Status.WARN)
    assert "in one place" in one.detail
    assert "in 2 places" in two.detail


@pytest.mark.parametrize(
    ("issuer", "state", "status"),
    [
        ("CA", "CA", Status.PASS),
        ("CA", "Ca ", Status.PASS),
        ("CA", "NV", Status.WARN),
        ("", "CA", Status.WARN),
        ("CA", "", Status.NOT_RUN),
        ("CA", None, Status.NOT_RUN),
        (None, "CA", Status.NOT_RUN),
    ],
)
def test_the_barcode_names_the_issuer_of_its_state(
    issuer: str | None, state: str | None, status: Status
) -> None:
    assert checks.issuer_matches_state(issuer, state).status is status
