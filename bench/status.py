"""Status: what a loan app that polls costs, against the same server's answer to an empty GET."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator

from bench import load, messages
from bench.grounds import Grounds, Served
from bench.load import Sample
from bench.plan import CONNECTIONS, Plan
from bench.results import Figure, ratio_of_rates, side

_APPLICATIONS = 100
_AIMS = {"304, nothing new": 0.8, "200, the whole status": 0.6}
_EMPTY = "empty GET"


async def figures(grounds: Grounds, plan: Plan) -> AsyncIterator[Figure]:
    await grounds.create_database("status")
    async with grounds.gateway("status") as gateway:
        requests = await polls(grounds, gateway, "status")
        await warm_up(grounds, gateway, requests)
        for connections in CONNECTIONS:
            samples: defaultdict[str, list[Sample]] = defaultdict(list)
            for _ in range(plan.rounds):
                for name, content in requests.items():
                    sample = await load.put_load(
                        grounds.pool,
                        gateway.port,
                        content,
                        connections=connections,
                        seconds=plan.seconds,
                        repeat=True,
                    )
                    samples[name].append(sample)
            for name, aim in _AIMS.items():
                yield Figure(
                    section="status",
                    ours=side(name, samples[name]),
                    theirs=side(_EMPTY, samples[_EMPTY]),
                    ratio=ratio_of_rates(samples[name], samples[_EMPTY]),
                    connections=connections,
                    at_least=aim if connections == 32 else None,
                )


async def warm_up(grounds: Grounds, gateway: Served, requests: dict[str, list[bytes]]) -> None:
    """Let the gateway read what is polled, and seal what its preparation left to seal."""
    for content in requests.values():
        await load.put_load(grounds.pool, gateway.port, content, connections=32, seconds=2, repeat=True)


async def polls(grounds: Grounds, gateway: Served, database: str) -> dict[str, list[bytes]]:
    """The requests by what they ask; each about one of a hundred applications with two documents."""
    envelopes = messages.signed(grounds.pool, 2 * _APPLICATIONS)
    await load.put_load(grounds.pool, gateway.port, envelopes, connections=8, seconds=30)
    async with grounds.connected(database) as connection:
        newest = "SELECT id, version FROM applications ORDER BY created_at DESC LIMIT $1"
        rows = await connection.fetch(newest, _APPLICATIONS)
    key = {"Authorization": f"Bearer {await grounds.api_key(database)}"}
    url = "/v1/applications/{}"
    return {
        "304, nothing new": [
            load.request("GET", url.format(name), headers=key | {"If-None-Match": f'"{version}"'})
            for name, version in rows
        ],
        "200, the whole status": [load.request("GET", url.format(name), headers=key) for name, _ in rows],
        _EMPTY: [load.request("GET", "/bench/empty")],
    }
