"""Prefect's states reach our runs: promptly by events, and without them all the same."""

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
from sqlalchemy import func, select, update

from app import backlog, runs
from app.cancellation import cancel
from app.circuit import Circuit
from app.db import Sessions
from app.dispatcher import dispatch
from app.errors import Conflict, NotFound
from app.hints import Hints
from app.models import Application, ApplicationStatus, Document, DocumentStatus, Run, RunCause, RunState
from app.prefect_client import PrefectClient
from app.prefect_events import StateEvent
from app.projection import follow, read_hinted, refresh
from app.reconcile import reconcile
from app.replay import replay
from app.settings import DatabaseSettings, DispatcherSettings, ProjectionSettings
from tests.integration.cable import Cable, cable_to

if TYPE_CHECKING:
    from tests.integration.conftest import PrefectServer

SETTINGS = ProjectionSettings()
NEVER = ProjectionSettings(poll_seconds=3_600)
"""Only events bring news, and the one reading when the stream begins."""


@pytest.fixture
async def deployment(prefect_server: PrefectServer) -> str:
    return await prefect_server.deploy()


async def _dispatched(
    sessions: Sessions, prefect: PrefectClient, deployment: str, *, document: uuid.UUID | None = None
) -> uuid.UUID:
    """A run that Prefect has; returns its flow run's id."""
    cause_id = document or uuid.uuid4()
    async with sessions.begin() as session:
        new = runs.NewRun(
            cause_kind=RunCause.OBJECT if document is None else RunCause.DOCUMENT,
            cause_id=str(cause_id),
            route="documents",
            deployment=deployment,
            parameters={"document_id": str(cause_id)},
        )
        run_id = await runs.enqueue(session, new)
    await dispatch(sessions, prefect, DispatcherSettings(), Circuit("test"))
    async with sessions() as session:
        flow_run_id = (await session.get_one(Run, run_id)).flow_run_id
    assert flow_run_id is not None
    return flow_run_id


async def _state(sessions: Sessions, flow_run_id: uuid.UUID) -> tuple[RunState, str] | None:
    async with sessions() as session:
        run = await session.scalar(select(Run).where(Run.flow_run_id == flow_run_id))
    return None if run is None else (run.state, run.state_name)


async def _seconds_until(
    sessions: Sessions, flow_run_id: uuid.UUID, state: RunState, *, within: float = 10
) -> float:
    began = time.monotonic()
    while True:
        now = await _state(sessions, flow_run_id)
        if now is not None and now[0] is state:
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


async def test_refresh_brings_every_state_to_its_run(
    sessions: Sessions, prefect: PrefectClient, prefect_server: PrefectServer, deployment: str
) -> None:
    flow_run_id = await _dispatched(sessions, prefect, deployment)
    seen = []
    for kind, name in [("PENDING", None), ("RUNNING", None), ("SCHEDULED", "AwaitingRetry")]:
        await prefect_server.set_state(flow_run_id, kind, name)
        assert await refresh(sessions, prefect, SETTINGS) == SETTINGS.poll_seconds
        seen.append(await _state(sessions, flow_run_id))
    await prefect_server.set_state(flow_run_id, "COMPLETED")
    await refresh(sessions, prefect, SETTINGS)
    assert seen == [
        (RunState.PENDING, "Pending"),
        (RunState.RUNNING, "Running"),
        (RunState.SCHEDULED, "AwaitingRetry"),
    ]
    async with sessions() as session:
        run = await session.scalar(select(Run).where(Run.flow_run_id == flow_run_id))
    assert run is not None
    assert run.state is RunState.COMPLETED
    assert run.started_at is not None
    assert run.ended_at is not None
    assert run.ended_at > run.started_at


async def test_refresh_changes_nothing_when_nothing_has_changed(
    sessions: Sessions, prefect: PrefectClient, deployment: str
) -> None:
    flow_run_id = await _dispatched(sessions, prefect, deployment)
    versions = []
    for _ in range(3):
        await refresh(sessions, prefect, SETTINGS)
        async with sessions() as session:
            versions.append(await session.scalar(select(Run.version).where(Run.flow_run_id == flow_run_id)))
    assert versions[1:] == versions[:1] * 2


