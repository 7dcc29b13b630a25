"""Each check when it passes, fails, warns or cannot run; and what they recommend together."""

from __future__ import annotations

from datetime import date

import pytest

from flows.extraction import checks
from flows.extraction.checks import Check, Recommendation, Severity, Status
from flows.extraction.fields import CORE, Field, FieldName, Reading, Source, merge

TODAY = date(2026, 11, 20)


def reading(values: dict[str, str], source: Source = Source.OCR, confidence: float = 99.0) -> Reading:
    return {
        FieldName(name): Field(value=value, confidence=confidence, source=source)
        for name, value in values.items()
    }


@pytest.mark.parametrize(
    ("expires", "status"),
    [("2026-11-21", Status.PASS), ("2026-11-20", Status.PASS), ("2026-11-19", Status.FAIL)],
)
def test_a_card_is_valid_on_its_last_day(expires: str, status: Status) -> None:
    assert checks.expired(reading({"EXPIRATION_DATE": expires}), TODAY).status is status


@pytest.mark.parametrize(
    ("born", "status"),
    [("2008-11-20", Status.PASS), ("2008-11-21", Status.FAIL), ("1950-01-01", Status.PASS)],
)
def test_of_age_from_the_birthday_on(born: str, status: Status) -> None:
    assert checks.under_age(reading({"DATE_OF_BIRTH": born}), TODAY).status is status


def test_without_their_dates_they_do_not_run() -> None:
    assert checks.expired({}, TODAY).status is Status.NOT_RUN
    assert checks.under_age({}, TODAY).status is Status.NOT_RUN


FRONT = {
    "LAST_NAME": "O'NEIL",
    "FIRST_NAME": "ANNA",
    "DATE_OF_BIRTH": "1980-01-31",
    "DOCUMENT_NUMBER": "D123",
}


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({}, Status.PASS),
        ({"LAST_NAME": "ONEIL"}, Status.PASS),
        ({"LAST_NAME": "O NEIL"}, Status.PASS),
        ({"FIRST_NAME": "ANMA"}, Status.PASS),
        ({"LAST_NAME": "SMITH"}, Status.FAIL),
        ({"FIRST_NAME": "AMMA"}, Status.FAIL),
        ({"DATE_OF_BIRTH": "1977-01-31"}, Status.FAIL),
        ({"DOCUMENT_NUMBER": "D124"}, Status.FAIL),
    ],
)
def test_barcode_against_print(changed: dict[str, str], status: Status) -> None:
    found = checks.barcode_matches_print(reading(FRONT, Source.BARCODE), reading({**FRONT, **changed}))
    assert found.status is status
    assert not any(value in found.detail for value in [*FRONT.values(), *changed.values()])


def test_barcode_against_print_needs_both_sides() -> None:
    assert checks.barcode_matches_print({}, reading(FRONT)).status is Status.NOT_RUN
    assert checks.barcode_matches_print(reading(FRONT), {}).status is Status.NOT_RUN


def test_completeness() -> None:
    everything = dict.fromkeys((name.value for name in CORE), "1")
    assert checks.complete(reading(everything)).status is Status.PASS
    assert checks.complete(reading(everything, confidence=50)).status is Status.WARN
    del everything["ADDRESS"]
    missing = checks.complete(reading(everything))
    assert (missing.status, missing.detail) == (Status.FAIL, "Not read: ADDRESS.")


def test_sharpness_and_specimen_words_only_warn() -> None:
    assert checks.sharpness(1_600).status is Status.PASS
    assert checks.sharpness(60).status is Status.WARN
    assert checks.specimen_words(["LN MULLER"]).status is Status.PASS
    assert checks.specimen_words(["SPECIMEN- NOT A VALID ID"]).status is Status.WARN


def check(status: Status, severity: Severity = Severity.REVIEW, *, required: bool = True) -> Check:
    return Check(check="some", status=status, severity=severity, required=required)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([check(Status.PASS)], Recommendation.ACCEPT),
        ([check(Status.PASS), check(Status.WARN, required=False)], Recommendation.REVIEW),
        ([check(Status.PASS), check(Status.NOT_RUN)], Recommendation.REVIEW),
        ([check(Status.PASS), check(Status.NOT_RUN, required=False)], Recommendation.ACCEPT),
        ([check(Status.PASS), check(Status.FAIL)], Recommendation.REVIEW),
        ([check(Status.FAIL), check(Status.FAIL, Severity.REJECT)], Recommendation.REJECT),
    ],
)
def test_recommendation(found: list[Check], expected: Recommendation) -> None:
    assert checks.recommend(found) is expected


def test_where_sources_disagree_the_first_is_believed_and_the_other_kept() -> None:
    merged = merge(
        [reading({"SEX": "F"}, Source.BARCODE), reading({"SEX": "M", "EYES": "BRO"}), reading({"SEX": "M"})]
    )
    assert merged[FieldName.SEX].value == "F"
    assert [other.value for other in merged[FieldName.SEX].alternatives] == ["M"]
    assert merged[FieldName.EYES].source is Source.OCR
