"""The client against a real Prefect server: what it creates, what it refuses, what it reads back."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from app.dev.postgres import EmbeddedPostgres
from app.errors import PrefectUnavailable
from app.models import RunState
from app.prefect_client import DeploymentMissing, PrefectClient
from app.prefect_events import listen
from app.prefect_flow_runs import NewFlowRun, Refusal
from app.settings import PrefectSettings

if TYPE_CHECKING:
    from tests.integration.conftest import PrefectServer


def _new(**parameters: object) -> NewFlowRun:
    return NewFlowRun(
        idempotency_key=str(uuid.uuid4()),
        name="document-verification-1a2b3c4d",
        parameters=parameters or {"document_id": str(uuid.uuid4())},
    )


async def test_one_flow_run_has_what_was_asked_for(
    prefect: PrefectClient, prefect_server: PrefectServer
) -> None:
    deployment = await prefect_server.deploy()
    new = NewFlowRun("key-1", "a-name", {"document_id": "d1"}, tags=["loans"], work_queue="urgent")
    created = await prefect.create_flow_runs(deployment, [new])
    [stored] = await prefect_server.flow_runs(deployment)
    assert created == {"key-1": uuid.UUID(stored["id"])}
    assert stored["name"] == "a-name"
    assert stored["parameters"] == {"document_id": "d1"}
    assert stored["work_queue_name"] == "urgent"
    assert sorted(stored["tags"]) == ["loans", "sluice"]


async def test_many_are_created_and_asking_again_finds_the_same(
    prefect: PrefectClient, prefect_server: PrefectServer
) -> None:
    deployment = await prefect_server.deploy()
    wanted = [_new() for _ in range(12)]
    first = await prefect.create_flow_runs(deployment, wanted)
    again = await prefect.create_flow_runs(deployment, wanted[::-1])
    assert first == again
    assert first == await prefect.find_flow_runs([new.idempotency_key for new in wanted])
    assert {str(flow_run_id) for flow_run_id in first.values()} == {
        stored["id"] for stored in await prefect_server.flow_runs(deployment)
    }


async def test_a_refused_parameter_spoils_only_its_own_run(
    prefect: PrefectClient, prefect_server: PrefectServer
) -> None:
    deployment = await prefect_server.deploy()
    good, wrong, nul = _new(), _new(document_id=7), _new(document_id="a\0b")
    outcomes = await prefect.create_flow_runs(deployment, [good, wrong, nul])
    assert isinstance(outcomes[good.idempotency_key], uuid.UUID)
    refusal = outcomes[wrong.idempotency_key]
    assert isinstance(refusal, Refusal)
    assert refusal.permanent
    assert "7 is not of type 'string'" in refusal.message
    assert outcomes[nul.idempotency_key] == Refusal("A parameter holds a NUL character.", permanent=True)
    assert len(await prefect_server.flow_runs(deployment)) == 1


async def test_a_single_refused_run_says_what_prefect_says(
    prefect: PrefectClient, prefect_server: PrefectServer
) -> None:
    deployment = await prefect_server.deploy()
    wrong = _new(document_id=7)
    refusal = (await prefect.create_flow_runs(deployment, [wrong]))[wrong.idempotency_key]
    assert isinstance(refusal, Refusal)
    assert refusal.permanent
    assert "7 is not of type 'string'" in refusal.message


async def test_one_item_too_large_for_prefect_does_not_take_its_batch_with_it(
    prefect: PrefectClient, prefect_server: PrefectServer
) -> None:
    deployment = await prefect_server.deploy()
    good, huge = _new(), _new(document_id="x" * 600_000)
    outcomes = await prefect.create_flow_runs(deployment, [good, huge])
    assert isinstance(outcomes[good.idempotency_key], uuid.UUID)
    refusal = outcomes[huge.idempotency_key]
    assert isinstance(refusal, Refusal)
    assert refusal.permanent
    assert len(refusal.message) <= 1_000


@pytest.mark.parametrize("deployment", ["nowhere/none", "no-slash", "a/b/c", "../x"])
@pytest.mark.parametrize("count", [1, 3])
async def test_a_missing_deployment_is_an_error_of_its_own(
    prefect: PrefectClient, deployment: str, count: int
) -> None:
    with pytest.raises(DeploymentMissing, match=f"no deployment {deployment}"):
        await prefect.create_flow_runs(deployment, [_new() for _ in range(count)])


@pytest.mark.parametrize("count", [1, 3])
async def test_a_deployment_that_was_deployed_anew_is_found_again(
    prefect: PrefectClient, prefect_server: PrefectServer, count: int
) -> None:
    deployment = await prefect_server.deploy()
    await prefect.create_flow_runs(deployment, [_new()])
    old = await prefect.find_deployment(deployment)
    await prefect_server.redeploy(deployment)
    created = await prefect.create_flow_runs(deployment, [_new() for _ in range(count)])
    assert all(isinstance(outcome, uuid.UUID) for outcome in created.values())
    assert await prefect.find_deployment(deployment) != old


async def test_reading_leaves_out_what_is_as_we_know_it(
    prefect: PrefectClient, prefect_server: PrefectServer
) -> None:
    deployment = await prefect_server.deploy()
    created = await prefect.create_flow_runs(deployment, [_new() for _ in range(3)])
    still, late, running = [outcome for outcome in created.values() if isinstance(outcome, uuid.UUID)]
    await prefect_server.set_state(late, "SCHEDULED", "Late")
    await prefect_server.set_state(running, "RUNNING")
    found = await prefect.read_flow_runs([still, late, running], unlike=(RunState.SCHEDULED, "Scheduled"))
    assert {run.id: (run.state.type, run.state.name) for run in found} == {
        late: (RunState.SCHEDULED, "Late"),
        running: (RunState.RUNNING, "Running"),
    }
    assert {run.id for run in await prefect.read_flow_runs([still, uuid.uuid4()])} == {still}
    assert await prefect.count_flow_runs([still, late, uuid.uuid4()]) == 2


async def test_ready_asks_prefect(prefect: PrefectClient) -> None:
    await prefect.ready()


@pytest.mark.parametrize("path", ["", "/nothing/here"])
async def test_an_address_that_is_not_prefects_is_unavailability(
    prefect_server: PrefectServer, path: str
) -> None:
    url = f"http://127.0.0.1:9{path}" if not path else prefect_server.api_url + path
    async with PrefectClient(PrefectSettings(api_url=url)) as client:
        with pytest.raises(PrefectUnavailable):
            await client.ready()
        with pytest.raises(PrefectUnavailable):
            await client.read_flow_runs([uuid.uuid4()])


async def test_a_server_with_basic_auth_lets_only_its_user_in(
    postgres: EmbeddedPostgres, prefect_server: PrefectServer, tmp_path: Path
) -> None:
    server = type(prefect_server)(postgres, tmp_path, PREFECT_SERVER_API_AUTH_STRING="sluice:a:secret")
    try:
        await server.start()
        right = server.settings.model_copy(update={"auth_string": SecretStr("sluice:a:secret")})
        async with PrefectClient(right) as client, listen(right):
            assert await client.read_flow_runs([uuid.uuid4()]) == []
        wrong = server.settings.model_copy(update={"auth_string": SecretStr("sluice:wrong")})
        async with PrefectClient(wrong) as client:
            with pytest.raises(PrefectUnavailable, match="refuses our credentials"):
                await client.read_flow_runs([uuid.uuid4()])
        with pytest.raises(PrefectUnavailable):
            async with listen(wrong):
                pass
    finally:
        await server.close()
