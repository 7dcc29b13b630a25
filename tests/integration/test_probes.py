"""`sluice dispatch` and `sluice follow` as processes: they can be probed and scraped like a gateway."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text

from app.db import Sessions
from app.dev.process import PartFailed, Process, free_port
from app.settings import DatabaseSettings
from tests.integration.conftest import PrefectServer

Start = Callable[[str], Awaitable["Probed"]]


class Probed:
    """A running process and what it answers."""

    def __init__(self, process: Process, client: httpx.AsyncClient) -> None:
        self.process = process
        self._client = client

    async def get(self, path: str) -> httpx.Response:
        return await self._client.get(path)

    async def metric(self, sample: str) -> float | None:
        """The value of one sample, such as `sluice_loop_up{loop="listener"}`."""
        lines = (await self.get("/metrics")).text.splitlines()
        values = [line.rpartition(" ")[2] for line in lines if line.startswith(f"{sample} ")]
        return float(values[0]) if values else None


async def answers(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/readyz")).is_success
    except httpx.TransportError:
        return False


@pytest.fixture
async def start(
    database: DatabaseSettings, prefect_server: PrefectServer, tmp_path: Path
) -> AsyncIterator[Start]:
    """Starts `sluice <command>` with a port for probes and waits until it is ready."""
    running: list[tuple[Process, httpx.AsyncClient]] = []

    async def start(command: str) -> Probed:
        port = free_port()
        client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}")
        process = Process(
            command,
            [Path(sys.executable).with_name("sluice"), command],
            log=tmp_path / f"{command}-{port}.log",
            env={
                **os.environ,
                "SLUICE_OPS_PORT": str(port),
                "SLUICE_DATABASE_URL": database.url.get_secret_value(),
                "SLUICE_PREFECT_API_URL": prefect_server.api_url,
            },
            ready=lambda: answers(client),
        )
        running.append((process, client))
        await process.up()
        return Probed(process, client)

    yield start
    for process, client in running:
        process.stop()
        await client.aclose()


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(15):
        while not await condition():  # noqa: ASYNC110 (other processes tell no event of ours)
            await asyncio.sleep(0.1)


async def test_of_many_followers_one_is_elected_and_shows_what_it_found(start: Start) -> None:
    followers = [await start("follow"), await start("follow")]

    async def following() -> list[float | None]:
        return [await follower.metric("sluice_following") for follower in followers]

    async def one() -> bool:
        return sorted(value or 0 for value in await following()) == [0, 1]

    await until(one)
    elected = followers[(await following()).index(1)]
    followers.remove(elected)

    async def compared() -> bool:
        return await elected.metric('sluice_unreconciled{kind="disagreements"}') == 0

    await until(compared)
    assert await elected.metric('sluice_circuit_open{circuit="refresh"}') == 0

    elected.process.kill()

    async def taken_over() -> bool:
        return await following() == [1]

    await until(taken_over)


async def test_a_dispatcher_is_ready_and_shows_its_loop(start: Start, sessions: Sessions) -> None:
    dispatcher = await start("dispatch")
    async with sessions.begin() as session:
        await session.execute(
            text(
                "INSERT INTO audit_log (at, actor, action, subject, detail) "
                "VALUES (now() - interval '1 hour', 'a test', 'ended', 'run:1', '{}')"
            )
        )

    async def sealed() -> bool:
        return await dispatcher.metric("sluice_audit_oldest_unsealed_seconds") == 0

    await until(sealed)
    assert (await dispatcher.get("/readyz")).json()["checks"]["loop dispatcher"] == "ok"
    assert await dispatcher.metric('sluice_loop_up{loop="dispatcher"}') == 1
    assert (
        (await dispatcher.get("/livez")).headers["content-security-policy"].startswith("default-src 'none'")
    )
    missing = await dispatcher.get("/v1/runs")
    assert missing.status_code == 404
    assert missing.headers["content-type"] == "application/problem+json"


async def test_asked_to_end_a_process_that_is_probed_ends(start: Start) -> None:
    dispatcher = await start("dispatch")
    dispatcher.process.stop(grace=10)

    assert dispatcher.process.log.read_text("utf-8").count("Traceback") == 0


async def test_a_port_that_is_taken_is_told(database: DatabaseSettings, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", free_port())) as taken:
        env = {
            **os.environ,
            "SLUICE_OPS_PORT": str(taken.getsockname()[1]),
            "SLUICE_DATABASE_URL": database.url.get_secret_value(),
        }
        command: list[str | Path] = [Path(sys.executable).with_name("sluice"), "dispatch"]
        process = Process("dispatch", command, log=tmp_path / "log", env=env)
        process.start()
        with pytest.raises(PartFailed, match="SLUICE_OPS_PORT"):
            await process.finish()
