"""The daily-etl flow on a real Prefect server, database and bucket."""

from __future__ import annotations

import asyncio
import io
import json
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import httpx
import polars as pl
import pytest
from mypy_boto3_s3 import S3Client
from sqlalchemy import select, text, update

from app import applications, decisions, routing
from app.db import Sessions
from app.dev.postgres import EmbeddedPostgres
from app.encryption import Keyring
from app.models import (
    Application,
    ApplicationStatus,
    Decision,
    DecisionOutcome,
    Document,
    DocumentStatus,
    Notification,
    NotificationOutcome,
    ReportedDay,
    ReportedStep,
    Run,
    RunCause,
    RunState,
    new_id,
)
from app.settings import Settings
from tests.integration.flows.conftest import APPLICANT, RunFlow, ServesPrefect, dump, execute, on_disk

FLOW = "daily-etl"
DAY = date(2025, 11, 20)
TEN = datetime(2025, 11, 20, 10, tzinfo=UTC)
PERSONAL = [APPLICANT.name, APPLICANT.email, "Quimby", "Income insufficient", "underwriter-17", "card.jpg"]


def minutes(number: float) -> datetime:
    return TEN + timedelta(minutes=number)


Seed = Callable[[], Awaitable[None]]


@pytest.fixture
def seed(sessions: Sessions, keyring: Keyring) -> Seed:
    """Five applications. A-1: both sides read, approved. A-2: unreadable, its run failed. A-3: read the day
    after. A-4: received the day before, more information asked for, then denied. A-5: only registered.
    """

    async def seed() -> None:
        async with sessions.begin() as session:
            for name in ("A-1", "A-5"):
                await applications.register(session, keyring, name, APPLICANT)
            session.add_all([Application(id=name) for name in ("A-2", "A-3", "A-4")])
            await session.flush()
            session.add_all(
                [
                    document("A-1", 0, read=2),
                    document("A-1", 1, read=3),
                    document("A-2", 5, read=7, status=DocumentStatus.UNREADABLE),
                    document("A-3", 13.9 * 60, read=14.1 * 60),
                    document("A-4", -24 * 60, read=-23 * 60),
                    decision("A-1", DecisionOutcome.APPROVED, 63),
                    decision("A-4", DecisionOutcome.MORE_INFORMATION_NEEDED, 10),
                    decision("A-4", DecisionOutcome.DENIED, 20),
                    run("A-2", RunState.FAILED, 6),
                    run("A-2", RunState.CRASHED, 6.5),
                    run("A-1", RunState.COMPLETED, 2),
                    run("A-3", RunState.CANCELLED, 2),
                    run(None, RunState.FAILED, 9),
                ]
            )

    return seed


def document(
    application: str, received: float, *, read: float, status: DocumentStatus = DocumentStatus.VERIFIED
) -> Document:
    return Document(
        application_id=application,
        bucket="documents",
        key=f"applications/{application}/license-front/card.jpg",
        object_version=str(new_id()),
        kind="license-front",
        status=status,
        received_at=minutes(received),
        verified_at=minutes(read),
    )


def decision(application: str, outcome: DecisionOutcome, received: float) -> Decision:
    return Decision(
        application_id=application,
        source="test",
        idempotency_key=str(new_id()),
        outcome=outcome,
        reasons=["Income insufficient"],
        conditions=[],
        decided_by="underwriter-17",
        decided_at=minutes(received) - timedelta(days=9),
        received_at=minutes(received),
    )


def run(application: str | None, state: RunState, ended: float) -> Run:
    return Run(
        cause_kind=RunCause.MESSAGE,
        cause_id=str(new_id()),
        route="test",
        application_id=application,
        deployment="test/default",
        parameters={},
        tags=[],
        state=state,
        state_name=state.capitalize(),
        ended_at=minutes(ended),
    )


