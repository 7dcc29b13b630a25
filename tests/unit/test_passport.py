"""Passports from recognised lines: the zone, the print above it, and what each is worth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from flows.extraction.engine import Line
from flows.extraction.fields import FieldName, Reading, Source
from flows.extraction.geometry import rotation
from flows.extraction.passports.mrz_layout import birth_date
from flows.extraction.passports.passport import read_passport
from flows.extraction.passports.passport_dates import date_of
from flows.extraction.passports.passport_names import respelled
from flows.extraction.transliteration import spellings

TODAY = date(2026, 11, 20)
# ICAO Doc 9303 part 4, appendix B.
ZONE = ("P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F1204159ZE184226B<<<<<10")


def line(text: str, x: float, y: float, height: float = 24.0) -> Line:
    right, bottom = x + 0.55 * height * len(text), y + height
    corners = np.array([(x, y), (right, y), (right, bottom), (x, bottom)], dtype=np.float32)
    return Line(text, 97.0, corners)


def page(zone: tuple[str, ...] = ZONE, printed: Mapping[str, str] | None = None) -> list[Line]:
    """The specimen of Utopia: small labels over their values, the zone at the foot."""
    values = {
        "Surname/Nom": "ERIKSSON",
        "Given names/Prénoms": "ANNA MARIA",
        "Nationality/Nationalité": "UTOPIAN",
        "Date of birth/Date de naissance": "12 AUG/AOÛT 74",
        "Sex/Sexe": "F",
        "Place of birth/Lieu de naissance": "ZENITH",
        "Date of issue/Date de délivrance": "16 APR/AVR 07",
        "Date of expiry/Date d'expiration": "15 APR/AVR 12",
        "Passport No./N° de passeport": "L898902C3",
    }
    values |= printed or {}
    lines = [line("PASSPORT", 40, 20), line("UTOPIA", 300, 20)]
    for at, (label, text) in enumerate(values.items()):
        lines += [line(label, 400, 80 + 70 * at, 14), line(text, 400, 100 + 70 * at)]
    return lines + [line(text, 40, 800 + 60 * at, 30) for at, text in enumerate(zone)]


def said(reading: Reading) -> dict[str, str]:
    return {name.value: field.value for name, field in reading.items()}


def zone(primary: str = "ERIKSSON", secondary: str = "ANNA<MARIA") -> tuple[str, str]:
    """The specimen's zone with other names, which no check digit depends on."""
    return f"P<UTO{primary}<<{secondary}".ljust(44, "<")[:44], ZONE[1]


def test_the_standard_s_specimen() -> None:
    reading = read_passport(page(), today=TODAY)
    assert said(reading) == {
        "ID_TYPE": "PASSPORT",
        "LAST_NAME": "ERIKSSON",
        "FIRST_NAME": "ANNA",
        "MIDDLE_NAME": "MARIA",
        "DOCUMENT_NUMBER": "L898902C3",
        "DATE_OF_BIRTH": "1974-08-12",
        "DATE_OF_ISSUE": "2007-04-16",
        "EXPIRATION_DATE": "2012-04-15",
        "SEX": "F",
        "PLACE_OF_BIRTH": "ZENITH",
        "NATIONALITY": "UTO",
        "ISSUING_COUNTRY": "UTO",
        "MRZ_CODE": "\n".join(ZONE),
    }
    only_printed = {FieldName.DATE_OF_ISSUE, FieldName.PLACE_OF_BIRTH}
    for name, field in reading.items():
        assert field.source is (Source.OCR if name in only_printed else Source.MRZ)
        assert field.alternatives == ()
        assert not field.repaired
    names = {FieldName.LAST_NAME, FieldName.FIRST_NAME, FieldName.MIDDLE_NAME, FieldName.SEX}
    sure = {FieldName.DOCUMENT_NUMBER, FieldName.DATE_OF_BIRTH, FieldName.EXPIRATION_DATE, *names}
    assert {reading[name].confidence for name in sure} == {99.0}
    assert {reading[name].agreeing for name in sure} == {(Source.OCR,)}


