"""What must hold after the storm. Each check raises AssertionError, saying what does not."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, TypeAdapter
from sqlalchemy import select

from app import audit
from app.dev.orchestrator import PROJECT
from app.dev.stack import BUCKET
from app.models import TERMINAL_RUN_STATES, Document, Notification, Run, RunState
from app.settings import DatabaseSettings
from tests.faults.rig import TEST_NAME, Rig
from tests.faults.sender import Cause, accepted

_PAGE = 200
_POOL = DatabaseSettings().pool_size
_STUCK_SECONDS = 15.0
"""A drill takes half a second and a document a few: what has been PENDING or RUNNING for so long had a
worker that was killed."""


class PrefectState(BaseModel):
    type: RunState
    name: str
    timestamp: datetime


class PrefectFlowRun(BaseModel):
    """A flow run as Prefect's own API tells it, read without the gateway's client."""

    id: uuid.UUID
    idempotency_key: str | None
    tags: list[str]
    auto_scheduled: bool
    state: PrefectState


_FLOW_RUNS = TypeAdapter(list[PrefectFlowRun])


async def flow_runs(rig: Rig) -> list[PrefectFlowRun]:
    """Every flow run that Prefect has, whoever made it, save those that its own scheduler made."""
    found: list[PrefectFlowRun] = []
    while True:
        body = {"limit": _PAGE, "offset": len(found), "sort": "ID_DESC"}
        answer = await rig.http.post(f"{rig.prefect_api}/flow_runs/filter", json=body)
        page = _FLOW_RUNS.validate_json(answer.raise_for_status().content)
        found += page
        if len(page) < _PAGE:
            return [flow_run for flow_run in found if not flow_run.auto_scheduled]


async def every_answered_notification_has_its_row(rig: Rig, answered: Collection[str]) -> None:
    """200 means committed: nothing that was ever answered so may be gone."""
    async with rig.sessions() as session:
        rows = Counter(await session.scalars(select(Notification.message_id)))
    assert answered, "nothing was ever answered with 200"
    missing = [message_id for message_id in answered if rows[message_id] == 0]
    assert not missing, f"{len(missing)} notifications were answered with 200 and have no row: {missing[:5]}"
    repeated = [message_id for message_id, count in rows.items() if count > 1]
    assert not repeated, f"{len(repeated)} notifications have several rows: {repeated[:5]}"


async def every_cause_has_one_run(rig: Rig, causes: Collection[Cause], answered: set[str]) -> None:
    """Every cause that we promised to act upon has one run, and no run came from anything else."""
    async with rig.sessions() as session:
        runs = Counter(await session.scalars(select(Run.cause_id)))
        received = await session.execute(select(Notification.message_id, Notification.id))
        notifications: dict[str, uuid.UUID] = dict(received.all())
        uploaded = await session.execute(select(Document.key, Document.id))
        documents: dict[str, uuid.UUID] = dict(uploaded.all())
    owed = {_cause_id(cause, notifications, documents) for cause in accepted(causes, answered)}
    known = {_cause_id(cause, notifications, documents) for cause in causes}
    missing = [cause_id for cause_id in owed if runs[str(cause_id)] == 0]
    assert not missing, f"{len(missing)} causes have no run: {missing[:5]}"
    repeated = [cause_id for cause_id, count in runs.items() if count > 1]
    assert not repeated, f"{len(repeated)} causes have several runs: {repeated[:5]}"
    strange = set(runs) - {str(cause_id) for cause_id in known}
    assert not strange, f"{len(strange)} runs have a cause that never was: {sorted(strange)[:5]}"


def _cause_id(
    cause: Cause, notifications: dict[str, uuid.UUID], documents: dict[str, uuid.UUID]
) -> uuid.UUID | str | None:
    """What our run's cause is called; None when we know nothing of it."""
    if cause.kind == "upload":
        return f"{BUCKET}/{cause.key}@{cause.object_version}"
    return documents.get(cause.key) if cause.kind == "document" else notifications.get(cause.message_ids[0])


