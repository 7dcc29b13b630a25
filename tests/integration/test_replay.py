"""Runs that ended badly are listed, explained and replayed, by id and by filter, by function and command."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete, select, text
from typer.testing import CliRunner, Result

from app.cli import cli
from app.db import Sessions
from app.errors import Conflict
from app.models import Application, ApplicationStatus, Document, DocumentStatus, Run, RunCause, RunState
from app.replay import replay_all
from app.run_filter import RunFilter
from app.settings import DatabaseSettings

NOW = datetime.now(UTC)
DEAD = (RunState.DEAD,)
Sluice = Callable[..., Result]


async def _add(sessions: Sessions, state: RunState, **values: Any) -> uuid.UUID:
    run = Run(
        **{
            "cause_kind": RunCause.OBJECT,
            "cause_id": str(uuid.uuid4()),
            "route": "documents",
            "deployment": "documents/default",
            "parameters": {},
            "tags": [],
            "state": state,
            **values,
        }
    )
    async with sessions.begin() as session:
        session.add(run)
    return run.id


async def _states(sessions: Sessions) -> dict[uuid.UUID, RunState]:
    async with sessions() as session:
        return {run.id: run.state for run in await session.scalars(select(Run))}


async def test_a_filter_replays_what_it_names_and_no_more(sessions: Sessions) -> None:
    dead = await _add(sessions, RunState.DEAD)
    failed = await _add(sessions, RunState.FAILED)
    elsewhere = await _add(sessions, RunState.DEAD, route="other")
    before = await _add(sessions, RunState.DEAD, accepted_at=NOW - timedelta(days=2))
    which = RunFilter(states=DEAD, route="documents", since=NOW - timedelta(days=1))

    rehearsed = await replay_all(sessions, which, actor="test", limit=10, dry_run=True)
    assert (rehearsed.matching, rehearsed.run_ids) == (1, [dead])
    assert set((await _states(sessions)).values()) == {RunState.DEAD, RunState.FAILED}

    assert await replay_all(sessions, which, actor="test", limit=10) == rehearsed
    assert await _states(sessions) == {
        dead: RunState.ACCEPTED,
        failed: RunState.FAILED,
        elsewhere: RunState.DEAD,
        before: RunState.DEAD,
    }


async def test_a_limit_takes_the_oldest_and_tells_how_many_there_are(sessions: Sessions) -> None:
    ages = [3, 1, 2]
    ids = {age: await _add(sessions, RunState.DEAD, accepted_at=NOW - timedelta(hours=age)) for age in ages}
    done = await replay_all(sessions, RunFilter(states=DEAD), actor="test", limit=2)
    assert (done.matching, done.run_ids) == (3, [ids[3], ids[2]])


async def test_states_that_did_not_end_badly_are_refused(sessions: Sessions) -> None:
    which = RunFilter(states=(RunState.RUNNING, RunState.COMPLETED, RunState.DEAD))
    with pytest.raises(Conflict, match="COMPLETED, RUNNING runs cannot be replayed"):
        await replay_all(sessions, which, actor="test", limit=2)
    with pytest.raises(Conflict, match="RUNNING"):
        await replay_all(sessions, RunFilter(), actor="test", limit=2)


async def test_documents_are_read_again(sessions: Sessions) -> None:
    async with sessions.begin() as session:
        session.add(Application(id="loan-1", status=ApplicationStatus.IN_REVIEW))
        document = Document(application_id="loan-1", bucket="b", key="k", object_version="1", kind="front")
        document.status, document.reason = DocumentStatus.UNREADABLE, "It could not be read."
        session.add(document)
    await _add(
        sessions,
        RunState.DEAD,
        cause_kind=RunCause.DOCUMENT,
        cause_id=str(document.id),
        application_id="loan-1",
    )
    await replay_all(sessions, RunFilter(states=DEAD), actor="test", limit=1)
    async with sessions() as session:
        again = await session.get_one(Document, document.id)
    assert (again.status, again.reason) == (DocumentStatus.RECEIVED, None)


async def test_a_run_that_is_purged_meanwhile_does_not_keep_the_others_from_their_replay(
    sessions: Sessions,
) -> None:
    purged = await _add(sessions, RunState.DEAD, accepted_at=NOW - timedelta(hours=1))
    kept = await _add(sessions, RunState.DEAD)
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    async with sessions.begin() as purging, sessions() as watching:
        await purging.execute(delete(Run).where(Run.id == purged))
        replaying = asyncio.create_task(replay_all(sessions, RunFilter(states=DEAD), actor="test", limit=2))
        while not await watching.scalar(waiting):
            assert not replaying.done()
            await watching.rollback()
    done = await replaying
    assert (done.matching, done.run_ids) == (2, [kept])
    assert await _states(sessions) == {kept: RunState.ACCEPTED}


@pytest.fixture
def sluice(database: DatabaseSettings, monkeypatch: pytest.MonkeyPatch) -> Sluice:
    """The command, on this test's database."""
    monkeypatch.setenv("SLUICE_DATABASE_URL", database.url.get_secret_value())
    monkeypatch.setenv("SLUICE_LOG_LEVEL", "WARNING")
    return lambda *arguments: CliRunner().invoke(cli, ["runs", *arguments])


