"""Growth: the same rates on a small database and on larger ones, taken in turns."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

from bench import load, messages, status
from bench.grounds import Grounds, Served
from bench.load import Sample
from bench.plan import Plan
from bench.results import Figure, ratio_of_rates, side

_CONNECTIONS = 32
_PER_SECOND = 4_000
_FLAT = 0.85
_FILLED_AT_ONCE = 1_000_000

# A finished year of notifications, each with its application, document, run and sealed audit entry.
_FILL = (
    """INSERT INTO applications (id, status, version, created_at, updated_at)
    SELECT 'old-' || n, 'approved', 5, t, t FROM numbered""",
    """INSERT INTO notifications (id, topic_arn, message_id, kind, envelope, outcome, sent_at, received_at)
    SELECT gen_random_uuid(), 'arn:aws:sns:us-east-1:123456789012:uploads', gen_random_uuid()::text,
        'Notification', repeat('e', 400), 'routed', t, t FROM numbered""",
    """INSERT INTO documents (id, application_id, bucket, key, object_version, sequencer, kind, size, status,
        received_at)
    SELECT md5('document' || n)::uuid, 'old-' || n, 'sluice-documents',
        'applications/old-' || n || '/license-front/1.jpg', 'v' || n, '0A', 'license-front', 1843200,
        'verified', t FROM numbered""",
    """INSERT INTO runs (id, cause_kind, cause_id, route, application_id, deployment, parameters, tags,
        priority, state, state_name, attempts, replays, previous_flow_runs, version, flow_run_id,
        next_attempt_at, accepted_at, state_at, dispatched_at, started_at, ended_at)
    SELECT md5('run' || n)::uuid, 'document', md5('document' || n)::uuid::text, 'bench', 'old-' || n,
        'bench/bench', '{}', '[]', 100, 'COMPLETED', 'Completed', 0, 0, '[]', 5,
        md5('flow' || n)::uuid, t, t, t, t, t, t FROM numbered""",
    """INSERT INTO audit_log (at, actor, action, subject, detail, position, previous_hash, hash)
    SELECT t, 'sns', 'document.received', 'document:' || n, '{}', n, sha256('a'), sha256('b')
    FROM numbered""",
)
_NUMBERED = """WITH numbered AS (
    SELECT n, now() - interval '1 year' * (1 - n / {rows}.0) AS t FROM generate_series({first}, {last}) AS n
) """


async def figures(grounds: Grounds, plan: Plan) -> AsyncIterator[Figure]:
    samples: defaultdict[tuple[str, int], list[Sample]] = defaultdict(list)
    async with AsyncExitStack() as stack:
        gateways: dict[int, Served] = {}
        polls = {}
        for rows in plan.rows:
            database = f"rows{rows}"
            await grounds.create_database(database)
            await _fill(grounds, database, rows)
            gateways[rows] = await stack.enter_async_context(grounds.gateway(database))
            polls[rows] = await status.polls(grounds, gateways[rows], database)
            await status.warm_up(grounds, gateways[rows], polls[rows])
        for _ in range(plan.rounds):
            for rows, gateway in gateways.items():
                fresh = messages.signed(grounds.pool, round(_PER_SECOND * plan.seconds))
                samples["notification committed", rows].append(await _put(grounds, plan, gateway, fresh))
                for what in ("304, nothing new", "200, the whole status"):
                    sample = await _put(grounds, plan, gateway, polls[rows][what], repeat=True)
                    samples[what, rows].append(sample)
    fewest, *more = plan.rows
    for rows in more:
        for what in dict.fromkeys(what for what, _ in samples):
            yield Figure(
                section="growth",
                ours=side(f"{what}, at {rows:,} rows", samples[what, rows]),
                theirs=side(f"at {fewest:,} rows", samples[what, fewest]),
                ratio=ratio_of_rates(samples[what, rows], samples[what, fewest]),
                connections=_CONNECTIONS,
                at_least=_FLAT,
            )


async def _fill(grounds: Grounds, database: str, rows: int) -> None:
    async with grounds.connected(database) as connection:
        # No foreign key is looked up: what is filled in refers to itself.
        await connection.execute("SET session_replication_role = replica; SET synchronous_commit = off")
        for first in range(1, rows + 1, _FILLED_AT_ONCE):
            last = min(rows, first + _FILLED_AT_ONCE - 1)
            for statement in _FILL:
                await connection.execute(_NUMBERED.format(rows=rows, first=first, last=last) + statement)
        await connection.execute("VACUUM ANALYZE")
        await connection.execute("CHECKPOINT")


async def _put(
    grounds: Grounds, plan: Plan, gateway: Served, requests: list[bytes], *, repeat: bool = False
) -> Sample:
    return await load.put_load(
        grounds.pool,
        gateway.port,
        requests,
        connections=_CONNECTIONS,
        seconds=plan.seconds,
        repeat=repeat,
    )
