"""What waits for Prefect: whose turn it is, and how much Prefect may have at once.

Prefect is the narrow place, and a run that waits there costs it more than one that waits here. So runs
stay ours until Prefect has room for them, and the room is shared among the routes.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import func, literal, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import FOLLOWED_RUN_STATES, Run, RunState
from app.settings import DispatcherSettings

_CLAIM_LOCK = 0xC1A1
_MOST_COUNTED = 10_000

# One index probe for each lane, where DISTINCT would read every run that waits.
_LANES = """
    lane AS (
        (SELECT route, priority FROM runs WHERE state = 'ACCEPTED' ORDER BY route, priority LIMIT 1)
        UNION ALL
        SELECT following.route, following.priority FROM lane CROSS JOIN LATERAL (
            SELECT route, priority FROM runs
            WHERE state = 'ACCEPTED' AND (route, priority) > (lane.route, lane.priority)
            ORDER BY route, priority LIMIT 1
        ) AS following
    )
"""

# By name: the plan of a statement that returns every column fails once a migration adds one.
_COLUMNS = ", ".join(f"runs.{column.name}" for column in Run.__table__.columns)

# The most urgent first. Among equals it is the turn of the route that Prefect has fewest runs of, so a
# burst on one route does not starve another, not even when a single place becomes free at a time.
CLAIM = text(f"""
    WITH RECURSIVE {_LANES},
    held AS (
        SELECT route, count(*) AS runs,
            count(*) FILTER (WHERE since > now() - CAST(:pace_window AS interval)) AS recent
        FROM (
            SELECT route, dispatched_at AS since FROM runs
            WHERE state IN ({", ".join(f"'{state}'" for state in sorted(FOLLOWED_RUN_STATES))})
                AND stuck_at IS NULL
            UNION ALL
            SELECT route, now() FROM runs WHERE state = 'ACCEPTED' AND leased_until >= now()
        ) AS under_way
        GROUP BY route
    ),
    free AS (
        SELECT least(
            :most,
            :in_all - coalesce(sum(held.runs), 0),
            :pace - coalesce(sum(held.recent), 0)
        ) AS places
        FROM held
    ),
    due AS (
        SELECT lane.route, lane.priority, head.id, head.next_attempt_at,
            row_number() OVER (PARTITION BY lane.route ORDER BY lane.priority, head.next_attempt_at) AS turn
        FROM lane CROSS JOIN LATERAL (
            SELECT id, next_attempt_at FROM runs
            WHERE state = 'ACCEPTED' AND route = lane.route AND priority = lane.priority
                AND next_attempt_at <= now() AND (leased_until IS NULL OR leased_until < now())
            ORDER BY next_attempt_at LIMIT :most
        ) AS head
        WHERE lane.route <> ALL (CAST(:besides AS text[]))
    ),
    chosen AS (
        SELECT id FROM runs WHERE state = 'ACCEPTED' AND id = ANY (ARRAY(
            SELECT id FROM due LEFT JOIN held USING (route)
            WHERE turn <= :per_route - coalesce(held.runs, 0)
            ORDER BY priority, coalesce(held.runs, 0) + turn, next_attempt_at
            LIMIT (SELECT greatest(0, places) FROM free)
        ))
        FOR UPDATE SKIP LOCKED
    )
    UPDATE runs SET leased_until = now() + CAST(:lease AS interval)
    FROM chosen WHERE runs.id = chosen.id
    RETURNING {_COLUMNS}
""")  # noqa: S608 - made of constants

# Whoever dies between claiming and committing, with its connection left open, is put out after 5 s.
_ALONE = text("""
    SELECT pg_try_advisory_xact_lock(:lock), set_config('idle_in_transaction_session_timeout', '5s', true)
