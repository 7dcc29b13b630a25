"""Accepted runs reach a real Prefect server exactly once, whatever happens in between."""

from __future__ import annotations

import asyncio
import random
import re
import uuid
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx
import pytest
from sqlalchemy import select

from app import backlog
from app.circuit import Circuit
from app.db import Sessions
from app.dev.process import free_port
from app.dispatcher import dispatch
from app.models import Run, RunState
from app.prefect_client import PrefectClient
from app.prefect_flow_runs import NewFlowRun
from app.projection import refresh
from app.reconcile import reconcile
from app.settings import DispatcherSettings, PrefectSettings, ProjectionSettings
from tests.integration.accepted import accept, dispatch_all, run_by_id
from tests.integration.front import Forward, Front, behind, keys

if TYPE_CHECKING:
    from tests.integration.conftest import PrefectServer

SETTINGS = DispatcherSettings(batch_size=10)


async def test_an_accepted_run_becomes_a_flow_run(
    sessions: Sessions, prefect: PrefectClient, prefect_server: PrefectServer
) -> None:
    deployment = await prefect_server.deploy()
    [run_id] = await accept(sessions, deployment)
    await dispatch(sessions, prefect, SETTINGS, Circuit("test"))
    run = await run_by_id(sessions, run_id)
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
    accepted = [run_id for name in deployments for run_id in await accept(sessions, name, 20)]
    async with PrefectClient(prefect_server.settings) as one, PrefectClient(prefect_server.settings) as other:
        await asyncio.gather(
            dispatch_all(sessions, one, SETTINGS, Circuit("one")),
            dispatch_all(sessions, other, SETTINGS, Circuit("other")),
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
    [run_id] = await accept(sessions, deployment)
    async with sessions.begin() as session:
        [claimed] = await backlog.claim(session, DispatcherSettings(lease_seconds=0.2))
    # What a dispatcher does that dies before it has written down the answer.
    new = NewFlowRun(claimed.idempotency_key, "by the dead dispatcher", claimed.parameters)
    await prefect.create_flow_runs(deployment, [new])
    await asyncio.sleep(0.3)
    await dispatch(sessions, prefect, SETTINGS, Circuit("test"))
    [flow_run] = await prefect_server.flow_runs(deployment)
    run = await run_by_id(sessions, run_id)
    assert run.state is RunState.SCHEDULED
    assert str(run.flow_run_id) == flow_run["id"]


async def test_a_dispatcher_that_is_cancelled_gives_its_runs_back_at_once(
    sessions: Sessions, prefect: PrefectClient, prefect_server: PrefectServer
) -> None:
    deployment = await prefect_server.deploy()
    await accept(sessions, deployment, 10)
    dispatching = asyncio.create_task(dispatch(sessions, prefect, SETTINGS, Circuit("test")))
    while True:
        async with sessions() as session:
            if await session.scalar(select(Run.id).where(Run.leased_until.is_not(None)).limit(1)):
                break
    dispatching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await dispatching
    await dispatch_all(sessions, prefect, SETTINGS, Circuit("next"))
    assert len(await prefect_server.flow_runs(deployment)) == 10


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
    accepted = await accept(sessions, deployment, count)
    proxy = await asyncio.start_server(
        partial(_lose_the_answer, prefect_server.api_url), "127.0.0.1", port=free_port()
    )
    host, port = proxy.sockets[0].getsockname()
    async with proxy, PrefectClient(PrefectSettings(api_url=f"http://{host}:{port}/api")) as lossy:
        await dispatch(sessions, lossy, SETTINGS, Circuit("test"))
    assert {(await run_by_id(sessions, run_id)).state for run_id in accepted} == {RunState.SCHEDULED}
    assert len(await prefect_server.flow_runs(deployment)) == count


async def test_whatever_is_lost_on_the_way_there_is_one_flow_run_for_each_cause(
    sessions: Sessions, prefect: PrefectClient, prefect_server: PrefectServer
) -> None:
    deployment = await prefect_server.deploy()
    accepted = await accept(sessions, deployment, 60)
    chance = random.Random(20261120)

    async def lossy(request: httpx.Request, forward: Forward) -> httpx.Response:
        fate = chance.choice(["request lost", "answer lost", "answered", "answered"])
        if fate == "request lost":
            raise httpx.ConnectError("cut", request=request)
        answer = await forward(request)
        if fate == "answer lost":
            await answer.aread()
            await answer.aclose()
            raise httpx.ReadError("cut", request=request)
        return answer

    front = Front(lossy)
    async with behind(prefect_server.settings, front) as client:
        await dispatch_all(sessions, client, SETTINGS, Circuit("test", longest_seconds=0.1))
    created = [run["idempotency_key"] for run in await prefect_server.flow_runs(deployment)]
    assert sorted(created) == sorted(map(str, accepted))
    assert {(await run_by_id(sessions, run_id)).attempts for run_id in accepted} == {0}
    await refresh(sessions, prefect, ProjectionSettings())
    report = await reconcile(sessions, prefect, waiting=timedelta(0), settled=timedelta(0))
    ours = {f"run:{run_id}" for run_id in accepted}
    assert ours.isdisjoint(report.causes_without_flow_run + report.disagreements)


async def test_flow_runs_that_were_rolled_back_are_not_believed(
    sessions: Sessions, prefect_server: PrefectServer
) -> None:
    deployment = await prefect_server.deploy()
    accepted = await accept(sessions, deployment, 8)

    async def rolled_back(request: httpx.Request, forward: Forward) -> httpx.Response:
        """As Prefect answers when its database fails on the last item, and with it on all."""
        if not request.url.path.endswith("/bulk"):
            return await forward(request)
        *phantoms, last = keys(request)
        results = [{"status": "CREATED", "flow_run_id": str(uuid.uuid4())} for _ in phantoms]
        failed = {"status": "FAILED", "flow_run_id": None, "error": f"deadlock detected at {last}"}
        return httpx.Response(200, json={"results": [*results, failed]})

    async with behind(prefect_server.settings, Front(rolled_back)) as client:
        await dispatch(sessions, client, SETTINGS, Circuit("test"))
    flow_runs = {run["idempotency_key"]: run["id"] for run in await prefect_server.flow_runs(deployment)}
    assert flow_runs.keys() == {str(run_id) for run_id in accepted}
    for run_id in accepted:
        assert str((await run_by_id(sessions, run_id)).flow_run_id) == flow_runs[str(run_id)]


async def test_a_call_grows_with_the_backlog_and_not_beyond_its_limit(
    sessions: Sessions, prefect_server: PrefectServer
) -> None:
    deployment = await prefect_server.deploy()
    under_way, most = 0, 0

    async def watched(request: httpx.Request, forward: Forward) -> httpx.Response:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        try:
            return await forward(request)
        finally:
            under_way -= 1

    front = Front(watched)
    async with behind(prefect_server.settings, front) as client:
        for backlog_size in (1, 8, 60):
            await accept(sessions, deployment, backlog_size)
            await dispatch(sessions, client, DispatcherSettings(), Circuit("test"))
        assert [len(call) for call in front.creations] == [1, 2, 2, 2, 2, 15, 15, 15, 15]
        assert most == DispatcherSettings().calls_in_flight


async def test_what_prefect_has_no_room_for_waits_with_us(
    sessions: Sessions, prefect: PrefectClient, prefect_server: PrefectServer
) -> None:
    deployment = await prefect_server.deploy()
    await accept(sessions, deployment, 7)
    settings = DispatcherSettings(max_in_prefect=4)
    await dispatch(sessions, prefect, settings, Circuit("test"))
    assert 0 < await dispatch(sessions, prefect, settings, Circuit("test")) < 1
    first = await prefect_server.flow_runs(deployment)
    assert len(first) == 4
    for run in first[:2]:
        await prefect_server.set_state(uuid.UUID(run["id"]), "COMPLETED")
    await refresh(sessions, prefect, ProjectionSettings())
    await dispatch(sessions, prefect, settings, Circuit("test"))
    assert len(await prefect_server.flow_runs(deployment)) == 6


async def test_an_idle_dispatcher_sleeps_until_the_next_run_is_due(
    sessions: Sessions, prefect: PrefectClient
) -> None:
    assert await dispatch(sessions, prefect, SETTINGS, Circuit("test")) == SETTINGS.poll_seconds
    await accept(sessions, "not-yet/deployed")
    async with sessions.begin() as session:
        await backlog.claim(session, DispatcherSettings(lease_seconds=0.5))
    assert 0 < await dispatch(sessions, prefect, SETTINGS, Circuit("test")) <= 0.5
