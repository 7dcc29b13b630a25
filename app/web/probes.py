"""Probes and metrics for a process without a gateway: the same endpoints on a small listener of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from fastapi import FastAPI
from starlette.middleware import Middleware

from app.errors import Misconfigured
from app.settings import HttpSettings, Settings
from app.web import ops, problems, server, workers
from app.web.deps import Probed
from app.web.security_headers import SecurityHeaders
from app.web.timing import Deadline


def create_app(probed: Probed, http: HttpSettings) -> FastAPI:
    """`/livez`, `/readyz` and `/metrics` of a process, and nothing else."""
    app = FastAPI(
        openapi_url=None,
        middleware=[
            Middleware(SecurityHeaders),
            Middleware(problems.LastResort),
            Middleware(Deadline, seconds=http.request_seconds),
        ],
    )
    problems.install(app)
    app.include_router(ops.router)
    app.state.probed = probed
    return app


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave SIGTERM and Ctrl-C to the process that is probed."""
        yield


@asynccontextmanager
async def answering(probed: Probed, settings: Settings) -> AsyncIterator[None]:
    """Answer probes while the block runs, if a port is set for them.

    Raises Misconfigured when the port cannot be listened on: a process that is thought dead because nobody
    can ask it would be restarted for ever.
    """
    host, port = settings.ops.host, settings.ops.port
    if port is None:
        yield
        return
    try:
        listening = workers.listen(host, port)
    except OSError as error:
        raise Misconfigured(f"SLUICE_OPS_PORT: {host}:{port} cannot be listened on: {error}.") from error
    listener = _Server(server.config(create_app(probed, settings.http), settings.http))
    task = asyncio.create_task(listener.serve(sockets=[listening]), name="probes")
    try:
        yield
    finally:
        listener.should_exit = True
        await task
