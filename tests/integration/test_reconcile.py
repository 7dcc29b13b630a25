"""What does not fit is found, on either side; and nothing is, when all is well."""

from __future__ import annotations

import asyncio
import json
import uuid
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import delete, func, select, update
from typer.testing import CliRunner

from app.cli import cli
from app.db import Sessions
from app.models import Application, ApplicationStatus, Document, DocumentStatus, Run, RunState
from app.prefect_client import PAGE, PrefectClient
from app.prefect_flow_runs import NewFlowRun
from app.projection import compare, refresh
from app.reconcile import Report, reconcile
from app.settings import DatabaseSettings, ProjectionSettings
from app.telemetry import UNRECONCILED
from tests.integration.accepted import accept, dispatched

if TYPE_CHECKING:
    from tests.integration.conftest import PrefectServer


@pytest.fixture
async def alone(prefect_server: PrefectServer) -> None:
    """A Prefect without the flow runs of other tests, whose runs our database has forgotten."""
    while found := await prefect_server.post("/flow_runs/filter", {"limit": 200}):
        for flow_run in found:
            await prefect_server.delete(uuid.UUID(flow_run["id"]))


@pytest.fixture
async def flow_run_id(
    alone: None, sessions: Sessions, prefect: PrefectClient, prefect_server: PrefectServer
) -> uuid.UUID:
    """The flow run of our one run, which has run to its end."""
    created = await dispatched(sessions, prefect, await prefect_server.deploy())
    await prefect_server.set_state(created, "COMPLETED")
    await refresh(sessions, prefect, ProjectionSettings())
    return created


_at_once = partial(reconcile, waiting=timedelta(0), settled=timedelta(0))


async def test_nothing_is_found_when_all_is_well(
    sessions: Sessions, prefect: PrefectClient, flow_run_id: uuid.UUID
) -> None:
    assert await _at_once(sessions, prefect) == Report()


async def test_a_run_that_still_waits_is_a_cause_without_flow_run_after_a_while(
    alone: None, sessions: Sessions, prefect: PrefectClient
) -> None:
    [run_id] = await accept(sessions, "not-yet/deployed")
    assert await reconcile(sessions, prefect) == Report()
    assert (await _at_once(sessions, prefect)).causes_without_flow_run == [f"run:{run_id}"]


async def test_a_flow_run_that_prefect_does_not_have_is_found(
    sessions: Sessions, prefect: PrefectClient, prefect_server: PrefectServer, flow_run_id: uuid.UUID
) -> None:
    await prefect_server.delete(flow_run_id)
    found = await _at_once(sessions, prefect)
    assert found.counts() == {
        "causes_without_flow_run": 1,
        "flow_runs_without_cause": 0,
        "disagreements": 0,
    }


async def test_a_document_that_nothing_was_enqueued_for_is_found(
    alone: None, sessions: Sessions, prefect: PrefectClient
) -> None:
    async with sessions.begin() as session:
        session.add(Application(id="loan-1", status=ApplicationStatus.VERIFYING))
        lost, superseded = (
            Document(application_id="loan-1", bucket="b", key="k", object_version=version, kind="front")
            for version in "12"
        )
        superseded.status = DocumentStatus.SUPERSEDED
        session.add_all([lost, superseded])
    assert (await _at_once(sessions, prefect)).causes_without_flow_run == [f"document:{lost.id}"]


async def test_flow_runs_that_no_run_of_ours_has_are_found(
    sessions: Sessions, prefect: PrefectClient, prefect_server: PrefectServer, flow_run_id: uuid.UUID
) -> None:
    stranger = NewFlowRun(str(uuid.uuid4()), "somebody else's", {"document_id": "1"})
    elsewhere = await prefect_server.deploy()
    async with sessions() as session:
        ours = (await session.scalars(select(Run))).one()
    # The same key in another flow: Prefect keeps keys by flow.
    second = NewFlowRun(ours.idempotency_key, "a second one", {"document_id": "1"})
    created = await prefect.create_flow_runs(elsewhere, [stranger, second])
    found = await _at_once(sessions, prefect)
    assert sorted(found.flow_runs_without_cause) == sorted(map(str, created.values()))
    await compare(sessions, prefect, ProjectionSettings())
    shown = {sample.labels["kind"]: sample.value for sample in next(iter(UNRECONCILED.collect())).samples}
    assert (
        shown
        == found.counts()
        == {
            "causes_without_flow_run": 0,
            "flow_runs_without_cause": 2,
            "disagreements": 0,
        }
    )


async def test_of_more_runs_than_fit_a_page_each_is_compared_once(
    alone: None, sessions: Sessions, prefect: PrefectClient
) -> None:
    accepted = await accept(sessions, "gone/default", 2 * PAGE + 50)
    # Prefect has none of them. Some were accepted long ago, and those that have ended may be forgotten.
    older, ended = accepted[::3], accepted[::6]
    lost = {"state": RunState.RUNNING, "flow_run_id": func.gen_random_uuid()}
    async with sessions.begin() as session:
        await session.execute(update(Run).values(lost))
        long_ago = func.now() - timedelta(hours=2)
        await session.execute(update(Run).where(Run.id.in_(older)).values(accepted_at=long_ago))
        await session.execute(update(Run).where(Run.id.in_(ended)).values(state=RunState.COMPLETED))

    found = (await _at_once(sessions, prefect)).causes_without_flow_run

    assert sorted(found) == sorted(f"run:{run_id}" for run_id in set(accepted) - set(ended))


async def test_a_state_that_is_not_prefects_is_found(
    sessions: Sessions, prefect: PrefectClient, flow_run_id: uuid.UUID
) -> None:
    async with sessions.begin() as session:
        await session.execute(update(Run).values(state=RunState.FAILED, state_name="Failed"))
    assert len((await _at_once(sessions, prefect)).disagreements) == 1
    assert (await reconcile(sessions, prefect)).disagreements == []  # it may be just on its way


async def test_finished_runs_that_prefect_may_have_removed_are_left_out(
    sessions: Sessions, prefect: PrefectClient, prefect_server: PrefectServer, flow_run_id: uuid.UUID
) -> None:
    await prefect_server.delete(flow_run_id)
    async with sessions.begin() as session:
        await session.execute(update(Run).values(accepted_at=func.now() - timedelta(hours=2)))
    assert await _at_once(sessions, prefect) == Report()


async def test_the_command_fails_unless_all_is_well(
    sessions: Sessions,
    prefect_server: PrefectServer,
    database: DatabaseSettings,
    flow_run_id: uuid.UUID,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SLUICE_DATABASE_URL", database.url.get_secret_value())
    monkeypatch.setenv("SLUICE_PREFECT_API_URL", prefect_server.api_url)
    monkeypatch.setenv("SLUICE_LOG_LEVEL", "WARNING")
    well = await asyncio.to_thread(CliRunner().invoke, cli, ["reconcile"])
    async with sessions.begin() as session:
        await session.execute(delete(Run))
    amiss = await asyncio.to_thread(CliRunner().invoke, cli, ["reconcile", "--json"])
    assert well.exit_code == 0
    assert [line.split()[0] for line in well.stdout.splitlines()] == ["0", "0", "0"]
    assert amiss.exit_code == 1
    assert json.loads(amiss.stdout)["flow_runs_without_cause"] == [str(flow_run_id)]
