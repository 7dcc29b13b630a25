"""Accepted runs reach a real Prefect server exactly once, whatever happens in between."""

from __future__ import annotations

import asyncio
import re
import uuid
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from sqlalchemy import select

from app import runs
from app.circuit import Circuit
from app.db import Sessions
from app.dev.process import free_port
from app.dispatcher import dispatch
from app.models import (
    Application,
    ApplicationStatus,
    Document,
    DocumentStatus,
    Run,
    RunCause,
    RunState,
)
from app.prefect_client import NewFlowRun, PrefectClient
from app.settings import DispatcherSettings, PrefectSettings

if TYPE_CHECKING:
    from tests.integration.conftest import PrefectServer

SETTINGS = DispatcherSettings(batch_size=10)


async def _accept(sessions: Sessions, deployment: str, count: int = 1, **parameters: Any) -> list[uuid.UUID]:
    accepted = []
    async with sessions.begin() as session:
        for _ in range(count):
            cause_id = str(uuid.uuid4())
            new = runs.NewRun(
                cause_kind=RunCause.OBJECT,
                cause_id=cause_id,
                route="documents",
                deployment=deployment,
                parameters=parameters or {"document_id": cause_id},
            )
            run_id = await runs.enqueue(session, new)
            assert run_id is not None
            accepted.append(run_id)
    return accepted


async def _run(sessions: Sessions, run_id: uuid.UUID) -> Run:
    async with sessions() as session:
        return await session.get_one(Run, run_id)


async def _until_idle(sessions: Sessions, prefect: PrefectClient, circuit: Circuit) -> None:
    """Rounds until nothing is left to hand over."""
    while True:
        await dispatch(sessions, prefect, SETTINGS, circuit)
        async with sessions() as session:
            if await session.scalar(select(Run.id).where(Run.state == RunState.ACCEPTED).limit(1)) is None:
                return


async def test_an_accepted_run_becomes_a_flow_run(
    sessions: Sessions, prefect: PrefectClient, prefect_server: PrefectServer
) -> None:
    deployment = await prefect_server.deploy()
    [run_id] = await _accept(sessions, deployment)
    await dispatch(sessions, prefect, SETTINGS, Circuit("test"))
    run = await _run(sessions, run_id)
    [flow_run] = await prefect_server.flow_runs(deployment)
    assert run.state is RunState.SCHEDULED
    assert str(run.flow_run_id) == flow_run["id"]
    assert flow_run["parameters"] == run.parameters
    assert flow_run["name"] == f"documents-{str(run_id)[-8:]}"
    assert flow_run["idempotency_key"] == str(run_id)


async def test_two_dispatchers_over_the_same_runs_make_one_flow_run_each(
    sessions: Sessions, prefect_server: PrefectServer
) -> None:
    deployments = [await prefect_server.deploy(), await prefect_server.deploy()]
    accepted = [run_id for name in deployments for run_id in await _accept(sessions, name, 20)]
    async with PrefectClient(prefect_server.settings) as one, PrefectClient(prefect_server.settings) as other:
        await asyncio.gather(
            _until_idle(sessions, one, Circuit("one")), _until_idle(sessions, other, Circuit("other"))
        )
    created = [run for name in deployments for run in await prefect_server.flow_runs(name)]
    assert sorted(run["idempotency_key"] for run in created) == sorted(map(str, accepted))
    async with sessions() as session:
        known = (await session.scalars(select(Run.flow_run_id))).all()
    assert {str(flow_run_id) for flow_run_id in known} == {run["id"] for run in created}


async def test_a_crash_after_creating_and_before_settling_makes_one_flow_run(
    sessions: Sessions, prefect: PrefectClient, prefect_server: PrefectServer
) -> None:
    deployment = await prefect_server.deploy()
    [run_id] = await _accept(sessions, deployment)
    async with sessions.begin() as session:
        [claimed] = await runs.claim(session, limit=1, lease=timedelta(seconds=0.2))
    # What a dispatcher does that dies before it has written down the answer.
    new = NewFlowRun(claimed.idempotency_key, "by the dead dispatcher", claimed.parameters)
    await prefect.create_flow_runs(deployment, [new])
    await asyncio.sleep(0.3)
    await dispatch(sessions, prefect, SETTINGS, Circuit("test"))
    [flow_run] = await prefect_server.flow_runs(deployment)
    run = await _run(sessions, run_id)
    assert run.state is RunState.SCHEDULED
    assert str(run.flow_run_id) == flow_run["id"]


async def test_a_dispatcher_that_is_cancelled_gives_its_runs_back_at_once(
    sessions: Sessions, prefect: PrefectClient, prefect_server: PrefectServer
) -> None:
    deployment = await prefect_server.deploy()
    await _accept(sessions, deployment, 10)
    dispatching = asyncio.create_task(dispatch(sessions, prefect, SETTINGS, Circuit("test")))
    while True:
        async with sessions() as session:
            if await session.scalar(select(Run.id).where(Run.leased_until.is_not(None)).limit(1)):
                break
    dispatching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await dispatching
    await _until_idle(sessions, prefect, Circuit("next"))
    assert len(await prefect_server.flow_runs(deployment)) == 10


async def test_while_prefect_is_down_runs_wait_and_lose_nothing(
    sessions: Sessions, prefect: PrefectClient, prefect_server: PrefectServer
) -> None:
    deployment = await prefect_server.deploy()
    circuit = Circuit("test")
    await prefect_server.kill()
    try:
        [run_id] = await _accept(sessions, deployment)
        waits = []
        for _ in range(4):
            waits.append(await dispatch(sessions, prefect, SETTINGS, circuit))
            await asyncio.sleep(waits[-1])
        waiting = await _run(sessions, run_id)
    finally:
        await prefect_server.start()
    assert (waiting.state, waiting.attempts, waiting.leased_until) == (RunState.ACCEPTED, 0, None)
    assert circuit.failures == 4
    assert waits[3] > waits[0]
    await asyncio.sleep(circuit.seconds_left())
    await _until_idle(sessions, prefect, circuit)
    assert circuit.failures == 0
    assert len(await prefect_server.flow_runs(deployment)) == 1


