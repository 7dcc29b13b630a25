"""Holds our runs against all that Prefect has: three kinds of finding, each of which should be none.

It asks both sides anew and trusts neither events nor what the projection believes to know. What is
younger than a few seconds may still be on its way, and is left for the next time.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from sqlalchemy import ColumnElement, Text, and_, cast, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import Sessions
from app.models import (
    FOLLOWED_RUN_STATES,
    Decision,
    Document,
    DocumentStatus,
    Run,
    RunCause,
    RunState,
)
from app.prefect_client import PAGE, PrefectClient
from app.prefect_flow_runs import FlowRun
from app.run_filter import RunFilter
from app.runs import DELETED

SETTLED = timedelta(seconds=10)
"""Within this time the projection is right, whatever was lost; what is older must agree."""

_CLOCKS = timedelta(minutes=5)
"""How far Prefect's clock may be behind ours without our taking its flow runs for older than they are."""


@dataclass
class Report:
    """What does not fit, by id. All empty: every cause has its one flow run, and both sides agree."""

    causes_without_flow_run: list[str] = field(default_factory=list)
    """Runs (or documents and decisions without any run) that no flow run was created for."""
    flow_runs_without_cause: list[str] = field(default_factory=list)
    """Flow runs in Prefect with our tag that no run of ours has as its own."""
    disagreements: list[str] = field(default_factory=list)
    """Runs whose state here is not the one in Prefect."""

    def counts(self) -> dict[str, int]:
        """How many of each kind."""
        return {kind: len(found) for kind, found in vars(self).items()}


async def reconcile(
    sessions: Sessions,
    prefect: PrefectClient,
    *,
    since: timedelta = timedelta(hours=1),
    waiting: timedelta = timedelta(minutes=10),
    settled: timedelta = SETTLED,
) -> Report:
    """Compare the runs accepted `since` that long ago, and all that Prefect has not finished.

    A run may wait with us for `waiting` before it counts as a cause without flow run, and differ from
    Prefect for `settled` before it counts as a disagreement. What is older than
    `since` and finished is left out: Prefect may have removed it by its own retention. Raises
    PrefectUnavailable.
    """
    report, begin = Report(), datetime.now(UTC) - since
    # Prefect first: whatever it has by now was known to us before.
    async for page in _flow_runs(prefect, begin - _CLOCKS):
        async with sessions() as session:
            report.flow_runs_without_cause += await _without_cause(session, page)
    async with sessions() as session:
        report.causes_without_flow_run += await _without_run(session, begin)
        report.causes_without_flow_run += await _waiting_too_long(session, waiting)
        now = await session.scalar(select(func.now())) or datetime.now(UTC)
    async for runs in _dispatched(sessions, begin):
        flow_runs = await prefect.read_flow_runs([run.flow_run_id for run in runs if run.flow_run_id])
        known = {flow_run.id: flow_run for flow_run in flow_runs}
        _compare(report, runs, known, settled=now - settled)
    return report


async def _flow_runs(prefect: PrefectClient, begin: datetime) -> AsyncIterator[Sequence[FlowRun]]:
    offset = 0
    while page := await prefect.read_our_flow_runs(expected_after=begin, offset=offset):
        yield page
        offset += len(page)
        if len(page) < PAGE:
            return


async def _without_cause(session: AsyncSession, page: Collection[FlowRun]) -> list[str]:
    """The flow runs whose key is no run's, or whose run has another one."""
    run_ids = {flow_run.id: _run_id(flow_run.idempotency_key) for flow_run in page}
    ours = {
        run.id: run
        for run in await session.scalars(
            select(Run).where(Run.id.in_([run_id for run_id in run_ids.values() if run_id]))
        )
    }
    return [
        str(flow_run_id)
        for flow_run_id, run_id in run_ids.items()
        if run_id is None or run_id not in ours or not _may_have(ours[run_id], flow_run_id)
    ]