async def every_run_has_one_flow_run(rig: Rig) -> None:
    """Prefect has as many flow runs as we have runs, each under its own key, and none besides."""
    async with rig.sessions() as session:
        ours = list(await session.scalars(select(Run)))
    found = await flow_runs(rig)
    by_key = Counter(flow_run.idempotency_key for flow_run in found)
    missing = [str(run.id) for run in ours if by_key[run.idempotency_key] == 0]
    assert not missing, f"{len(missing)} of {len(ours)} runs have no flow run: {missing[:5]}"
    repeated = [key for key, count in by_key.items() if count > 1]
    assert not repeated, f"{len(repeated)} keys have several flow runs: {repeated[:5]}"
    strange = set(by_key) - {run.idempotency_key for run in ours}
    assert not strange, f"{len(strange)} flow runs have no run: {list(strange)[:5]}"
    ids = {flow_run.idempotency_key: flow_run.id for flow_run in found}
    wrong = [str(run.id) for run in ours if run.flow_run_id != ids[run.idempotency_key]]
    assert not wrong, f"{len(wrong)} runs name another flow run than theirs: {wrong[:5]}"


async def disagreements(rig: Rig) -> list[str]:
    """The runs whose state is behind what Prefect said a moment before we looked."""
    theirs = {flow_run.idempotency_key: flow_run.state for flow_run in await flow_runs(rig)}
    async with rig.sessions() as session:
        ours = list(await session.scalars(select(Run)))
    return [
        f"{run.id}: {run.state}/{run.state_name} of {run.state_at}, in Prefect {state.type}/{state.name} "
        f"of {state.timestamp}"
        for run in ours
        if (state := theirs.get(run.idempotency_key)) is not None and _behind(run, state)
    ]


def _behind(run: Run, state: PrefectState) -> bool:
    if run.state_at is None or run.state_at < state.timestamp:
        return True
    return run.state_at == state.timestamp and (run.state, run.state_name) != (state.type, state.name)


async def seconds_until_states_agree(rig: Rig, *, within: float) -> float | None:
    """How long until no run was behind Prefect; None when that did not happen within the time."""
    began = time.monotonic()
    while await disagreements(rig):
        if time.monotonic() - began > within:
            return None
        await asyncio.sleep(0.1)
    return time.monotonic() - began


async def every_state_is_prefects(rig: Rig) -> None:
    """Now that nothing moves any more, every run's state is the one Prefect has, by type, name and time."""
    theirs = {flow_run.id: flow_run.state for flow_run in await flow_runs(rig)}
    async with rig.sessions() as session:
        ours = list(await session.scalars(select(Run)))
    wrong = []
    for run in ours:
        state = theirs.get(run.flow_run_id) if run.flow_run_id else None
        if state is None or (state.type, state.name, state.timestamp) != (
            run.state,
            run.state_name,
            run.state_at,
        ):
            wrong.append(f"{run.id}: {run.state}/{run.state_name}, in Prefect {state}")
    assert not wrong, f"{len(wrong)} of {len(ours)} runs differ from Prefect: {wrong[:3]}"


async def until_nothing_moves(rig: Rig, *, within: float) -> list[Run]:
    """Wait until every run has ended, those that lost their worker excepted; returns all runs."""
    deadline = time.monotonic() + within
    while True:
        async with rig.sessions() as session:
            runs = list(await session.scalars(select(Run)))
        if not moving(rig, runs) or time.monotonic() > deadline:
            return runs
        await asyncio.sleep(0.5)


def moving(rig: Rig, runs: Iterable[Run]) -> list[str]:
    """The runs that are under way still, or should be."""
    return [
        f"{run.id}: {run.state}/{run.state_name} {run.last_error or ''}"
        for run in runs
        if run.state not in TERMINAL_RUN_STATES and not _lost(rig, run)
    ]


def _lost(rig: Rig, run: Run) -> bool:
    """Whether the worker that had it is gone, so that Prefect will show this state for ever."""
    if run.state in {RunState.ACCEPTED, RunState.SCHEDULED} or run.state_at is None:
        return False
    started = max(worker.started_at for worker in rig.workers)
    return run.state_at < started or (datetime.now(UTC) - run.state_at).total_seconds() > _STUCK_SECONDS


async def reconcile_finds_nothing(rig: Rig) -> None:
    """`sluice reconcile` says 0, 0, 0."""
    await _sluice(rig, "reconcile", "--json", "--waiting-minutes", "0")


