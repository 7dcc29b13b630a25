"""The follower: Prefect's events make states known promptly, and what they miss is known all the same."""

from __future__ import annotations

import asyncio
import itertools
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from app.db import Sessions
from app.hints import Hints
from app.models import Run, RunState
from app.prefect_client import PrefectClient
from app.prefect_events import StateEvent
from app.projection import follow, read_hinted
from app.reconcile import reconcile
from app.settings import DatabaseSettings, ProjectionSettings
from tests.integration.accepted import dispatched, state_of
from tests.integration.cable import Cable, cable_to

if TYPE_CHECKING:
    from tests.integration.conftest import PrefectServer

SETTINGS = ProjectionSettings()
NEVER = ProjectionSettings(poll_seconds=3_600)
"""Only events bring news, and the one reading when the stream begins."""


async def _seconds_until(
    sessions: Sessions, flow_run_id: uuid.UUID, state: RunState, *, within: float = 10
) -> float:
    began = time.monotonic()
    while True:
        now = await state_of(sessions, flow_run_id)
        if now[0] is state:
            return time.monotonic() - began
        assert time.monotonic() - began < within, f"still {now} after {within} s, not {state}"
        await asyncio.sleep(0.01)


@asynccontextmanager
async def _following(
    database: DatabaseSettings, sessions: Sessions, prefect: PrefectClient, settings: ProjectionSettings
) -> AsyncIterator[asyncio.Task[float]]:
    task = asyncio.create_task(follow(database, sessions, prefect, settings))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait({task})


async def _read_all(sessions: Sessions, prefect: PrefectClient, hints: Hints) -> int:
    """Rounds until no hint is left; returns how many."""
    for rounds in itertools.count(1):
        pause = await read_hinted(sessions, prefect, hints)
        if pause > 10:
            return rounds
        await asyncio.sleep(pause)
    raise AssertionError


async def _leader(sessions: Sessions) -> int | None:
    """The backend that holds the follower's lock, in this test's database."""
    async with sessions() as session:
        connection = await session.connection()
        found = await connection.exec_driver_sql(
            "SELECT pid FROM pg_locks JOIN pg_database ON pg_database.oid = database"
            " WHERE locktype = 'advisory' AND granted AND datname = current_database()"
        )
        pids = found.scalars().all()
    assert len(pids) <= 1
    return pids[0] if pids else None


async def _elected(sessions: Sessions, *, other_than: int | None = None) -> int:
    deadline = time.monotonic() + 5
    while (leader := await _leader(sessions)) in {None, other_than}:
        assert time.monotonic() < deadline, "nobody was elected within 5 s"
        await asyncio.sleep(0.05)
    assert leader is not None
    return leader


async def test_a_hint_that_comes_before_its_commit_is_looked_at_again(
    sessions: Sessions, prefect: PrefectClient, prefect_server: PrefectServer, deployment: str
) -> None:
    flow_run_id = await dispatched(sessions, prefect, deployment)
    hints = Hints()
    hints.add(StateEvent(flow_run_id, datetime.now(UTC) + timedelta(milliseconds=300)))
    await asyncio.sleep(await read_hinted(sessions, prefect, hints))
    assert await state_of(sessions, flow_run_id) == (RunState.SCHEDULED, "Scheduled")
    await asyncio.sleep(0.35)
    await prefect_server.set_state(flow_run_id, "RUNNING")
    await _read_all(sessions, prefect, hints)
    assert await state_of(sessions, flow_run_id) == (RunState.RUNNING, "Running")


async def test_hints_about_flow_runs_that_are_not_ours_are_given_up(
    sessions: Sessions, prefect: PrefectClient
) -> None:
    hints = Hints()
    hints.add(StateEvent(uuid.uuid4(), datetime.now(UTC)))
    assert 1 < await _read_all(sessions, prefect, hints) < 20


async def test_events_make_a_state_known_well_before_any_poll(
    database: DatabaseSettings,
    sessions: Sessions,
    prefect: PrefectClient,
    prefect_server: PrefectServer,
    deployment: str,
) -> None:
    async with _following(database, sessions, prefect, NEVER):
        await _elected(sessions)
        flow_run_id = await dispatched(sessions, prefect, deployment)
        await asyncio.sleep(1)  # the stream has no sign that it has begun
        for kind in (RunState.PENDING, RunState.RUNNING, RunState.COMPLETED):
            await prefect_server.set_state(flow_run_id, kind)
            assert await _seconds_until(sessions, flow_run_id, kind) < 1


