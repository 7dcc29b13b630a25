"""What two sources say of one card: every change shows, and what is only written differently does not."""

from __future__ import annotations

import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.extraction import checks
from flows.extraction.checks import Status
from flows.extraction.fields import Reading, Source
from tests.unit.readings import LICENSE, PASSPORT, ZONE, reading

BARCODE = reading(LICENSE, Source.BARCODE)
SOMEBODY_ELSE = {
    **LICENSE,
    "LAST_NAME": "TANAKA",
    "FIRST_NAME": "YUKI",
    "DATE_OF_BIRTH": "1991-07-02",
    "DOCUMENT_NUMBER": "B7654321",
}


def printed(**changed: str) -> Reading:
    return reading({name: value for name, value in {**LICENSE, **changed}.items() if value})


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"LAST_NAME": "ONEIL"},
        {"LAST_NAME": "O NEIL"},
        {"LAST_NAME": "O'NEIL JR"},
        {"FIRST_NAME": "ANNA MARIE", "MIDDLE_NAME": ""},
        {"FIRST_NAME": "ANNAMARIE", "MIDDLE_NAME": ""},
        {"MIDDLE_NAME": ""},
        {"MIDDLE_NAME": "M"},
        {"DOCUMENT_NUMBER": "DI234567"},
        {"ZIP_CODE_IN_ADDRESS": "95814"},
        {"ADDRESS": "12 MAIN STREET", "CITY_IN_ADDRESS": "SACRAMENTO CA"},
    ],
)
def test_what_is_only_written_differently_agrees(changed: dict[str, str]) -> None:
    assert checks.barcode_matches_print([BARCODE], [printed(**changed)]).status is Status.PASS


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"LAST_NAME": "O'NEAL"}, Status.WARN),
        ({"FIRST_NAME": "ANNE"}, Status.WARN),
        ({"LAST_NAME": "SMITH"}, Status.FAIL),
        ({"FIRST_NAME": "ELSA"}, Status.FAIL),
        ({"DATE_OF_BIRTH": "1990-01-31"}, Status.FAIL),
        ({"DOCUMENT_NUMBER": "D1234568"}, Status.FAIL),
        ({"EXPIRATION_DATE": "2037-05-14"}, Status.FAIL),
        ({"ZIP_CODE_IN_ADDRESS": "95815"}, Status.FAIL),
        ({"SEX": "M"}, Status.FAIL),
    ],
)
def test_what_was_changed_shows(changed: dict[str, str], status: Status) -> None:
    found = checks.barcode_matches_print([BARCODE], [printed(**changed)])
    assert found.status is status
    assert next(iter(changed)) in found.detail
    assert not any(
        value in found.detail for value in [*LICENSE.values(), *changed.values()] if len(value) > 1
    )


_LETTERS = st.sampled_from(string.ascii_uppercase)


@given(st.sampled_from(["LAST_NAME", "DATE_OF_BIRTH", "DOCUMENT_NUMBER"]), st.data())
def test_one_changed_character_of_what_matters_is_flagged_every_time(name: str, data: Any) -> None:
    value = LICENSE[name]
    at = data.draw(st.sampled_from([i for i, c in enumerate(value) if c.isalnum()]))
    same_kind = string.digits if value[at].isdigit() else string.ascii_uppercase
    other = data.draw(st.sampled_from([c for c in same_kind if c != value[at]]))
    tampered = printed(**{name: value[:at] + other + value[at + 1 :]})
    found = checks.barcode_matches_print([BARCODE], [tampered])
    assert found.status in {Status.WARN, Status.FAIL}
    assert name in found.detail


def test_somebody_elses_back_shows_beside_the_right_one() -> None:
    other = reading(SOMEBODY_ELSE, Source.BARCODE)
    assert checks.barcode_matches_print([other], [printed()]).status is Status.FAIL
    assert checks.barcode_matches_print([BARCODE, other], [printed()]).status is Status.FAIL
    assert checks.barcode_matches_print([BARCODE], [printed(), reading(SOMEBODY_ELSE)]).status is Status.FAIL


