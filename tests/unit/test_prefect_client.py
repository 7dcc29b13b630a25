"""What the client believes of Prefect's answers, rehearsed: a healthy server gives few of these."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from app.errors import PrefectUnavailable
from app.prefect_client import PrefectClient
from app.prefect_flow_runs import NewFlowRun, Refusal
from app.settings import PrefectSettings

DEPLOYMENT = uuid.uuid4()
Handler = Callable[[httpx.Request], httpx.Response]


class Prefect:
    """Answers like Prefect, and remembers what it was asked."""

    def __init__(self, bulk: Callable[[list[Any]], httpx.Response] | None = None) -> None:
        self.bulk = bulk
        self.flow_runs: dict[str, uuid.UUID] = {}
        self.asked: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        path = request.url.path
        if path.startswith("/api/deployments/name/"):
            return httpx.Response(200, json={"id": str(DEPLOYMENT), "name": "test"})
        body = json.loads(request.content)
        if path.endswith("/bulk") and self.bulk is not None:
            return self.bulk(body)
        created = self.flow_runs.setdefault(body["idempotency_key"], uuid.uuid4())
        return httpx.Response(201, json={"id": str(created)})

    def bodies(self, end: str) -> list[Any]:
        return [json.loads(request.content) for request in self.asked if request.url.path.endswith(end)]


def _client(handler: Handler, **settings: Any) -> PrefectClient:
    given = PrefectSettings(api_url="http://prefect/api", **settings)
    return PrefectClient(given, transport=httpx.MockTransport(handler))


def _new(key: str, **parameters: Any) -> NewFlowRun:
    return NewFlowRun(key, "a-name", parameters)


def _bulk(*items: dict[str, Any]) -> Callable[[list[Any]], httpx.Response]:
    return lambda _: httpx.Response(200, json={"results": list(items)})


PHANTOM = {"status": "CREATED", "flow_run_id": str(uuid.uuid4()), "error": None}


@pytest.mark.parametrize(
    "answer",
    [
        [PHANTOM, {"status": "FAILED", "flow_run_id": None, "error": "deadlock detected"}],
        [PHANTOM, {"status": "FAILED", "flow_run_id": None, "error": None}],
        [PHANTOM, {"status": "CREATED", "flow_run_id": None, "error": None}],
        [PHANTOM],
    ],
    ids=["database error", "no reason", "no id", "too few"],
)
async def test_nothing_of_a_doubtful_bulk_answer_is_believed(answer: list[dict[str, Any]]) -> None:
    prefect = Prefect(_bulk(*answer))
    async with _client(prefect) as client:
        outcomes = await client.create_flow_runs("flow/test", [_new("a"), _new("b")])
    assert outcomes == prefect.flow_runs
    assert [body["idempotency_key"] for body in prefect.bodies("/create_flow_run")] == ["a", "b"]


async def test_a_validation_failure_does_not_shed_doubt_on_its_neighbours() -> None:
    created = uuid.uuid4()
    prefect = Prefect(
        _bulk(
            {"status": "CREATED", "flow_run_id": str(created)},
            {"status": "FAILED", "error": "Parameter validation failed: 'x' is a required property"},
        )
    )
    async with _client(prefect) as client:
        outcomes = await client.create_flow_runs("flow/test", [_new("a"), _new("b")])
    assert outcomes == {
        "a": created,
        "b": Refusal("Parameter validation failed: 'x' is a required property", permanent=True),
    }
    assert prefect.bodies("/create_flow_run") == []


async def test_a_bulk_call_sends_its_keys_sorted() -> None:
    prefect = Prefect(lambda _: httpx.Response(422, json={"exception_message": "Invalid request received."}))
    async with _client(prefect) as client:
        await client.create_flow_runs("flow/test", [_new("b"), _new("c"), _new("a")])
    [sent] = prefect.bodies("/bulk")
    assert [body["idempotency_key"] for body in sent] == ["a", "b", "c"]


@pytest.mark.parametrize(
    "value", ["a\0b", ["x", {"y": "\0"}], {"\0": 1}, {"__prefect_kind": "jinja", "template": "{{ 1 }}"}]
)
async def test_what_prefect_must_not_be_sent_is_refused_without_asking(value: object) -> None:
    prefect = Prefect()
    async with _client(prefect) as client:
        outcomes = await client.create_flow_runs("flow/test", [_new("a", document_id=value)])
    refusal = outcomes["a"]
    assert isinstance(refusal, Refusal)
    assert refusal.permanent
    assert prefect.asked == []


def _always(status: int, **content: Any) -> Handler:
    return lambda _: httpx.Response(status, **content)


def _timeout(request: httpx.Request) -> httpx.Response:
    raise httpx.ReadTimeout("too slow", request=request)


@pytest.mark.parametrize(
    "handler",
    [
        _timeout,
        _always(500, json={"exception_message": "Internal Server Error"}),
        _always(503, text="Service Unavailable"),
        _always(429, headers={"Retry-After": "3"}),
        _always(401, json={"exception_message": "Unauthorized"}),
        _always(302, headers={"Location": "https://login.example.com"}),
        _always(200, text="<html>a captive portal</html>"),
        _always(200, json={"unexpected": True}),
    ],
)
async def test_trouble_that_says_nothing_about_the_run_is_unavailability(handler: Handler) -> None:
    async with _client(handler) as client:
        with pytest.raises(PrefectUnavailable):
            await client.create_flow_runs("flow/test", [_new("a")])
        with pytest.raises(PrefectUnavailable):
            await client.read_flow_runs([uuid.uuid4()])


@pytest.mark.parametrize(
    ("status", "content", "refusal"),
    [
        (409, {"detail": "Error creating flow run: 7 is not valid"}, ("Error creating flow run: 7", True)),
        (400, {"detail": "Error hydrating flow run parameters"}, ("Error hydrating", True)),
        (
            422,
            {"exception_message": "Invalid", "exception_detail": [{"msg": "too long"}]},
            ("too long", True),
        ),
        (409, {"detail": "Data integrity conflict. See server logs."}, ("Data integrity conflict", False)),
        (405, {"detail": "Method Not Allowed"}, ("Method Not Allowed", False)),
    ],
)
async def test_a_refusal_says_why_and_whether_asking_again_can_help(
    status: int, content: dict[str, Any], refusal: tuple[str, bool]
) -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200, json={"id": str(DEPLOYMENT)})
        return httpx.Response(status, json=content)

    async with _client(handler) as client:
        outcome = (await client.create_flow_runs("flow/test", [_new("a")]))["a"]
    assert isinstance(outcome, Refusal)
    assert refusal[0] in outcome.message
    assert outcome.permanent is refusal[1]


async def test_each_kind_of_prefect_gets_its_credentials() -> None:
    prefect = Prefect()
    async with (
        _client(prefect) as none,
        _client(prefect, auth_string=SecretStr("user:pa:ss")) as basic,
        _client(prefect, api_key=SecretStr("pnu_123")) as cloud,
    ):
        for client in (none, basic, cloud):
            await client.find_deployment("flow/test")
    assert [request.headers.get("Authorization") for request in prefect.asked] == [
        None,
        "Basic dXNlcjpwYTpzcw==",
        "Bearer pnu_123",
    ]
