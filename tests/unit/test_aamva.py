"""The barcode's content by AAMVA's rules, and as real cards bend them."""

from __future__ import annotations

from datetime import date

import pytest

from app.dev import specimens
from flows.extraction import aamva
from flows.extraction.fields import FieldName, Source

TODAY = date(2026, 11, 20)


def card(*elements: str, version: int = 8, kind: str = "DL", offset: int = 31) -> bytes:
    """A one-subfile card with right lengths."""
    body = kind + "\n".join(elements) + "\r"
    jurisdiction = "" if version == 1 else "00"
    header = f"@\n\x1e\rANSI 999001{version:02d}{jurisdiction}01{kind}{offset:04d}{len(body):04d}"
    return (header + body).encode()


def values(data: bytes) -> dict[str, str]:
    return {name.value: field.value for name, field in aamva.fields(aamva.parse(data)).items()}


@pytest.mark.parametrize("seed", range(40))
def test_what_is_written_is_read(seed: int) -> None:
    somebody = specimens.person(seed, TODAY)
    parsed = aamva.parse(specimens.aamva(somebody))
    assert parsed.warnings == ()
    assert (parsed.version, parsed.issuer) == (10, somebody.jurisdiction.issuer)
    found = aamva.fields(parsed)
    assert {name: found[FieldName(name)].value for name in specimens.truth(somebody)} == specimens.truth(
        somebody
    )
    assert {field.source for field in found.values()} == {Source.BARCODE}


def test_version_one_has_a_shorter_header_and_one_string_of_names() -> None:
    data = card(
        "DAAPUBLIC,JOHN,QUINCY", "DAQD1234", "DBB19700131", "DAL1 OLD ST", "DANTOWN", version=1, offset=29
    )
    parsed = aamva.parse(data)
    assert parsed.warnings == ()
    found = values(data)
    assert (found["LAST_NAME"], found["FIRST_NAME"], found["MIDDLE_NAME"]) == ("PUBLIC", "JOHN", "QUINCY")
    assert (found["ADDRESS"], found["CITY_IN_ADDRESS"]) == ("1 OLD ST", "TOWN")
    assert found["DATE_OF_BIRTH"] == "1970-01-31"


def test_given_names_in_one_element() -> None:
    assert values(card("DCSPUBLIC", "DCTJOHN QUINCY ADAMS"))["MIDDLE_NAME"] == "QUINCY ADAMS"


@pytest.mark.parametrize("written", ["01311970", "19700131"])
def test_dates_come_in_two_orders(written: str) -> None:
    assert values(card(f"DBB{written}"))["DATE_OF_BIRTH"] == "1970-01-31"


@pytest.mark.parametrize("nothing", ["NONE", "unavl", "", "   "])
def test_none_and_unavailable_mean_empty(nothing: str) -> None:
    assert "MIDDLE_NAME" not in values(card("DCSPUBLIC", f"DAD{nothing}"))


def test_a_wrong_offset_is_a_warning_and_the_card_is_read() -> None:
    parsed = aamva.parse(card("DCSPUBLIC", "DAQ1", offset=99))
    assert "subfile DL is not at its offset" in parsed.warnings
    assert parsed.elements["DCS"] == "PUBLIC"


def test_a_missing_element_is_a_warning() -> None:
    assert "element DBB is missing" in aamva.parse(card("DCSPUBLIC")).warnings


def test_an_identification_card_says_so() -> None:
    assert values(card("DCSPUBLIC", kind="ID"))["ID_TYPE"] == "IDENTIFICATION CARD"


def test_a_zip_code_s_empty_extension_is_dropped() -> None:
    assert values(card("DAK123450000  "))["ZIP_CODE_IN_ADDRESS"] == "12345"
    assert values(card("DAK123456789"))["ZIP_CODE_IN_ADDRESS"] == "12345-6789"
    assert values(card("DAKA1B2C3"))["ZIP_CODE_IN_ADDRESS"] == "A1B 2C3"


@pytest.mark.parametrize("data", [b"", b"M1SMITH/JOHN  EABC123 LHRJFK", b"@\n\x1e\rANSI", bytes(300)])
def test_another_barcode_is_not_a_card(data: bytes) -> None:
    with pytest.raises(aamva.NotAamva):
        aamva.parse(data)
