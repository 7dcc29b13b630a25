"""What the underwriting tool is told of a document, and keeping that it was told."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from app import handovers
from app.models import Document
from app.object_store import Link, ObjectStore
from flows import underwriting_tool
from flows.assessing import Assessed
from flows.context import Context
from flows.reader import Reading, Refusal


async def hand_over(
    context: Context, document: Document, result: Reading | Refusal, assessed: Assessed
) -> None:
    """Post it once. Raises what `underwriting_tool.post` raises, and ObjectStoreUnavailable."""
    settings = context.settings.underwriting
    # Made for this attempt: a link from an hour ago would show nothing.
    picture = await ObjectStore(context.settings.s3).link(
        document.bucket, document.key, document.version_id, seconds=settings.link_seconds
    )
    body = message(document, result, assessed, picture, datetime.now(UTC))
    await underwriting_tool.post(settings, f"document-{document.id}", body)
    async with context.sessions.begin() as session:
        await handovers.record_taken(session, document)


def message(
    document: Document, result: Reading | Refusal, assessed: Assessed, picture: Link | None, at: datetime
) -> bytes:
    """`document.read` with what was read, or `document.unreadable` with the reason."""
    about: dict[str, Any] = {
        "application_id": document.application_id,
        "document_id": str(document.id),
        "kind": document.kind,
        "picture": picture and {"url": picture.url, "expires_at": picture.expires_at.isoformat()},
        "assessment": {"complete": assessed.complete, **assessed.assessment.model_dump(mode="json")},
    }
    if isinstance(result, Refusal):
        refused = {"status": result.status, "reason": result.reason}
        return underwriting_tool.message("document.unreadable", at, about | refused)
    read = {
        "recommendation": result.recommendation,
        "checks": result.checks,
        "fields": result.fields,
        "engine": result.engine,
    }
    return underwriting_tool.message("document.read", at, about | read)
