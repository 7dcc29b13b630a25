"""Conditional and waiting reads: ETag, If-None-Match (RFC 9110 section 13) and Prefer: wait (RFC 7240)."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Annotated, Protocol

from fastapi import Header
from starlette.responses import Response

from app.status import Watchers

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


class Versioned(Protocol):
    """A view with a version, which is its ETag."""

    version: int

    def model_dump_json(self) -> str: ...


async def read(
    *,
    view: Callable[[], Awaitable[Versioned]],
    version: Callable[[], Awaitable[int | None]],
    watchers: Watchers,
    subject: str,
    if_none_match: str | None,
    prefer: str | None,
) -> Response:
    """The view as JSON with its ETag, or 304 when the caller knows that version already."""
    known = _version(if_none_match)
    current = await view()
    seconds = _wait_seconds(prefer)
    if current.version == known and seconds:
        await watchers.wait_for_change(subject, known, version, seconds)
        current = await view()
    headers = {"ETag": f'"{current.version}"', "Cache-Control": "no-cache"}
    if seconds:
        headers["Preference-Applied"] = f"wait={seconds}"
    if current.version == known:
        return Response(status_code=304, headers=headers)
    return Response(current.model_dump_json(), headers=headers, media_type="application/json")


def _version(if_none_match: str | None) -> int | None:
    match = re.fullmatch(r'(?:W/)?"(\d+)"', (if_none_match or "").strip())
    return int(match[1]) if match else None


def _wait_seconds(prefer: str | None) -> int:
    match = re.search(r"(?:^|[,;\s])wait=(\d{1,6})(?:$|[,;\s])", prefer or "")
    return min(MAX_WAIT_SECONDS, int(match[1])) if match else 0
