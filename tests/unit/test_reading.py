"""From a file to fields, checks and a recommendation, with real text recognition on real pictures."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from PIL import Image

from app.dev import specimen_passports, specimens
from flows.engines.cloud import Jpeg, PageText, PlacedLine
from flows.engines.remote import RemoteEngine
from flows.extraction.checks import Check, Recommendation, Status
from flows.extraction.engine import Engine, Text
from flows.extraction.fields import FieldName, Source
from flows.extraction.intake.picture import Pixels, Unreadable
from flows.extraction.ocr import RapidOcr
from flows.extraction.reading import read_document
from flows.extraction.result import Extraction, Kind

TODAY = date(2026, 11, 20)
LICENCE = specimens.person(7, TODAY)
PASSPORT = specimen_passports.holder(11, TODAY)


class Counted(RapidOcr):
    """The local engine, and how many passes it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.passes = 0

    def read(self, pixels: Pixels) -> Text:
        self.passes += 1
        return super().read(pixels)


def read(image: Image.Image, engine: Engine | None = None) -> Extraction:
    return read_document(specimens.to_jpeg(image), engine or RapidOcr(), today=TODAY)


def pages(*images: Image.Image, kind: str) -> bytes:
    file = io.BytesIO()
    images[0].save(file, kind, save_all=True, append_images=images[1:])
    return file.getvalue()


def checks(extraction: Extraction) -> dict[str, Check]:
    return {check.check: check for check in extraction.checks}


def found(extraction: Extraction, truth: dict[str, str]) -> dict[str, str]:
    """The read values of the fields that are to be found."""
    known = {name.value: field.value for name, field in extraction.fields.items()}
    return {name: known.get(name, "") for name in truth}


def test_every_field_of_a_clean_front() -> None:
    extraction = read(specimens.front(LICENCE))
    truth = specimens.truth(LICENCE)
    assert found(extraction, truth) == truth
    assert {field.source for field in extraction.fields.values()} == {Source.OCR}
    assert extraction.kind is Kind.LICENSE_FRONT


def test_every_field_of_a_back() -> None:
    extraction = read(specimens.back(LICENCE))
    truth = specimens.truth_of_back(LICENCE)
    assert found(extraction, truth) == truth
    assert extraction.kind is Kind.LICENSE_BACK
    assert checks(extraction)["barcode_matches_print"].status is Status.NOT_RUN
    assert extraction.recommendation is Recommendation.REVIEW


def test_both_sides_on_one_picture_are_compared() -> None:
    extraction = read(specimens.both(LICENCE))
    truth = specimens.truth_of_back(LICENCE)
    assert found(extraction, truth) == truth
    assert extraction.kind is Kind.LICENSE
    status = {name: check.status for name, check in checks(extraction).items()}
    assert status["barcode_matches_print"] is Status.PASS
    assert status["specimen_words"] is Status.WARN
    assert {status[name] for name in ("complete", "expired", "under_age", "sharpness")} == {Status.PASS}
    assert extraction.recommendation is Recommendation.REVIEW  # a specimen is never accepted


@pytest.mark.parametrize("kind", ["PDF", "TIFF"])
def test_front_and_back_on_two_pages_are_one_document(kind: str) -> None:
    file = pages(specimens.front(LICENCE), specimens.back(LICENCE), kind=kind)
    extraction = read_document(file, RapidOcr(), today=TODAY)
    assert extraction.kind is Kind.LICENSE
    assert checks(extraction)["barcode_matches_print"].status is Status.PASS
    last = extraction.fields[FieldName.LAST_NAME]
    assert (last.value, last.source, last.agreeing) == (LICENCE.last, Source.BARCODE, (Source.OCR,))
    assert len(extraction.image_hashes) == 2


def test_of_two_pages_the_worse_one_is_judged() -> None:
    file = pages(specimens.blurred(specimens.front(LICENCE)), specimens.back(LICENCE), kind="TIFF")
    extraction = read_document(file, RapidOcr(), today=TODAY)
    assert extraction.kind is Kind.LICENSE_BACK
    assert checks(extraction)["sharpness"].status is Status.WARN


def test_a_changed_birth_date_is_noticed() -> None:
    forged = specimens.both(specimens.altered(LICENCE), content=specimens.aamva(LICENCE))
    extraction = read(forged)
    assert checks(extraction)["barcode_matches_print"].status is Status.FAIL
    born = extraction.fields[FieldName.DATE_OF_BIRTH]
    assert born.value == LICENCE.born.isoformat()
    assert [other.value for other in born.alternatives] == [specimens.altered(LICENCE).born.isoformat()]


@pytest.mark.parametrize(("kind", "check"), [("expired", "expired"), ("under_age", "under_age")])
def test_a_card_that_will_not_do(kind: specimens.Kind, check: str) -> None:
    extraction = read(specimens.back(specimens.person(14, TODAY, kind)))
    assert checks(extraction)[check].status is Status.FAIL
    assert extraction.recommendation is Recommendation.REJECT


