"""Hands accepted runs to Prefect, each exactly once.

A run is claimed with a lease, created under an idempotency key that is its own id, and settled by what
Prefect said. Whatever dies in between, the lease ends, the run is claimed again, and the same key finds
the flow run that exists already. So every doubt is resolved by asking again.
"""

from __future__ import annotations

import asyncio
import math
import random
import uuid
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

import structlog

from app import backlog, outcomes, run_spans, runs, tracing
from app.circuit import Circuit
from app.db import Sessions
from app.errors import PrefectUnavailable
from app.models import Run, RunState
from app.prefect_client import DeploymentMissing, PrefectClient, PrefectFailed
from app.prefect_flow_runs import NewFlowRun, Refusal
from app.settings import DispatcherSettings
from app.telemetry import DISPATCHED

log = structlog.get_logger()

Answers = dict[str, uuid.UUID | Refusal]
"""What became of runs, by idempotency key."""

_HELD_BACK_SECONDS = 0.25
"""When a run is due but a limit holds it back, or another dispatcher is just claiming."""

_SUSPECTS = 2
"""How many runs may fail alone before it is no longer their fault but that of all."""


async def dispatch(
    sessions: Sessions, prefect: PrefectClient, settings: DispatcherSettings, circuit: Circuit
) -> float:
    """One round: claim due runs and create their flow runs; returns the seconds to sleep.

    Prefect being unavailable costs no run an attempt: they go back untried, and `circuit` says how long
    Prefect is left alone, also when a new run wakes the loop earlier. Its parts say the same of routes.
    """
    if (wait := circuit.seconds_left()) > 0:
        return wait
    resting = circuit.resting()
    async with sessions.begin() as session:
        claimed = await backlog.claim(session, settings, besides=resting)
        due_in = None if claimed else await backlog.seconds_until_due(session, besides=resting)
    if not claimed:
        longest = settings.poll_seconds
        return longest if due_in is None else min(longest, max(_HELD_BACK_SECONDS, due_in))
    in_flight = asyncio.Semaphore(settings.calls_in_flight)
    try:
        async with asyncio.TaskGroup() as calls:
            for batch in _batches(claimed, settings):
                delivery = _deliver(sessions, prefect, settings, circuit, batch=batch, within=in_flight)
                calls.create_task(delivery)
    except BaseException:
        # Cancelled, or our database failed: nobody should have to wait for the leases to end.
        await _release(sessions, claimed)
        raise
    return circuit.seconds_left()


def _batches(claimed: Sequence[Run], settings: DispatcherSettings) -> Iterator[Sequence[Run]]:
    """Runs of one deployment each, the most urgent first, spread over the calls that may be in flight.

    So one run alone is created singly, and a call grows with the backlog.
    """
    size = min(settings.batch_size, math.ceil(len(claimed) / settings.calls_in_flight))
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
    *,
    batch: Sequence[Run],
    within: asyncio.Semaphore,
) -> None:
    async with within:
        asked_at = datetime.now(UTC)
        about: tracing.Attributes = {"prefect.deployment": batch[0].deployment, "sluice.runs": len(batch)}
        with tracing.group("dispatch", [run.traceparent for run in batch], about):
            together = tracing.current()
            answers = await _confirm_refusals(prefect, batch, await _ask(prefect, circuit, batch))
    for run in batch:
        answer = answers.get(run.idempotency_key)
        if isinstance(answer, Refusal):
            await _settle_refused(sessions, settings, run, answer)
    await _settle_created(sessions, batch, answers)
    for run in batch:
        if (answer := answers.get(run.idempotency_key)) is not None:
            flow_run_id = None if isinstance(answer, Refusal) else answer
            run_spans.dispatched(run, asked_at, flow_run_id=flow_run_id, together=together)
    await _release(sessions, [run for run in batch if run.idempotency_key not in answers])


async def _confirm_refusals(prefect: PrefectClient, batch: Sequence[Run], answers: Answers) -> Answers:
    """No run is given up while it has a flow run: an earlier attempt may have made one unknown to us."""
    refused = [run for run in batch if isinstance(answers.get(run.idempotency_key), Refusal)]
    if not refused:
        return answers
    try:
        return answers | await prefect.find_flow_runs([run.idempotency_key for run in refused])
    except PrefectUnavailable:
        doubtful = {run.idempotency_key for run in refused}
        return {key: answer for key, answer in answers.items() if key not in doubtful}


