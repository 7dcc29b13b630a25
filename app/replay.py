"""Replaying runs that ended badly: one, or all that a filter names; and listing them beforehand."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import applications, runs
from app.db import Sessions
from app.errors import Conflict
from app.models import UNSUCCESSFUL_RUN_STATES, Run, RunCause, RunState


@dataclass(frozen=True)
class Selection:
    """Which runs are meant, by state, route and the time since which they were accepted."""

    states: tuple[RunState, ...] = (RunState.DEAD,)
    route: str | None = None
    since: datetime | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """As SQL."""
        conditions: list[ColumnElement[bool]] = []
        if self.states:
            conditions.append(Run.state.in_(self.states))
        if self.route is not None:
            conditions.append(Run.route == self.route)
        if self.since is not None:
            conditions.append(Run.accepted_at >= self.since)
        return conditions


@dataclass(frozen=True)
class Replayed:
    """`matching` runs fitted the selection when it was counted; these were replayed, or would have been."""

    matching: int
    run_ids: list[uuid.UUID]


async def find(session: AsyncSession, selection: Selection, *, limit: int) -> Sequence[Run]:
    """The runs of a selection, the longest accepted first."""
    statement = select(Run).where(*selection.conditions()).order_by(Run.accepted_at, Run.id).limit(limit)
    return (await session.scalars(statement)).all()


async def replay(session: AsyncSession, run_id: uuid.UUID, *, actor: str) -> Run:
    """Accept the run again, and have its document read again. Raises NotFound or Conflict."""
    run = await runs.replay(session, run_id, actor=actor)
    if run.cause_kind is RunCause.DOCUMENT:
        await applications.verification_restarted(session, uuid.UUID(run.cause_id))
    return run


async def replay_all(
    sessions: Sessions, selection: Selection, *, actor: str, limit: int, dry_run: bool = False
) -> Replayed:
    """Replay up to `limit` runs of a selection, the longest accepted first; `dry_run` only tells which.

    Each is a transaction of its own: what was replayed stays so when a later one fails. Raises Conflict,
    with nothing replayed, for states from which no run can be.
    """
    if impossible := set(selection.states) - UNSUCCESSFUL_RUN_STATES:
        raise Conflict(f"{', '.join(sorted(impossible))} runs cannot be replayed: they have not ended badly.")
    async with sessions() as session:
        count = select(func.count()).select_from(Run).where(*selection.conditions())
        matching = await session.scalar(count) or 0
        found = [run.id for run in await find(session, selection, limit=limit)]
    if dry_run:
        return Replayed(matching, found)
    return Replayed(matching, [run_id for run_id in found if await _still(sessions, run_id, actor)])


async def _still(sessions: Sessions, run_id: uuid.UUID, actor: str) -> bool:
    """Replay the run, unless somebody else has done so meanwhile."""
    try:
        async with sessions.begin() as session:
            await replay(session, run_id, actor=actor)
    except Conflict:
        return False
    return True