def test_a_few_stray_words_on_the_back_are_no_print() -> None:
    stray = reading({"DOCUMENT_NUMBER": "12345", "SEX": "M"})
    assert checks.barcode_matches_print([BARCODE], [printed(), stray]).status is Status.PASS
    assert checks.barcode_matches_print([BARCODE], [stray]).status is Status.NOT_RUN


def test_one_side_alone_cannot_be_compared() -> None:
    assert "No print" in checks.barcode_matches_print([BARCODE], []).detail
    assert "No barcode" in checks.barcode_matches_print([], [printed()]).detail


@pytest.mark.parametrize("unread", ["LAST_NAME", "FIRST_NAME", "DATE_OF_BIRTH", "DOCUMENT_NUMBER"])
def test_agreement_is_not_claimed_of_what_was_not_read(unread: str) -> None:
    found = checks.barcode_matches_print([BARCODE], [printed(**{unread: ""})])
    assert found.status is Status.WARN
    assert f"could not be compared in: {unread}" in found.detail


def test_a_smeared_name_hides_no_other_doubt() -> None:
    found = checks.barcode_matches_print([BARCODE], [printed(LAST_NAME="", FIRST_NAME="ANNE")])
    assert found.status is Status.WARN
    assert "by one letter in: FIRST_NAME" in found.detail
    assert "could not be compared in: LAST_NAME" in found.detail
    changed = printed(LAST_NAME="", DATE_OF_BIRTH="1990-01-31")
    assert checks.barcode_matches_print([BARCODE], [changed]).status is Status.FAIL


def zone(code: str = ZONE, **changed: str) -> Reading:
    return reading({**PASSPORT, "MRZ_CODE": code, **changed}, Source.MRZ)


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({}, Status.PASS),
        ({"LAST_NAME": "ERIKSSÖN"}, Status.PASS),
        ({"LAST_NAME": "ERICSSON"}, Status.WARN),
        ({"LAST_NAME": "TANAKA"}, Status.FAIL),
        ({"DATE_OF_BIRTH": "1984-08-12"}, Status.FAIL),
        ({"DOCUMENT_NUMBER": "L898902C4"}, Status.FAIL),
    ],
)
def test_a_zone_against_the_print_above_it(changed: dict[str, str], status: Status) -> None:
    found = checks.mrz_matches_print([zone()], [reading({**PASSPORT, **changed})])
    assert found.status is status


def test_a_zone_alone_cannot_be_compared() -> None:
    assert "No print" in checks.mrz_matches_print([zone()], []).detail
    assert "No machine-readable zone" in checks.mrz_matches_print([], [reading(PASSPORT)]).detail


def test_names_that_a_full_zone_has_cut_agree_as_far_as_they_go() -> None:
    # Of 39 places none is left: ICAO 9303-4, 4.2.3.
    names = "NILAVADHANANANDA<<CHAYAPA<DEJTHAMRONG<K"
    cut = zone(
        f"P<UTO{names}\n{ZONE[45:]}",
        LAST_NAME="NILAVADHANANANDA",
        FIRST_NAME="CHAYAPA",
        MIDDLE_NAME="DEJTHAMRONG K",
    )
    whole = {
        **PASSPORT,
        "LAST_NAME": "NILAVADHANANANDA",
        "FIRST_NAME": "CHAYAPADEJ",
        "MIDDLE_NAME": "THAMRONG KRASUANG",
    }
    assert checks.mrz_matches_print([cut], [reading(whole)]).status is Status.PASS
    assert (
        checks.mrz_matches_print([cut], [reading({**whole, "FIRST_NAME": "SOMCHAI"})]).status is Status.FAIL
    )


def test_cards_of_one_person_agree_whatever_their_numbers() -> None:
    passport = reading({**PASSPORT, "LAST_NAME": "ONEIL", "DATE_OF_BIRTH": "1980-01-31"}, Source.MRZ)
    assert checks.cards_agree([BARCODE, passport]).status is Status.PASS
    assert checks.cards_agree([BARCODE, zone()]).status is Status.FAIL
    assert checks.cards_agree([BARCODE, {}]).status is Status.NOT_RUN
