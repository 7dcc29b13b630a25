"""A gateway without its Prefect loops, on a real database, with a signer whose certificate it trusts."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app import api_keys, encryption, standard_webhooks
from app.db import Sessions
from app.dev.process import free_port
from app.dev.serving import serving
from app.dev.sns_signing import Signer, now
from app.main import create_app
from app.models import Role
from app.settings import (
    DatabaseSettings,
    DecisionSettings,
    DispatcherSettings,
    EncryptionSettings,
    ProjectionSettings,
    Settings,
    SnsSettings,
)

TOPIC = "arn:aws:sns:us-east-1:123456789012:uploads"
BUCKET = "sluice-documents"

Headers = dict[str, str]
Notify = Callable[..., Awaitable[httpx.Response]]


@pytest.fixture(scope="session")
async def signer() -> AsyncIterator[Signer]:
    """Signs messages as SNS does; its certificate is served on loopback."""
    port = free_port()
    signer = Signer(f"http://127.0.0.1:{port}")

    async def certificate(_: Request) -> Response:
        return Response(signer.certificate_pem)

    async with serving(Starlette(routes=[Route(signer.certificate_path, certificate)]), port):
        yield signer


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
        sns=SnsSettings(topics=[TOPIC], extra_certificate_origins=[origin]),
        dispatcher=DispatcherSettings(enabled=False),
        projection=ProjectionSettings(enabled=False),
        decisions=DecisionSettings(webhook_secrets=[webhook_secret]),
        encryption=EncryptionSettings(keys=[SecretStr(encryption.new_key("test"))]),
    )


@pytest.fixture
async def client(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(settings)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app, raise_app_exceptions=False), base_url="http://sluice"
        ) as client,
    ):
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


@pytest.fixture
def notify(client: httpx.AsyncClient, signer: Signer) -> Notify:
    """Send a signed notification; `content` replaces or adds signed values."""

    async def send(message: str, **content: str) -> httpx.Response:
        signed = {
            "Type": "Notification",
            "MessageId": str(uuid.uuid4()),
            "TopicArn": TOPIC,
            "Message": message,
            "Timestamp": now(),
            **content,
        }
        return await client.post("/v1/sns", content=signer.envelope(signed))

    return send


def s3_event(key: str, *, etag: str = "d41d8cd98f00b204e9800998ecf8427e", sequencer: str = "0A") -> str:
    """What S3 tells about one upload (S3 User Guide, "Event message structure")."""
    record: dict[str, Any] = {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": "us-east-1",
        "eventTime": "2026-11-20T10:00:00.000Z",
        "eventName": "ObjectCreated:Post",
        "s3": {
            "bucket": {"name": BUCKET},
            "object": {"key": key, "size": 1024, "eTag": etag, "sequencer": sequencer},
        },
    }
    return json.dumps({"Records": [record]})
