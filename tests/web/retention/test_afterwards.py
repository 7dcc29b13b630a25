"""What was purged does not come back, and is gone for whoever asks."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import httpx
from sqlalchemy import update

from app.db import Sessions
from app.dev.sns_signing import Signer
from app.models import Document, LeavingObject, Notification, Run, RunCause, RunState
from app.object_store import ObjectStore
from app.retention import Cutoffs
from app.settings import Settings
from tests.integration.flows.conftest import dump
from tests.web.conftest import BUCKET, Decide, Headers, Notify, notification
from tests.web.retention.conftest import CUTOFF, EMAIL, OLD, PICTURE, Apply, count, event, purge, versions

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


async def test_a_redelivered_message_starts_nothing(
    apply: Apply, notify: Notify, sessions: Sessions, s3: S3Client, store: ObjectStore
) -> None:
    old = await apply("A-1")
    await purge(sessions, store)
    assert await count(sessions, Notification) == 1

    again = await notify(**{"message": old.message["Message"], **old.message})
    assert again.json() == {"outcome": "duplicate"}
    assert await count(sessions, LeavingObject) == 0
    in_another_message = await notify(event(old.key))
    assert in_another_message.json() == {"outcome": "duplicate"}
    assert (await count(sessions, Run), await count(sessions, Document)) == (0, 0)


async def test_a_message_whose_run_was_purged_starts_no_second_one(
    client: httpx.AsyncClient, signer: Signer, sessions: Sessions, store: ObjectStore
) -> None:
    content = notification("news of nobody")
    await client.post("/v1/sns", content=signer.envelope(content))
    async with sessions.begin() as session:
        session.add(
            Run(
                cause_kind=RunCause.MESSAGE,
                cause_id="the message",
                route="reports",
                deployment="flow/default",
                parameters={},
                tags=[],
                state=RunState.FAILED,
                ended_at=OLD,
            )
        )
        await session.execute(update(Notification).values(received_at=OLD))
    assert await purge(sessions, store) == {"notifications": 1, "runs": 1}
    again = await client.post("/v1/sns", content=signer.envelope(content))
    assert again.json() == {"outcome": "duplicate"}
    assert await count(sessions, Run) == 0


async def test_an_upload_for_a_purged_application_is_deleted_and_never_read(
    apply: Apply, notify: Notify, sessions: Sessions, settings: Settings, s3: S3Client, store: ObjectStore
) -> None:
    await apply("A-1")
    await purge(sessions, store)
    key = "applications/A-1/license-front/late.jpg"
    s3.put_object(Bucket=BUCKET, Key=key, Body=PICTURE)
    await notify(event(key))

    assert (await count(sessions, Run), await count(sessions, Document)) == (0, 0)
    assert await purge(sessions, store, Cutoffs()) == {"objects": 1, "notifications": 1}
    assert versions(s3) == []
    assert key not in await dump(settings.database.url.get_secret_value())


async def test_a_run_whose_picture_was_purged_is_not_replayed(
    apply: Apply,
    client: httpx.AsyncClient,
    operator: Headers,
    sessions: Sessions,
    store: ObjectStore,
) -> None:
    old = await apply("A-1")
    async with sessions.begin() as session:
        failed = update(Run).where(Run.cause_kind == RunCause.DOCUMENT).values(state=RunState.FAILED)
        run_id = await session.scalar(failed.returning(Run.id))
    await purge(sessions, store, Cutoffs(documents=CUTOFF))

    answer = await client.post(f"/v1/runs/{run_id}/replay", headers=operator)
    assert answer.status_code == 410
    assert f"The picture of document {old.document_id} was removed for good" in answer.json()["detail"]
    run = (await client.get(f"/v1/runs/{run_id}", headers=operator)).json()
    assert run["state"] == "FAILED"


async def test_a_purged_application_is_gone_for_everybody(
    apply: Apply,
    client: httpx.AsyncClient,
    loan_app: Headers,
    underwriter: Headers,
    decide: Decide,
    sessions: Sessions,
    store: ObjectStore,
) -> None:
    old = await apply("A-1")
    known = (await client.get(old.url, headers=loan_app)).headers["ETag"]
    waiting = asyncio.create_task(
        client.get(old.url, headers={**loan_app, "If-None-Match": known, "Prefer": "wait=10"})
    )
    await asyncio.sleep(0.2)
    await purge(sessions, store, Cutoffs(applications=CUTOFF))
    read = await waiting

    answers = [
        read,
        await client.get(old.url, headers=underwriter),
        await client.get(f"{old.url}/events", headers=loan_app),
        await client.put(old.url, json={"applicant": {"name": "A B", "email": EMAIL}}, headers=loan_app),
        await client.post(
            f"{old.url}/uploads",
            json={"kind": "license-front", "content_type": "image/jpeg"},
            headers=loan_app,
        ),
        await decide({"outcome": "approved", "decided_by": "u-17"}, url=f"{old.url}/decisions"),
    ]
    assert {answer.status_code for answer in answers} == {410}
    problem = read.json()
    assert problem["type"] == "urn:sluice:problem:purged"
    assert "new application needs an id of its own" in problem["detail"]
    assert (await client.get(f"/v1/documents/{old.document_id}", headers=underwriter)).status_code == 404
