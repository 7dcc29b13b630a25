"""`POST /v1/sns`: the HTTPS subscription. SNS retries 5xx and never 4xx, so the status decides over loss."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from app import errors, inbox, sns, sns_certificates, sns_client
from app.models import NotificationOutcome
from app.telemetry import NOTIFICATIONS
from app.web.deps import Gateway, Parts
from app.web.problems import responses

router = APIRouter(tags=["SNS"])


class Accepted(BaseModel):
    """What became of the notification. It is in the database when this is sent."""

    outcome: NotificationOutcome


@router.post(
    "/v1/sns",
    summary="Receive a message from SNS",
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
        errors.DatabaseUnavailable,
        errors.CertificateUnavailable,
    ),
    openapi_extra={
        "requestBody": {
            "description": "An SNS envelope. SNS sends it as text/plain.",
            "content": {"text/plain": {"schema": {"type": "string"}}},
            "required": True,
        }
    },
)
async def receive(request: Request, parts: Parts) -> Accepted:
    """Verify, deduplicate, commit, then answer.

    Authentication is the message's own signature and the allow-list of topics; a subscription is
    confirmed by itself when its topic is listed.
    """
    body = await request.body()
    message = await _verified(request, parts, body)
    if message.kind is sns.MessageType.SUBSCRIPTION_CONFIRMATION:
        await sns_client.confirm_subscription(parts.settings.sns, message.topic_arn, message.token or "")
    async with parts.sessions.begin() as session:
        receipt = await inbox.receive(session, parts.routes, message, body)
    NOTIFICATIONS.labels(receipt.outcome).inc()
    if receipt.problem is not None:
        raise errors.Malformed(receipt.problem)
    return Accepted(outcome=receipt.outcome)


async def _verified(request: Request, parts: Gateway, body: bytes) -> sns.Message:
    """The message, after every check; the cheap ones first, so that nothing is fetched for a stranger."""
    settings, now = parts.settings.sns, parts.now()
    message = sns.parse(body)
    sns.check_headers(message, request.headers)
    sns.check_policy(message, settings.topics, now)
    origins = settings.extra_certificate_origins
    sns_certificates.check_certificate_url(message.signing_cert_url, message.topic_arn, origins)
    certificate = await parts.certificates.get(message.signing_cert_url)
    sns.verify(message, certificate, now=now, extra_origins=origins)
    return message


@router.get("/v1/sns", include_in_schema=False)
async def explain() -> Response:
    """Whoever opens the endpoint in a browser is told what it is for."""
    return Response("Subscribe an SNS topic to this URL over HTTPS; see /docs.\n", media_type="text/plain")
