"""The cable between the gateway and Prefect, which can be cut, or lose what Prefect tells of events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

from app.dev.process import free_port
from app.settings import PrefectSettings


class Cable:
    """A TCP relay to Prefect's server. `settings` name its near end."""

    def __init__(self, prefect: PrefectSettings) -> None:
        self.prefect = prefect
        self.settings = prefect
        self.events_lost = False
        self._far = urlsplit(prefect.api_url)
        self._open: set[asyncio.StreamWriter] = set()

    def cut(self) -> None:
        """End every connection that is open; new ones may be made."""
        for writer in self._open:
            writer.transport.abort()

    async def relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until either end closes it."""
        self._open.add(writer)
        try:
            head = await reader.read(65_536)
            far_reader, far_writer = await asyncio.open_connection(self._far.hostname, self._far.port)
            self._open.add(far_writer)
            far_writer.write(head)
            events = b"/events/out" in head
            await asyncio.wait(
                {
                    asyncio.create_task(self._pass_on(reader, far_writer, events=False)),
                    asyncio.create_task(self._pass_on(far_reader, writer, events=events)),
                }
            )
        except OSError:
            writer.transport.abort()

    async def _pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, events: bool
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                if not (events and self.events_lost):
                    writer.write(data)
                    await writer.drain()
        writer.transport.abort()
        self._open.discard(writer)


@asynccontextmanager
async def cable_to(prefect: PrefectSettings) -> AsyncIterator[Cable]:
    """A cable that is whole, for as long as the block lasts."""
    cable = Cable(prefect)
    server = await asyncio.start_server(cable.relay, "127.0.0.1", port=free_port())
    host, port = server.sockets[0].getsockname()
    cable.settings = prefect.model_copy(update={"api_url": f"http://{host}:{port}/api"})
    try:
        yield cable
    finally:
        cable.cut()
        server.close()
        await server.wait_closed()
