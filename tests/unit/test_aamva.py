"""The barcode's content by AAMVA's rules, version by version, and as real cards bend them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.dev import specimens
from flows.extraction.barcodes import aamva
from flows.extraction.fields import FieldName, Source

TODAY = date(2026, 11, 20)

# AAMVA DL/ID Card Design Standard (2020), D.13, "Example of raw PDF417 data"; its offsets and lengths fit.
STANDARD_2020 = (
    "@\n\x1e\rANSI 636000100102DL00410278ZV03190008DLDAQT64235789\nDCSSAMPLE\nDDEN\nDACMICHAEL\nDDFN\n"
    "DADJOHN\nDDGN\nDCUJR\nDCAD\nDCBK\nDCDPH\nDBD06062019\nDBB06061986\nDBA12102024\nDBC1\nDAU068 in\n"
    "DAYBRO\nDAG2300 WEST BROAD STREET\nDAIRICHMOND\nDAJVA\nDAK232690000  \nDCF2424244747474786102204\n"
    "DCGUSA\nDCK123456789\nDDAF\nDDB06062018\nDDC06062020\nDDD1\rZVZVA01\r"
)
# The example of the AAMVA National Standard for the Driver License/Identification Card (2000).
STANDARD_2000 = (
    "@\n\x1e\rANSI 6360000102DL00390187ZV02260032DLDAQ0123456789ABC\nDAAPUBLIC,JOHN,Q\nDAG123 MAIN STREET\n"
    "DAIANYTOWN\nDAJVA\nDAK123459999  \nDARDM  \nDAS          \nDAT     \nDAU509\nDAW175\nDAYBL \nDAZBR \n"
    "DBA20011201\nDBB19761123\nDBCM\nDBD19961201\rZVZVAJURISDICTIONDEFINEDELEMENT\r"
)


def written(
    elements: Mapping[str, str],
    version: int,
    *,
    kind: str = "DL",
    issuer: str = "636000",
    separator: str = "\n",
    start: str = "@\n\x1e\rANSI ",
) -> bytes:
    """A card by the book, with a jurisdiction's subfile after the standard's: a small printer of licences."""
    body = kind + separator.join(name + value for name, value in elements.items()) + "\r"
    own = "ZVZVA01\r"
    header = f"{start}{issuer}{version:02d}" + ("" if version <= 1 else "01") + "02"
    first = len(header) + 20
    designators = f"{kind}{first:04d}{len(body):04d}ZV{first + len(body):04d}{len(own):04d}"
    return (header + designators + body + own).encode()


def elements(version: int, **changed: str) -> dict[str, str]:
    """Everything a card of this version must hold, in its words."""
    day = "%Y%m%d" if version <= 1 else "%m%d%Y"
    born, issued, expires = (
        own.strftime(day) for own in (date(1986, 6, 6), date(2019, 6, 6), date(2024, 12, 10))
    )
    common = {
        "DAQ": "T64235789", "DBA": expires, "DBB": born, "DBD": issued, "DBC": "1", "DAY": "BRO",
        "DAG": "2300 WEST BROAD STREET", "DAI": "RICHMOND", "DAJ": "VA", "DAK": "232690000  ",
    }  # fmt: skip
    if version <= 1:
        own = {"DAA": "SAMPLE,MICHAEL,JOHN,JR", "DAR": "D", "DAS": "K", "DAT": "PH", "DAU": "508"}
    elif version <= 3:
        own = {"DCS": "SAMPLE", "DCT": "MICHAEL JOHN", "DCU": "JR", "DCA": "D", "DCB": "K", "DCD": "PH",
               "DAU": "068 in", "DCF": "2424", "DCG": "USA"}  # fmt: skip
    else:
        own = {"DCS": "SAMPLE", "DAC": "MICHAEL", "DAD": "JOHN", "DCU": "JR", "DCA": "D", "DCB": "K",
               "DCD": "PH", "DAU": "068 in", "DCF": "2424", "DCG": "USA", "DDE": "N", "DDF": "N",
               "DDG": "N"}  # fmt: skip
    return common | own | changed


def values(data: bytes) -> dict[str, str]:
    return {name.value: field.value for name, field in aamva.fields(aamva.parse(data)).items()}


def value(name: str, version: int = 10, **changed: str) -> str:
    """One field of a card on which some elements are changed."""
    return values(written(elements(version, **changed), version)).get(name, "")


@pytest.mark.parametrize("version", range(1, 11))
@pytest.mark.parametrize("kind", ["DL", "ID", "EN"])
def test_every_version(version: int, kind: str) -> None:
    data = written(elements(version), version, kind=kind)
    card = aamva.parse(data)
    assert card.warnings == ()
    assert (card.version, card.issuer, card.subfile) == (version, "636000", kind)
    assert card.elements["ZVA"] == "01"
    found = values(data)
    assert found.pop("DOCUMENT_DISCRIMINATOR", "2424") == "2424"
    assert found == {
        "LAST_NAME": "SAMPLE",
        "FIRST_NAME": "MICHAEL",
        "MIDDLE_NAME": "JOHN",
        "SUFFIX": "JR",
        "ADDRESS": "2300 WEST BROAD STREET",
        "CITY_IN_ADDRESS": "RICHMOND",
        "STATE_IN_ADDRESS": "VA",
        "ZIP_CODE_IN_ADDRESS": "23269",
        "DOCUMENT_NUMBER": "T64235789",
        "DATE_OF_BIRTH": "1986-06-06",
        "DATE_OF_ISSUE": "2019-06-06",
        "EXPIRATION_DATE": "2024-12-10",
        "ID_TYPE": "IDENTIFICATION CARD" if kind == "ID" else "DRIVER LICENSE",
        "CLASS": "D",
        "RESTRICTIONS": "K",
        "ENDORSEMENTS": "PH",
        "SEX": "M",
        "EYES": "BRO",
        "HEIGHT": "68 in",
        "ISSUING_COUNTRY": "USA",
    }


def test_the_standard_s_own_example() -> None:
    card = aamva.parse(STANDARD_2020.encode())
    assert (card.version, card.issuer, card.subfile, card.warnings) == (10, "636000", "DL", ())
    found = values(STANDARD_2020.encode())
    assert (found["LAST_NAME"], found["FIRST_NAME"], found["MIDDLE_NAME"]) == ("SAMPLE", "MICHAEL", "JOHN")
    assert (found["SUFFIX"], found["DOCUMENT_NUMBER"], found["CLASS"]) == ("JR", "T64235789", "D")
    assert (found["DATE_OF_BIRTH"], found["EXPIRATION_DATE"]) == ("1986-06-06", "2024-12-10")
    assert found["DOCUMENT_DISCRIMINATOR"] == "2424244747474786102204"
    assert (found["CITY_IN_ADDRESS"], found["ZIP_CODE_IN_ADDRESS"]) == ("RICHMOND", "23269")


def test_the_example_of_the_first_version() -> None:
    data = STANDARD_2000.encode()
    assert aamva.parse(data).warnings == ()
    found = values(data)
    assert (found["LAST_NAME"], found["FIRST_NAME"], found["MIDDLE_NAME"]) == ("PUBLIC", "JOHN", "Q")
    assert (found["DATE_OF_BIRTH"], found["DATE_OF_ISSUE"]) == ("1976-11-23", "1996-12-01")
    assert (found["HEIGHT"], found["CLASS"], found["SEX"]) == ("69 in", "DM", "M")
    assert (found["ZIP_CODE_IN_ADDRESS"], found["ISSUING_COUNTRY"]) == ("12345-9999", "USA")
    assert "RESTRICTIONS" not in found


@pytest.mark.parametrize("seed", range(40))
def test_specimens(seed: int) -> None:
    somebody = specimens.person(seed, TODAY)
    parsed = aamva.parse(specimens.aamva(somebody))
    assert parsed.warnings == ()
    assert (parsed.version, parsed.issuer) == (10, somebody.jurisdiction.issuer)
    found = aamva.fields(parsed)
    assert {name: found[FieldName(name)].value for name in specimens.truth(somebody)} == specimens.truth(
        somebody
    )
    assert {field.source for field in found.values()} == {Source.BARCODE}


NAMES = st.text("ABCDEFGHIJKLMNOPRSTUWYZ'-", min_size=2, max_size=20).filter(lambda name: name[0].isalpha())
DAYS = st.dates(date(1925, 1, 1), date(2060, 12, 31))


@given(
    version=st.integers(2, 10),
    canadian=st.booleans(),
    last=NAMES,
    first=NAMES,
    number=st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", min_size=5, max_size=25),
    days=st.tuples(DAYS, DAYS, DAYS),
    inches=st.integers(48, 84),
)
def test_what_is_written_is_read(
    version: int,
    canadian: bool,
    last: str,
    first: str,
    number: str,
    days: tuple[date, date, date],
    inches: int,
) -> None:
    last, first = last.strip("'-") or "A", first.strip("'-") or "B"
    order = "%Y%m%d" if canadian else "%m%d%Y"
    born, issued, expires = (day.strftime(order) for day in days)
    name = "DCT" if version <= 3 else "DAC"
    here = {"DAJ": "ON", "DAK": "K1A0B1     ", "DCG": "CAN"} if canadian else {}
    changed = {"DCS": last, name: first, "DAQ": number, "DBB": born, "DBD": issued, "DBA": expires, **here}
    changed["DAU"] = f"{round(inches * 2.54):03d} cm" if canadian else f"{inches:03d} in"
    data = written(
        elements(version, **changed) | ({} if version <= 3 else {"DAD": "NONE"}),
        version,
        issuer="636012" if canadian else "636000",
    )
    assert aamva.parse(data).warnings == ()
    found = values(data)
    assert (found["LAST_NAME"], found["FIRST_NAME"], found["DOCUMENT_NUMBER"]) == (last, first, number)
    read = (found["DATE_OF_BIRTH"], found["DATE_OF_ISSUE"], found["EXPIRATION_DATE"])
    assert read == tuple(day.isoformat() for day in days)
    assert found["ZIP_CODE_IN_ADDRESS"] == ("K1A 0B1" if canadian else "23269")
    assert found["ISSUING_COUNTRY"] == ("CAN" if canadian else "USA")
    assert found["HEIGHT"] == (f"{round(inches * 2.54)} cm" if canadian else f"{inches} in")


@pytest.mark.parametrize(
    ("whole", "expected"),
    [
        ("PUBLIC,JOHN,QUINCY", ("PUBLIC", "JOHN", "QUINCY", "")),
        ("PUBLIC, JOHN QUINCY", ("PUBLIC", "JOHN", "QUINCY", "")),
        ("PUBLIC@JOHN@QUINCY@", ("PUBLIC", "JOHN", "QUINCY", "")),
        ("PUBLIC$JOHN$QUINCY ADAMS", ("PUBLIC", "JOHN", "QUINCY ADAMS", "")),
        ("PUBLIC,JOHN,,3RD", ("PUBLIC", "JOHN", "", "3RD")),
        ("PUBLIC,JOHN,QUINCY,JR", ("PUBLIC", "JOHN", "QUINCY", "JR")),
        ("JOHN QUINCY PUBLIC", ("PUBLIC", "JOHN", "QUINCY", "")),
        ("JOHN PUBLIC JR", ("PUBLIC", "JOHN", "", "JR")),
        ("PUBLIC,JOHN,V", ("PUBLIC", "JOHN", "V", "")),
        ("PUBLIC", ("PUBLIC", "", "", "")),
    ],
)
def test_all_names_in_one_element(whole: str, expected: tuple[str, str, str, str]) -> None:
    found = values(written(elements(1, DAA=whole), 1))
    read = tuple(found.get(name, "") for name in ("LAST_NAME", "FIRST_NAME", "MIDDLE_NAME", "SUFFIX"))
    assert read == expected


@pytest.mark.parametrize("given_names", ["JOHN QUINCY ADAMS", "JOHN,QUINCY ADAMS", "JOHN$QUINCY@ADAMS"])
def test_given_names_in_one_element(given_names: str) -> None:
    assert value("FIRST_NAME", 3, DCT=given_names) == "JOHN"
    assert value("MIDDLE_NAME", 3, DCT=given_names) == "QUINCY ADAMS"


def test_a_suffix_after_the_family_name() -> None:
    assert value("LAST_NAME", DCS="DE LA CRUZ III", DCU="") == "DE LA CRUZ"
    assert value("SUFFIX", DCS="DE LA CRUZ III", DCU="") == "III"
    assert value("LAST_NAME", DCS="SMITH V", DCU="") == "SMITH V", "one letter may be anything"


def test_a_name_that_was_cut_to_fit_is_not_quite_certain() -> None:
    found = aamva.fields(aamva.parse(written(elements(10, DDE="T"), 10)))
    assert found[FieldName.LAST_NAME].confidence == 90.0
    assert found[FieldName.FIRST_NAME].confidence == 100.0


@pytest.mark.parametrize("version", [1, 4, 10])
@pytest.mark.parametrize("day", ["01311970", "19700131"])
def test_dates_come_in_two_orders(version: int, day: str) -> None:
    """West Virginia's and Wyoming's cards of version 4 write the year first, as Canada's do."""
    assert value("DATE_OF_BIRTH", version, DBB=day) == "1970-01-31"


