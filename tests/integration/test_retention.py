"""Purging by age among a million rows of each kind: by an index, in time that does not grow with them."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Select, func, select

from app import envelopes, retention
from app.db import Sessions
from app.dev.postgres import EmbeddedPostgres
from app.models import Application, Notification, Run
from app.object_store import ObjectStore
from app.retention import Cutoffs
from app.settings import S3Settings
from tests.integration.many_rows import explained, filled

ROWS = 1_000_000
NEWEST = datetime(2026, 11, 20, 12, tzinfo=UTC)
LIMIT = 200

# One row of each kind every ten seconds, the last at NEWEST. The oldest fifth was purged before; of ten
# applications seven were decided, and of a thousand one has a run that is not over.
_FILL = """
SET LOCAL synchronous_commit = off;
SET LOCAL session_replication_role = replica;
CREATE TEMP TABLE made ON COMMIT DROP AS
    SELECT number, lpad(to_hex(number), 32, '0')::uuid AS id,
           CAST(:newest AS timestamptz) - (CAST(:rows AS bigint) - number) * interval '10 s' AS at,
           number <= CAST(:rows AS bigint) / 5 AS purged
    FROM generate_series(1, CAST(:rows AS bigint)) number;
INSERT INTO applications (id, status, version, created_at, updated_at, purged_at)
    SELECT 'A-' || number, CASE WHEN purged OR number % 10 < 7 THEN 'approved' ELSE 'in_review' END,
           1, at, at, CASE WHEN purged THEN at END
    FROM made;
INSERT INTO documents (id, application_id, bucket, key, object_version, kind, status, received_at, purged_at)
    SELECT id, 'A-' || number, 'b', 'applications/A-' || number || '/front/a.jpg', 'v',
           'front', 'verified', at, CASE WHEN number <= CAST(:rows AS bigint) / 4 THEN at END
    FROM made WHERE NOT purged;
INSERT INTO notifications (id, topic_arn, message_id, kind, envelope, outcome, sent_at, received_at)
    SELECT id, 'topic', number::text, 'Notification',
           CASE WHEN NOT purged THEN '{}' END, 'routed', at, at
    FROM made;
INSERT INTO runs (id, cause_kind, cause_id, route, application_id, deployment, parameters, tags, priority,
                  state, state_name, attempts, replays, previous_flow_runs, accepted_at, ended_at, version)
    SELECT id, 'message', number::text, 'route',
           CASE WHEN number % 2 = 0 THEN 'A-' || number END, 'flow/default', '{}', '[]', 100,
           CASE WHEN number % 1000 = 0 THEN 'RUNNING' ELSE 'COMPLETED' END, 'Name', 0, 0, '[]', at,
           CASE WHEN number % 1000 > 0 THEN at END, 1
    FROM made WHERE NOT purged;
"""


@pytest.fixture(scope="module")
async def many(postgres: EmbeddedPostgres) -> AsyncIterator[Sessions]:
    """A million rows of each kind."""
    values = {"rows": ROWS, "newest": NEWEST}
    async with filled(postgres, "many_rows", revision="0009", statements=_FILL, **values) as sessions:
        yield sessions


Batch = Callable[[datetime, Any, int], Select[Any]]


@pytest.mark.parametrize(
    "batch",
    [retention.applications_over, retention.documents_over, envelopes.some_old, retention.runs_over],
    ids=lambda batch: batch.__name__,
)
@pytest.mark.parametrize("later", [False, True], ids=["first batch", "later batch"])
async def test_a_batch_among_a_million_is_found_by_an_index(
    many: Sessions, batch: Batch, later: bool
) -> None:
    cutoff = NEWEST - timedelta(days=20)
    after = None
    if later:
        async with many() as session:
            (*after,) = (await session.execute(batch(cutoff, None, 5_000))).all()[-1][:2]
    async with many() as session:
        plan = await explained(session, batch(cutoff, after and tuple(after), LIMIT))

    assert "Seq Scan" not in {node["Node Type"] for node in plan}, plan
    # What was purged before, what is undecided and what is under way is passed over; nothing else is read.
    read = sum(
        (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
        for node in plan
        if "Scan" in node["Node Type"]
    )
    assert plan[0]["Actual Rows"] == LIMIT
    assert read <= 20 * LIMIT, plan


async def test_many_are_purged_in_seconds_and_around_what_is_kept(
    many: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    cutoff = NEWEST - timedelta(seconds=10 * ROWS * 0.78)
    which = Cutoffs(cutoff, cutoff, cutoff, cutoff)
    store = ObjectStore(S3Settings(endpoint_url="http://127.0.0.1:9"))
    expected = await retention.due(many, which)
    started = time.perf_counter()
    counts = await retention.purge(many, store, which, batch_size=200)
    seconds = time.perf_counter() - started

    assert (counts["notifications"], counts["applications"]) == (
        expected["notifications"],
        expected["applications"],
    )
    # Beside those that belong to no application went those that did.
    assert counts["runs"] > expected["runs"] > 9_000
    assert (await retention.due(many, which)).total() == 0
    async with many() as session:
        kept = (
            select(func.count())
            .select_from(Application)
            .where(Application.created_at < cutoff, Application.purged_at.is_(None))
        )
        # The undecided ones and those under way.
        assert await session.scalar(kept) == pytest.approx(20_000 * 0.301, abs=5)
        envelopes_left = select(func.count()).where(
            Notification.received_at < cutoff, Notification.envelope.is_not(None)
        )
        assert await session.scalar(envelopes_left) == 0
        running = select(func.count()).where(Run.accepted_at < cutoff, Run.state == "RUNNING")
        assert await session.scalar(running) == 19
    assert seconds < 60
