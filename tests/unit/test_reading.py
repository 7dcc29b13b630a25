"""From a file to fields, checks and a recommendation, with real text recognition on real pictures."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from PIL import Image

from app.dev import specimens
from app.dev.specimen_layouts import LAYOUTS
from flows.extraction.checks import Recommendation, Status
from flows.extraction.fields import FieldName, Source
from flows.extraction.intake import Unreadable
from flows.extraction.ocr import RapidOcr
from flows.extraction.reading import Extraction, read_document

TODAY = date(2026, 11, 20)


def read(image: Image.Image) -> Extraction:
    return read_document(specimens.to_jpeg(image), RapidOcr(), today=TODAY)


def statuses(extraction: Extraction) -> dict[str, Status]:
    return {check.check: check.status for check in extraction.checks}


def found(extraction: Extraction, somebody: specimens.Person) -> dict[str, str]:
    """The read values of the fields this person's front bears."""
    known = {name.value: field.value for name, field in extraction.fields.items()}
    return {name: known.get(name, "") for name in specimens.truth(somebody)}


@pytest.mark.parametrize("layout", sorted(LAYOUTS))
@pytest.mark.parametrize("seed", [11, 12])
def test_every_field_of_a_clean_front(seed: int, layout: str) -> None:
    somebody = specimens.person(seed, TODAY)
    extraction = read(specimens.front(somebody, layout))
    assert found(extraction, somebody) == specimens.truth(somebody)
    assert {field.source for field in extraction.fields.values()} == {Source.OCR}


@pytest.mark.parametrize("seed", [11, 12])
def test_every_field_of_a_back(seed: int) -> None:
    somebody = specimens.person(seed, TODAY)
    extraction = read(specimens.back(somebody))
    assert found(extraction, somebody) == specimens.truth(somebody)
    assert statuses(extraction)["barcode_matches_print"] is Status.NOT_RUN
    assert extraction.recommendation is Recommendation.REVIEW


def test_both_sides_on_one_picture_are_compared() -> None:
    somebody = specimens.person(13, TODAY)
    extraction = read(specimens.both(somebody))
    assert found(extraction, somebody) == specimens.truth(somebody)
    assert statuses(extraction) == {
        "complete": Status.PASS,
        "expired": Status.PASS,
        "under_age": Status.PASS,
        "barcode_matches_print": Status.PASS,
        "sharpness": Status.PASS,
        "specimen_words": Status.WARN,
    }
    assert extraction.recommendation is Recommendation.REVIEW  # a specimen is never accepted


def test_a_changed_birth_date_is_noticed() -> None:
    somebody = specimens.person(13, TODAY)
    extraction = read(specimens.both(specimens.altered(somebody), content=specimens.aamva(somebody)))
    assert statuses(extraction)["barcode_matches_print"] is Status.FAIL
    born = extraction.fields[FieldName.DATE_OF_BIRTH]
    assert born.value == somebody.born.isoformat()
    assert [other.value for other in born.alternatives] == [specimens.altered(somebody).born.isoformat()]


@pytest.mark.parametrize(("kind", "check"), [("expired", "expired"), ("under_age", "under_age")])
def test_a_card_that_will_not_do(kind: specimens.Kind, check: str) -> None:
    extraction = read(specimens.both(specimens.person(14, TODAY, kind)))
    assert statuses(extraction)[check] is Status.FAIL
    assert extraction.recommendation is Recommendation.REJECT


@pytest.mark.parametrize("degrees", [90, 180, 270, 4])
def test_a_front_any_way_round(degrees: int) -> None:
    somebody = specimens.person(11, TODAY)
    extraction = read(specimens.rotated(specimens.front(somebody), degrees))
    truth = specimens.truth(somebody)
    wrong = {name for name, value in found(extraction, somebody).items() if value != truth[name]}
    assert wrong <= {"CLASS", "SEX"}, "a letter that stands alone may be missed on a turned page"


def test_a_name_that_reads_upside_down_too() -> None:
    somebody = replace(specimens.person(11, TODAY), last="JOHNSON")
    assert read(specimens.front(somebody)).fields[FieldName.LAST_NAME].value == "JOHNSON"


def test_a_blurred_photo_says_what_to_do() -> None:
    with pytest.raises(Unreadable, match="blurred"):
        read(specimens.blurred(specimens.front(specimens.person(11, TODAY))))


def test_a_picture_of_something_else_says_what_to_do() -> None:
    with pytest.raises(Unreadable, match="no driver's license"):
        read(Image.effect_noise((900, 600), 90).convert("RGB"))


def test_the_stored_form_is_plain_and_says_what_read_it() -> None:
    stored = read(specimens.back(specimens.person(11, TODAY))).model_dump(mode="json")
    assert stored["fields"]["LAST_NAME"]["source"] == "barcode"
    assert stored["recommendation"] == "review"
    assert set(stored["versions"]) == {"rapidocr", "onnxruntime", "zxing-cpp"}
    assert stored["timings"]["total"] > 0
    assert Extraction.model_validate(stored).model_dump(mode="json") == stored
