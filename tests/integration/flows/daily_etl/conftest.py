"""Days to report, on a real Prefect server, database and bucket: their rows, and what came of them."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import boto3
import httpx
import pytest
from mypy_boto3_s3 import S3Client
from sqlalchemy import select, text

from app import applications
from app.db import Sessions
from app.encryption import Keyring
from app.models import (
    Application,
    Decision,
    DecisionOutcome,
    Document,
    DocumentStatus,
    ReportedDay,
    ReportedStep,
    Run,
    RunCause,
    RunState,
    new_id,
)
from app.settings import Settings
from tests.integration.flows.conftest import APPLICANT, ServesPrefect

FLOW = "daily-etl"
DAY = date(2025, 11, 20)
TEN = datetime(2025, 11, 20, 10, tzinfo=UTC)


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
