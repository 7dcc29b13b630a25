"""Watching: event streams, many of them idle, all told at once, and how fresh what they tell is."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import uvloop

from bench import load, messages
from bench.dispatch import UNLIMITED, until_dispatched
from bench.grounds import Grounds, Served
from bench.load import Sample
from bench.plan import Plan
from bench.results import Figure, Side, percentile, side

_APPLICATIONS = 100
_CONNECTING_PER_SECOND = 500
_SETTLING_SECONDS = 3.0
_RUNS_PER_SECOND = 50

# As if something had happened to each application in the same transaction.
_TELL_ALL = """
    WITH told AS (UPDATE applications SET version = version + 1, updated_at = now() RETURNING id)
    SELECT pg_notify('sluice_changes', 'application:' || id) FROM told
"""


@dataclass(frozen=True)
class Watch:
    """What one watching process does: a stream for each request, until a time of the wall clock."""

    port: int
    requests: Sequence[bytes]
    ends_at: float


async def figures(grounds: Grounds, plan: Plan) -> AsyncIterator[Figure]:
    await grounds.create_database("watch")
    async with grounds.gateway("watch") as gateway:
        if not await _can_stream(grounds, gateway):
            sys.stderr.write("watch: skipped, because this gateway has no event streams\n")
            return
        names = await _applications(grounds, gateway, "watch", _APPLICATIONS)
        requests = await _streams(grounds, "watch", names)
        async for figure in _told_at_once(grounds, gateway, plan, requests):
            yield figure
    async for figure in _freshness(grounds, plan):
        yield figure


async def _told_at_once(
    grounds: Grounds, gateway: Served, plan: Plan, requests: Sequence[bytes]
) -> AsyncIterator[Figure]:
    watchers = plan.watchers
    empty = _resident_bytes(gateway)
    alone, _ = await _tell(grounds, gateway, plan, requests[:1])
    all_of_them = [requests[number % len(requests)] for number in range(watchers)]
    everybody, full = await _tell(grounds, gateway, plan, all_of_them)
    missing = watchers - len(everybody.latencies)
    name = f"{watchers:,} streams told at once" + (f", {missing} of them not" if missing else "")
    yield Figure(
        section="watch",
        ours=_latencies_only(name, everybody),
        theirs=_latencies_only("one stream", alone),
        ratio=percentile(everybody.latencies, 50) / percentile(alone.latencies, 50),
        connections=watchers,
    )
    each = (full - empty) / watchers
    yield Figure(
        section="watch",
        ours=Side(f"memory of an idle stream: {each / 1024:.0f} KiB"),
        theirs=Side("64 KiB"),
        ratio=each / 65_536,
        connections=watchers,
        at_most=1.0,
    )


async def _tell(
    grounds: Grounds, gateway: Served, plan: Plan, requests: Sequence[bytes]
) -> tuple[Sample, int]:
    """How long after the commit each stream was told, and the gateway's memory while all were idle."""
    tells_at = time.time() + len(requests) / _CONNECTING_PER_SECOND + _SETTLING_SECONDS
    watching = _watch(grounds, gateway, requests, tells_at + plan.telling_seconds)
    async with grounds.connected("watch") as connection:
        await asyncio.sleep(tells_at - time.time())
        resident = _resident_bytes(gateway)
        await connection.execute(_TELL_ALL)
        told = time.time()
    heard = await watching
    first = [min((at for at in times if at >= tells_at), default=None) for times in heard]
    return Sample(seconds=1, latencies=[max(0.0, at - told) for at in first if at is not None]), resident