async def test_states_set_while_prefect_was_restarted_are_known_within_ten_seconds(
    database: DatabaseSettings,
    sessions: Sessions,
    prefect: PrefectClient,
    prefect_server: PrefectServer,
    deployment: str,
) -> None:
    async with _following(database, sessions, prefect, NEVER):
        await _elected(sessions)
        flow_run_id = await dispatched(sessions, prefect, deployment)
        await prefect_server.set_state(flow_run_id, "RUNNING")
        await _seconds_until(sessions, flow_run_id, RunState.RUNNING)
        await prefect_server.kill()
        await asyncio.sleep(1)
        await prefect_server.start()
        await prefect_server.set_state(flow_run_id, "COMPLETED")
        await _seconds_until(sessions, flow_run_id, RunState.COMPLETED, within=10)


async def test_one_of_two_followers_leads_and_the_other_takes_over(
    database: DatabaseSettings,
    sessions: Sessions,
    prefect: PrefectClient,
    prefect_server: PrefectServer,
    deployment: str,
) -> None:
    async with (
        _following(database, sessions, prefect, NEVER) as one,
        _following(database, sessions, prefect, NEVER) as other,
    ):
        first = await _elected(sessions)
        flow_run_id = await dispatched(sessions, prefect, deployment)
        # The holder's session dies, as when its machine does.
        async with sessions() as session:
            connection = await session.connection()
            await connection.exec_driver_sql(f"SELECT pg_terminate_backend({first})")
        await _elected(sessions, other_than=first)
        await prefect_server.set_state(flow_run_id, "RUNNING")
        await _seconds_until(sessions, flow_run_id, RunState.RUNNING, within=5)
        ended, _ = await asyncio.wait({one, other}, timeout=5, return_when=asyncio.FIRST_COMPLETED)
        assert len(ended) == 1
        assert ended.pop().exception() is not None


Fault = Callable[[Cable, "PrefectServer"], Awaitable[None]]


async def _events_are_lost(cable: Cable, _: PrefectServer) -> None:
    cable.events_lost = True


async def _the_connection_is_cut(cable: Cable, _: PrefectServer) -> None:
    cable.cut()


async def _prefect_is_restarted(_: Cable, server: PrefectServer) -> None:
    await server.kill()
    await server.start()


@pytest.mark.parametrize("fault", [_events_are_lost, _the_connection_is_cut, _prefect_is_restarted])
async def test_ten_seconds_after_a_fault_every_run_is_as_prefect_says(
    database: DatabaseSettings, sessions: Sessions, prefect_server: PrefectServer, fault: Fault
) -> None:
    deployment = await prefect_server.deploy()
    ends = ["COMPLETED", "FAILED", "CRASHED", "RUNNING", "PENDING"]
    async with (
        cable_to(prefect_server.settings) as cable,
        PrefectClient(cable.settings) as prefect,
        _following(database, sessions, prefect, SETTINGS),
    ):
        await _elected(sessions)
        flow_runs = [await dispatched(sessions, prefect, deployment) for _ in range(20)]
        await asyncio.gather(*(prefect_server.set_state(one, "RUNNING") for one in flow_runs[:10]))
        await fault(cable, prefect_server)
        await asyncio.gather(
            *(
                prefect_server.set_state(one, end)
                for one, end in zip(flow_runs, itertools.cycle(ends), strict=False)
            )
        )
        await asyncio.sleep(10)
        async with PrefectClient(prefect_server.settings) as direct:
            theirs = {run.id: run.state for run in await direct.read_flow_runs(flow_runs)}
            report = await reconcile(sessions, direct, waiting=timedelta(0), settled=timedelta(0))
    async with sessions() as session:
        ours = {run.flow_run_id: run for run in await session.scalars(select(Run))}
    assert len(theirs) == len(flow_runs)
    for flow_run_id, state in theirs.items():
        assert (ours[flow_run_id].state, ours[flow_run_id].state_name) == (state.type, state.name)
    assert (report.causes_without_flow_run, report.disagreements) == ([], [])
