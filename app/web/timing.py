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

_METHODS = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"})


class Timing:
    """Observe how long it took until each answer began, by endpoint template: ids make no labels.

    Nothing a caller writes does: a label's values are kept for as long as the process lives.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, answered = time.perf_counter(), False

        def observe(status: int) -> None:
            seconds = time.perf_counter() - started
            REQUEST_SECONDS.labels(method_of(scope), endpoint_of(scope), str(status)).observe(seconds)

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


def method_of(scope: Scope) -> str:
    """The request's method, or `_OTHER` for one that is no method of HTTP: any word can be sent.

    Source: OpenTelemetry's HTTP conventions, `http.request.method`.
    """
    method: str = scope["method"]
    return method if method in _METHODS else "_OTHER"


def endpoint_of(scope: dict[str, Any] | Scope) -> str:
    """The endpoint's template, such as `/v1/runs/{run_id}`, once the request was routed."""
    route = scope.get("route")
    return getattr(route, "path", "unknown")
