"""Printed lines to fields: labels by number, by word, glued, stacked, absent; and any way round."""

from __future__ import annotations

import numpy as np
import pytest

from flows.extraction.engine import Line
from flows.extraction.fields import FieldName
from flows.extraction.front import quarter_turns, read_front
from flows.extraction.labels import Piece, cut, open_label
from flows.extraction.spacing import respace
from flows.extraction.vocabulary import Label


def line(text: str, x: float, y: float, height: float = 30) -> Line:
    """A line of text at a place; half its height per character."""
    width = len(text) * height / 2
    corners = np.array([(x, y), (x + width, y), (x + width, y + height), (x, y + height)], dtype=np.float32)
    return Line(text, 99.0, corners)


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
        *("12 MAPLE LN", "5756 OAK AVE", "2 RIVERSIDE DR", "WEST END AVE"),
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


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_the_turn_that_makes_the_page_upright_is_found(turns: int) -> None:
    quarter = np.array([(0, -1), (1, 0)], dtype=np.float32)
    turned = [
        Line(each.text, each.confidence, each.corners @ np.linalg.matrix_power(quarter.T, turns))
        for each in NUMBERED
    ]
    assert quarter_turns(turned) == turns


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


def test_lost_spaces_are_put_back_where_the_picture_shows_a_gap() -> None:
    assert respace("DE LACRUZ", (0.05, 0.4, 0.1, 0.35, 0.05, 0.08, 0.1)) == "DE LA CRUZ"
    assert respace("SMITH", (0.2, 0.21, 0.2, 0.22)) == "SMITH"
    assert respace("2011", (0.1, 0.4, 0.4)) == "2011"
    assert respace("ANNA", ()) == "ANNA"


def test_a_label_whose_letter_is_missing_is_noticed() -> None:
    assert open_label("15 SEX") is Label.SEX
    assert open_label("15 SEX F") is None
    assert open_label("MULLER") is None
