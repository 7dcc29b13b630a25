"""What text recognition makes of labels and values: letters taken for others, torn, glued, or lost."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from flows.extraction.engine import Line
from flows.extraction.fields import FieldName, Reading
from flows.extraction.fronts.front import read_front, understand
from flows.extraction.fronts.labels import cut
from flows.extraction.fronts.vocabulary import Label
from tests.unit.readings import line


def values(*lines: Line) -> dict[str, str]:
    return {name.value: field.value for name, field in read_front(list(lines)).items()}


def number(*lines: Line) -> tuple[str, float]:
    found = read_front(list(lines))[FieldName.DOCUMENT_NUMBER]
    return found.value, found.confidence


def on_card_with_numbers(*lines: Line) -> Reading:
    """The lines on a card whose labels are AAMVA's numbers, their left edge at 300."""
    known = (line("3 01/31/1980", 300, 500), line("15 F", 300, 540), line("4b 01/31/2032", 300, 580))
    return read_front([*lines, *known])


@pytest.mark.parametrize(
    ("text", "label", "value"),
    [
        ("1,2OKAFOR, ANNA", Label.NAME, "OKAFOR, ANNA"),
        ("1,.2OKAFOR, ANNA", Label.NAME, "OKAFOR, ANNA"),
        ("Sumame PATEL", Label.LAST, "PATEL"),
        ("1 In: MULLER", Label.LAST, "MULLER"),
        ("4a lssued 04/30/2024", Label.ISSUED, "04/30/2024"),
        ("4g A7287-04509", Label.NUMBER, "A7287-04509"),
        ("18 Eyos BLK", Label.EYES, "BLK"),
        ("EYESYEUX GRY", Label.EYES, "GRY"),
        ("EYES: E", Label.EYES, ""),
        ("Eyos: BLU", Label.EYES, "BLU"),
        ("18 EYES/YEUXHAZ", Label.EYES, "HAZ"),
        ("RSTRAB", Label.RESTRICTIONS, "AB"),
        ("8; ADDRESS: 5582 OAK AVE", Label.ADDRESS, "5582 OAK AVE"),
        ("4d:IDe: A1652887", Label.NUMBER, "A1652887"),
        ("Endarsements", Label.ENDORSEMENTS, ""),
        ("9 CI C", Label.CLASS, "C"),
        ("9CI E", Label.CLASS, "E"),
        ("CI CM", Label.CLASS, "CM"),
        ("CIR", Label.CLASS, "R"),
        ("C: E", Label.CLASS, "E"),
        ("CI: E", Label.CLASS, "E"),
        ("Ct D", Label.CLASS, "D"),
        ("9\N{GREEK SMALL LETTER ALPHA} E", Label.CLASS, "E"),
        ("O CL:", Label.CLASS, ""),
        ("12 ASTR B", Label.RESTRICTIONS, "B"),
        ("ASTR: A", Label.RESTRICTIONS, "A"),
        ("12 RS TR", Label.RESTRICTIONS, ""),
        ("12 RS TR B", Label.RESTRICTIONS, "B"),
        ("12: RSTR: \N{LEFT BLACK LENTICULAR BRACKET}", Label.RESTRICTIONS, ""),
        ("12 CORR", Label.RESTRICTIONS, "CORR"),
    ],
)
def test_a_misread_label_is_no_value_and_no_part_of_one(text: str, label: Label, value: str) -> None:
    assert [(piece.label, piece.text) for piece in cut(text, numbers=True)] == [(label, value)]


@pytest.mark.parametrize(
    "text", ["WEST CIR", "MAPLE CT E", "CLAUS M", "ENDERS A", "ANDRESS", "ASTRID", "CITY"]
)
def test_words_that_resemble_labels_are_none(text: str) -> None:
    assert [piece.label for piece in cut(text, numbers=False)] == [None]


