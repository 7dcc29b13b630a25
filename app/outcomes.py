"""What follows for the loan when a run ends without success."""

from __future__ import annotations

import uuid

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from app import applications
from app.errors import NotFound
from app.models import UNSUCCESSFUL_RUN_STATES, Run, RunCause

log = structlog.get_logger()

_REASON = "The document could not be read automatically. A person will look at it."


async def run_changed_state(session: AsyncSession, run: Run) -> None:
    """In the transaction that changed the run: a document nobody will read any more reaches a person."""
    if run.cause_kind is not RunCause.DOCUMENT or run.state not in UNSUCCESSFUL_RUN_STATES:
        return
    try:
        await applications.verification_failed(session, uuid.UUID(run.cause_id), _REASON)
    except NotFound:
        # A purged document must not stop the loop that brought the news.
        log.warning("run of an unknown document", run=str(run.id), document=run.cause_id)
