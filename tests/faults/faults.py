"""What each fault of the schedule does, and how it heals."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

import asyncpg
import httpx

from app.dev.process import Process
from app.settings import DatabaseSettings
from tests.faults.rig import LEASE_SECONDS, Rig
from tests.faults.schedule import Step
from tests.faults.sender import Sender

_POOL_IS_FULL_SECONDS = 7.0
"""Longer than a request waits for a connection, shorter than a statement may take."""

_GRACE_SECONDS = 12.0
"""Within this time of SIGTERM a process has ended."""

_STOPPED = {0, -15}
"""Exit codes of a process that ended as it was asked to; uvicorn ends by the signal itself."""


def tell(line: str) -> None:
    """Say it to whoever runs the faults, at once."""
    print(line, flush=True)  # noqa: T201


@dataclass
class Storm:
    """The faults on their way through the rig, and what went wrong about them."""

    rig: Rig
    sender: Sender
    done: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    """Promises that were broken while a fault was on."""

    async def run(self, steps: Sequence[Step]) -> None:
        """Do every step at its time; returns when the last one has healed."""
        began = time.monotonic()
        async with asyncio.TaskGroup() as running:
            for step in steps:
                running.create_task(self._run(step, began))

    async def _run(self, step: Step, began: float) -> None:
        await asyncio.sleep(max(0.0, began + step.at - time.monotonic()))
        verb, _, what = step.fault.partition(" ")
        act, parts = _ACTS[verb](what)
        async with self.rig.held(parts):
            started = time.monotonic() - began
            await act(self, step, what)
            ended = time.monotonic() - began
        self.done.append(step.fault)
        tell(f"{started:6.1f} s to {ended:5.1f} s  {step.fault}")


Act = Callable[[Storm, Step, str], Awaitable[None]]


async def _kill(storm: Storm, step: Step, what: str) -> None:
    victims = _victims(storm.rig, what, step.choice)
    for victim in victims:
        await storm.rig.kill(victim)
    await asyncio.sleep(step.seconds)
    for victim in victims:
        await storm.rig.start(victim)
    if what == "dispatcher":
        # Nobody else handles dispatchers before the leases of these have ended, or been rescued.
        await asyncio.sleep(max(0.0, LEASE_SECONDS - step.seconds))


def _victims(rig: Rig, what: str, choice: float) -> list[Process]:
    """One copy or the other, or both at once."""
    copies = {"dispatcher": rig.dispatchers, "follower": rig.followers}.get(what)
    if copies is not None:
        return [[copies[0]], [copies[1]], copies][int(choice * 3)]
    return {"gateway": [rig.gateway], "worker": rig.workers, "prefect": [rig.prefect]}[what]


async def _restart(storm: Storm, _step: Step, what: str) -> None:
    mode: Literal["fast", "immediate"] = "fast" if what.endswith("fast") else "immediate"
    await asyncio.to_thread(storm.rig.stack.postgres.restart, mode)


async def _cut(storm: Storm, step: Step, what: str) -> None:
    link = storm.rig.links[what]
    async with link.cut() if step.choice < 0.5 else link.silenced():
        await asyncio.sleep(step.seconds)


async def _delay(storm: Storm, step: Step, what: str) -> None:
    async with storm.rig.links[what].delayed(0.05 + step.choice * 0.5):
        await asyncio.sleep(step.seconds)


async def _fill(storm: Storm, step: Step, what: str) -> None:
    await (_fill_pool if what == "the pool" else _fill_postgresql)(storm, step)


async def _fill_pool(storm: Storm, _step: Step) -> None:
    """Requests that wait for a table nobody may touch take every connection of the gateway's pool."""
    rig = storm.rig
    await rig.gateway.until_ready()
    began = datetime.now(UTC)
    async with asyncio.TaskGroup() as waiting, rig.database() as connection, connection.transaction():
        await connection.execute("LOCK TABLE alembic_version IN ACCESS EXCLUSIVE MODE")
        for _ in range(2 * DatabaseSettings().pool_size):
            waiting.create_task(_ready(rig))
        await asyncio.sleep(0.5)
        storm.sender.hurry(30)
        await asyncio.sleep(_POOL_IS_FULL_SECONDS)
    if not storm.sender.turned_away(began):
        storm.complaints.append("no notification was turned away while the pool was full: the drill is void")


