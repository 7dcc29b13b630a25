"""What an assessment is made of, and how it is kept."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import func, select

from app import applications, assessments
from app.applications import Applicant
from app.db import Sessions
from app.encryption import Keyring, new_key
from app.errors import DecryptionFailed, NotFound, Purged
from app.models import Application, Assessment, Document, DocumentStatus
from tests.integration.arrivals import arrive

KEYRING = Keyring([SecretStr(new_key("test"))])
SHARP = {"check": "sharpness", "status": "pass"}


async def read(sessions: Sessions, document: Document, number: str) -> None:
    async with sessions.begin() as session:
        await applications.record_extraction(
            session,
            KEYRING,
            document.id,
            fields={"DOCUMENT_NUMBER": {"value": number}},
            checks=[SHARP],
            recommendation="review",
            engine={},
        )


async def store(sessions: Sessions, document: Document, *, number: str = "X123", **more: Any) -> None:
    content: dict[str, Any] = {"checks": [], "recommendation": "review", "missing": []}
    async with sessions.begin() as session:
        await assessments.store(
            session,
            KEYRING,
            document.application_id,
            fields={"DOCUMENT_NUMBER": {"value": number}},
            documents=[document.id],
            **{**content, **more},
        )


async def test_it_is_made_of_all_that_was_read_and_of_who_registered(sessions: Sessions) -> None:
    ada = Applicant("Ada Specimen", "ada@example.com", date(1990, 2, 28))
    async with sessions.begin() as session:
        await applications.register(session, KEYRING, "A-1", ada)
    requires = ("license-front", "license-back")
    front = await arrive(sessions, requires=requires)
    back = await arrive(sessions, kind="license-back", requires=requires)
    await arrive(sessions, kind="payslip")
    await arrive(sessions, "A-2")
    await read(sessions, back, "B")
    await read(sessions, front, "F")

    async with sessions() as session:
        materials = await assessments.materials(session, KEYRING, "A-1")
    assert [(one.document_id, one.kind) for one in materials.documents] == [
        (front.id, "license-front"),
        (back.id, "license-back"),
    ]
    assert materials.documents[0].fields == {"DOCUMENT_NUMBER": {"value": "F"}}
    assert materials.documents[0].checks == [SHARP]
    assert materials.required == requires
    assert materials.applicant == ada


async def test_what_was_superseded_or_could_not_be_read_is_left_out(sessions: Sessions) -> None:
    old = await arrive(sessions, name="card")
    await read(sessions, old, "OLD")
    await arrive(sessions, name="card")
    again = await arrive(sessions, kind="license-back")
    await read(sessions, again, "AGAIN")
    async with sessions.begin() as session:
        # A second run of the same document, with another end.
        await applications.record_unreadable(
            session, again.id, status=DocumentStatus.UNREADABLE, reason="Too dark."
        )

    async with sessions() as session:
        materials = await assessments.materials(session, KEYRING, "A-1")
    assert (materials.documents, materials.applicant) == ((), None)


async def test_an_application_that_is_not_there_has_none(sessions: Sessions) -> None:
    await arrive(sessions)
    async with sessions.begin() as session:
        with pytest.raises(NotFound):
            await assessments.materials(session, KEYRING, "A-2")
        (await session.get_one(Application, "A-1")).purged_at = func.now()
        await session.flush()
        with pytest.raises(Purged):
            await assessments.materials(session, KEYRING, "A-1")


async def test_another_assessment_takes_the_place_of_the_first(sessions: Sessions) -> None:
    document = await arrive(sessions)
    await store(sessions, document, number="FIRST", missing=["license-back"])
    await store(sessions, document, number="SECOND", recommendation="accept")
    async with sessions() as session:
        assert await session.scalar(select(func.count()).select_from(Assessment)) == 1
        kept = await assessments.of(session, "A-1")
        assert await assessments.of(session, "A-2") is None
    assert kept is not None
    assert (kept.recommendation, kept.missing, kept.documents) == ("accept", [], [document.id])
    assert assessments.assessed_fields(KEYRING, kept) == {"DOCUMENT_NUMBER": {"value": "SECOND"}}


async def test_its_fields_are_encrypted_and_belong_to_their_application(sessions: Sessions) -> None:
    document = await arrive(sessions)
    await store(sessions, document)
    async with sessions() as session:
        kept = await assessments.of(session, "A-1")
    assert kept is not None
    assert b"X123" not in kept.fields
    kept.application_id = "A-2"
    with pytest.raises(DecryptionFailed):
        assessments.assessed_fields(KEYRING, kept)
