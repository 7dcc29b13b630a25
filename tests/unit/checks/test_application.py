"""What was read against who registered and what others uploaded."""

from __future__ import annotations

import string
from datetime import date

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from flows.extraction import checks
from flows.extraction.checks import CheckName, Duplicate, Registered, Status
from tests.unit.readings import reading


def compared(registered: str, *, last: str, first: str, middle: str = "") -> Status:
    names = {"LAST_NAME": last, "FIRST_NAME": first, "MIDDLE_NAME": middle}
    fields = reading({name: value for name, value in names.items() if value})
    return checks.name_matches_application(fields, Registered(registered)).status


@pytest.mark.parametrize(
    ("registered", "last", "first", "middle"),
    [
        ("María-José O'Neil Jr.", "ONEIL", "MARIA", "JOSE"),
        ("María-José O'Neil Jr.", "O'NEIL", "MARIA JOSE", ""),
        ("María-José O\N{RIGHT SINGLE QUOTATION MARK}Neil", "O NEIL JR", "MARIA-JOSE", ""),
        ("Anna Smith", "SMITH", "ANNA", "MARIE"),
        ("Anna Smith", "SMITH", "ANNA MARIE", ""),
        ("Anna Marie Smith", "SMITH", "ANNA", ""),
        ("Anna M. Smith", "SMITH", "ANNA", "MARIE"),
        ("Anna Marie Smith", "SMITH", "ANNA", "M"),
        ("SMITH, Anna Marie", "SMITH", "ANNA", ""),
        ("Dr. Juan de la Cruz", "DELACRUZ", "JUAN", ""),
        ("Juan Delacruz", "DE LA CRUZ", "JUAN", ""),
        ("Jürgen Müller", "MUELLER", "JUERGEN", ""),
        ("Mary Ann Lee", "LEE", "MARYANN", ""),
        ("Wei Li", "LI", "WEI", ""),
        ("Garcia Lopez Maria", "LOPEZ GARCIA", "MARIA", ""),
    ],
)
def test_one_name_in_many_spellings(registered: str, last: str, first: str, middle: str) -> None:
    assert compared(registered, last=last, first=first, middle=middle) is Status.PASS


@pytest.mark.parametrize(
    ("registered", "last", "first", "middle"),
    [
        ("Anna Johnsen", "JOHNSON", "ANNA", ""),
        ("Maria Garcia", "GARCIA LOPEZ", "MARIA", ""),
        ("Maria Garcia Lopez", "GARCIA", "MARIA", ""),
        ("J. Smith", "SMITH", "JOHN", ""),
        ("Michael Smith", "SMITH", "JOHN", "MICHAEL"),
        ("Anna Louise Smith", "SMITH", "ANNA", "MARIE"),
        ("Jonathen Lee", "LEE", "JONATHAN", ""),
    ],
)
def test_nearly_the_same_name_is_looked_at(registered: str, last: str, first: str, middle: str) -> None:
    assert compared(registered, last=last, first=first, middle=middle) is Status.WARN


@pytest.mark.parametrize(
    ("registered", "last", "first"),
    [
        ("Anna Smith", "JONES", "ANNA"),
        ("Anna Smith", "SMITH", "BETTY"),
        ("Anna Lee", "LEA", "ANNA"),
        ("Ana Lee", "LEE", "AVA"),
        ("James Brown", "JAMES", "JAMES"),
        ("Juan de la Vega", "DE LA CRUZ", "JUAN"),
        ("Ana G L", "GARCIA LOPEZ", "ANA"),
        ("Smith", "SMITH", "ANNA"),
    ],
)
def test_another_name_fails(registered: str, last: str, first: str) -> None:
    assert compared(registered, last=last, first=first) is Status.FAIL


_WORD = st.text(string.ascii_uppercase, min_size=2, max_size=8).filter(
    lambda word: (
        word.lower() not in {"mr", "ms", "mx", "dr", "jr", "sr", "ii", "iv", "vi", "mrs", "miss", "iii"}
    )
)


@given(_WORD, _WORD, _WORD, st.permutations([0, 1, 2]))
def test_ones_own_name_passes_in_any_order(first: str, middle: str, last: str, order: list[int]) -> None:
    registered = " ".join([first, middle, last][at] for at in order).title()
    assert compared(registered, last=last, first=first, middle=middle) is Status.PASS


@given(_WORD, _WORD, _WORD)
def test_another_family_name_never_passes(first: str, last: str, other: str) -> None:
    assume(other != last)
    assert compared(f"{first} {last}", last=other, first=first) is not Status.PASS


def test_which_part_differs_is_said_without_the_names() -> None:
    found = checks.name_matches_application(
        reading({"LAST_NAME": "JONES", "FIRST_NAME": "ANNA"}), Registered("Anna Smith")
    )
    assert found.detail == "Other than registered: family name."


@pytest.mark.parametrize(
    ("names", "registered"),
    [
        ({"LAST_NAME": "LEE", "FIRST_NAME": "ANNA"}, None),
        ({"LAST_NAME": "LEE"}, Registered("Anna Lee")),
        ({"FIRST_NAME": "ANNA"}, Registered("Anna Lee")),
        ({"LAST_NAME": "LEE", "FIRST_NAME": "ANNA"}, Registered("Анна Ли")),
    ],
)
def test_a_name_that_cannot_be_compared(names: dict[str, str], registered: Registered | None) -> None:
    assert checks.name_matches_application(reading(names), registered).status is Status.NOT_RUN


@pytest.mark.parametrize(
    ("read", "registered", "status"),
    [
        ("1980-01-31", Registered("A", date(1980, 1, 31)), Status.PASS),
        ("1980-01-31", Registered("A", date(1981, 1, 31)), Status.FAIL),
        ("", Registered("A", date(1980, 1, 31)), Status.NOT_RUN),
        ("1980-01-31", Registered("A"), Status.NOT_RUN),
        ("1980-01-31", None, Status.NOT_RUN),
    ],
)
def test_the_birth_date_is_the_registered_one(
    read: str, registered: Registered | None, status: Status
) -> None:
    fields = reading({"DATE_OF_BIRTH": read} if read else {})
    assert checks.birth_date_matches_application(fields, registered).status is status


@pytest.mark.parametrize(
    ("check", "what"),
    [
        (CheckName.SAME_FILE, "file"),
        (CheckName.SAME_IMAGE, "image"),
        (CheckName.SAME_PERSON, "person"),
    ],
)
def test_what_other_applications_hold_too(check: CheckName, what: str) -> None:
    every = [Duplicate("file", "A-2"), Duplicate("image", "A-2"), Duplicate("person", "A-2")]
    own, others = [one for one in every if one.what == what], [one for one in every if one.what != what]
    assert checks.same_elsewhere(check, own).status is Status.FAIL
    assert "A-2" in checks.same_elsewhere(check, own).detail
    assert checks.same_elsewhere(check, others).status is Status.PASS
    assert checks.same_elsewhere(check, ()).status is Status.PASS
    assert checks.same_elsewhere(check, None).status is Status.NOT_RUN


def test_of_many_applications_the_first_are_named() -> None:
    many = [Duplicate("person", f"A-{number}") for number in range(5)]
    assert checks.same_elsewhere(CheckName.SAME_PERSON, many).detail.endswith("for A-0, A-1, A-2 and 2 more.")