async def _fill_postgresql(storm: Storm, step: Step) -> None:
    """Take every connection that the server has left."""
    async with AsyncExitStack() as taken:
        while True:
            try:
                await taken.enter_async_context(storm.rig.database())
            except asyncpg.TooManyConnectionsError:
                break
        storm.sender.hurry(10)
        await asyncio.sleep(step.seconds)


async def _terminate(storm: Storm, step: Step, what: str) -> None:
    if what == "gateway":
        await _terminate_gateway(storm, step)
        return
    victims = storm.rig.dispatchers if what == "dispatchers" else storm.rig.followers
    codes = await asyncio.gather(
        *(storm.rig.terminate(victim, within=_GRACE_SECONDS) for victim in victims), return_exceptions=True
    )
    if any(code not in _STOPPED for code in codes):
        storm.complaints.append(f"the {what} ended with {codes} after SIGTERM")
    if what == "dispatchers":
        async with storm.rig.database() as connection:
            leased = await connection.fetchval("SELECT count(*) FROM runs WHERE leased_until > now()")
        if leased:
            storm.complaints.append(f"dispatchers that were asked to end kept {leased} runs leased")
    for victim in victims:
        await storm.rig.start(victim)


async def _terminate_gateway(storm: Storm, step: Step) -> None:
    """While requests are on their way: readiness must go red before the door closes, and each be answered."""
    rig = storm.rig
    await rig.gateway.until_ready()
    async with rig.links["gateway-postgresql"].delayed(0.02):
        ending = asyncio.create_task(_said_it_was_ending(rig))
        storm.sender.hurry(20)
        await asyncio.sleep(0.25)
        moment = datetime.now(UTC)
        code = await rig.terminate(rig.gateway, within=_GRACE_SECONDS)
        said = await ending
    in_flight = await storm.sender.under_way(moment)
    if code not in _STOPPED:
        storm.complaints.append(f"the gateway ended with {code} after SIGTERM")
    if not said:
        storm.complaints.append("readiness did not go red before the gateway closed its door")
    if not in_flight:
        storm.complaints.append("nothing was in flight when the gateway was asked to end: the drill is void")
    if lost := sum(attempt.status is None for attempt in in_flight):
        storm.complaints.append(f"{lost} of {len(in_flight)} requests in flight at SIGTERM got no answer")
    await asyncio.sleep(step.seconds)
    await rig.start(rig.gateway)


async def _said_it_was_ending(rig: Rig) -> bool:
    """Ask all the time, as a platform might, until nobody answers: did readiness go red for that reason?"""
    said = False
    while (answer := await _ready(rig)) is not None:
        said = said or (answer.status_code == 503 and answer.json()["checks"].get("shutdown") is not None)
        await asyncio.sleep(0.02)
    return said


async def _ready(rig: Rig) -> httpx.Response | None:
    url, each_its_own = f"{rig.stack.gateway_url}/readyz", {"connection": "close"}
    try:
        return await rig.http.get(url, headers=each_its_own, timeout=15)
    except httpx.HTTPError:
        return None


_ACTS: dict[str, Callable[[str], tuple[Act, Sequence[str]]]] = {
    "kill": lambda what: (_kill, (what,)),
    "restart": lambda _: (_restart, ("postgresql",)),
    "cut": lambda what: (_cut, (what,)),
    "delay": lambda what: (_delay, (what,)),
    "fill": lambda _: (_fill, ("gateway", "postgresql", "gateway-postgresql", "sns-gateway")),
    "terminate": lambda what: (_terminate, _needed_to_terminate(what)),
}


def _needed_to_terminate(what: str) -> Sequence[str]:
    """What must be whole for a part to end as it should; the fault is that it is asked to."""
    part = what.removesuffix("s")
    return (part, "postgresql", f"{part}-postgresql", *(("sns-gateway",) if part == "gateway" else ()))
