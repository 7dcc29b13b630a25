"""A day becomes tables, a file and a funnel, of numbers only."""

from __future__ import annotations

import io
import uuid
from datetime import timedelta
from pathlib import Path

import polars as pl
from mypy_boto3_s3 import S3Client
from sqlalchemy import select, text, update

from app import applications, decisions, routing
from app.db import Sessions
from app.dev.postgres import EmbeddedPostgres
from app.encryption import Keyring
from app.models import Application, ApplicationStatus, DecisionOutcome, ReportedDay, ReportedStep
from tests.integration.flows.conftest import APPLICANT, RunFlow, ServesPrefect, dump, on_disk
from tests.integration.flows.daily_etl.conftest import (
    DAY,
    FLOW,
    Seed,
    artifact,
    document,
    file_of,
    minutes,
    steps,
    tables,
)

PERSONAL = [APPLICANT.name, APPLICANT.email, "Quimby", "Income insufficient", "underwriter-17", "card.jpg"]


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
