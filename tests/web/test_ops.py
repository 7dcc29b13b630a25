"""Liveness, readiness, metrics, and the one shape of every error."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from app import migrate
from app.db import Sessions
from app.main import create_app
from app.settings import PrefectSettings, ProjectionSettings, Settings
from tests.web.conftest import Headers, Notify, s3_event

SHAPE = {"type", "title", "status", "detail", "instance"}


async def test_alive_and_ready(client: httpx.AsyncClient) -> None:
    assert (await client.get("/livez")).status_code == 200
    ready = await client.get("/readyz")
    assert ready.status_code == 200, ready.text
    assert ready.json()["checks"]["database"] == "ok"


@pytest.mark.parametrize(
    ("revision", "status", "says"),
    [
        ("0001", 503, "run `sluice migrate`"),
        # While an upgrade is under way the schema is the next release's already.
        ("9999", 200, "newer than this release's"),
    ],
)
async def test_ready_with_a_newer_schema_but_not_with_an_older(
    client: httpx.AsyncClient, sessions: Sessions, revision: str, status: int, says: str
) -> None:
    try:
        await _set_revision(sessions, revision)
        ready = await client.get("/readyz")
    finally:
        await _set_revision(sessions, migrate.head())

    assert ready.status_code == status
    assert says in ready.json()["checks"]["schema"]


async def _set_revision(sessions: Sessions, revision: str | None) -> None:
    async with sessions.begin() as session:
        await session.execute(
            text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision}
        )


async def test_a_gateway_whose_prefect_is_down_is_ready_and_says_since_when(
    settings: Settings,
) -> None:
    nowhere = PrefectSettings(api_url="http://127.0.0.1:9/api")
    app = create_app(
        settings.model_copy(update={"prefect": nowhere, "projection": ProjectionSettings(enabled=True)})
    )
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://sluice") as client,
    ):
        for _ in range(100):
            ready = await client.get("/readyz")
            if ready.json()["checks"]["loop projection"] != "ok":
                break
            await asyncio.sleep(0.05)
        metrics = (await client.get("/metrics")).text

    assert ready.status_code == 200, ready.text
    assert ready.json()["ready"] is True
    assert "ok, Prefect unavailable since 2" in ready.json()["checks"]["loop projection"]
    assert 'sluice_circuit_open{circuit="events"} 1.0' in metrics


async def test_metrics_show_what_was_received(client: httpx.AsyncClient, notify: Notify) -> None:
    await notify("no event")
    text = (await client.get("/metrics")).text

    assert 'sluice_notifications_total{outcome="unmatched"}' in text
    assert "sluice_runs_waiting{" not in text


async def test_what_alerts_watch_is_shown_before_it_happens(client: httpx.AsyncClient) -> None:
    shown = (await client.get("/metrics")).text

    for sample in (
        'sluice_notifications_total{outcome="unsubscribed"}',
        'sluice_problems_total{problem="certificate-unavailable"}',
        'sluice_quarantined_total{reason="topic-not-allowed"}',
        'sluice_quarantined_total{reason="malformed"}',
    ):
        assert sample in shown


async def test_metrics_show_what_waits_by_route(client: httpx.AsyncClient, notify: Notify) -> None:
    await notify(s3_event("applications/A-1/license-front/front.jpg"))
    text = (await client.get("/metrics")).text

    assert 'sluice_runs_waiting{route="document-verification"} 1.0' in text
    assert 'sluice_runs_oldest_waiting_seconds{route="document-verification"}' in text
    assert 'sluice_runs_unfinished{state="ACCEPTED"} 1.0' in text


async def test_no_word_of_a_callers_is_kept_in_the_metrics(client: httpx.AsyncClient) -> None:
    for number in range(3):
        await client.request(f"BREW{number}", f"/coffee/{number}")
    shown = (await client.get("/metrics")).text

    assert 'sluice_request_seconds_count{endpoint="unknown",method="_OTHER",status="404"}' in shown
    assert "BREW" not in shown
    assert "coffee" not in shown


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

    assert "ApiKey" in api["components"]["securitySchemes"]
    for path, operations in api["paths"].items():
        if not path.startswith("/v1/"):
            continue
        for operation in operations.values():
            errors = {code for code in operation["responses"] if code >= "400"}
            assert "503" in errors, path
            for code in errors:
                content = operation["responses"][code]["content"]
                assert content["application/problem+json"]["examples"], (path, code)
