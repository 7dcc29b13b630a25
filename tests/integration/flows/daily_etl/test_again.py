"""A day that is reported again."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import httpx
from mypy_boto3_s3 import S3Client
from sqlalchemy import text, update

from app.db import Sessions
from app.models import DecisionOutcome, Run, RunState
from app.settings import Settings
from tests.integration.flows.conftest import RunFlow, ServesPrefect
from tests.integration.flows.daily_etl.conftest import (
    DAY,
    FLOW,
    Seed,
    artifact,
    decision,
    document,
    file_of,
    steps,
    tables,
    versions,
)


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
