"""The queue: enqueue, claim, settle, retry, dead letter, replay.

A run is claimed with a lease and settled by compare-and-swap on it, so any number of dispatchers may
work at once, and one that dies gives its runs back when the lease ends.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, or_, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app import audit
from app.changes import DUE, notify, run_changed
from app.errors import Conflict, NotFound
from app.models import UNSUCCESSFUL_RUN_STATES, Run, RunCause, RunState, new_id
from app.routing import Route


@dataclass(frozen=True)
class NewRun:
    """What a route makes of a cause. `parameters` hold ids only: Prefect stores and shows them."""

    cause_kind: RunCause
    cause_id: str
    route: str
    deployment: str
    parameters: Mapping[str, Any]
    application_id: str | None = None
    work_queue: str | None = None
    tags: tuple[str, ...] = ()
    priority: int = 100

    @classmethod
    def on_route(
        cls,
        route: Route,
        *,
        cause_kind: RunCause,
        cause_id: str,
        values: Mapping[str, str],
        application_id: str | None = None,
    ) -> NewRun:
        """The run `route` makes of the cause; `values` fill the route's parameter templates."""
        return cls(
            cause_kind=cause_kind,
            cause_id=cause_id,
            route=route.name,
            deployment=route.deployment,
            parameters=route.render(values),
            application_id=application_id,
            work_queue=route.work_queue,
            tags=route.tags,
            priority=route.priority,
        )


async def enqueue(session: AsyncSession, new: NewRun) -> uuid.UUID | None:
    """Insert the run unless its cause already has one on this route; returns its id, or None then."""
    statement = (
        insert(Run)
        .values(
            id=new_id(),
            cause_kind=new.cause_kind,
            cause_id=new.cause_id,
            route=new.route,
            application_id=new.application_id,
            deployment=new.deployment,
            parameters=dict(new.parameters),
            work_queue=new.work_queue,
            tags=list(new.tags),
            priority=new.priority,
        )
        .on_conflict_do_nothing(index_elements=["cause_kind", "cause_id", "route"])
        .returning(Run.id)
    )
    run_id = await session.scalar(statement)
    if run_id is not None:
        await notify(session, DUE)
    return run_id


