"""Refused messages that SNS had signed: what there is, and letting one in."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict

from app import errors, quarantine
from app.models import NotificationOutcome
from app.web.deps import OperatorCaller, Parts
from app.web.problems import BY_KEY, responses

router = APIRouter(prefix="/v1/quarantine", tags=["Quarantine"])


class Quarantined(BaseModel):
    """A refused message, without its content."""

    model_config = ConfigDict(from_attributes=True)

    id: uuid.UUID
    topic_arn: str
    message_id: str
    kind: str
    """SNS's own word: Notification, SubscriptionConfirmation or UnsubscribeConfirmation."""
    reason: str
    """The slug of the problem it was answered with."""
    detail: str
    """What that problem said, and what to change."""
    sent_at: datetime
    received_at: datetime
    released_at: datetime | None
    outcome: NotificationOutcome | None
    """What became of it once it was released."""


class Page(BaseModel):
    """One page, the newest first. `next` is the `before` of the next page, or null on the last one."""

    messages: list[Quarantined]
    next: uuid.UUID | None


@router.get(
    "",
    summary="List refused messages",
    responses=responses(*BY_KEY, errors.Unprocessable),
)
async def list_quarantine(
    parts: Parts,
    _: OperatorCaller,
    limit: Annotated[int, Query(ge=1, le=200, description="Messages on a page.")] = 50,
    before: Annotated[uuid.UUID | None, Query(description="`next` of the page before.")] = None,
) -> Page:
    """Messages that SNS signed and that were refused, with the reason. Released ones are shown as such."""
    async with parts.sessions() as session:
        found = await quarantine.listing(session, limit=limit, before=before)
    return Page(
        messages=[Quarantined.model_validate(entry) for entry in found],
        next=found[-1].id if len(found) == limit else None,
    )


@router.post(
    "/{entry_id}/release",
    summary="Let a refused message in",
    responses=responses(
        *BY_KEY,
        errors.NotFound,
        errors.StillRefused,
        errors.Unprocessable,
        errors.Unavailable,
        errors.CertificateUnavailable,
    ),
)
async def release(entry_id: uuid.UUID, parts: Parts, caller: OperatorCaller) -> Quarantined:
    """After the configuration was corrected: the message is verified anew and taken as if it arrived now.

    Its topic must be listed and its signature must verify; its age no longer counts. A second release
    changes nothing and answers what the first one did.
    """
    entry = await quarantine.release(
        parts.sessions,
        parts.certificates,
        parts.settings.sns,
        parts.routes,
        entry_id,
        actor=caller.actor,
    )
    return Quarantined.model_validate(entry)
