"""What `sluice routes check` says of a route is what a real Prefect does with its runs."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import uuid
from collections.abc import Callable
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest
from prefect.utilities.callables import parameter_schema
from pydantic import BaseModel

from app import routes_check, routing, runs
from app.circuit import Circuit
from app.db import Sessions
from app.dev.process import free_port
from app.dispatcher import dispatch
from app.models import RunCause
from app.prefect_client import PrefectClient
from app.prefect_flow_runs import NewFlowRun, Refusal
from app.routes_check import Finding
from app.routing import Route
from app.settings import DispatcherSettings

if TYPE_CHECKING:
    from tests.integration.conftest import PrefectServer

SLUICE = Path(sys.executable).with_name("sluice")
TOPIC = "arn:aws:sns:us-east-1:123456789012:uploads"
POOL = "pool-of-routes"

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
    name = f"{flow.__name__}-{uuid.uuid4()}"
    pools = await server.post("/work_pools/filter", {"work_pools": {"name": {"any_": [POOL]}}})
    if not pools:
        await server.post("/work_pools/", {"name": POOL, "type": "process"})
    deployment = {
        "name": "test",
        "flow_id": (await server.post("/flows/", {"name": name}))["id"],
        "work_pool_name": POOL,
        "parameter_openapi_schema": parameter_schema(flow).model_dump_for_openapi(),
        "enforce_parameter_schema": True,
    }
    await server.post("/deployments/", deployment | changes)
    return f"{name}/test"


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


GOOD = """\
# What starts what.
[[route]]
name = "scans"
source = "s3"
deployment = "{deployment}"
parameters = {{ text = "{{key}}" }}
"""

BAD = """
[[route]]
name = "colours"
source = "s3"
deployment = "scan/default"
colour = "red"
"""
BAD_LINE = 'line 8, route "colours": colour: is not a key of a route'


Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write the routes file; returns where it is."""

    def to_disk(text: str) -> Path:
        file = tmp_path / "routes.toml"
        file.write_text(text)
        return file

    return to_disk


async def sluice(*words: str | Path, **env: str) -> tuple[int, str, str]:
    """Run the command; its exit status, what it printed, and what it complained about."""
    process = await asyncio.create_subprocess_exec(
        SLUICE, *words, env={**os.environ, **env}, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    output, errors = await process.communicate()
    return process.returncode or 0, output.decode(), errors.decode()


async def test_check_asks_prefect_and_says_what_is_wrong_by_line(
    prefect_server: PrefectServer, write: Write
) -> None:
    api = {"SLUICE_PREFECT_API_URL": prefect_server.api_url}
    file = write(GOOD.format(deployment=await deploy(prefect_server, by_text)))
    good = (0, 'line 2, route "scans": OK\n', "")
    assert await sluice("routes", "check", file, **api) == good
    assert await sluice("routes", "check", SLUICE_ROUTES_FILE=str(file), **api) == good

    file = write(GOOD.format(deployment=await deploy(prefect_server, by_number)))
    status, output, _ = await sluice("routes", "check", file, **api)
    assert status == 1
    assert 'line 2, route "scans": the flow has no parameter "text"; it has number; the flow needs' in output
    assert await sluice("routes", "check", "--offline", file, **api) == good


async def test_check_names_every_route_of_a_bad_file_without_asking_prefect(write: Write) -> None:
    status, output, _ = await sluice("routes", "check", write(GOOD.format(deployment="a/b") + BAD))
    assert (status, output) == (1, f'line 2, route "scans": OK\n{BAD_LINE}\n')


async def test_check_tells_apart_a_prefect_that_does_not_answer() -> None:
    status, output, errors = await sluice("routes", "check", SLUICE_PREFECT_API_URL="http://127.0.0.1:9/api")
    assert (status, output) == (2, "")
    assert errors == (
        "sluice: Prefect cannot be reached: Prefect does not answer (ConnectError). The file alone is good.\n"
    )


async def test_list_prints_what_starts_what_in_order() -> None:
    status, output, _ = await sluice("routes", "list")
    assert status == 0
    assert output == (
        "document-verification: s3 event=ObjectCreated:* key=applications/{application_id}/{kind}/{filename}"
        " -> document-verification/default\n"
        "underwriting-decision: decision -> underwriting-decision/default\n"
    )


def serve(**env: str) -> tuple[int, str]:
    """Start the gateway, which is to refuse; its exit status and complaint. It must never listen."""
    port = free_port()
    command = subprocess.Popen(  # noqa: S603
        [SLUICE, "serve"],
        env={**os.environ, "SLUICE_HTTP_PORT": str(port), **env},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    while command.poll() is None:
        with socket.socket() as client:
            client.settimeout(0.1)
            assert client.connect_ex(("127.0.0.1", port)) != 0
    _, errors = command.communicate()
    return command.returncode, errors


def test_a_bad_file_stops_the_start_with_the_same_message(write: Write) -> None:
    file = write(GOOD.format(deployment="a/b") + BAD)
    status, errors = serve(SLUICE_ROUTES_FILE=str(file))
    assert status == 1
    assert errors == f"sluice: The configuration is not valid: {file} cannot be used. {BAD_LINE}.\n"


def test_a_file_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    status, errors = serve(SLUICE_ROUTES_FILE=str(tmp_path / "routes.toml"))
    assert status == 1
    assert f"The routes file {tmp_path / 'routes.toml'} cannot be read: " in errors


def test_a_topic_sent_to_a_route_that_does_not_exist_stops_the_start() -> None:
    status, errors = serve(SLUICE_SNS_TOPICS=f'{{"{TOPIC}": {{"routes": ["document-verifcation"]}}}}')
    assert status == 1
    assert f"SLUICE_SNS_TOPICS sends {TOPIC} to document-verifcation, which it cannot take." in errors
    assert "Routes it can take: document-verification." in errors


def test_the_shipped_routes_are_those_of_the_example() -> None:
    example = Path(__file__).parents[2] / "examples" / "routes.toml"
    routes = routing.load(example.read_text("utf-8"), "examples/routes.toml")
    assert routes.all[:2] == routing.shipped().all
