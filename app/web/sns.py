"""`POST /v1/sns`: the HTTPS subscription. SNS retries 5xx and never 4xx, so the status decides over loss.

Which situation is answered with which status: docs/sns.md.
"""

from __future__ import annotations

import json
from datetime import datetime

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel
from starlette.responses import PlainTextResponse

from app import errors, inbox, quarantine, sns, sns_client, tracing
from app.models import NotificationOutcome
from app.telemetry import NOTIFICATIONS
from app.web.deps import Gateway, Parts
from app.web.limits import prove
from app.web.problems import responses

router = APIRouter(tags=["SNS"])


_ENVELOPE = json.dumps(
    {
        "Type": "Notification",
        "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        "TopicArn": "arn:aws:sns:us-east-1:111122223333:uploads",
        "Message": '{"Records": [{"eventSource": "aws:s3", "eventName": "ObjectCreated:Post", "s3": {}}]}',
        "Timestamp": "2026-11-20T10:00:00.123Z",
        "SignatureVersion": "2",
        "Signature": "EXAMPLE=",
        "SigningCertURL": "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-"
        "0123456789abcdef0123456789abcdef.pem",
        "UnsubscribeURL": "https://sns.us-east-1.amazonaws.com/?Action=Unsubscribe",
    },
    indent=2,
)


_EXPLANATION = "Subscribe an SNS topic to this URL over HTTPS; see /docs.\n"


class Accepted(BaseModel):
    """What became of the notification. It is in the database when this is sent."""

    outcome: NotificationOutcome


@router.post(
    "/v1/sns",
    summary="Receive a message from SNS",
    response_model=Accepted,
    responses=responses(
        errors.BadRequest,
        errors.NotAnSnsMessage,
        errors.Malformed,
        errors.SignatureInvalid,
        errors.TopicNotAllowed,
        errors.SignatureVersionTooLow,
        errors.MessageTooOld,
        errors.SubscriptionRefused,
        errors.PayloadTooLarge,
        errors.Unavailable,
        errors.ShuttingDown,
        errors.TimedOut,
        errors.Overloaded,
        errors.DatabaseUnavailable,
        errors.CertificateUnavailable,
        errors.SluiceError,
    ),
    openapi_extra={
        "security": [],
        "requestBody": {
            "description": "An SNS envelope. SNS sends it as text/plain, and so it is described; no content "
            "type is asked for.",
            "content": {"text/plain": {"schema": {"type": "string"}, "example": _ENVELOPE}},
            "required": True,
        },
    },
)
async def receive(request: Request, parts: Parts) -> Response:
    """Verify, deduplicate, commit, then answer.

    **Signature:** the message's own. `Signature` in the body is SNS's RSA signature, with SHA-256 for
    `SignatureVersion` 2 and SHA-1 for 1, by the certificate at `SigningCertURL`; and `TopicArn` must be on
    the gateway's list. No API key is asked for. A subscription is confirmed by itself when its topic is
    listed. What SNS signed and is refused goes into quarantine.
    """
    body = await request.body()
    if parts.draining:
        raise errors.ShuttingDown("This gateway is shutting down. Send it again later, to another one.")
    now = parts.now()
    message = await _verified(request, parts, body, now)
    prove(request)
    try:
        subscription = await inbox.confirm(parts.sessions, parts.settings.sns, message)
        intake = inbox.read(parts.routes, message, body, subscription=subscription)
    except errors.Malformed as refusal:
        await _keep(parts, message, body, refusal, now)
        raise
    with tracing.span("inbox wait"):
        outcome = await parts.inbox.submit(intake)
    NOTIFICATIONS.labels(outcome).inc()
    return Response(Accepted(outcome=outcome).model_dump_json(), media_type="application/json")


async def _verified(request: Request, parts: Gateway, body: bytes, now: datetime) -> sns.Message:
    """The message, after every check; the cheap ones first, so that nothing is fetched for a forger.

    A message refused by its topic's policy is kept if SNS signed it; nobody else's leaves a trace.
    """
    settings = parts.settings.sns
    message = sns.parse(body)
    sns.check_headers(message, request.headers)
    try:
        sns.check_policy(message, settings.topics, now)
    except errors.TopicNotAllowed as refusal:
        if await _signed_by_stranger(parts, message, now):
            await _keep(parts, message, body, refusal, now)
        raise
    except errors.Forbidden as refusal:
        await sns_client.check_signature(parts.certificates, settings, message, now=now)
        await _keep(parts, message, body, refusal, now)
        raise
    await sns_client.check_signature(parts.certificates, settings, message, now=now)
    return message


async def _signed_by_stranger(parts: Gateway, message: sns.Message, now: datetime) -> bool:
    """Whether SNS signed a message of an unlisted topic; False too where finding out would cost too much."""
    if not parts.strangers.admit():
        return False
    try:
        await sns_client.check_signature(parts.strangers.certificates, parts.settings.sns, message, now=now)
    except (errors.SignatureInvalid, errors.CertificateUnavailable):
        return False
    return True


async def _keep(
    parts: Gateway, message: sns.Message, body: bytes, refusal: errors.SluiceError, now: datetime
) -> None:
    async with parts.sessions.begin() as session:
        await quarantine.keep(session, parts.settings.quarantine, message, body, refusal, now=now)


@router.get(
    "/v1/sns",
    summary="What this address is for",
    response_class=PlainTextResponse,
    responses={
        200: {"content": {"text/plain": {"example": _EXPLANATION}}},
        **responses(errors.Overloaded, errors.SluiceError),
    },
)
async def explain() -> str:
    """Whoever opens the endpoint in a browser is told what it is for."""
    return _EXPLANATION