async def test_refresh_asks_about_more_runs_than_prefect_tells_at_once(
    sessions: Sessions, prefect: PrefectClient, prefect_server: PrefectServer, deployment: str
) -> None:
    flow_run_ids = [await _dispatched(sessions, prefect, deployment) for _ in range(3)]
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
    assert {await _state(sessions, flow_run_id) for flow_run_id in flow_run_ids} == {
        (RunState.RUNNING, "Running")
    }


async def test_a_state_that_comes_late_does_not_undo_a_later_one(
    sessions: Sessions, prefect: PrefectClient, prefect_server: PrefectServer, deployment: str
) -> None:
    flow_run_id = await _dispatched(sessions, prefect, deployment)
    await prefect_server.set_state(flow_run_id, "RUNNING")
    [running] = await prefect.read_flow_runs([flow_run_id])
    await prefect_server.set_state(flow_run_id, "COMPLETED")
    await refresh(sessions, prefect, SETTINGS)
    async with sessions.begin() as session:
        late = await runs.apply_states(session, [running])
    assert late == []
    assert await _state(sessions, flow_run_id) == (RunState.COMPLETED, "Completed")


@pytest.mark.parametrize("end", ["FAILED", "CRASHED", "CANCELLED"])
async def test_a_document_whose_run_ends_badly_still_reaches_a_person(
    sessions: Sessions, prefect: PrefectClient, prefect_server: PrefectServer, deployment: str, end: str
) -> None:
    async with sessions.begin() as session:
        session.add(Application(id="loan-1", status=ApplicationStatus.VERIFYING))
        document = Document(application_id="loan-1", bucket="b", key="k", object_version="1", kind="front")
        session.add(document)
    flow_run_id = await _dispatched(sessions, prefect, deployment, document=document.id)
    await prefect_server.set_state(flow_run_id, end)
    await refresh(sessions, prefect, SETTINGS)
    async with sessions() as session:
        application = await session.get_one(Application, "loan-1")
        document = await session.get_one(Document, document.id)
    assert application.status is ApplicationStatus.IN_REVIEW
    assert document.status is DocumentStatus.UNREADABLE


async def test_a_flow_run_that_was_never_created_is_dispatched_again(
    sessions: Sessions, prefect: PrefectClient, prefect_server: PrefectServer, deployment: str
) -> None:
    real = await _dispatched(sessions, prefect, deployment)
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
    flow_run_id = await _dispatched(sessions, prefect, deployment)
    await prefect_server.set_state(flow_run_id, "RUNNING")
    await refresh(sessions, prefect, SETTINGS)
    await prefect_server.delete(flow_run_id)
    await refresh(sessions, prefect, SETTINGS)
    assert await _state(sessions, flow_run_id) == (RunState.CANCELLED, "Deleted")


async def test_a_hint_that_comes_before_its_commit_is_looked_at_again(
    sessions: Sessions, prefect: PrefectClient, prefect_server: PrefectServer, deployment: str
) -> None:
    flow_run_id = await _dispatched(sessions, prefect, deployment)
    hints = Hints()
    hints.add(StateEvent(flow_run_id, datetime.now(UTC) + timedelta(milliseconds=300)))
    await asyncio.sleep(await read_hinted(sessions, prefect, hints))
    assert await _state(sessions, flow_run_id) == (RunState.SCHEDULED, "Scheduled")
    await asyncio.sleep(0.35)
    await prefect_server.set_state(flow_run_id, "RUNNING")
    await _read_all(sessions, prefect, hints)
    assert await _state(sessions, flow_run_id) == (RunState.RUNNING, "Running")


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
        flow_run_id = await _dispatched(sessions, prefect, deployment)
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
        flow_run_id = await _dispatched(sessions, prefect, deployment)
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
        flow_run_id = await _dispatched(sessions, prefect, deployment)
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
        flow_runs = [await _dispatched(sessions, prefect, deployment) for _ in range(20)]
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


