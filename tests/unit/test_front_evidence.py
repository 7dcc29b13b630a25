"""What a label is and what only looks like one, and where a value must stand: rules for cards that nobody has
described beforehand."""

from __future__ import annotations

import pytest

from flows.extraction.engine import Line
from flows.extraction.fields import FieldName
from flows.extraction.fronts.front import read_front
from flows.extraction.fronts.labels import cut
from flows.extraction.fronts.vocabulary import Label
from tests.unit.readings import line


def values(*lines: Line) -> dict[str, str]:
    return {name.value: field.value for name, field in read_front(list(lines)).items()}


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("1 APELLIDOS / LAST NAME", Label.LAST),
        ("2 Prénom(s)", Label.GIVEN),
        ("8 DIRECCIÓN / ADDRESS", Label.ADDRESS),
        ("9a ENDOSOS / END", Label.ENDORSEMENTS),
        ("9 KATEGORIE / CLASS", Label.CLASS),  # in a language that is not known
        ("5 No de référence", Label.DISCRIMINATOR),
        ("ID No. / No d'ident.", Label.NUMBER),
        ("4b Expire le", Label.EXPIRES),
        ("First Name, Middle Initial", Label.GIVEN),
        ("LNAME", Label.LAST),
        ("Customer Number", Label.NUMBER),
        ("Date of Issuance", Label.ISSUED),
        ("Valid to", Label.EXPIRES),
        ("Legal Address", Label.ADDRESS),
        ("Inventory Number", Label.DISCRIMINATOR),
    ],
)
def test_labels_in_one_or_two_languages_hold_no_value(text: str, label: Label) -> None:
    assert [(piece.label, piece.text) for piece in cut(text, numbers=True)] == [(label, "")]


@pytest.mark.parametrize(
    ("text", "label", "value"),
    [
        ("1s SEX F", Label.SEX, "F"),
        ("4LIC# Y305-1575", Label.NUMBER, "Y305-1575"),
        ("ENDPT", Label.ENDORSEMENTS, "PT"),
        ("DO 01/31/1980", Label.BORN, "01/31/1980"),
    ],
)
def test_labels_that_lost_a_letter_or_a_space(text: str, label: Label, value: str) -> None:
    assert [(piece.label, piece.text) for piece in cut(text, numbers=True)] == [(label, value)]


def test_a_numbered_word_label_does_not_end_inside_a_longer_word() -> None:
    assert all(piece.text != "ORTUNE" for piece in cut("9a ENDORTUNE", numbers=True))
    assert [(piece.label, piece.text) for piece in cut("1 LASTER", numbers=True)] == [(Label.LAST, "LASTER")]


def test_a_house_number_before_a_street_that_is_spelt_like_a_label() -> None:
    assert [(piece.label, piece.text) for piece in cut("16 CLASS CT", numbers=False)] == [
        (None, "16 CLASS CT")
    ]


@pytest.mark.parametrize("street", ["LOT 7 OAK PARK", "HC 61 BOX 9", "ONE CITY PLAZA", "CARR 2 KM 14.5"])
def test_the_label_8_before_a_street_without_a_house_number(street: str) -> None:
    found = cut(f"8 {street}", numbers=True)
    assert [(piece.label, piece.text) for piece in found] == [(Label.ADDRESS, street)]


def test_bare_numbers_may_end_in_a_full_stop() -> None:
    found = values(line("1. MULLER", 300, 100), line("2. ANNA", 300, 140), line("4d. D1234567", 300, 180))
    assert found == {"LAST_NAME": "MULLER", "FIRST_NAME": "ANNA", "DOCUMENT_NUMBER": "D1234567"}


def test_a_second_name_right_above_the_city_is_the_street() -> None:
    found = values(
        line("1 MULLER", 300, 100),
        line("2 ANNA", 300, 140),
        line("8", 300, 185, 20),
        line("2 BROADWAY", 330, 180),
        line("SPRINGFIELD IL 62701", 330, 212),
        line("15 SEX F", 300, 260),
    )
    assert (found["FIRST_NAME"], found["ADDRESS"]) == ("ANNA", "2 BROADWAY")


def test_a_box_and_its_city_on_one_line() -> None:
    found = values(line("PO BOX 221, SPRINGFIELD, IL 62701", 300, 100))
    assert (found["ADDRESS"], found["CITY_IN_ADDRESS"]) == ("PO BOX 221", "SPRINGFIELD")


def test_a_number_that_is_printed_before_its_word_labels_nothing_by_itself() -> None:
    found = values(
        line("1 LAST NAME", 300, 100, 20),
        line("MULLER", 300, 122),
        line("2 FIRST NAME", 300, 160, 20),
        line("ANNA", 300, 182),
        line("8 ADDRESS", 300, 220, 20),
        line("2 BROADWAY", 300, 242),
        line("SPRINGFIELD, IL 62701", 300, 275),
    )
    assert (found["FIRST_NAME"], found["ADDRESS"]) == ("ANNA", "2 BROADWAY")


