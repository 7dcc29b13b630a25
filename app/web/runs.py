"""Runs: list them, read one, cancel one, replay what ended badly."""

from __future__ import annotations

import base64
import uuid
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool

from app import cancellation, errors, replay, status
from app.models import Role, RunState
from app.run_filter import RunFilter
from app.status import RunView
from app.web import conditional
from app.web.deps import OperatorCaller, Parts, StatusReader
from app.web.fields import WITHOUT_NUL, IsoTime, Number, without_nul
from app.web.problems import BY_KEY, responses

router = APIRouter(prefix="/v1/runs", tags=["Runs"])


class RunList(BaseModel):
    runs: list[RunView]
    """The newest first. `place` is told when a run itself is read."""
    next: str | None
    """The `cursor` of the next page; null on the last."""


Filter = Annotated[str, Field(max_length=200, json_schema_extra=WITHOUT_NUL), AfterValidator(without_nul)]


class RunQuery(BaseModel):
    """Which runs are listed. Each filter narrows the list."""

    model_config = ConfigDict(extra="forbid")

    application: Filter | None = None
    route: Filter | None = None
    state: RunState | None = None
    since: IsoTime | None = None
    """Accepted at this time or later."""
    limit: int = Field(default=50, ge=1, le=200)
    cursor: str | None = Field(default=None, max_length=100)
    """`next` of the page before."""


@router.get(
    "",
    summary="List runs",
    responses=responses(*BY_KEY, errors.CursorInvalid, errors.Unprocessable),
)
async def list_runs(query: Annotated[RunQuery, Query()], parts: Parts, caller: StatusReader) -> RunList:
    """The newest first. The loan app is shown the runs of applications only."""
    which = RunFilter(
        application_id=query.application,
        route=query.route,
        states=() if query.state is None else (query.state,),
        since=query.since,
        of_applications=caller.role is Role.LOAN_APP,
    )
    before = None if query.cursor is None else _after(query.cursor)
    async with parts.sessions() as session:
        found = await status.runs(session, which, limit=query.limit + 1, before=before)
    page = list(found[: query.limit])
    return RunList(runs=page, next=_cursor(page[-1].id) if len(found) > query.limit else None)


def _cursor(last: uuid.UUID) -> str:
    return base64.urlsafe_b64encode(last.bytes).decode().rstrip("=")


def _after(cursor: str) -> uuid.UUID:
    try:
        return uuid.UUID(bytes=base64.b64decode(cursor + "==", altchars=b"-_", validate=True))
    except ValueError as error:
        raise errors.CursorInvalid(
            "The cursor is not one that this list has given. Take `next` of the page before."
        ) from error


@router.get(
    "/{run_id}",
    summary="Read a run",
    response_model=RunView,
    responses={
        304: {"description": "The version that If-None-Match names is the current one."},
        **responses(*BY_KEY, errors.NotFound, errors.Unprocessable),
    },
)
async def read_run(
    run_id: uuid.UUID,
    parts: Parts,
    _: StatusReader,
    if_none_match: conditional.IfNoneMatch = None,
    prefer: conditional.Prefer = None,
) -> Response:
    """Its state exists from the moment its cause was committed, also while Prefect is down."""

    watched = conditional.run(parts, run_id)
    return await conditional.read(parts.watchers, watched, if_none_match=if_none_match, prefer=prefer)


@router.post(
    "/{run_id}/replay",
    status_code=202,
    summary="Replay a run that ended badly",
    responses=responses(*BY_KEY, errors.NotFound, errors.Conflict, errors.Unprocessable),
)
async def replay_run(run_id: uuid.UUID, parts: Parts, caller: OperatorCaller) -> RunView:
    """A new attempt with a new idempotency key; the old flow run stays in its history."""
    async with parts.sessions.begin() as session:
        return RunView.model_validate(await replay.replay(session, run_id, actor=caller.actor))


class ReplayBody(BaseModel):
    """Which runs to replay. Each member narrows the selection."""

    model_config = ConfigDict(extra="forbid")

    route: Filter | None = None
    states: list[RunState] = Field(default=[RunState.DEAD], min_length=1)
    """`DEAD`, `FAILED`, `CRASHED` or `CANCELLED`."""
    since: IsoTime | None = None
    """Accepted at this time or later."""
    limit: Number = Field(default=100, ge=1, le=500)
    dry_run: StrictBool = False
    """Tell which it would be, and change nothing."""


class ReplayAnswer(BaseModel):
    matching: int
    """Runs that fitted. More than were replayed: ask again."""
    replayed: list[uuid.UUID]
    """In the order they were accepted; with `dry_run` those that would have been."""
    dry_run: bool


@router.post(
    "/replay",
    summary="Replay the runs that a filter names",
    responses=responses(*BY_KEY, errors.Malformed, errors.Conflict, errors.Unprocessable),
)
async def replay_runs(body: ReplayBody, parts: Parts, caller: OperatorCaller) -> ReplayAnswer:
    """The longest accepted first. Each is replayed for itself: what was replayed stays so."""
    which = RunFilter(states=tuple(body.states), route=body.route, since=body.since)
    done = await replay.replay_all(
        parts.sessions, which, actor=caller.actor, limit=body.limit, dry_run=body.dry_run
    )
    return ReplayAnswer(matching=done.matching, replayed=done.run_ids, dry_run=body.dry_run)


@router.post(
    "/{run_id}/cancel",
    status_code=202,
    summary="Cancel a run that is under way",
    responses=responses(
        *BY_KEY, errors.NotFound, errors.Conflict, errors.Unprocessable, errors.PrefectUnavailable
    ),
)
async def cancel_run(run_id: uuid.UUID, parts: Parts, caller: OperatorCaller) -> RunView:
    """Prefect asks the worker to stop it. A stuck run, and one that is cancelled again, ends at once."""
    run = await cancellation.cancel(parts.sessions, parts.prefect, run_id, actor=caller.actor)
    return RunView.model_validate(run)