async def _ask(prefect: PrefectClient, circuit: Circuit, batch: Sequence[Run]) -> Answers:
    """What Prefect made of the runs; those it cannot be asked about now are left out."""
    parts = [circuit.part(route) for route in {run.route for run in batch}]
    try:
        answers = await _create(prefect, batch)
    except DeploymentMissing as missing:
        # It may be on its way there, so the route waits, and each run that was tried by its own backoff.
        for part in parts:
            part.failed(missing)
        return {run.idempotency_key: Refusal(str(missing), permanent=False) for run in batch}
    except PrefectFailed as error:
        answers = await _read_back(prefect, batch)
        unanswered = [run for run in batch if run.idempotency_key not in answers]
        return answers | await _isolate(prefect, circuit, parts, unanswered, error)
    except PrefectUnavailable as error:
        circuit.failed(error)
        return await _read_back(prefect, batch)
    for working in (circuit, *parts):
        working.succeeded()
    return answers


async def _isolate(
    prefect: PrefectClient,
    circuit: Circuit,
    parts: Sequence[Circuit],
    batch: Sequence[Run],
    error: PrefectFailed,
) -> Answers:
    """After a 5xx: is it Prefect that fails, the route, or one run on which it fails every time?

    A run costs an attempt only if Prefect fails on it alone while it works for others; else a Prefect that
    is ready and cannot write would make everything a dead letter.
    """
    try:
        await prefect.ready()
    except PrefectUnavailable as unready:
        circuit.failed(unready)
        return {}
    worked_meanwhile = any(circuit.worked_since_failure_of(part) for part in parts)
    answers, failed = await _one_by_one(prefect, circuit, batch)
    mostly_works = bool(answers) and len(answers) >= len(failed)
    for part in parts:
        if mostly_works:
            part.succeeded()
        elif failed:
            part.failed(error)
    if mostly_works or worked_meanwhile:
        said = f"{error.detail} It does so for this run alone, and works for others."
        answers |= {run.idempotency_key: Refusal(said, permanent=False) for run in failed}
    return answers


async def _one_by_one(
    prefect: PrefectClient, circuit: Circuit, batch: Sequence[Run]
) -> tuple[Answers, list[Run]]:
    """Create each run alone; returns what became of them, and those on which Prefect failed."""
    if len(batch) == 1:
        return {}, list(batch)  # it was alone already
    answers: Answers = {}
    failed: list[Run] = []
    # In no order: the same few at the head must not hide each time that the others are sound.
    for run in random.sample(batch, len(batch)):
        try:
            answers |= await _create(prefect, [run])
        except PrefectFailed:
            failed.append(run)
        except (PrefectUnavailable, DeploymentMissing) as error:
            circuit.failed(error)
            break
        if len(failed) >= _SUSPECTS:
            break
    if answers:
        circuit.succeeded()
    return answers, failed


async def _create(prefect: PrefectClient, batch: Sequence[Run]) -> Answers:
    return await prefect.create_flow_runs(batch[0].deployment, [_flow_run(run) for run in batch])


def _flow_run(run: Run) -> NewFlowRun:
    return NewFlowRun(
        idempotency_key=run.idempotency_key,
        # The end of a UUIDv7 is its random part: the beginning is the same for a second's runs.
        name=f"{run.route}-{run.id.hex[-8:]}",
        parameters=run.parameters,
        tags=run.tags,
        work_queue=run.work_queue,
        # Of repeated requests the first counts, so all must name the same parent.
        labels={} if run.traceparent is None else {tracing.FLOW_RUN_LABEL: run.traceparent},
    )


async def _read_back(prefect: PrefectClient, batch: Sequence[Run]) -> Answers:
    """What Prefect has created although its answer never came; nothing when it cannot say."""
    try:
        return {**await prefect.find_flow_runs([run.idempotency_key for run in batch])}
    except PrefectUnavailable:
        return {}


async def _settle_created(
    sessions: Sessions, batch: Sequence[Run], answers: Mapping[str, uuid.UUID | Refusal]
) -> None:
    made = [
        (run, answer) for run in batch if isinstance(answer := answers.get(run.idempotency_key), uuid.UUID)
    ]
    if made:
        async with sessions.begin() as session:
            settled = await runs.created(session, made)
        for run in settled:
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