def test_a_date_run_together_with_what_stands_before_it() -> None:
    pieces = [piece.text for piece in cut("D8295-22976-5066007-03-2024", numbers=True)]
    assert pieces == ["D8295-22976-50660", "07-03-2024"]
    assert [piece.text for piece in cut("403/08/2025", numbers=True)] == ["4", "03/08/2025"]
    assert [piece.text for piece in cut("123-07-1990", numbers=True)] == ["123-07-1990"]


def test_a_family_name_run_into_its_bilingual_label() -> None:
    found = values(
        line("SURNAME/NOMCLASSEN", 300, 100),
        line("GIVEN NAMES/PR\N{LATIN CAPITAL LETTER E WITH ACUTE}NOMS ANNA", 300, 140),
    )
    assert (found["LAST_NAME"], found["FIRST_NAME"]) == ("CLASSEN", "ANNA")


def test_a_family_name_run_into_its_label_before_a_comma() -> None:
    address = (line("12 OAK AVE", 300, 140), line("YORK PA 17404", 300, 175))
    assert values(line("NAMEJOHNSON,APRIL", 300, 100), *address)["LAST_NAME"] == "JOHNSON"
    assert values(line("NAMETH, APRIL", 300, 100), *address)["LAST_NAME"] == "NAMETH"


@pytest.mark.parametrize(("printed", "last"), [("BAKER IIIII", "BAKER"), ("Ll", "LI"), ("HALl", "HALI")])
def test_strokes_in_a_family_name(printed: str, last: str) -> None:
    assert values(line(f"LN: {printed}", 300, 100))["LAST_NAME"] == last


def test_a_small_l_in_a_short_name_is_a_capital_i() -> None:
    found = values(
        line("Li", 300, 100),
        line("ANNA MARIA", 300, 135),
        line("12 OAK AVE", 300, 170),
        line("YORK PA 17404", 300, 205),
    )
    assert (found["LAST_NAME"], found["FIRST_NAME"], found["MIDDLE_NAME"]) == ("LI", "ANNA", "MARIA")


def test_who_issued_the_card_stands_beside_its_title_and_is_nobodys_name() -> None:
    found = values(
        line("NEVERLAND", 300, 60, 40),
        line("ID CARD", 900, 62, 34),
        line("ANNA MARIA MULLER", 300, 120),
        line("12 OAK AVE", 300, 155),
        line("YORK PA 17404", 300, 190),
    )
    assert (found["LAST_NAME"], found["FIRST_NAME"]) == ("MULLER", "ANNA")


@pytest.mark.parametrize("printed", ["FGY4OE143H95", "36QCO47UCO", "FGY40E143H95", "12345O", "D12I4567"])
def test_a_number_whose_letters_may_be_digits_is_never_certain(printed: str) -> None:
    assert number(line(f"DLN {printed}", 300, 100))[1] < 90


@pytest.mark.parametrize("printed", ["D1034567", "ABC123456", "WDL123456789"])
def test_a_number_whose_letters_can_be_no_digits_is_certain(printed: str) -> None:
    assert number(line(f"DLN {printed}", 300, 100)) == (printed, 99.0)


@pytest.mark.parametrize("printed", ["NO.N 3654260", "NO. N*3654260"])
def test_the_letter_of_a_number_sign_is_no_part_of_the_number(printed: str) -> None:
    value, confidence = number(line(printed, 300, 100))
    assert (value, confidence < 80) == ("3654260", True)


@pytest.mark.parametrize("printed", ["4076734661", "4 076734661"])
def test_a_4_left_of_its_label_is_no_part_of_the_number(printed: str) -> None:
    assert on_card_with_numbers(line(printed, 300, 100))[FieldName.DOCUMENT_NUMBER].value == "076734661"


def test_a_number_that_begins_with_4_keeps_it_where_no_labels_begin() -> None:
    assert on_card_with_numbers(line("4076734661", 360, 100))[FieldName.DOCUMENT_NUMBER].value == "4076734661"


def test_a_number_that_the_card_repeats_shorter_is_doubtful() -> None:
    value, confidence = number(
        line("DLN D829522976506600703", 300, 100), line("D82952297650660", 60, 300, 20)
    )
    assert (value, confidence < 80) == ("D829522976506600703", True)


