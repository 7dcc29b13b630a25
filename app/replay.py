"""Replaying runs that ended badly: one, or all that a filter names."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import applications, runs
from app.db import Sessions
from app.errors import Conflict, NotFound
from app.models import UNSUCCESSFUL_RUN_STATES, Run, RunCause, RunState
from app.run_filter import RunFilter


@dataclass(frozen=True)
class Replayed:
    """`matching` runs fitted the filter when it was counted; these were replayed, or would have been."""

    matching: int
    run_ids: list[uuid.UUID]


async def replay(session: AsyncSession, run_id: uuid.UUID, *, actor: str) -> Run:
    """Accept the run again, and have its document read again. Raises NotFound or Conflict."""
    run = await runs.replay(session, run_id, actor=actor)
    if run.cause_kind is RunCause.DOCUMENT:
        await applications.verification_restarted(session, uuid.UUID(run.cause_id))
    return run


async def replay_all(
    sessions: Sessions, which: RunFilter, *, actor: str, limit: int, dry_run: bool = False
) -> Replayed:
    """Replay up to `limit` runs of a filter, the longest accepted first; `dry_run` only tells which.

    Each is a transaction of its own: what was replayed stays so when a later one fails. Raises Conflict,
    with nothing replayed, for states from which no run can be.
    """
    if impossible := set(which.states or RunState) - UNSUCCESSFUL_RUN_STATES:
        raise Conflict(f"{', '.join(sorted(impossible))} runs cannot be replayed: they have not ended badly.")
    async with sessions() as session:
        conditions = which.conditions()
        matching = await session.scalar(select(func.count()).select_from(Run).where(*conditions)) or 0
        oldest = select(Run.id).where(*conditions).order_by(Run.accepted_at, Run.id).limit(limit)
        found = list(await session.scalars(oldest))
    if dry_run:
        return Replayed(matching, found)
    return Replayed(matching, [run_id for run_id in found if await _still(sessions, run_id, actor)])


async def _still(sessions: Sessions, run_id: uuid.UUID, actor: str) -> bool:
    """Replay the run, unless somebody else has done so meanwhile, or it was purged."""
    try:
        async with sessions.begin() as session:
            await replay(session, run_id, actor=actor)
    except (Conflict, NotFound):
        return False
    return True
