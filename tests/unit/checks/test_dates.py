"""What a card's dates say."""

from __future__ import annotations

from datetime import date

import pytest

from flows.extraction import checks
from flows.extraction.checks import Status
from tests.unit.readings import reading

TODAY = date(2026, 11, 20)


@pytest.mark.parametrize(
    ("expires", "status"),
    [
        ("2026-11-21", Status.PASS),
        ("2026-11-20", Status.PASS),
        ("2026-11-19", Status.FAIL),
        ("soon", Status.NOT_RUN),
    ],
)
def test_a_card_is_valid_on_its_last_day(expires: str, status: Status) -> None:
    assert checks.expired(reading({"EXPIRATION_DATE": expires}), TODAY).status is status


@pytest.mark.parametrize(
    ("born", "status"),
    [("2008-11-20", Status.PASS), ("2008-11-21", Status.FAIL), ("1950-01-01", Status.PASS)],
)
def test_of_age_from_the_birthday_on(born: str, status: Status) -> None:
    assert checks.under_age(reading({"DATE_OF_BIRTH": born}), TODAY).status is status


def test_the_age_of_consent_can_be_set() -> None:
    assert checks.under_age(reading({"DATE_OF_BIRTH": "2006-11-20"}), TODAY, 21).status is Status.FAIL


@pytest.mark.parametrize(
    ("born", "status"),
    [
        ("1906-11-20", Status.PASS),
        ("1905-11-20", Status.FAIL),
        ("2026-11-21", Status.FAIL),
        ("2026-11-20", Status.PASS),
    ],
)
def test_nobody_is_older_than_anybody_was(born: str, status: Status) -> None:
    assert checks.plausible_age(reading({"DATE_OF_BIRTH": born}), TODAY).status is status


@pytest.mark.parametrize(
    ("dates", "status"),
    [
        ({"DATE_OF_ISSUE": "2026-11-20"}, Status.PASS),
        ({"DATE_OF_ISSUE": "2026-11-21"}, Status.FAIL),
        ({"DATE_OF_ISSUE": "2020-01-01", "DATE_OF_BIRTH": "2020-01-02"}, Status.FAIL),
        ({"DATE_OF_ISSUE": "2020-01-01", "EXPIRATION_DATE": "2020-01-01"}, Status.FAIL),
        (
            {
                "DATE_OF_ISSUE": "2020-01-01",
                "DATE_OF_BIRTH": "1990-01-01",
                "EXPIRATION_DATE": "2028-01-01",
            },
            Status.PASS,
        ),
        ({"EXPIRATION_DATE": "2020-01-01"}, Status.NOT_RUN),
    ],
)
def test_a_card_is_issued_between_birth_and_today(dates: dict[str, str], status: Status) -> None:
    assert checks.issue_date(reading(dates), TODAY).status is status


@pytest.mark.parametrize(
    ("expires", "state", "travel_document", "status"),
    [
        ("2028-01-01", "CA", False, Status.PASS),
        ("2032-02-01", "MT", False, Status.PASS),
        ("2033-01-01", "MT", False, Status.WARN),
        ("2060-01-01", "AZ", False, Status.PASS),
        ("2030-10-01", "CA", True, Status.PASS),
        ("2031-01-01", "CA", True, Status.WARN),
    ],
)
def test_a_card_is_valid_for_some_years(
    expires: str, state: str, travel_document: bool, status: Status
) -> None:
    fields = reading({"DATE_OF_ISSUE": "2020-01-01", "EXPIRATION_DATE": expires, "STATE_IN_ADDRESS": state})
    assert checks.validity_span(fields, travel_document=travel_document).status is status


def test_without_their_dates_they_do_not_run() -> None:
    found = [
        checks.expired({}, TODAY),
        checks.under_age({}, TODAY),
        checks.plausible_age({}, TODAY),
        checks.issue_date({}, TODAY),
        checks.validity_span(reading({"DATE_OF_ISSUE": "2020-01-01"})),
    ]
    assert {check.status for check in found} == {Status.NOT_RUN}
