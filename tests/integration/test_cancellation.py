"""Runs that are stuck, and runs that are cancelled."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING

import pytest

from app import backlog
from app.cancellation import cancel
from app.circuit import Circuit
from app.db import Sessions
from app.dispatcher import dispatch
from app.errors import Conflict, NotFound
from app.models import RunState
from app.prefect_client import PrefectClient
from app.projection import refresh
from app.replay import replay
from app.settings import DispatcherSettings, ProjectionSettings
from tests.integration.accepted import dispatched, run_by_flow_run, run_by_id

if TYPE_CHECKING:
    from tests.integration.conftest import PrefectServer

SETTINGS = ProjectionSettings()


async def test_a_run_whose_worker_died_is_stuck_can_be_cancelled_and_replayed(
    sessions: Sessions, prefect: PrefectClient, prefect_server: PrefectServer, deployment: str
) -> None:
    flow_run_id = await dispatched(sessions, prefect, deployment)
    await prefect_server.set_state(flow_run_id, "PENDING")
    await refresh(sessions, prefect, SETTINGS)
    assert not (await run_by_flow_run(sessions, flow_run_id)).stuck
    await asyncio.sleep(0.2)
    impatient = ProjectionSettings(stuck_pending_seconds=0.1)
    await refresh(sessions, prefect, impatient)
    run = await run_by_flow_run(sessions, flow_run_id)
    async with sessions() as session:
        counted = await backlog.stuck(session)
    assert run.stuck
    assert counted == {("documents", RunState.PENDING): 1}

    cancelled = await cancel(sessions, prefect, run.id, actor="test")
    assert (cancelled.state, cancelled.stuck) == (RunState.CANCELLED, False)
    [flow_run] = await prefect_server.flow_runs(deployment)
    assert flow_run["state"]["type"] == "CANCELLED"
    async with sessions.begin() as session:
        await replay(session, run.id, actor="test")
    await dispatch(sessions, prefect, DispatcherSettings(), Circuit("test"))
    again = await run_by_id(sessions, run.id)
    assert again.state is RunState.SCHEDULED
    assert again.previous_flow_runs == [str(flow_run_id)]
    assert len(await prefect_server.flow_runs(deployment)) == 2


async def test_a_stuck_run_that_moves_again_is_stuck_no_more(
    sessions: Sessions, prefect: PrefectClient, prefect_server: PrefectServer, deployment: str
) -> None:
    flow_run_id = await dispatched(sessions, prefect, deployment)
    await prefect_server.set_state(flow_run_id, "RUNNING")
    await refresh(sessions, prefect, SETTINGS)
    await asyncio.sleep(0.2)
    await refresh(sessions, prefect, ProjectionSettings(stuck_running_seconds=0.1))
    stuck = await run_by_flow_run(sessions, flow_run_id)
    await prefect_server.set_state(flow_run_id, "COMPLETED")
    await refresh(sessions, prefect, SETTINGS)
    moved = await run_by_flow_run(sessions, flow_run_id)
    assert (stuck.stuck, moved.stuck) == (True, False)
    assert moved.version == stuck.version + 1


async def test_a_run_that_works_is_asked_to_stop_and_forced_the_second_time(
    sessions: Sessions, prefect: PrefectClient, prefect_server: PrefectServer, deployment: str
) -> None:
    flow_run_id = await dispatched(sessions, prefect, deployment)
    await prefect_server.set_state(flow_run_id, "RUNNING")
    await refresh(sessions, prefect, SETTINGS)
    run_id = (await run_by_flow_run(sessions, flow_run_id)).id
    assert (await cancel(sessions, prefect, run_id, actor="test")).state is RunState.CANCELLING
    assert (await cancel(sessions, prefect, run_id, actor="test")).state is RunState.CANCELLED
    with pytest.raises(Conflict, match="is CANCELLED"):
        await cancel(sessions, prefect, run_id, actor="test")


async def test_a_run_that_has_not_begun_is_cancelled_at_once(
    sessions: Sessions, prefect: PrefectClient, deployment: str
) -> None:
    run_id = (await run_by_flow_run(sessions, await dispatched(sessions, prefect, deployment))).id
    assert (await cancel(sessions, prefect, run_id, actor="test")).state is RunState.CANCELLED


async def test_a_run_that_prefect_does_not_have_cannot_be_cancelled(
    sessions: Sessions, prefect: PrefectClient
) -> None:
    with pytest.raises(NotFound):
        await cancel(sessions, prefect, uuid.uuid4(), actor="test")
