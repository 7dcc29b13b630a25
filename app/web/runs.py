"""Runs: read one, replay one that ended badly."""

from __future__ import annotations

import uuid

from fastapi import APIRouter, Response

from app import applications, errors, runs, status
from app.models import RunCause
from app.status import RunView
from app.web import conditional
from app.web.deps import OperatorCaller, Parts, StatusReader
from app.web.problems import responses

router = APIRouter(prefix="/v1/runs", tags=["Runs"])


@router.get(
    "/{run_id}",
    summary="Read a run",
    response_model=RunView,
    responses={
        304: {"description": "The version that If-None-Match names is the current one."},
        **responses(
            errors.Unauthenticated,
            errors.RoleMissing,
            errors.NotFound,
            errors.Unprocessable,
            errors.DatabaseUnavailable,
        ),
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

    async def view() -> RunView:
        async with parts.sessions() as session:
            return await status.run(session, run_id)

    async def version() -> int | None:
        async with parts.sessions() as session:
            return await status.run_version(session, run_id)

    return await conditional.read(
        view=view,
        version=version,
        watchers=parts.watchers,
        subject=f"run:{run_id}",
        if_none_match=if_none_match,
        prefer=prefer,
    )


@router.post(
    "/{run_id}/replay",
    status_code=202,
    summary="Replay a run that ended badly",
    responses=responses(
        errors.Unauthenticated,
        errors.RoleMissing,
        errors.NotFound,
        errors.Conflict,
        errors.Unprocessable,
        errors.DatabaseUnavailable,
    ),
)
async def replay_run(run_id: uuid.UUID, parts: Parts, caller: OperatorCaller) -> RunView:
    """A new attempt with a new idempotency key; the old flow run stays in its history."""
    async with parts.sessions.begin() as session:
        run = await runs.replay(session, run_id, actor=caller.actor)
        if run.cause_kind is RunCause.DOCUMENT:
            await applications.verification_restarted(session, uuid.UUID(run.cause_id))
        return RunView.model_validate(run)
