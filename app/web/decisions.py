"""`POST /v1/applications/{id}/decisions`: the underwriting tool says what was decided."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Request, Response, Security
from fastapi.security import HTTPAuthorizationCredentials
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, WithJsonSchema

from app import decisions, errors, regulation_b, standard_webhooks, status, tracing
from app.models import DecisionOutcome, Role
from app.status import DecisionView
from app.web.deps import ApplicationId, Parts, api_key, authenticate
from app.web.fields import WITHOUT_NUL, IsoTime, Text, without_nul
from app.web.problems import BY_KEY, responses

router = APIRouter(prefix="/v1/applications", tags=["Decisions"])

SIGNED_SOURCE = "underwriting-tool"
"""The source of every decision that came by signed webhook."""

_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
"""What programs send for a time that was never set lies before: the year 1, or 1970."""
_AHEAD = timedelta(days=1)
"""A sender's clock may be wrong, or local time have been taken for UTC."""


@dataclass(frozen=True)
class Statement:
    """Who sends the decision, and the key under which repeating it changes nothing."""

    source: str
    idempotency_key: str


async def statement(
    request: Request,
    parts: Parts,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Security(api_key, scopes=[str(Role.UNDERWRITER)])],
    idempotency_key: Annotated[
        str | None,
        Header(
            pattern=r"^[ -~]{1,255}$",
            description="Needed with an API key: any ASCII text that is new for each decision.",
            examples=["decision-17"],
        ),
    ] = None,
) -> Statement:
    """A Standard Webhooks signature, or an underwriter's API key with an Idempotency-Key."""
    if standard_webhooks.SIGNATURE_HEADER in request.headers:
        webhook_id = standard_webhooks.verify(
            parts.settings.decisions.webhook_secrets,
            request.headers,
            await request.body(),
            now=parts.now(),
            tolerance_seconds=parts.settings.decisions.tolerance_seconds,
        )
        parts.limits.admit(request, SIGNED_SOURCE)
        return Statement(SIGNED_SOURCE, webhook_id)
    if bearer is None:
        raise errors.Unauthenticated(
            "Sign the decision by Standard Webhooks (webhook-id, webhook-timestamp, webhook-signature), or "
            "send an underwriter's API key as `Authorization: Bearer <key>` with an Idempotency-Key."
        )
    caller = await authenticate(request, parts, bearer, Role.UNDERWRITER)
    if not idempotency_key:
        raise errors.BadRequest("Send an Idempotency-Key header: any text that is new for each decision.")
    return Statement(caller.actor, idempotency_key)


Reason = Annotated[
    Text,
    WithJsonSchema(
        {
            "anyOf": [
                {
                    "type": "string",
                    "enum": list(regulation_b.PrincipalReason),
                    "description": "A reason of form C-1 (12 CFR Part 1002, Appendix C): "
                    + "; ".join(f"`{reason}`: {reason.text}" for reason in regulation_b.PrincipalReason),
                },
                {
                    "type": "string",
                    "minLength": 1,
                    "maxLength": 200,
                    "pattern": regulation_b.OWN_TEXT,
                    "allOf": [WITHOUT_NUL],
                    "description": "Own text, as a sentence for the applicant.",
                },
            ]
        }
    ),
]


Note = Annotated[
    str, Field(min_length=1, max_length=4_000, json_schema_extra=WITHOUT_NUL), AfterValidator(without_nul)
]

_REASONS_NEEDED: list[JsonValue] = [
    {
        "if": {"properties": {"outcome": {"const": outcome}}, "required": ["outcome"]},
        "then": {"properties": {"reasons": {"minItems": 1, **most}}, "required": ["reasons"]},
    }
    for outcome, most in (
        (DecisionOutcome.DENIED, {"maxItems": regulation_b.MOST_REASONS}),
        (DecisionOutcome.MORE_INFORMATION_NEEDED, {}),
    )
]
"""What `app.decisions` asks for, said in the description too."""