def test_the_order_of_two_names_under_one_label_is_told_by_its_number_alone() -> None:
    lines = [line("ANNA", 300, 122), line("MULLER", 300, 157), line("6428 RIVERSIDE DR", 300, 222)]
    plain = read_front([line("NAME", 300, 100, 20), *lines])
    numbered = read_front([line("1,2 NAME", 300, 100, 20), *lines])
    assert plain[FieldName.LAST_NAME].confidence < 80 <= numbered[FieldName.LAST_NAME].confidence


@pytest.mark.parametrize(
    ("printed", "last", "first"),
    [
        ("BO LE BLANC", "LE BLANC", "BO"),
        ("ANNA DE LA CRUZ", "DE LA CRUZ", "ANNA"),
        ("LE MULLER", "MULLER", "LE"),
    ],
)
def test_particles_before_the_last_name_belong_to_it(printed: str, last: str, first: str) -> None:
    found = values(line(f"NAME {printed}", 300, 100))
    assert (found["LAST_NAME"], found["FIRST_NAME"]) == (last, first)


@pytest.mark.parametrize("street", ["N7742 RIVERSIDE DR", "CARR 2 KM 14", "OLD MILL ROAD"])
def test_what_stands_above_the_city_is_the_street(street: str) -> None:
    found = values(
        line("MULLER", 300, 100),
        line("ANNA MARIA", 300, 135),
        line(street, 300, 170),
        line("SPRINGFIELD IL 62701", 300, 205),
    )
    assert (found["ADDRESS"], found["LAST_NAME"], found["FIRST_NAME"]) == (street, "MULLER", "ANNA")


def test_names_right_above_the_city_are_no_street() -> None:
    found = values(
        line("MULLER", 300, 135), line("ANNA MARIA", 300, 170), line("SPRINGFIELD IL 62701", 300, 205)
    )
    assert "ADDRESS" not in found


def test_a_postal_code_on_its_own_line_belongs_to_the_city_and_province_above() -> None:
    found = values(line("9 BAY ST S", 300, 100), line("SAINT-AUBIN AB", 300, 135), line("T9Y 8W1", 300, 170))
    assert (found["CITY_IN_ADDRESS"], found["STATE_IN_ADDRESS"]) == ("SAINT-AUBIN", "AB")
    assert (found["ZIP_CODE_IN_ADDRESS"], found["ADDRESS"]) == ("T9Y 8W1", "9 BAY ST S")


def test_zeros_where_only_letters_stand_in_city_and_state() -> None:
    reading = read_front([line("0XLEY 0R 97313", 300, 100)])
    assert {name.value: field.value for name, field in reading.items()} == {
        "CITY_IN_ADDRESS": "OXLEY",
        "STATE_IN_ADDRESS": "OR",
        "ZIP_CODE_IN_ADDRESS": "97313",
    }
    assert all(field.confidence < 80 for field in reading.values())


def test_a_unit_beneath_a_street_that_has_its_label_on_its_line() -> None:
    found = values(
        line("ADDRESS: 25-14 HARBOR BLVD", 300, 100),
        line("APT 5B", 435, 132),
        line("MILLBROOK, NC 27582", 435, 164),
    )
    assert found["ADDRESS"] == "25-14 HARBOR BLVD APT 5B"


def test_state_and_code_are_no_document_number() -> None:
    found = values(line("LICENSE NO", 300, 100), line("TX 75460-1132", 300, 135))
    assert "DOCUMENT_NUMBER" not in found


def test_a_number_of_something_else_yields_to_the_labelled_one() -> None:
    found = values(
        line("LICENSE NO.:", 300, 100), line("LD889513", 500, 100), line("FOLIO NO: 27482319", 300, 500)
    )
    assert found["DOCUMENT_NUMBER"] == "LD889513"


def test_a_letter_before_the_digits_of_a_number_is_its_own_beneath_a_label() -> None:
    found = values(line("Lic. No.", 300, 100, 20), line("N 605 909 435 086", 300, 122))
    assert found["DOCUMENT_NUMBER"] == "N605909435086"


def test_initials_of_endorsements_and_restrictions_label_when_both_are_there() -> None:
    both = values(line("E PT", 300, 100), line("R B", 600, 100))
    assert (both["ENDORSEMENTS"], both["RESTRICTIONS"]) == ("PT", "B")
    assert "RESTRICTIONS" not in values(line("R B", 600, 100))


