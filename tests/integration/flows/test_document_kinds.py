"""A specimen of each kind through the flow: what is read, and that none of it is left behind."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from PIL import Image

from app import applications, assessments
from app.db import Sessions
from app.dev import specimen_passports as passports
from app.dev import specimens
from app.dev.postgres import EmbeddedPostgres
from app.encryption import Keyring
from app.models import ApplicationStatus, Extraction
from tests.integration.flows.conftest import RunFlow, UnderwritingTool, Upload, dump, on_disk, stored

TODAY = datetime.now(UTC).date()
PERSON = specimens.person(7, TODAY)
HOLDER = passports.holder(7, TODAY)
FLOW = "document-verification"

Specimen = tuple[str, Image.Image, dict[str, str]]

SPECIMENS: list[Specimen] = [
    ("license-front", specimens.front(PERSON), specimens.truth(PERSON)),
    ("license-back", specimens.back(PERSON), specimens.truth_of_back(PERSON)),
    ("license", specimens.both(PERSON), specimens.truth(PERSON)),
    ("passport", passports.page(HOLDER), passports.truth(HOLDER)),
    ("identity-card", passports.td1_back(HOLDER), passports.truth_of_td1_back(HOLDER)),
]


def secrets(truth: dict[str, str]) -> list[str]:
    """The values that are looked for: shorter ones stand somewhere in so many ids and times by chance."""
    parts = [part for value in truth.values() for part in value.split("\n")]
    common = {"PASSPORT", "IDENTIFICATION CARD", "DRIVER LICENSE"}
    return [part for part in parts if len(part) > (5 if part.isdigit() else 3) and part not in common]


@pytest.mark.parametrize("specimen", SPECIMENS, ids=lambda specimen: specimen[0])
async def test_it_is_read_and_nothing_of_it_reaches_prefect_or_a_log(
    run_flow: RunFlow,
    upload: Upload,
    sessions: Sessions,
    keyring: Keyring,
    tool: UnderwritingTool,
    postgres: EmbeddedPostgres,
    prefect_home: Path,
    specimen: Specimen,
) -> None:
    """Every value is looked for in every row of Prefect's database, on its disk and in the worker's log."""
    kind, picture, truth = specimen
    tool.answers = [500, 422]
    document = await upload(specimens.to_jpeg(picture), kind=kind)
    await run_flow(FLOW, document.id)

    async with sessions() as session:
        extraction = await session.get_one(Extraction, document.id)
    read = applications.extracted_fields(keyring, extraction)
    assert {name: read.get(name, {}).get("value") for name in truth} == truth

    everything = await dump(postgres.url("prefect"))
    assert str(document.id) in everything
    assert "The underwriting tool answered 500." in everything, "the logs are not in the dump"
    assert "## Checks of the application" in everything, "the report is not in the dump"
    disk = on_disk(prefect_home)
    assert str(document.id) in disk, "the worker's log is not there"
    looked_for = [*secrets(truth), "card.jpg", "Quimby"]
    assert [value for value in looked_for if value in everything + disk] == []


async def test_front_and_back_are_one_document(
    run_flow: RunFlow, upload: Upload, sessions: Sessions, keyring: Keyring
) -> None:
    front = await upload(specimens.to_jpeg(specimens.front(PERSON)), kind="license-front")
    back = await upload(specimens.to_jpeg(specimens.back(PERSON)), kind="license-back")
    await run_flow(FLOW, front.id)
    assert (await stored(sessions, front.id))[1].status is ApplicationStatus.VERIFYING
    await run_flow(FLOW, back.id)

    assert (await stored(sessions, back.id))[1].status is ApplicationStatus.IN_REVIEW
    async with sessions() as session:
        assessment = await assessments.of(session, "A-17")
    assert assessment is not None
    fields = assessments.assessed_fields(keyring, assessment)
    truth = specimens.truth(PERSON)
    assert {name: fields.get(name, {}).get("value") for name in truth} == truth
    assert fields["LAST_NAME"]["source"] == "barcode"
    assert fields["LAST_NAME"]["agreeing"] == ["ocr"]
    found = {check["check"]: check["status"] for check in assessment.checks}
    assert found["barcode_matches_print"] == "pass"


async def test_somebody_elses_back_is_found_out(
    run_flow: RunFlow, upload: Upload, sessions: Sessions
) -> None:
    another = specimens.person(8, TODAY)
    for kind, picture in (
        ("license-front", specimens.front(PERSON)),
        ("license-back", specimens.back(another)),
    ):
        document = await upload(specimens.to_jpeg(picture), kind=kind)
        await run_flow(FLOW, document.id)
    async with sessions() as session:
        assessment = await assessments.of(session, "A-17")
    assert assessment is not None
    found = {check["check"]: check["status"] for check in assessment.checks}
    assert found["barcode_matches_print"] == "fail"
    assert assessment.recommendation == "review"
