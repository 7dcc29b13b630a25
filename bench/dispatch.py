"""Dispatch: accepted runs into Prefect, against the best any client does with Prefect's own endpoints."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import asyncpg

from bench import messages
from bench.grounds import DEPLOYMENT, Grounds, Served
from bench.load import Sample
from bench.plan import Plan
from bench.results import Figure, percentile, ratio_of_rates, side

_AT_ONCE = 25
_IN_FLIGHT = 4
"""With batches of this size and so many calls in flight Prefect's one process is busy all the time; more of
either only makes a call slower."""

_IDLE_PAUSE_SECONDS = 0.2

UNLIMITED = {
    "SLUICE_DISPATCHER_MAX_IN_PREFECT": "1000000",
    "SLUICE_DISPATCHER_MAX_IN_PREFECT_PER_ROUTE": "1000000",
}
"""No worker takes the runs away, so backpressure would end the measurement."""

_ENQUEUE = """
    INSERT INTO runs (id, cause_kind, cause_id, route, deployment, parameters, tags, priority, state,
        state_name, attempts, replays, previous_flow_runs, version)
    SELECT gen_random_uuid(), 'message', gen_random_uuid()::text, 'bench', $2, '{"document_id": "1"}', '[]',
        100, 'ACCEPTED', 'Accepted', 0, 0, '[]', 1
    FROM generate_series(1, $1)
"""


async def figures(grounds: Grounds, plan: Plan) -> AsyncIterator[Figure]:
    await grounds.create_database("dispatch")
    async with grounds.prefect(), grounds.connected("dispatch") as connection:
        deployment = await _deployment(grounds)
        ours, theirs = [], []
        async with grounds.dispatcher("dispatch", UNLIMITED):
            await _dispatched(connection, _AT_ONCE)  # warms both
            for _ in range(max(2, plan.rounds)):
                ours.append(await _dispatched(connection, plan.runs))
                theirs.append(await _created_by_client(grounds, deployment, plan.runs))
        yield Figure(
            section="dispatch",
            ours=side("runs dispatched, each answer checked", ours),
            theirs=side(f"bulk create, {_AT_ONCE} a call, {_IN_FLIGHT} calls", theirs),
            ratio=ratio_of_rates(ours, theirs),
            at_least=0.9,
        )
        async with grounds.gateway("dispatch", {"SLUICE_DISPATCHER_ENABLED": "true", **UNLIMITED}) as gateway:
            idle, bare = await _idle(grounds, gateway, connection, deployment, plan.runs // 2)
    for percent, aim in ((50, 1.5), (99, 4.0)):
        yield Figure(
            section="dispatch",
            ours=replace(side(f"200 to flow run when idle, p{percent}", [idle]), rate=None),
            theirs=replace(side("one bare create_flow_run", [bare]), rate=None),
            ratio=percentile(idle.latencies, percent) / percentile(bare.latencies, percent),
            connections=1,
            at_most=aim,
        )


async def _dispatched(connection: asyncpg.Connection[asyncpg.Record], runs: int) -> Sample:
    """Accept so many runs at once, and wait until Prefect has them all."""
    began = time.monotonic()
    await connection.execute(_ENQUEUE, runs, DEPLOYMENT)
    await connection.execute("NOTIFY sluice_due")
    await until_dispatched(connection)
    return _rate_only(runs, time.monotonic() - began)


async def until_dispatched(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    """Wait until no run waits for Prefect any more."""
    waiting = "SELECT EXISTS (SELECT FROM runs WHERE state = 'ACCEPTED')"
    while await connection.fetchval(waiting):  # noqa: ASYNC110 (another process does what is awaited)
        await asyncio.sleep(0.02)


async def _created_by_client(grounds: Grounds, deployment: str, runs: int) -> Sample:
    """The same number straight into Prefect, believing every answer."""
    bodies: list[dict[str, object]] = [
        {"idempotency_key": str(uuid.uuid4()), "name": f"bench-{number}", "parameters": {"document_id": "1"}}
        for number in range(runs)
    ]
    batches = [bodies[start : start + _AT_ONCE] for start in range(0, runs, _AT_ONCE)]
    url = f"{grounds.prefect_url}/api/deployments/{deployment}/create_flow_run/bulk"
    in_flight = asyncio.Semaphore(_IN_FLIGHT)

    async def create(batch: Sequence[dict[str, object]]) -> None:
        async with in_flight:
            (await grounds.http.post(url, json=batch)).raise_for_status()

    began = time.monotonic()
    await asyncio.gather(*(create(batch) for batch in batches))
    return _rate_only(runs, time.monotonic() - began)


async def _idle(
    grounds: Grounds,
    gateway: Served,
    connection: asyncpg.Connection[asyncpg.Record],
    deployment: str,
    count: int,
) -> tuple[Sample, Sample]:
    """In turns: one notification until we know its flow run, and one bare call of Prefect's endpoint."""
    created: asyncio.Queue[float] = asyncio.Queue()

    def hear(*message: object) -> None:
        if str(message[-1]).startswith("run:"):
            created.put_nowait(time.monotonic())

    await connection.add_listener("sluice_changes", hear)
    envelopes = [messages.envelope(uuid.uuid4().hex) for _ in range(count)]
    url = f"{grounds.prefect_url}/api/deployments/{deployment}/create_flow_run"
    idle, bare = Sample(seconds=1), Sample(seconds=1)
    for number, envelope in enumerate(envelopes):
        taken = await grounds.http.post(f"http://127.0.0.1:{gateway.port}/v1/sns", content=envelope)
        taken.raise_for_status()
        answered = time.monotonic()
        async with asyncio.timeout(30):
            idle.latencies.append(max(0.0, await created.get() - answered))
        await asyncio.sleep(_IDLE_PAUSE_SECONDS)
        began = time.monotonic()
        body = {"idempotency_key": str(uuid.uuid4()), "name": f"bare-{number}"}
        (await grounds.http.post(url, json=body)).raise_for_status()
        bare.latencies.append(time.monotonic() - began)
        await asyncio.sleep(_IDLE_PAUSE_SECONDS)
    await connection.remove_listener("sluice_changes", hear)
    return idle, bare


async def _deployment(grounds: Grounds) -> str:
    answer = await grounds.http.get(f"{grounds.prefect_url}/api/deployments/name/{DEPLOYMENT}")
    found: str = answer.raise_for_status().json()["id"]
    return found


def _rate_only(runs: int, seconds: float) -> Sample:
    return Sample(seconds=seconds, done=runs)
