"""For the platform: is it alive, is it ready, how is it doing."""

from __future__ import annotations

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel

from app import migrate, runs
from app.telemetry import OLDEST_WAITING, UNFINISHED, WAITING
from app.web.deps import Parts

router = APIRouter(tags=["Operations"])


class Readiness(BaseModel):
    ready: bool
    checks: dict[str, str]
    """`ok`, or what is wrong, for the database, the schema and each background loop."""


@router.get("/livez", summary="Is the process alive?")
async def livez() -> dict[str, str]:
    """Asks nothing else: a database that is down must not get the process restarted."""
    return {"status": "alive"}


@router.get("/readyz", summary="Can it do its work?", responses={503: {"model": Readiness}})
async def readyz(parts: Parts, response: Response) -> Readiness:
    """200 when the database is there with this release's schema and every loop works, else 503."""
    checks = {"database": "ok", "schema": "ok"}
    try:
        async with parts.sessions() as session:
            revision = await migrate.current(session)
        if revision != migrate.head():
            checks["schema"] = f"at {revision}, this release needs {migrate.head()}: run `sluice migrate`"
    except Exception as error:  # whatever it is, it is the answer
        checks["database"] = f"unavailable ({type(error).__name__})"
        checks["schema"] = "unknown"
    checks |= {f"loop {loop.name}": loop.failure or "ok" for loop in parts.loops}
    ready = all(outcome == "ok" for outcome in checks.values())
    response.status_code = 200 if ready else 503
    return Readiness(ready=ready, checks=checks)


@router.get("/metrics", summary="Metrics for Prometheus", response_class=Response)
async def metrics(parts: Parts) -> Response:
    """Counters of this process, and the queue as the database has it now."""
    async with parts.sessions() as session:
        depth = await runs.depth(session)
    WAITING.set(depth.waiting)
    OLDEST_WAITING.set(depth.oldest_waiting_seconds)
    UNFINISHED.clear()
    for state, count in depth.unfinished.items():
        UNFINISHED.labels(state).set(count)
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