async def _in_thread(sluice: Sluice, *arguments: str) -> Result:
    return await asyncio.to_thread(sluice, *arguments)


async def test_dead_letters_by_command(sessions: Sessions, sluice: Sluice) -> None:
    refused = "7 is not of type 'string'\nFailed validating"
    run_id = str(await _add(sessions, RunState.DEAD, last_error=refused))
    await _add(sessions, RunState.COMPLETED)

    listed = await _in_thread(sluice, "list", "--state", "DEAD", "--route", "documents", "--since", "1h")
    assert listed.stdout.splitlines() == [listed.stdout.strip()]
    assert listed.stdout.startswith(run_id)
    assert "7 is not of type 'string' Failed" in listed.stdout
    as_json = await _in_thread(sluice, "list", "--state", "DEAD", "--json")
    assert [run["id"] for run in json.loads(as_json.stdout)] == [run_id]
    shown = await _in_thread(sluice, "show", run_id)
    assert "7 is not of type 'string'" in shown.stdout

    rehearsed = await _in_thread(sluice, "replay", "--route", "documents", "--dry-run")
    assert rehearsed.stdout.strip() == run_id
    assert (await _states(sessions))[uuid.UUID(run_id)] is RunState.DEAD
    replayed = await _in_thread(sluice, "replay", "--route", "documents")
    assert replayed.stdout.strip() == run_id
    assert "1 of 1 replayed" in replayed.stderr
    assert (await _states(sessions))[uuid.UUID(run_id)] is RunState.ACCEPTED


async def test_the_command_lists_every_run_in_pages_the_newest_first(
    sessions: Sessions, sluice: Sluice
) -> None:
    ids = [str(await _add(sessions, state)) for state in RunState]
    seen: list[str] = []
    page: list[str] = ["list", "--limit", "4", "--json"]
    while found := json.loads((await _in_thread(sluice, *page)).stdout):
        seen += [run["id"] for run in found]
        page = ["list", "--limit", "4", "--json", "--before", seen[-1]]
    assert seen == ids[::-1]


async def test_the_command_lists_one_application(sessions: Sessions, sluice: Sluice) -> None:
    async with sessions.begin() as session:
        session.add_all([Application(id="loan-1"), Application(id="loan-2")])
    ended_badly = [
        str(await _add(sessions, state, application_id="loan-1"))
        for state in (RunState.DEAD, RunState.COMPLETED, RunState.CRASHED)
    ]
    await _add(sessions, RunState.DEAD, application_id="loan-2")
    await _add(sessions, RunState.DEAD)

    which = ("list", "--application", "loan-1", "--state", "DEAD", "--state", "CRASHED", "--json")
    listed = json.loads((await _in_thread(sluice, *which)).stdout)
    assert [run["id"] for run in listed] == [ended_badly[2], ended_badly[0]]


async def test_one_run_by_command(sessions: Sessions, sluice: Sluice) -> None:
    run_id = await _add(sessions, RunState.CRASHED)
    assert (await _in_thread(sluice, "replay", str(run_id), "--dry-run")).exit_code == 0
    assert (await _states(sessions))[run_id] is RunState.CRASHED
    assert (await _in_thread(sluice, "replay", str(run_id))).exit_code == 0
    assert (await _states(sessions))[run_id] is RunState.ACCEPTED
    again = await _in_thread(sluice, "replay", str(run_id))
    assert isinstance(again.exception, Conflict)


@pytest.mark.parametrize(
    "arguments",
    [(), (str(uuid.uuid4()), "--route", "documents"), ("--since", "yesterday"), ("--state", "LOST")],
)
async def test_a_replay_that_names_nothing_or_too_much_is_refused(
    sessions: Sessions, sluice: Sluice, arguments: tuple[str, ...]
) -> None:
    assert (await _in_thread(sluice, "replay", *arguments)).exit_code == 2