def test_a_zone_alone() -> None:
    reading = read_passport([line(text, 40, 800 + 60 * at, 30) for at, text in enumerate(ZONE)], today=TODAY)
    assert said(reading)["LAST_NAME"] == "ERIKSSON"
    assert reading[FieldName.DOCUMENT_NUMBER].confidence == 99.0
    assert reading[FieldName.LAST_NAME].confidence < 90, "no check digit guards a name"


def test_print_alone() -> None:
    reading = read_passport(page(zone=()), today=TODAY)
    assert said(reading)["DATE_OF_BIRTH"] == "1974-08-12"
    assert {field.source for field in reading.values()} == {Source.OCR}


@pytest.mark.parametrize(
    ("printed", "primary"),
    [
        ("O'NEIL", "ONEIL"),
        ("O NEIL", "ONEIL"),
        ("SMITH-JONES", "SMITH<JONES"),
        ("MÜLLER", "MUELLER"),
        ("ØSTERGÅRD", "OESTERGAARD"),
        ("DE LA CRUZ", "DE<LA<CRUZ"),
        ("NÚÑEZ", "NUNEZ"),
        ("GROSSMANN", "GROSSMANN"),
    ],
)
def test_the_print_knows_the_spelling(printed: str, primary: str) -> None:
    lines = page(zone(primary=primary), printed={"Surname/Nom": printed})
    last = read_passport(lines, today=TODAY)[FieldName.LAST_NAME]
    assert last.value == ("O'NEIL" if printed == "O NEIL" else printed)
    assert (last.source, last.agreeing, last.alternatives) == (Source.MRZ, (Source.OCR,), ())


def test_spaces_that_recognition_lost_are_in_the_zone() -> None:
    names = {"Surname/Nom": "DELACRUZ", "Given names/Prénoms": "ANNAMARIA"}
    lines = page(zone(primary="DE<LA<CRUZ"), printed=names)
    reading = read_passport(lines, today=TODAY)
    assert (said(reading)["LAST_NAME"], said(reading)["MIDDLE_NAME"]) == ("DE LA CRUZ", "MARIA")


def test_an_accent_that_is_not_surely_read_is_left_out() -> None:
    """A zone has no accents, so it cannot say that a line of the paper's pattern was taken for one."""
    lines = page(printed={"Surname/Nom": "ERÍKSSON"})
    sure = read_passport(lines, today=TODAY)[FieldName.LAST_NAME]
    assert (sure.value, sure.agreeing) == ("ERÍKSSON", (Source.OCR,))
    assert sure.confidence < 90
    unsure = read_passport([replace(own, confidence=93.0) for own in lines], today=TODAY)[FieldName.LAST_NAME]
    assert (unsure.value, unsure.agreeing) == ("ERIKSSON", (Source.OCR,))
    assert unsure.confidence < 90, "the name may have an accent after all"


@pytest.mark.parametrize(
    ("printed", "confidence", "expected"),
    [("MONTRÉAL", 99.5, "MONTRÉAL"), ("EXAMPLÉ CITY", 93.0, "EXAMPLE CITY")],
)
def test_an_accent_that_nothing_confirms_is_never_sure(
    printed: str, confidence: float, expected: str
) -> None:
    """Recognition takes a line of the paper's pattern for an accent, and loses accents that are there."""
    lines = page(printed={"Place of birth/Lieu de naissance": printed})
    place = read_passport([replace(own, confidence=confidence) for own in lines], today=TODAY)
    assert place[FieldName.PLACE_OF_BIRTH].value == expected
    assert place[FieldName.PLACE_OF_BIRTH].confidence < 90


def spaced(lines: list[Line], text: str, gaps: tuple[float, ...]) -> list[Line]:
    """The lines with the gaps that the picture shows between the letters of one of them."""
    return [replace(own, gaps=gaps) if own.text == text else own for own in lines]