async def _lose_the_answer(upstream: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass requests on, but hang up instead of passing on what creating flow runs answered."""
    host, _, port = urlsplit(upstream).netloc.partition(":")
    try:
        while True:
            head, body = await _message(reader)
            server_reader, server_writer = await asyncio.open_connection(host, int(port))
            server_writer.write(head + body)
            answer = b"".join(await _message(server_reader))
            server_writer.close()
            if b"create_flow_run" in head:
                return
            writer.write(answer)
    except asyncio.IncompleteReadError:
        return
    finally:
        writer.close()


async def _message(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
    return head, await reader.readexactly(int(length[1]) if length else 0)


@pytest.mark.parametrize("count", [1, 5])
async def test_an_answer_lost_after_prefect_committed_is_read_back(
    sessions: Sessions, prefect: PrefectClient, prefect_server: PrefectServer, count: int
) -> None:
    deployment = await prefect_server.deploy()
    accepted = await _accept(sessions, deployment, count)
    proxy = await asyncio.start_server(
        partial(_lose_the_answer, prefect_server.api_url), "127.0.0.1", port=free_port()
    )
    host, port = proxy.sockets[0].getsockname()
    async with proxy, PrefectClient(PrefectSettings(api_url=f"http://{host}:{port}/api")) as lossy:
        await dispatch(sessions, lossy, SETTINGS, Circuit("test"))
    assert {(await _run(sessions, run_id)).state for run_id in accepted} == {RunState.SCHEDULED}
    assert len(await prefect_server.flow_runs(deployment)) == count


async def test_an_open_circuit_leaves_prefect_and_the_queue_alone(sessions: Sessions) -> None:
    circuit = Circuit("test")
    [run_id] = await _accept(sessions, "any/deployment")
    async with PrefectClient(PrefectSettings(api_url="http://127.0.0.1:9/api")) as nobody:
        first = await dispatch(sessions, nobody, SETTINGS, circuit)
        again = await dispatch(sessions, nobody, SETTINGS, circuit)
    assert 0 < again <= first
    assert circuit.failures == 1
    assert (await _run(sessions, run_id)).state is RunState.ACCEPTED


async def test_refused_parameters_make_a_dead_letter_that_says_why_and_spare_the_neighbours(
    sessions: Sessions, prefect: PrefectClient, prefect_server: PrefectServer
) -> None:
    deployment = await prefect_server.deploy()
    good = await _accept(sessions, deployment, 3)
    [bad] = await _accept(sessions, deployment, document_id=7)
    good += await _accept(sessions, deployment, 3)
    await dispatch(sessions, prefect, SETTINGS, Circuit("test"))
    dead = await _run(sessions, bad)
    assert dead.state is RunState.DEAD
    assert "7 is not of type 'string'" in (dead.last_error or "")
    assert {(await _run(sessions, run_id)).state for run_id in good} == {RunState.SCHEDULED}
    assert len(await prefect_server.flow_runs(deployment)) == 6


async def test_a_missing_deployment_delays_its_own_runs_only(
    sessions: Sessions, prefect: PrefectClient, prefect_server: PrefectServer
) -> None:
    deployment = await prefect_server.deploy()
    [lost] = await _accept(sessions, "not-yet/deployed")
    [fine] = await _accept(sessions, deployment)
    await dispatch(sessions, prefect, SETTINGS, Circuit("test"))
    waiting = await _run(sessions, lost)
    assert (waiting.state, waiting.attempts) == (RunState.ACCEPTED, 1)
    assert "no deployment not-yet/deployed" in (waiting.last_error or "")
    assert (await _run(sessions, fine)).state is RunState.SCHEDULED


async def test_a_document_whose_run_is_dead_still_reaches_a_person(
    sessions: Sessions, prefect: PrefectClient, prefect_server: PrefectServer
) -> None:
    deployment = await prefect_server.deploy()
    async with sessions.begin() as session:
        session.add(Application(id="loan-1", status=ApplicationStatus.VERIFYING))
        document = Document(application_id="loan-1", bucket="b", key="k", object_version="1", kind="front")
        session.add(document)
        await session.flush()
        new = runs.NewRun(
            cause_kind=RunCause.DOCUMENT,
            cause_id=str(document.id),
            route="documents",
            deployment=deployment,
            parameters={"document_id": 7},
            application_id="loan-1",
        )
        await runs.enqueue(session, new)
    await dispatch(sessions, prefect, SETTINGS, Circuit("test"))
    async with sessions() as session:
        application = await session.get_one(Application, "loan-1")
        document = await session.get_one(Document, document.id)
    assert application.status is ApplicationStatus.IN_REVIEW
    assert document.status is DocumentStatus.UNREADABLE
    assert "person" in (document.reason or "")


async def test_an_idle_dispatcher_sleeps_until_the_next_run_is_due(
    sessions: Sessions, prefect: PrefectClient
) -> None:
    assert await dispatch(sessions, prefect, SETTINGS, Circuit("test")) == SETTINGS.poll_seconds
    await _accept(sessions, "not-yet/deployed")
    async with sessions.begin() as session:
        await runs.claim(session, limit=1, lease=timedelta(seconds=0.5))
    assert 0 < await dispatch(sessions, prefect, SETTINGS, Circuit("test")) <= 0.5