async def test_a_run_whose_worker_died_is_stuck_can_be_cancelled_and_replayed(
    sessions: Sessions, prefect: PrefectClient, prefect_server: PrefectServer, deployment: str
) -> None:
    flow_run_id = await _dispatched(sessions, prefect, deployment)
    await prefect_server.set_state(flow_run_id, "PENDING")
    await refresh(sessions, prefect, SETTINGS)
    assert not (await _by_flow_run(sessions, flow_run_id)).stuck
    await asyncio.sleep(0.2)
    impatient = ProjectionSettings(stuck_pending_seconds=0.1)
    await refresh(sessions, prefect, impatient)
    run = await _by_flow_run(sessions, flow_run_id)
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
    again = await _by_id(sessions, run.id)
    assert again.state is RunState.SCHEDULED
    assert again.previous_flow_runs == [str(flow_run_id)]
    assert len(await prefect_server.flow_runs(deployment)) == 2


async def test_a_stuck_run_that_moves_again_is_stuck_no_more(
    sessions: Sessions, prefect: PrefectClient, prefect_server: PrefectServer, deployment: str
) -> None:
    flow_run_id = await _dispatched(sessions, prefect, deployment)
    await prefect_server.set_state(flow_run_id, "RUNNING")
    await refresh(sessions, prefect, SETTINGS)
    await asyncio.sleep(0.2)
    await refresh(sessions, prefect, ProjectionSettings(stuck_running_seconds=0.1))
    stuck = await _by_flow_run(sessions, flow_run_id)
    await prefect_server.set_state(flow_run_id, "COMPLETED")
    await refresh(sessions, prefect, SETTINGS)
    moved = await _by_flow_run(sessions, flow_run_id)
    assert (stuck.stuck, moved.stuck) == (True, False)
    assert moved.version == stuck.version + 1


async def test_a_run_that_works_is_asked_to_stop_and_forced_the_second_time(
    sessions: Sessions, prefect: PrefectClient, prefect_server: PrefectServer, deployment: str
) -> None:
    flow_run_id = await _dispatched(sessions, prefect, deployment)
    await prefect_server.set_state(flow_run_id, "RUNNING")
    await refresh(sessions, prefect, SETTINGS)
    run_id = (await _by_flow_run(sessions, flow_run_id)).id
    assert (await cancel(sessions, prefect, run_id, actor="test")).state is RunState.CANCELLING
    assert (await cancel(sessions, prefect, run_id, actor="test")).state is RunState.CANCELLED
    with pytest.raises(Conflict, match="is CANCELLED"):
        await cancel(sessions, prefect, run_id, actor="test")


async def test_a_run_that_has_not_begun_is_cancelled_at_once(
    sessions: Sessions, prefect: PrefectClient, deployment: str
) -> None:
    run_id = (await _by_flow_run(sessions, await _dispatched(sessions, prefect, deployment))).id
    assert (await cancel(sessions, prefect, run_id, actor="test")).state is RunState.CANCELLED


async def test_a_run_that_prefect_does_not_have_cannot_be_cancelled(
    sessions: Sessions, prefect: PrefectClient
) -> None:
    with pytest.raises(NotFound):
        await cancel(sessions, prefect, uuid.uuid4(), actor="test")


async def test_hundreds_of_runs_are_seen_for_the_first_time_within_a_second_or_two(
    sessions: Sessions, prefect: PrefectClient, prefect_server: PrefectServer, deployment: str
) -> None:
    async with sessions.begin() as session:
        for number in range(300):
            new = runs.NewRun(
                cause_kind=RunCause.OBJECT,
                cause_id=str(number),
                route="documents",
                deployment=deployment,
                parameters={"document_id": "1"},
            )
            await runs.enqueue(session, new)
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


async def _by_flow_run(sessions: Sessions, flow_run_id: uuid.UUID) -> Run:
    async with sessions() as session:
        return (await session.scalars(select(Run).where(Run.flow_run_id == flow_run_id))).one()


async def _by_id(sessions: Sessions, run_id: uuid.UUID) -> Run:
    async with sessions() as session:
        return await session.get_one(Run, run_id)