def test_a_space_that_only_the_picture_shows_is_never_sure() -> None:
    """Between two letters of which glare has eaten some, it shows a space where there is none."""
    lines = page(printed={"Place of birth/Lieu de naissance": "NEWTOWN"})
    place = read_passport(spaced(lines, "NEWTOWN", (0.1, 0.1, 0.5, 0.1, 0.1, 0.1)), today=TODAY)
    assert place[FieldName.PLACE_OF_BIRTH].confidence < 90
    read = read_passport(lines, today=TODAY)[FieldName.PLACE_OF_BIRTH]
    assert read.confidence > 90


def test_a_space_inside_a_name_makes_no_second_name() -> None:
    """The zone says how many given names there are."""
    names = {"Given names/Prénoms": "DAVID"}
    lines = spaced(page(zone(secondary="DAVID"), printed=names), "DAVID", (0.06, 0.0, 0.09, 0.25))
    reading = read_passport(lines, today=TODAY)
    assert reading[FieldName.FIRST_NAME].value == "DAVID"
    assert reading[FieldName.FIRST_NAME].confidence == 99.0
    assert FieldName.MIDDLE_NAME not in reading


def test_a_second_name_that_the_zone_lacks_is_kept() -> None:
    names = {"Given names/Prénoms": "DAVID JOHN"}
    reading = read_passport(page(zone(secondary="DAVID"), printed=names), today=TODAY)
    assert (said(reading)["FIRST_NAME"], said(reading)["MIDDLE_NAME"]) == ("DAVID", "JOHN")
    assert reading[FieldName.MIDDLE_NAME].confidence < 90, "it may be the next column's value"
    assert reading[FieldName.MRZ_CODE].confidence < 90, "or the zone's row has lost it"


def test_a_misread_number_is_found_in_print_without_a_label() -> None:
    rows = (ZONE[0], ZONE[1].replace("L898902C3", "L898902T3"))
    lines = [own for own in page(rows) if not own.text.startswith("Passport No")]
    assert said(read_passport(lines, today=TODAY))["DOCUMENT_NUMBER"] == "L898902C3"


def test_another_name_in_print_is_kept_beside_the_zone_s() -> None:
    last = read_passport(page(printed={"Surname/Nom": "ERICSON"}), today=TODAY)[FieldName.LAST_NAME]
    assert last.value == "ERIKSSON"
    assert last.confidence < 90
    assert [other.value for other in last.alternatives] == ["ERICSON"]


def test_names_that_the_zone_cuts_off_are_printed_whole() -> None:
    given = "MAXIMILIAN ALEXANDER SEBASTIAN"
    lines = page(zone(secondary=given.replace(" ", "<")), printed={"Given names/Prénoms": given})
    assert said(read_passport(lines, today=TODAY))["MIDDLE_NAME"] == "ALEXANDER SEBASTIAN"


def test_a_repaired_number_says_so_and_is_doubted() -> None:
    lines = page(
        (ZONE[0], ZONE[1].replace("L898902C3", "L8989O2C3")), printed={"Passport No./N° de passeport": ""}
    )
    number = read_passport(lines, today=TODAY)[FieldName.DOCUMENT_NUMBER]
    assert (number.value, number.repaired) == ("L898902C3", True)
    assert number.confidence <= 60
    assert read_passport(lines, today=TODAY)[FieldName.MRZ_CODE].repaired
    assert not read_passport(lines, today=TODAY)[FieldName.DATE_OF_BIRTH].repaired


def test_a_printed_number_that_passes_is_believed_before_a_wrong_repair() -> None:
    reading = read_passport(page((ZONE[0], ZONE[1].replace("L898902C3", "L898902CY"))), today=TODAY)
    number = reading[FieldName.DOCUMENT_NUMBER]
    assert (number.value, number.source, number.repaired) == ("L898902C3", Source.OCR, False)
    assert [(other.source, other.repaired) for other in number.alternatives] == [(Source.MRZ, True)]
    assert reading[FieldName.MRZ_CODE].repaired, "so that the zone as a whole is looked at by a person"


