"""Whether the underwriting tool took what was read of a document.

A refusal stays with the document until a later hand-over is taken: the application waits in review, and
somebody has to tell the tool by other means, or mend it and replay the run.
"""

from __future__ import annotations

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app import applications, audit
from app.changes import application_changed
from app.models import Application, ApplicationStatus, Document

_ACTOR = "document-verification"


async def record_taken(session: AsyncSession, document: Document) -> None:
    """The tool has it; an earlier refusal is over. Raises Purged."""
    await _set_refusal(session, document, None)
    _audit(session, document, "underwriting.told")


async def record_refused(session: AsyncSession, document: Document, *, status: int) -> None:
    """The tool answered with this HTTP status, for good. Raises Purged."""
    await _set_refusal(session, document, f"The underwriting tool answered {status}.")
    _audit(session, document, "underwriting.refused", status=status)


async def refused(session: AsyncSession) -> int:
    """Documents of applications in review that the underwriting tool refused."""
    count = (
        select(func.count())
        .select_from(Document)
        .join(Application, Application.id == Document.application_id)
        .where(Document.handover_refusal.is_not(None), Application.status == ApplicationStatus.IN_REVIEW)
    )
    return await session.scalar(count) or 0


async def _set_refusal(session: AsyncSession, document: Document, refusal: str | None) -> None:
    await applications.lock(session, document.application_id)
    changed = await session.scalar(
        update(Document)
        .where(Document.id == document.id, Document.handover_refusal.is_distinct_from(refusal))
        .values(handover_refusal=refusal)
        .returning(Document.id)
    )
    if changed is not None:
        await application_changed(session, document.application_id)


def _audit(session: AsyncSession, document: Document, action: str, **detail: int) -> None:
    audit.record(session, actor=_ACTOR, action=action, subject=f"document:{document.id}", **detail)