""")

_UNTIL_DUE = text(f"""
    WITH RECURSIVE {_LANES}
    SELECT extract(epoch FROM min(at) - now()) FROM (
        SELECT head.next_attempt_at AS at FROM lane CROSS JOIN LATERAL (
            SELECT next_attempt_at FROM runs
            WHERE state = 'ACCEPTED' AND route = lane.route AND priority = lane.priority
                AND leased_until IS NULL
            ORDER BY next_attempt_at LIMIT 1
        ) AS head
        WHERE lane.route <> ALL (CAST(:besides AS text[]))
        UNION ALL
        SELECT min(leased_until) FROM runs WHERE state = 'ACCEPTED' AND leased_until IS NOT NULL
    ) AS candidates
""")  # noqa: S608 - made of constants


async def claim(
    session: AsyncSession, settings: DispatcherSettings, *, besides: Collection[str] = ()
) -> list[Run]:
    """Lease the due runs whose turn it is, as many as Prefect has room for; none of the routes `besides`.

    One dispatcher claims at a time, so that the limits and the pace hold for all of them together. One
    that finds another at it gets nothing and should look again shortly.
    """
    if not await session.scalar(_ALONE, {"lock": _CLAIM_LOCK}):
        return []
    window, pace = _pace(settings)
    leased = await session.scalars(
        select(Run).from_statement(CLAIM),
        {
            "most": settings.batch_size * settings.calls_in_flight,
            "in_all": settings.max_in_prefect,
            "per_route": settings.max_in_prefect_per_route,
            "pace": pace,
            "pace_window": window,
            "besides": list(besides),
            "lease": timedelta(seconds=settings.lease_seconds),
        },
    )
    return sorted(leased, key=lambda run: (run.priority, run.next_attempt_at))


def _pace(settings: DispatcherSettings) -> tuple[timedelta, int]:
    """At most how many creations in which time: at least one, at most a second's worth at once."""
    rate = settings.creations_per_second
    if rate is None:
        return timedelta(0), 1_000_000
    count = max(1, int(rate))
    return timedelta(seconds=count / rate), count


async def seconds_until_due(session: AsyncSession, *, besides: Collection[str] = ()) -> float | None:
    """How long until the next run may be claimed; 0 when one is due, None when none is waiting."""
    seconds = await session.scalar(_UNTIL_DUE, {"besides": list(besides)})
    return None if seconds is None else max(0.0, float(seconds))


async def place(session: AsyncSession, run: Run) -> int | None:
    """The run's place among those of its route that wait: 1 is next. None when it does not wait.

    Counted up to 10,000. Runs of other routes take turns with this one's and are left out.
    """
    if run.state is not RunState.ACCEPTED:
        return None
    before = (
        select(literal(1))
        .where(
            Run.state == RunState.ACCEPTED,
            Run.route == run.route,
            tuple_(Run.priority, Run.next_attempt_at) < tuple_(run.priority, run.next_attempt_at),
        )
        .limit(_MOST_COUNTED - 1)
        .subquery()
    )
    return 1 + (await session.scalar(select(func.count()).select_from(before)) or 0)


@dataclass(frozen=True)
class Count:
    """The runs of one route in one state, and the seconds since the oldest of them was accepted."""

    state: RunState
    route: str
    runs: int
    oldest_seconds: float


async def counts(session: AsyncSession) -> list[Count]:
    """How many runs each route has in each state, the completed ones left out."""
    age = func.extract("epoch", func.now() - func.min(Run.accepted_at))
    statement = (
        select(Run.state, Run.route, func.count(), age)
        .where(Run.state != RunState.COMPLETED)
        .group_by(Run.state, Run.route)
    )
    rows = (await session.execute(statement)).all()
    return [Count(state, route, runs, float(oldest)) for state, route, runs, oldest in rows]


async def stuck(session: AsyncSession) -> dict[tuple[str, RunState], int]:
    """How many runs are stuck, by route and state."""
    statement = (
        select(Run.route, Run.state, func.count())
        .where(Run.state.in_(FOLLOWED_RUN_STATES), Run.stuck_at.is_not(None))
        .group_by(Run.route, Run.state)
    )
    return {(route, state): runs for route, state, runs in (await session.execute(statement)).all()}
