"""Whose turn it is: fair between routes, within the limits, and cheap however long the queue is."""

from __future__ import annotations

import uuid
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, text, update

from app import backlog
from app.db import Sessions
from app.models import Run, RunCause, RunState
from app.settings import DispatcherSettings

SETTINGS = DispatcherSettings(batch_size=10, calls_in_flight=1)


async def _add(sessions: Sessions, route: str, count: int, **values: Any) -> None:
    """Runs of a route; each is a millisecond older than the one after it."""
    begin = datetime.now(UTC) - timedelta(seconds=count / 1_000)
    async with sessions.begin() as session:
        session.add_all(
            Run(
                cause_kind=RunCause.OBJECT,
                cause_id=str(uuid.uuid4()),
                route=route,
                deployment=f"{route}/default",
                parameters={},
                tags=[],
                **{"next_attempt_at": begin + timedelta(milliseconds=number), **values},
            )
            for number in range(count)
        )


async def _claim(sessions: Sessions, settings: DispatcherSettings = SETTINGS, **options: Any) -> Counter[str]:
    """How many runs of each route were claimed."""
    async with sessions.begin() as session:
        return Counter(run.route for run in await backlog.claim(session, settings, **options))


async def _created(sessions: Sessions) -> None:
    """Prefect has taken everything that is claimed."""
    async with sessions.begin() as session:
        await session.execute(
            update(Run)
            .where(Run.leased_until.is_not(None))
            .values(
                state=RunState.SCHEDULED,
                leased_until=None,
                dispatched_at=func.now(),
                flow_run_id=func.gen_random_uuid(),
            )
        )


async def test_a_burst_on_one_route_does_not_starve_another(sessions: Sessions) -> None:
    await _add(sessions, "burst", 500)
    await _add(sessions, "quiet", 3)

    assert await _claim(sessions) == {"burst": 7, "quiet": 3}


async def test_a_single_free_place_goes_to_the_route_that_has_fewest(sessions: Sessions) -> None:
    settings = SETTINGS.model_copy(update={"max_in_prefect": 4})
    await _add(sessions, "burst", 500)
    assert await _claim(sessions, settings) == {"burst": 4}
    await _created(sessions)
    await _add(sessions, "quiet", 3)
    assert await _claim(sessions, settings) == {}
    async with sessions.begin() as session:
        one = select(Run.id).where(Run.state == RunState.SCHEDULED).limit(1).scalar_subquery()
        await session.execute(update(Run).where(Run.id == one).values(state=RunState.COMPLETED))

    assert await _claim(sessions, settings) == {"quiet": 1}


async def test_priority_goes_before_fairness(sessions: Sessions) -> None:
    await _add(sessions, "many", 20, priority=100)
    await _add(sessions, "urgent", 8, priority=50)

    assert await _claim(sessions) == {"urgent": 8, "many": 2}


async def test_no_route_has_more_than_its_limit_in_prefect(sessions: Sessions) -> None:
    settings = SETTINGS.model_copy(update={"max_in_prefect_per_route": 3})
    await _add(sessions, "burst", 50)
    assert await _claim(sessions, settings) == {"burst": 3}
    assert await _claim(sessions, settings) == {}  # what is being created counts
    await _created(sessions)
    await _add(sessions, "other", 1)
    assert await _claim(sessions, settings) == {"other": 1}


async def test_a_stuck_run_does_not_keep_others_out(sessions: Sessions) -> None:
    settings = SETTINGS.model_copy(update={"max_in_prefect_per_route": 1})
    await _add(sessions, "route", 2)
    await _claim(sessions, settings)
    await _created(sessions)
    assert await _claim(sessions, settings) == {}
    async with sessions.begin() as session:
        await session.execute(update(Run).where(Run.state == RunState.SCHEDULED).values(stuck_at=func.now()))
        counted = await backlog.stuck(session)

    assert counted == {("route", RunState.SCHEDULED): 1}
    assert await _claim(sessions, settings) == {"route": 1}