@pytest.mark.parametrize("degrees", [90, 180, 270, 4])
def test_a_front_any_way_round(degrees: int) -> None:
    engine = Counted()
    extraction = read(specimens.rotated(specimens.front(LICENCE), degrees), engine)
    truth = specimens.truth(LICENCE)
    wrong = {name for name, value in found(extraction, truth).items() if value != truth[name]}
    assert wrong <= {"CLASS", "SEX"}, "a letter that stands alone may be missed on a turned page"
    assert engine.passes == (1 if degrees == 4 else 2)


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_a_passport_any_way_round(degrees: int) -> None:
    extraction = read(specimens.rotated(specimen_passports.page(PASSPORT), degrees))
    truth = specimen_passports.truth(PASSPORT)
    assert found(extraction, truth) == truth
    assert extraction.kind is Kind.PASSPORT
    assert extraction.fields[FieldName.DOCUMENT_NUMBER].source is Source.MRZ
    assert checks(extraction)["mrz_check_digits"].status is Status.PASS


def test_an_identity_card_by_its_zone() -> None:
    extraction = read(specimen_passports.td1_back(PASSPORT))
    assert extraction.kind is Kind.IDENTITY_CARD
    assert extraction.fields[FieldName.DOCUMENT_NUMBER].value == PASSPORT.number


def test_a_height_whose_inches_detection_cuts_off() -> None:
    somebody = specimens.person(604417008, TODAY)
    pixels = np.asarray(Image.open(io.BytesIO(specimens.to_jpeg(specimens.front(somebody)))), dtype=np.uint8)
    assert "16 HT 6'" in {line.text for line in RapidOcr().read(pixels).lines}
    assert read(specimens.front(somebody)).fields[FieldName.HEIGHT].value == somebody.printed_height


def test_a_name_that_reads_upside_down_too() -> None:
    somebody = replace(LICENCE, last="JOHNSON")
    assert read(specimens.front(somebody)).fields[FieldName.LAST_NAME].value == "JOHNSON"


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_an_engine_that_reads_any_way_round_is_asked_once(turns: int) -> None:
    """As cloud engines do: letters right, corners in the order of reading, on the page as it lies."""
    upright = RapidOcr().read(np.asarray(specimens.front(LICENCE).convert("RGB"), dtype=np.uint8)).lines
    width, height = specimens.front(LICENCE).size
    asked = []

    def ask(picture: Jpeg) -> PageText:
        asked.append(picture)
        lines = []
        for line in upright:
            corners, size = line.corners, (width, height)
            for _ in range(turns):  # clockwise, as the picture was turned
                corners = np.stack([size[1] - corners[:, 1], corners[:, 0]], axis=1)
                size = size[::-1]
            a, b, c, d = ((float(x), float(y)) for x, y in corners)
            lines.append(PlacedLine(text=line.text, confidence=line.confidence, corners=(a, b, c, d)))
        return PageText(lines=tuple(lines), version="1")

    turned = specimens.front(LICENCE).rotate(-90 * turns, expand=True)
    truth = specimens.truth(LICENCE)
    assert found(read(turned, RemoteEngine("somebody-else", ask)), truth) == truth
    assert len(asked) == 1


def test_a_card_on_a_page_that_was_scanned_whole() -> None:
    """At 300 dots an inch, as flatbeds come: what is reduced to a screen's width has no letters left."""
    page = Image.new("RGB", (2_480, 3_508), (252, 252, 250))
    page.paste(specimens.front(LICENCE), (300, 400))
    assert found(read(page), specimens.truth(LICENCE)) == specimens.truth(LICENCE)


def test_a_blurred_photo_says_what_to_do() -> None:
    with pytest.raises(Unreadable, match="blurred"):
        read(specimens.blurred(specimens.front(LICENCE)))


def test_a_picture_of_something_else_says_what_to_do() -> None:
    with pytest.raises(Unreadable, match="no driver's license, ID card or passport"):
        read(Image.effect_noise((900, 600), 90).convert("RGB"))


def test_a_picture_stored_anew_is_known_again() -> None:
    image = specimens.front(LICENCE)
    [first], [second] = (
        read_document(specimens.to_jpeg(image, quality), RapidOcr(), today=TODAY).image_hashes
        for quality in (90, 60)
    )
    assert (int(first, 16) ^ int(second, 16)).bit_count() <= 24


def test_the_stored_form_is_plain_and_says_what_read_it() -> None:
    stored = read(specimens.back(LICENCE)).model_dump(mode="json")
    assert stored["kind"] == "license-back"
    assert stored["fields"]["LAST_NAME"]["source"] == "barcode"
    assert stored["recommendation"] == "review"
    assert set(stored["versions"]) == {"rapidocr", "onnxruntime", "zxing-cpp"}
    assert {"intake", "barcode", "text", "checks", "total"} <= set(stored["timings"])
    assert Extraction.model_validate(stored).model_dump(mode="json") == stored
