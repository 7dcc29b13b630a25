"""`POST /v1/applications/{id}/decisions`: the underwriting tool says what was decided."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Request, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from app import decisions, errors, standard_webhooks, status
from app.models import DecisionOutcome, Role
from app.status import DecisionView
from app.web.applications import Text
from app.web.deps import ApplicationId, Bearer, Parts, authenticate
from app.web.problems import responses

router = APIRouter(prefix="/v1/applications", tags=["Decisions"])

SIGNED_SOURCE = "underwriting-tool"
"""The source of every decision that came by signed webhook."""


@dataclass(frozen=True)
class Statement:
    """Who sends the decision, and the key under which repeating it changes nothing."""

    source: str
    idempotency_key: str


async def statement(
    request: Request,
    parts: Parts,
    bearer: Bearer,
    idempotency_key: Annotated[
        str | None,
        Header(max_length=255, description="Needed with an API key; any text that is new for each decision."),
    ] = None,
) -> Statement:
    """A Standard Webhooks signature, or an underwriter's API key with an Idempotency-Key."""
    if "webhook-signature" in request.headers:
        webhook_id = standard_webhooks.verify(
            parts.settings.decisions.webhook_secrets,
            request.headers,
            await request.body(),
            now=parts.now(),
            tolerance_seconds=parts.settings.decisions.tolerance_seconds,
        )
        return Statement(SIGNED_SOURCE, webhook_id)
    if bearer is None:
        raise errors.Unauthenticated(
            "Sign the decision by Standard Webhooks (webhook-id, webhook-timestamp, webhook-signature), or "
            "send an underwriter's API key as `Authorization: Bearer <key>` with an Idempotency-Key."
        )
    caller = await authenticate(parts, bearer, Role.UNDERWRITER)
    if not idempotency_key:
        raise errors.BadRequest("Send an Idempotency-Key header: any text that is new for each decision.")
    return Statement(caller.actor, idempotency_key)


class DecisionBody(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "outcome": "denied",
                    "reasons": ["The document has expired"],
                    "conditions": [],
                    "decided_by": "underwriter-17",
                }
            ]
        },
    )

    outcome: DecisionOutcome
    reasons: Annotated[list[Text], Field(max_length=20)] = []
    """Principal reasons; a denial needs at least one (Regulation B, 12 CFR 1002.9)."""
    conditions: Annotated[list[Text], Field(max_length=20)] = []
    decided_by: Text
    decided_at: AwareDatetime | None = None
    """Now, when left out."""


@router.post(
    "/{application_id}/decisions",
    status_code=202,
    summary="Decide an application",
    responses={
        200: {"model": DecisionView, "description": "This decision was received before."},
        **responses(
            errors.Malformed,
            errors.Unauthenticated,
            errors.SignatureInvalid,
            errors.RoleMissing,
            errors.NotFound,
            errors.DecisionNotPossible,
            errors.DecisionConflict,
            errors.IdempotencyKeyReused,
            errors.Unprocessable,
            errors.DatabaseUnavailable,
        ),
    },
)
async def decide(
    application_id: ApplicationId,
    body: DecisionBody,
    parts: Parts,
    sender: Annotated[Statement, Depends(statement)],
    response: Response,
) -> DecisionView:
    """Record it once and start the `underwriting-decision` flow, which applies it and tells the applicant."""
    if body.outcome is DecisionOutcome.DENIED and not body.reasons:
        raise errors.Unprocessable("A denial needs at least one reason: the applicant has to be told.")
    new = decisions.NewDecision(
        application_id=application_id,
        source=sender.source,
        idempotency_key=sender.idempotency_key,
        outcome=body.outcome,
        reasons=tuple(body.reasons),
        conditions=tuple(body.conditions),
        decided_by=body.decided_by,
        decided_at=body.decided_at or parts.now(),
    )
    async with parts.sessions.begin() as session:
        decision, created = await decisions.record(session, parts.routes, new)
    response.status_code = 202 if created else 200
    return status.decision(decision)
