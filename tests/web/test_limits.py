"""Rate limits: who is turned away, and who is not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI

from app.settings import HttpSettings, LimitSettings, Settings
from app.web import limits
from tests.web.conftest import Headers, Notify

BURST = 3
SECONDS = 1.0
"""What a request may take, in these tests."""


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
    return settings.model_copy(update={"limit": limit, "http": HttpSettings(request_seconds=SECONDS)})


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


@pytest.mark.parametrize(
    ("path", "shed"), [("/v1/sns", 503), ("/v1/applications/A-1/decisions", 429)], ids=["SNS", "others"]
)
async def test_bodies_that_never_come_whole_are_paid_for(
    client: httpx.AsyncClient, elsewhere: httpx.AsyncClient, path: str, shed: int
) -> None:
    async def unending() -> AsyncIterator[bytes]:
        yield b" " * 1_000
        await asyncio.Event().wait()

    slow = [client.post(path, content=unending()) for _ in range(2 * BURST)]
    answers = await asyncio.gather(*slow)
    refused = await client.post(path, content=b"{}")

    assert {answer.json()["type"] for answer in answers} == {"urn:sluice:problem:timed-out"}
    assert refused.status_code == shed
    # Those that were let in side by side are all paid for, at 0.01 a second.
    assert int(refused.headers["retry-after"]) > 300
    assert (await elsewhere.post(path, content=b"{}")).status_code in {400, 401}


async def test_an_address_has_only_some_large_bodies_read_at_a_time_and_small_ones_pass_them(
    client: httpx.AsyncClient, notify: Notify, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MOST_LARGE_BODIES", 2)
    read_on, full, goes_on = [], asyncio.Event(), asyncio.Event()

    async def large(number: int) -> AsyncIterator[bytes]:
        yield b" " * (limits.SMALL_BODY_BYTES + 1)
        read_on.append(number)
        if len(read_on) == limits.MOST_LARGE_BODIES:
            full.set()
        await goes_on.wait()
        yield b" " * limits.SMALL_BODY_BYTES

    sending = [
        asyncio.create_task(client.post("/v1/sns", content=large(number))) for number in range(2 * BURST)
    ]
    await full.wait()
    small = await notify("no event")
    first = list(read_on)
    goes_on.set()
    answers = await asyncio.gather(*sending)

    assert small.status_code == 200
    assert len(first) == 2
    assert len(read_on) == len(sending)
    assert {answer.json()["type"] for answer in answers} == {"urn:sluice:problem:not-an-sns-message"}


async def test_only_so_many_bodies_of_an_address_may_be_on_their_way(
    client: httpx.AsyncClient, elsewhere: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MOST_BODIES", 2)
    begun, goes_on = asyncio.Semaphore(0), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        begun.release()
        await goes_on.wait()
        yield b"{}"

    sending = [asyncio.create_task(client.post("/v1/sns", content=slow())) for _ in range(2)]
    for _ in sending:
        await begun.acquire()
    refused, other = await client.post("/v1/sns"), await elsewhere.post("/v1/sns")
    goes_on.set()
    answers = await asyncio.gather(*sending)
    later = await client.post("/v1/sns")

    assert refused.json()["type"] == "urn:sluice:problem:overloaded"
    assert {answer.status_code for answer in [*answers, other, later]} == {400}