@pytest.mark.parametrize(
    ("written_as", "expected"),
    [("1", "M"), ("2", "F"), ("9", "X"), ("0", ""), ("M", "M"), ("F", "F"), ("X", "X"), ("MALE", "M"),
     ("Female", "F"), ("unavl", "")],
)  # fmt: skip
def test_sex(written_as: str, expected: str) -> None:
    assert value("SEX", DBC=written_as) == expected


@pytest.mark.parametrize(
    ("written_as", "expected"),
    [("068 in", "68 in"), ("068 IN", "68 in"), ("68 in", "68 in"), ("173 cm", "173 cm"), ("508", "68 in"),
     ("5'-08\"", "68 in"), ("5'08\"", "68 in"), ("5-08", "68 in"), ("068", "68 in"), ("68", "68 in"),
     ("173", "173 cm"), ("600", "72 in"), ("unavl", "")],
)  # fmt: skip
def test_height(written_as: str, expected: str) -> None:
    assert value("HEIGHT", DAU=written_as) == expected


def test_height_in_centimetres_of_its_own() -> None:
    assert value("HEIGHT", 1, DAU="", DAV="173") == "173 cm"


@pytest.mark.parametrize(
    ("written_as", "expected"),
    [("232690000  ", "23269"), ("23269      ", "23269"), ("23269", "23269"), ("232691234", "23269-1234"),
     ("23269-1234", "23269-1234"), ("K1A0B1     ", "K1A 0B1"), ("K1A 0B1", "K1A 0B1"), ("unavl", "")],
)  # fmt: skip
def test_postal_codes(written_as: str, expected: str) -> None:
    assert value("ZIP_CODE_IN_ADDRESS", DAK=written_as) == expected


