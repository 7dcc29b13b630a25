"""Ingest: a signed notification in, committed, 200 out; against what is below it and what it replaces."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

from bench import load, messages, postgres_limit
from bench.grounds import Grounds, Served
from bench.load import Sample
from bench.plan import CONNECTIONS, Plan
from bench.results import Figure, ratio_of_rates, side

_MOST_PER_SECOND = 4_000
"""Messages are signed for this rate; a server that is faster ends its round early, and counts as it was."""

_NAIVE_PER_SECOND = 150

_OURS = "notification committed"
_AIMS = {
    "empty POST": 0.55,
    "verify only, no commit": 0.85,
    "pgbench, the same rows": None,
    "naive gateway": 30,
}
"""At 32 connections."""

_TWO_PROCESSES = 1.7
"""Nearly twice: PostgreSQL and the generators need cores too."""


async def figures(grounds: Grounds, plan: Plan) -> AsyncIterator[Figure]:
    await grounds.create_database("ingest")
    await grounds.create_database("pgbench")
    await grounds.create_database("naive")
    async with grounds.prefect(), grounds.gateway("ingest") as gateway, grounds.naive("naive") as naive:
        await _warm_up(grounds, gateway)
        for connections in CONNECTIONS:
            samples: defaultdict[str, list[Sample]] = defaultdict(list)
            for _ in range(plan.rounds):
                for name, put in _competitors(grounds, plan, gateway, naive, connections).items():
                    samples[name].append(await put())
            for name, aim in _AIMS.items():
                yield Figure(
                    section="ingest",
                    ours=side(_OURS, samples[_OURS]),
                    theirs=side(name, samples[name]),
                    ratio=ratio_of_rates(samples[_OURS], samples[name]),
                    connections=connections,
                    at_least=aim if connections == 32 else None,
                )
    async for figure in _over_processes(grounds, plan):
        yield figure


async def _over_processes(grounds: Grounds, plan: Plan) -> AsyncIterator[Figure]:
    """Two worker processes against one, on databases of their own."""
    samples: defaultdict[int, list[Sample]] = defaultdict(list)
    for workers in (1, 2):
        await grounds.create_database(f"workers{workers}")
    async with (
        grounds.gateway("workers1", workers=1) as one,
        grounds.gateway("workers2", workers=2) as two,
    ):
        for gateway in (one, two):
            await _warm_up(grounds, gateway)
        for _ in range(plan.rounds):
            for workers, gateway in ((1, one), (2, two)):
                fresh = messages.signed(grounds.pool, round(_MOST_PER_SECOND * plan.seconds))
                sample = await load.put_load(
                    grounds.pool, gateway.port, fresh, connections=64, seconds=plan.seconds
                )
                samples[workers].append(sample)
    yield Figure(
        section="ingest",
        ours=side(f"{_OURS}, 2 processes", samples[2]),
        theirs=side("1 process", samples[1]),
        ratio=ratio_of_rates(samples[2], samples[1]),
        connections=64,
        at_least=_TWO_PROCESSES,
    )


def _competitors(
    grounds: Grounds, plan: Plan, gateway: Served, naive: Served, connections: int
) -> dict[str, Callable[[], Awaitable[Sample]]]:
    put = partial(load.put_load, grounds.pool, connections=connections, seconds=plan.seconds)
    empty = [load.request("POST", "/bench/empty")]
    again = partial(messages.signed, grounds.pool, 100, path="/bench/verify")
    fresh = partial(messages.signed, grounds.pool)
    return {
        _OURS: lambda: put(gateway.port, fresh(round(_MOST_PER_SECOND * plan.seconds))),
        "empty POST": lambda: put(gateway.port, empty, repeat=True),
        "verify only, no commit": lambda: put(gateway.port, again(), repeat=True),
        "pgbench, the same rows": lambda: postgres_limit.put_load(
            grounds.postgres, "pgbench", connections=connections, seconds=plan.seconds
        ),
        "naive gateway": lambda: put(naive.port, fresh(round(_NAIVE_PER_SECOND * plan.seconds))),
    }


async def _warm_up(grounds: Grounds, gateway: Served) -> None:
    requests = messages.signed(grounds.pool, 200)
    await load.put_load(grounds.pool, gateway.port, requests, connections=32, seconds=2)
