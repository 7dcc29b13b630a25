"""A TCP proxy that can do to a connection what networks do: cut it, silence it, delay it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Self

from app.dev.process import free_port

_CHUNK = 65_536


class Proxy:
    """Passes bytes on between its own `port` and `target_port`, both on 127.0.0.1, faults excepted.

    An async context manager. The faults are async context managers too, and end with their block; one of
    them at a time.
    """

    def __init__(self, target_port: int) -> None:
        self.port = free_port()
        self.target_port = target_port
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._refusing = False
        self._delay = 0.0
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()
        await self._end_connections()

    @property
    def open_connections(self) -> int:
        return len(self._connections)

    @asynccontextmanager
    async def cut(self) -> AsyncIterator[None]:
        """Every connection is reset, and a new one is reset as soon as it is made."""
        self._refusing = True
        await self._end_connections()
        try:
            yield
        finally:
            self._refusing = False

    @asynccontextmanager
    async def silenced(self) -> AsyncIterator[None]:
        """Connections stay, and new ones are taken, but nothing comes through: a cable that was pulled."""
        self._flowing.clear()
        try:
            yield
        finally:
            self._flowing.set()

    def abandon(self) -> None:
        """Nothing comes through the open connections ever again, and new ones work: a standby took over."""
        self._flowing.clear()
        self._flowing = asyncio.Event()
        self._flowing.set()

    @asynccontextmanager
    async def delayed(self, seconds: float) -> AsyncIterator[None]:
        """Every chunk of bytes arrives that much later, in both directions."""
        self._delay = seconds
        try:
            yield
        finally:
            self._delay = 0.0

    async def _end_connections(self) -> None:
        connections = list(self._connections)
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if self._refusing or task is None:
            writer.transport.abort()
            return
        self._connections.add(task)
        try:
            await self._connect(reader, writer)
        except asyncio.CancelledError:
            pass  # by a cut, or by the end: there is nobody to tell but the peers, whose sockets are reset
        finally:
            writer.transport.abort()
            self._connections.discard(task)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Until either side ends the connection."""
        try:
            target_reader, target_writer = await asyncio.open_connection("127.0.0.1", self.target_port)
        except OSError:
            return
        directions = [
            asyncio.create_task(self._pass_on(reader, target_writer)),
            asyncio.create_task(self._pass_on(target_reader, writer)),
        ]
        try:
            await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
            with contextlib.suppress(OSError):
                # What was written last must get out before the sockets are reset.
                async with asyncio.timeout(1):
                    for side in (writer, target_writer):
                        side.close()
                        await side.wait_closed()
        except TimeoutError:
            pass
        finally:
            for direction in directions:
                direction.cancel()
            await asyncio.gather(*directions, return_exceptions=True)
            target_writer.transport.abort()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        flowing = self._flowing
        with contextlib.suppress(OSError):
            while data := await reader.read(_CHUNK):
                await asyncio.sleep(self._delay)
                await flowing.wait()
                writer.write(data)
                await writer.drain()
