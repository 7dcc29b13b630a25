"""The queue on a real PostgreSQL."""

from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select, update

from app import backlog, runs
from app.db import Sessions
from app.models import Run, RunCause, RunState
from app.prefect_flow_runs import FlowRun, FlowRunState
from app.runs import NewRun
from app.settings import DispatcherSettings

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def _new(cause_id: str = "1", *, route: str = "r", priority: int = 100) -> NewRun:
    return NewRun(
        cause_kind=RunCause.MESSAGE,
        cause_id=cause_id,
        route=route,
        deployment="flow/default",
        parameters={"id": cause_id},
        priority=priority,
    )


async def _enqueue(sessions: Sessions, *new: NewRun) -> None:
    async with sessions.begin() as session:
        for one in new:
            await runs.enqueue(session, one)


async def _claim(sessions: Sessions, limit: int = 10, lease: float = 60) -> list[Run]:
    settings = DispatcherSettings(batch_size=limit, calls_in_flight=1, lease_seconds=lease)
    async with sessions.begin() as session:
        return await backlog.claim(session, settings)


async def _only(sessions: Sessions) -> Run:
    async with sessions() as session:
        return (await session.scalars(select(Run))).one()


async def test_one_cause_has_one_run_per_route_however_many_enqueue_it(sessions: Sessions) -> None:
    await asyncio.gather(*(_enqueue(sessions, _new(), _new(route="other")) for _ in range(8)))

    async with sessions() as session:
        assert await session.scalar(select(func.count()).select_from(Run)) == 2


async def test_a_rolled_back_cause_leaves_no_run(sessions: Sessions) -> None:
    async with sessions() as session:
        await runs.enqueue(session, _new())
        await session.rollback()

    assert await _claim(sessions) == []


async def test_racing_dispatchers_share_the_runs_without_overlap(sessions: Sessions) -> None:
    await _enqueue(sessions, *(_new(str(number)) for number in range(40)))
    claimed: list[Run] = []
    while len(claimed) < 40:
        for batch in await asyncio.gather(*(_claim(sessions, limit=7) for _ in range(4))):
            claimed += batch

    assert len({run.id for run in claimed}) == len(claimed) == 40


async def test_the_most_urgent_goes_first_then_the_oldest(sessions: Sessions) -> None:
    for new in (_new("late"), _new("urgent", priority=1), _new("later")):
        await _enqueue(sessions, new)

    assert [run.cause_id for run in await _claim(sessions, limit=2)] == ["urgent", "late"]


async def test_a_dead_dispatchers_runs_come_back_and_it_can_no_longer_settle_them(
    sessions: Sessions,
) -> None:
    await _enqueue(sessions, _new())
    [lost] = await _claim(sessions, lease=0.001)
    await asyncio.sleep(0.05)
    [taken_over] = await _claim(sessions)

    async with sessions.begin() as session:
        assert not await runs.created(session, [(lost, uuid.uuid4())])
        await runs.release(session, [lost])
    assert await _claim(sessions) == []
    async with sessions.begin() as session:
        assert await runs.created(session, [(taken_over, uuid.uuid4())])


async def test_released_runs_have_lost_no_attempt(sessions: Sessions) -> None:
    await _enqueue(sessions, _new())
    claimed = await _claim(sessions)
    async with sessions.begin() as session:
        await runs.release(session, claimed)

    [again] = await _claim(sessions)
    assert again.attempts == 0


async def test_a_refused_run_waits_and_dies_after_its_attempts(sessions: Sessions) -> None:
    await _enqueue(sessions, _new())
    for attempt in range(1, 4):
        [claimed] = await _claim(sessions)
        async with sessions.begin() as session:
            await runs.refused(session, claimed, "no such deployment", max_attempts=3)
        run = await _only(sessions)
        assert run.attempts == attempt
        async with sessions.begin() as session:
            await session.execute(update(Run).values(next_attempt_at=func.now()))

    assert run.state is RunState.DEAD
    assert run.last_error == "no such deployment"


async def test_the_waits_between_attempts_grow_and_end() -> None:
    waits = [runs.retry_delay(attempt, 10) for attempt in range(1, 11)]

    assert waits[-1] is None
    seconds = [wait.total_seconds() for wait in waits[:-1] if wait is not None]
    assert len(seconds) == 9
    assert 1.6 <= seconds[0] <= 2.4
    assert max(seconds) <= 360
    assert seconds[5] > seconds[2] > seconds[0]


async def test_states_are_applied_in_prefects_order_whatever_order_they_come_in(
    sessions: Sessions,
) -> None:
    flow_run_id = uuid.uuid4()
    await _enqueue(sessions, _new())
    [claimed] = await _claim(sessions)
    async with sessions.begin() as session:
        await runs.created(session, [(claimed, flow_run_id)])

    async def apply(state: RunState, seconds: int) -> bool:
        at = NOON + timedelta(seconds=seconds)
        seen = FlowRun(id=flow_run_id, state=FlowRunState(type=state, name=state.capitalize(), timestamp=at))
        async with sessions.begin() as session:
            return bool(await runs.apply_states(session, [seen]))

    assert await apply(RunState.RUNNING, 2)
    assert await apply(RunState.COMPLETED, 5)
    assert not await apply(RunState.COMPLETED, 5)
    assert not await apply(RunState.PENDING, 1)
    run = await _only(sessions)
    assert run.state is RunState.COMPLETED
    assert run.ended_at == NOON + timedelta(seconds=5)
    assert run.started_at == NOON + timedelta(seconds=2)


async def test_how_long_until_something_is_due(sessions: Sessions) -> None:
    async with sessions() as session:
        assert await backlog.seconds_until_due(session) is None
    await _enqueue(sessions, _new())
    async with sessions() as session:
        assert await backlog.seconds_until_due(session) == 0
    await _claim(sessions)
    async with sessions() as session:
        waiting = await backlog.seconds_until_due(session)
    assert waiting is not None
    assert 50 < waiting <= 60
