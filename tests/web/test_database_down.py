"""The gateway while its own database is down: nothing is acknowledged, nothing is lost."""

from __future__ import annotations

import signal
import uuid
from collections.abc import Iterator

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import func, select

from app import migrate
from app.db import Sessions
from app.dev.postgres import EmbeddedPostgres
from app.models import Run
from app.settings import DatabaseSettings
from tests.web.conftest import Notify, s3_event


@pytest.fixture
def server() -> Iterator[EmbeddedPostgres]:
    """A server of its own, that can be stopped without disturbing other tests."""
    with EmbeddedPostgres() as server:
        yield server


@pytest.fixture
def database(server: EmbeddedPostgres) -> DatabaseSettings:
    server.create_database("sluice")
    settings = DatabaseSettings(url=SecretStr(server.url("sluice")))
    migrate.upgrade(settings)
    return settings


async def test_a_notification_is_answered_503_and_taken_when_it_is_sent_again(
    notify: Notify, client: httpx.AsyncClient, sessions: Sessions, server: EmbeddedPostgres
) -> None:
    message_id = str(uuid.uuid4())
    message = s3_event("applications/A-1/license-front/front.jpg")
    server.process.stop(with_signal=signal.SIGINT)
    refused = await notify(message, MessageId=message_id)
    alive = await client.get("/livez")
    ready = await client.get("/readyz")
    server.restart()
    accepted = await notify(message, MessageId=message_id)

    assert refused.status_code == 503
    assert refused.json()["type"] == "urn:sluice:problem:database-unavailable"
    assert int(refused.headers["retry-after"]) > 0
    assert alive.status_code == 200
    assert ready.status_code == 503
    assert ready.json()["checks"]["database"].startswith("unavailable")
    assert accepted.status_code == 200
    async with sessions() as session:
        assert await session.scalar(select(func.count()).select_from(Run)) == 1
