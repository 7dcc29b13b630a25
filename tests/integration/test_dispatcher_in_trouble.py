"""What Prefect refuses or cannot do: who waits, who is charged for it, and who is given up."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import httpx
import pytest

from app.circuit import Circuit
from app.db import Sessions
from app.dispatcher import dispatch
from app.models import Application, ApplicationStatus, Document, DocumentStatus, RunState
from app.prefect_client import PrefectClient
from app.prefect_flow_runs import NewFlowRun
from app.settings import DispatcherSettings, PrefectSettings
from tests.integration.accepted import accept, accept_document, dispatch_all, run_by_id
from tests.integration.front import Forward, Front, behind, keys

if TYPE_CHECKING:
    from tests.integration.conftest import PrefectServer

SETTINGS = DispatcherSettings(batch_size=10)


async def test_while_prefect_is_down_runs_wait_and_lose_nothing(
    sessions: Sessions, prefect: PrefectClient, prefect_server: PrefectServer
) -> None:
    deployment = await prefect_server.deploy()
    circuit = Circuit("test")
    await prefect_server.kill()
    try:
        [run_id] = await accept(sessions, deployment)
        waits = []
        for _ in range(4):
            waits.append(await dispatch(sessions, prefect, SETTINGS, circuit))
            await asyncio.sleep(waits[-1])
        waiting = await run_by_id(sessions, run_id)
    finally:
        await prefect_server.start()
    assert (waiting.state, waiting.attempts, waiting.leased_until) == (RunState.ACCEPTED, 0, None)
    assert circuit.failures == 4
    assert waits[3] > waits[0]
    await asyncio.sleep(circuit.seconds_left())
    await dispatch_all(sessions, prefect, SETTINGS, circuit)
    assert circuit.failures == 0
    assert len(await prefect_server.flow_runs(deployment)) == 1


@pytest.mark.parametrize("status", [429, 401, "timeout", "unreachable"])
async def test_trouble_of_prefects_pauses_all_and_costs_nothing(
    sessions: Sessions, prefect_server: PrefectServer, status: int | str
) -> None:
    deployment = await prefect_server.deploy()
    accepted = await accept(sessions, deployment, 3)
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
        run = await run_by_id(sessions, run_id)
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
    [poison] = await accept(sessions, deployment)
    good = await accept(sessions, deployment, 12)
    circuit = Circuit("test")
    async with behind(prefect_server.settings, _failing_on({str(poison)})) as client:
        await dispatch(sessions, client, SETTINGS, circuit)
        guilty = await run_by_id(sessions, poison)
    assert {(await run_by_id(sessions, run_id)).state for run_id in good} == {RunState.SCHEDULED}
    assert (guilty.state, guilty.attempts) == (RunState.ACCEPTED, 1)
    assert "503" in (guilty.last_error or "")
    assert circuit.note() is None


async def test_a_run_on_which_prefect_fails_alone_stops_only_its_route_and_is_charged_once_others_work(
    sessions: Sessions, prefect_server: PrefectServer
) -> None:
    deployment = await prefect_server.deploy()
    [poison] = await accept(sessions, deployment, route="poisoned")
    circuit = Circuit("test")
    async with behind(prefect_server.settings, _failing_on({str(poison)})) as client:
        await dispatch(sessions, client, SETTINGS, circuit)
        assert (await run_by_id(sessions, poison)).attempts == 0
        assert circuit.seconds_left() == 0
        assert circuit.resting() == ["poisoned"]
        assert "route poisoned not served since" in (circuit.note() or "")
        [fine] = await accept(sessions, deployment)
        await dispatch(sessions, client, SETTINGS, circuit)
        assert (await run_by_id(sessions, fine)).state is RunState.SCHEDULED
        await asyncio.sleep(circuit.part("poisoned").seconds_left())
        await dispatch(sessions, client, SETTINGS, circuit)
    assert (await run_by_id(sessions, poison)).attempts == 1


async def test_a_prefect_that_is_ready_and_cannot_write_kills_nothing(
    sessions: Sessions, prefect_server: PrefectServer
) -> None:
    deployment = await prefect_server.deploy()
    accepted = await accept(sessions, deployment, 12)
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
    assert {(await run_by_id(sessions, run_id)).attempts for run_id in accepted} == {0}
    assert circuit.part("documents").failures == 5


async def test_an_open_circuit_leaves_prefect_and_the_queue_alone(sessions: Sessions) -> None:
    circuit = Circuit("test")
    [run_id] = await accept(sessions, "any/deployment")
    async with PrefectClient(PrefectSettings(api_url="http://127.0.0.1:9/api")) as nobody:
        first = await dispatch(sessions, nobody, SETTINGS, circuit)
        again = await dispatch(sessions, nobody, SETTINGS, circuit)
    assert 0 < again <= first
    assert circuit.failures == 1
    assert (await run_by_id(sessions, run_id)).state is RunState.ACCEPTED


async def test_refused_parameters_make_a_dead_letter_that_says_why_and_spare_the_neighbours(
    sessions: Sessions, prefect: PrefectClient, prefect_server: PrefectServer
) -> None:
    deployment = await prefect_server.deploy()
    good = await accept(sessions, deployment, 3)
    [bad] = await accept(sessions, deployment, document_id=7)
    good += await accept(sessions, deployment, 3)
    await dispatch(sessions, prefect, SETTINGS, Circuit("test"))
    dead = await run_by_id(sessions, bad)
    assert dead.state is RunState.DEAD
    assert "7 is not of type 'string'" in (dead.last_error or "")
    assert {(await run_by_id(sessions, run_id)).state for run_id in good} == {RunState.SCHEDULED}
    assert len(await prefect_server.flow_runs(deployment)) == 6


async def test_a_missing_deployment_delays_its_own_runs_only(
    sessions: Sessions, prefect: PrefectClient, prefect_server: PrefectServer
) -> None:
    deployment = await prefect_server.deploy()
    [lost] = await accept(sessions, "not-yet/deployed")
    [fine] = await accept(sessions, deployment)
    await dispatch(sessions, prefect, SETTINGS, Circuit("test"))
    waiting = await run_by_id(sessions, lost)
    assert (waiting.state, waiting.attempts) == (RunState.ACCEPTED, 1)
    assert "no deployment not-yet/deployed" in (waiting.last_error or "")
    assert (await run_by_id(sessions, fine)).state is RunState.SCHEDULED


async def test_the_route_of_a_missing_deployment_rests_and_its_other_runs_lose_nothing(
    sessions: Sessions, prefect: PrefectClient
) -> None:
    circuit = Circuit("test")
    await accept(sessions, "not-yet/deployed")
    await dispatch(sessions, prefect, SETTINGS, circuit)
    later = await accept(sessions, "not-yet/deployed", 3)
    await dispatch(sessions, prefect, SETTINGS, circuit)
    assert circuit.resting() == ["documents"]
    assert {(await run_by_id(sessions, run_id)).attempts for run_id in later} == {0}


async def test_no_run_is_given_up_while_prefect_has_its_flow_run(
    sessions: Sessions, prefect: PrefectClient, prefect_server: PrefectServer
) -> None:
    deployment = await prefect_server.deploy()
    [run_id] = await accept(sessions, deployment)
    # An earlier attempt, whose answer never came; since then the flow's parameters have changed.
    new = NewFlowRun(str(run_id), "by an earlier attempt", {"document_id": "1"})
    created = await prefect.create_flow_runs(deployment, [new])

    async def refuses(request: httpx.Request, forward: Forward) -> httpx.Response:
        return httpx.Response(409, json={"detail": "Error creating flow run: no longer valid"})

    async with behind(prefect_server.settings, Front(refuses)) as client:
        await dispatch(sessions, client, SETTINGS, Circuit("test"))
    run = await run_by_id(sessions, run_id)
    assert (run.state, run.flow_run_id) == (RunState.SCHEDULED, created[str(run_id)])


async def test_a_document_whose_run_is_dead_still_reaches_a_person(
    sessions: Sessions, prefect: PrefectClient, prefect_server: PrefectServer
) -> None:
    deployment = await prefect_server.deploy()
    document_id = await accept_document(sessions, deployment, document_id=7)
    await dispatch(sessions, prefect, SETTINGS, Circuit("test"))
    async with sessions() as session:
        application = await session.get_one(Application, "loan-1")
        document = await session.get_one(Document, document_id)
    assert application.status is ApplicationStatus.IN_REVIEW
    assert document.status is DocumentStatus.UNREADABLE
    assert "person" in (document.reason or "")