@pytest.mark.parametrize(("rate", "at_once"), [(4.0, 4), (0.5, 1)])
async def test_creations_keep_to_the_pace_whoever_makes_them(
    sessions: Sessions, rate: float, at_once: int
) -> None:
    settings = SETTINGS.model_copy(update={"creations_per_second": rate})
    await _add(sessions, "route", 50)
    assert await _claim(sessions, settings) == {"route": at_once}
    await _created(sessions)
    assert await _claim(sessions, settings) == {}
    async with sessions.begin() as session:
        long_ago = func.now() - timedelta(seconds=at_once / rate)
        await session.execute(
            update(Run).where(Run.dispatched_at.is_not(None)).values(dispatched_at=long_ago)
        )
    assert await _claim(sessions, settings) == {"route": at_once}


async def test_a_route_that_rests_is_left_out(sessions: Sessions) -> None:
    await _add(sessions, "resting", 20)
    await _add(sessions, "working", 2)

    assert await _claim(sessions, besides=["resting"]) == {"working": 2}
    async with sessions() as session:
        until_leases_end = await backlog.seconds_until_due(session, besides=["resting"])
        assert until_leases_end is not None
        assert until_leases_end > 20
        assert await backlog.seconds_until_due(session) == 0


async def test_while_another_dispatcher_claims_there_is_nothing_to_claim(sessions: Sessions) -> None:
    await _add(sessions, "route", 20)
    async with sessions.begin() as other:
        await backlog.claim(other, SETTINGS)
        assert await _claim(sessions) == {}
    assert await _claim(sessions) == {"route": 10}


async def test_a_run_that_waits_knows_its_place(sessions: Sessions) -> None:
    await _add(sessions, "other", 5)
    await _add(sessions, "route", 3)
    async with sessions() as session:
        waiting = select(Run).where(Run.route == "route").order_by(Run.next_attempt_at)
        runs = (await session.scalars(waiting)).all()
        assert [await backlog.place(session, run) for run in runs] == [1, 2, 3]
        runs[0].state = RunState.DEAD
        assert await backlog.place(session, runs[0]) is None
        await session.rollback()


async def test_what_waits_is_counted_by_route(sessions: Sessions) -> None:
    await _add(sessions, "one", 3, accepted_at=datetime.now(UTC) - timedelta(minutes=5))
    await _add(sessions, "two", 2)
    await _add(sessions, "two", 4, state=RunState.COMPLETED)
    async with sessions() as session:
        counted = {count.route: count for count in await backlog.counts(session)}

    assert {route: count.runs for route, count in counted.items()} == {"one": 3, "two": 2}
    assert 299 < counted["one"].oldest_seconds < 320
    assert counted["two"].oldest_seconds < 20


_QUEUE_AND_HISTORY = text("""
    INSERT INTO runs (id, cause_kind, cause_id, route, deployment, parameters, tags, priority, state,
        state_name, attempts, replays, previous_flow_runs, version, next_attempt_at)
    SELECT gen_random_uuid(), 'object', n::text, CASE WHEN n % 50 = 0 THEN 'quiet' ELSE 'burst' END,
        'flow/default', '{}', '[]', 100, CASE WHEN n <= 20000 THEN 'ACCEPTED' ELSE 'COMPLETED' END,
        '', 0, 0, '[]', 1, now() - n * interval '1 ms'
    FROM generate_series(1, 60000) AS n
""")


async def test_a_claim_reads_the_heads_of_the_queues_however_long_they_are(sessions: Sessions) -> None:
    async with sessions.begin() as session:
        await session.execute(_QUEUE_AND_HISTORY)
        await session.execute(text("ANALYZE runs"))
    async with sessions() as session:
        values = {"most": 100, "in_all": 200, "per_route": 100, "pace": 1_000_000, "besides": []}
        times = {"lease": timedelta(seconds=30), "pace_window": timedelta(0)}
        explained = text(f"EXPLAIN (ANALYZE, FORMAT JSON) {backlog.CLAIM.text}")
        plan = (await session.execute(explained, {**values, **times})).scalar_one()[0]["Plan"]
        await session.rollback()
    nodes = list(_nodes(plan))
    assert not [node for node in nodes if node["Node Type"] == "Seq Scan"]
    assert max(node["Actual Rows"] * node["Actual Loops"] for node in nodes) < 1_000


def _nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for child in plan.get("Plans", []) for node in _nodes(child))]
