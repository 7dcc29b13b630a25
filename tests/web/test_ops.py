"""Liveness, readiness, metrics, and the one shape of every error."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.web.conftest import Headers, Notify

SHAPE = {"type", "title", "status", "detail", "instance"}


async def test_alive_and_ready(client: httpx.AsyncClient) -> None:
    assert (await client.get("/livez")).status_code == 200
    ready = await client.get("/readyz")
    assert ready.status_code == 200, ready.text
    assert ready.json()["checks"]["database"] == "ok"


async def test_metrics_show_what_was_received(client: httpx.AsyncClient, notify: Notify) -> None:
    await notify("no event")
    text = (await client.get("/metrics")).text

    assert 'sluice_notifications_total{outcome="unmatched"}' in text
    assert "sluice_runs_waiting 0.0" in text


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("DELETE", "/v1/sns", 405),
        ("POST", "/v1/sns", 400),
        ("GET", "/v1/applications/A-1", 401),
        ("PUT", "/v1/applications/..", 404),
    ],
)
async def test_every_error_has_the_same_shape(
    client: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    answer = await client.request(method, path)

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json().keys() >= SHAPE
    assert answer.json()["status"] == status


async def test_a_body_that_is_not_json_is_a_problem(client: httpx.AsyncClient, loan_app: Headers) -> None:
    headers = {**loan_app, "Content-Type": "application/json"}
    answer = await client.put("/v1/applications/A-1", content=b"{", headers=headers)

    assert answer.status_code == 400
    assert answer.json()["type"] == "urn:sluice:problem:malformed"


async def test_the_api_description_has_schemes_and_the_errors_of_every_endpoint(
    client: httpx.AsyncClient,
) -> None:
    api: dict[str, Any] = (await client.get("/openapi.json")).json()

    assert "API key" in api["components"]["securitySchemes"]
    for path, operations in api["paths"].items():
        if not path.startswith("/v1/"):
            continue
        for operation in operations.values():
            errors = {code for code in operation["responses"] if code >= "400"}
            assert "503" in errors, path
            for code in errors:
                content = operation["responses"][code]["content"]
                assert content["application/problem+json"]["examples"], (path, code)
