"""Printed lines to fields: labels by number, by word, glued, stacked, absent; and any way round."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.extraction.engine import Line
from flows.extraction.fields import FieldName
from flows.extraction.fronts.front import read_front, understand
from flows.extraction.fronts.labels import Piece, cut, open_label
from flows.extraction.fronts.pairing import cheapest_assignment
from flows.extraction.fronts.vocabulary import Label
from flows.extraction.spacing import respace
from tests.unit.readings import line


def values(*lines: Line) -> dict[str, str]:
    return {name.value: field.value for name, field in read_front(list(lines)).items()}


NUMBERED = [
    line("4d DLN D1234567", 300, 100),
    line("3 DOB 01/31/1980", 300, 150),
    line("1 MULLER", 300, 200),
    line("2 ANNA MARIA", 300, 250),
    line("8 6428 RIVERSIDE DR", 300, 300),
    line("SPRINGFIELD, IL 62701", 330, 332),
    line("4a ISS 05/06/2024", 300, 380),
    line("4b EXP 01/31/2032", 640, 380),
    line("15 SEX F 16 HGT 5'-08\" 18 EYES BRO", 300, 430),
]


def test_numbered_labels() -> None:
    assert values(*NUMBERED) == {
        "DOCUMENT_NUMBER": "D1234567",
        "DATE_OF_BIRTH": "1980-01-31",
        "LAST_NAME": "MULLER",
        "FIRST_NAME": "ANNA",
        "MIDDLE_NAME": "MARIA",
        "ADDRESS": "6428 RIVERSIDE DR",
        "CITY_IN_ADDRESS": "SPRINGFIELD",
        "STATE_IN_ADDRESS": "IL",
        "ZIP_CODE_IN_ADDRESS": "62701",
        "DATE_OF_ISSUE": "2024-05-06",
        "EXPIRATION_DATE": "2032-01-31",
        "SEX": "F",
        "HEIGHT": "68 in",
        "EYES": "BRO",
    }


@pytest.mark.parametrize(
    ("text", "label", "value"),
    [
        ("4dDLND1234567", Label.NUMBER, "D1234567"),
        ("4d DLN300123456", Label.NUMBER, "300123456"),
        ("LNMULLER", Label.LAST, "MULLER"),
        ("FNANNA", Label.GIVEN, "ANNA"),
        ("1MULLER", Label.LAST, "MULLER"),
        ("DOB01/31/1980", Label.BORN, "01/31/1980"),
        ("EXP: 31 JAN 2032", Label.EXPIRES, "31 JAN 2032"),
        ("15 SEXF", Label.SEX, "F"),
        ("EYESBRO", Label.EYES, "BRO"),
        ("LICENSE NO. 12-345-678", Label.NUMBER, "12-345-678"),
        ("DATEOFBIRTH 01/31/1980", Label.BORN, "01/31/1980"),
        ("301/31/1980", Label.BORN, "01/31/1980"),
        ("4aIssMAY 12, 2025", Label.ISSUED, "MAY 12, 2025"),
        ("15F", Label.SEX, "F"),
        ("9CLM", Label.CLASS, "M"),
        ("8 5 CLASSON AVE", Label.ADDRESS, "5 CLASSON AVE"),
        ("Address 8 MAPLE LN", Label.ADDRESS, "8 MAPLE LN"),
        ("1 ENDO", Label.LAST, "ENDO"),
        ("1,2 IVANOV, QUENTIN", Label.NAME, "IVANOV, QUENTIN"),
        ("3 DOB/DDN 1980/01/31", Label.BORN, "1980/01/31"),
        ("DD\N{FULLWIDTH COLON}37MJ556178", Label.DISCRIMINATOR, "37MJ556178"),
        ("DLNW9215-93922-64793", Label.NUMBER, "W9215-93922-64793"),
        ("OaEND M", Label.ENDORSEMENTS, "M"),
    ],
)
def test_labels_glued_to_values_are_cut_off(text: str, label: Label, value: str) -> None:
    pieces = cut(text, numbers=True)
    assert [(piece.label, piece.text) for piece in pieces] == [(label, value)]


@pytest.mark.parametrize(
    "text",
    [
        *("NORFOLK", "DOBSON", "LASTER", "MIDDLETON", "EXPOSITION", "CLEVELAND"),
        *("IDAHO FALLS, ID 83401", "NOWHERE FALLS, XN 00021"),
        *("12 MAPLE LN", "5756 OAK AVE", "2 RIVERSIDE DR", "WEST END AVE", "8 12TH AVE", "8 MAPLE LN"),
        *("CLASSEN", "SEXTON", "WILLIAM ENDO", "27 NOV 2033", "Z0913-41995-16876", "282 520 210"),
    ],
)
def test_words_that_only_begin_like_labels_are_none(text: str) -> None:
    assert cut(text, numbers=True) == [Piece(None, text, 0, len(text))]


def test_a_house_number_glued_to_the_label_8_loses_it_when_it_begins_where_labels_begin() -> None:
    glued = [line("86428 RIVERSIDE DR", 300, 300) if "6428" in known.text else known for known in NUMBERED]
    assert values(*glued)["ADDRESS"] == "6428 RIVERSIDE DR"


def test_a_house_number_that_begins_with_8_keeps_it() -> None:
    own = [line("86428 RIVERSIDE DR", 330, 300) if "6428" in known.text else known for known in NUMBERED]
    assert values(*own)["ADDRESS"] == "86428 RIVERSIDE DR"


def test_a_line_of_several_labels_is_cut_at_each() -> None:
    pieces = cut("9 CLASS D 9a END NONE 12 REST B 15 SEX F 16 HGT 5'-08\"", numbers=True)
    assert [(piece.label, piece.text) for piece in pieces] == [
        (Label.CLASS, "D"),
        (Label.ENDORSEMENTS, "NONE"),
        (Label.RESTRICTIONS, "B"),
        (Label.SEX, "F"),
        (Label.HEIGHT, "5'-08\""),
    ]


def test_a_column_that_detection_ran_into_the_next_is_cut_off() -> None:
    text = "MULLER  DONOR"
    assert cut(text, numbers=False, columns=(8,))[0] == Piece(None, "MULLER", 0, 8)


def test_labels_above_their_values() -> None:
    found = values(
        line("LAST NAME", 300, 100, 20),
        line("DE LA CRUZ", 300, 122),
        line("FIRST NAME", 300, 170, 20),
        line("ANNA", 300, 192),
        line("DATE OF BIRTH", 300, 240, 20),
        line("EXPIRES", 600, 240, 20),
        line("01/31/1980", 300, 262),
        line("01/31/2032", 600, 262),
        line("LICENSE NO.", 300, 320, 20),
        line("D1234567", 300, 342),
    )
    assert found == {
        "LAST_NAME": "DE LA CRUZ",
        "FIRST_NAME": "ANNA",
        "DATE_OF_BIRTH": "1980-01-31",
        "EXPIRATION_DATE": "2032-01-31",
        "DOCUMENT_NUMBER": "D1234567",
    }


def test_names_without_labels_stand_above_the_address() -> None:
    found = values(
        line("MULLER", 300, 100),
        line("ANNA MARIA", 300, 135),
        line("6428 RIVERSIDE DR APT2", 300, 170),
        line("SPRINGFIELD IL 62701-1234", 300, 205),
    )
    assert (found["LAST_NAME"], found["FIRST_NAME"], found["MIDDLE_NAME"]) == ("MULLER", "ANNA", "MARIA")
    assert (found["ADDRESS"], found["ZIP_CODE_IN_ADDRESS"]) == ("6428 RIVERSIDE DR APT 2", "62701-1234")


def test_three_dates_without_labels_are_told_apart_by_their_order() -> None:
    found = values(line("05/06/2024", 300, 100), line("01/31/1980", 300, 200), line("01/31/2032", 300, 300))
    assert (found["DATE_OF_BIRTH"], found["DATE_OF_ISSUE"]) == ("1980-01-31", "2024-05-06")
    assert found["EXPIRATION_DATE"] == "2032-01-31"


def test_a_date_that_fits_in_one_place_only_fills_it_and_is_shown_as_doubtful() -> None:
    reading = read_front(
        [line("DOB 01/31/1980", 300, 100), line("EXP 01/31/2032", 300, 200), line("05/06/2024", 700, 90)]
    )
    issued = reading[FieldName.DATE_OF_ISSUE]
    assert issued.value == "2024-05-06"
    assert issued.confidence < 80


def test_labels_that_cannot_be_true_are_swapped_and_believed_less() -> None:
    reading = read_front(
        [line("DOB 05/06/2024", 300, 100), line("ISS 01/31/1980", 300, 150), line("EXP 01/31/2032", 300, 200)]
    )
    assert reading[FieldName.DATE_OF_BIRTH].value == "1980-01-31"
    assert reading[FieldName.DATE_OF_ISSUE].value == "2024-05-06"
    assert all(field.confidence < 80 for field in reading.values())


def test_a_birth_date_that_its_ghost_contradicts_is_doubtful() -> None:
    born = read_front([line("DOB 01/31/1980", 300, 100), line("01/31/1988", 700, 400)])[
        FieldName.DATE_OF_BIRTH
    ]
    assert (born.value, born.confidence < 80) == ("1980-01-31", True)
    assert [other.value for other in born.alternatives] == ["1988-01-31"]


def test_the_day_comes_first_on_a_card_that_can_be_read_no_other_way() -> None:
    found = values(
        line("DOB 03/02/1980", 300, 100), line("ISS 25/11/2022", 300, 150), line("EXP 03/02/2032", 300, 200)
    )
    assert (found["DATE_OF_BIRTH"], found["DATE_OF_ISSUE"]) == ("1980-02-03", "2022-11-25")


@pytest.mark.parametrize("names", ["MULLER, ANNA MARIA", "ANNA MARIA MULLER"])
def test_all_names_on_one_line(names: str) -> None:
    reading = read_front([line(f"NAME {names}", 300, 100)])
    found = {name.value: field.value for name, field in reading.items()}
    assert found == {"LAST_NAME": "MULLER", "FIRST_NAME": "ANNA", "MIDDLE_NAME": "MARIA"}
    assert (reading[FieldName.LAST_NAME].confidence < 80) is ("," not in names)


def test_a_state_can_be_a_family_name() -> None:
    found = values(line("GEORGIA", 20, 20, 60), line("LAST NAME", 300, 100, 20), line("WASHINGTON", 300, 122))
    assert (found["STATE_NAME"], found["LAST_NAME"]) == ("GEORGIA", "WASHINGTON")


@pytest.mark.parametrize(
    ("printed", "city", "state", "code"),
    [
        ("MONTREAL (QUEBEC) H2X1Y4", "MONTREAL", "QC", "H2X 1Y4"),
        ("TORONTO, ON, M5V 2T6", "TORONTO", "ON", "M5V 2T6"),
        ("SPRINGFIELD,IL62701-1234", "SPRINGFIELD", "IL", "62701-1234"),
        ("MIDDLEBR00K, IL O2701", "MIDDLEBROOK", "IL", "02701"),
    ],
)
def test_the_last_line_of_an_address(printed: str, city: str, state: str, code: str) -> None:
    found = values(line(printed, 300, 100))
    assert found == {"CITY_IN_ADDRESS": city, "STATE_IN_ADDRESS": state, "ZIP_CODE_IN_ADDRESS": code}


def test_a_digit_read_for_a_letter_is_put_right_and_shown_as_doubtful() -> None:
    reading = read_front(
        [line("LN J0HNSON", 300, 100), line("1O OAK AVE", 300, 150), line("YORK PA 17404", 300, 180)]
    )
    assert reading[FieldName.LAST_NAME].value == "JOHNSON"
    assert reading[FieldName.ADDRESS].value == "10 OAK AVE"
    assert max(reading[FieldName.LAST_NAME].confidence, reading[FieldName.ADDRESS].confidence) < 80


def test_overprints_and_slogans_are_no_names() -> None:
    found = values(
        line("SPECIMEN", 300, 165),
        line("SAFE DRIVER", 300, 200),
        line("6428 RIVERSIDE DR", 300, 235),
        line("SPRINGFIELD IL 62701", 300, 270),
    )
    assert not {"LAST_NAME", "FIRST_NAME"} & set(found)


def test_a_suffix_is_no_part_of_the_name() -> None:
    found = values(line("LN KING JR", 300, 100), line("FN MARTIN", 300, 150))
    assert (found["LAST_NAME"], found["SUFFIX"]) == ("KING", "JR")


def test_the_title_labels_nothing() -> None:
    found = values(line("CALIFORNIA", 20, 20), line("DRIVER LICENSE", 600, 20), line("99887766", 700, 60))
    assert (found["STATE_NAME"], found["ID_TYPE"]) == ("CALIFORNIA", "DRIVER LICENSE")


def test_a_number_without_a_label_is_believed_a_little_when_it_is_the_only_one() -> None:
    number, other = line("99887766", 700, 60), line("12345678", 700, 160)
    assert read_front([number])[FieldName.DOCUMENT_NUMBER].confidence < 80
    assert FieldName.DOCUMENT_NUMBER not in read_front([number, other])


def test_skew_does_not_matter() -> None:
    angle = np.radians(7)
    matrix = np.array([(np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle))], dtype=np.float32)
    skewed = [Line(each.text, each.confidence, each.corners @ matrix) for each in NUMBERED]
    assert read_front(skewed) == read_front(NUMBERED)


def test_nothing_printed_gives_no_fields() -> None:
    assert read_front([]) == {}


def test_every_value_has_a_confidence_and_a_source() -> None:
    field = read_front(NUMBERED)[FieldName.LAST_NAME]
    assert (field.confidence, field.source) == (99.0, "ocr")


def test_hard_lines_of_core_fields_are_named_for_a_second_look() -> None:
    hard = Line(NUMBERED[2].text, 60.0, NUMBERED[2].corners)
    other = Line("ORGAN DONOR", 60.0, line("ORGAN DONOR", 600, 500).corners)
    lines = [*NUMBERED[:2], hard, *NUMBERED[3:], other]
    assert understand(lines).doubtful(read_front(lines)) == [hard]
    assert understand(NUMBERED).doubtful(read_front(NUMBERED)) == []


def test_lost_spaces_are_put_back_where_the_picture_shows_a_gap() -> None:
    assert respace("DE LACRUZ", (0.05, 0.4, 0.1, 0.35, 0.05, 0.08, 0.1)) == "DE LA CRUZ"
    assert respace("SMITH", (0.2, 0.21, 0.2, 0.22)) == "SMITH"
    assert respace("2011", (0.1, 0.4, 0.4)) == "2011"
    assert respace("ANNA", ()) == "ANNA"
    assert respace("NGOZIJ", (0.06, 0.08, 0.06, 0.11, 0.28)) == "NGOZI J"
    assert respace("ALEXANDRIA", (0.13, 0.1, 0.16, 0.06, 0.03, 0.29, 0.13, 0.16, 0.16)) == "ALEXANDRIA"


def test_gaps_that_glare_has_torn_say_nothing() -> None:
    assert respace("MY CITY", (0.1, 0.45, 0.1, 0.45, 0.61)) == "MY CITY"


def test_gaps_that_do_not_show_a_space_that_was_read_tell_nothing() -> None:
    assert respace("MY CITYPARK", (0.1, 0.02, 0.1, 0.1, 0.1, 0.5, 0.1, 0.1, 0.1)) == "MY CITYPARK"


@given(st.lists(st.lists(st.integers(0, 9), min_size=4, max_size=4), min_size=1, max_size=4))
def test_no_other_choice_of_values_costs_less(rows: list[list[int]]) -> None:
    costs = [[float(cost) for cost in row] for row in rows]
    chosen = cheapest_assignment(costs)
    assert len(set(chosen)) == len(rows)
    others = permutations(range(4), len(rows))
    least = min(sum(row[column] for row, column in zip(rows, other, strict=True)) for other in others)
    assert sum(row[column] for row, column in zip(rows, chosen, strict=True)) == least


def test_a_label_whose_letter_is_missing_is_noticed() -> None:
    assert open_label("15 SEX") is Label.SEX
    assert open_label("15 SEX F") is None
    assert open_label("MULLER") is None
