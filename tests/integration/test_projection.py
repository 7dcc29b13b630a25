"""Prefect's states reach our runs when they are asked for."""

from __future__ import annotations

import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, select, update

from app import runs
from app.circuit import Circuit
from app.db import Sessions
from app.dispatcher import dispatch
from app.models import Application, ApplicationStatus, Document, DocumentStatus, Run, RunCause, RunState
from app.prefect_client import PrefectClient
from app.projection import refresh
from app.settings import DispatcherSettings, ProjectionSettings
from tests.integration.accepted import accept, accept_document, dispatched, run_by_flow_run, state_of

if TYPE_CHECKING:
    from tests.integration.conftest import PrefectServer

SETTINGS = ProjectionSettings()


async def test_refresh_brings_every_state_to_its_run(
    sessions: Sessions, prefect: PrefectClient, prefect_server: PrefectServer, deployment: str
) -> None:
    flow_run_id = await dispatched(sessions, prefect, deployment)
    seen = []
    for kind, name in [("PENDING", None), ("RUNNING", None), ("SCHEDULED", "AwaitingRetry")]:
        await prefect_server.set_state(flow_run_id, kind, name)
        assert await refresh(sessions, prefect, SETTINGS) == SETTINGS.poll_seconds
        seen.append(await state_of(sessions, flow_run_id))
    await prefect_server.set_state(flow_run_id, "COMPLETED")
    await refresh(sessions, prefect, SETTINGS)
    assert seen == [
        (RunState.PENDING, "Pending"),
        (RunState.RUNNING, "Running"),
        (RunState.SCHEDULED, "AwaitingRetry"),
    ]
    run = await run_by_flow_run(sessions, flow_run_id)
    assert run.state is RunState.COMPLETED
    assert run.started_at is not None
    assert run.ended_at is not None
    assert run.ended_at > run.started_at


async def test_refresh_changes_nothing_when_nothing_has_changed(
    sessions: Sessions, prefect: PrefectClient, deployment: str
) -> None:
    flow_run_id = await dispatched(sessions, prefect, deployment)
    versions = []
    for _ in range(3):
        await refresh(sessions, prefect, SETTINGS)
        versions.append((await run_by_flow_run(sessions, flow_run_id)).version)
    assert versions[1:] == versions[:1] * 2


async def test_refresh_asks_about_more_runs_than_prefect_tells_at_once(
    sessions: Sessions, prefect: PrefectClient, prefect_server: PrefectServer, deployment: str
) -> None:
    flow_run_ids = [await dispatched(sessions, prefect, deployment) for _ in range(3)]
    async with sessions.begin() as session:
        # Stand-ins that Prefect has lost: with them the runs fill three pages.
        for number in range(450):
            session.add(
                Run(
                    cause_kind=RunCause.OBJECT,
                    cause_id=str(number),
                    route="documents",
                    deployment=deployment,
                    parameters={},
                    tags=[],
                    state=RunState.SCHEDULED,
                    state_name="Scheduled",
                    state_at=datetime.now(UTC),
                    flow_run_id=uuid.UUID(int=number),
                )
            )
    for flow_run_id in flow_run_ids:
        await prefect_server.set_state(flow_run_id, "RUNNING")
    await refresh(sessions, prefect, SETTINGS)
    assert {await state_of(sessions, flow_run_id) for flow_run_id in flow_run_ids} == {
        (RunState.RUNNING, "Running")
    }


async def test_a_state_that_comes_late_does_not_undo_a_later_one(
    sessions: Sessions, prefect: PrefectClient, prefect_server: PrefectServer, deployment: str
) -> None:
    flow_run_id = await dispatched(sessions, prefect, deployment)
    await prefect_server.set_state(flow_run_id, "RUNNING")
    [running] = await prefect.read_flow_runs([flow_run_id])
    await prefect_server.set_state(flow_run_id, "COMPLETED")
    await refresh(sessions, prefect, SETTINGS)
    async with sessions.begin() as session:
        late = await runs.apply_states(session, [running])
    assert late == []
    assert await state_of(sessions, flow_run_id) == (RunState.COMPLETED, "Completed")


@pytest.mark.parametrize("end", ["FAILED", "CRASHED", "CANCELLED"])
async def test_a_document_whose_run_ends_badly_still_reaches_a_person(
    sessions: Sessions, prefect: PrefectClient, prefect_server: PrefectServer, deployment: str, end: str
) -> None:
    document_id = await accept_document(sessions, deployment)
    await dispatch(sessions, prefect, DispatcherSettings(), Circuit("test"))
    [flow_run] = await prefect_server.flow_runs(deployment)
    await prefect_server.set_state(uuid.UUID(flow_run["id"]), end)
    await refresh(sessions, prefect, SETTINGS)
    async with sessions() as session:
        application = await session.get_one(Application, "loan-1")
        document = await session.get_one(Document, document_id)
    assert application.status is ApplicationStatus.IN_REVIEW
    assert document.status is DocumentStatus.UNREADABLE


async def test_a_flow_run_that_was_never_created_is_dispatched_again(
    sessions: Sessions, prefect: PrefectClient, prefect_server: PrefectServer, deployment: str
) -> None:
    real = await dispatched(sessions, prefect, deployment)
    await prefect_server.delete(real)
    phantom = uuid.uuid4()
    async with sessions.begin() as session:
        await session.execute(
            update(Run).values(
                flow_run_id=phantom, state_at=None, dispatched_at=func.now() - timedelta(seconds=11)
            )
        )
    await refresh(sessions, prefect, SETTINGS)
    await dispatch(sessions, prefect, DispatcherSettings(), Circuit("test"))
    async with sessions() as session:
        run = (await session.scalars(select(Run))).one()
    [flow_run] = await prefect_server.flow_runs(deployment)
    assert str(run.flow_run_id) == flow_run["id"]
    assert flow_run["idempotency_key"] == str(run.id)


async def test_a_flow_run_that_somebody_deleted_is_not_followed_for_ever(
    sessions: Sessions, prefect: PrefectClient, prefect_server: PrefectServer, deployment: str
) -> None:
    flow_run_id = await dispatched(sessions, prefect, deployment)
    await prefect_server.set_state(flow_run_id, "RUNNING")
    await refresh(sessions, prefect, SETTINGS)
    await prefect_server.delete(flow_run_id)
    await refresh(sessions, prefect, SETTINGS)
    assert await state_of(sessions, flow_run_id) == (RunState.CANCELLED, "Deleted")


async def test_hundreds_of_runs_are_seen_for_the_first_time_within_a_second_or_two(
    sessions: Sessions, prefect: PrefectClient, prefect_server: PrefectServer, deployment: str
) -> None:
    await accept(sessions, deployment, 300)
    limits = DispatcherSettings(max_in_prefect=1_000, max_in_prefect_per_route=1_000)
    for _ in range(3):
        await dispatch(sessions, prefect, limits, Circuit("test"))
    began = time.monotonic()
    await refresh(sessions, prefect, SETTINGS)
    seconds = time.monotonic() - began
    async with sessions() as session:
        unseen = await session.scalar(select(func.count()).select_from(Run).where(Run.state_at.is_(None)))
    assert unseen == 0
    assert seconds < 5
