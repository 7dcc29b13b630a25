"""What stands between the gateway and a real Prefect server, and may lose, forge or refuse an answer."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from app.prefect_client import PrefectClient
from app.settings import PrefectSettings

Forward = Callable[[httpx.Request], Awaitable[httpx.Response]]
Fault = Callable[[httpx.Request, Forward], Awaitable[httpx.Response]]
"""Answers the request: by `forward`, by its own invention, or by raising what a lost connection raises."""


class Front(httpx.AsyncBaseTransport):
    """Passes every request on; those that create flow runs go through `fault`, which may be exchanged."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.creations: list[list[str]] = []
        """The idempotency keys of every call that was to create something."""
        self._network = httpx.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if "create_flow_run" not in request.url.path:
            return await self._network.handle_async_request(request)
        self.creations.append(keys(request))
        return await self.fault(request, self._network.handle_async_request)

    async def aclose(self) -> None:
        await self._network.aclose()


def behind(settings: PrefectSettings, front: Front) -> PrefectClient:
    """The gateway's client, with the front before the server."""
    return PrefectClient(settings, transport=front)


def keys(request: httpx.Request) -> list[str]:
    """The idempotency keys of what is to be created."""
    body: Any = json.loads(request.content)
    return [item["idempotency_key"] for item in (body if isinstance(body, list) else [body])]
