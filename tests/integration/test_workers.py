"""`sluice serve --workers N`: processes that share a port, live without each other and end together."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest

from app import encryption
from app.dev.process import Process, free_port
from app.settings import DatabaseSettings

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds the workers in /proc")

COMMAND: list[str | Path] = [Path(sys.executable).with_name("sluice"), "serve", "--workers", "2"]


@pytest.fixture
async def gateway(database: DatabaseSettings, tmp_path: Path) -> AsyncIterator[Process]:
    """Two workers that are up."""
    port = free_port()
    env = {
        "SLUICE_HTTP_PORT": str(port),
        "SLUICE_DATABASE_URL": database.url.get_secret_value(),
        "SLUICE_ENCRYPTION_KEYS": encryption.new_key("test"),
        "SLUICE_DISPATCHER_ENABLED": "false",
        "SLUICE_PROJECTION_ENABLED": "false",
    }

    async def answers() -> bool:
        return await _is_served(port)

    process = Process(
        "gateway", COMMAND, log=tmp_path / "gateway.log", env={**os.environ, **env}, ready=answers
    )
    await process.up()
    yield process
    process.stop()


async def test_a_worker_that_dies_is_replaced_while_the_other_answers(gateway: Process) -> None:
    await asyncio.sleep(5)  # one that dies sooner is taken for one that cannot live
    first = await _workers(gateway, 2)
    os.kill(first[0], signal.SIGKILL)
    await _gone(first[0])

    assert await gateway.ready() if gateway.ready else False
    assert len(set(await _workers(gateway, 2)) - set(first)) == 1


async def test_asked_to_end_all_end(gateway: Process) -> None:
    workers = await _workers(gateway, 2)
    os.kill(gateway.pid, signal.SIGTERM)

    for worker in workers:
        await _gone(worker)
    await _until(lambda: not gateway.running)


async def test_workers_do_not_outlive_the_process_that_watches_them(gateway: Process) -> None:
    workers = await _workers(gateway, 2)
    os.kill(gateway.pid, signal.SIGKILL)

    for worker in workers:
        await _gone(worker)


async def test_workers_that_cannot_start_are_not_started_for_ever(tmp_path: Path) -> None:
    env = {**os.environ, "SLUICE_HTTP_PORT": str(free_port()), "SLUICE_ENCRYPTION_KEYS": "broken"}
    process = Process("gateway", COMMAND, log=tmp_path / "log", env=env)
    process.start()
    await _until(lambda: not process.running)

    assert process.crashed


async def _is_served(port: int) -> bool:
    try:
        async with httpx.AsyncClient() as client:
            return (await client.get(f"http://127.0.0.1:{port}/livez")).is_success
    except httpx.HTTPError:
        return False


async def _workers(gateway: Process, count: int) -> list[int]:
    """The process ids of the workers, as soon as there are so many."""
    await _until(lambda: len(_children(gateway.pid)) == count)
    return _children(gateway.pid)


def _children(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii")
    return [int(child) for child in listed.split() if _is_worker(int(child))]


def _is_worker(pid: int) -> bool:
    try:
        # Beside the workers multiprocessing keeps a process that tracks resources.
        return b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


async def _gone(pid: int) -> None:
    await _until(lambda: not _is_worker(pid))


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 (other processes tell no event of ours)
            await asyncio.sleep(0.05)
