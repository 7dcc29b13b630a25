"""What `sluice routes check` says of a route is what a real Prefect does with its runs."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime
from enum import Enum
from typing import Any, Literal

import pytest
from prefect.utilities.callables import parameter_schema
from pydantic import BaseModel

from app import routes_check, runs
from app.circuit import Circuit
from app.db import Sessions
from app.dispatcher import dispatch
from app.models import RunCause
from app.prefect_client import PrefectClient
from app.prefect_flow_runs import NewFlowRun, Refusal
from app.routes_check import Finding
from app.routing import Route
from app.settings import DispatcherSettings
from tests.integration.conftest import POOL, PrefectServer

TOPIC = "arn:aws:sns:us-east-1:123456789012:uploads"

Flow = Callable[..., None]


class Colour(Enum):
    RED = "red"


class Options(BaseModel):
    pages: int
    batch: str


def by_id(document: uuid.UUID) -> None: ...
def by_text(text: str) -> None: ...
def by_number(number: int) -> None: ...
def by_time(at: datetime) -> None: ...
def by_colour(colour: Colour) -> None: ...
def by_word(word: Literal["a", "b"]) -> None: ...
def by_options(options: Options) -> None: ...
def by_list(names: list[str], strict: bool = False) -> None: ...
def by_either(value: int | None = None) -> None: ...
def by_nothing() -> None: ...


def route(parameters: dict[str, Any], **changes: Any) -> Route:
    content = {"name": "route", "source": "s3", "key": "scans/{batch}/{message_id}", "deployment": "any/one"}
    return Route.model_validate(content | {"parameters": parameters} | changes)


async def deploy(server: PrefectServer, flow: Flow, **changes: Any) -> str:
    """A deployment of `flow`, with the schema that Prefect itself makes of its signature."""
    deployment = f"{flow.__name__}-{uuid.uuid4()}/test"
    schema = parameter_schema(flow).model_dump_for_openapi()
    await server.redeploy(deployment, parameter_openapi_schema=schema, **changes)
    return deployment


@pytest.mark.parametrize(
    ("flow", "parameters", "problem"),
    [
        (by_id, {"document": "{notification_id}"}, None),
        (by_id, {"document": 7}, "7 is not of type 'string'"),
        (by_id, {}, 'the flow needs the parameter "document"'),
        (by_text, {"text": "{batch} and {version_id}"}, None),
        (by_text, {"text": ["{batch}"]}, "is not of type 'string'"),
        (by_number, {"number": 7}, None),
        (by_number, {"number": "{batch}"}, "parameter \"number\": '{batch}' is not of type 'integer'"),
        (by_number, {"number": 7.5}, "7.5 is not of type 'integer'"),
        (by_either, {"value": "{batch}"}, "is not valid under any of the given schemas"),
        (by_either, {}, None),
        (by_colour, {"colour": "red"}, None),
        (by_colour, {"colour": "blue"}, "'blue' is not one of ['red']"),
        (by_word, {"word": "c"}, "'c' is not one of ['a', 'b']"),
        (by_options, {"options": {"pages": 1, "batch": "{batch}"}}, None),
        (by_options, {"options": {"pages": "{batch}", "batch": "b"}}, 'parameter "options.pages"'),
        (by_options, {"options": {"pages": 1}}, "'batch' is a required property"),
        (by_list, {"names": ["{batch}", "fixed"], "strict": True}, None),
        (by_list, {"names": ["{batch}", 1]}, 'parameter "names.1": 1 is not of type'),
        (by_nothing, {}, None),
    ],
)
async def test_what_it_says_is_what_prefect_does(
    prefect: PrefectClient,
    prefect_server: PrefectServer,
    flow: Flow,
    parameters: dict[str, Any],
    problem: str | None,
) -> None:
    asked = route(parameters, deployment=await deploy(prefect_server, flow))
    finding = await routes_check.check(prefect, asked, [])
    if problem is None:
        assert finding == Finding()
    else:
        [said] = finding.problems
        assert problem in said

    values = dict.fromkeys(asked.values, "text") | {"notification_id": str(uuid.uuid4())}
    new = NewFlowRun("key", "a run", asked.render(values))
    [outcome] = (await prefect.create_flow_runs(asked.deployment, [new])).values()
    assert isinstance(outcome, Refusal) == (problem is not None)


@pytest.mark.parametrize(
    ("flow", "parameters"),
    [
        (by_id, {"document": "{batch}"}),
        (by_time, {"at": "{batch}"}),
        (by_colour, {"colour": "{batch}"}),
        (by_word, {"word": "{batch}"}),
        (by_colour, {"colour": "{message_id}"}),
    ],
)
async def test_text_that_only_an_event_can_tell_has_the_benefit_of_the_doubt(
    prefect: PrefectClient, prefect_server: PrefectServer, flow: Flow, parameters: dict[str, Any]
) -> None:
    deployment = await deploy(prefect_server, flow)
    assert await routes_check.check(prefect, route(parameters, deployment=deployment), []) == Finding()


async def test_a_parameter_the_flow_does_not_have_is_a_problem_though_prefect_accepts_it(
    prefect: PrefectClient, prefect_server: PrefectServer
) -> None:
    """Prefect creates such a run, and the run fails."""
    deployment = await deploy(prefect_server, by_text)
    asked = route({"text": "a", "txet": "a"}, deployment=deployment)
    finding = await routes_check.check(prefect, asked, [])
    assert finding == Finding(('the flow has no parameter "txet"; it has text',))


async def test_what_the_deployment_itself_provides_need_not_be_sent(
    prefect: PrefectClient, prefect_server: PrefectServer
) -> None:
    deployment = await deploy(prefect_server, by_text, parameters={"text": "always this"})
    assert await routes_check.check(prefect, route({}, deployment=deployment), []) == Finding()


async def test_where_prefect_does_not_enforce_the_schema_a_wrong_type_is_a_warning(
    prefect: PrefectClient, prefect_server: PrefectServer
) -> None:
    deployment = await deploy(prefect_server, by_number, enforce_parameter_schema=False)
    asked = route({"number": "{batch}"}, deployment=deployment)
    finding = await routes_check.check(prefect, asked, [])
    assert finding == Finding(warnings=("parameter \"number\": '{batch}' is not of type 'integer'",))


async def test_a_wrong_format_is_a_warning_since_prefect_leaves_it_to_the_flow(
    prefect: PrefectClient, prefect_server: PrefectServer
) -> None:
    deployment = await deploy(prefect_server, by_id)
    asked = route({"document": "document {notification_id}"}, deployment=deployment)
    finding = await routes_check.check(prefect, asked, [])
    assert finding.problems == ()
    [warning] = finding.warnings
    assert "is not a 'uuid'" in warning
    [outcome] = (
        await prefect.create_flow_runs(deployment, [NewFlowRun("k", "n", {"document": "d"})])
    ).values()
    assert isinstance(outcome, uuid.UUID)


async def test_a_missing_deployment_is_a_problem(prefect: PrefectClient) -> None:
    finding = await routes_check.check(prefect, route({}, deployment="nowhere/none"), [])
    assert finding.problems == ("Prefect has no deployment nowhere/none. Deploy it, or correct the route.",)


async def test_a_topic_nobody_may_send_on_is_a_warning(
    prefect: PrefectClient, prefect_server: PrefectServer
) -> None:
    asked = route({}, deployment=await deploy(prefect_server, by_nothing), topic=TOPIC)
    assert await routes_check.check(prefect, asked, [TOPIC]) == Finding()
    [warning] = (await routes_check.check(prefect, asked, [])).warnings
    assert TOPIC in warning


async def test_a_work_queue_that_is_missing_or_paused_is_a_warning(
    prefect: PrefectClient, prefect_server: PrefectServer
) -> None:
    asked = route({}, deployment=await deploy(prefect_server, by_nothing), work_queue=f"q-{uuid.uuid4()}")
    [missing] = (await routes_check.check(prefect, asked, [])).warnings
    assert f'work pool "{POOL}" has no work queue "{asked.work_queue}" yet' in missing

    queue = {"name": asked.work_queue, "is_paused": True}
    await prefect_server.post(f"/work_pools/{POOL}/queues", queue)
    [paused] = (await routes_check.check(prefect, asked, [])).warnings
    assert paused == f'work queue "{asked.work_queue}" is paused'

    queue = {"name": f"q-{uuid.uuid4()}"}
    await prefect_server.post(f"/work_pools/{POOL}/queues", queue)
    fine = asked.model_copy(update={"work_queue": queue["name"]})
    assert await routes_check.check(prefect, fine, []) == Finding()


async def test_a_work_queue_without_a_work_pool_is_a_problem_and_prefect_refuses_it(
    prefect: PrefectClient, prefect_server: PrefectServer
) -> None:
    asked = route(
        {}, deployment=await deploy(prefect_server, by_nothing, work_pool_name=None), work_queue="q"
    )
    [problem] = (await routes_check.check(prefect, asked, [])).problems
    assert "needs a work pool" in problem
    new = NewFlowRun("key", "a run", {}, work_queue="q")
    [outcome] = (await prefect.create_flow_runs(asked.deployment, [new])).values()
    assert isinstance(outcome, Refusal)


async def test_a_routes_queue_tags_and_parameters_arrive_in_prefect_the_urgent_route_first(
    sessions: Sessions, prefect: PrefectClient, prefect_server: PrefectServer
) -> None:
    deployment = await deploy(prefect_server, by_text, tags=["of-the-deployment"])
    later = route({"text": "{batch}"}, deployment=deployment)
    urgent = route(
        {"text": "{batch}"}, deployment=deployment, work_queue="urgent", tags=["a", "b"], priority=1
    )
    async with sessions.begin() as session:
        for number, taken in enumerate((later, urgent)):
            new = runs.NewRun.on_route(
                taken,
                cause_kind=RunCause.OBJECT,
                cause_id=str(number),
                values={"batch": f"of priority {taken.priority}"},
            )
            await runs.enqueue(session, new)

    one_at_a_time = DispatcherSettings(batch_size=1, calls_in_flight=1)
    await dispatch(sessions, prefect, one_at_a_time, Circuit("test"))
    [first] = await prefect_server.flow_runs(deployment)
    assert first["parameters"] == {"text": "of priority 1"}
    assert first["work_queue_name"] == "urgent"
    assert first["work_pool_name"] == POOL
    assert sorted(first["tags"]) == ["a", "b", "of-the-deployment", "sluice"]

    await dispatch(sessions, prefect, one_at_a_time, Circuit("test"))
    [second] = [run for run in await prefect_server.flow_runs(deployment) if run["id"] != first["id"]]
    assert second["work_queue_name"] == "default"
    assert sorted(second["tags"]) == ["of-the-deployment", "sluice"]