def test_a_misread_number_is_rescued_by_the_print() -> None:
    number = read_passport(page((ZONE[0], ZONE[1].replace("L898902C3", "TTTTTTTTT"))), today=TODAY)
    assert number[FieldName.DOCUMENT_NUMBER].value == "L898902C3"


def test_a_print_that_denies_the_zone_lowers_its_confidence() -> None:
    lines = page(printed={"Date of birth/Date de naissance": "12 AUG/AOÛT 73"})
    born = read_passport(lines, today=TODAY)[FieldName.DATE_OF_BIRTH]
    assert (born.value, [other.value for other in born.alternatives]) == ("1974-08-12", ["1973-08-12"])
    assert born.confidence < 90


def test_an_identity_card() -> None:
    names = "ERIKSSON<<ANNA<MARIA".ljust(30, "<")
    rows = ("I<UTOD231458907<<<<<<<<<<<<<<<", "7408122F1204159UTO<<<<<<<<<<<6", names)
    reading = said(read_passport(page(rows), today=TODAY))
    assert (reading["ID_TYPE"], reading["DOCUMENT_NUMBER"]) == ("IDENTIFICATION CARD", "D23145890")


def test_a_date_without_a_known_label_is_that_of_issue() -> None:
    lines = [own for own in page() if not own.text.startswith("Date of issue")]
    assert said(read_passport(lines, today=TODAY))["DATE_OF_ISSUE"] == "2007-04-16"


def test_labels_in_spanish_beside_their_values() -> None:
    lines = [
        line("Apellidos:", 40, 100), line("GARCÍA", 300, 100),
        line("Lugar de nacimiento LIMA", 40, 150),
        line("Fecha de expedición", 40, 200), line("03 ENE 2020", 300, 200),
        *(line(text, 40, 800 + 60 * at, 30) for at, text in enumerate(zone(primary="GARCIA"))),
    ]  # fmt: skip
    reading = said(read_passport(lines, today=TODAY))
    assert (reading["LAST_NAME"], reading["PLACE_OF_BIRTH"]) == ("GARCÍA", "LIMA")
    assert reading["DATE_OF_ISSUE"] == "2020-01-03"


def test_labels_in_three_languages() -> None:
    labels = ["Surname / Nom / Apellidos", "Given Names / Prénoms / Nombres",
              "Date of birth / Date de naissance / Fecha de nacimiento",
              "Place of birth / Lieu de naissance / Lugar de nacimiento",
              "Date of issue / Date de délivrance / Fecha de expedición"]  # fmt: skip
    values = ["ERIKSSON", "ANNA MARIA", "12 Aug 1974", "ZENITH, U.T.O.", "16 Apr 2007"]
    lines = [line(text, 40, 800 + 60 * at, 30) for at, text in enumerate(ZONE)]
    for at, (label, text) in enumerate(zip(labels, values, strict=True)):
        lines += [line(label, 400, 80 + 70 * at, 14), line(text, 400, 100 + 70 * at)]
    reading = said(read_passport(lines, today=TODAY))
    assert (reading["PLACE_OF_BIRTH"], reading["DATE_OF_ISSUE"]) == ("ZENITH, U.T.O.", "2007-04-16")


def test_a_misread_label_is_no_value() -> None:
    misread = "Place of birth/Lleu de nalsance"
    lines = [replace(own, text=misread) if own.text.startswith("Place of birth") else own for own in page()]
    assert said(read_passport(lines, today=TODAY))["PLACE_OF_BIRTH"] == "ZENITH"


def test_labels_without_their_spaces_or_with_a_slip() -> None:
    lines = [line("PLACEOFBIRTH", 40, 100, 14), line("ZENITH", 40, 118), line("Date of isue", 40, 200, 14),
             line("16 APR 2007", 40, 218), *page(zone=ZONE)[-2:]]  # fmt: skip
    reading = said(read_passport(lines, today=TODAY))
    assert (reading["PLACE_OF_BIRTH"], reading["DATE_OF_ISSUE"]) == ("ZENITH", "2007-04-16")


