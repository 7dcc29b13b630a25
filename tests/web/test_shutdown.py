"""A gateway that was asked to end: what still arrives on an open connection is sent back, not cut off."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import func, select

from app.db import Sessions
from app.dev.process import Process, free_port
from app.dev.sns_signing import Signer
from app.models import Notification
from app.settings import Settings
from tests.web.conftest import TOPIC, notification


@pytest.fixture
def gateway(settings: Settings, tmp_path: Path) -> Iterator[tuple[Process, int]]:
    """`sluice serve`, a process of its own, and its port."""
    port = free_port()

    async def ready() -> bool:
        try:
            async with httpx.AsyncClient() as client:
                return (await client.get(f"http://127.0.0.1:{port}/livez")).is_success
        except httpx.HTTPError:
            return False

    environment = {
        "SLUICE_HTTP_PORT": str(port),
        "SLUICE_DATABASE_URL": settings.database.url.get_secret_value(),
        "SLUICE_SNS_TOPICS": TOPIC,
        "SLUICE_SNS_EXTRA_CERTIFICATE_ORIGINS": settings.sns.extra_certificate_origins[0],
        "SLUICE_ENCRYPTION_KEYS": settings.encryption.keys[0].get_secret_value(),
        "SLUICE_DISPATCHER_ENABLED": "false",
        "SLUICE_PROJECTION_ENABLED": "false",
    }
    command = [str(Path(sys.executable).parent / "sluice"), "serve"]
    process = Process(
        "gateway", command, log=tmp_path / "gateway.log", env={**os.environ, **environment}, ready=ready
    )
    yield process, port
    process.stop()


async def test_a_message_that_is_not_whole_when_the_gateway_is_asked_to_end_is_sent_back(
    gateway: tuple[Process, int], signer: Signer, sessions: Sessions
) -> None:
    process, port = gateway
    await process.up()
    body = signer.envelope(notification("any text"))
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"POST /v1/sns HTTP/1.1\r\nHost: sluice\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    writer.write(head + body[:100])
    await writer.drain()
    await asyncio.sleep(0.3)

    os.kill(process.pid, signal.SIGTERM)
    await asyncio.sleep(0.3)
    writer.write(body[100:])
    answer = (await asyncio.wait_for(reader.read(), 10)).decode().lower()
    writer.close()

    assert answer.startswith("http/1.1 503 ")
    assert "\r\nretry-after: " in answer
    assert "urn:sluice:problem:shutting-down" in answer
    async with sessions() as session:
        assert await session.scalar(select(func.count()).select_from(Notification)) == 0
