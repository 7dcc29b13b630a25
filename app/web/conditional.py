"""Conditional and waiting reads: ETag, If-None-Match (RFC 9110 section 13) and Prefer: wait (RFC 7240)."""

from __future__ import annotations

import re
import uuid
from typing import Annotated

from fastapi import Header
from starlette.responses import Response

from app import status
from app.api_keys import Caller
from app.models import Role
from app.watchers import Snapshot, Watched, Watchers
from app.web.deps import Gateway

MAX_WAIT_SECONDS = 60

IfNoneMatch = Annotated[
    str | None, Header(description="The ETag of the version that is known.", examples=['"7"'])
]
Prefer = Annotated[
    str | None,
    Header(
        description=f"`wait=N`: hold the answer up to N seconds (at most {MAX_WAIT_SECONDS}) until there "
        "is another version than the one If-None-Match names.",
        examples=["wait=30"],
    ),
]


def application(parts: Gateway, application_id: str, caller: Caller) -> Watched:
    """An application as the caller may see it: with what was read for those whose business it is."""
    confidential = None if caller.role is Role.LOAN_APP else parts.keyring

    async def read() -> Snapshot:
        async with parts.sessions() as session:
            view = await status.application(session, application_id, confidential=confidential)
        return Snapshot(view.version, view.model_dump_json().encode())

    return Watched(f"application:{application_id}", read, confidential=confidential is not None)


def run(parts: Gateway, run_id: uuid.UUID) -> Watched:
    """A run. While it waits, its place moves without a new version."""

    async def read() -> Snapshot:
        async with parts.sessions() as session:
            view = await status.run(session, run_id)
        return Snapshot(view.version, view.model_dump_json().encode(), moving=view.place is not None)

    return Watched(f"run:{run_id}", read)


async def read(
    watchers: Watchers, watched: Watched, *, if_none_match: str | None, prefer: str | None
) -> Response:
    """The subject as JSON with its ETag, or 304 when the caller knows that version already.

    A 304, and most of the others, are answered from memory.
    """
    known, seconds = _version(if_none_match), wait_seconds(prefer)
    headers = {"Preference-Applied": f"wait={seconds}"} if seconds else {}
    current: Snapshot | None = None
    if known is None or watchers.known_version(watched) != known:
        current = await watchers.read(watched)
        current = None if current.version == known else current
    if current is None and known is not None and seconds:
        current = await watchers.wait_for_change(watched, known, seconds)
    if current is None:
        return Response(status_code=304, headers={**headers, "ETag": f'"{known}"'})
    headers["ETag"] = f'"{current.version}"'
    return Response(current.body, headers=headers, media_type="application/json")


def _version(if_none_match: str | None) -> int | None:
    match = re.fullmatch(r'(?:W/)?"([0-9]{1,18})"', (if_none_match or "").strip())
    return int(match[1]) if match else None


def wait_seconds(prefer: str | None) -> int:
    """How long the caller asks to be held, cut to the most we do; 0 when it does not ask."""
    match = re.search(r"(?:^|[,;\s])wait=(\d{1,6})(?:$|[,;\s])", prefer or "")
    return min(MAX_WAIT_SECONDS, int(match[1])) if match else 0
