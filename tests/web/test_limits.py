"""Rate limits: who is turned away, and who is not."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI

from app.settings import LimitSettings, Settings
from tests.web.conftest import Headers, Notify

BURST = 3


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Three requests of a kind, and then none for a long time."""
    limit = LimitSettings(
        key_per_second=0.01,
        key_burst=BURST,
        address_per_second=0.01,
        address_burst=BURST,
        sns_per_second=0.01,
        sns_burst=BURST,
    )
    return settings.model_copy(update={"limit": limit})


@pytest.fixture
async def elsewhere(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client at another address, of the same gateway."""
    transport = httpx.ASGITransport(app, client=("192.0.2.9", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://sluice") as other:
        yield other


async def statuses(client: httpx.AsyncClient, path: str, headers: Headers | None = None) -> list[int]:
    return [(await client.get(path, headers=headers)).status_code for _ in range(BURST + 1)]


async def test_a_key_has_its_own_limit_wherever_it_is_used(
    client: httpx.AsyncClient, elsewhere: httpx.AsyncClient, loan_app: Headers, operator: Headers
) -> None:
    path = "/v1/applications/A-1"
    assert await statuses(client, path, loan_app) == [404, 404, 404, 429]
    assert (await elsewhere.get(path, headers=loan_app)).status_code == 429
    assert await statuses(client, path, operator) == [404, 404, 404, 429]


async def test_the_answer_says_when_to_come_back(client: httpx.AsyncClient, loan_app: Headers) -> None:
    for _ in range(BURST):
        await client.get("/v1/applications/A-1", headers=loan_app)
    answer = await client.get("/v1/applications/A-1", headers=loan_app)

    assert answer.status_code == 429
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "urn:sluice:problem:rate-limited"
    assert 0 < int(answer.headers["retry-after"]) <= 100


@pytest.mark.parametrize("path", ["/docs", "/openapi.json", "/v1/applications/A-1", "/nowhere"])
async def test_an_address_that_proves_nothing_is_limited_on_its_own(
    client: httpx.AsyncClient, elsewhere: httpx.AsyncClient, path: str
) -> None:
    first, *others, last = await statuses(client, path)

    assert {first} == set(others)
    assert (first, last) != (429, first)
    assert last == 429
    assert (await elsewhere.get(path)).status_code == first


async def test_guessing_keys_ends_soon_and_shuts_out_the_guesser_only(
    client: httpx.AsyncClient, elsewhere: httpx.AsyncClient, loan_app: Headers
) -> None:
    path = "/v1/applications/A-1"
    guesses = [
        (await client.get(path, headers={"Authorization": f"Bearer sluice_{number}"})).status_code
        for number in range(BURST + 1)
    ]

    assert guesses == [401, 401, 401, 429]
    assert (await elsewhere.get(path, headers=loan_app)).status_code == 404


async def test_a_known_caller_costs_its_address_nothing(
    client: httpx.AsyncClient, loan_app: Headers, operator: Headers
) -> None:
    for headers in (loan_app, operator):
        await statuses(client, "/v1/applications/A-1", headers)

    assert (await client.get("/docs")).status_code == 200


async def test_what_sheds_on_the_sns_endpoint_is_503_for_sns_never_retries_4xx(
    client: httpx.AsyncClient,
) -> None:
    forgeries = [await client.post("/v1/sns", content=b"{}") for _ in range(BURST + 1)]

    assert [answer.status_code for answer in forgeries] == [400, 400, 400, 503]
    shed = forgeries[-1]
    assert shed.json()["type"] == "urn:sluice:problem:overloaded"
    assert int(shed.headers["retry-after"]) > 0
    assert (await client.get("/docs")).status_code == 200


async def test_genuine_messages_are_never_shed(notify: Notify) -> None:
    answers = [await notify("no event") for _ in range(3 * BURST)]

    assert {answer.status_code for answer in answers} == {200}


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics"])
async def test_the_platform_is_always_answered(client: httpx.AsyncClient, path: str) -> None:
    await statuses(client, "/nowhere")

    assert await statuses(client, path) == [200] * (BURST + 1)
