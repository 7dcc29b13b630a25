"""The guide's own commands back up and restore; afterwards nothing runs twice and nothing is left undone."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from app import audit
from app.db import Sessions, create_engine, session_factory
from app.dev.postgres import EmbeddedPostgres
from app.models import RunState
from app.prefect_client import PrefectClient
from app.projection import refresh
from app.reconcile import reconcile
from app.replay import replay
from app.settings import DatabaseSettings, ProjectionSettings
from tests.integration.accepted import accept, hand_over, run_by_id
from tests.integration.conftest import PrefectServer

GUIDE = (Path(__file__).parents[2] / "docs" / "operations.md").read_text("utf-8")
RESTORED = "sluice_restored"

Shell = Callable[[str, Mapping[str, str]], str]


def commands(heading: str) -> list[str]:
    """The blocks of shell below a heading of the guide."""
    section = GUIDE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"```sh\n(.+?)```", section, re.DOTALL)


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """Runs a block as a reader would and returns what it printed."""

    def run(block: str, environment: Mapping[str, str]) -> str:
        outcome = subprocess.run(  # noqa: S603 (our own document)
            ["/bin/sh", "-euc", block],
            cwd=tmp_path,
            env=dict(environment),
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert outcome.returncode == 0, outcome.stdout
        return outcome.stdout

    return run


@pytest.fixture
def restored(postgres: EmbeddedPostgres, shell: Shell) -> Iterator[DatabaseSettings]:
    """Settings of the database that the guide restores into."""
    yield DatabaseSettings(url=SecretStr(postgres.url(RESTORED)))
    shell(f"dropdb --force --if-exists {RESTORED}", postgres.client_environment())


@pytest.fixture
async def older(restored: DatabaseSettings) -> AsyncIterator[Sessions]:
    """Sessions on it; it must have been restored when the first begins."""
    engine = create_engine(restored)
    yield session_factory(engine)
    await engine.dispose()


def back_up(shell: Shell, postgres: EmbeddedPostgres) -> None:
    """Do what the guide says."""
    [dump] = commands("Back up")
    shell(dump, postgres.client_environment())


def restore(shell: Shell, postgres: EmbeddedPostgres, settings: DatabaseSettings) -> str:
    """Do what the guide says and return what the last commands print."""
    make, bring_up, _ = commands("Restore")
    shell(make, postgres.client_environment())
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return shell(bring_up, {"PATH": path, "SLUICE_DATABASE_URL": settings.url.get_secret_value()})


async def accept_one(sessions: Sessions, deployment: str) -> uuid.UUID:
    """A run, with the audit entry that an accepted event leaves."""
    [run_id] = await accept(sessions, deployment)
    async with sessions.begin() as session:
        audit.record(session, actor="test", action="accepted", subject=f"run:{run_id}")
    return run_id


async def test_dispatching_from_an_older_backup_creates_nothing_twice(
    sessions: Sessions,
    older: Sessions,
    restored: DatabaseSettings,
    postgres: EmbeddedPostgres,
    prefect: PrefectClient,
    prefect_server: PrefectServer,
    shell: Shell,
) -> None:
    deployment = await prefect_server.deploy()
    under_way = await accept_one(sessions, deployment)
    first = await hand_over(sessions, prefect, under_way)
    waiting = await accept_one(sessions, deployment)
    while await audit.seal(sessions):
        pass
    back_up(shell, postgres)
    second = await hand_over(sessions, prefect, waiting)
    lost = await hand_over(sessions, prefect, await accept_one(sessions, deployment))

    verified = await asyncio.to_thread(restore, shell, postgres, restored)
    assert "2 entries sealed and intact, 0 not sealed" in verified
    assert await hand_over(older, prefect, waiting) == second
    assert await hand_over(older, prefect, under_way) == first

    flow_runs = await prefect_server.flow_runs(deployment)
    assert {uuid.UUID(flow_run["id"]) for flow_run in flow_runs} == {first, second, lost}
    report = await reconcile(older, prefect, waiting=timedelta(0), settled=timedelta(0))
    assert str(lost) in report.flow_runs_without_cause
    assert {str(first), str(second)}.isdisjoint(report.flow_runs_without_cause)


async def test_what_was_done_after_the_backup_is_done_again(
    sessions: Sessions,
    older: Sessions,
    restored: DatabaseSettings,
    postgres: EmbeddedPostgres,
    prefect: PrefectClient,
    prefect_server: PrefectServer,
    shell: Shell,
) -> None:
    deployment = await prefect_server.deploy()
    under_way = await accept_one(sessions, deployment)
    first = await hand_over(sessions, prefect, under_way)
    await refresh(sessions, prefect, ProjectionSettings())
    waiting = await accept_one(sessions, deployment)
    back_up(shell, postgres)
    since = datetime.now(UTC).isoformat()
    second = await hand_over(sessions, prefect, waiting)
    for flow_run_id in (first, second):
        await prefect_server.set_state(flow_run_id, "RUNNING")
        await prefect_server.set_state(flow_run_id, "COMPLETED")
    await asyncio.to_thread(restore, shell, postgres, restored)

    *_, forget = commands("Restore")
    environment = {"PATH": os.environ["PATH"], "SINCE": since, "PREFECT_API_URL": prefect_server.api_url}
    await asyncio.to_thread(shell, forget, environment)
    again = await hand_over(older, prefect, waiting)
    await refresh(older, prefect, ProjectionSettings())
    assert (await run_by_id(older, under_way)).state is RunState.CANCELLED
    async with older.begin() as session:
        await replay(session, under_way, actor="test")
    both = {again, await hand_over(older, prefect, under_way)}

    assert both.isdisjoint({first, second})
    flow_runs = await prefect_server.flow_runs(deployment)
    assert {uuid.UUID(flow_run["id"]) for flow_run in flow_runs} == both
