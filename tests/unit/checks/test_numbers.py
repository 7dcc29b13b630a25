"""Whether a licence's number looks like one of its state."""

from __future__ import annotations

import pytest

from flows.extraction import checks
from flows.extraction.checks import Status
from tests.unit.readings import reading


@pytest.mark.parametrize(
    ("state", "number", "status"),
    [
        ("CA", "D1234567", Status.PASS),
        ("CA", "D123456", Status.WARN),
        ("FL", "S123456789012", Status.PASS),
        ("TX", "A1234567", Status.WARN),
        ("ON", "A12345678901234", Status.PASS),
        ("XS", "A9999999", Status.NOT_RUN),
        ("WA", "WDL1234567AB", Status.NOT_RUN),
    ],
)
def test_a_states_own_format(state: str, number: str, status: Status) -> None:
    fields = reading({"STATE_IN_ADDRESS": state, "DOCUMENT_NUMBER": number})
    assert checks.number_format(fields).status is status


def test_the_issuer_goes_before_the_address() -> None:
    moved = {"STATE_NAME": "CALIFORNIA", "STATE_IN_ADDRESS": "TX", "DOCUMENT_NUMBER": "D1234567"}
    assert checks.number_format(reading(moved)).status is Status.PASS


def test_without_a_number_it_does_not_run() -> None:
    assert checks.number_format(reading({"STATE_IN_ADDRESS": "CA"})).status is Status.NOT_RUN
