"""A gateway without its Prefect loops, on a real database, with a signer whose certificate it trusts."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from sqlalchemy import select
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app import api_keys, applications, encryption, standard_webhooks
from app.db import Sessions
from app.dev.process import free_port
from app.dev.serving import serving
from app.dev.sns_signing import Signer, now
from app.encryption import Keyring
from app.main import create_app
from app.models import Document, Role
from app.settings import (
    DatabaseSettings,
    DecisionSettings,
    DispatcherSettings,
    EncryptionSettings,
    LimitSettings,
    ProjectionSettings,
    Settings,
    SnsSettings,
)
from app.web.deps import Gateway

TOPIC = "arn:aws:sns:us-east-1:123456789012:uploads"
BUCKET = "sluice-documents"

Headers = dict[str, str]
Notify = Callable[..., Awaitable[httpx.Response]]


@pytest.fixture
def webhook_secret() -> SecretStr:
    return SecretStr(standard_webhooks.new_secret())


@pytest.fixture
def settings(
    database: DatabaseSettings, signer: Signer, webhook_secret: SecretStr, monkeypatch: pytest.MonkeyPatch
) -> Settings:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    origin = signer.certificate_url.removesuffix(signer.certificate_path)
    return Settings(
        database=database,
        limit=LimitSettings(address_per_second=0, key_per_second=0, sns_per_second=0),
        sns=SnsSettings(topics=[TOPIC], extra_certificate_origins=[origin]),
        dispatcher=DispatcherSettings(enabled=False),
        projection=ProjectionSettings(enabled=False),
        decisions=DecisionSettings(webhook_secrets=[webhook_secret]),
        encryption=EncryptionSettings(keys=[SecretStr(encryption.new_key("test"))]),
    )


@pytest.fixture
async def app(settings: Settings) -> AsyncIterator[FastAPI]:
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
def parts(app: FastAPI) -> Gateway:
    """What the gateway under test is made of."""
    gateway: Gateway = app.state.gateway
    return gateway


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://sluice") as client:
        yield client


async def _key(sessions: Sessions, role: Role) -> Headers:
    async with sessions.begin() as session:
        key = await api_keys.create(session, role=role, label="test")
    return {"Authorization": f"Bearer {key}"}


@pytest.fixture
async def loan_app(sessions: Sessions) -> Headers:
    return await _key(sessions, Role.LOAN_APP)


@pytest.fixture
async def underwriter(sessions: Sessions) -> Headers:
    return await _key(sessions, Role.UNDERWRITER)


@pytest.fixture
async def operator(sessions: Sessions) -> Headers:
    return await _key(sessions, Role.OPERATOR)


def notification(message: str, **content: str) -> dict[str, str]:
    """The signed values of a notification; `content` replaces or adds some."""
    return {
        "Type": "Notification",
        "MessageId": str(uuid.uuid4()),
        "TopicArn": TOPIC,
        "Message": message,
        "Timestamp": now(),
        **content,
    }


def confirmation(**content: str) -> dict[str, str]:
    """The signed values of a message that asks to confirm a subscription, likewise."""
    return notification(
        f"You have chosen to subscribe to the topic {TOPIC}.",
        **{
            "Type": "SubscriptionConfirmation",
            "Token": "the-token",
            "SubscribeURL": "https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription&Token=the-token",
            **content,
        },
    )


@pytest.fixture
def notify(client: httpx.AsyncClient, signer: Signer) -> Notify:
    """Send a signed notification; `content` replaces or adds signed values."""

    async def send(message: str, **content: str) -> httpx.Response:
        return await client.post("/v1/sns", content=signer.envelope(notification(message, **content)))

    return send


@dataclass
class SnsApi:
    """SNS's own API: it answers ConfirmSubscription, with an error if one is set, and counts the calls."""

    error: str | None = None
    calls: list[dict[str, str]] = field(default_factory=list)

    async def answer(self, request: Request) -> Response:
        form = parse_qs((await request.body()).decode())
        self.calls.append({name: values[0] for name, values in form.items()})
        if self.error is not None:
            content = f"<Error><Code>{self.error}</Code><Message>Refused</Message></Error>"
            return Response(f"<ErrorResponse>{content}</ErrorResponse>", status_code=400)
        result = f"<SubscriptionArn>{TOPIC}:b24e11a2</SubscriptionArn>"
        return Response(
            '<ConfirmSubscriptionResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/">'
            f"<ConfirmSubscriptionResult>{result}</ConfirmSubscriptionResult></ConfirmSubscriptionResponse>"
        )


@pytest.fixture
async def sns_api(settings: Settings) -> AsyncIterator[SnsApi]:
    """The gateway confirms its subscriptions there."""
    api, port = SnsApi(), free_port()
    settings.sns.endpoint_url = f"http://127.0.0.1:{port}"
    async with serving(Starlette(routes=[Route("/", api.answer, methods=["POST"])]), port):
        yield api


def s3_event(key: str, *, etag: str = "d41d8cd98f00b204e9800998ecf8427e", sequencer: str = "0A") -> str:
    """What S3 tells about one upload (S3 User Guide, "Event message structure")."""
    return s3_events(s3_record(key, etag=etag, sequencer=sequencer))


def s3_events(*records: dict[str, Any]) -> str:
    """A message about several things that happened."""
    return json.dumps({"Records": records})


def s3_record(
    key: str,
    *,
    event: str = "ObjectCreated:Post",
    etag: str = "d41d8cd98f00b204e9800998ecf8427e",
    sequencer: str | None = "0A",
    **stored: Any,
) -> dict[str, Any]:
    """One of them; `stored` adds to what is said of the object."""
    return {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": "us-east-1",
        "eventTime": "2026-11-20T10:00:00.000Z",
        "eventName": event,
        "s3": {
            "bucket": {"name": BUCKET},
            "object": {"key": key, "size": 1024, "eTag": etag, "sequencer": sequencer, **stored},
        },
    }


DECISIONS_URL = "/v1/applications/A-1/decisions"

Decide = Callable[..., Awaitable[httpx.Response]]


@pytest.fixture
def decide(client: httpx.AsyncClient, webhook_secret: SecretStr) -> Decide:
    """Send a decision signed by Standard Webhooks, about the application of the URL unless it names one."""

    async def send(
        body: dict[str, Any],
        *,
        webhook_id: str | None = None,
        secret: SecretStr = webhook_secret,
        at: datetime | None = None,
        url: str = DECISIONS_URL,
    ) -> httpx.Response:
        content = json.dumps({"application_id": url.split("/")[3], **body}).encode()
        headers = standard_webhooks.sign(
            secret, webhook_id or f"msg_{uuid.uuid4()}", at or datetime.now(UTC), content
        )
        return await client.post(
            url, content=content, headers={**headers, "Content-Type": "application/json"}
        )

    return send


@pytest.fixture
async def in_review(notify: Notify, sessions: Sessions, settings: Settings) -> None:
    """Application A-1 with one document that was read."""
    await notify(s3_event("applications/A-1/license-front/front.jpg"))
    async with sessions.begin() as session:
        document_id = await session.scalar(select(Document.id))
        assert document_id is not None
        await applications.record_extraction(
            session,
            Keyring(settings.encryption.keys),
            document_id,
            fields={"FIRST_NAME": {"value": "ADA"}},
            checks=[],
            recommendation="review",
            engine={},
        )
