"""Every error leaves as RFC 9457 problem details, in one shape, from one place."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import asyncpg
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import db, errors
from app.errors import BadRequest, Malformed, SluiceError, Unavailable, Unprocessable
from app.telemetry import PROBLEMS

log = structlog.get_logger()

CONTENT_TYPE = "application/problem+json"


class Problem(BaseModel):
    """RFC 9457 problem details, as every error is answered. Some types add members of their own."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    instance: str


_SCHEMA = {"$ref": "#/components/schemas/Problem"}

BY_KEY = (
    errors.Unauthenticated,
    errors.RoleMissing,
    errors.PayloadTooLarge,
    errors.RateLimited,
    errors.DatabaseUnavailable,
    errors.TimedOut,
    SluiceError,
)
"""What every endpoint behind an API key can answer."""

_RETRY_AFTER = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}}


def responses(*problems: type[SluiceError]) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI descriptions of the problems an endpoint can answer, one example for each type."""
    described: dict[int | str, dict[str, Any]] = {}
    for problem in problems:
        answer = described.setdefault(
            problem.status, {"content": {CONTENT_TYPE: {"schema": _SCHEMA, "examples": {}}}}
        )
        if problem.retryable:
            answer["headers"] = _RETRY_AFTER
        answer["content"][CONTENT_TYPE]["examples"][problem.slug] = {
            "summary": problem.title,
            "value": {
                "type": problem.type_uri(),
                "title": problem.title,
                "status": problem.status,
                "detail": "What was wrong and what to do about it.",
                "instance": "/v1/…",
            },
        }
        answer["description"] = "; ".join(
            example["summary"] for example in answer["content"][CONTENT_TYPE]["examples"].values()
        )
    return described


def render(request: Request, error: SluiceError, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """The answer for an error. One that may pass carries Retry-After, so that a sender comes back."""
    PROBLEMS.labels(error.slug).inc()
    answer_headers = dict(headers or {})
    if error.retryable:
        answer_headers["Retry-After"] = str(error.retry_after)
    if error.status == 401:
        answer_headers["WWW-Authenticate"] = "Bearer"
    body = {
        **error.extensions,
        "type": error.type_uri(),
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        "instance": request.url.path,
    }
    return JSONResponse(body, error.status, answer_headers, media_type=CONTENT_TYPE)


def _sluice_error(request: Request, error: SluiceError) -> JSONResponse:
    if isinstance(error, Unavailable):
        log.warning("request unavailable", path=request.url.path, problem=error.slug, detail=error.detail)
    return render(request, error)


def _validation_error(request: Request, error: RequestValidationError) -> JSONResponse:
    """Name the place and the rule, never the value: it may be somebody's personal data."""
    if any(item["type"] == "json_invalid" for item in error.errors()):
        return render(request, Malformed("The body is not valid JSON."))
    places = [
        {"pointer": "/" + "/".join(str(part) for part in item["loc"]), "detail": item["msg"]}
        for item in error.errors()
    ]
    summary = "; ".join(f"{place['pointer']}: {place['detail']}" for place in places)
    return render(request, Unprocessable(f"The request is not valid: {summary}", errors=places))


def _http_exception(request: Request, error: HTTPException) -> JSONResponse:
    """Errors the framework raises itself: no such path, method not allowed, a body it cannot read."""
    if error.status_code == 413:
        return render(request, errors.PayloadTooLarge(str(error.detail)))

    class FromFramework(BadRequest):
        slug, title, status = f"http-{error.status_code}", str(error.detail), error.status_code

    detail = f"{request.method} {request.url.path}: {error.detail}. See /docs for what there is."
    headers = dict(error.headers or {})
    if error.status_code == 405:
        headers["Allow"] = ", ".join(sorted(_methods(request.app.routes, request.scope)))
    return render(request, FromFramework(detail), headers)


def _methods(routes: Iterable[Any], scope: Scope) -> set[str]:
    """Every method of the path: the framework names those of the first endpoint alone."""
    methods: set[str] = set()
    for route in routes:
        if included := getattr(route, "original_router", None):
            methods |= _methods(included.routes, scope)
        elif route.matches(scope)[0] is not Match.NONE:
            methods |= route.methods
    return methods


def _database_error(request: Request, error: Exception) -> JSONResponse:
    unavailable = db.unavailable(error)
    if unavailable is None:
        return _bug(request, error)
    log.warning("database unavailable", path=request.url.path, error=type(error).__name__)
    return render(request, unavailable)


def _bug(request: Request, error: Exception) -> JSONResponse:
    """Anything else is a bug of ours: say so, keep the trace in the log, let the sender try again."""
    log.error("unexpected error", path=request.url.path, exc_info=error)
    return render(request, SluiceError("An unexpected error, now in the log. Nothing was acknowledged."))


_HANDLERS: dict[type[Exception], Callable[[Request, Any], JSONResponse]] = {
    SluiceError: _sluice_error,
    RequestValidationError: _validation_error,
    HTTPException: _http_exception,
    SQLAlchemyError: _database_error,
    asyncpg.PostgresError: _database_error,
    asyncpg.InterfaceError: _database_error,
    OSError: _database_error,
}


class LastResort:
    """Answer 500 to an exception that nothing else has answered.

    The framework has a handler for these too, but outside every middleware: its answer would have no
    security headers and no request id.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def observing(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, observing)
        except Exception as error:
            if started:
                raise
            await _bug(Request(scope), error)(scope, receive, send)


def install(app: FastAPI) -> None:
    """Register a handler for each kind of exception an endpoint can raise."""
    for kind, handler in _HANDLERS.items():
        app.add_exception_handler(kind, handler)