@pytest.mark.parametrize("nothing", ["NONE", "unavl", "UNAVAIL", "", "   "])
def test_none_and_unavailable_mean_empty(nothing: str) -> None:
    data = written(elements(10, DAD=nothing), 10)
    assert "MIDDLE_NAME" not in values(data)
    assert aamva.parse(data).warnings == ()


def test_the_country_of_an_older_card_is_its_issuer_s() -> None:
    assert values(written(elements(1), 1, issuer="636012"))["ISSUING_COUNTRY"] == "CAN"
    assert "ISSUING_COUNTRY" not in values(written(elements(1), 1, issuer="999001"))


@pytest.mark.parametrize(
    ("broken", "warning"),
    [
        (lambda text: text.replace("DL00410278", "DL00990278"), "subfile DL is not at its offset"),
        (lambda text: text.replace("DL00410278", "DL00000278"), "subfile DL is not at its offset"),
        (lambda text: text.replace("DL00410278", "DL00419999"), "subfile DL has another length than stated"),
        (lambda text: text.replace("DL00410278", "DL00410100"), "subfile DL has another length than stated"),
        (lambda text: text.replace("ZV03190008", "ZX03190008"), "subfile ZX is not there"),
        (lambda text: text.replace("@\n\x1e\rANSI ", "@\r\n\x1e\r\nANSI "), "the header departs"),
        (lambda text: text.replace("@\n\x1e\r", ""), "the header departs"),
        (lambda text: text.replace("DL00410278ZV03190008", ""), "no subfile designators"),
        (lambda text: text.replace("\nDBB06061986", ""), "missing element DBB"),
        (lambda text: text.replace("\n", "|").replace("@|", "@\n"), "elements are not separated"),
        (lambda text: text.replace("\n", "; ").replace("@; ", "@\n"), "elements are not separated"),
    ],
)  # fmt: skip
def test_a_broken_structure_is_a_warning_and_the_card_is_read(broken: object, warning: str) -> None:
    assert callable(broken)
    card = aamva.parse(broken(STANDARD_2020).encode())
    assert any(own.startswith(warning) for own in card.warnings)
    assert card.elements["DCS"] == "SAMPLE"
    assert card.elements["DAQ"] == "T64235789"
    assert not any("SAMPLE" in own or "T64235789" in own for own in card.warnings)


