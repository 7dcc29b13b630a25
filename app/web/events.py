"""Event streams (Server-Sent Events, HTML Living Standard section 9.2): an application or a run, followed.

Each event is the whole present state, so a client that is slow or was away is told the latest and misses
nothing by it. An open stream holds a connection and a little memory, no database session.
"""

from __future__ import annotations

import asyncio
import random
import re
import uuid
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header
from sqlalchemy.exc import SQLAlchemyError
from starlette.responses import StreamingResponse

from app import db, errors
from app.watchers import Snapshot, Watched
from app.web import conditional
from app.web.deps import ApplicationId, Bearer, Gateway, Parts, StatusReader
from app.web.problems import BY_KEY, responses

router = APIRouter(prefix="/v1")

_HEARTBEAT = b":\n\n"

_EXAMPLE = 'retry: 2345\n\nid: 7\nevent: run\ndata: {"id": "…", "state": "RUNNING", "version": 7}\n\n:\n\n'

LastEventId = Annotated[
    str | None,
    Header(description="The id of the last event that was received: only another version is told at once."),
]


async def _one_stream(parts: Parts, caller: StatusReader) -> AsyncIterator[None]:
    if parts.draining:
        raise errors.ShuttingDown("The gateway is about to end. Connect again.", retry_after=1)
    with parts.streams.one_of(caller.actor):
        yield


_DESCRIBED: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "`id` is the version, `data` what GET answers, `event` is `application` or `run`.",
        "content": {"text/event-stream": {"schema": {"type": "string"}, "example": _EXAMPLE}},
    },
    **responses(*BY_KEY, errors.NotFound, errors.Unprocessable, errors.ShuttingDown),
}
_STREAM: dict[str, Any] = {
    "response_class": StreamingResponse,
    "responses": _DESCRIBED,
    # Counted before it begins, and until it has ended.
    "dependencies": [Depends(_one_stream)],
}


@router.get(
    "/applications/{application_id}/events",
    summary="Follow an application",
    tags=["Applications"],
    **{**_STREAM, "responses": {**_DESCRIBED, **responses(errors.Purged)}},
)
async def follow_application(
    application_id: ApplicationId,
    parts: Parts,
    caller: StatusReader,
    bearer: Bearer,
    last_event_id: LastEventId = None,
) -> StreamingResponse:
    """Its present state, and each later one, as Server-Sent Events."""
    watched = conditional.application(parts, application_id, caller)
    return await _stream(parts, watched, bearer, last_event_id)


@router.get("/runs/{run_id}/events", summary="Follow a run", tags=["Runs"], **_STREAM)
async def follow_run(
    run_id: uuid.UUID, parts: Parts, _: StatusReader, bearer: Bearer, last_event_id: LastEventId = None
) -> StreamingResponse:
    """Its present state, and each later one, as Server-Sent Events."""
    return await _stream(parts, conditional.run(parts, run_id), bearer, last_event_id)


async def _stream(
    parts: Gateway, watched: Watched, bearer: Bearer, last_event_id: str | None
) -> StreamingResponse:
    if parts.watchers.known_version(watched) is None:
        await parts.watchers.read(watched)  # what does not exist is a problem, not a stream
    number = re.fullmatch(r"[0-9]{1,18}", last_event_id or "")
    known = int(number[0]) if number else None
    key = bearer.credentials if bearer else ""
    # A proxy that buffers would keep the events to itself (nginx, X-Accel-Buffering).
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(
        _events(parts, watched, key, known), headers=headers, media_type="text/event-stream"
    )


async def _events(parts: Gateway, watched: Watched, key: str, known: int | None) -> AsyncIterator[bytes]:
    """The stream's text, until the process ends, the key does or the subject is no more."""
    # Not all come back in the same second when a gateway has ended.
    yield f"retry: {random.randint(1_000, 4_000)}\n\n".encode()
    with parts.watchers.watching(watched.subject) as changed:
        changed.set()
        while not parts.watchers.ended:
            news = await _set_within(changed, parts.settings.events.heartbeat_seconds)
            changed.clear()
            try:
                await parts.keys.authenticate(parts.sessions, key)
                current = await parts.watchers.read(watched) if news else None
            except (errors.Unauthenticated, errors.NotFound):
                return
            except (SQLAlchemyError, OSError) as error:
                if db.unavailable(error) is None:
                    raise
                if news:
                    changed.set()
                await asyncio.sleep(random.uniform(1, 2))
                current = None
            if current is None:
                yield _HEARTBEAT
            elif current.version != known:
                known = current.version
                yield _event(watched, current)


def _event(watched: Watched, snapshot: Snapshot) -> bytes:
    kind = watched.subject.partition(":")[0].encode()
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (snapshot.version, kind, snapshot.body)


async def _set_within(event: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            return await event.wait()
    except TimeoutError:
        return False