async def _freshness(grounds: Grounds, plan: Plan) -> AsyncIterator[Figure]:
    """From Prefect's answer that it has set a state to the stream that tells it, fifty times a second."""
    await grounds.create_database("fresh")
    loops = {"SLUICE_DISPATCHER_ENABLED": "true", "SLUICE_PROJECTION_ENABLED": "true", **UNLIMITED}
    async with grounds.prefect(), grounds.gateway("fresh", loops) as gateway:
        names = await _applications(grounds, gateway, "fresh", plan.runs)
        async with grounds.connected("fresh") as connection:
            await until_dispatched(connection)
            one_each = "SELECT DISTINCT ON (application_id) application_id, flow_run_id FROM runs"
            flow_runs = dict(await connection.fetch(one_each))
        begins_at = time.time() + len(names) / _CONNECTING_PER_SECOND + _SETTLING_SECONDS
        ends_at = begins_at + len(names) / _RUNS_PER_SECOND + plan.telling_seconds
        watching = _watch(grounds, gateway, await _streams(grounds, "fresh", names), ends_at)
        await asyncio.sleep(begins_at - time.time())
        changes = []
        for number, name in enumerate(names):
            await asyncio.sleep(begins_at + number / _RUNS_PER_SECOND - time.time())
            changes.append(asyncio.create_task(_change_state(grounds, str(flow_runs[name]))))
        calls = await asyncio.gather(*changes)
        heard = await watching
    lags = Sample(seconds=1)
    for call, times in zip(calls, heard, strict=True):
        # Prefect tells of a state before its answer is sent: then the stream was as fresh as can be.
        first = min(
            (at for at in times if at >= call.began_at), default=call.answered_at + plan.telling_seconds
        )
        lags.latencies.append(max(0.0, first - call.answered_at))
    setting = Sample(seconds=1, latencies=[call.answered_at - call.began_at for call in calls])
    for percent, aim_ms in ((50, 100), (99, 500)):
        yield Figure(
            section="watch",
            ours=_latencies_only(f"Prefect's state to the stream, p{percent} of {aim_ms} ms", lags),
            theirs=_latencies_only("the call that sets the state", setting),
            ratio=percentile(lags.latencies, percent) * 1000 / aim_ms,
            connections=len(names),
            at_most=1.0,
        )


@dataclass(frozen=True)
class _Call:
    """When a state was set, by the wall clock."""

    began_at: float
    answered_at: float


async def _change_state(grounds: Grounds, flow_run: str) -> _Call:
    """Make the flow run PENDING, as a worker does."""
    url = f"{grounds.prefect_url}/api/flow_runs/{flow_run}/set_state"
    began_at = time.time()
    answer = await grounds.http.post(url, json={"state": {"type": "PENDING", "name": "Pending"}})
    answer.raise_for_status()
    return _Call(began_at, time.time())


def _watch(
    grounds: Grounds, gateway: Served, requests: Sequence[bytes], ends_at: float
) -> asyncio.Future[list[list[float]]]:
    return asyncio.get_running_loop().run_in_executor(
        grounds.pool, watch, Watch(gateway.port, requests, ends_at)
    )


def watch(what: Watch) -> list[list[float]]:
    """One watching process: when each stream told something, by the wall clock."""
    return uvloop.run(_listen(what))


async def _listen(what: Watch) -> list[list[float]]:
    loop = asyncio.get_running_loop()
    streams = []
    for request in what.requests:
        stream = _Stream(request)
        await loop.create_connection(stream.itself, "127.0.0.1", what.port)
        streams.append(stream)
    await asyncio.sleep(max(0.0, what.ends_at - time.time()))
    for stream in streams:
        stream.close()
    return [stream.heard for stream in streams]


class _Stream(asyncio.Protocol):
    def __init__(self, request: bytes) -> None:
        self._request = request
        self._transport: asyncio.BaseTransport | None = None
        self.heard: list[float] = []

    def itself(self) -> _Stream:
        return self

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        transport.write(self._request)  # type: ignore[attr-defined] # TCP's transport has it

    def data_received(self, data: bytes) -> None:
        # Heartbeats are comments; whatever happens comes as data.
        if b"data:" in data:
            self.heard.append(time.time())


async def _can_stream(grounds: Grounds, gateway: Served) -> bool:
    description = (await grounds.http.get(f"http://127.0.0.1:{gateway.port}/openapi.json")).json()
    return "/v1/applications/{application_id}/events" in description["paths"]


async def _applications(grounds: Grounds, gateway: Served, database: str, count: int) -> list[str]:
    """So many applications, each with a document; their ids."""
    envelopes = messages.signed(grounds.pool, 2 * count)
    await load.put_load(grounds.pool, gateway.port, envelopes, connections=8, seconds=60)
    async with grounds.connected(database) as connection:
        return [row["id"] for row in await connection.fetch("SELECT id FROM applications LIMIT $1", count)]


async def _streams(grounds: Grounds, database: str, names: Sequence[str]) -> list[bytes]:
    headers = {
        "Authorization": f"Bearer {await grounds.api_key(database)}",
        "Accept": "text/event-stream",
    }
    return [load.request("GET", f"/v1/applications/{name}/events", headers=headers) for name in names]


def _latencies_only(name: str, sample: Sample) -> Side:
    return replace(side(name, [sample]), rate=None)


def _resident_bytes(gateway: Served) -> int:
    # statm counts pages of the process that Linux starts, which is the gateway itself.
    pages = Path(f"/proc/{gateway.process.pid}/statm").read_text("ascii").split()[1]
    return int(pages) * 4_096
