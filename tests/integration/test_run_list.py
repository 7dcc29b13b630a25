"""Listing runs: every filter in the right order, by an index, however many there are."""

from __future__ import annotations

import itertools
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event

from app import status
from app.db import Sessions
from app.dev.postgres import EmbeddedPostgres
from app.models import RunState
from app.run_filter import RunFilter
from tests.integration.many_rows import explained, filled

RUNS = 1_000_000
NEWEST = datetime(2026, 11, 20, 12, tzinfo=UTC)

# One run a second, the last at NEWEST. Of ten runs six completed; one route is rare, DEAD runs are rarer.
_FILL = """
SET LOCAL synchronous_commit = off;
INSERT INTO applications (id, status, version)
    SELECT 'A-' || number, 'awaiting_document', 1 FROM generate_series(0, 99999) number;
SET LOCAL session_replication_role = replica;
INSERT INTO runs (id, cause_kind, cause_id, route, application_id, deployment, parameters, tags, priority,
                  state, state_name, attempts, replays, previous_flow_runs, accepted_at, version)
    SELECT (lpad(to_hex(milliseconds), 12, '0') || '7000' || '8000' || lpad(to_hex(number), 12, '0'))::uuid,
           'message', number::text,
           CASE WHEN number % 5000 = 0 THEN 'rare' ELSE 'route-' || number % 3 END,
           CASE WHEN number % 4 > 0 THEN 'A-' || number % 100000 END,
           'flow/default', '{}', '[]', 100,
           CASE WHEN number % 10000 = 0 THEN 'DEAD' WHEN number % 10 < 6 THEN 'COMPLETED'
                WHEN number % 10 < 9 THEN 'FAILED' ELSE 'SCHEDULED' END,
           'Name', 0, 0, '[]', to_timestamp(milliseconds / 1000.0), 1
    FROM (SELECT number, CAST(:newest AS bigint) - (CAST(:runs AS bigint) - number) * 1000 AS milliseconds
          FROM generate_series(1, CAST(:runs AS bigint)) number) made;
"""


@pytest.fixture(scope="module")
async def many(postgres: EmbeddedPostgres) -> AsyncIterator[Sessions]:
    """A million runs."""
    values = {"runs": RUNS, "newest": int(NEWEST.timestamp() * 1000)}
    async with filled(postgres, "many_runs", revision="0004", statements=_FILL, **values) as sessions:
        yield sessions


NOTHING = RunFilter()
FULL = RunFilter(
    application_id="A-70001",
    route="rare",
    states=(RunState.DEAD,),
    since=NEWEST - timedelta(days=3),
    of_applications=True,
)


def combinations() -> Iterator[RunFilter]:
    """Every choice of the filters."""
    names = [field.name for field in fields(RunFilter)]
    for size in range(len(names) + 1):
        for chosen in itertools.combinations(names, size):
            yield replace(NOTHING, **{name: getattr(FULL, name) for name in chosen})


def described(which: RunFilter) -> str:
    return "+".join(name for name, value in vars(which).items() if value) or "all"


async def listing(sessions: Sessions, which: RunFilter, before: uuid.UUID | None) -> list[dict[str, Any]]:
    """The plan of the statement that the list itself executes."""
    statements: list[Any] = []
    async with sessions() as session:

        def note(state: Any) -> None:
            statements.append(state.statement)

        event.listen(session.sync_session, "do_orm_execute", note)
        await status.runs(session, which, limit=51, before=before)
        return await explained(session, statements[0])


@pytest.mark.parametrize("which", list(combinations()), ids=described)
@pytest.mark.parametrize("later_page", [False, True], ids=["first page", "later page"])
async def test_a_million_runs_are_listed_by_an_index(
    many: Sessions, which: RunFilter, later_page: bool
) -> None:
    before = uuid.UUID(int=(int((NEWEST - timedelta(days=1)).timestamp() * 1000)) << 80)
    plan = await listing(many, which, before if later_page else None)

    kinds = {node["Node Type"] for node in plan}
    assert "Seq Scan" not in kinds, plan
    assert any("Index" in kind for kind in kinds), plan
    sorted_rows = [node["Actual Rows"] for node in plan if "Sort" in node["Node Type"]]
    # An application's few runs may be sorted; never what grows with the table.
    assert max(sorted_rows, default=0) <= 200, plan
    read = sum(
        node["Actual Rows"]
        + node.get("Rows Removed by Filter", 0)
        + node.get("Rows Removed by Index Recheck", 0)
        for node in plan
        if "Scan" in node["Node Type"]
    )
    assert read <= 2_000, plan


async def test_a_page_of_a_million_runs_takes_milliseconds(many: Sessions) -> None:
    async with many() as session:
        await status.runs(session, NOTHING, limit=201)
        started = time.perf_counter()
        for which in combinations():
            await status.runs(session, which, limit=201)
        assert (time.perf_counter() - started) / 32 < 0.05


async def test_pages_follow_each_other_without_gap_or_overlap(many: Sessions) -> None:
    which = RunFilter(route="rare", since=NEWEST - timedelta(seconds=100_000))
    seen: list[status.RunView] = []
    async with many() as session:
        while page := await status.runs(session, which, limit=7, before=seen[-1].id if seen else None):
            seen += page

    assert len({run.id for run in seen}) == len(seen) == 21
    assert [run.accepted_at for run in seen] == sorted((run.accepted_at for run in seen), reverse=True)
    assert {run.route for run in seen} == {"rare"}
    assert min(run.accepted_at for run in seen) == NEWEST - timedelta(seconds=100_000)