def test_a_whole_card() -> None:
    assert aamva.is_whole(STANDARD_2020.encode())
    assert aamva.is_whole(STANDARD_2020.replace("DBB06061986", "XXX06061986").encode())
    assert not aamva.is_whole(STANDARD_2020.replace("DCSSAMPLE", "DCSSAMPLES").encode())
    assert not aamva.is_whole(b"M1SMITH/JOHN  EABC123 LHRJFK")


@pytest.mark.parametrize("separator", ["\r", "\r\n", "\x1e", "\n\r", "\n\n", "\t"])
def test_control_characters_between_elements(separator: str) -> None:
    assert values(written(elements(10), 10, separator=separator)) == values(written(elements(10), 10))


@pytest.mark.parametrize("version", [1, 5])
def test_a_header_with_the_other_version_s_length(version: int) -> None:
    """Some cards of version 01 have a jurisdiction version, some later ones have none."""
    data = written(elements(version), 10 if version == 1 else 1)
    other = data.replace(b"63600010", b"63600001") if version == 1 else data.replace(b"63600001", b"63600005")
    assert values(other)["LAST_NAME"] == "SAMPLE"
    assert aamva.parse(other).version == version


def test_the_header_of_before_2000() -> None:
    older = aamva.parse(written(elements(1), 1, start="@\n\x1e\rAAMVA"))
    assert (older.warnings, older.elements["DAQ"]) == ((), "T64235789")


