"""What a watcher can see has changed: bump its version and say so, in the caller's transaction.

PostgreSQL delivers a NOTIFY at commit and drops it on rollback, so nobody is woken for a change that
did not happen.
"""

from __future__ import annotations

import uuid

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import Application

CHANGES = "sluice_changes"
"""Channel for `application:<id>` and `run:<id>`: something a watcher can see is new."""

DUE = "sluice_due"
"""Channel for the dispatcher: a run has become due."""


async def application_changed(session: AsyncSession, application_id: str) -> None:
    """Give the application its next version and wake whoever watches it."""
    await session.execute(
        update(Application)
        .where(Application.id == application_id)
        .values(version=Application.version + 1, updated_at=func.now())
    )
    await notify(session, CHANGES, f"application:{application_id}")


async def run_changed(session: AsyncSession, run_id: uuid.UUID, application_id: str | None) -> None:
    """Wake the run's watchers, and its application's: a run is part of what they see.

    The run's own version is bumped by the statement that changed it.
    """
    await notify(session, CHANGES, f"run:{run_id}")
    if application_id is not None:
        await application_changed(session, application_id)


async def notify(session: AsyncSession, channel: str, payload: str = "") -> None:
    await session.execute(select(func.pg_notify(channel, payload)))