@pytest.fixture
def s3(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> S3Client:
    """A client of the S3 whose bucket `reports` the flow is told to use."""
    monkeypatch.setenv("SLUICE_REPORTS_BUCKET", "reports")
    client = boto3.client("s3", endpoint_url=settings.s3.endpoint_url, region_name="us-east-1")
    client.create_bucket(Bucket="reports")
    client.put_bucket_versioning(Bucket="reports", VersioningConfiguration={"Status": "Enabled"})
    return client


def versions(s3: S3Client, key: str) -> list[str]:
    listed = s3.list_object_versions(Bucket="reports", Prefix=key)
    return [version["VersionId"] for version in listed.get("Versions", [])]


def file_of(s3: S3Client, day: date) -> bytes:
    return s3.get_object(Bucket="reports", Key=f"reports/daily/{day}.parquet")["Body"].read()


async def tables(sessions: Sessions) -> list[tuple[Any, ...]]:
    """Every row of the reporting tables with the transaction that last wrote it."""
    rows: list[tuple[Any, ...]] = []
    async with sessions() as session:
        for model in (ReportedDay, ReportedStep):
            table = model.metadata.tables[model.__tablename__]
            found = await session.execute(
                select(text("xmin::text"), table).order_by(*table.primary_key.columns)
            )
            rows += [tuple(row) for row in found]
    return rows


async def steps(
    sessions: Sessions, day: date = DAY
) -> list[tuple[str, str, str, float | None, float | None]]:
    columns = (
        ReportedStep.application_id,
        ReportedStep.step,
        ReportedStep.state,
        ReportedStep.seconds_since_received,
        ReportedStep.seconds_since_read,
    )
    of_day = select(*columns).where(ReportedStep.day == day).order_by(*columns)
    async with sessions() as session:
        return [(row[0], row[1].value, *row[2:]) for row in await session.execute(of_day)]


async def artifact(prefect_server: ServesPrefect, key: str) -> Any:
    async with httpx.AsyncClient(base_url=prefect_server.api_url) as client:
        answer = await client.get(f"/artifacts/{key}/latest")
    data = answer.raise_for_status().json()["data"]
    return json.loads(data) if key == "daily-funnel" else data


async def test_a_day_becomes_tables_a_file_and_a_funnel(
    run_flow: RunFlow, seed: Seed, sessions: Sessions, s3: S3Client, prefect_server: ServesPrefect
) -> None:
    await seed()
    state = await run_flow(FLOW, DAY)

    assert state.type == "COMPLETED", state
    assert state.message == (
        "2025-11-20: 3 received, 2 read, 2 decided, 1 failed. Left out: duplicates 4, rows without a key 1. "
        "Rows changed in the tables: 8. File reports/daily/2025-11-20.parquet stored."
    )
    assert await steps(sessions) == [
        ("A-1", "decided", "approved", 3_780.0, 3_600.0),
        ("A-1", "read", "verified", 180.0, None),
        ("A-1", "received", "received", 0.0, None),
        ("A-2", "failed", "crashed", 90.0, None),
        ("A-2", "read", "unreadable", 120.0, None),
        ("A-2", "received", "received", 0.0, None),
        ("A-3", "received", "received", 0.0, None),
        ("A-4", "decided", "denied", 87_600.0, 84_000.0),
    ]
    async with sessions() as session:
        reported = await session.get_one(ReportedDay, DAY)
    assert (reported.received, reported.read, reported.decided, reported.failed) == (3, 2, 2, 1)
    assert (reported.read_seconds_median, reported.decision_seconds_p95) == (150.0, 84_000.0)
    assert (reported.duplicates, reported.without_key, reported.time_zone) == (4, 1, "UTC")

    file = pl.read_parquet(io.BytesIO(file_of(s3, DAY)))
    assert file.columns == [column.name for column in ReportedStep.__table__.columns]
    async with sessions() as session:
        in_table = {(row.step.value, row.subject_id) for row in await session.scalars(select(ReportedStep))}
    assert {(row["step"], uuid.UUID(row["subject_id"])) for row in file.to_dicts()} == in_table

    assert await artifact(prefect_server, "daily-funnel") == [
        {"day": "2025-11-20", "received": 3, "read": 2, "decided": 1, "still open": 2}
    ]
    assert "```mermaid\nxychart-beta" in await artifact(prefect_server, "daily-funnel-chart")


async def test_running_a_day_again_changes_nothing(
    run_flow: RunFlow, seed: Seed, sessions: Sessions, s3: S3Client, prefect_server: ServesPrefect
) -> None:
    await seed()
    await run_flow(FLOW, DAY)
    before = (
        await tables(sessions),
        file_of(s3, DAY),
        versions(s3, "reports/daily/"),
        await artifact(prefect_server, "daily-funnel"),
    )
    state = await run_flow(FLOW, DAY)

    assert str(state.message).endswith(
        "Rows changed in the tables: 0. File reports/daily/2025-11-20.parquet unchanged."
    )
    after = (
        await tables(sessions),
        file_of(s3, DAY),
        versions(s3, "reports/daily/"),
        await artifact(prefect_server, "daily-funnel"),
    )
    assert after == before


async def test_the_same_rows_are_measured_once(
    run_flow: RunFlow, seed: Seed, sessions: Sessions, prefect_server: ServesPrefect
) -> None:
    day = DAY + timedelta(days=60)
    await seed()
    async with sessions.begin() as session:
        session.add(document("A-5", 60 * 24 * 60, read=60 * 24 * 60 + 1))
    began = datetime.now(UTC)
    for _ in range(2):
        await run_flow(FLOW, day)
    async with sessions.begin() as session:
        session.add(document("A-2", 60 * 24 * 60, read=60 * 24 * 60 + 1))
    await run_flow(FLOW, day)

    task_runs = {
        "name": {"like_": "measure"},
        "start_time": {"after_": began.isoformat()},
    }
    async with httpx.AsyncClient(base_url=prefect_server.api_url) as client:
        answer = await client.post(
            "/task_runs/filter", json={"task_runs": task_runs, "sort": "END_TIME_DESC"}
        )
    states = [found["state_name"] for found in answer.raise_for_status().json()]
    assert states == ["Completed", "Cached", "Completed"]


async def test_two_runs_of_a_day_at_once_make_one_report(
    run_flow: RunFlow, seed: Seed, sessions: Sessions, settings: Settings
) -> None:
    """The second waits for the first, and finds nothing left to change."""
    await seed()
    await run_flow(FLOW, DAY)
    async with sessions.begin() as session:
        await session.execute(text("SELECT FROM report_days FOR UPDATE"))
        second = asyncio.create_task(run_flow(FLOW, DAY))
        await asyncio.sleep(2)
        assert not second.done()
    assert "Rows changed in the tables: 0." in str((await second).message)


async def test_what_has_changed_since_is_in_the_next_report_of_the_day(
    run_flow: RunFlow, seed: Seed, sessions: Sessions, s3: S3Client
) -> None:
    await seed()
    await run_flow(FLOW, DAY)
    before = await tables(sessions)
    async with sessions.begin() as session:
        replayed = update(Run).where(Run.application_id == "A-2")
        await session.execute(replayed.values(state=RunState.ACCEPTED, ended_at=None))
        session.add(decision("A-2", DecisionOutcome.APPROVED, 100))
    state = await run_flow(FLOW, DAY)

    assert "Rows changed in the tables: 2. File reports/daily/2025-11-20.parquet stored." in str(
        state.message
    )
    rows = await steps(sessions)
    assert ("A-2", "failed") not in {row[:2] for row in rows}
    assert ("A-2", "decided", "approved", 5_700.0, 5_580.0) in rows
    untouched = set(before) & set(await tables(sessions))
    assert len(untouched) == 7, "rows that say the same were written again"


async def test_a_past_days_funnel_stays_what_it_was(
    run_flow: RunFlow, seed: Seed, prefect_server: ServesPrefect
) -> None:
    await seed()
    next_day = DAY + timedelta(days=1)
    for day in (DAY - timedelta(days=1), DAY, next_day):
        await run_flow(FLOW, day)
    assert await artifact(prefect_server, "daily-funnel") == [
        {"day": "2025-11-21", "received": 0, "read": 0, "decided": 0, "still open": 0},
        {"day": "2025-11-20", "received": 3, "read": 3, "decided": 1, "still open": 2},
        {"day": "2025-11-19", "received": 1, "read": 1, "decided": 1, "still open": 0},
    ]
    await run_flow(FLOW, DAY)
    assert await artifact(prefect_server, "daily-funnel") == [
        {"day": "2025-11-20", "received": 3, "read": 2, "decided": 1, "still open": 2},
        {"day": "2025-11-19", "received": 1, "read": 1, "decided": 1, "still open": 0},
    ]


async def test_a_load_that_fails_in_the_middle_is_tried_again_and_doubles_nothing(
    run_flow: RunFlow, seed: Seed, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody holds the second table, so the load gives up after it has written to the first."""
    await seed()
    monkeypatch.setenv("SLUICE_DATABASE_STATEMENT_TIMEOUT_SECONDS", "1")
    async with sessions.begin() as session:
        await session.execute(text("LOCK TABLE report_steps IN SHARE MODE"))
        running = asyncio.create_task(run_flow(FLOW, DAY))
        await asyncio.sleep(4)
        assert not running.done()
        assert await tables(sessions) == []
    state = await running

    assert state.type == "COMPLETED", state
    assert "Rows changed in the tables: 8. No file: SLUICE_REPORTS_BUCKET is not set." in str(state.message)
    assert len(await steps(sessions)) == 8


async def test_a_file_that_cannot_be_stored_at_first_is_stored_by_the_stages_second_attempt(
    run_flow: RunFlow, seed: Seed, sessions: Sessions, s3: S3Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    await seed()
    bucket = f"reports-{uuid.uuid4()}"
    monkeypatch.setenv("SLUICE_REPORTS_BUCKET", bucket)
    running = asyncio.create_task(run_flow(FLOW, DAY))
    while not (loaded := await tables(sessions)):  # noqa: ASYNC110 (there is nothing to wait on)
        await asyncio.sleep(0.1)
    await asyncio.sleep(2)
    s3.create_bucket(Bucket=bucket)
    state = await running

    assert "Rows changed in the tables: 0. File reports/daily/2025-11-20.parquet stored." in str(
        state.message
    )
    assert await tables(sessions) == loaded


async def test_a_bucket_that_is_missing_fails_the_run_and_is_named(
    run_flow: RunFlow, seed: Seed, s3: S3Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    await seed()
    monkeypatch.setenv("SLUICE_REPORTS_BUCKET", "nowhere")
    state = await run_flow(FLOW, DAY)
    assert state.type == "FAILED"
    assert 'There is no bucket "nowhere"; create it, or name another.' in str(state.message)


async def test_a_report_outlives_what_it_is_about(run_flow: RunFlow, seed: Seed, sessions: Sessions) -> None:
    await seed()
    await run_flow(FLOW, DAY)
    before = await tables(sessions)
    async with sessions.begin() as session:
        await session.execute(
            update(Application).where(Application.id == "A-1").values(purged_at=minutes(100_000))
        )
        await session.execute(text("DELETE FROM documents WHERE application_id = 'A-1'"))
    state = await run_flow(FLOW, DAY)

    assert (state.type, state.name) == ("COMPLETED", "Kept")
    assert await tables(sessions) == before


async def test_a_day_is_one_of_the_time_zone_that_is_set(
    run_flow: RunFlow, seed: Seed, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The third application came at 23:54 UTC and was read at 0:06: the same evening in New York."""
    await seed()
    monkeypatch.setenv("SLUICE_REPORTS_TIME_ZONE", "America/New_York")
    await run_flow(FLOW, DAY)
    assert ("A-3", "read", "verified", 720.0, None) in await steps(sessions)

    monkeypatch.setenv("SLUICE_REPORTS_TIME_ZONE", "Europe/Narnia")
    state = await run_flow(FLOW, DAY)
    assert state.type == "FAILED"
    assert '"Europe/Narnia" is no time zone' in str(state.message)


async def test_without_a_day_it_is_yesterday_and_a_day_to_come_is_refused(run_flow: RunFlow) -> None:
    today = datetime.now(UTC).date()
    yesterday = today - timedelta(days=1)
    state = await run_flow(FLOW)
    assert str(state.message).startswith(f"{yesterday}: 0 received, 0 read, 0 decided, 0 failed.")

    state = await run_flow(FLOW, today)
    assert str(state.message).startswith(f"{today} so far: ")

    state = await run_flow(FLOW, today + timedelta(days=1))
    assert (state.type, state.message) == ("FAILED", f"{today + timedelta(days=1)} has not begun in UTC.")


async def test_a_run_that_starts_late_reports_the_day_it_was_scheduled_for(
    seed: Seed, prefect_server: ServesPrefect, prefect_home: Path, sessions: Sessions, settings: Settings
) -> None:
    await seed()
    schema = {"type": "object", "properties": {}}
    await prefect_server.redeploy(
        "daily-etl/default", entrypoint="flows.daily_etl.daily_etl", parameter_openapi_schema=schema
    )
    scheduled = {"type": "SCHEDULED", "state_details": {"scheduled_time": "2025-11-21T06:00:00Z"}}
    async with httpx.AsyncClient(base_url=prefect_server.api_url) as client:
        deployment = (await client.get("/deployments/name/daily-etl/default")).raise_for_status().json()
        url = f"/deployments/{deployment['id']}/create_flow_run"
        created = (await client.post(url, json={"state": scheduled})).raise_for_status().json()
    await execute(created["id"], prefect_server, prefect_home)
    async with sessions() as session:
        assert list(await session.scalars(select(ReportedDay.day))) == [DAY]


@pytest.mark.parametrize(
    ("message", "kind", "answer"),
    [
        ('{"day": "2025-11-20"}', "COMPLETED", "2025-11-20: 3 received"),
        ('{"date": "2025-11-20"}', "FAILED", "The message names no day"),
        ("tomorrow", "FAILED", "The message names no day"),
    ],
)
async def test_a_message_names_the_day(
    run_flow: RunFlow, seed: Seed, sessions: Sessions, message: str, kind: str, answer: str
) -> None:
    await seed()
    notification_id = new_id()
    async with sessions.begin() as session:
        session.add(notification(notification_id, message))
    state = await run_flow(FLOW, notification_id=notification_id)
    assert state.type == kind
    assert str(state.message).startswith(answer)


def notification(notification_id: uuid.UUID, message: str) -> Notification:
    envelope = {
        "Type": "Notification",
        "MessageId": str(notification_id),
        "TopicArn": "arn:aws:sns:us-east-1:123456789012:reports",
        "Message": message,
        "Timestamp": "2025-11-21T06:00:00.000Z",
        "SignatureVersion": "2",
        "Signature": "c2lnbmVk",
        "SigningCertURL": "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-1.pem",
    }
    return Notification(
        id=notification_id,
        topic_arn=envelope["TopicArn"],
        message_id=str(notification_id),
        kind="Notification",
        envelope=json.dumps(envelope),
        outcome=NotificationOutcome.ROUTED,
        sent_at=TEN,
    )


async def test_prefect_is_given_numbers_only(
    run_flow: RunFlow,
    seed: Seed,
    sessions: Sessions,
    keyring: Keyring,
    s3: S3Client,
    postgres: EmbeddedPostgres,
    prefect_home: Path,
) -> None:
    """No person, and not even the ids of what was reported: not in a row of Prefect's, nor on the disk."""
    day = DAY + timedelta(days=30)
    name = f"APP-{uuid.uuid4().hex[:12]}"
    async with sessions.begin() as session:
        session.add(Application(id=name, status=ApplicationStatus.IN_REVIEW))
        await session.flush()
        await applications.register(session, keyring, name, APPLICANT)
        new = decisions.NewDecision(
            application_id=name,
            source="test",
            idempotency_key=name,
            outcome=DecisionOutcome.DENIED,
            reasons=("Income insufficient",),
            conditions=(),
            decided_by="underwriter-17",
        )
        recorded = await decisions.record(session, routing.shipped(), keyring, new)
        added = document(name, 43_200, read=43_201)
        session.add(added)
        recorded.decision.received_at = minutes(43_210)
    assert "1 decided" in str((await run_flow(FLOW, day)).message)

    prefect = await dump(postgres.url("prefect")) + on_disk(prefect_home)
    assert f"{day}: 1 received" in prefect
    ids = [name, str(added.id), str(recorded.decision.id)]
    assert [value for value in [*PERSONAL, *ids] if value in prefect] == []
    file = file_of(s3, day)
    rows = repr(pl.read_parquet(io.BytesIO(file)).to_dicts())
    assert all(value in rows for value in ids)
    assert [value for value in PERSONAL if value in rows] == []
