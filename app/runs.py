"""The queue's moves: enqueue, settle, retry, dead letter, Prefect's states, replay.

A run is claimed with a lease (app.backlog) and settled by compare-and-swap on it, so any number of
dispatchers may work at once, and one that dies gives its runs back when the lease ends.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy import (
    ARRAY,
    DateTime,
    FromClause,
    Text,
    Update,
    Uuid,
    case,
    column,
    func,
    literal,
    or_,
    tuple_,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession

from app import audit, tracing
from app.changes import DUE, notify, run_changed, runs_changed
from app.db import Direct, insert_many
from app.errors import Conflict, NotFound
from app.models import (
    FOLLOWED_RUN_STATES,
    TERMINAL_RUN_STATES,
    UNSUCCESSFUL_RUN_STATES,
    Run,
    RunCause,
    RunState,
    new_id,
)
from app.prefect_flow_runs import FlowRun
from app.routing import Route

DELETED = "Deleted"
"""Name of the state, CANCELLED by type, of a run whose flow run somebody has deleted from Prefect."""


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
    traceparent: str | None = field(default_factory=tracing.current)

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


_ENQUEUE = Direct(
    insert_many(
        Run,
        *("id", "cause_kind", "cause_id", "route", "application_id"),
        *("deployment", "parameters", "work_queue", "tags", "priority", "traceparent"),
    )
    .on_conflict_do_nothing(index_elements=["cause_kind", "cause_id", "route"])
    # However many rows say so, PostgreSQL delivers the same notification of one transaction once.
    .returning(Run.id, func.pg_notify(DUE, ""))
)


async def enqueue(session: AsyncSession, new: NewRun) -> uuid.UUID | None:
    """Insert the run unless its cause already has one on this route; returns its id, or None then."""
    [run_id] = await enqueue_all(session, [new])
    return run_id


async def enqueue_all(session: AsyncSession, news: Sequence[NewRun]) -> list[uuid.UUID | None]:
    """The same for many runs at once; returns the id or None of each."""
    if not news:
        return []
    ids = [new_id() for _ in news]
    rows = [{"id": str(run_id), **vars(new)} for run_id, new in zip(ids, news, strict=True)]
    # In the order of their causes, so that two transactions cannot wait for each other's.
    rows.sort(key=lambda row: (row["cause_kind"], row["cause_id"], row["route"]))
    inserted = {run_id for run_id, _ in await _ENQUEUE.run(session, rows=rows)}
    return [run_id if run_id in inserted else None for run_id in ids]


async def created(session: AsyncSession, made: Collection[tuple[Run, uuid.UUID]]) -> list[Run]:
    """Prefect has these flow runs; returns the runs that were still ours to settle."""
    answers = _rows(
        id=([run.id for run, _ in made], Uuid),
        leased_until=([run.leased_until for run, _ in made], DateTime(timezone=True)),
        flow_run_id=([flow_run_id for _, flow_run_id in made], Uuid),
    )
    statement = (
        update(Run)
        .where(
            Run.id == answers.c.id, Run.state == RunState.ACCEPTED, Run.leased_until == answers.c.leased_until
        )
        .values(
            state=RunState.SCHEDULED,
            state_name="Scheduled",
            flow_run_id=answers.c.flow_run_id,
            dispatched_at=func.now(),
            last_error=None,
            leased_until=None,
            version=Run.version + 1,
        )
    )
    return await _changed(session, statement)


async def refused(
    session: AsyncSession, run: Run, error: str, *, max_attempts: int, permanent: bool = False
) -> bool:
    """Prefect refused to create it: try again later, or make it a dead letter that says why."""
    wait = None if permanent else retry_delay(run.attempts + 1, max_attempts)
    tried = {"attempts": run.attempts + 1, "last_error": error}
    if wait is not None:
        return await _settle(session, run, **tried, next_attempt_at=func.now() + wait)
    dead = {"state": RunState.DEAD, "state_name": "Dead", "ended_at": func.now()}
    settled = await _settle(session, run, **tried, **dead)
    if settled:
        audit.record(
            session, actor="dispatcher", action="run.dead", subject=f"run:{run.id}", attempts=run.attempts + 1
        )
    return settled


async def release(session: AsyncSession, runs: Collection[Run]) -> None:
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


async def apply_states(session: AsyncSession, seen: Collection[FlowRun]) -> list[Run]:
    """Write Prefect's states, each unless we know a later one; returns the runs that have changed.

    Ordered by Prefect's own state timestamp, so applying twice, late or out of order does no harm.
    """
    states = _rows(
        flow_run_id=([run.id for run in seen], Uuid),
        type=([run.state.type for run in seen], Text),
        name=([run.state.name for run in seen], Text),
        at=([run.state.timestamp for run in seen], DateTime(timezone=True)),
    )
    statement = (
        update(Run)
        .where(
            Run.flow_run_id == states.c.flow_run_id,
            or_(Run.state_at.is_(None), Run.state_at < states.c.at),
        )
        .values(
            state=states.c.type,
            state_name=states.c.name,
            state_at=states.c.at,
            stuck_at=None,
            started_at=case(
                (states.c.type == RunState.RUNNING.value, func.coalesce(Run.started_at, states.c.at)),
                else_=Run.started_at,
            ),
            ended_at=case((states.c.type.in_([state.value for state in TERMINAL_RUN_STATES]), states.c.at)),
            version=Run.version + 1,
        )
    )
    return await _changed(session, statement)


async def mark_stuck(session: AsyncSession, longest: Mapping[RunState, timedelta]) -> list[Run]:
    """Mark the runs that have been in a state for longer than it may last; returns the newly marked."""
    overdue = [
        (Run.state == state) & (Run.state_at < func.now() - duration) for state, duration in longest.items()
    ]
    statement = (
        update(Run)
        .where(Run.state.in_(FOLLOWED_RUN_STATES), Run.stuck_at.is_(None), or_(*overdue))
        .values(stuck_at=func.now(), version=Run.version + 1)
    )
    return await _changed(session, statement)


def _rows(**columns: tuple[Sequence[Any], Any]) -> FromClause:
    """Values to join with, a list and a type for each column: one statement however many they are."""
    arrays = [literal(list(values), ARRAY(kind)) for values, kind in columns.values()]
    names = [column(name, kind) for name, (_, kind) in columns.items()]
    return func.unnest(*arrays).table_valued(*names).render_derived(name="given")


async def _changed(session: AsyncSession, statement: Update) -> list[Run]:
    """Execute an update of runs and tell their watchers."""
    returning = statement.returning(Run).execution_options(synchronize_session=False, populate_existing=True)
    runs = list(await session.scalars(returning))
    if runs:
        await runs_changed(session, runs)
    return runs


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
            stuck_at=None,
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
    run.flow_run_id = run.dispatched_at = run.started_at = run.ended_at = run.stuck_at = None
    run.last_error = None
    run.next_attempt_at = func.now()
    run.traceparent = tracing.current()
    run.version += 1
    audit.record(session, actor=actor, action="run.replayed", subject=f"run:{run_id}", replay=run.replays)
    await notify(session, DUE)
    await run_changed(session, run.id, run.application_id)
    return run
