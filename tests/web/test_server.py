"""The gateway's own HTTP server, over real connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import uvicorn

from app.dev.process import free_port
from app.main import create_app
from app.settings import HttpSettings, Settings
from app.web import server
from app.web.server import Connection

SECONDS = 0.4
"""What a connection may take to send a head, in these tests."""


@pytest.fixture
async def port(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    """The port of a gateway as `sluice serve` runs it, which trusts a proxy on this machine."""
    monkeypatch.setattr(Connection, "head_seconds", SECONDS)
    http = HttpSettings(port=free_port(), trusted_proxies=["127.0.0.1"])
    app = create_app(settings.model_copy(update={"http": http}))
    gateway = uvicorn.Server(server.config(app, http))
    task = asyncio.create_task(gateway._serve())
    while not gateway.started:
        assert not task.done()
        await asyncio.sleep(0.01)
    yield http.port
    gateway.should_exit = True
    await task


async def ended(reader: asyncio.StreamReader) -> bytes:
    """Everything until the gateway closes the connection."""
    async with asyncio.timeout(5):
        return await reader.read()


async def test_an_answer_names_no_server(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /livez HTTP/1.1\r\nHost: sluice\r\nConnection: close\r\n\r\n")
    answer = (await ended(reader)).lower()
    writer.close()

    assert answer.startswith(b"http/1.1 200")
    assert b"uvicorn" not in answer
    assert b"server:" not in answer


async def test_a_connection_that_asks_nothing_is_closed(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    assert await ended(reader) == b""
    writer.close()


async def test_a_head_that_drips_is_cut_off(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /livez HTTP/1.1\r\n")
    started = asyncio.get_running_loop().time()

    async def drip() -> None:
        while not writer.is_closing():
            writer.write(b"X-More: 1\r\n")
            await asyncio.sleep(SECONDS / 8)

    dripping = asyncio.create_task(drip())
    try:
        assert await ended(reader) == b""
    except ConnectionResetError:
        pass
    finally:
        writer.close()
        await asyncio.gather(dripping, return_exceptions=True)
    assert asyncio.get_running_loop().time() - started < 5 * SECONDS


async def test_a_head_that_does_not_end_is_refused(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /livez HTTP/1.1\r\nX-Long: " + b"x" * 100_000)

    assert (await ended(reader)).startswith(b"HTTP/1.1 400")
    writer.close()


async def test_a_connection_may_be_kept_for_the_next_request(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(2):
        writer.write(b"GET /livez HTTP/1.1\r\nHost: sluice\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200")
        await reader.readexactly(len(b'{"status":"alive"}'))
        await asyncio.sleep(2 * SECONDS)
    writer.close()


async def test_a_trusted_proxy_says_whether_it_was_https(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        b"GET /livez HTTP/1.1\r\nHost: sluice\r\nConnection: close\r\nX-Forwarded-Proto: https\r\n\r\n"
    )
    answer = (await ended(reader)).lower()
    writer.close()

    assert b"strict-transport-security: max-age=" in answer