def test_a_wrong_number_of_entries() -> None:
    assert aamva.parse(STANDARD_2020.replace("100102DL", "100101DL").encode()).elements["ZVA"] == "01"


def test_a_jurisdiction_s_subfile_overrules_nothing() -> None:
    data = STANDARD_2020.replace("ZVZVA01\r", "ZVZVA01\nDCSOTHER\nDDKZ\r").encode()
    assert aamva.parse(data).elements["DCS"] == "SAMPLE"


def test_an_element_that_is_there_twice() -> None:
    assert value("LAST_NAME", DCS="SAMPLE\nDCSOTHER") == "SAMPLE"
    assert value("LAST_NAME", DCS="\nDCSOTHER") == "OTHER"


def test_organ_donors_and_veterans_disturb_nothing() -> None:
    noisy = elements(10, DCG="USA\nDDK1\nDDL1\nDDJ06062027\nDCK123\nDAW180\nDAZBRO\nDCLW \nDBHN")
    assert values(written(noisy, 10)) == values(written(elements(10), 10))


def test_the_subfile_s_type_twice() -> None:
    assert aamva.parse(STANDARD_2020.replace("DLDAQ", "DLDLDAQ").encode()).elements["DAQ"] == "T64235789"


def test_letters_beyond_ascii() -> None:
    for encoding in ("latin-1", "utf-8"):
        data = STANDARD_2020.replace("SAMPLE", "CÔTÉ").encode(encoding)
        assert values(data)["LAST_NAME"] == "CÔTÉ"


@pytest.mark.parametrize("data", [b"", b"M1SMITH/JOHN  EABC123 LHRJFK", b"@\n\x1e\rANSI", bytes(300)])
def test_another_barcode_is_not_a_card(data: bytes) -> None:
    with pytest.raises(aamva.NotAamva):
        aamva.parse(data)


@given(st.binary(max_size=300))
def test_whatever_follows_a_header_is_survived(rest: bytes) -> None:
    aamva.fields(aamva.parse(b"@\n\x1e\rANSI 636000100102" + rest))