def test_a_class_behind_what_may_be_left_of_its_label_is_doubtful() -> None:
    assert on_card_with_numbers(line("9CC", 300, 100))[FieldName.CLASS].confidence < 80
    assert on_card_with_numbers(line("9 CD", 300, 100))[FieldName.CLASS].confidence < 80
    assert on_card_with_numbers(line("9 CM", 300, 100))[FieldName.CLASS].confidence == 99
    assert on_card_with_numbers(line("9cE", 300, 100))[FieldName.CLASS].value == "E"


def test_of_two_values_for_endorsements_the_bare_one_is_the_class() -> None:
    found = on_card_with_numbers(line("9aD", 300, 100), line("9a End M", 300, 140))
    assert (found[FieldName.CLASS].value, found[FieldName.ENDORSEMENTS].value) == ("D", "M")
    assert found[FieldName.CLASS].confidence < 80


def test_a_restriction_that_looks_like_the_number_of_the_family_name() -> None:
    names = line("1,2 MULLER, ANNA", 300, 50)
    found = on_card_with_numbers(names, line("12", 300, 100, 20), line("1", 300, 122))
    assert found[FieldName.RESTRICTIONS].value == "1"


def test_a_lone_stroke_is_a_doubtful_code() -> None:
    assert read_front([line("END: I", 300, 100)])[FieldName.ENDORSEMENTS].confidence < 80
    assert read_front([line("END: P", 300, 100)])[FieldName.ENDORSEMENTS].confidence == 99


def test_a_number_glued_to_a_label_whose_sign_may_be_its_first_letter_is_doubtful() -> None:
    assert number(line("LICFC68352291", 300, 100))[1] < 80
    assert number(line("LIC# FC68352291", 300, 100)) == ("FC68352291", 99.0)


@pytest.mark.parametrize(
    ("left", "right", "field", "value"),
    [("HT 6'", '6"', "HEIGHT", "78 in"), ("ISS JAN 27,", "2026", "DATE_OF_ISSUE", "2026-01-27")],
)
def test_halves_of_a_value_found_apart(left: str, right: str, field: str, value: str) -> None:
    label, _, first = left.partition(" ")
    found = values(line(label, 300, 100, 20), line(first, 300, 122), line(right, 310 + 15 * len(first), 120))
    assert found[field] == value


def test_a_gap_that_glare_has_made_parts_no_date() -> None:
    gaps = tuple(4.0 if place == 4 else 0.8 if place == 7 else 0.1 for place in range(11))
    assert values(replace(line("ISS 03 JAN 2026", 300, 100), gaps=gaps)) == {"DATE_OF_ISSUE": "2026-01-03"}


def test_marks_of_feet_read_as_degrees() -> None:
    assert values(line('HEIGHT 5\N{DEGREE SIGN}-09"', 300, 100)) == {"HEIGHT": "69 in"}


CITY = line("YORK PA 17404", 300, 135)


def street(*lines: Line) -> tuple[str, float]:
    found = read_front([*lines, CITY])[FieldName.ADDRESS]
    return found.value, found.confidence


def test_a_house_number_has_no_full_stop() -> None:
    value, confidence = street(line("6.9994 ELM ST", 300, 100))
    assert (value, confidence < 90) == ("9994 ELM ST", True)


def test_a_direction_run_into_the_house_number() -> None:
    assert street(line("34E 5TH ST", 300, 100))[0] == "34 E 5TH ST"
    value, confidence = street(line("34E MAPLE ST", 300, 100))
    assert (value, confidence < 90) == ("34E MAPLE ST", True)


def test_a_unit_behind_a_gap_that_glare_has_made() -> None:
    text = "552 OAK PL UNIT 14"
    gaps = tuple(2.0 if place == 7 else 0.4 if place in {2, 5, 11} else 0.1 for place in range(13))
    assert street(replace(line(text, 300, 100), gaps=gaps))[0] == text


