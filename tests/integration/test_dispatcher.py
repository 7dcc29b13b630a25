"""Accepted runs reach a real Prefect server exactly once, whatever happens in between."""

from __future__ import annotations

import asyncio
import random
import re
import uuid
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
import pytest
from sqlalchemy import select

from app import backlog, runs
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
from app.prefect_client import PrefectClient
from app.prefect_flow_runs import NewFlowRun
from app.projection import refresh
from app.reconcile import reconcile
from app.settings import DispatcherSettings, PrefectSettings, ProjectionSettings
from tests.integration.front import Forward, Front, behind, keys

if TYPE_CHECKING:
    from tests.integration.conftest import PrefectServer

SETTINGS = DispatcherSettings(batch_size=10)


async def _accept(
    sessions: Sessions, deployment: str, count: int = 1, *, route: str = "documents", **parameters: Any
) -> list[uuid.UUID]:
    accepted = []
    async with sessions.begin() as session:
        for _ in range(count):
            cause_id = str(uuid.uuid4())
            new = runs.NewRun(
                cause_kind=RunCause.OBJECT,
                cause_id=cause_id,
                route=route,
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
        await asyncio.sleep(min(0.05, await dispatch(sessions, prefect, SETTINGS, circuit)))
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
        [claimed] = await backlog.claim(session, DispatcherSettings(lease_seconds=0.2))
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


async def test_whatever_is_lost_on_the_way_there_is_one_flow_run_for_each_cause(
    sessions: Sessions, prefect: PrefectClient, prefect_server: PrefectServer
) -> None:
    deployment = await prefect_server.deploy()
    accepted = await _accept(sessions, deployment, 60)
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
        await _until_idle(sessions, client, Circuit("test", longest_seconds=0.1))
    created = [run["idempotency_key"] for run in await prefect_server.flow_runs(deployment)]
    assert sorted(created) == sorted(map(str, accepted))
    assert {(await _run(sessions, run_id)).attempts for run_id in accepted} == {0}
    await refresh(sessions, prefect, ProjectionSettings())
    report = await reconcile(sessions, prefect, waiting=timedelta(0), settled=timedelta(0))
    ours = {f"run:{run_id}" for run_id in accepted}
    assert ours.isdisjoint(report.causes_without_flow_run + report.disagreements)


async def test_flow_runs_that_were_rolled_back_are_not_believed(
    sessions: Sessions, prefect_server: PrefectServer
) -> None:
    deployment = await prefect_server.deploy()
    accepted = await _accept(sessions, deployment, 8)

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
        assert str((await _run(sessions, run_id)).flow_run_id) == flow_runs[str(run_id)]


@pytest.mark.parametrize("status", [429, 401, "timeout", "unreachable"])
async def test_trouble_of_prefects_pauses_all_and_costs_nothing(
    sessions: Sessions, prefect_server: PrefectServer, status: int | str
) -> None:
    deployment = await prefect_server.deploy()
    accepted = await _accept(sessions, deployment, 3)
    circuit = Circuit("test", failures=5)

    async def trouble(request: httpx.Request, forward: Forward) -> httpx.Response:
        if isinstance(status, int):
            return httpx.Response(status, json={"detail": "trouble"})
        raise (httpx.ReadTimeout if status == "timeout" else httpx.ConnectError)("cut", request=request)

    front = Front(trouble)
    async with behind(prefect_server.settings, front) as client:
        assert await dispatch(sessions, client, SETTINGS, circuit) > 0
        asked = len(front.creations)
        assert await dispatch(sessions, client, SETTINGS, circuit) > 0
    assert len(front.creations) == asked
    assert circuit.failures == 6
    assert "Prefect unavailable since" in (circuit.note() or "")
    for run_id in accepted:
        run = await _run(sessions, run_id)
        assert (run.state, run.attempts, run.leased_until) == (RunState.ACCEPTED, 0, None)


def _failing_on(poison: set[str]) -> Front:
    """Prefect answers 503 to whatever holds one of these keys."""

    async def fault(request: httpx.Request, forward: Forward) -> httpx.Response:
        if poison & set(keys(request)):
            return httpx.Response(503, json={"exception_message": "Service Unavailable"})
        return await forward(request)

    return Front(fault)


async def test_a_run_on_which_prefect_always_fails_is_found_and_spares_its_neighbours(
    sessions: Sessions, prefect_server: PrefectServer
) -> None:
    deployment = await prefect_server.deploy()
    [poison] = await _accept(sessions, deployment)
    good = await _accept(sessions, deployment, 12)
    circuit = Circuit("test")
    async with behind(prefect_server.settings, _failing_on({str(poison)})) as client:
        await dispatch(sessions, client, SETTINGS, circuit)
        guilty = await _run(sessions, poison)
    assert {(await _run(sessions, run_id)).state for run_id in good} == {RunState.SCHEDULED}
    assert (guilty.state, guilty.attempts) == (RunState.ACCEPTED, 1)
    assert "503" in (guilty.last_error or "")
    assert circuit.note() is None


async def test_a_run_on_which_prefect_fails_alone_stops_only_its_route_and_is_charged_once_others_work(
    sessions: Sessions, prefect_server: PrefectServer
) -> None:
    deployment = await prefect_server.deploy()
    [poison] = await _accept(sessions, deployment, route="poisoned")
    circuit = Circuit("test")
    async with behind(prefect_server.settings, _failing_on({str(poison)})) as client:
        await dispatch(sessions, client, SETTINGS, circuit)
        assert (await _run(sessions, poison)).attempts == 0
        assert circuit.seconds_left() == 0
        assert circuit.resting() == ["poisoned"]
        assert "route poisoned not served since" in (circuit.note() or "")
        [fine] = await _accept(sessions, deployment)
        await dispatch(sessions, client, SETTINGS, circuit)
        assert (await _run(sessions, fine)).state is RunState.SCHEDULED
        await asyncio.sleep(circuit.part("poisoned").seconds_left())
        await dispatch(sessions, client, SETTINGS, circuit)
    assert (await _run(sessions, poison)).attempts == 1


async def test_a_prefect_that_is_ready_and_cannot_write_kills_nothing(
    sessions: Sessions, prefect_server: PrefectServer
) -> None:
    deployment = await prefect_server.deploy()
    accepted = await _accept(sessions, deployment, 12)
    circuit = Circuit("test")
    circuit.part("documents").failures = 1  # so that it rests long enough to be seen resting
    front = _failing_on({str(run_id) for run_id in accepted})
    async with behind(prefect_server.settings, front) as client:
        for _ in range(4):
            await dispatch(sessions, client, SETTINGS, circuit)
            asked = len(front.creations)
            await dispatch(sessions, client, SETTINGS, circuit)
            assert len(front.creations) == asked  # it is left alone, each time for longer
            await asyncio.sleep(circuit.part("documents").seconds_left())
    assert {(await _run(sessions, run_id)).attempts for run_id in accepted} == {0}
    assert circuit.part("documents").failures == 5


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
            await _accept(sessions, deployment, backlog_size)
            await dispatch(sessions, client, DispatcherSettings(), Circuit("test"))
        assert [len(call) for call in front.creations] == [1, 2, 2, 2, 2, 15, 15, 15, 15]
        assert most == DispatcherSettings().calls_in_flight


async def test_what_prefect_has_no_room_for_waits_with_us(
    sessions: Sessions, prefect: PrefectClient, prefect_server: PrefectServer
) -> None:
    deployment = await prefect_server.deploy()
    await _accept(sessions, deployment, 7)
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


async def test_the_route_of_a_missing_deployment_rests_and_its_other_runs_lose_nothing(
    sessions: Sessions, prefect: PrefectClient
) -> None:
    circuit = Circuit("test")
    await _accept(sessions, "not-yet/deployed")
    await dispatch(sessions, prefect, SETTINGS, circuit)
    later = await _accept(sessions, "not-yet/deployed", 3)
    await dispatch(sessions, prefect, SETTINGS, circuit)
    assert circuit.resting() == ["documents"]
    assert {(await _run(sessions, run_id)).attempts for run_id in later} == {0}


async def test_no_run_is_given_up_while_prefect_has_its_flow_run(
    sessions: Sessions, prefect: PrefectClient, prefect_server: PrefectServer
) -> None:
    deployment = await prefect_server.deploy()
    [run_id] = await _accept(sessions, deployment)
    # An earlier attempt, whose answer never came; since then the flow's parameters have changed.
    new = NewFlowRun(str(run_id), "by an earlier attempt", {"document_id": "1"})
    created = await prefect.create_flow_runs(deployment, [new])

    async def refuses(request: httpx.Request, forward: Forward) -> httpx.Response:
        return httpx.Response(409, json={"detail": "Error creating flow run: no longer valid"})

    async with behind(prefect_server.settings, Front(refuses)) as client:
        await dispatch(sessions, client, SETTINGS, Circuit("test"))
    run = await _run(sessions, run_id)
    assert (run.state, run.flow_run_id) == (RunState.SCHEDULED, created[str(run_id)])


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
        await backlog.claim(session, DispatcherSettings(lease_seconds=0.5))
    assert 0 < await dispatch(sessions, prefect, SETTINGS, Circuit("test")) <= 0.5
