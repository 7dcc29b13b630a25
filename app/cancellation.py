"""Cancelling a run: through Prefect, whose state it is."""

from __future__ import annotations

import uuid

from app import audit, projection
from app.db import Sessions
from app.errors import Conflict, NotFound
from app.models import FOLLOWED_RUN_STATES, Run, RunState
from app.prefect_client import PrefectClient


async def cancel(sessions: Sessions, prefect: PrefectClient, run_id: uuid.UUID, *, actor: str) -> Run:
    """Have Prefect cancel the run; returns it in the state that Prefect then tells.

    Prefect asks the worker to stop it, which shows as CANCELLING. When the run is stuck, or is CANCELLING
    already, nobody may be there to answer, so it becomes CANCELLED at once. Raises NotFound, Conflict for
    a run that Prefect does not have or has finished, PrefectUnavailable.
    """
    async with sessions() as session:
        run = await session.get(Run, run_id)
    if run is None:
        raise NotFound(f"There is no run {run_id}.")
    if run.state not in FOLLOWED_RUN_STATES or run.flow_run_id is None:
        raise Conflict(
            f"Run {run_id} is {run.state}; only a run that is under way in Prefect can be cancelled."
        )
    forced = run.stuck or run.state is RunState.CANCELLING
    await prefect.cancel(run.flow_run_id, force=forced)
    async with sessions.begin() as session:
        subject = f"run:{run_id}"
        audit.record(session, actor=actor, action="run.cancelled", subject=subject, forced=forced)
    await projection.apply(sessions, await prefect.read_flow_runs([run.flow_run_id]))
    async with sessions() as session:
        return await session.get_one(Run, run_id)