def columns(*pairs: tuple[str, float], value: Line) -> list[Line]:
    """Labels side by side over one line of text, as detection runs two columns together."""
    return [*(line(text, x, 78, 14) for text, x in pairs), value, *page(zone=ZONE)[-2:]]


@pytest.mark.parametrize("gaps", [(), (0.1,) * 11 + (0.9,)], ids=["of an engine without gaps", "gaps"])
def test_a_value_ends_where_the_next_column_s_label_begins(gaps: tuple[float, ...]) -> None:
    value = replace(line("PORT SPECIMEN F", 400, 100), gaps=gaps)
    lines = columns(("Place of birth", 400), ("Sex", 585), value=value)
    reading = read_passport(lines, today=TODAY)
    assert reading[FieldName.PLACE_OF_BIRTH].value == "PORT SPECIMEN"
    assert reading[FieldName.SEX].agreeing == (Source.OCR,)


@pytest.mark.parametrize("place", ["PORT SPECIMEN F", "A CORUNA"])
def test_words_that_do_not_begin_under_another_label_belong_together(place: str) -> None:
    lines = columns(("Place of birth", 395), ("Sex", 700), value=line(place, 385, 100))
    assert said(read_passport(lines, today=TODAY))["PLACE_OF_BIRTH"] == place


def test_a_gap_as_wide_as_between_columns_ends_a_value() -> None:
    value = replace(
        line("PORT SPECIMEN BLAU", 400, 100), gaps=(0.1, 0.1, 0.1, 0.5, *(0.1,) * 7, 1.8, *(0.1,) * 3)
    )
    lines = columns(("Place of birth", 400), ("Augenfarbe", 700), value=value)
    assert said(read_passport(lines, today=TODAY))["PLACE_OF_BIRTH"] == "PORT SPECIMEN"


def test_a_word_that_begins_like_a_label_is_part_of_the_value() -> None:
    lines = [line("PLACE OF BIRTH UPPER HEIGHTS", 40, 100), *page(zone=ZONE)[-2:]]
    assert said(read_passport(lines, today=TODAY))["PLACE_OF_BIRTH"] == "UPPER HEIGHTS"


def test_an_overprint_across_the_page_is_no_value() -> None:
    overprint = line("VOID VOID", 400, 450)
    middle = overprint.corners.mean(axis=0)
    turned = (overprint.corners - middle) @ rotation(-np.pi / 12) + middle
    lines = [own for own in page() if own.text != "ZENITH"]
    lines.append(replace(overprint, corners=turned.astype(np.float32)))
    assert "PLACE_OF_BIRTH" not in said(read_passport(lines, today=TODAY))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12 AUG 1974", "1974-08-12"), ("12 AUG/AOUT 74", "1974-08-12"), ("12AUG1974", "1974-08-12"),
        ("12 AOÛT 1974", "1974-08-12"), ("03 ENE/JAN 2019", "2019-01-03"), ("1 JUIN 2001", "2001-06-01"),
        ("12.08.1974", "1974-08-12"), ("12 08 74", "1974-08-12"), ("O1 MAR/MARS 2O2O", "2020-03-01"),
        ("31 FEB 2020", ""), ("29 FEB 2000", "2000-02-29"), ("12 XYZ 1974", ""), ("ZENITH", ""), ("", ""),
    ],
)  # fmt: skip
def test_dates(text: str, expected: str) -> None:
    assert date_of(text, lambda written: birth_date(written, TODAY)) == expected


def test_spellings_of_the_standard_s_table() -> None:
    assert "MUELLER" in spellings("Müller")
    assert "STRASSE" in spellings("Straße")
    assert "ONEIL SMITH JONES" in spellings("O'Neil Smith-Jones")
    assert {"NUNEZ", "NUNXXEZ"} <= set(spellings("NÚÑEZ"))


def test_letters_that_fillers_were_taken_for_do_not_change_a_name() -> None:
    assert respelled("ANNA MARIA K", ["ANNA MARIA"]) == "ANNA MARIA"
    assert respelled("ANNA MARIA", ["ANNA MARIE"]) == ""
