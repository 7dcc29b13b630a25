"""One spelling per kind of value: what is written in any issuer's way is read back the same."""

from __future__ import annotations

import re
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.extraction import normalise
from flows.extraction.fronts.vocabulary import DATE, MONTHS, SPELT_DATE, VALUES, Label, folded

DAYS = st.dates(date(1900, 1, 1), date(2099, 12, 31))

MONTH_FIRST = ("%m/%d/%Y", "%m-%d-%Y", "%m.%d.%Y", "%m %d %Y", "%m%d%Y")
YEAR_FIRST = ("%Y/%m/%d", "%Y-%m-%d", "%Y.%m.%d", "%Y%m%d")
BY_NAME = ("%d %b %Y", "%d-%b-%Y", "%d%b%Y", "%b %d, %Y", "%B %d, %Y", "%Y-%b-%d", "%Y %b %d", "%d %B %Y")


@given(day=DAYS, form=st.sampled_from((*MONTH_FIRST, *YEAR_FIRST, *BY_NAME)))
def test_a_date_written_in_any_order_is_read_back(day: date, form: str) -> None:
    printed = f"{day:{form}}"
    assert normalise.date_of(printed) == day.isoformat()
    assert normalise.date_of(printed.upper()) == day.isoformat()


@given(day=DAYS, separator=st.sampled_from("/-. "))
def test_a_card_that_prints_the_day_first_is_read_so(day: date, separator: str) -> None:
    assert normalise.date_of(f"{day:%d{separator}%m{separator}%Y}", day_first=True) == day.isoformat()


@given(day=DAYS, names=st.data())
def test_months_in_either_language_or_both(day: date, names: st.DataObject) -> None:
    name = names.draw(st.sampled_from(MONTHS[day.month - 1]))
    other = names.draw(st.sampled_from(MONTHS[day.month - 1]))
    assert normalise.date_of(f"{day:%d} {name} {day:%Y}") == day.isoformat()
    assert normalise.date_of(f"{day:%d} {name}/{other} {day:%Y}") == day.isoformat()


@given(day=DAYS, form=st.sampled_from((*MONTH_FIRST, *YEAR_FIRST, *BY_NAME)))
def test_a_written_date_looks_like_one(day: date, form: str) -> None:
    assert re.fullmatch(DATE, folded(f"{day:{form}}"))
    if form not in {"%m%d%Y", "%Y%m%d"}:
        found = re.search(SPELT_DATE, folded(f"ABC {day:{form}} DEF"))
        assert found
        assert normalise.date_of(found[0]) == day.isoformat()


@given(
    day=st.dates(date(1930, 1, 1), date(2029, 12, 31)),
    form=st.sampled_from(("%m/%d/%y", "%m-%d-%y", "%d %b %y")),
)
def test_the_century_of_a_short_date_is_the_last_that_can_be(day: date, form: str) -> None:
    printed = f"{day:{form}}"
    assert normalise.date_of(printed) == ""
    latest = day + timedelta(days=20_000)
    read = normalise.short_date(printed, latest=min(latest, date(2099, 12, 31)))
    assert read[2:] == day.isoformat()[2:]
    assert day.isoformat() <= read <= latest.isoformat()


@pytest.mark.parametrize(
    "text", ["02/30/2020", "13/32/1980", "00/00/0000", "31 FEB 1990", "1980", "", "SMITH"]
)
def test_what_is_no_date_is_none(text: str) -> None:
    assert normalise.date_of(text) == ""


def test_the_letter_o_among_digits_is_a_zero() -> None:
    assert normalise.date_of("O1/31/198O") == "1980-01-31"
    assert normalise.date_of("31 OCT 1980") == "1980-10-31"


@given(
    feet=st.integers(3, 7),
    inches=st.integers(0, 11),
    form=st.sampled_from(
        ("{}'-{:02}\"", "{}'{:02}\"", "{}-{:02}", "{}' {}\"", "{} FT {:02} IN", "{}{:02}", "{}\u2019{}\u201d")
    ),
)
def test_a_height_in_feet_is_read_back_in_inches(feet: int, inches: int, form: str) -> None:
    assert normalise.height(form.format(feet, inches)) == f"{feet * 12 + inches} in"


@given(centimetres=st.integers(120, 220))
def test_a_metric_height_is_read_back(centimetres: int) -> None:
    for printed in (
        f"{centimetres} cm",
        f"{centimetres}CM",
        f"{centimetres // 100}.{centimetres % 100:02} m",
    ):
        assert normalise.height(printed) == f"{centimetres} cm"


@pytest.mark.parametrize("text", ["5'-12\"", "2'-05\"", "150 lb", "", "SMITH"])
def test_what_is_no_height_is_none(text: str) -> None:
    assert normalise.height(text) == ""


NAMES = st.from_regex(r"[A-ZÀ-ÖØ-Þ][A-ZÀ-ÖØ-Þ'-]{0,12}( [A-ZÀ-ÖØ-Þ][A-ZÀ-ÖØ-Þ'-]{0,12}){0,2}", fullmatch=True)


@given(name=NAMES.filter(lambda name: name[-1] not in "'-"), before=st.sampled_from(("", " ", ", ", "-")))
def test_a_name_is_read_back_without_what_surrounds_it(name: str, before: str) -> None:
    assert normalise.name(f"{before}{name.lower()} ,") == name.strip(" -*") == normalise.name(name)


@pytest.mark.parametrize("text", ["J0HN", "12 MAIN ST", "", "***", "A/B"])
def test_what_is_no_name_is_none(text: str) -> None:
    assert normalise.name(text) == ""


@pytest.mark.parametrize(
    ("text", "eyes"),
    [("BRO", "BRO"), ("Brown", "BRO"), ("BRUNS", "BRO"), ("BLUE / BLEU", "BLU"), ("HZL", "HAZ"), ("XYZ", "")],
)
def test_eyes(text: str, eyes: str) -> None:
    assert normalise.eyes(text) == eyes


@pytest.mark.parametrize("text", ["QUEBEC", "Québec", "QC"])
def test_a_province_by_name_or_code(text: str) -> None:
    assert normalise.state(text) == "QC"


@given(text=st.text(max_size=40))
def test_folding_keeps_every_character_at_its_place(text: str) -> None:
    assert len(folded(text)) == len(text)


@given(text=st.text(alphabet="ABCDELMNO0123456789/-'., ", max_size=30))
def test_anything_else_gives_a_well_formed_value_or_none(text: str) -> None:
    found = normalise.date_of(text)
    assert found == "" or date.fromisoformat(found)
    assert normalise.height(text) == "" or normalise.height(text).split()[1] in {"in", "cm"}
    assert normalise.sex(text) in {"", "M", "F", "X"}
    assert VALUES[Label.SEX]
