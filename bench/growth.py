"""Growth: the same rates on a small and on a large database, taken in turns."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator

from bench import load, messages, status
from bench.grounds import Grounds, Served
from bench.load import Sample
from bench.plan import Plan
from bench.results import Figure, ratio_of_rates, side

_CONNECTIONS = 32
_PER_SECOND = 4_000
_FLAT = 0.85
_DATABASES = ("small", "large")

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
    SELECT n, now() - interval '1 year' * (1 - n / {rows}.0) AS t FROM generate_series(1, {rows}) AS n
) """


async def figures(grounds: Grounds, plan: Plan) -> AsyncIterator[Figure]:
    rows = dict(zip(_DATABASES, (plan.small_rows, plan.large_rows), strict=True))
    for database, count in rows.items():
        await grounds.create_database(database)
        await _fill(grounds, database, count)
    samples: defaultdict[tuple[str, str], list[Sample]] = defaultdict(list)
    async with grounds.gateway("small") as small, grounds.gateway("large") as large:
        gateways = {"small": small, "large": large}
        polls = {name: await status.polls(grounds, gateway, name) for name, gateway in gateways.items()}
        for name, gateway in gateways.items():
            await status.warm_up(grounds, gateway, polls[name])
        for _ in range(plan.rounds):
            for name, gateway in gateways.items():
                fresh = messages.signed(grounds.pool, round(_PER_SECOND * plan.seconds))
                samples["notification committed", name].append(await _put(grounds, plan, gateway, fresh))
                for what in ("304, nothing new", "200, the whole status"):
                    sample = await _put(grounds, plan, gateway, polls[name][what], repeat=True)
                    samples[what, name].append(sample)
    for what in dict.fromkeys(what for what, _ in samples):
        few, many = samples[what, "small"], samples[what, "large"]
        yield Figure(
            section="growth",
            ours=side(f"{what}, at {rows['large']:,} rows", many),
            theirs=side(f"at {rows['small']:,} rows", few),
            ratio=ratio_of_rates(many, few),
            connections=_CONNECTIONS,
            at_least=_FLAT,
        )


async def _fill(grounds: Grounds, database: str, rows: int) -> None:
    async with grounds.connected(database) as connection:
        for statement in _FILL:
            await connection.execute(_NUMBERED.format(rows=rows) + statement)
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
