"""A gateway that was asked to end: while its listener is open it serves all, and then it cuts nothing off."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
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


def message(signer: Signer) -> bytes:
    """A signed message as it comes over the connection."""
    body = signer.envelope(notification("any text"))
    return f"POST /v1/sns HTTP/1.1\r\nHost: sluice\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


async def committed(sessions: Sessions) -> int:
    """How many messages are in the database."""
    async with sessions() as session:
        return await session.scalar(select(func.count()).select_from(Notification)) or 0


async def readiness(client: httpx.AsyncClient, status: int) -> httpx.Response:
    """What `/readyz` answers as soon as it has that status."""
    async with asyncio.timeout(5):
        async for _ in moments():
            answer = await client.get("/readyz")
            if answer.status_code == status:
                return answer
    raise AssertionError


async def ended(process: Process) -> None:
    """Return when the process has."""
    async with asyncio.timeout(15):
        async for _ in moments():
            if not process.running:
                return


async def moments() -> AsyncIterator[None]:
    while True:
        yield
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_gateway_that_is_leaving_serves_until_its_listener_closes(
    gateway: tuple[Process, int], signer: Signer, sessions: Sessions, workers: int
) -> None:
    process, port = gateway
    process.command += ["--workers", str(workers)]
    process.env["SLUICE_HTTP_DRAIN_SECONDS"] = "3"
    await process.up()
    # A connection for each request, as from a balancer: any of the workers may get it.
    fresh = httpx.Limits(max_keepalive_connections=0)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", limits=fresh) as client:
        await readiness(client, 200)
        sent = message(signer)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent[:-100])
        await writer.drain()

        os.kill(process.pid, signal.SIGTERM)
        os.kill(process.pid, signal.SIGTERM)  # what a supervisor sends to a group arrives twice
        refused = await readiness(client, 503)
        arrived = await client.post("/v1/sns", content=signer.envelope(notification("another text")))
        alive = await client.get("/livez")
        writer.write(sent[-100:])
        in_flight = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        writer.close()
        leaving = process.running
        await ended(process)
        with pytest.raises(httpx.ConnectError):
            await client.get("/livez")

    assert refused.json()["checks"]["shutdown"] == "asked to end"
    assert leaving
    assert arrived.status_code == 200
    assert alive.status_code == 200
    assert in_flight.startswith(b"HTTP/1.1 200 ")
    assert await committed(sessions) == 2


async def test_interrupted_by_hand_a_gateway_does_not_wait(gateway: tuple[Process, int]) -> None:
    process, _ = gateway
    process.env["SLUICE_HTTP_DRAIN_SECONDS"] = "60"
    await process.up()

    os.kill(process.pid, signal.SIGTERM)
    os.kill(process.pid, signal.SIGINT)
    await ended(process)


async def test_a_message_that_is_not_whole_when_the_listener_closes_is_sent_back(
    gateway: tuple[Process, int], signer: Signer, sessions: Sessions
) -> None:
    process, port = gateway
    await process.up()
    sent = message(signer)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent[:-100])
    await writer.drain()
    await asyncio.sleep(0.3)

    os.kill(process.pid, signal.SIGTERM)
    await asyncio.sleep(0.3)
    writer.write(sent[-100:])
    answer = (await asyncio.wait_for(reader.read(), 10)).decode().lower()
    writer.close()

    assert answer.startswith("http/1.1 503 ")
    assert "\r\nretry-after: " in answer
    assert "urn:sluice:problem:shutting-down" in answer
    assert await committed(sessions) == 0
