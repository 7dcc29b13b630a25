"""What every answer carries: security headers, a request id, and an end to waiting."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re

import httpx
import pytest
import structlog
from fastapi import FastAPI
from sqlalchemy import func, select
from structlog.testing import capture_logs

from app.settings import HttpSettings, Settings
from app.web.deps import Parts
from tests.web.conftest import Headers

PATHS = ["/livez", "/docs", "/openapi.json", "/nowhere", "/v1/applications/A-1", "/test/bug", "/v1/sns"]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"http": HttpSettings(request_seconds=1.5)})


@pytest.fixture
def app(app: FastAPI) -> FastAPI:
    """The gateway, with endpoints beside its own that go wrong."""

    @app.get("/test/bug")
    async def bug() -> None:
        structlog.get_logger().warning("about to go wrong")
        raise RuntimeError("a bug")

    @app.get("/test/slow")
    async def slow(parts: Parts) -> None:
        async with parts.sessions.begin() as session:
            await session.execute(select(func.pg_sleep(30)))

    return app


@pytest.mark.parametrize("path", PATHS)
async def test_every_answer_tells_browsers_to_be_strict(client: httpx.AsyncClient, path: str) -> None:
    headers = (await client.get(path)).headers

    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "strict-transport-security" not in headers
    assert "server" not in headers


async def test_over_https_it_must_stay_https(client: httpx.AsyncClient) -> None:
    answer = await client.get("https://sluice/livez")

    assert answer.headers["strict-transport-security"] == "max-age=31536000"


async def test_the_documentation_runs_no_script_but_the_two_it_names(client: httpx.AsyncClient) -> None:
    answer = await client.get("/docs")
    [policy] = re.findall("script-src ([^;]+)", answer.headers["content-security-policy"])
    [inline] = re.findall(r"<script>(.+?)</script>", answer.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()

    origin, hashed = policy.split()
    assert hashed == f"'sha256-{digest}'"
    foreign = re.findall(r"<(?:script|link)[^>]+https:[^>]+>", answer.text)
    assert len(foreign) == 2
    for tag in foreign:
        assert origin in tag
        assert re.search(r"@\d+\.\d+\.\d+/", tag)
        assert 'integrity="sha384-' in tag


@pytest.mark.parametrize("path", PATHS)
async def test_every_answer_has_a_request_id_of_its_own(client: httpx.AsyncClient, path: str) -> None:
    ids = {(await client.get(path)).headers["x-request-id"] for _ in range(2)}

    assert len(ids) == 2
    assert all(re.fullmatch("[0-9a-f]{16}", request_id) for request_id in ids)


async def test_a_callers_request_id_is_kept_and_logged(client: httpx.AsyncClient) -> None:
    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
        answer = await client.get("/test/bug", headers={"X-Request-Id": "loan-app.17_b"})

    assert answer.headers["x-request-id"] == "loan-app.17_b"
    assert {line["request_id"] for line in lines} == {"loan-app.17_b"}
    assert "request_id" not in structlog.contextvars.get_contextvars()


@pytest.mark.parametrize("request_id", [b"", b"a b", b"a\xff", b"x" * 65, b'"', b"a,b", b"${jndi}"])
async def test_a_request_id_that_would_need_quoting_is_replaced(
    client: httpx.AsyncClient, request_id: bytes
) -> None:
    answer = await client.get("/livez", headers=[(b"x-request-id", request_id)])

    assert re.fullmatch("[0-9a-f]{16}", answer.headers["x-request-id"])


async def test_a_bug_is_a_500_in_the_shape_of_every_error(client: httpx.AsyncClient) -> None:
    answer = await client.get("/test/bug")

    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "urn:sluice:problem:internal-error"
    assert "a bug" not in answer.text


async def test_a_request_that_takes_too_long_is_503_and_leaves_the_pool_whole(
    client: httpx.AsyncClient, settings: Settings
) -> None:
    many = settings.database.pool_size + 2
    answers = await asyncio.gather(*(client.get("/test/slow") for _ in range(many)))

    assert {answer.status_code for answer in answers} == {503}
    assert answers[0].json()["type"] == "urn:sluice:problem:timed-out"
    assert int(answers[0].headers["retry-after"]) > 0
    assert (await client.get("/readyz")).json()["checks"]["database"] == "ok"


async def test_a_long_poll_may_wait_longer(client: httpx.AsyncClient, loan_app: Headers) -> None:
    body = {"applicant": {"name": "Ada Specimen", "email": "ada@example.com"}}
    registered = await client.put("/v1/applications/A-1", json=body, headers=loan_app)
    known = f'"{registered.json()["version"]}"'
    headers = {**loan_app, "If-None-Match": known, "Prefer": "wait=2"}
    answer = await client.get("/v1/applications/A-1", headers=headers)

    assert answer.status_code == 304
    assert answer.headers["preference-applied"] == "wait=2"