def test_a_ghost_of_the_number_run_into_the_street() -> None:
    ghost = [
        line("DLN T8738-38327", 300, 60),
        line("ADDRESS", 300, 95),
        line("T873838327 10 PINE VALLEY RD", 150, 120),
    ]
    assert (
        read_front([*ghost, line("YORK PA 17404", 300, 152)])[FieldName.ADDRESS].value == "10 PINE VALLEY RD"
    )


def test_a_zero_at_the_end_of_a_citys_name() -> None:
    found = read_front([line("SAN MATE0, CA 94401", 300, 100)])[FieldName.CITY_IN_ADDRESS]
    assert (found.value, found.confidence < 80) == ("SAN MATEO", True)


def test_strokes_taken_for_another_script_are_no_name() -> None:
    found = values(
        line("LAST NAME", 300, 100, 20),
        line("MULLER", 300, 122),
        line("MIDDLE NAME", 300, 170, 20),
        line("\u4e00", 300, 192),
    )
    assert found == {"LAST_NAME": "MULLER"}


STACKED = [
    *(line("LAST NAME", 300, 100, 20), line("MULLER", 300, 122)),
    *(line("DATE OF BIRTH", 300, 240, 20), line("01/31/1980", 300, 262)),
]


def test_a_value_lost_beneath_its_label_is_looked_for_there() -> None:
    [sex] = understand([*STACKED, line("SEX", 300, 170, 20)]).lost()
    (left, top), _, (right, bottom), _ = sex.line.corners
    assert left < 300 < right
    assert (top, bottom) == pytest.approx((192, 222))
    assert sex.is_found(Line("F", 90.0, sex.line.corners))
    assert not sex.is_found(Line("V", 90.0, sex.line.corners)), "no sex"
    assert not sex.is_found(Line("F", 20.0, sex.line.corners)), "the card's ground"


def test_a_value_lost_beside_its_label_is_looked_for_there() -> None:
    alone = line("15 SEX", 300, 170)
    [sex] = understand([line("1 MULLER", 300, 100), line("3 DOB 01/31/1980", 300, 135), alone]).lost()
    assert (sex.line is alone, sex.further > 1) == (True, True)
    assert sex.is_found(Line("15 SEX F", 90.0, alone.corners))
    assert not sex.is_found(Line("15 SEX", 90.0, alone.corners))


def test_nothing_is_looked_for_between_a_label_and_the_next_on_its_line() -> None:
    assert understand([line("1 MULLER", 300, 100), line("15 SEX 18 EYES BRO", 300, 170)]).lost() == []


@pytest.mark.parametrize("label", ["HT", "16", "16 HGT"])
def test_a_height_that_ends_in_feet_is_read_on(label: str) -> None:
    [height] = understand([line("1 MULLER", 300, 100), line(f"{label} 5'", 300, 170)]).lost()
    assert height.is_found(line(f"{label} 5'-09\"", 300, 170))


def test_a_stroke_alone_on_the_cards_ground_is_no_value() -> None:
    [sought] = understand([*STACKED, line("CLASS", 300, 170, 20)]).lost()
    assert not sought.is_found(Line("1", 80.0, sought.line.corners))


def test_a_line_that_is_no_value_where_one_must_stand_is_read_again() -> None:
    torn = line("MXLL#R", 300, 192)
    [given] = understand([*STACKED, line("FIRST NAME", 300, 170, 20), torn]).lost()
    assert given.line is torn
    assert given.is_found(replace(torn, text="ANNA"))


def test_a_skewed_page_has_its_strips_skewed() -> None:
    angle = np.radians(7)
    matrix = np.array([(np.cos(angle), np.sin(angle)), (-np.sin(angle), np.cos(angle))], dtype=np.float32)
    lines = [*STACKED, line("SEX", 300, 170, 20)]
    [level] = understand(lines).lost()
    [skewed] = understand([replace(each, corners=each.corners @ matrix) for each in lines]).lost()
    assert skewed.line.corners == pytest.approx(level.line.corners @ matrix, abs=2)


def test_nothing_is_looked_for_when_every_label_has_its_value() -> None:
    assert understand(STACKED).lost() == []
