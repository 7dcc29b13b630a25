"""Hands accepted runs to Prefect, each exactly once.

A run is claimed with a lease, created under an idempotency key that is its own id, and settled by what
Prefect said. Whatever dies in between, the lease ends, the run is claimed again, and the same key finds
the flow run that exists already. So every doubt is resolved by asking again.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta

import structlog

from app import outcomes, runs
from app.circuit import Circuit
from app.db import Sessions
from app.errors import PrefectUnavailable
from app.models import Run, RunState
from app.prefect_client import DeploymentMissing, NewFlowRun, PrefectClient, Refusal
from app.settings import DispatcherSettings
from app.telemetry import DISPATCHED

log = structlog.get_logger()

_SHORTEST_SLEEP = 0.05
"""When a run is due but another dispatcher holds it."""


async def dispatch(
    sessions: Sessions, prefect: PrefectClient, settings: DispatcherSettings, circuit: Circuit
) -> float:
    """One round: claim due runs and create their flow runs; returns the seconds to sleep.

    Prefect being unavailable costs no run an attempt: they go back untried, and `circuit` says how long
    Prefect is left alone, also when a new run wakes the loop earlier.
    """
    if (wait := circuit.seconds_left()) > 0:
        return wait
    async with sessions.begin() as session:
        claimed = await runs.claim(
            session,
            limit=settings.batch_size * settings.calls_in_flight,
            lease=timedelta(seconds=settings.lease_seconds),
        )
        waiting = 0.0 if claimed else await runs.seconds_until_due(session)
    if not claimed:
        due_in = settings.poll_seconds if waiting is None else waiting
        return min(settings.poll_seconds, max(_SHORTEST_SLEEP, due_in))
    try:
        async with asyncio.TaskGroup() as calls:
            for batch in _batches(claimed, settings.batch_size):
                calls.create_task(_deliver(sessions, prefect, settings, circuit, batch))
    except BaseException:
        # Cancelled, or our database failed: nobody should have to wait for the leases to end.
        await _release(sessions, claimed)
        raise
    return circuit.seconds_left()


def _batches(claimed: Sequence[Run], size: int) -> Iterator[Sequence[Run]]:
    """At most `size` runs of one deployment each, the most urgent deployment first."""
    by_deployment: defaultdict[str, list[Run]] = defaultdict(list)
    for run in claimed:
        by_deployment[run.deployment].append(run)
    for same in by_deployment.values():
        for start in range(0, len(same), size):
            yield same[start : start + size]


async def _deliver(
    sessions: Sessions,
    prefect: PrefectClient,
    settings: DispatcherSettings,
    circuit: Circuit,
    batch: Sequence[Run],
) -> None:
    try:
        answers = await _create(prefect, batch)
    except PrefectUnavailable as error:
        circuit.failed(error)
        answers = await _read_back(prefect, batch)
    else:
        circuit.succeeded()
    for run in batch:
        answer = answers.get(run.idempotency_key)
        if isinstance(answer, Refusal):
            await _settle_refused(sessions, settings, run, answer)
    await _settle_created(sessions, batch, answers)
    await _release(sessions, [run for run in batch if run.idempotency_key not in answers])


async def _create(prefect: PrefectClient, batch: Sequence[Run]) -> Mapping[str, uuid.UUID | Refusal]:
    try:
        return await prefect.create_flow_runs(batch[0].deployment, [_flow_run(run) for run in batch])
    except DeploymentMissing as missing:
        # It may be on its way there, so each run's own backoff decides how long we wait for it.
        return {run.idempotency_key: Refusal(str(missing), permanent=False) for run in batch}


def _flow_run(run: Run) -> NewFlowRun:
    return NewFlowRun(
        idempotency_key=run.idempotency_key,
        # The end of a UUIDv7 is its random part: the beginning is the same for a second's runs.
        name=f"{run.route}-{run.id.hex[-8:]}",
        parameters=run.parameters,
        tags=run.tags,
        work_queue=run.work_queue,
    )


async def _read_back(prefect: PrefectClient, batch: Sequence[Run]) -> Mapping[str, uuid.UUID]:
    """What Prefect has created although its answer never came; nothing when it cannot say."""
    try:
        return await prefect.find_flow_runs([run.idempotency_key for run in batch])
    except PrefectUnavailable:
        return {}


async def _settle_created(
    sessions: Sessions, batch: Sequence[Run], answers: Mapping[str, uuid.UUID | Refusal]
) -> None:
    async with sessions.begin() as session:
        # By application, as every other batch: else two of them could wait for each other's rows.
        for run in sorted(batch, key=lambda run: run.application_id or ""):
            flow_run_id = answers.get(run.idempotency_key)
            if isinstance(flow_run_id, uuid.UUID) and await runs.created(session, run, flow_run_id):
                _count(run, "created")


async def _settle_refused(
    sessions: Sessions, settings: DispatcherSettings, run: Run, refusal: Refusal
) -> None:
    async with sessions.begin() as session:
        settled = await runs.refused(
            session, run, refusal.message, max_attempts=settings.max_attempts, permanent=refusal.permanent
        )
        if settled:
            now = await session.get_one(Run, run.id)
            await outcomes.run_changed_state(session, now)
            _count(run, "dead" if now.state is RunState.DEAD else "refused")


def _count(run: Run, result: str) -> None:
    DISPATCHED.labels(run.route, result).inc()
    log.info("dispatched", run=str(run.id), route=run.route, result=result)


async def _release(sessions: Sessions, claimed: Sequence[Run]) -> None:
    if claimed:
        async with sessions.begin() as session:
            await runs.release(session, claimed)
