"""A report that does not succeed at once."""

from __future__ import annotations

import asyncio
import uuid

import pytest
from mypy_boto3_s3 import S3Client
from sqlalchemy import text

from app.db import Sessions
from tests.integration.flows.conftest import RunFlow
from tests.integration.flows.daily_etl.conftest import DAY, FLOW, Seed, steps, tables


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
