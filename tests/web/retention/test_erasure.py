"""One application is erased at once, because somebody asked for it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import httpx
import pytest
from sqlalchemy import select, update

from app import applications, audit, envelopes, erasure
from app.db import Sessions
from app.dev.sns_signing import Signer
from app.errors import Conflict, NotFound
from app.models import Notification, Run, RunCause, RunState
from app.object_store import ObjectStore
from app.settings import Settings
from tests.web.conftest import TOPIC, Notify, notification
from tests.web.retention.conftest import NOW, Apply, assert_nothing_is_left, count, entries, event, versions

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


async def test_one_application_goes_at_once(
    apply: Apply, sessions: Sessions, settings: Settings, s3: S3Client, store: ObjectStore
) -> None:
    asked = await apply("A-1", at=NOW, decided=False)
    other = await apply("A-10", at=NOW)
    counts = await erasure.erase_application(sessions, "A-1", actor="cli")
    counts += await erasure.delete_objects(sessions, store)

    assert counts == {
        "applications": 1,
        "documents": 1,
        "extractions": 1,
        "fingerprints": 1,
        "assessments": 1,
        "runs": 1,
        "notifications": 1,
        "objects": 1,
    }
    [entry] = await entries(sessions, "application.purged")
    assert (entry.actor, entry.subject) == ("cli", "application:A-1")
    assert {one["Key"] for one in versions(s3)} == {other.key}
    async with sessions() as session:
        kept = {row.message_id: row.envelope for row in await session.scalars(select(Notification))}
    assert kept[asked.message["MessageId"]] is None
    assert other.key in (kept[other.message["MessageId"]] or "")

    assert await erasure.erase_application(sessions, "A-1", actor="cli") == {}
    await erasure.erase_application(sessions, "A-10", actor="cli")
    await erasure.delete_objects(sessions, store)
    await assert_nothing_is_left(sessions, settings, s3, asked)
    await audit.seal(sessions)
    assert (await audit.verify(sessions)).broken_at is None


async def test_an_application_under_way_goes_only_by_force(
    apply: Apply, sessions: Sessions, settings: Settings, s3: S3Client, store: ObjectStore
) -> None:
    asked = await apply("A-1")
    async with sessions.begin() as session:
        run_id = await session.scalar(
            update(Run)
            .where(Run.cause_kind == RunCause.DOCUMENT)
            .values(state=RunState.RUNNING)
            .returning(Run.id)
        )
    with pytest.raises(Conflict, match=str(run_id)):
        await erasure.erase_application(sessions, "A-1", actor="cli")
    assert await count(sessions, Notification, Notification.envelope.is_not(None)) == 1

    await erasure.erase_application(sessions, "A-1", actor="cli", force=True)
    await erasure.delete_objects(sessions, store)
    await assert_nothing_is_left(sessions, settings, s3, asked)
    # The flow that was reading it has nowhere to write to.
    async with sessions.begin() as session:
        with pytest.raises(NotFound):
            await applications.begin_verification(session, asked.document_id)


async def test_what_another_message_told_of_the_upload_goes_too(
    apply: Apply, notify: Notify, sessions: Sessions, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(envelopes, "_LOOKED_THROUGH_AT_ONCE", 2)
    asked = await apply("A-1", at=NOW)
    for number in range(5):
        await notify(event(asked.key if number % 2 else f"applications/A-1{number}/license-front/a.jpg"))
    counts = await erasure.erase_application(sessions, "A-1", actor="cli")
    assert counts["notifications"] == 3
    assert await count(sessions, Notification, Notification.envelope.is_(None)) == 3


async def test_what_was_heard_of_a_purged_application_since_goes_with_the_next_request(
    apply: Apply, notify: Notify, client: httpx.AsyncClient, signer: Signer, sessions: Sessions
) -> None:
    await apply("A-1")
    await erasure.erase_application(sessions, "A-1", actor="cli")
    late = event("applications/A-1/license-front/late.jpg")
    await notify(late)
    await client.post("/v1/sns", content=signer.envelope(notification(late, TopicArn=f"{TOPIC}-unlisted")))

    expected = {"notifications": 1, "quarantine": 1}
    assert await erasure.erase_application(sessions, "A-1", actor="cli", dry_run=True) == expected
    assert await erasure.erase_application(sessions, "A-1", actor="cli") == expected
    assert await count(sessions, Notification, Notification.envelope.is_not(None)) == 0
    assert await erasure.erase_application(sessions, "A-1", actor="cli") == {}


async def test_a_message_that_had_to_wait_for_the_registration_goes_too(
    apply: Apply, sessions: Sessions
) -> None:
    """Its transaction began before that of the registration, so it bears the earlier time."""
    await apply("A-1", at=NOW)
    async with sessions.begin() as session:
        await session.execute(update(Notification).values(received_at=NOW - timedelta(seconds=9)))
    await erasure.erase_application(sessions, "A-1", actor="cli")
    assert await count(sessions, Notification, Notification.envelope.is_not(None)) == 0


async def test_a_quarantined_message_about_the_application_goes(
    apply: Apply, client: httpx.AsyncClient, signer: Signer, sessions: Sessions, store: ObjectStore
) -> None:
    asked = await apply("A-1")
    strange = notification(event(asked.key), TopicArn=f"{TOPIC}-unlisted")
    await client.post("/v1/sns", content=signer.envelope(strange))
    counts = await erasure.erase_application(sessions, "A-1", actor="cli")
    assert counts["quarantine"] == 1