async def claim(session: AsyncSession, *, limit: int, lease: timedelta) -> list[Run]:
    """Lease up to `limit` due runs, most urgent and oldest first, skipping those that others hold."""
    due = (
        select(Run.id)
        .where(
            Run.state == RunState.ACCEPTED,
            Run.next_attempt_at <= func.now(),
            or_(Run.leased_until.is_(None), Run.leased_until < func.now()),
        )
        .order_by(Run.priority, Run.next_attempt_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("due")  # a plain subquery may be run twice by the planner, and then leases too many
    )
    leased = (
        update(Run).where(Run.id.in_(select(due.c.id))).values(leased_until=func.now() + lease).returning(Run)
    )
    return sorted(await session.scalars(leased), key=lambda run: (run.priority, run.next_attempt_at))


async def seconds_until_due(session: AsyncSession) -> float | None:
    """How long until the next run may be claimed, or None when none is waiting."""
    at = func.greatest(Run.next_attempt_at, func.coalesce(Run.leased_until, Run.next_attempt_at))
    seconds = func.extract("epoch", func.min(at) - func.now())
    waiting = await session.scalar(select(seconds).where(Run.state == RunState.ACCEPTED))
    return None if waiting is None else max(0.0, float(waiting))


@dataclass(frozen=True)
class Depth:
    """How full the queue is."""

    waiting: int
    oldest_waiting_seconds: float
    unfinished: dict[RunState, int]
    """Runs by state, all but the completed ones."""


async def depth(session: AsyncSession) -> Depth:
    """Count what is not finished, and tell how long the oldest accepted run has waited."""
    by_state = select(Run.state, func.count()).where(Run.state != RunState.COMPLETED).group_by(Run.state)
    unfinished = dict((await session.execute(by_state)).all())
    age = func.extract("epoch", func.now() - func.min(Run.accepted_at))
    oldest = await session.scalar(select(age).where(Run.state == RunState.ACCEPTED))
    return Depth(unfinished.get(RunState.ACCEPTED, 0), float(oldest or 0), unfinished)


async def created(session: AsyncSession, run: Run, flow_run_id: uuid.UUID) -> bool:
    """Prefect has the flow run. False when the run was no longer ours to settle."""
    return await _settle(
        session,
        run,
        state=RunState.SCHEDULED,
        state_name="Scheduled",
        flow_run_id=flow_run_id,
        dispatched_at=func.now(),
        last_error=None,
    )


async def refused(
    session: AsyncSession, run: Run, error: str, *, max_attempts: int, permanent: bool = False
) -> bool:
    """Prefect refused to create it: try again later, or make it a dead letter that says why."""
    wait = None if permanent else retry_delay(run.attempts + 1, max_attempts)
    if wait is None:
        audit.record(session, actor="dispatcher", action="run.dead", subject=f"run:{run.id}", error=error)
        return await _settle(
            session,
            run,
            state=RunState.DEAD,
            state_name="Dead",
            attempts=run.attempts + 1,
            last_error=error,
            ended_at=func.now(),
        )
    return await _settle(
        session, run, attempts=run.attempts + 1, last_error=error, next_attempt_at=func.now() + wait
    )


async def release(session: AsyncSession, runs: Iterable[Run]) -> None:
    """Give claimed runs back untried, costing no attempt: Prefect could not be asked.

    One whose lease ran out meanwhile may be another dispatcher's now, and stays with it.
    """
    ours = tuple_(Run.id, Run.leased_until).in_([(run.id, run.leased_until) for run in runs])
    await session.execute(update(Run).where(ours, Run.state == RunState.ACCEPTED).values(leased_until=None))


async def _settle(session: AsyncSession, run: Run, **values: Any) -> bool:
    """Compare-and-swap on the lease and the attempt: a dispatcher whose lease ran out changes nothing."""
    statement = (
        update(Run)
        .where(
            Run.id == run.id,
            Run.state == RunState.ACCEPTED,
            Run.replays == run.replays,
            Run.leased_until == run.leased_until,
        )
        .values(leased_until=None, version=Run.version + 1, **values)
        .returning(Run.id)
    )
    if await session.scalar(statement) is None:
        return False
    await run_changed(session, run.id, run.application_id)
    return True


def retry_delay(attempt: int, max_attempts: int) -> timedelta | None:
    """How long to wait after the n-th refused attempt: 2, 4, 8 … at most 300 s, ±20 %; None when spent."""
    if attempt >= max_attempts:
        return None
    seconds = min(300.0, 2.0**attempt)
    return timedelta(seconds=seconds * random.uniform(0.8, 1.2))


async def apply_state(
    session: AsyncSession,
    *,
    flow_run_id: uuid.UUID,
    state: RunState,
    state_name: str,
    state_at: datetime,
) -> Run | None:
    """Write Prefect's state, unless we know a later one; returns the changed run, or None.

    Ordered by Prefect's own state timestamp, so applying twice, late or out of order does no harm.
    """
    values: dict[str, Any] = {"state": state, "state_name": state_name, "state_at": state_at}
    if state is RunState.RUNNING:
        values["started_at"] = func.coalesce(Run.started_at, state_at)
    values["ended_at"] = state_at if state in UNSUCCESSFUL_RUN_STATES | {RunState.COMPLETED} else None
    statement = (
        update(Run)
        .where(
            Run.flow_run_id == flow_run_id,
            or_(Run.state_at.is_(None), Run.state_at < state_at),
        )
        .values(version=Run.version + 1, **values)
        .returning(Run)
    )
    run = await session.scalar(statement)
    if run is not None:
        await run_changed(session, run.id, run.application_id)
    return run


async def never_created(session: AsyncSession, flow_run_id: uuid.UUID) -> Run | None:
    """Accept again, under the same key, a run whose flow run Prefect reported and does not have.

    Only while no state of it has ever been seen, and not before 10 s have passed: a copy of Prefect's
    database may lag. Returns the run, or None when nothing was changed.
    """
    statement = (
        update(Run)
        .where(
            Run.flow_run_id == flow_run_id,
            Run.state_at.is_(None),
            Run.dispatched_at < func.now() - timedelta(seconds=10),
        )
        .values(
            state=RunState.ACCEPTED,
            state_name="Accepted",
            flow_run_id=None,
            dispatched_at=None,
            next_attempt_at=func.now(),
            last_error="Prefect reported the flow run as created and does not have it.",
            version=Run.version + 1,
        )
        .returning(Run)
    )
    run = await session.scalar(statement)
    if run is not None:
        await notify(session, DUE)
        await run_changed(session, run.id, run.application_id)
    return run


async def replay(session: AsyncSession, run_id: uuid.UUID, *, actor: str) -> Run:
    """Accept an unsuccessful run again: a new attempt with a new idempotency key.

    Raises NotFound for an unknown run, Conflict for one that is under way or has succeeded.
    """
    run = await session.get(Run, run_id, with_for_update=True)
    if run is None:
        raise NotFound(f"There is no run {run_id}.")
    if run.state not in UNSUCCESSFUL_RUN_STATES:
        raise Conflict(
            f"Run {run_id} is {run.state}; only DEAD, FAILED, CRASHED or CANCELLED runs can be replayed."
        )
    if run.flow_run_id is not None:
        run.previous_flow_runs = [*run.previous_flow_runs, str(run.flow_run_id)]
    run.state, run.state_name, run.state_at = RunState.ACCEPTED, "Accepted", None
    run.replays += 1
    run.attempts = 0
    run.flow_run_id = run.dispatched_at = run.started_at = run.ended_at = run.last_error = None
    run.next_attempt_at = func.now()
    run.version += 1
    audit.record(session, actor=actor, action="run.replayed", subject=f"run:{run_id}", replay=run.replays)
    await notify(session, DUE)
    await run_changed(session, run.id, run.application_id)
    return run
