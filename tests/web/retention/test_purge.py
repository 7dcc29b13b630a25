"""What is old enough is purged, with all that was personal, and nothing else."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import httpx
import pytest
from sqlalchemy import update

from app import applications, audit, notifications, runs
from app.db import Sessions
from app.errors import Purged
from app.models import Document, Notification, Run, RunCause, RunState
from app.object_store import ObjectStore
from app.retention import Cutoffs
from app.settings import Settings
from tests.integration.flows.conftest import dump
from tests.web.conftest import BUCKET, Headers, Notify
from tests.web.retention.conftest import (
    ADDRESS,
    ALL,
    CUTOFF,
    NOW,
    OLD,
    REASON,
    Apply,
    assert_nothing_is_left,
    count,
    entries,
    event,
    purge,
    versions,
)

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


async def test_an_old_application_goes_with_all_that_was_personal(
    apply: Apply, sessions: Sessions, settings: Settings, s3: S3Client, store: ObjectStore
) -> None:
    old = await apply("A-1")
    s3.delete_object(Bucket=BUCKET, Key=old.key)
    before = await dump(settings.database.url.get_secret_value())
    assert all(value in before for value in (ADDRESS, REASON, old.key))
    assert len(versions(s3)) == 3
    assert await audit.seal(sessions) > 0

    assert await purge(sessions, store) == {
        "pictures": 1,
        "extractions": 1,
        "fingerprints": 1,
        "assessments": 1,
        "applications": 1,
        "documents": 1,
        "decisions": 1,
        "emails": 2,
        "runs": 2,
        "notifications": 1,
        "objects": 1,
    }

    await assert_nothing_is_left(sessions, settings, s3, old)
    assert await purge(sessions, store) == {}
    assert await audit.seal(sessions) > 0
    chain = await audit.verify(sessions)
    assert (chain.unsealed, chain.broken_at) == (0, None)


async def test_the_trail_says_what_was_removed_and_by_whom(
    apply: Apply, sessions: Sessions, store: ObjectStore
) -> None:
    old = await apply("A-1")
    await purge(sessions, store, Cutoffs(applications=CUTOFF, notifications=CUTOFF))
    [entry] = await entries(sessions, "application.purged")
    assert (entry.actor, entry.subject) == ("retention", "application:A-1")
    assert entry.detail == {
        "documents": 1,
        "extractions": 1,
        "fingerprints": 1,
        "assessments": 1,
        "decisions": 1,
        "emails": 2,
        "runs": 2,
    }
    [deleted] = await entries(sessions, "document.picture_deleted")
    assert deleted.subject == f"document:{old.document_id}"
    [dropped] = await entries(sessions, "notifications.purged")
    assert dropped.detail == {"count": 1, "before": CUTOFF.isoformat()}


async def test_only_what_is_over_goes(
    apply: Apply, sessions: Sessions, s3: S3Client, store: ObjectStore
) -> None:
    await apply("young", at=NOW - timedelta(days=1))
    await apply("undecided", decided=False)
    await apply("under-way")
    await apply("over")
    async with sessions.begin() as session:
        running = update(Run).where(Run.application_id == "under-way", Run.cause_kind == RunCause.DECISION)
        await session.execute(running.values(state=RunState.RUNNING))

    assert (await purge(sessions, store, Cutoffs(CUTOFF, CUTOFF)))["applications"] == 1
    for name in ("young", "undecided", "under-way"):
        assert await count(sessions, Document, Document.application_id == name) == 1
        assert await count(sessions, Run, Run.application_id == name) >= 1
    assert len({one["Key"] for one in versions(s3)}) == 3


async def test_what_others_hold_is_left_for_the_next_time(
    apply: Apply, sessions: Sessions, store: ObjectStore
) -> None:
    for name in ("A-1", "A-2", "A-3"):
        await apply(name)
    async with sessions.begin() as session:
        await applications.lock(session, "A-2")
        async with asyncio.timeout(5):
            assert (await purge(sessions, store, Cutoffs(applications=CUTOFF)))["applications"] == 2
    assert (await purge(sessions, store, Cutoffs(applications=CUTOFF)))["applications"] == 1


async def test_a_deadlock_with_the_follower_ends_neither(
    apply: Apply, sessions: Sessions, store: ObjectStore
) -> None:
    old = await apply("A-1")
    async with sessions.begin() as session:
        await session.execute(update(Run).where(Run.application_id == old.id).values(version=Run.version + 1))
        purging = asyncio.create_task(purge(sessions, store, Cutoffs(applications=CUTOFF)))
        await asyncio.sleep(0.3)
        # PostgreSQL looks for a deadlock after a second, from whoever has waited for so long.
        await applications.lock(session, old.id)
        assert await purging == {}
    assert (await purge(sessions, store, Cutoffs(applications=CUTOFF)))["applications"] == 1


async def test_pictures_go_before_their_applications(
    apply: Apply,
    client: httpx.AsyncClient,
    underwriter: Headers,
    sessions: Sessions,
    s3: S3Client,
    store: ObjectStore,
    notify: Notify,
) -> None:
    old = await apply("A-1")
    seen = await client.get(old.url, headers=underwriter)
    assert await purge(sessions, store, Cutoffs(documents=CUTOFF)) == {
        "pictures": 1,
        "extractions": 1,
        "fingerprints": 1,
        "assessments": 1,
        "objects": 1,
    }
    assert versions(s3) == []
    kept = await client.get(old.url, headers={**underwriter, "If-None-Match": seen.headers["ETag"]})
    assert (kept.status_code, kept.json()["decision"]["reasons"]) == (200, [REASON])
    [document] = kept.json()["documents"]
    assert document["purged_at"] is not None
    assert (seen.json()["assessment"]["recommendation"], kept.json()["assessment"]) == ("review", None)
    read = await client.get(f"/v1/documents/{old.document_id}", headers=underwriter)
    assert (read.status_code, read.json()["extraction"]) == (200, None)
    # S3 may tell of one upload in two messages, of which one waited somewhere.
    assert (await notify(event(old.key))).json() == {"outcome": "duplicate"}
    assert await count(sessions, Run) == 2

    assert await purge(sessions, store, Cutoffs(documents=CUTOFF)) == {}
    # What was removed is no news: the application's own time runs on.
    assert (await purge(sessions, store, Cutoffs(applications=CUTOFF)))["applications"] == 1


async def test_a_message_that_a_waiting_run_needs_is_kept(
    notify: Notify, sessions: Sessions, store: ObjectStore
) -> None:
    await notify("news of nobody")
    async with sessions.begin() as session:
        [received] = list(
            await session.scalars(update(Notification).values(received_at=OLD).returning(Notification))
        )
        new = runs.NewRun(
            cause_kind=RunCause.MESSAGE,
            cause_id=str(received.id),
            route="reports",
            deployment="flow/default",
            parameters={"name": f"report {received.id}"},
        )
        await runs.enqueue(session, new)
        await session.execute(update(Run).values(accepted_at=OLD))
    assert await purge(sessions, store, ALL) == {}

    async with sessions.begin() as session:
        await session.execute(update(Run).values(state=RunState.COMPLETED, ended_at=OLD))
    assert await purge(sessions, store, ALL) == {"notifications": 1, "runs": 1}
    async with sessions() as session:
        with pytest.raises(Purged):
            await notifications.message_of(session, received.id)
