"""Every row of the table in docs/callers/underwriting-tool.md: how a decision is answered."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from app import standard_webhooks
from app.db import create_engine, session_factory
from app.dev.process import free_port
from app.settings import DatabaseSettings
from app.web.deps import Gateway
from tests.web.conftest import DECISIONS_URL, Decide, Headers, Notify, s3_event

ROW = re.compile(r"^\| ([^|]+) \| (\d{3}) \| (?:`([^`]+)` )?\|$", re.MULTILINE)
DOCUMENT = Path(__file__).parents[2] / "docs/callers/underwriting-tool.md"
ROWS = {
    situation: (int(status), problem)
    for situation, status, problem in ROW.findall(DOCUMENT.read_text("utf-8"))
}

APPROVED: dict[str, Any] = {"outcome": "approved", "decided_by": "underwriter-17"}
DENIED: dict[str, Any] = {"outcome": "denied", "reasons": ["no_credit_file"], "decided_by": "underwriter-17"}


@dataclass
class World:
    """Application A-1 is in review, A-2 is being verified, A-3 nobody registered."""

    client: httpx.AsyncClient
    parts: Gateway
    decide: Decide
    underwriter: Headers
    loan_app: Headers

    async def post(self, headers: Headers) -> httpx.Response:
        return await self.client.post(DECISIONS_URL, json=APPROVED, headers=headers)


@pytest.fixture
async def world(
    client: httpx.AsyncClient,
    parts: Gateway,
    decide: Decide,
    underwriter: Headers,
    loan_app: Headers,
    in_review: None,
    notify: Notify,
) -> World:
    await notify(s3_event("applications/A-2/license-front/front.jpg"))
    return World(client, parts, decide, underwriter, loan_app)


Case = Callable[[World], Awaitable[httpx.Response]]
CASES: dict[str, Case] = {}


def case(situation: str) -> Callable[[Case], Case]:
    """Register what brings the situation about."""

    def register(act: Case) -> Case:
        CASES[situation] = act
        return act

    return register


@case("A decision on an application in review")
async def _(world: World) -> httpx.Response:
    return await world.decide(APPROVED)


@case("The same words under the same key")
async def _(world: World) -> httpx.Response:
    await world.decide(APPROVED, webhook_id="msg_1")
    return await world.decide(APPROVED, webhook_id="msg_1")


@case("The same outcome, reasons and conditions under another key")
async def _(world: World) -> httpx.Response:
    await world.decide(APPROVED, webhook_id="msg_1")
    return await world.decide(APPROVED, webhook_id="msg_2")


@case("A body that is not JSON")
async def _(world: World) -> httpx.Response:
    headers = {**world.underwriter, "Idempotency-Key": "1", "Content-Type": "application/json"}
    return await world.client.post(DECISIONS_URL, content=b"{", headers=headers)


@case("An API key without an Idempotency-Key")
async def _(world: World) -> httpx.Response:
    return await world.post(world.underwriter)


@case("No signature and no API key")
async def _(world: World) -> httpx.Response:
    return await world.post({})


@case("A signature header that is malformed")
async def _(world: World) -> httpx.Response:
    return await world.post(
        {"webhook-id": "msg_1", "webhook-timestamp": "yesterday", "webhook-signature": "v1,x"}
    )


@case("An API key nobody made")
async def _(world: World) -> httpx.Response:
    return await world.post({"Authorization": "Bearer sluice_nobody", "Idempotency-Key": "1"})


@case("A signature by another secret")
async def _(world: World) -> httpx.Response:
    return await world.decide(APPROVED, secret=SecretStr(standard_webhooks.new_secret()))


@case("A signature older than five minutes")
async def _(world: World) -> httpx.Response:
    return await world.decide(APPROVED, at=datetime.now(UTC) - timedelta(seconds=310))


@case("An API key of the loan app")
async def _(world: World) -> httpx.Response:
    return await world.post({**world.loan_app, "Idempotency-Key": "1"})


@case("An application nobody registered")
async def _(world: World) -> httpx.Response:
    return await world.decide(APPROVED, url="/v1/applications/A-3/decisions")


@case("An application that is not in review")
async def _(world: World) -> httpx.Response:
    return await world.decide(APPROVED, url="/v1/applications/A-2/decisions")


@case("Another decision stands, which the answer names")
async def _(world: World) -> httpx.Response:
    first = await world.decide(APPROVED)
    second = await world.decide(DENIED)
    assert first.json()["id"] in second.json()["detail"]
    return second


@case("The key was used for other words")
async def _(world: World) -> httpx.Response:
    await world.decide(APPROVED, webhook_id="msg_1")
    return await world.decide(DENIED, webhook_id="msg_1")


@case("A denial without a reason")
async def _(world: World) -> httpx.Response:
    return await world.decide({**DENIED, "reasons": []})


@case("A signed decision that does not name its application")
async def _(world: World) -> httpx.Response:
    return await world.decide({**APPROVED, "application_id": None})


@case("The body names another application than the address")
async def _(world: World) -> httpx.Response:
    headers = {**world.underwriter, "Idempotency-Key": "1"}
    return await world.client.post(DECISIONS_URL, json={**APPROVED, "application_id": "A-2"}, headers=headers)


@case("A member of the body is not valid")
async def _(world: World) -> httpx.Response:
    return await world.decide({**APPROVED, "outcome": "perhaps"})


@case("The database is down")
async def _(world: World) -> httpx.Response:
    url = f"postgresql+asyncpg://sluice@127.0.0.1:{free_port()}/sluice"
    engine = create_engine(DatabaseSettings(url=SecretStr(url)))
    world.parts.sessions = session_factory(engine)
    answer = await world.decide(APPROVED)
    await engine.dispose()
    return answer


def test_the_table_and_the_tests_have_the_same_rows() -> None:
    assert list(ROWS) == list(CASES)


@pytest.mark.parametrize("situation", ROWS)
async def test_the_situation_is_answered_as_the_table_says(world: World, situation: str) -> None:
    status, problem = ROWS[situation]

    answer = await CASES[situation](world)

    assert answer.status_code == status, answer.text
    if problem:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["type"] == f"urn:sluice:problem:{problem}"
    else:
        assert answer.headers["location"] == answer.json()["run"]["url"]
    assert ("retry-after" in answer.headers) == (status == 503)
