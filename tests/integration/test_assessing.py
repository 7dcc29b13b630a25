"""An application's assessment follows its documents, whatever becomes of them and in whatever order."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
from datetime import UTC, date, datetime
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import func, select

from app import applications, assessments
from app.applications import Applicant
from app.db import Sessions
from app.encryption import new_key
from app.errors import Purged
from app.models import (
    Application,
    ApplicationStatus,
    Assessment,
    Document,
    DocumentStatus,
    Extraction,
    Fingerprint,
)
from app.settings import DatabaseSettings, EncryptionSettings, FingerprintSettings, Settings
from flows import assessing
from flows.assessing import Assessed
from flows.context import Context
from flows.extraction.checks import CheckName, Recommendation, Status
from flows.extraction.fields import FieldName, Source
from flows.reader import Reading, Refusal
from tests.integration.arrivals import arrive

BOTH_SIDES = ("license-front", "license-back")
UNREADABLE = Refusal(DocumentStatus.UNREADABLE, "Too dark.")
CARD = {
    FieldName.FIRST_NAME: "ADA",
    FieldName.LAST_NAME: "SPECIMEN",
    FieldName.DATE_OF_BIRTH: "1990-02-28",
    FieldName.DOCUMENT_NUMBER: "D1234567",
    FieldName.DATE_OF_ISSUE: "2024-02-28",
    FieldName.EXPIRATION_DATE: f"{datetime.now(UTC).year + 3}-02-28",
    FieldName.ADDRESS: "1 EXAMPLE ST",
    FieldName.CITY_IN_ADDRESS: "SPRINGFIELD",
    FieldName.STATE_IN_ADDRESS: "IL",
    FieldName.ZIP_CODE_IN_ADDRESS: "62701",
}
_pictures = itertools.count(1)


def context_with(sessions: Sessions, database: DatabaseSettings, *fingerprint_keys: str) -> Context:
    settings = Settings(
        database=database,
        encryption=EncryptionSettings(keys=[SecretStr(new_key("test"))]),
        fingerprint=FingerprintSettings(keys=[SecretStr(key) for key in fingerprint_keys]),
    )
    return Context(settings, sessions)


@pytest.fixture
def context(sessions: Sessions, database: DatabaseSettings) -> Context:
    return context_with(sessions, database, new_key("test"))


def reading(source: Source, picture: int | None = None, **changed: str) -> Reading:
    """A side of the card; every picture is another one unless its number is given."""
    digest = hashlib.sha256(str(picture or next(_pictures)).encode()).hexdigest()
    fields: dict[str, Any] = {
        name: {"value": changed.get(name, value), "confidence": 99.0, "source": source}
        for name, value in CARD.items()
    }
    return Reading(
        kind="license",
        fields=fields,
        checks=[],
        recommendation="review",
        engine={},
        sha256=digest,
        image_hashes=(digest,),
    )


async def kept(sessions: Sessions, application_id: str = "A-1") -> Assessment:
    async with sessions() as session:
        assessment = await assessments.of(session, application_id)
    assert assessment is not None
    return assessment


def status_of(assessed: Assessed, name: CheckName) -> Status:
    [status] = [check.status for check in assessed.assessment.checks if check.check is name]
    return status


async def test_front_and_back_are_assessed_as_one_card(context: Context, sessions: Sessions) -> None:
    front = await arrive(sessions, requires=BOTH_SIDES)
    back = await arrive(sessions, kind="license-back", requires=BOTH_SIDES)
    first = await assessing.record_reading(context, front, reading(Source.OCR))
    assert (first.complete, first.assessment.missing) == (False, ("license-back",))
    assert status_of(first, CheckName.BARCODE_MATCHES_PRINT) is Status.NOT_RUN

    both = await assessing.record_reading(context, back, reading(Source.BARCODE))
    assert (both.complete, both.assessment.missing) == (True, ())
    assert status_of(both, CheckName.BARCODE_MATCHES_PRINT) is Status.PASS
    number = both.assessment.fields[FieldName.DOCUMENT_NUMBER]
    assert (number.source, number.agreeing) == (Source.BARCODE, (Source.OCR,))
    stored = await kept(sessions)
    assert stored.documents == [front.id, back.id]
    assert stored.checks == both.assessment.model_dump(mode="json")["checks"]


async def test_somebody_elses_back_is_flagged(context: Context, sessions: Sessions) -> None:
    front, back = await arrive(sessions), await arrive(sessions, kind="license-back")
    await assessing.record_reading(context, front, reading(Source.OCR))
    other = reading(Source.BARCODE, LAST_NAME="QUIMBY", DOCUMENT_NUMBER="Q7654321")
    both = await assessing.record_reading(context, back, other)
    assert status_of(both, CheckName.BARCODE_MATCHES_PRINT) is Status.FAIL
    assert both.assessment.recommendation is not Recommendation.ACCEPT


async def test_a_picture_that_shows_both_sides_is_enough(context: Context, sessions: Sessions) -> None:
    document = await arrive(sessions, requires=BOTH_SIDES)
    sheet = reading(Source.OCR)
    for field in sheet.fields.values():
        field["agreeing"] = [Source.BARCODE]
    assessed = await assessing.record_reading(context, document, sheet)
    assert (assessed.complete, assessed.assessment.missing) == (True, ())
    async with sessions() as session:
        assert (await session.get_one(Application, "A-1")).status is ApplicationStatus.IN_REVIEW


async def test_it_is_held_against_who_registered(context: Context, sessions: Sessions) -> None:
    keyring, _ = assessing._keys(context)
    someone = Applicant("Jane Quimby", "jane@example.com", date(1990, 2, 28))
    async with sessions.begin() as session:
        await applications.register(session, keyring, "A-1", someone)
    assessed = await assessing.record_reading(context, await arrive(sessions), reading(Source.OCR))
    assert status_of(assessed, CheckName.NAME_MATCHES_APPLICATION) is Status.FAIL
    assert status_of(assessed, CheckName.BIRTH_DATE_MATCHES_APPLICATION) is Status.PASS


async def test_an_unreadable_document_takes_what_it_replaces_out(
    context: Context, sessions: Sessions
) -> None:
    old = await arrive(sessions, name="card")
    await assessing.record_reading(context, old, reading(Source.OCR))
    new = await arrive(sessions, name="card")
    assessed = await assessing.record_refusal(context, new, UNREADABLE)
    assert (assessed.complete, assessed.assessment.fields) == (True, {})
    assert (await kept(sessions)).documents == []


async def test_a_document_that_comes_during_the_review_updates_the_assessment(
    context: Context, sessions: Sessions
) -> None:
    await assessing.record_reading(context, await arrive(sessions), reading(Source.OCR))
    late = await arrive(sessions, kind="license-back")
    assessed = await assessing.record_reading(context, late, reading(Source.BARCODE))
    assert assessed.complete
    async with sessions() as session:
        assert (await session.get_one(Application, "A-1")).status is ApplicationStatus.IN_REVIEW
    assert len((await kept(sessions)).documents) == 2


async def test_a_run_that_is_repeated_replaces_and_never_doubles(
    context: Context, sessions: Sessions
) -> None:
    document = await arrive(sessions)
    for number in ("D1111111", "D2222222"):
        again = await assessing.record_reading(
            context, document, reading(Source.OCR, 7, DOCUMENT_NUMBER=number)
        )
        assert again.complete
    assert again.assessment.fields[FieldName.DOCUMENT_NUMBER].value == "D2222222"
    async with sessions() as session:
        for model, rows in ((Extraction, 1), (Assessment, 1), (Fingerprint, 3)):
            assert await session.scalar(select(func.count()).select_from(model)) == rows


async def test_two_documents_read_at_the_same_moment_are_both_in_the_assessment(
    context: Context, sessions: Sessions
) -> None:
    for number in range(5):
        name = f"A-{number}"
        front = await arrive(sessions, name, requires=BOTH_SIDES)
        back = await arrive(sessions, name, kind="license-back", requires=BOTH_SIDES)
        ended = await asyncio.gather(
            assessing.record_reading(context, front, reading(Source.OCR)),
            assessing.record_reading(context, back, reading(Source.BARCODE)),
        )
        assert sorted(one.complete for one in ended) == [False, True]
        [last] = [one.assessment for one in ended if one.complete]
        assert last.missing == ()
        assert (await kept(sessions, name)).documents == [front.id, back.id]


@pytest.mark.parametrize(
    ("picture", "changed", "expected"),
    [
        (7, {}, {CheckName.SAME_FILE, CheckName.SAME_IMAGE, CheckName.SAME_PERSON}),
        (None, {}, {CheckName.SAME_PERSON}),
        (7, {"DOCUMENT_NUMBER": "D7654321"}, {CheckName.SAME_FILE, CheckName.SAME_IMAGE}),
        (None, {"DOCUMENT_NUMBER": "D7654321"}, set()),
    ],
    ids=["same upload", "new photo", "altered number", "somebody else"],
)
async def test_what_another_application_has_brought_is_flagged(
    context: Context,
    sessions: Sessions,
    picture: int | None,
    changed: dict[str, str],
    expected: set[CheckName],
) -> None:
    first = await assessing.record_reading(context, await arrive(sessions), reading(Source.OCR, 7))
    looked_for = (CheckName.SAME_FILE, CheckName.SAME_IMAGE, CheckName.SAME_PERSON)
    assert {status_of(first, name) for name in looked_for} == {Status.PASS}

    other = await arrive(sessions, "A-2")
    second = await assessing.record_reading(context, other, reading(Source.OCR, picture, **changed))
    flagged = {name for name in looked_for if status_of(second, name) is not Status.PASS}
    assert flagged == expected


async def test_of_two_applications_at_the_same_moment_one_is_flagged(
    context: Context, sessions: Sessions
) -> None:
    for number in range(1, 6):
        documents = [await arrive(sessions, f"{side}-{number}") for side in "AB"]
        brought = [reading(Source.OCR, number, DOCUMENT_NUMBER=f"D{number}") for _ in documents]
        assessed = await asyncio.gather(
            *(assessing.record_reading(context, *pair) for pair in zip(documents, brought, strict=True))
        )
        for name in (CheckName.SAME_FILE, CheckName.SAME_IMAGE, CheckName.SAME_PERSON):
            assert {status_of(one, name) for one in assessed} != {Status.PASS}


async def test_after_a_rotation_it_is_found_by_any_document_of_the_application(
    sessions: Sessions, database: DatabaseSettings
) -> None:
    old, new = new_key("2025"), new_key("2026")
    before = context_with(sessions, database, old)
    await assessing.record_reading(before, await arrive(sessions), reading(Source.OCR))
    after = Context(
        before.settings.model_copy(
            update={"fingerprint": FingerprintSettings(keys=[SecretStr(new), SecretStr(old)])}
        ),
        sessions,
    )
    front, payslip = await arrive(sessions, "A-2"), await arrive(sessions, "A-2", kind="payslip")
    await assessing.record_reading(after, front, reading(Source.OCR))
    assessed = await assessing.record_refusal(after, payslip, UNREADABLE)
    assert status_of(assessed, CheckName.SAME_PERSON) is not Status.PASS


async def test_without_a_key_duplicates_are_not_looked_for_and_nothing_is_accepted(
    sessions: Sessions, database: DatabaseSettings
) -> None:
    assessed = await assessing.record_reading(
        context_with(sessions, database), await arrive(sessions), reading(Source.BARCODE)
    )
    assert status_of(assessed, CheckName.SAME_PERSON) is Status.NOT_RUN
    assert assessed.assessment.recommendation is Recommendation.REVIEW
    async with sessions() as session:
        assert await session.scalar(select(func.count()).select_from(Fingerprint)) == 0


async def test_nothing_is_left_of_a_document_whose_application_was_purged_meanwhile(
    context: Context, sessions: Sessions
) -> None:
    document: Document = await arrive(sessions)
    async with sessions.begin() as session:
        (await session.get_one(Application, "A-1")).purged_at = func.now()
    with pytest.raises(Purged):
        await assessing.record_reading(context, document, reading(Source.OCR))
    async with sessions() as session:
        for model in (Extraction, Assessment, Fingerprint):
            assert await session.scalar(select(func.count()).select_from(model)) == 0