def test_the_initial_of_a_numbered_label_is_no_value_when_a_code_stands_beneath() -> None:
    labels = line("9a E", 300, 100, 20), line("12 R", 500, 100, 20)
    numbered = line("4a 01/05/2024", 300, 220), line("4b 01/05/2032", 300, 260)
    found = values(*labels, line("H", 300, 122), line("B", 500, 122), *numbered)
    assert (found["ENDORSEMENTS"], found["RESTRICTIONS"]) == ("H", "B")
    alone = values(line("9a M", 300, 100), line("12 E", 500, 100), *numbered)
    assert (alone["ENDORSEMENTS"], alone["RESTRICTIONS"]) == ("M", "E")


@pytest.mark.parametrize(
    ("text", "label", "value"),
    [
        ("9a End. (End) H", Label.ENDORSEMENTS, "H"),
        ("12 Rest. (Rest) A", Label.RESTRICTIONS, "A"),
        ("ENDR P T", Label.ENDORSEMENTS, "P T"),
        ("5 DD 19190602 6823490", Label.DISCRIMINATOR, "19190602 6823490"),
    ],
)
def test_a_labels_own_word_and_what_looks_like_a_date_in_a_value(text: str, label: Label, value: str) -> None:
    assert [(piece.label, piece.text) for piece in cut(text, numbers=True)] == [(label, value)]


def test_a_discriminator_beneath_its_label_is_not_cut_at_what_could_be_a_date() -> None:
    found = values(line("5 DD", 300, 100, 20), line("19190602 6823490", 300, 122))
    assert found == {"DOCUMENT_DISCRIMINATOR": "19190602 6823490"}


def test_a_family_name_goes_on_beneath_its_first_line() -> None:
    found = values(
        line("1 WOLFESCHLEGELSTEIN", 300, 100),
        line("HAUSENBERGER", 318, 132),
        line("2 ANNA MARIA", 300, 164),
        line("8 6428 RIVERSIDE DR", 300, 196),
        line("SPRINGFIELD, IL 62701", 318, 228),
    )
    assert found["LAST_NAME"] == "WOLFESCHLEGELSTEIN HAUSENBERGER"
    assert (found["FIRST_NAME"], found["MIDDLE_NAME"]) == ("ANNA", "MARIA")


def test_a_family_name_is_in_doubt_when_several_lines_go_on_and_no_label_says_where() -> None:
    found = read_front(
        [
            line("1 WOLFESCHLEGELSTEIN", 300, 100),
            line("HAUSENBERGER", 318, 132),
            line("ANNA MARIA", 318, 164),
            line("8 6428 RIVERSIDE DR", 300, 196),
            line("SPRINGFIELD, IL 62701", 318, 228),
        ]
    )
    assert found[FieldName.LAST_NAME].confidence < 80


def test_name_beside_given_names_of_their_own_is_the_family_name() -> None:
    found = values(line("Name/Nom LONG", 300, 100), line("Given/Pr\u00e9nom KAY JOHN", 300, 140))
    assert (found["LAST_NAME"], found["FIRST_NAME"], found["MIDDLE_NAME"]) == ("LONG", "KAY", "JOHN")


def test_street_city_state_and_zip_code_each_under_its_word() -> None:
    found = values(
        line("STREET", 300, 100, 20),
        line("6428 RIVERSIDE DR", 300, 122),
        *(line("CITY", 300, 165, 20), line("STATE", 520, 165, 20), line("ZIP", 640, 165, 20)),
        *(line("ADA", 300, 187), line("MS", 520, 187), line("39273", 640, 187)),
    )
    assert found["ADDRESS"] == "6428 RIVERSIDE DR"
    assert (found["CITY_IN_ADDRESS"], found["STATE_IN_ADDRESS"]) == ("ADA", "MS")
    assert found["ZIP_CODE_IN_ADDRESS"] == "39273"


def test_a_number_without_a_label_beside_a_date_of_two_digit_year() -> None:
    reading = read_front([line("P847-804-65-688-4", 300, 100), line("DUPLICATE: 05-09-24", 300, 400)])
    assert reading[FieldName.DOCUMENT_NUMBER].value == "P847804656884"
    assert reading[FieldName.DOCUMENT_NUMBER].confidence < 80


def test_a_zero_by_itself_begins_a_city_as_the_letter() -> None:
    reading = read_front([line("0 FALLON, MO 63366", 300, 100)])
    assert reading[FieldName.CITY_IN_ADDRESS].value == "O FALLON"
    assert reading[FieldName.CITY_IN_ADDRESS].confidence < 80


@pytest.mark.parametrize(
    ("title", "kind"),
    [("BEGINNER'S PERMIT", "INSTRUCTION PERMIT"), ("STATE IDENTIFICATION", "IDENTIFICATION CARD")],
)
def test_titles_of_permits_and_identity_cards(title: str, kind: str) -> None:
    assert values(line(title, 300, 100)) == {"ID_TYPE": kind}


def test_an_issuer_in_spanish() -> None:
    assert values(line("GOBIERNO DE PUERTO RICO", 300, 100)) == {"STATE_NAME": "PUERTO RICO"}
