"""For the platform: is it alive, is it ready, how is it doing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel

from app import audit, backlog, db, errors, handovers, migrate
from app.backlog import Count
from app.loops import Loop
from app.models import FOLLOWED_RUN_STATES, NotificationOutcome, RunState
from app.telemetry import (
    HANDOVERS_REFUSED,
    IN_PREFECT,
    NOTIFICATIONS,
    OLDEST_WAITING,
    PROBLEMS,
    QUARANTINED,
    STUCK,
    UNFINISHED,
    UNSEALED,
    WAITING,
)
from app.web.deps import AnyProcess
from app.web.problems import responses

router = APIRouter(tags=["Operations"])

_METRICS = 'sluice_runs_waiting{route="document-verification"} 3.0\n'


class Readiness(BaseModel):
    ready: bool
    checks: dict[str, str]
    """`ok`, perhaps with a note, or what is wrong: for the database, the schema, each background loop."""


class Alive(BaseModel):
    status: Literal["alive"] = "alive"


@router.get("/livez", summary="Is the process alive?")
async def livez() -> Alive:
    """Asks nothing else: a database that is down must not get the process restarted."""
    return Alive()


@router.get(
    "/readyz",
    summary="Can it do its work?",
    responses={503: {"model": Readiness, "description": "Not ready; the checks say why."}},
)
async def readyz(parts: AnyProcess, response: Response) -> Readiness:
    """200 when the database takes writes, its schema suits this release and every loop works, else 503.

    A schema that is newer will do: the next release is on its way, and its migrations leave this one working.
    """
    checks = {"database": "ok", "schema": "ok"}
    try:
        async with parts.sessions() as session:
            revision = await migrate.current(session)
            await db.check_writable(session)
        if revision is None or revision in migrate.older():
            checks["schema"] = f"at {revision}, this release needs {migrate.head()}: run `sluice migrate`"
        elif revision != migrate.head():
            checks["schema"] = f"ok, at {revision}, newer than this release's {migrate.head()}"
    except Exception as error:  # whatever it is, it is the answer
        checks["database"] = f"unavailable ({_root(error)})"
        checks["schema"] = "unknown"
    checks |= {f"loop {loop.name}": _health(loop) for loop in parts.loops}
    if parts.leaving:
        checks["shutdown"] = "asked to end"
    ready = all(outcome.startswith("ok") for outcome in checks.values())
    response.status_code = 200 if ready else 503
    return Readiness(ready=ready, checks=checks)


def _root(error: BaseException) -> str:
    """What the driver or the network called it."""
    while error.__cause__ is not None:
        error = error.__cause__
    return type(error).__name__


def _health(loop: Loop) -> str:
    """Prefect being down is worth a note and leaves us ready: our work is to accept meanwhile."""
    if loop.failure is not None:
        return loop.failure
    note = loop.note()
    return "ok" if note is None else f"ok, {note}"


@router.get(
    "/metrics",
    summary="Metrics for Prometheus",
    response_class=Response,
    responses={
        200: {"content": {"text/plain": {"schema": {"type": "string"}, "example": _METRICS}}},
        **responses(errors.DatabaseUnavailable, errors.TimedOut, errors.SluiceError),
    },
)
async def metrics(parts: AnyProcess) -> Response:
    """Counters of this process, and queue and audit trail as the database has them now."""
    async with parts.sessions() as session:
        counts, stuck = await backlog.counts(session), await backlog.stuck(session)
        UNSEALED.set(await audit.oldest_unsealed_seconds(session))
        HANDOVERS_REFUSED.set(await handovers.refused(session))
    _show_runs(counts, stuck)
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


def begin_at_zero() -> None:
    """Show the counters that alerts watch before they have counted anything.

    To Prometheus a counter that appears with 1 has not increased, so the first event would ring no bell.
    """
    for outcome in NotificationOutcome:
        NOTIFICATIONS.labels(outcome)
    for kind in _kinds_of(errors.SluiceError):
        PROBLEMS.labels(kind.slug)
    for kind in _kinds_of(errors.Forbidden):
        QUARANTINED.labels(kind.slug)
    QUARANTINED.labels(errors.Malformed.slug)


def _kinds_of(error: type[errors.SluiceError]) -> Iterator[type[errors.SluiceError]]:
    yield error
    for kind in error.__subclasses__():
        yield from _kinds_of(kind)


def _show_runs(counts: Iterable[Count], stuck: Mapping[tuple[str, RunState], int]) -> None:
    for gauge in (WAITING, OLDEST_WAITING, IN_PREFECT, STUCK, UNFINISHED):
        gauge.clear()
    for count in counts:
        UNFINISHED.labels(count.state).inc(count.runs)
        if count.state is RunState.ACCEPTED:
            WAITING.labels(count.route).set(count.runs)
            OLDEST_WAITING.labels(count.route).set(count.oldest_seconds)
        elif count.state in FOLLOWED_RUN_STATES:
            IN_PREFECT.labels(count.route).inc(count.runs)
    for (route, state), runs in stuck.items():
        STUCK.labels(route, state).set(runs)
