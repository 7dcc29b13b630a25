"""The check digits of a machine-readable zone."""

from __future__ import annotations

import pytest

from flows.extraction import checks
from flows.extraction.checks import Status
from flows.extraction.fields import Source
from tests.unit.readings import ZONE, reading

CARD = "I<UTOD231458907<<<<<<<<<<<<<<<\n7408122F1204159UTO<<<<<<<<<<<6\nERIKSSON<<ANNA<MARIA<<<<<<<<<<"
"""The specimen of ICAO 9303-5, appendix B."""


@pytest.mark.parametrize("rows", [ZONE, CARD])
def test_the_standards_specimens_pass(rows: str) -> None:
    assert checks.mrz_check_digits(reading({"MRZ_CODE": rows}, Source.MRZ)).status is Status.PASS


def test_a_changed_number_fails() -> None:
    found = checks.mrz_check_digits(reading({"MRZ_CODE": ZONE.replace("L898902C3", "L898903C3")}, Source.MRZ))
    assert (found.status, found.detail) == (
        Status.FAIL,
        "These check digits are wrong: number, composite.",
    )


def test_what_was_repaired_is_looked_at_by_a_person() -> None:
    zone = reading({"MRZ_CODE": ZONE}, Source.MRZ) | reading(
        {"DOCUMENT_NUMBER": "L898902C3"}, Source.MRZ, repaired=True
    )
    assert checks.mrz_check_digits(zone).status is Status.WARN


@pytest.mark.parametrize("rows", ["", "P<UTO\nL898", ZONE + "\n" + ZONE])
def test_without_a_zone_it_does_not_run(rows: str) -> None:
    assert checks.mrz_check_digits(reading({"MRZ_CODE": rows}, Source.MRZ)).status is Status.NOT_RUN
    assert checks.mrz_check_digits({}).status is Status.NOT_RUN
