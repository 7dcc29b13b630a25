"""A span for each request: which endpoint, how long until its answer began, with which status."""

from __future__ import annotations

import time

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars

from app import tracing
from app.web.limits import EXEMPT_PATHS, SNS_PATH, proven
from app.web.timing import endpoint_of, method_of


class Traced:
    """Serve each request in a span and log with its trace's id. Installed only where tracing is on.

    A `traceparent` is taken from callers who prove who they are. SNS sends none: what comes there with one
    comes from somebody else. Attributes are those of OpenTelemetry's HTTP conventions that name no person: no
    path, no query, no address.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        tracer = tracing.active()
        if tracer is None or scope["type"] != "http" or scope["path"] in EXEMPT_PATHS:
            await self._app(scope, receive, send)
            return
        parent = None if scope["path"] == SNS_PATH else Headers(scope=scope).get("traceparent")
        status = 500
        with tracer.serving(parent) as served:

            async def observing(message: Message) -> None:
                nonlocal status
                if message["type"] == "http.response.start":
                    # An event stream may go on for hours.
                    status, served.ended_at = message["status"], time.time_ns()
                await send(message)

            try:
                with bound_contextvars(trace_id=served.trace_id):
                    await self._app(scope, receive, observing)
            finally:
                method, endpoint = method_of(scope), endpoint_of(scope)
                served.name = f"{method} {endpoint}"
                served.attributes = {
                    "http.request.method": method,
                    "http.route": endpoint,
                    "http.response.status_code": status,
                }
                served.failed = status >= 500
                served.parent_believed = proven(scope)