class DecisionBody(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "allOf": _REASONS_NEEDED,
            "examples": [
                {
                    "application_id": "A-1001",
                    "outcome": "denied",
                    "reasons": ["income_not_verified", "The document has expired"],
                    "decided_by": "underwriter-17",
                    "decided_at": "2026-11-20T10:00:00Z",
                    "note": "Spoke to the applicant on the telephone.",
                },
                {
                    "application_id": "A-1001",
                    "outcome": "approved",
                    "conditions": ["Proof of income"],
                    "decided_by": "underwriter-17",
                },
                {
                    "application_id": "A-1001",
                    "outcome": "more_information_needed",
                    "reasons": ["A picture of the back of your driver's licence"],
                    "decided_by": "underwriter-17",
                },
            ],
        },
    )

    application_id: str | None = None
    """As in the address. Needed in a signed decision, since the signature covers the body alone."""
    outcome: DecisionOutcome
    reasons: Annotated[list[Reason], Field(max_length=20)] = []
    """Why, in the applicant's email. A denial needs one to four (Regulation B, 12 CFR 1002.9), a request
    for more information at least one, saying what is needed."""
    conditions: Annotated[list[Text], Field(max_length=20)] = []
    """What an approval is subject to, in the applicant's email."""
    decided_by: Text
    decided_at: IsoTime | None = None
    """From the year 2000 on, and at most a day ahead of our clock. The time of receipt, when left out."""
    note: Note | None = None
    """For underwriters: kept encrypted, never sent to the applicant or shown to the loan app."""


class RunLink(BaseModel):
    """The run that applies the decision and tells the applicant."""

    id: uuid.UUID
    url: str
    """Where to follow it: `GET` it with an API key; also in the header `Location`."""


class Decided(DecisionView):
    run: RunLink | None
    """None when the routes file starts no flow on decisions."""


_LOCATION: dict[str, Any] = {
    "Location": {"description": "The run's status URL.", "schema": {"type": "string"}, "required": False}
}


@router.post(
    "/{application_id}/decisions",
    status_code=202,
    summary="Decide an application",
    responses={
        200: {
            "model": Decided,
            "description": "This decision was received before; the answer is the first one's.",
            "headers": _LOCATION,
        },
        202: {"description": "Recorded, and its run accepted.", "headers": _LOCATION},
        **responses(
            *BY_KEY,
            errors.BadRequest,
            errors.Malformed,
            errors.SignatureInvalid,
            errors.NotFound,
            errors.Purged,
            errors.DecisionNotPossible,
            errors.DecisionConflict,
            errors.Unprocessable,
            errors.IdempotencyKeyReused,
        ),
    },
    openapi_extra={"security": [{"WebhookId": [], "WebhookTimestamp": [], "WebhookSignature": []}]},
)
async def decide(
    application_id: ApplicationId,
    body: DecisionBody,
    parts: Parts,
    sender: Annotated[Statement, Depends(statement)],
    response: Response,
) -> Decided:
    """Record it once and start the `underwriting-decision` flow, which applies it and tells the applicant."""
    _check_named(application_id, body, sender)
    _check_time(body.decided_at, parts.now())
    new = decisions.NewDecision(
        application_id=application_id,
        source=sender.source,
        idempotency_key=sender.idempotency_key,
        outcome=body.outcome,
        reasons=tuple(body.reasons),
        conditions=tuple(body.conditions),
        decided_by=body.decided_by,
        decided_at=body.decided_at,
        note=body.note,
    )
    with tracing.span("record decision"):
        async with parts.sessions.begin() as session:
            recorded = await decisions.record(session, parts.routes, parts.keyring, new)
    run = recorded.run_id and RunLink(id=recorded.run_id, url=f"/v1/runs/{recorded.run_id}")
    if run:
        response.headers["Location"] = run.url
    response.status_code = 202 if recorded.created else 200
    return Decided(**status.decision(recorded.decision).model_dump(), run=run)


def _check_named(application_id: str, body: DecisionBody, sender: Statement) -> None:
    """Raises Unprocessable unless the body is about the application of the address.

    A signature covers the body and not the address: what was signed for one application must count for no
    other. Who sends an API key with it may leave the name out.
    """
    if body.application_id is None and sender.source != SIGNED_SOURCE:
        return
    if body.application_id != application_id:
        raise errors.Unprocessable(
            f'Name the application in the body: `application_id` must be "{application_id}", as in the '
            "address, which a signature does not cover."
        )


def _check_time(decided_at: datetime | None, now: datetime) -> None:
    """Raises Unprocessable for a time at which nobody can have decided."""
    if decided_at is not None and not _EARLIEST <= decided_at <= now + _AHEAD:
        raise errors.Unprocessable(
            f"`decided_at` must lie between {_EARLIEST:%Y-%m-%d} and a day from now; without it, the time of "
            "receipt counts."
        )