async def the_audit_chain_is_whole(rig: Rig) -> None:
    """Every entry is sealed soon, and `sluice audit verify` walks the chain to its end."""
    for _ in range(30):
        found = await audit.verify(rig.sessions)
        if not found.unsealed:
            break
        await asyncio.sleep(0.5)
    assert found.broken_at is None, f"the chain is broken at position {found.broken_at}"
    assert found.unsealed == 0, f"{found.unsealed} entries were never sealed"
    assert found.sealed > 0, "the trail is empty: there is nothing to verify"
    await _sluice(rig, "audit", "verify")


async def _sluice(rig: Rig, *words: str) -> None:
    command = await asyncio.create_subprocess_exec(
        Path(sys.executable).with_name("sluice"),
        *words,
        env=rig.stack.environment,
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    output, _ = await command.communicate()
    assert command.returncode == 0, f"sluice {' '.join(words)} fails:\n{output.decode()}"


async def connections_are_as_when_idle(rig: Rig) -> None:
    """Each process has its listener, each follower stands in the election, the pools are within their size
    and nothing is left in a transaction."""
    processes = len(rig.ours)
    expected = {"sluice-listen": processes, "sluice-election": len(rig.followers)}
    found: dict[str, Any] = {}
    for _ in range(25):  # a transaction may be under way at any one moment, but not at every one
        found = await _connections(rig)
        exact = all(found["by_name"].get(name, 0) == count for name, count in expected.items())
        if exact and not found["in_transaction"] and found["by_name"].get("sluice", 0) <= processes * _POOL:
            break
        await asyncio.sleep(0.2)
    else:
        raise AssertionError(f"connections were left: {found}, where {expected} and idle pools were expected")
    unknown = set(found["by_name"]) - set(expected) - {"sluice", TEST_NAME}
    assert not unknown, f"connections of {unknown}"
    assert found["leaders"] == 1, f"{found['leaders']} hold the follower's lock"


async def stopped_parts_leave_no_connection(rig: Rig) -> None:
    """Stop our own processes; PostgreSQL must then know none of them any more."""
    for part in rig.ours:
        await rig.terminate(part, within=12)
    left = {}
    for _ in range(25):
        left = {
            name: count for name, count in (await _connections(rig))["by_name"].items() if name != TEST_NAME
        }
        if not left:
            return
        await asyncio.sleep(0.2)
    raise AssertionError(f"connections of processes that are gone: {left}")


async def _connections(rig: Rig) -> dict[str, Any]:
    async with rig.database() as connection:
        rows = await connection.fetch(
            "SELECT application_name AS name, count(*) AS sessions, "
            "count(*) FILTER (WHERE state LIKE 'idle in transaction%') AS in_transaction "
            "FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend' "
            "GROUP BY 1"
        )
        leaders = await connection.fetchval(
            "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) "
            "WHERE locktype = 'advisory' AND granted AND application_name = 'sluice-election'"
        )
    return {
        "by_name": {row["name"]: row["sessions"] for row in rows},
        "in_transaction": sum(row["in_transaction"] for row in rows if row["name"] != TEST_NAME),
        "leaders": leaders,
    }


async def every_part_is_alive(rig: Rig) -> None:
    """Of our processes none has ended by itself, whatever was done to its neighbours."""
    ours = {process.name for process in rig.ours}
    ended = [name for name in rig.ended_by_themselves if name in ours]
    assert not ended, f"parts that nobody had asked to end: {ended}"
    for process in rig.ours:
        process.check_alive()
    ready = await rig.http.get(f"{rig.stack.gateway_url}/readyz")
    assert ready.status_code == 200, ready.text


async def no_process_is_left(groups: Collection[int]) -> None:
    """Once everything was stopped, every process group that was ever started is empty."""
    listed = await asyncio.to_thread(
        lambda: subprocess.run(
            ["ps", "-A", "-o", "pgid=,pid=,stat=,command="],  # noqa: S607
            capture_output=True,
            text=True,
            check=True,
        )
    )
    assert groups, "no process group was noted"
    left = [line for line in listed.stdout.splitlines() if int(line.split()[0]) in groups]
    assert not left, f"processes were left: {left}"
