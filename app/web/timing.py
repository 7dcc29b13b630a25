"""How long an answer takes: measured, and limited."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import TimedOut
from app.telemetry import REQUEST_SECONDS
from app.web import conditional, problems


class Timing:
    """Observe how long it took until each answer began, by endpoint template: ids make no labels."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, answered = time.perf_counter(), False

        def observe(status: int) -> None:
            seconds = time.perf_counter() - started
            REQUEST_SECONDS.labels(scope["method"], endpoint_of(scope), str(status)).observe(seconds)

        async def observing(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start":
                answered = True
                observe(message["status"])
            await send(message)

        try:
            await self._app(scope, receive, observing)
        finally:
            if not answered:
                observe(500)


class Deadline:
    """Answer 503 when no answer has begun in time; what was under way is rolled back.

    A long poll has the seconds it asked to wait on top, and an answer that has begun may go on as long as
    it likes, so that an event stream has no end. A client that sends its body too slowly ends here too.
    """

    def __init__(self, app: ASGIApp, seconds: float) -> None:
        self._app = app
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or self._seconds == 0:
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        waits = conditional.wait_seconds(request.headers.get("prefer")) if request.method == "GET" else 0
        seconds = self._seconds + waits

        async def undue(message: Message) -> None:
            deadline.reschedule(None)
            await send(message)

        try:
            async with asyncio.timeout(seconds) as deadline:
                await self._app(scope, receive, undue)
        except TimeoutError:
            if not deadline.expired():
                raise
            error = TimedOut(f"There was no answer within {seconds:g} s. Send it again.")
            await problems.render(request, error)(scope, receive, send)


def endpoint_of(scope: dict[str, Any] | Scope) -> str:
    """The endpoint's template, such as `/v1/runs/{run_id}`, once the request was routed."""
    route = scope.get("route")
    return getattr(route, "path", "unknown")
