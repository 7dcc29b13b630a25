"""Connections: who serves them, and how long a client may keep one without asking for anything."""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
from types import FrameType
from typing import Any

import structlog
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from app.settings import HttpSettings
from app.web.deps import Gateway

log = structlog.get_logger()

_HEAD_BYTES = 65_536


class Connection(H11Protocol):
    """A connection that is closed unless each request's head arrives whole within a time.

    Uvicorn limits no head's time, and its size only with h11, which costs some 0.1 ms more than its other
    parser. The rest of a body that arrives after its answer counts as part of the next head, so nobody can
    drip it for ever.
    """

    head_seconds = 10.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head_deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's own
        super().connection_made(transport)
        self._await_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.cycle is None or self.cycle.response_complete:
            self._await_head()
        else:
            self._have_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._have_head()
        super().connection_lost(exc)

    def _await_head(self) -> None:
        if self._head_deadline is None:
            self._head_deadline = self.loop.call_later(self.head_seconds, self.transport.close)

    def _have_head(self) -> None:
        if self._head_deadline is not None:
            self._head_deadline.cancel()
            self._head_deadline = None


def config(app: FastAPI, settings: HttpSettings) -> uvicorn.Config:
    """How the gateway is served: no banner, no WebSockets, and an end to everything a client can hold.

    The number of connections is not limited here: uvicorn would turn away the liveness probe as well, and
    without a problem's shape. What a stranger may ask is `app.web.limits`' business.
    """
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http=Connection,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        h11_max_incomplete_event_size=_HEAD_BYTES,
        timeout_keep_alive=settings.keep_alive_seconds,
        timeout_graceful_shutdown=int(settings.shutdown_seconds),
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies,
    )


class Server(uvicorn.Server):
    """Uvicorn, which ends in two steps: it says that it is leaving, then it closes its listener.

    Between the two everything is served, for as long as a load balancer may take to send elsewhere. Ctrl-C
    goes straight to the end; another SIGTERM changes nothing, since a supervisor may send one to a whole
    group and its parent pass it on. Uvicorn tells the application only once every connection is closed, too
    late to answer those that are open still; so we tell it.
    """

    def __init__(self, app: FastAPI, settings: HttpSettings) -> None:
        super().__init__(config(app, settings))
        self._app = app
        self._drain_seconds = settings.drain_seconds

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        # What was imported stays. The garbage collector need not look through it at every request's cost.
        gc.collect()
        gc.freeze()
        super().run(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        parts: Gateway | None = getattr(self._app.state, "gateway", None)
        if parts is None:  # it has not begun to serve
            super().handle_exit(sig, frame)
            return
        # We are in a signal handler, between any two steps of the event loop.
        loop = asyncio.get_running_loop()
        if self._drain_seconds == 0 or sig != signal.SIGTERM:
            loop.call_soon_threadsafe(self._end, parts, sig)
        elif not parts.leaving:
            parts.leaving = True
            loop.call_soon_threadsafe(loop.call_later, self._drain_seconds, self._end, parts, sig)

    def _end(self, parts: Gateway, sig: int) -> None:
        log.info("listener closes")
        parts.drain()
        super().handle_exit(sig, None)