def _run_id(idempotency_key: str | None) -> uuid.UUID | None:
    """The run that the key is of: its id, or its id and the number of a replay."""
    try:
        return uuid.UUID((idempotency_key or "").partition(":")[0])
    except ValueError:
        return None


def _may_have(run: Run, flow_run_id: uuid.UUID) -> bool:
    """A run that is being created, or waits to be, may have a flow run whose id it does not know yet."""
    expected = run.flow_run_id is None or run.flow_run_id == flow_run_id
    return expected or str(flow_run_id) in run.previous_flow_runs


async def _without_run(session: AsyncSession, begin: datetime) -> list[str]:
    """Documents and decisions that nothing was enqueued for, although they are to be acted on."""
    document_run = select(Run.id).where(
        Run.cause_kind == RunCause.DOCUMENT, Run.cause_id == cast(Document.id, Text)
    )
    documents = select(Document.id).where(
        Document.received_at >= begin,
        Document.status != DocumentStatus.SUPERSEDED,
        ~document_run.exists(),
    )
    decision_run = select(Run.id).where(
        Run.cause_kind == RunCause.DECISION, Run.cause_id == cast(Decision.id, Text)
    )
    decisions = select(Decision.id).where(Decision.received_at >= begin, ~decision_run.exists())
    return [
        *(f"document:{document_id}" for document_id in await session.scalars(documents)),
        *(f"decision:{decision_id}" for decision_id in await session.scalars(decisions)),
    ]


async def _waiting_too_long(session: AsyncSession, waiting: timedelta) -> list[str]:
    late = select(Run.id).where(Run.state == RunState.ACCEPTED, Run.next_attempt_at < func.now() - waiting)
    return [f"run:{run_id}" for run_id in await session.scalars(late)]


class _Dispatched(NamedTuple):
    """What is compared of a run."""

    id: uuid.UUID
    flow_run_id: uuid.UUID | None
    state: RunState
    state_name: str
    dispatched_at: datetime | None


async def _dispatched(sessions: Sessions, begin: datetime) -> AsyncIterator[Sequence[_Dispatched]]:
    """The runs that Prefect should have, page by page: those since `begin`, and older unfinished ones.

    There are hundreds of thousands in a busy hour, so they are never held all at once.
    """
    older = [Run.state.in_(FOLLOWED_RUN_STATES), Run.accepted_at < begin]
    for conditions in (RunFilter(since=begin).conditions(), older):
        last = uuid.UUID(int=0)
        while page := await _dispatched_after(sessions, last, conditions):
            yield page
            last = page[-1].id


async def _dispatched_after(
    sessions: Sessions, last: uuid.UUID, conditions: Sequence[ColumnElement[bool]]
) -> Sequence[_Dispatched]:
    # Prefect is known not to have it any more.
    deleted = and_(Run.state == RunState.CANCELLED, Run.state_name == DELETED)
    statement = (
        select(Run.id, Run.flow_run_id, Run.state, Run.state_name, Run.dispatched_at)
        .where(Run.id > last, Run.flow_run_id.is_not(None), ~deleted, *conditions)
        .order_by(Run.id)
        .limit(PAGE)
    )
    async with sessions() as session:
        return [_Dispatched(*row) for row in await session.execute(statement)]


def _compare(
    report: Report, runs: Sequence[_Dispatched], known: dict[uuid.UUID, FlowRun], *, settled: datetime
) -> None:
    for run in runs:
        flow_run = known.get(run.flow_run_id) if run.flow_run_id else None
        if flow_run is None:
            if run.dispatched_at is None or run.dispatched_at < settled:
                report.causes_without_flow_run.append(f"run:{run.id}")
            continue
        same = (run.state, run.state_name) == (flow_run.state.type, flow_run.state.name)
        if not same and flow_run.state.timestamp < settled:
            report.disagreements.append(f"run:{run.id}")
